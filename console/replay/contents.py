"""The parts of a bundle that describe the console itself: settings without secrets, panels, signals, runbooks, the journal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from console.config.settings import AlertTarget, Contact, Settings
from console.incidents.severity_policy import SeverityPolicies, SeverityPolicy
from console.recording.reader import Recording
from console.replay.bundle_file import Bundle, BundleError
from queries.decoding import convert, decoder
from queries.model.chart import ChartMark
from queries.model.dashboard import Dashboard
from queries.model.panel import PanelSpec, Threshold
from queries.model.severity import Priority, Severities
from queries.model.text import visible

if TYPE_CHECKING:
    from console.journal.event import Event
    from console.monitor.session import Session
    from console.runbooks.page import Runbook
    from queries.catalogue.signals import Signal

SETTINGS, PANELS, SIGNALS, RUNBOOKS = "settings.json", "panels.json", "signals.json", "runbooks.jsonl"
JOURNAL, MARKS, CHECKLISTS = "journal.jsonl", "marks.jsonl", "checklists.jsonl"
SERIES, RULES, ALERTING, METADATA = "series.jsonl", "rules.json", "alerting.json", "metadata.json"
SILENCES, LOGS, PATTERNS, LOG_SERIES = "silences.json", "logs.jsonl", "patterns.jsonl", "log_series.jsonl"
RECORDING = "recording.rec.gz"

T = TypeVar("T")


class KeptChecklist(msgspec.Struct):
    """The text of a checklist's file, or why it could not be read."""

    name: str
    text: str = ""
    why: str = ""


class KeptSettings(msgspec.Struct):
    """What decides how a platform is shown. None of it is an address or a secret."""

    stale_after_seconds: float = 30.0
    thresholds: tuple[tuple[str, Threshold], ...] = ()
    alert_targets: tuple[AlertTarget, ...] = ()
    heartbeat_alert: str = ""
    error_codes: tuple[tuple[str, str], ...] = ()
    shift_hours: float = 12.0
    severities: Severities = Severities()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    rule_windows: tuple[tuple[str, str], ...] = ()
    loki_labels: tuple[tuple[str, str], ...] = ()
    contacts: tuple[Contact, ...] = ()
    policies: dict[Priority, SeverityPolicy] = {}
    platform: bool = False
    """Whether the platform's own API was configured."""

    def apply(self, settings: Settings) -> Settings:
        fields = (name for name in self.__struct_fields__ if name not in ("contacts", "policies", "platform"))
        return replace(settings, **{name: getattr(self, name) for name in fields})


