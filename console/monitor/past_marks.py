"""The time machine's marks: alerts that began to fire, rollouts, actions and notes around a past moment."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from console.alerts.chart import KINDS, chart_marks
from console.journal.errors import JournalError
from console.journal.search import SearchQuery, search
from queries.errors import SourceError
from queries.model.alert import AlertRule
from queries.model.chart import ChartMark
from queries.model.series import Labels, Sample, Series, drop_labels, label, quote
from queries.model.text import visible
from queries.prometheus import alert_series

if TYPE_CHECKING:
    from console.journal.event import Event
    from console.journal.sqlite import Journal
    from console.state.place import Place
    from console.state.snapshot import Snapshot
    from queries.model.cluster import Cluster
    from queries.model.workload import Revision
    from queries.prometheus.client import Prometheus

_STEPS = 720
_FRACTION_SECONDS = 1.0
"""ALERTS_FOR_STATE has whole seconds, cut off."""
_FIRST_ROLLOUT_SECONDS = 10.0
"""A ReplicaSet created within this time after its Deployment is its first one."""
_MOST_PAGES = 10
"""Of the journal's events."""


class Marks(NamedTuple):
    """Oldest first; `missing` names the sources that did not answer, so that there may be others: `Prometheus`."""

    marks: tuple[ChartMark, ...] = ()
    missing: str = ""


async def read_marks(
    prometheus: Prometheus | None,
    journal: Journal | None,
    snapshot: Snapshot,
    *,
    cluster: Cluster | None,
    heartbeat: str,
    environments: tuple[str, ...],
    start: float,
    end: float,
    place: Place | None = None,
) -> Marks:
    """The marks between two times, Unix seconds; of rollouts only those in `place`, if it is given.

    `cluster` is that of now: the ReplicaSets that it still keeps say which images they have; and where no series says when they
    were created, they do. `environments` are those whose events of the journal count.
    """
    alerts, rollouts, events = await asyncio.gather(
        _read_alerts(prometheus, snapshot.rules, heartbeat, start, end),
        _read_rollouts(prometheus, snapshot.namespace, _name_images(cluster), start, end, place=place),
        _read_events(journal, environments, start, end),
    )
    kept = [] if rollouts or cluster is None else list(_kept_rollouts(cluster, start, end))
    marks = {*(alerts or ()), *(rollouts or ()), *kept, *chart_marks(snapshot, events or (), start, end)}
    failed = (("Prometheus", alerts is None or rollouts is None), ("the journal", events is None))
    missing = " and ".join(name for name, is_missing in failed if is_missing)
    return Marks(tuple(sorted(marks, key=lambda item: (item.at, item.letter, item.text))), missing)


async def _read_alerts(
    prometheus: Prometheus | None, rules: tuple[AlertRule, ...], heartbeat: str, start: float, end: float
) -> list[ChartMark] | None:
    """None where Prometheus did not answer."""
    if prometheus is None:
        return []
    step = max(15.0, math.ceil((end - start) / _STEPS))
    named = f'{{__name__=~"ALERTS|ALERTS_FOR_STATE",alertname!={quote(heartbeat)}}}'
    try:
        found = await prometheus.query_range(named, start=start, end=end, step_seconds=step)
    except SourceError:
        return None
    return list(_alert_marks(found.series, rules, start=start, step=step))


def _alert_marks(series: Iterable[Series], rules: tuple[AlertRule, ...], *, start: float, step: float) -> Iterator[ChartMark]:
    """When each alert began to fire: to the second where ALERTS_FOR_STATE and the rule tell, else to one step.

    One that is there again after a hole, and according to ALERTS_FOR_STATE was never over, did not begin then.
    """
    active: dict[Labels, dict[float, float]] = {}
    firing: dict[Labels, tuple[float, ...]] = {}
    pending: dict[Labels, tuple[float, ...]] = {}
    for item in series:
        own = drop_labels(item.labels, "__name__", "alertstate")
        if item.label("__name__") == "ALERTS_FOR_STATE":
            active[own] = dict(item.points)
        elif item.label("alertstate") == "firing":
            firing[own] = tuple(at for at, _ in item.points)
        else:
            pending[own] = tuple(at for at, _ in item.points)
    for labels, times in firing.items():
        before = -math.inf
        for at in times:
            if at - before > 1.5 * step and at > start:
                samples = [Sample((("__name__", "ALERTS"), ("alertstate", "firing"), *labels), 1.0)]
                since = active.get(labels, {}).get(at)
                if since is not None:
                    samples.append(Sample((("__name__", "ALERTS_FOR_STATE"), *labels), since))
                (alert,) = alert_series.read_alerts(samples, rules, at=at, send=lambda sent: sent)
                if before > -math.inf:
                    lasted = since is not None and since <= before
                else:
                    waited = any(moment < at for moment in pending.get(labels, ()))
                    lasted = since is not None and alert.starts_at <= start and not waited
                if not lasted:
                    began = min(at, alert.starts_at + _FRACTION_SECONDS) if alert.starts_at > at - step else at
                    yield ChartMark(began, "!", "alert", _describe(labels))
            before = at


