"""What changed before something broke, as every source reports it, in one list ordered by time."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Protocol

from console.alerts.recent_changes import describe_full_kinds, recent_changes
from console.journal.payloads import ActionOutcome, NoteWritten, event_kinds
from console.journal.recent_actions import LIMIT
from console.state.snapshot import Snapshot
from queries.errors import SourceError
from queries.model.change import Change, LastWrite
from queries.model.cluster import Cluster
from queries.model.frozen import dataclass
from queries.model.series import Series, quote
from queries.model.text import visible
from queries.prometheus.responses import RangeResult
from queries.text.times import format_timestamp

HOUR_SECONDS = 3600.0
_STEPS = 240
_SAME_SECONDS = 180.0
"""Two changes of one subject that are no further apart are the same change."""
_OWN = "cad-console-"
"""Prefix of ConfigMaps that consoles write."""
_CONTRIBUTING = ("action", "config", "deploy", "hpa", "rollout", "scaled")
"""The kinds of changes that can cause something; an alert that fires or a pod that restarts is a symptom."""
_NO_KUBE_STATE = "kube-state metrics: Prometheus has none for that hour, and Kubernetes keeps events for one hour by default"
_HELD = {event_kinds(ActionOutcome)[0]: "actions", event_kinds(NoteWritten)[0]: "notes"}
_POD_PROBLEMS = ("BackOff", "OOMKilling", "Evicted", "Unhealthy", "FailedScheduling", "NodeNotReady")


class RangeSource(Protocol):
    async def query_range(self, text: str, *, start: float, end: float, step_seconds: float) -> RangeResult: ...


@dataclass(frozen=True, slots=True)
class Correlation:
    """Changes from `start` to `end` (Unix seconds), oldest first; `faults` say which sources did not answer or may be
    incomplete, and why: changes known only to them may be missing.
    """

    start: float
    end: float
    changes: tuple[Change, ...]
    faults: tuple[str, ...] = ()

    def contributing(self, targets: Iterable[str] = ()) -> tuple[Change, ...]:
        """What may have caused it: changes of `targets` first, and of those the nearest to the end."""
        own = frozenset(targets)
        found = (item for item in self.changes if item.kind in _CONTRIBUTING)
        return tuple(sorted(found, key=lambda item: (item.subject not in own, self.end - item.at)))

    @property
    def symptoms(self) -> tuple[Change, ...]:
        """What else happened: alerts, restarts, silences and notes; oldest first."""
        return tuple(item for item in self.changes if item.kind not in _CONTRIBUTING)


async def correlate(
    snapshot: Snapshot,
    *,
    at: float,
    prometheus: RangeSource | None,
    config_maps: Callable[[], Awaitable[tuple[LastWrite, ...]]] | None,
    own_alerts: Iterable[str] = (),
    seconds: float = HOUR_SECONDS,
) -> Correlation:
    """The hour before `at`, when the first alert started. `own_alerts` are the names of the incident's alerts."""
    start = at - seconds
    window = _Window(start, at)
    known = recent_changes(snapshot.cluster, snapshot.silences, snapshot.ledger.recent, now=at)
    changes = [item for item in (*known, *_cluster_events(snapshot.cluster)) if start <= item.at <= at]
    faults = list(_find_unknown(snapshot, start, at))
    if full := describe_full_kinds(known, since=start):
        faults.append(full)
    if config_maps is None:
        faults.append("ConfigMaps: Kubernetes is not configured")
    else:
        try:
            changes += _written(await config_maps(), start, at)
        except SourceError as error:
            faults.append(f"ConfigMaps: {error}")
    if prometheus is None:
        faults.append("kube-state metrics and other alerts: Prometheus is not configured")
    else:
        queries = _range_queries(snapshot.namespace, (*own_alerts, snapshot.heartbeat_alert), snapshot.cluster)
        for more, fault in await asyncio.gather(*(window.query(prometheus, item) for item in queries)):
            changes += _without_known(more, changes)
            faults += [fault] if fault else []
    return Correlation(start, at, tuple(sorted(changes, key=lambda item: (item.at, item.kind, item.text))), tuple(faults))


