"""Which revision of a Deployment to go back to: what the cluster and the journal know of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from console.journal.event import Event
from console.journal.projection import Projection, newest
from queries.model.text import visible
from queries.model.workload import Cluster, Container, Revision, RolloutPhase, Workload, rollout_status
from queries.text.times import format_time

MOST = 2000
"""ReplicaSets of which the journal's records are at hand; a cluster keeps ten of each Deployment."""
COMPLETE, FAILED = "rollout.complete", "rollout.failed"
OUTCOME = "action.outcome"


class Standing(StrEnum):
    READY = "was ready"
    UNKNOWN = "not known to have been ready"
    """A ReplicaSet that was scaled down keeps no trace of it: neither status, conditions nor managedFields."""
    NEVER_READY = "never became ready"
    ROLLED_BACK = "rolled back from"
    SAME = "the same pod template but for the time of a restart"


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """What the journal has of one ReplicaSet; Unix seconds, 0 where it has nothing. `left_number` is its revision when it was
    rolled back from: one that was rolled out again since has another.
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
    """One revision that one could go back to, and in words what it is."""

    revision: Revision
    standing: Standing
    text: str


def choices(workload: Workload, revisions: Iterable[Revision], records: Records) -> tuple[RevisionChoice, ...]:
    """Every revision but the present one, the newest first."""
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


def default_choice(found: Iterable[RevisionChoice]) -> RevisionChoice | None:
    """The last revision that was ready and was not rolled back from; where none is known to be, the last of which nobody knows.

    None where every revision is known to be bad, or to be what runs.
    """
    offered = tuple(found)
    return next((item for wanted in (Standing.READY, Standing.UNKNOWN) for item in offered if item.standing is wanted), None)


def is_back(source: Revision, goal: Revision, revisions: Iterable[Revision]) -> bool:
    """Whether the goal's template is older than the source's; the other way round is a rollout, whatever it is done with."""
    turns = _Turns(tuple(revisions))
    return turns.first(goal) < turns.first(source)


class _Turns:
    """The revisions by their template, and when each had its turn. A ReplicaSet that is used again gets a new number, and keeps
    its old ones in an annotation: so a rollback is seen in the cluster, whoever did it and with which tool.
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
        """All with this template, a restarted one too."""
        return self._alike[self.template(item)]

    def first(self, item: Revision) -> int:
        return min(number for each in self.alike(item) for number in (*each.history, each.number))

    def rolled_back_by(self, item: Revision) -> int:
        """The revision that brought an older template back when this one ended; 0 where none did."""
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
        return RevisionChoice(
            revision, Standing.ROLLED_BACK, f"was rolled back from: revision {by} brought an older template back"
        )
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
    return format_time(at, "%Y-%m-%d %H:%MZ")


# What the journal keeps


@dataclass(frozen=True, slots=True)
class RevisionObservation:
    """A rollout that is to be journalled, once for all consoles."""

    kind: str
    subject: str
    data: dict[str, Any]


def observe(cluster: Cluster, records: Records) -> tuple[RevisionObservation, ...]:
    """The rollouts that are complete, or failed without one ready pod, and of which the journal does not know that."""
    present = {(item.owner_uid, item.number): item for item in cluster.revisions}
    found = []
    for workload in cluster.workloads:
        revision = present.get((workload.uid, workload.revision))
        if revision is None:
            continue
        record = records.get((workload.uid, revision.name), RevisionRecord())
        phase = rollout_status(workload).phase
        if phase is RolloutPhase.DONE and revision.ready and not record.ready_at:
            found.append(_observation(COMPLETE, "rolled out", workload, revision))
        elif phase is RolloutPhase.FAILED and not (revision.ready or record.ready_at or record.failed_at):
            found.append(_observation(FAILED, "exceeded its progress deadline", workload, revision))
    return tuple(found)


def _observation(kind: str, words: str, workload: Workload, revision: Revision) -> RevisionObservation:
    text = f"revision {revision.number} {words}, {revision.ready} of {workload.desired} pods ready"
    data = {"target": workload.target, "text": text, "revisions": describe(workload, revision)}
    return RevisionObservation(kind, f"{workload.uid}/{revision.name}", data)


def describe(workload: Workload, revision: Revision) -> dict[str, Any]:
    """A revision as the journal's events name it."""
    return {
        "deployment": workload.uid,
        "replica_set": revision.name,
        "revision": revision.number,
        "ready": revision.ready,
        "desired": workload.desired,
    }


class RevisionRecords(Projection[Records]):
    """Every ReplicaSet of which an event says that it was ready, failed or was rolled back from, on whatever host."""

    kinds = (COMPLETE, FAILED, OUTCOME)

    def initial(self) -> Records:
        return NO_RECORDS

    def apply(self, state: Records, event: Event) -> Records:
        return self.fold(state, (event,))

    def fold(self, state: Records, events: Iterable[Event]) -> Records:
        made = dict(state)
        for event in events:
            data = event.data.get("revisions")
            if data is None:
                continue
            for key, record in _learned(event, data, made):
                made.pop(key, None)  # the newest stand last
                made[key] = record
        return state if made == state else MappingProxyType(newest(made, MOST))


def _learned(event: Event, data: dict[str, Any], known: Records) -> Iterable[tuple[tuple[str, str], RevisionRecord]]:
    key = (str(data["deployment"]), str(data["replica_set"]))
    record = known.get(key, RevisionRecord())
    if event.kind == FAILED:
        record = replace(record, failed_at=event.at)
    elif event.kind == COMPLETE or 0 < int(data["desired"]) <= int(data["ready"]):
        record = replace(record, ready_at=event.at)
    goal = data.get("goal")
    if goal and data.get("back") and data.get("taken"):
        record = replace(record, left_at=event.at, left_by=event.author, left_number=int(data["revision"]))
    yield key, record
    # A scale names how many pods its goal is to have; everything else leaves that number as it is.
    if goal and data.get("rolled_out") and int(data.get("goal_desired", data["desired"])):
        yield (key[0], str(goal)), replace(known.get((key[0], str(goal)), RevisionRecord()), ready_at=event.at)


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
