"""An incident as its journal events add up: who, since when, which steps are done, and its timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from console.journal.acknowledgements import Acknowledgement
from queries.model.alert import Priority
from queries.model.series import Labels


class Step(StrEnum):
    """The six steps of an incident, in their order."""

    ACKNOWLEDGE = "acknowledge"
    ASSESS = "assess"
    COMMUNICATE = "communicate"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"
    REVIEW = "review"


class Role(StrEnum):
    COMMANDER = "commander"
    OPERATIONS = "operations"
    COMMUNICATIONS = "communications"
    SCRIBE = "scribe"


class Source(StrEnum):
    """Who or what an entry of the timeline comes from."""

    PERSON = "person"
    CONSOLE = "console"
    """An action that was run from a console, with its outcome."""
    ALERTMANAGER = "alertmanager"
    PROMETHEUS = "prometheus"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline. `at` is when it happened and `recorded_at` when it was written down, Unix seconds.

    `corrects` is the id of the entry that this one corrects; the corrected entry stays as it is.
    """

    at: float
    source: Source
    author: str
    text: str
    id: str
    recorded_at: float
    corrects: str = ""


@dataclass(frozen=True, slots=True)
class StepCompletion:
    """A step that is done: `at` in Unix seconds; `because` says what ticked it where no person did."""

    at: float
    author: str
    because: str = ""
    note: str = ""


class DeliveryState(StrEnum):
    """How an update went out, or did not."""

    SENT = "sent"
    COPIED = "copied"
    """To be pasted by a person: into a buffer, or as far as is known."""
    WRITTEN = "written"
    """To a file, to be pasted by a person."""
    MARKED = "marked as sent"
    """A person says that it went out."""
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    """It may have arrived; the other side did not say."""
    SENDING = "sending"

    @property
    def out(self) -> bool:
        """Whether it is known that people outside can have read it."""
        return self in (DeliveryState.SENT, DeliveryState.MARKED)

    @property
    def by_hand(self) -> bool:
        """Whether a person has to bring it out: that it was copied or written tells nobody anything."""
        return self in (DeliveryState.COPIED, DeliveryState.WRITTEN)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to bring an update to `where` (a channel's name, `clipboard`, a file's, what a person says); `why` says why
    it failed. `at` is when it went out, as far as is known, Unix seconds.
    """

    at: float
    author: str
    where: str
    state: DeliveryState
    why: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """A text for people outside, kept whether or not it could be sent."""

    id: str
    at: float
    author: str
    text: str
    sendings: tuple[Delivery, ...] = ()

    @property
    def out_at(self) -> float | None:
        """When it first went out; None while it did not."""
        return min((item.at for item in self.sendings if item.state.out), default=None)


@dataclass(frozen=True, slots=True)
class LinkedAlert:
    """An alert that belongs to the incident; `starts_at` as it was when it was linked, Unix seconds."""

    fingerprint: str
    name: str
    starts_at: float = 0.0
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class LastRecorded:
    """What was last recorded of one thing that is watched; `count` is how often it was recorded."""

    value: str
    at: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of one environment. Times are Unix seconds; `detected_at` is the start of its first alert, None where it
    was declared without one. `entries` are in the order in which things happened, `updates` oldest first. `number` counts
    the incidents of this journal from 1. `stability_seconds` overrides the configured window where it was declared with one.
    `seen` holds, by thing (`alert:FINGERPRINT`, `panel:ID`, …), what was last known of it.

    `earlier` is how many entries stand before `entries`, in the journal alone: a long timeline is not kept whole. `outline`
    says that this is only what lists need of an incident that is over: without timeline, updates and labels.
    """

    id: str
    number: int
    title: str
    severity: Priority
    declared_at: float
    declared_by: str
    environment: str = ""
    detected_at: float | None = None
    alerts: tuple[LinkedAlert, ...] = ()
    panels: tuple[str, ...] = ()
    roles: tuple[tuple[Role, str], ...] = ()
    ticks: Mapping[Step, StepCompletion] = field(default_factory=lambda: MappingProxyType({}))
    updates: tuple[Update, ...] = ()
    entries: tuple[TimelineEntry, ...] = ()
    closed_at: float | None = None
    closed_by: str = ""
    stability_seconds: float | None = None
    seen: Mapping[str, LastRecorded] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    earlier: int = 0
    outline: bool = False

    @property
    def open(self) -> bool:
        return self.closed_at is None

    @property
    def began_at(self) -> float:
        """When the trouble was first noticed: its first alert, else the declaration."""
        return min(self.declared_at, self.detected_at) if self.detected_at else self.declared_at

    def person(self, role: Role) -> str:
        """Who has this role; empty for nobody."""
        return dict(self.roles).get(role, "")

    def done_at(self, step: Step) -> float | None:
        tick = self.ticks.get(step)
        return tick.at if tick else None

    @property
    def acknowledged_at(self) -> float | None:
        return self.done_at(Step.ACKNOWLEDGE)

    @property
    def mitigated_at(self) -> float | None:
        return self.done_at(Step.MITIGATE)

    @property
    def resolved_at(self) -> float | None:
        return self.done_at(Step.RESOLVE)

    @property
    def communicated_at(self) -> float | None:
        """When an update last went out."""
        return max((item.out_at for item in self.updates if item.out_at is not None), default=None)

    def links(self, fingerprint: str) -> bool:
        return any(item.fingerprint == fingerprint for item in self.alerts)

    @property
    def firing(self) -> tuple[LinkedAlert, ...]:
        """Its alerts that were not seen to end."""
        return tuple(item for item in self.alerts if self._last(item) not in (None, RESOLVED))

    @property
    def quiet_since(self) -> float | None:
        """Since when none of its alerts fires any more, as far as was seen; None while one does, or where it has none."""
        if not self.alerts or self.firing:
            return None
        ends = [self.seen[f"alert:{item.fingerprint}"].at for item in self.alerts if f"alert:{item.fingerprint}" in self.seen]
        return max(ends, default=None)

    def _last(self, alert: LinkedAlert) -> str | None:
        found = self.seen.get(f"alert:{alert.fingerprint}")
        return found.value if found else None


FIRING = "firing"
RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incidents:
    """The incidents of one environment in the order of their declaration: every open one, and of the others the newest.

    `count` is how many were declared in all, `marks` are whose alerts are, by fingerprint.
    """

    all: tuple[Incident, ...] = ()
    marks: Mapping[str, Acknowledgement] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    count: int = 0

    @property
    def older(self) -> int:
        """How many are only in the journal."""
        return max(0, self.count - len(self.all))

    @property
    def open(self) -> tuple[Incident, ...]:
        return tuple(item for item in self.all if item.open)

    def get(self, identity: str) -> Incident | None:
        return next((item for item in self.all if item.id == identity), None)

    def current(self) -> Incident | None:
        """The one that is meant where none is named: the only open one, else the newest."""
        return self.open[-1] if len(self.open) == 1 else self.all[-1] if self.all and not self.open else None
