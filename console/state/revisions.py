"""Which revision a rollback proposes (`propose_revision`): what the cluster and the journal know about each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from console.journal.event import Event
from console.journal.payloads import (
    ActionOutcome,
    RevisionFacts,
    RolloutCompleted,
    RolloutFailed,
    decode,
    event_kinds,
    try_decode,
)
from console.journal.projection import Projection, keep_last
from queries.model.cluster import Cluster
from queries.model.frozen import dataclass
from queries.model.managing_tools import OWN_MANAGER
from queries.model.rollout import RolloutPhase, rollout_status
from queries.model.text import visible
from queries.model.workload import Container, Revision, Workload
from queries.text.times import format_shown

MOST = 2000
"""ReplicaSets whose records the state holds; a cluster keeps ten of each Deployment."""


class Standing(StrEnum):
    READY = "was ready"
    UNKNOWN = "not known to have been ready"
    """A ReplicaSet that was scaled down keeps no trace of having been ready: not in status, conditions or managedFields."""
    NEVER_READY = "never became ready"
    ROLLED_BACK = "rolled back from"
    SAME = "the same pod template but for the time of a restart"


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """What the journal has about one ReplicaSet; Unix seconds, 0 where it has nothing. `left_number` is its revision when
    somebody rolled back from it: if it was rolled out again since, it has another.
    """

    ready_at: float = 0.0
    failed_at: float = 0.0
    left_at: float = 0.0
    left_by: str = ""
    left_number: int = 0


Records: TypeAlias = Mapping[tuple[str, str], RevisionRecord]
"""By the Deployment's UID and the ReplicaSet's name."""
NO_RECORDS: Records = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RevisionChoice:
    """One revision to roll back to, and what is known about it in one phrase."""

    revision: Revision
    standing: Standing
    text: str


def revision_choices(workload: Workload, revisions: Iterable[Revision], records: Records) -> tuple[RevisionChoice, ...]:
    """Every revision except the present one, newest first."""
    known = sorted(revisions, key=lambda item: item.number, reverse=True)
    turns = _Turns(known)
    current = _current(workload, known)
    found = []
    for revision in known:
        if revision is not current:
            alike = turns.alike(revision)
            same = current is not None and turns.template(current) == turns.template(revision)
            own = {item.name: records.get((workload.uid, item.name), RevisionRecord()) for item in alike}
            found.append(_choice(revision, alike, own, turns, same=same))
    return tuple(found)


def propose_revision(choices: Iterable[RevisionChoice]) -> RevisionChoice | None:
    """The newest revision that was ready and was not rolled back from; without one, the newest of unknown standing.

    None where every revision is known to be bad, or to be what runs.
    """
    offered = tuple(choices)
    return next((item for best in (Standing.READY, Standing.UNKNOWN) for item in offered if item.standing is best), None)


def is_older(source: Revision, goal: Revision, revisions: Iterable[Revision]) -> bool:
    """Whether the goal's template is older than the source's; otherwise it is a rollout, whatever tool is used."""
    turns = _Turns(tuple(revisions))
    return turns.first(goal) < turns.first(source)


class _Turns:
    """The revisions by their template, and when each had its turn. A ReplicaSet that is used again gets a new number and keeps
    its old ones in an annotation: so the cluster shows every rollback, whatever tool did it.
    """

    def __init__(self, known: Iterable[Revision]) -> None:
        self._alike: dict[str, list[Revision]] = {}
        self._at: dict[int, Revision] = {}
        for item in known:
            self._alike.setdefault(self.template(item), []).append(item)
            self._at |= dict.fromkeys((*item.history, item.number), item)

    @staticmethod
    def template(item: Revision) -> str:
        return item.template or item.name

    def alike(self, item: Revision) -> list[Revision]:
        """All with this template, restarts included."""
        return self._alike[self.template(item)]

    def first(self, item: Revision) -> int:
        return min(number for each in self.alike(item) for number in (*each.history, each.number))

    def rolled_back_by(self, item: Revision) -> int:
        """The revision that restored an older template when this one ended; 0 where none did."""
        last = max(each.number for each in self.alike(item))
        after = self._at.get(last + 1)
        return last + 1 if after is not None and self.first(after) < self.first(item) else 0


def _choice(
    revision: Revision, alike: list[Revision], records: Mapping[str, RevisionRecord], turns: _Turns, *, same: bool
) -> RevisionChoice:
    if same:
        return RevisionChoice(revision, Standing.SAME, f"is {Standing.SAME}")
    left = max(
        (records[item.name] for item in alike if records[item.name].left_at and records[item.name].left_number == item.number),
        key=lambda item: item.left_at,
        default=None,
    )
    if left is not None:
        return RevisionChoice(
            revision, Standing.ROLLED_BACK, f"was rolled back from at {_moment(left.left_at)} by {left.left_by}"
        )
    if by := turns.rolled_back_by(revision):
        return RevisionChoice(revision, Standing.ROLLED_BACK, f"was rolled back from: revision {by} restored an older template")
    if any(item.ready for item in alike):
        return RevisionChoice(revision, Standing.READY, "has ready pods now")
    if ready_at := max(item.ready_at for item in records.values()):
        return RevisionChoice(revision, Standing.READY, f"was ready at {_moment(ready_at)}")
    if failed_at := max(item.failed_at for item in records.values()):
        return RevisionChoice(revision, Standing.NEVER_READY, f"never became ready, as seen at {_moment(failed_at)}")
    return RevisionChoice(revision, Standing.UNKNOWN, f"is {Standing.UNKNOWN}")


def _current(workload: Workload, known: list[Revision]) -> Revision | None:
    return next((item for item in known if item.number == workload.revision), known[0] if known else None)


def _moment(at: float) -> str:
    return format_shown(at, "%Y-%m-%d %H:%M")


# By whom

_CLOCKS_APART_SECONDS = 5.0
"""How far apart the clocks of a console and of the API server may be; the server's times are in whole seconds."""
_ROLLOUTS = ("image", "limits", "restart", "rollback")
"""The actions that change a pod template."""
Authors: TypeAlias = Mapping[str, tuple[tuple[float, float, str], ...]]
"""By target, when a rollout from a console began and ended, in Unix seconds, and by whom."""
NO_AUTHORS: Authors = MappingProxyType({})


