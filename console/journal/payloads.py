"""The schema of journal events: one struct a kind, the only place where the data of an event is written or read.

The kinds, the keys and their JSON types are published: files of every earlier release have them. A field may be added with a
default; a field whose default is None is left out of the JSON while it is None. Keys that this release does not know are
ignored, so that consoles of two releases can share a journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from console.journal.elapsed import BootTimestamp
from console.journal.event import Event
from queries.model.series import Labels
from queries.model.severity import Priority


class Step(StrEnum):
    """The six steps of an incident, in order."""

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
    """Where a timeline entry comes from."""

    PERSON = "person"
    CONSOLE = "console"
    """An action that somebody ran from a console."""
    ALERTMANAGER = "alertmanager"
    PROMETHEUS = "prometheus"
    KUBERNETES = "kubernetes"
    LOKI = "loki"


class DeliveryState(StrEnum):
    """What became of an attempt to send an update."""

    SENT = "sent"
    COPIED = "copied"
    """Copied to a clipboard or buffer, for a person to paste."""
    WRITTEN = "written"
    """Written to a file, for a person to paste."""
    MARKED = "marked as sent"
    """A person confirmed that it went out."""
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    """It may have arrived: the receiver did not answer."""
    SENDING = "sending"

    @property
    def out(self) -> bool:
        """Whether the public may have read it."""
        return self in (DeliveryState.SENT, DeliveryState.MARKED)

    @property
    def by_hand(self) -> bool:
        """Whether a person still has to post it."""
        return self in (DeliveryState.COPIED, DeliveryState.WRITTEN)


class LinkedAlert(msgspec.Struct, frozen=True):
    """An alert that belongs to an incident; `starts_at` is Unix seconds as of the moment it was linked."""

    fingerprint: str
    name: str
    starts_at: float = 0.0
    labels: Labels = ()


class RevisionFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ReplicaSet of a Deployment: UID, name, revision number, ready and desired pods.

    An action's outcome adds the ReplicaSet it aimed at (`goal`), how many pods that was to have, whether the goal's template
    is older (`back`), whether the server accepted the write (`taken`), and whether every pod of the goal became ready.
    """

    deployment: str
    replica_set: str
    revision: int
    ready: int
    desired: int
    goal: str | None = None
    goal_desired: int | None = None
    back: bool | None = None
    taken: bool | None = None
    rolled_out: bool | None = None


class GuardSignal(msgspec.Struct, frozen=True):
    """A panel that a guard watches: its value before the change, and the limit from which on it counts against the change, both
    in the panel's unit. `below`: small values are bad. `bad_before`: it had crossed its own threshold before the change.
    """

    panel: str
    title: str = ""
    before: float | None = None
    limit: float | None = None
    below: bool = False
    bad_before: bool = False


class Payload(msgspec.Struct, frozen=True, tag_field="kind"):
    """The data of one event; the struct's tag is the event's kind."""

    always_written: ClassVar[frozenset[str]] = frozenset()
    """Keys that stand in the JSON as null, too."""


# Actions


class ActionIntent(Payload, frozen=True, tag="action.intent"):
    """Somebody confirmed an action and the console is about to send it. The subject is the run's id, as in the other three.

    `server`, `cluster_uid` (of kube-system), `namespace_uid` and `identity` (the user that the API server sees) identify the
    target and the user of a change to a workload. `process` identifies the process that runs it; `differences` are name,
    before, after. Values that look like secrets are not kept. `overrule` is why it was made in a freeze of the environment.
    `step` is the last step that began; a console adds it when it reads the journal, and no event has it.
    """

    action: str | None = None
    title: str | None = None
    target: str | None = None
    cluster: str | None = None
    server: str | None = None
    cluster_uid: str | None = None
    namespace_uid: str | None = None
    identity: str | None = None
    process: str | None = None
    differences: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    digest: str = ""
    resource_version: str = ""
    cause: str = ""
    panel_id: str = ""
    fingerprint: str = ""
    overrule: str | None = None
    step: str | None = None


