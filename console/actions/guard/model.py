"""What a guard is asked to do, and what it reports."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from console.journal.payloads import GuardSignal
from queries.model.frozen import dataclass
from queries.text.durations import parse_duration

DEFAULT_SIGNALS = ("error_ratio", "p95_latency")
DEFAULT_WATCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """How a change is guarded. `signals` are ids of panels; `twin` is the name of a Deployment that was not changed, whose
    series are compared too.

    With a signal of unknown value for `hold_seconds`, the change is rolled back; `countdown_seconds` pass between the
    announcement of that and the request.
    """

    watch_seconds: float = DEFAULT_WATCH_SECONDS
    signals: tuple[str, ...] = DEFAULT_SIGNALS
    hold_seconds: float = 120.0
    countdown_seconds: float = 10.0
    twin: str = ""
    drill: str = ""
    """The drill that makes the change: it is rolled back after `watch_seconds`, whatever the signals show."""


GUARDED_BY_DEFAULT = ("image",)
"""The actions that are guarded in a protected environment unless somebody says otherwise."""
OFF = "off"
MOST_SECONDS = 86_400.0


def default_guard(action: str, *, protected: bool) -> GuardOptions | None:
    """The guard of an action for which nobody asked for one."""
    return GuardOptions() if protected and action in GUARDED_BY_DEFAULT else None


def parse_guard(
    duration: str, *, signals: str = "", twin: str = "", hold: str = "", countdown: str = ""
) -> GuardOptions | None:
    """A guard as a person writes it: durations like 10m, signals with commas; None for `off`. Raises ValueError."""
    if duration == OFF:
        return None
    options = GuardOptions(parse_duration(duration, least=1.0, most=MOST_SECONDS), twin=twin.removeprefix("deployment/"))
    if names := split_signals(signals):
        options = replace(options, signals=names)
    if hold:
        options = replace(options, hold_seconds=parse_duration(hold, least=1.0, most=MOST_SECONDS))
    if countdown:
        options = replace(options, countdown_seconds=parse_duration(countdown, most=MOST_SECONDS))
    return options


def split_signals(text: str) -> tuple[str, ...]:
    """The ids of panels, separated by commas, each once."""
    return tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))


class GuardVerdict(StrEnum):
    OK = "ok"
    WORSE = "worse"
    """Worse than before the change, and beyond the signal's own threshold."""
    UNKNOWN = "unknown"
    """No data, in doubt, or too old: never counted as ok."""


class GuardPhase(StrEnum):
    WATCH = "watching"
    HOLD = "holding"
    COUNTDOWN = "countdown"
    UNDO = "rolling back"
    ENDED = "ended"


class GuardResult(StrEnum):
    """How a guard ended, as in the journal."""

    KEPT = "kept"
    ROLLED_BACK = "rolled back"
    ROLLBACK_FAILED = "rollback failed"
    NOT_MADE = "not made"
    """The change was never made."""
    CHANGED = "changed"
    """Somebody else changed it since: theirs is not rolled back."""
    STOPPED = "stopped"
    """A person ended the guard: the change stays, not verified."""
    FAILED = "failed"
    """Worse, and nothing rolls the change back."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignalReading:
    """A signal at one moment, in words. `value` is in the panel's unit, None if it is unknown; so is the twin's."""

    signal: GuardSignal
    verdict: GuardVerdict
    text: str
    value: float | None = None
    twin: float | None = None


NO_ROLLBACK = "this change has no automatic rollback"
"""Where nothing undoes it."""


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """A guard at one moment. Times are Unix seconds, for people: what it decides follows a clock that nobody sets.

    `ends_at` is when the change is kept, `acts_at` when it is rolled back, unless something happens before. `undo` says what
    rolls it back, empty if nothing does. `verdicts` are the newest with their time, oldest first; `left_out` is the number of
    those before them.
    """

    phase: GuardPhase
    undo: str
    started_at: float
    readings: tuple[SignalReading, ...] = ()
    ends_at: float | None = None
    acts_at: float | None = None
    reason: str = ""
    verdicts: tuple[tuple[float, GuardVerdict, str], ...] = ()
    result: GuardResult | None = None
    left_out: int = 0
    drill: str = ""
    """As in the options."""