def rollout_authors(events: Iterable[Event]) -> Authors:
    """The rollouts among the events that people made from a console; nothing was sent of one that was refused."""
    found: dict[str, tuple[tuple[float, float, str], ...]] = {}
    for event in events:
        match try_decode(event):
            case ActionOutcome(action=action, target=str() as target, outcome=outcome) as payload if (
                action in _ROLLOUTS and outcome != "refused"
            ):
                started_at = event.at - (payload.elapsed_seconds or 0.0)
                found[target] = (*found.get(target, ()), (started_at, event.at, event.author))
    return found


def name_rollout_author(workload: Workload, authors: Authors) -> str:
    """Who wrote the pod template last: the person where it was a console, else the field manager; empty if nobody tells."""
    if workload.written_by != OWN_MANAGER:
        return workload.written_by
    at = workload.written_at
    own = [
        item
        for item in authors.get(workload.target, ())
        if item[0] - _CLOCKS_APART_SECONDS <= at <= item[1] + _CLOCKS_APART_SECONDS
    ]
    return max(own)[2] if own else workload.written_by


# What the journal keeps


def observe_rollouts(cluster: Cluster, records: Records) -> tuple[tuple[str, RolloutCompleted | RolloutFailed], ...]:
    """Subject and payload of each rollout that completed, or failed without one ready pod, and that the journal lacks.

    The subject is the same for all consoles, so that the journal can keep the first event alone.
    """
    present = {(item.owner_uid, item.number): item for item in cluster.revisions}
    found: list[tuple[str, RolloutCompleted | RolloutFailed]] = []
    for workload in cluster.workloads:
        if workload.kind != "Deployment":
            continue
        revision = present.get((workload.uid, workload.revision))
        if revision is None:
            continue
        record = records.get((workload.uid, revision.name), RevisionRecord())
        phase = rollout_status(workload).phase
        if phase is RolloutPhase.DONE and revision.ready and not record.ready_at:
            found.append(_observation(RolloutCompleted, "rolled out", workload, revision))
        elif phase is RolloutPhase.FAILED and not (revision.ready or record.ready_at or record.failed_at):
            found.append(_observation(RolloutFailed, "exceeded its progress deadline", workload, revision))
    return tuple(found)


def _observation(
    payload: type[RolloutCompleted | RolloutFailed], what: str, workload: Workload, revision: Revision
) -> tuple[str, RolloutCompleted | RolloutFailed]:
    text = f"revision {revision.number} {what}, {revision.ready} of {workload.desired} pods ready"
    return f"{workload.uid}/{revision.name}", payload(describe(workload, revision), workload.target, text)


def describe(workload: Workload, revision: Revision) -> RevisionFacts:
    """A revision as the journal records it."""
    return RevisionFacts(workload.uid, revision.name, revision.number, revision.ready, workload.desired)


class RevisionRecords(Projection[Records]):
    """Every ReplicaSet that an event calls ready, failed or rolled back from, on whatever host."""

    kinds = event_kinds(RolloutCompleted, RolloutFailed, ActionOutcome)

    def initial(self) -> Records:
        return NO_RECORDS

    def apply(self, state: Records, event: Event) -> Records:
        return self.fold(state, (event,))

    def fold(self, state: Records, events: Iterable[Event]) -> Records:
        records = dict(state)
        for event in events:
            for key, record in _records_of(event, records):
                records.pop(key, None)  # the newest stand last
                records[key] = record
        return state if records == state else MappingProxyType(keep_last(records, MOST))


def _records_of(event: Event, known: Records) -> Iterable[tuple[tuple[str, str], RevisionRecord]]:
    payload = decode(event)
    if not isinstance(payload, RolloutCompleted | RolloutFailed | ActionOutcome) or (facts := payload.revisions) is None:
        return
    key = (facts.deployment, facts.replica_set)
    record = known.get(key, RevisionRecord())
    if isinstance(payload, RolloutFailed):
        record = replace(record, failed_at=event.at)
    elif isinstance(payload, RolloutCompleted) or 0 < facts.desired <= facts.ready:
        record = replace(record, ready_at=event.at)
    if facts.goal and facts.back and facts.taken:
        record = replace(record, left_at=event.at, left_by=event.author, left_number=facts.revision)
    yield key, record
    # A scale names how many pods its goal is to have; every other action leaves that number as it is.
    if facts.goal and facts.rolled_out and (facts.desired if facts.goal_desired is None else facts.goal_desired):
        goal = (facts.deployment, facts.goal)
        yield goal, replace(known.get(goal, RevisionRecord()), ready_at=event.at)


def image_change(now: tuple[Container, ...], to: tuple[Container, ...]) -> str:
    """`1.9.0 → 1.8.2` for every container whose image differs; empty where none does."""
    before = {item.name: item.image for item in now}
    return ", ".join(
        f"{visible(_tag(before[item.name], item.image))} → {visible(_tag(item.image, before[item.name]))}"
        for item in to
        if item.name in before and before[item.name] != item.image
    )


def _tag(image: str, other: str) -> str:
    """Only the tag where the rest is the same."""
    name, colon, tag = image.rpartition(":")
    return tag if colon and other.startswith(f"{name}:") and "/" not in tag else image