class ActionStep(Payload, frozen=True, tag="action.step"):
    """One step of an action that takes several began, or ended: `state` is `begun`, `done` or `failed`.

    It is journalled before the step begins. `output` is the end of what the step's program printed, without secrets, and
    `answer` the last line of its standard output: of a backup, what it is restored by.
    """

    step: str = ""
    state: str = ""
    text: str = ""
    target: str | None = None
    command: str | None = None
    seconds: float | None = None
    output: str | None = None
    answer: str | None = None


class ActionDeclined(Payload, frozen=True, tag="action.declined"):
    """Somebody saw the preview and did not confirm; nothing was sent."""

    action: str | None = None
    title: str | None = None
    target: str | None = None
    cluster: str | None = None
    server: str | None = None
    cluster_uid: str | None = None
    namespace_uid: str | None = None
    identity: str | None = None
    command: str = ""
    cause: str = ""


class ActionOutcome(Payload, frozen=True, tag="action.outcome"):
    """How an action ended: `done`, `refused`, `failed`, `unknown`, `undone`, `rolled back` or `rollback failed`, and why in one
    sentence.
    """

    outcome: str = ""
    text: str = ""
    action: str | None = None
    title: str | None = None
    target: str | None = None
    cluster: str | None = None
    server: str | None = None
    cluster_uid: str | None = None
    namespace_uid: str | None = None
    identity: str | None = None
    elapsed_seconds: float | None = None
    command: str | None = None
    cause: str | None = None
    fingerprint: str | None = None
    revisions: RevisionFacts | None = None


# Guards: the subject is the run's id, as of the action that they watch


class GuardStarted(Payload, frozen=True, tag="guard.started"):
    """A guard watches the change that the console is about to send. `process` identifies the process that runs it; `state` is a
    digest of what the change is about, before it. `undo_…` is the action that rolls the change back, empty if nothing does.
    The UIDs are those of the action; a change outside the cluster has none. `fingerprint` is the alert that the change was made
    for, if one was. `drill` is the id of the drill whose fault it is, empty for none: that is rolled back when its time is up,
    whatever the signals show. `parameters` are those of the change, without values that look like secrets.
    """

    action: str
    target: str
    title: str = ""
    cluster_uid: str = ""
    namespace_uid: str = ""
    process: str = ""
    watch_seconds: float = 0.0
    hold_seconds: float = 0.0
    countdown_seconds: float = 0.0
    signals: tuple[GuardSignal, ...] = ()
    twin: str = ""
    undo_action: str = ""
    undo_target: str = ""
    undo_parameters: dict[str, str] = {}
    state: str = ""
    fingerprint: str = ""
    drill: str = ""
    parameters: dict[str, str] = {}


class GuardWatching(Payload, frozen=True, tag="guard.watching"):
    """The server accepted the change; `state` is the digest after it."""

    state: str = ""


class GuardEvaluated(Payload, frozen=True, tag="guard.verdict"):
    """The guard's verdict differs from its last one: `ok`, `worse` or `unknown`, and why."""

    verdict: str = ""
    text: str = ""


class GuardAnnounced(Payload, frozen=True, tag="guard.announced"):
    """The guard is about to roll the change back, or has called that off: why, and when. `fingerprint` as at its start."""

    text: str = ""
    target: str = ""
    fingerprint: str = ""


class GuardTakenOver(Payload, frozen=True, tag="guard.taken"):
    """Another process watches on: `over` is the one that did so before. An empty `process`: nothing does, for now."""

    process: str = ""
    over: str = ""


class GuardEnded(Payload, frozen=True, tag="guard.ended"):
    """How it ended: `kept`, `rolled back`, `rollback failed`, `not made`, `changed`, `stopped`, `failed` or `unknown`."""

    result: str = ""
    text: str = ""
    target: str = ""
    fingerprint: str = ""


# Drills: the subject is the drill's run


