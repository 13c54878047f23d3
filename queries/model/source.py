"""One source: the result of a poll, and whether the source answers, since when it does not, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar

from queries.model.fault import Fault
from queries.model.frozen import dataclass

T = TypeVar("T")


class Health(StrEnum):
    WAITING = "waiting"
    """Neither an answer nor a failure yet."""
    UP = "up"
    DEGRADED = "degraded"
    """It answers incompletely: a peer is lost, the server refused one query, or it warns."""
    PARTIAL = "partial"
    """It responds from only part of its storage."""
    NOT_READY = "not ready"
    """It answers, and reports that it does not serve."""
    STALE = "stale"
    """It answers, but cannot confirm that its data is current."""
    DOWN = "down"
    DENIED = "denied"
    NOT_CONFIGURED = "not configured"
    NOT_KNOWN_THEN = "not known then"
    """The moment looked at is past, and nothing keeps what this source said then."""

    @property
    def serves(self) -> bool:
        """Whether its responses are usable now, complete or partial."""
        return self in (Health.UP, Health.DEGRADED, Health.PARTIAL)

    @property
    def answers(self) -> bool:
        """Whether it responds usefully now, whatever the content says."""
        return self.serves or self is Health.NOT_READY


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source as line 2 of every screen shows it.

    `last_good_at` is Unix seconds of the last good answer, None before the first.
    `detail` adds to a healthy state (`2/2`, `live`), and names what it waits for before its first answer; `fault` explains
    an unhealthy one.
    """

    name: str
    health: Health
    detail: str = ""
    latency_seconds: float | None = None
    last_good_at: float | None = None
    fault: Fault | None = None
    warnings: tuple[str, ...] = ()
    endpoint: str = ""
    paused_at: float | None = None
    """Unix seconds since when it was not polled: nobody could see the screen, or the process was stopped. Its last answer, even
    `down`, does not describe it now."""

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def answers(self) -> bool:
        """Whether what it returned last describes it now; an answer of long ago does not."""
        return not self.paused and self.health.answers


@dataclass(frozen=True, slots=True)
class PollResult(Generic[T]):
    """One poll of one source: exactly one of `value` and `fault` is set.

    `taken_at` is when the answer was complete, Unix seconds, `latency_seconds` how long it took.
    `warnings` are the server's own, for the screen (Prometheus' warnings and infos, a lost peer).
    """

    source: str
    taken_at: float
    latency_seconds: float
    value: T | None = None
    fault: Fault | None = None
    warnings: tuple[str, ...] = ()
