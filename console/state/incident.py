"""An incident as its journal events add up: people, times, completed steps, updates and timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType

from console.journal.acknowledgements import Acknowledgement
from console.journal.payloads import DeliveryState, LinkedAlert, Role, Source, Step
from queries.model.frozen import dataclass
from queries.model.severity import Priority

__all__ = (
    "FIRING",
    "RESOLVED",
    "Delivery",
    "DeliveryState",
    "EarlierEntry",
    "FollowUp",
    "Incident",
    "Incidents",
    "LastRecorded",
    "LinkedAlert",
    "Role",
    "Source",
    "Step",
    "StepCompletion",
    "TimelineEntry",
    "Update",
    "find_entry",
    "resolve_corrections",
    "update_target",
)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline. `at` is when it happened and `recorded_at` when it was written, Unix seconds. `corrects` is the
    id of the entry that this one corrects, which stays as it is.

    The id is the same on every console and in a bundle. `old_id` is the id that older releases gave it, without the event's
    number in the console's own file at its end; empty where the event names the entry.
    """

    at: float
    source: Source
    author: str
    text: str
    id: str
    recorded_at: float
    corrects: str = ""
    old_id: str = ""


@dataclass(frozen=True, slots=True)
class EarlierEntry:
    """An entry from before a declaration: an incident that is about its alert or its target takes it over.

    `action` is the name of an action that was done, or whether somebody acknowledged or released the alert, empty for
    anything else; `title` names it where it completes a step.
    """

    entry: TimelineEntry
    fingerprint: str = ""
    target: str = ""
    action: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class StepCompletion:
    """A completed step: `at` is Unix seconds; `because` names what completed it where no person did."""

    at: float
    author: str
    because: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to publish an update. `where` is a channel's name, a file, or what a person entered; `why` is the reason of a
    failure; `at` is when it went out as far as is known, Unix seconds. `run` is the id of the action that sends it, empty where
    a person published it by hand.
    """

    at: float
    author: str
    where: str
    state: DeliveryState
    why: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """A public update, kept whether or not anyone sent it."""

    id: str
    at: float
    author: str
    text: str
    deliveries: tuple[Delivery, ...] = ()

    @property
    def out_at(self) -> float | None:
        """When it first went out; None while it has not."""
        return min((item.at for item in self.deliveries if item.state.out), default=None)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Something to do after the incident, by `owner` until `due` (YYYY-MM-DD); both may be empty."""

    id: str
    author: str
    text: str
    owner: str = ""
    due: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class LastRecorded:
    """The last recorded value of one thing that the timeline watches; `count` is how many changes were recorded."""

    value: str
    at: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of one environment. Times are Unix seconds.

    `number` counts the incidents of this journal from 1. `detected_at` is the start of the first alert, None where the incident
    was declared without one; `since` is when a person said that it began. `targets` are the workloads that its alerts are
    about. `entries` are ordered by when things happened, `updates` oldest first. `stability_seconds` overrides the configured
    window. `seen` is the last recorded value by thing (`alert:FINGERPRINT`, `panel:ID`, …).

    `earlier` counts the entries before `entries` that only the journal holds: a long timeline is cut. `outline` marks what
    lists need of a closed incident: without timeline, updates and labels.
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
    completions: Mapping[Step, StepCompletion] = field(default_factory=lambda: MappingProxyType({}))
    updates: tuple[Update, ...] = ()
    entries: tuple[TimelineEntry, ...] = ()
    closed_at: float | None = None
    closed_by: str = ""
    stability_seconds: float | None = None
    seen: Mapping[str, LastRecorded] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    earlier: int = 0
    outline: bool = False
    targets: tuple[str, ...] = ()
    since: float | None = None
    follow_ups: tuple[FollowUp, ...] = ()

    @property
    def open(self) -> bool:
        return self.closed_at is None

    @property
    def began_at(self) -> float:
        """The earliest of the first alert, what a person said, and the declaration."""
        return min(at for at in (self.declared_at, self.detected_at, self.since) if at)

    def person(self, role: Role) -> str:
        """Who holds this role; empty for nobody."""
        return dict(self.roles).get(role, "")

    def done_at(self, step: Step) -> float | None:
        completion = self.completions.get(step)
        return completion.at if completion else None

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
    def recovered_at(self) -> float | None:
        """When it no longer hurt: mitigated, or resolved without a mitigation."""
        return min((at for at in (self.mitigated_at, self.resolved_at) if at is not None), default=None)

    @property
    def communicated_at(self) -> float | None:
        """When an update last went out."""
        return max((item.out_at for item in self.updates if item.out_at is not None), default=None)

    def links(self, fingerprint: str) -> bool:
        return any(item.fingerprint == fingerprint for item in self.alerts)

    def is_about(self, target: str, fingerprint: str) -> bool:
        """Whether it names this workload or this alert; one that names neither is about all of them."""
        if not (self.alerts or self.targets):
            return True
        return self.links(fingerprint) or (target != "" and target in self.targets)

    @property
    def firing(self) -> tuple[LinkedAlert, ...]:
        """Its alerts that are not known to have resolved."""
        return tuple(item for item in self.alerts if self._last(item) not in (None, RESOLVED))

    @property
    def quiet_since(self) -> float | None:
        """Since when none of its alerts fires, as far as is known; None while one does, or where it has none."""
        if not self.alerts or self.firing:
            return None
        ends = [self.seen[f"alert:{item.fingerprint}"].at for item in self.alerts if f"alert:{item.fingerprint}" in self.seen]
        return max(ends, default=None)

    def _last(self, alert: LinkedAlert) -> str | None:
        found = self.seen.get(f"alert:{alert.fingerprint}")
        return found.value if found else None


PENDING = "pending"
FIRING = "firing"
RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incidents:
    """The incidents of one environment in the order of their declaration: every open one and the newest closed ones.

    `count` is how many were declared in total; `acknowledgements` are by alert fingerprint. `earlier` are the newest actions,
    acknowledgements and rollouts, oldest first: an incident that is declared later may be about them.
    """

    all: tuple[Incident, ...] = ()
    acknowledgements: Mapping[str, Acknowledgement] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    count: int = 0
    earlier: tuple[EarlierEntry, ...] = field(default=(), repr=False)

    @property
    def older(self) -> int:
        """How many only the journal holds."""
        return max(0, self.count - len(self.all))

    @property
    def open(self) -> tuple[Incident, ...]:
        return tuple(item for item in self.all if item.open)

    def get(self, identity: str) -> Incident | None:
        return next((item for item in self.all if item.id == identity), None)

    def current(self) -> Incident | None:
        """The default where no incident is named: the only open one, or, where none is open, the newest."""
        return self.open[-1] if len(self.open) == 1 else self.all[-1] if self.all and not self.open else None


def find_entry(entries: Sequence[TimelineEntry], identity: str) -> TimelineEntry | None:
    """The entry with this id, or with an id that an older release gave it."""
    for entry in entries:
        if entry.id == identity:
            return entry
    start, _, number = identity.rpartition(":")
    return next((entry for entry in entries if start and entry.old_id == start and number.isdecimal()), None)


def resolve_corrections(entries: tuple[TimelineEntry, ...]) -> tuple[TimelineEntry, ...]:
    """The entries, each correction under the present id of what it corrects."""
    return tuple(
        replace(entry, corrects=found.id) if entry.corrects and (found := find_entry(entries, entry.corrects)) else entry
        for entry in entries
    )


def update_target(incident: str, update: str) -> str:
    """The target of the action that sends an update; its plan appends `/CHANNEL`."""
    return f"update/{incident}/{update}"