def _find_unknown(snapshot: Snapshot, start: float, at: float) -> Iterable[str]:
    """Why changes of the window may be missing from the snapshot: a cluster that was lost before, a journal that is not read,
    or one with so many newer actions or notes that the state no longer holds those of the window.
    """
    cluster = snapshot.source("kubernetes")
    if snapshot.cluster is None:
        yield "Kubernetes: the cluster has not answered"
    elif cluster is not None and not cluster.answers and cluster.last_good_at is not None and cluster.last_good_at < at:
        yield f"Kubernetes: the cluster last answered at {format_timestamp(cluster.last_good_at)}"
    if snapshot.ledger.error:
        yield f"actions and notes: {snapshot.ledger.error}"
    for kind, name in _HELD.items():
        held = [event.at for event in snapshot.ledger.recent if event.kind == kind]
        if len(held) >= LIMIT and min(held) > start:
            yield f"{name}: the console holds only the newest {LIMIT}, back to {format_timestamp(min(held))}"


class _Absence(Enum):
    """What a gap in one series, or its late start, means."""

    NOTHING = 0
    """The exporter was restarted or lost: the values before and after it are compared."""
    UNLESS_ALL = 1
    """The series did not exist, unless every series of the query has this hole."""
    ALWAYS = 2
    """The series did not exist."""


@dataclass(frozen=True, slots=True)
class _RangeQuery:
    """One range query: `label` is the label that identifies a series; `describe` turns two neighbouring values into subject and
    text of a change. `missing` is what no series at all means, empty where it means nothing.
    """

    kind: str
    query: str
    label: str
    describe: Callable[[str, Series, float | None, float], tuple[str, str] | None]
    absence: _Absence = _Absence.NOTHING
    missing: str = ""


@dataclass(frozen=True, slots=True)
class _Window:
    start: float
    end: float

    async def query(self, prometheus: RangeSource, item: _RangeQuery) -> tuple[list[Change], str]:
        # The server selects what changed: of thousands of pods it returns the few that restarted.
        window = f"{max(1, round(self.end - self.start))}s"
        query = item.query.replace("$window", f"[{window}] @ {self.end:.3f}")
        step = max(1.0, (self.end - self.start) / _STEPS)
        try:
            result = await prometheus.query_range(query, start=self.start, end=self.end, step_seconds=step)
        except SourceError as error:
            return [], f"{item.kind} from Prometheus: {error}"
        caveat = result.annotations.caveat
        if not result.series and item.missing and not caveat:
            return [], item.missing
        shown = sorted({at for series in result.series for at, _ in series.points})
        changes = [change for series in result.series for change in _differences(series, item, step, self.start, shown)]
        return changes, f"{item.kind} from Prometheus: {caveat}" if caveat else ""


def _differences(series: Series, item: _RangeQuery, step: float, start: float, shown: list[float]) -> Iterable[Change]:
    """Where the value differs from the one before; None stands for a series that did not exist.

    `shown` are the times at which any series of the query has a value, ascending.
    """
    name = series.label(item.label)
    before: float | None = None
    last = start
    for at, value in series.points:
        hole = at - last > 1.5 * step
        if hole and item.absence is _Absence.UNLESS_ALL:
            seen = bisect_left(shown, last) if before is None else bisect_right(shown, last)
            hole = bisect_left(shown, at) > seen
        missing = hole and (before is None or item.absence is not _Absence.NOTHING)
        if value != before or missing:
            first = before is None and not hole
            change = None if first else item.describe(name, series, None if missing else before, value)
            if change is not None:
                yield Change(at, item.kind, *change)
        before, last = value, at


def _find_target(cluster: Cluster | None, container: str, image: str) -> str:
    """The only workload that has, or had, this container with this image; else the container itself. The name of a container
    is not that of its workload.
    """
    found: set[str] = set()
    if cluster is None:
        return f"container/{container}"
    for workload in cluster.workloads:
        templates = (workload.containers, *(item.containers for item in cluster.revisions_of(workload)))
        if any(item.name == container and item.image.rpartition("/")[2] == image for each in templates for item in each):
            found.add(workload.target)
    return found.pop() if len(found) == 1 else f"container/{container}"