class KeptPanels(msgspec.Struct):
    """The panels of the overview, and every dashboard."""

    overview: tuple[PanelSpec, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()


class KeptEvent(msgspec.Struct):
    """An event of the journal; `at` in Unix seconds, `stamp` in microseconds."""

    at: float
    kind: str
    subject: str
    author: str
    environment: str
    id: str
    stamp: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    data: msgspec.Raw


class KeptMark(msgspec.Struct):
    """What happened at a moment, Unix seconds: `kind` is alert, rollout, action, incident or note."""

    at: float
    kind: str
    text: str
    letter: str


class KeptLine(msgspec.Struct, frozen=True):
    """A line of a log: which workload it was read for, what wrote it, and when, in Unix nanoseconds."""

    target: str
    source: str
    at_ns: int
    text: str
    size_bytes: int = 0


class KeptPattern(msgspec.Struct):
    """A pattern of a workload's log before and after a moment, Unix seconds; how long before and after were compared."""

    target: str
    moment: float
    before_seconds: float
    after_seconds: float
    change: str | None
    before: int
    after: int
    level: str | None
    pattern: str
    line: str
    sources: list[str] = []
    note: str = ""
    """Where less was compared than was asked for, or fewer patterns are kept: one sentence for all patterns of a target."""


def keep_settings(session: Session) -> bytes:
    """Of the session's settings what a replay needs."""
    settings, policies = session.settings, session.severity_policies
    names = [name for name in KeptSettings.__struct_fields__ if name not in ("contacts", "policies", "platform")]
    kept = KeptSettings(
        **{name: getattr(settings, name) for name in names},
        contacts=policies.contacts,
        policies=dict(policies.severities),
        platform=settings.platform is not None,
    )
    return msgspec.json.format(msgspec.json.encode(kept), indent=2)


def keep_event(event: Event) -> KeptEvent:
    """What a bundle has of an event."""
    data = msgspec.Raw(msgspec.json.encode(event.data))
    return KeptEvent(event.at, event.kind, event.subject, event.author, event.environment, event.id, event.stamp, data)


def read_events(bundle: Bundle) -> Iterable[Event]:
    """Raises BundleError."""
    from console.journal.event import Event, parse_data  # noqa: PLC0415  # after the first frame

    for item in read_lines(bundle, JOURNAL, KeptEvent):
        try:
            data: dict[str, Any] = parse_data(bytes(item.data).decode())
        except ValueError as error:
            raise BundleError(f"{JOURNAL} has an event that cannot be read: {visible(str(error))}") from None
        yield Event(item.at, item.kind, item.subject, item.author, item.environment, data, id=item.id, stamp=item.stamp)


def open_recording(bundle: Bundle) -> Recording:
    """What the bundle has of a recorder, never what this machine recorded; one that cannot be read is not known."""
    return Recording(None, exported=bundle.read(RECORDING) if bundle.has(RECORDING) else b"")


def read_value(bundle: Bundle, name: str, shape: type[T], *, default: T) -> T:
    """A part that is one JSON value; `default` where the bundle has no such part. Raises BundleError."""
    return _decode(name, bundle.read(name), shape) if bundle.has(name) else default


def read_lines(bundle: Bundle, name: str, shape: type[T]) -> list[T]:
    """A part with one JSON value a line; empty where the bundle has no such part. Raises BundleError."""
    return [_decode(name, line, shape) for line in bundle.read(name).splitlines() if line.strip()]


def _decode(name: str, content: bytes, shape: type[T]) -> T:
    try:
        return decoder(shape).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{name} cannot be read: {visible(str(error))}") from None


def encode_value(value: object) -> bytes:
    """As JSON, which has no infinity: a range without a bound has null."""
    return msgspec.json.encode(_change_ranges(msgspec.to_builtins(value), lambda _, end: end if math.isfinite(end) else None))


def _restore_end(name: str, end: float | None) -> float:
    return (-math.inf if name == "low" else math.inf) if end is None else end


def _change_ranges(value: Any, change: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"low", "high"}:
            return {name: change(name, end) for name, end in value.items()}
        return {name: _change_ranges(item, change) for name, item in value.items()}
    return [_change_ranges(item, change) for item in value] if isinstance(value, list | tuple) else value


def read_values(bundle: Bundle, name: str, shape: type[T]) -> list[T]:
    """The values that `encode_value` wrote, one a line. Raises BundleError."""
    found = []
    for line in bundle.read(name).splitlines():
        try:
            found.append(convert(_change_ranges(msgspec.json.decode(line), _restore_end), shape))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, TypeError, RecursionError) as error:
            raise BundleError(f"{name} cannot be read: {visible(str(error))}") from None
    return found


def restore_signals(bundle: Bundle) -> Mapping[str, Signal] | None:
    """None where the bundle has none: then those of this console. Raises BundleError."""
    from queries.catalogue.signals import Signal  # noqa: PLC0415  # after the first frame

    return read_value(bundle, SIGNALS, dict[str, Signal], default={}) or None


def restore_runbooks(bundle: Bundle) -> tuple[Runbook, ...]:
    """Raises BundleError."""
    from console.runbooks.page import Runbook  # noqa: PLC0415  # after the first frame

    return tuple(read_values(bundle, RUNBOOKS, Runbook))


def restore_marks(bundle: Bundle) -> tuple[ChartMark, ...]:
    """Raises BundleError."""
    found = read_lines(bundle, MARKS, KeptMark)
    return tuple(ChartMark(item.at, item.letter[:1] or "?", item.kind, item.text) for item in found)


def build_policies(kept: KeptSettings) -> SeverityPolicies | None:
    """None where the bundle lacks one of the severities: then those of this console."""
    return SeverityPolicies(kept.policies, kept.contacts) if set(kept.policies) == set(Priority) else None