class DrillTime(msgspec.Struct, frozen=True):
    """One of the times that a drill is about: `what` is `detect`, `acknowledge` or `recover`, `goal_seconds` its goal.

    `seconds` is None where nothing was observed; `result` is `met`, `missed`, `not observed` or `not expected`. `source` names
    what showed it, or why nothing did.
    """

    what: str
    goal_seconds: float
    seconds: float | None = None
    result: str = ""
    source: str = ""


class DrillStarted(Payload, frozen=True, tag="drill.started"):
    """Somebody confirmed a drill, and the console is about to send its fault. `process` identifies the process that runs it;
    `undo` says how it is rolled back, at the latest after `limit_seconds`. `goals` are in seconds, by what they are for.
    """

    drill: str
    title: str
    target: str
    process: str = ""
    limit_seconds: float = 0.0
    undo: str = ""
    goals: dict[str, float] = {}


class DrillFault(Payload, frozen=True, tag="drill.fault"):
    """The fault is being sent: from now on the times count. `run` is the id of the action's run, and of its guard."""

    run: str = ""
    text: str = ""


class DrillObserved(Payload, frozen=True, tag="drill.observed"):
    """The console observed one of the times: `what` is `detect`, `acknowledge` or `recover`, `source` what showed it."""

    what: str
    seconds: float
    source: str = ""


class DrillEnded(Payload, frozen=True, tag="drill.ended"):
    """How it ended: `rolled back`, `undo failed`, `changed` (by somebody, so nothing was rolled back), `not made`,
    `interrupted` or `unknown`, and why. `times` are the three times with their results; empty where the fault was not made.
    """

    result: str = ""
    text: str = ""
    target: str = ""
    times: tuple[DrillTime, ...] = ()


class RolloutCompleted(Payload, frozen=True, tag="rollout.complete"):
    """Every pod of a revision became ready. The subject is the Deployment's UID and the ReplicaSet's name."""

    revisions: RevisionFacts
    target: str = ""
    text: str = ""


class RolloutFailed(Payload, frozen=True, tag="rollout.failed"):
    """A revision exceeded its progress deadline without one ready pod; the subject as of a completed rollout."""

    revisions: RevisionFacts
    target: str = ""
    text: str = ""


# Alerts, notes, and the journal itself


class AlertAcknowledged(Payload, frozen=True, tag="alert.owned"):
    """Somebody acknowledged an alert; the subject is its fingerprint.

    `console` is the process that wrote it. `over` is the id of the event that the author saw as the present acknowledgement,
    empty for none; an older release wrote neither. `to` is who holds the alert from now on, where the author handed it to
    somebody; `console` is then that person's, absent where it is not known.
    """

    name: str = ""
    console: str | None = None
    over: str | None = None
    to: str | None = None


class AlertReleased(Payload, frozen=True, tag="alert.released"):
    """An acknowledgement ended: a person released the alert, or the console saw the alert resolve (`why`). `of` is the id of
    the event that acknowledged it; an older release wrote none where the alert resolved.
    """

    RESOLVED: ClassVar[str] = "resolved"

    name: str | None = None
    of: str | None = None
    why: str | None = None


class NoteWritten(Payload, frozen=True, tag="note"):
    """A remark that belongs to no incident and no checklist."""

    text: str = ""


class EventSettled(Payload, frozen=True, tag="journal.settled"):
    """Somebody knows that the event with this subject as its id is left out: no console warns about it any more."""

    why: str = ""


# Incidents: the subject is the incident's id


