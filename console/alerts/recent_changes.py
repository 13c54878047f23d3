"""Recent changes: rollouts, scalings, silences, actions and notes, newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from console.journal.event import Event
from console.journal.payloads import ActionOutcome, NoteWritten, try_decode
from console.state.revisions import Authors, image_change, name_rollout_author, rollout_authors
from queries.model.change import Change
from queries.model.cluster import Cluster, ClusterEvent
from queries.model.later import lazy_pattern
from queries.model.series import label
from queries.model.silence import Silence
from queries.model.text import visible
from queries.model.workload import Revision, Workload

WINDOW_SECONDS = 86_400.0
LIMIT = 50
"""Of each kind."""
_FIRST_ROLLOUT_SECONDS = 10.0
"""A ReplicaSet created within this time after its Deployment is its first one."""
_SAME_CHANGE_SECONDS = 120.0
"""Events of one Deployment that are no further apart belong to one change."""
_REPLICA_SET = lazy_pattern(r"replica set (\S+)")
_TO = lazy_pattern(r"\bto (\d+)")
_FROM = lazy_pattern(r"\bfrom (\d+)")
_COMBINED = "(combined from similar events)"
"""How client-go's event aggregator begins the message of more than ten similar events."""


def recent_changes(
    cluster: Cluster | None,
    silences: Iterable[Silence],
    events: Sequence[Event],
    *,
    now: float,
    window_seconds: float = WINDOW_SECONDS,
) -> tuple[Change, ...]:
    """Changes of the last day, or of another window, newest first; changes in the future are excluded.

    At most 50 of each kind: fifty scalings of an autoscaler or fifty notes must not push out the one rollout before them, which
    is the cause that people look for.
    """
    found = [
        *_rollouts(cluster, rollout_authors(events)),
        *_scalings(cluster),
        *_silences(silences, now),
        *_actions_and_notes(events),
    ]
    recent = [item for item in found if now - window_seconds < item.at <= now + 5.0]
    kept: list[Change] = []
    counts: Counter[str] = Counter()
    for item in sorted(recent, key=lambda item: (-item.at, item.kind, item.subject)):
        counts[item.kind] += 1
        if counts[item.kind] <= LIMIT:
            kept.append(item)
    return tuple(kept)


def describe_full_kinds(changes: Iterable[Change], *, since: float, kinds: Collection[str] = ()) -> str:
    """The kinds of which there may be more changes since then (Unix seconds) than `recent_changes` keeps, in one sentence;
    empty if there are none. Without `kinds`, of every kind.
    """
    times: dict[str, list[float]] = {}
    for item in changes:
        if not kinds or item.kind in kinds:
            times.setdefault(item.kind, []).append(item.at)
    full = sorted(kind for kind, found in times.items() if len(found) >= LIMIT and min(found) > since)
    return f"the console keeps only the newest {LIMIT} changes of each kind ({', '.join(full)})" if full else ""


def _rollouts(cluster: Cluster | None, authors: Authors) -> Iterable[Change]:
    if cluster is None:
        return
    for workload in cluster.workloads:
        revisions = cluster.revisions_of(workload)
        if not workload.revision:
            yield from _numberless_rollouts(workload, revisions)
            continue
        before = next((item for item in revisions if item.number < workload.revision), None)
        if before is None or not workload.revision:
            continue
        text = f"{visible(workload.name)} {before.number}→{workload.revision}"
        images = image_change(before.containers, workload.containers)
        cause = visible(workload.change_cause)
        yield Change(
            at=_rollout_began(cluster, workload, revisions),
            kind="rollout",
            subject=workload.target,
            text=text + (f" image {images}" if images else "") + (f" ({cause})" if cause else ""),
            author=visible(name_rollout_author(workload, authors)),
        )
        # List earlier rollouts too: after a rollback, the one before it is what people look for.
        for revision in revisions:
            if revision.number != workload.revision and revision.created_at > workload.created_at + _FIRST_ROLLOUT_SECONDS:
                cause = visible(revision.change_cause)
                what = f"{visible(workload.name)} revision {revision.number}{_other_images(revision, workload)}"
                yield Change(revision.created_at, "rollout", workload.target, what + (f" ({cause})" if cause else ""))


def _rollout_began(cluster: Cluster, workload: Workload, revisions: Iterable[Revision]) -> float:
    """When the last rollout began, Unix seconds: an alert that fires in its middle, or before its progress deadline passes,
    fires after it. Of a ReplicaSet that ran before, as after a rollback, only the last progress is known.
    """
    if workload.kind == "Deployment":
        for item in revisions:
            if item.number == workload.revision and not item.history and item.created_at:
                return item.created_at
    return cluster.rolled_out_at(workload)