def _range_queries(namespace: str, own_alerts: tuple[str, ...], cluster: Cluster | None) -> tuple[_RangeQuery, ...]:
    here = f"namespace={quote(namespace)}"

    def changed(metric: str, label: str) -> str:
        one = f"max by ({label}) ({metric}{{{here}}})"
        return f"{one} and on ({label}) max by ({label}) (changes({metric}{{{here}}}$window)) > 0"

    def scaled(name: str, series: Series, before: float | None, value: float) -> tuple[str, str] | None:
        return None if before is None else (f"deployment/{name}", f"{visible(name)} {before:g}→{value:g}")

    def rescaled(name: str, series: Series, before: float | None, value: float) -> tuple[str, str] | None:
        return None if before is None else (f"hpa/{name}", f"HPA {visible(name)} desired {before:g}→{value:g}")

    def configured(name: str, series: Series, before: float | None, value: float) -> tuple[str, str] | None:
        what = "appeared" if before is None else "changed"
        return None if name.startswith(_OWN) else (f"configmap/{name}", f"ConfigMap {visible(name)} {what}")

    def restarted(name: str, series: Series, before: float | None, value: float) -> tuple[str, str] | None:
        if before is None or value <= before:
            return None
        return f"pod/{name}", f"{visible(name)} restarted ({value:g} times so far)"

    def deployed(name: str, series: Series, before: float | None, value: float) -> tuple[str, str] | None:
        if before is not None:
            return None
        image = series.label("image").rpartition("/")[2]
        return _find_target(cluster, name, image), f"{visible(name)} image {visible(image)} appeared"

    def fired(name: str, series: Series, before: float | None, value: float) -> tuple[str, str] | None:
        return None if before is not None or name in own_alerts else (f"alert/{name}", f"{visible(name)} started firing")

    return (
        _RangeQuery("scaled", changed("kube_deployment_spec_replicas", "deployment"), "deployment", scaled),
        _RangeQuery(
            "hpa",
            changed("kube_horizontalpodautoscaler_status_desired_replicas", "horizontalpodautoscaler"),
            "horizontalpodautoscaler",
            rescaled,
        ),
        _RangeQuery(
            "config",
            f"max by (configmap) (kube_configmap_metadata_resource_version{{{here}}})",
            "configmap",
            configured,
            _Absence.UNLESS_ALL,
        ),
        _RangeQuery("restart", changed("kube_pod_container_status_restarts_total", "pod"), "pod", restarted),
        _RangeQuery(
            "deploy",
            f"count by (container, image) (kube_pod_container_info{{{here}}}) > bool 0",
            "container",
            deployed,
            _Absence.UNLESS_ALL,
            _NO_KUBE_STATE,
        ),
        # The only alert that fires has no other series beside it: its hole is its end.
        _RangeQuery("alert", 'max by (alertname) (ALERTS{alertstate="firing"})', "alertname", fired, _Absence.ALWAYS),
    )


def _cluster_events(cluster: Cluster | None) -> Iterable[Change]:
    for event in cluster.events if cluster else ():
        if event.reason == "SuccessfulRescale":
            yield Change(event.at, "hpa", f"hpa/{event.name}", f"HPA {visible(event.name)}: {visible(event.message)}")
        elif event.kind == "Pod" and event.reason in _POD_PROBLEMS:
            text = f"{visible(event.name)} {visible(event.reason)}: {visible(event.message)}"
            yield Change(event.at, "restart", f"pod/{event.name}", text)


def _written(maps: Iterable[LastWrite], start: float, end: float) -> Iterable[Change]:
    for item in maps:
        if start <= item.at <= end and not item.name.startswith(_OWN):
            yield Change(item.at, "config", f"configmap/{item.name}", f"ConfigMap {visible(item.name)} written", item.manager)


def _without_known(changes: Iterable[Change], known: Iterable[Change]) -> list[Change]:
    """Without those that the cluster itself reports in more detail: there a deploy is a rollout."""
    same = {"deploy": ("rollout", "action"), "scaled": ("scaled", "action", "rollout")}
    reported = tuple(known)
    return [
        change
        for change in changes
        if not any(
            item.kind in same.get(change.kind, (change.kind,))
            and item.subject == change.subject
            and abs(item.at - change.at) <= _SAME_SECONDS
            for item in reported
        )
    ]
