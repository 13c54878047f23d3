"""A presence board that a test holds in its hands, and both clocks of one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from console.journal.presence import PresenceBoard, PresenceWorker
from queries.errors import Unreachable
from queries.model.fault import Fault


@dataclass
class MemoryBoard:
    """The board of a test: what the workers wrote, and a failure that it raises."""

    entries_: dict[str, str]
    live: bool = False
    failure: Unreachable | None = None
    fault: Fault | None = None
    poll_seconds: float = 60.0
    writes: int = 0

    def open(self, changed: Callable[[], None]) -> None:
        return

    def entries(self) -> dict[str, str] | None:
        if self.failure is not None:
            raise self.failure
        return dict(self.entries_)

    def write(self, identity: str, text: str) -> None:
        self.entries_[identity] = text
        self.writes += 1

    def remove(self, identity: str) -> None:
        self.entries_.pop(identity, None)

    def close(self) -> None:
        return


class Clock:
    """Both clocks of one machine: `wall` may be wrong, `passed` never is."""

    def __init__(self, wall: float = 1_000_000.0) -> None:
        self.wall = wall
        self.passed = 0.0

    def pass_seconds(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds


def worker(
    board: PresenceBoard, user: str, clock: Clock, *, writes: bool = True, environment: str = "production", console: str = ""
) -> PresenceWorker:
    found = PresenceWorker(
        board,
        user=user,
        environment=environment,
        writes=writes,
        changed=lambda: None,
        console=console or f"{user}-host boot 1 1",
        clock=lambda: clock.wall,
        monotonic=lambda: clock.passed,
    )
    found.announce(screen="Overview")
    return found