class IncidentDeclared(Payload, frozen=True, tag="incident.declared"):
    """`detected_at` is the start of the first alert, Unix seconds; `since` is when a person says that it began. `seen` is the
    value of everything that the timeline watches, by thing (`panel:error_ratio`): what later differs from it changed during
    the incident. `targets` are the workloads that its alerts are about: what was done to them since it began belongs to it.
    """

    always_written: ClassVar[frozenset[str]] = frozenset({"detected_at"})

    title: str
    severity: Priority
    alerts: tuple[LinkedAlert, ...] = ()
    panels: tuple[str, ...] = ()
    detected_at: float | None = None
    seen: dict[str, str] = {}
    commander: str = ""
    stability_seconds: float | None = None
    targets: tuple[str, ...] = ()
    since: float | None = None

    @classmethod
    def of(
        cls,
        title: str,
        severity: Priority,
        *,
        alerts: Iterable[LinkedAlert] = (),
        panels: Iterable[str] = (),
        seen: Mapping[str, str] | None = None,
        commander: str = "",
        stability_seconds: float | None = None,
        targets: Iterable[str] = (),
        since: float | None = None,
    ) -> IncidentDeclared:
        """With the detection derived from the alerts."""
        linked = tuple(alerts)
        return cls(
            title,
            severity,
            linked,
            tuple(panels),
            detected_at=min((item.starts_at for item in linked if item.starts_at), default=None),
            seen=dict(seen or {}),
            commander=commander,
            stability_seconds=stability_seconds,
            targets=tuple(dict.fromkeys(targets)),
            since=since,
        )


class SeverityChanged(Payload, frozen=True, tag="incident.severity"):
    """Somebody changed the severity, and why."""

    severity: Priority
    why: str = ""


class RoleAssigned(Payload, frozen=True, tag="incident.role"):
    """`person` empty: nobody holds the role any more. `over` is who held it as far as the author knew; where somebody else did
    by then, the event comes too late.
    """

    role: Role
    person: str = ""
    over: str | None = None


class StepChanged(Payload, frozen=True, tag="incident.step"):
    """A step was completed, or reopened. `because` names what completed it where no person did."""

    step: Step
    done: bool
    note: str = ""
    because: str = ""


class IncidentNoteAdded(Payload, frozen=True, tag="incident.note"):
    """A timeline entry by a person; `corrects` is the id of the entry that it corrects, which stays as it is."""

    id: str
    text: str
    corrects: str = ""


class FollowUpRecorded(Payload, frozen=True, tag="incident.follow_up"):
    """Something to do after the incident: `id` names it, `owner` does it until `due` (a date, YYYY-MM-DD). The last event of an
    id counts.
    """

    id: str
    text: str
    owner: str = ""
    due: str = ""
    done: bool = False


class AlertLinked(Payload, frozen=True, tag="incident.alert"):
    """An alert was linked to the incident, or with `on` false unlinked from it."""

    fingerprint: str
    name: str
    starts_at: float = 0.0
    labels: Labels = ()
    on: bool = True


class UpdateWritten(Payload, frozen=True, tag="incident.update"):
    """A public update; `update` is its id."""

    update: str
    text: str


class UpdateDelivered(Payload, frozen=True, tag="incident.delivered"):
    """What a person did with an update: copied, written to a file, or posted (`marked as sent`). `at` is when it went out, Unix
    seconds, where the person said so. A channel's delivery is the outcome of the action `notify`.
    """

    update: str
    how: DeliveryState
    where: str = ""
    at: float | None = None


class ChangeSeen(Payload, frozen=True, tag="incident.seen"):
    """The `count`-th recorded change of one thing that the timeline watches; `at` is when it happened, Unix seconds.

    The subject is the incident's id, `/` and a digest of thing and count: two consoles that see the same change write it under
    one subject, and it counts once.
    """

    thing: str
    value: str
    count: int
    at: float
    source: Source
    text: str
    fingerprint: str | None = None
    """By which the linked alert is listed from now on: a pending one that begins to fire has another."""


class IncidentClosed(Payload, frozen=True, tag="incident.closed"):
    """Somebody closed the incident, and why."""

    why: str = ""


class IncidentReopened(Payload, frozen=True, tag="incident.reopened"):
    """Somebody reopened the incident, and why."""

    why: str = ""


# Checklist runs and handovers: the subject is the run's or the handover's id


class RunStarted(Payload, frozen=True, tag="walk.begun"):
    """Somebody started a checklist; `uptime` is the boot timestamp, as of the signature."""

    checklist: str = ""
    title: str = ""
    uptime: BootTimestamp | None = None