def _describe(labels: Labels) -> str:
    where = ", ".join(visible(value) for name, value in labels if name in _PLACES)
    return f"{visible(label(labels, 'alertname'))}{f' {where}' if where else ''}"


_PLACES = ("component", "provider", "deployment", "pod", "service")


def _name_images(cluster: Cluster | None) -> dict[str, str]:
    """The images of each ReplicaSet, which never change."""
    return {item.name: _join_images(item) for item in cluster.revisions} if cluster is not None else {}


def _join_images(revision: Revision) -> str:
    return ", ".join(visible(item.image.rpartition("/")[2]) for item in revision.containers)


async def _read_rollouts(
    prometheus: Prometheus | None, namespace: str, images: Mapping[str, str], start: float, end: float, *, place: Place | None
) -> list[ChartMark] | None:
    """The ReplicaSets that were created in this time, from kube-state-metrics; not the first of a Deployment. None where
    Prometheus did not answer.
    """
    if prometheus is None:
        return []
    names = '__name__=~"kube_replicaset_created|kube_replicaset_owner|kube_deployment_created"'
    parts = (f"last_over_time({{{names}, {name}={quote(namespace)}}}[{end - start:.0f}s])" for name in _NAMESPACES)
    try:
        found = await prometheus.query(" or ".join(parts), at=end)
    except SourceError:
        return None
    created: dict[str, float] = {}
    owners: dict[str, str] = {}
    first: dict[str, float] = {}
    for sample in found.samples if place is None else place.select_own(found.samples)[0]:
        match sample.label("__name__"):
            case "kube_replicaset_created":
                created[sample.label("replicaset")] = sample.value
            case "kube_replicaset_owner" if sample.label("owner_kind") == "Deployment":
                owners[sample.label("replicaset")] = sample.label("owner_name")
            case "kube_deployment_created":
                first[sample.label("deployment")] = sample.value
    return [
        ChartMark(at, "R", "rollout", f"{visible(owners[name])}: {images.get(name) or f'ReplicaSet {visible(name)}'}")
        for name, at in created.items()
        if name in owners and start <= at <= end and at > first.get(owners[name], 0.0) + _FIRST_ROLLOUT_SECONDS
    ]


_NAMESPACES = ("namespace", "exported_namespace")


async def _read_events(
    journal: Journal | None, environments: tuple[str, ...], start: float, end: float
) -> tuple[Event, ...] | None:
    """None where the journal cannot be read."""
    if journal is None:
        return ()
    query = SearchQuery(kinds=tuple(KINDS), since=start, until=end, environments=environments)
    try:
        return await asyncio.to_thread(_search_all, journal, query)
    except JournalError:
        return None


def _search_all(journal: Journal, query: SearchQuery) -> tuple[Event, ...]:
    found: list[Event] = []
    for _ in range(_MOST_PAGES):
        page = search(journal, query, before=found[-1] if found else None)
        found += [hit.event for hit in page.entries]
        if not page.older:
            break
    return tuple(found)


def _kept_rollouts(cluster: Cluster, start: float, end: float) -> Iterator[ChartMark]:
    """The ReplicaSets that the cluster still keeps; not the first of a Deployment."""
    owners = {item.uid: item for item in cluster.workloads}
    for revision in cluster.revisions:
        owner, at = owners.get(revision.owner_uid), revision.created_at
        if owner is not None and start <= at <= end and at > owner.created_at + _FIRST_ROLLOUT_SECONDS:
            yield ChartMark(at, "R", "rollout", f"{visible(owner.name)}: {_join_images(revision)}")