def _numberless_rollouts(workload: Workload, revisions: Iterable[Revision]) -> Iterable[Change]:
    """Of a source that knows when ReplicaSets were created, and not their numbers: kube-state-metrics."""
    for revision in revisions:
        if revision.created_at > workload.created_at + _FIRST_ROLLOUT_SECONDS:
            images = ", ".join(item.image.rpartition("/")[2] for item in revision.containers)
            text = (
                f"{visible(workload.name)} ReplicaSet {visible(revision.name)}{f' image {visible(images)}' if images else ''}"
            )
            yield Change(revision.created_at, "rollout", workload.target, text)


def _other_images(revision: Revision, workload: Workload) -> str:
    """` image 1.9.0`, if that differs from what runs now."""
    runs = {item.image for item in workload.containers}
    images = [item.image.rpartition("/")[2].rpartition(":")[2] for item in revision.containers if item.image not in runs]
    return f" image {visible(', '.join(images))}" if images else ""


def _scalings(cluster: Cluster | None) -> Iterable[Change]:
    """Changes of the number of pods. A rollout scales too, but two ReplicaSets at a time."""
    events: dict[str, list[ClusterEvent]] = {}
    for event in cluster.events if cluster else ():
        if event.reason == "ScalingReplicaSet" and event.kind == "Deployment":
            events.setdefault(event.name, []).append(event)
    for name, own in events.items():
        for group in _group_by_time(sorted(own, key=lambda item: item.at)):
            touched = {_REPLICA_SET.search(item.message) for item in group}
            if len({found[1] for found in touched if found}) < 2:
                for at, text in _describe_scalings(group):
                    yield Change(at, "scaled", f"deployment/{name}", f"{visible(name)} {text}")


def _group_by_time(events: list[ClusterEvent]) -> Iterable[list[ClusterEvent]]:
    group: list[ClusterEvent] = []
    for event in events:
        if group and event.at - group[-1].at > _SAME_CHANGE_SECONDS:
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def _describe_scalings(group: list[ClusterEvent]) -> Iterable[tuple[float, str]]:
    """Time and `3→5`: events are merged while one ends at the count at which the next begins, in the same direction.

    A combined event holds only the last of several messages, and a repeated one only its own: such events are not merged.
    """
    chain: list[int] = []
    at = 0.0
    for event in group:
        ends = _FROM.search(event.message), _TO.search(event.message)
        single = event.count == 1 and not event.message.startswith(_COMBINED)
        if single and ends[0] and ends[1]:
            step = [int(ends[0][1]), int(ends[1][1])]
            if chain and chain[-1] == step[0] and (chain[0] < chain[-1]) == (step[0] < step[1]):
                chain.append(step[1])
            else:
                if chain:
                    yield at, f"{chain[0]}→{chain[-1]}"
                chain = step
            at = event.at
            continue
        if chain:
            yield at, f"{chain[0]}→{chain[-1]}"
            chain = []
        yield event.at, _describe_scaling(event)
    if chain:
        yield at, f"{chain[0]}→{chain[-1]}"


def _describe_scaling(event: ClusterEvent) -> str:
    """One event as text: `3→5 (7 times)`, `12 scalings, the last 2→0`, or its message if it contains no numbers."""
    before, after = _FROM.search(event.message), _TO.search(event.message)
    text = f"{before[1]}→{after[1]}" if before and after else f"to {after[1]}" if after else visible(event.message)
    if event.message.startswith(_COMBINED):
        return f"{event.count} scalings, the last {text}" if before else text
    return f"{text} ({event.count} times)" if event.count > 1 else text


def _silences(silences: Iterable[Silence], now: float) -> Iterable[Change]:
    for silence in silences:
        labels = tuple((item.name, item.value) for item in silence.matchers)
        name = visible(label(labels, "alertname") or ", ".join(str(item) for item in silence.matchers))
        comment = f" ({visible(silence.comment)})" if silence.comment else ""
        author = visible(silence.created_by)
        yield Change(silence.starts_at, "silence", silence.id, f"silence {name}{comment}", author)
        if silence.ends_at <= now:
            yield Change(silence.ends_at, "silence", silence.id, f"silence expired {name}", author)


def _actions_and_notes(events: Iterable[Event]) -> Iterable[Change]:
    for event in events:
        match try_decode(event):
            case ActionOutcome() as payload:
                title = payload.title or payload.action or "action"
                outcome = payload.outcome
                if outcome == "undone":  # the text names who reverted it
                    outcome = payload.text or outcome
                text = f"{title}: {outcome}" if outcome else title
                yield Change(event.at, "action", event.subject, visible(text), event.author)
            case NoteWritten(text=text):
                yield Change(event.at, "note", event.subject, visible(text), event.author)