class ItemAnswered(Payload, frozen=True, tag="walk.item"):
    """One item's answer (`agree` or `overrule`), with what the evidence said then.

    `resulting_verdict` is the verdict that the answer leaves the item at, `verdict` that of the evidence (absent for a
    question), `value` the measured value in the item's unit, `value_text` the same as text.
    """

    item: str = ""
    title: str = ""
    answer: str = ""
    resulting_verdict: str = msgspec.field(default="", name="stands")
    value_text: str = msgspec.field(default="", name="told")
    why: str = ""
    verdict: str | None = None
    value: float | str | None = None
    reason: str | None = None


class RunNoteAdded(Payload, frozen=True, tag="walk.note"):
    """Somebody added a note to one item."""

    item: str = ""
    title: str = ""
    text: str = ""


class RunSigned(Payload, frozen=True, tag="walk.signed"):
    """`name` is what the person signed with; `open` are the sentences on every item that was not ok."""

    checklist: str = ""
    title: str = ""
    name: str = ""
    open: tuple[str, ...] = ()
    uptime: BootTimestamp | None = None
    remark: str | None = None


class HandoverSigned(Payload, frozen=True, tag="handover.signed"):
    """`since` is the start of the shift, Unix seconds; `handed_over` are the handover's lines by section, as they were read."""

    name: str = ""
    since: float = 0.0
    handed_over: dict[str, tuple[str, ...]] = {}
    uptime: BootTimestamp | None = None
    to: str | None = None
    remark: str | None = None


INCIDENT_PAYLOADS: tuple[type[Payload], ...] = (
    IncidentDeclared,
    SeverityChanged,
    RoleAssigned,
    StepChanged,
    IncidentNoteAdded,
    FollowUpRecorded,
    AlertLinked,
    UpdateWritten,
    UpdateDelivered,
    ChangeSeen,
    IncidentClosed,
    IncidentReopened,
)
"""What is about one incident: the subject begins with its id."""
PAYLOADS: tuple[type[Payload], ...] = (
    ActionIntent,
    ActionDeclined,
    ActionStep,
    ActionOutcome,
    GuardStarted,
    GuardWatching,
    GuardEvaluated,
    GuardAnnounced,
    GuardTakenOver,
    GuardEnded,
    DrillStarted,
    DrillFault,
    DrillObserved,
    DrillEnded,
    RolloutCompleted,
    RolloutFailed,
    AlertAcknowledged,
    AlertReleased,
    NoteWritten,
    EventSettled,
    *INCIDENT_PAYLOADS,
    RunStarted,
    ItemAnswered,
    RunNoteAdded,
    RunSigned,
    HandoverSigned,
)
"""Every kind that the console writes."""


def event_kind(payload: Payload | type[Payload]) -> str:
    """The journal's kind of a payload."""
    return str(payload.__struct_config__.tag)


def event_kinds(*payloads: type[Payload]) -> tuple[str, ...]:
    """The kinds of several payloads."""
    return tuple(map(event_kind, payloads))


_BY_KIND: dict[str, type[Payload]] = {event_kind(payload): payload for payload in PAYLOADS}


def encode(payload: Payload) -> dict[str, Any]:
    """The data of the payload's event, as plain JSON values."""
    fields: dict[str, Any] = msgspec.to_builtins(payload)
    del fields["kind"]
    return {name: value for name, value in fields.items() if value is not None or name in payload.always_written}


def decode(event: Event) -> Payload:
    """The payload of an event. Raises ValueError for an unknown kind, and for data that does not fit the kind."""
    payload = _BY_KIND.get(event.kind)
    if payload is None:
        raise ValueError(f"unknown event kind {event.kind!r}")
    try:
        return msgspec.convert(event.data, payload)
    except (msgspec.ValidationError, ArithmeticError) as error:
        raise ValueError(f"{event.kind}: {error}") from None


def try_decode(event: Event) -> Payload | None:
    """As `decode`; None where the data does not fit."""
    try:
        return decode(event)
    except ValueError:
        return None


def create_event(payload: Payload, *, at: float, subject: str, author: str, environment: str = "") -> Event:
    """The event that the journal writes for a payload; `at` is Unix seconds."""
    return Event(at, event_kind(payload), subject, author, environment, encode(payload))
