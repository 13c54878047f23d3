"""The state of one source: is it answering, since when not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queries.model.fault import Fault


class Health(StrEnum):
    WAITING = "waiting"
    """No answer yet, and no failure yet either."""
    UP = "up"
    DEGRADED = "degraded"
    """It answers, but not whole: a peer is lost, one query was refused, the server warns."""
    NOT_READY = "not ready"
    """It answers, and says that it does not serve."""
    STALE = "stale"
    """It answers, but cannot confirm that what it says is still so."""
    DOWN = "down"
    DENIED = "denied"
    NOT_CONFIGURED = "not configured"

    @property
    def answers(self) -> bool:
        """Whether it gives good answers now, whatever it says in them."""
        return self in (Health.UP, Health.DEGRADED, Health.NOT_READY)


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source as line 2 of every screen shows it.

    `last_good_at` is Unix seconds of the last good answer, None where there was none.
    `detail` says more while it is well (`2/2`, `live`), and what it waits for before its first answer; `fault` says what is
    wrong when it is not well.
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
    """Since when it was not asked and has not answered, Unix seconds: nobody could see the screen, or the process stood still.
    What it said last, also that it was down, is not how it is now."""

    @property
    def paused(self) -> bool:
        return self.paused_at is not None
