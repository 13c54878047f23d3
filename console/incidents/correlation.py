"""What changed in the time before something broke: every source's own account, in one list ordered by time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from console.alerts.recent_changes import recent_changes
from console.state.snapshot import Snapshot
from queries.errors import SourceError
from queries.model.series import Series, quote
from queries.model.text import visible
from queries.model.workload import Change, Cluster, LastWrite
from queries.prometheus.responses import RangeResult

HOUR_SECONDS = 3600.0
_STEPS = 240
_SAME_SECONDS = 180.0
"""Two accounts of one subject that are no further apart tell the same."""
_OWN = "cad-console-"
"""ConfigMaps that consoles write themselves."""
_POD_TROUBLE = ("BackOff", "OOMKilling", "Evicted", "Unhealthy", "FailedScheduling", "NodeNotReady")


class Ranges(Protocol):
    async def query_range(self, text: str, *, start: float, end: float, step_seconds: float) -> RangeResult: ...


@dataclass(frozen=True, slots=True)
class Correlation:
    """Changes from `start` to `end` (Unix seconds), oldest first; `faults` say which sources could not be asked, and why:
    what they know may be missing.
    """

    start: float
    end: float
    changes: tuple[Change, ...]
    faults: tuple[str, ...] = ()


async def correlate(
    snapshot: Snapshot,
    *,
    at: float,
    prometheus: Ranges | None,
    config_maps: Callable[[], Awaitable[tuple[LastWrite, ...]]] | None,
    own_alerts: Iterable[str] = (),
    seconds: float = HOUR_SECONDS,
) -> Correlation:
    """The hour before `at`, when the first alert began. `own_alerts` are the names of the incident's own."""
    start = at - seconds
    kept = _Account(snapshot.namespace, start, at)
    known = recent_changes(snapshot.cluster, snapshot.silences, snapshot.ledger.recent, now=at)
    found = [item for item in (*known, *_cluster_events(snapshot.cluster)) if start <= item.at <= at]
    faults: list[str] = [] if snapshot.cluster is not None else ["Kubernetes: nothing is known of the cluster"]
    if config_maps is None:
        faults.append("ConfigMaps: Kubernetes is not configured")
    else:
        try:
            found += _written(await config_maps(), start, at)
        except SourceError as error:
            faults.append(f"ConfigMaps: {error}")
    if prometheus is None:
        faults.append("kube-state metrics and other alerts: Prometheus is not configured")
    else:
        told = await asyncio.gather(
            *(kept.ask(prometheus, item) for item in _questions(snapshot.namespace, (*own_alerts, snapshot.heartbeat_alert)))
        )
        for changes, fault in told:
            found += _unless_told(changes, found)
            faults += [fault] if fault else []
    return Correlation(start, at, tuple(sorted(found, key=lambda item: (item.at, item.kind, item.text))), tuple(faults))


@dataclass(frozen=True, slots=True)
class _Question:
    """One range query: `names` is the label that names a series, `told` makes a change of two neighbouring values."""

    kind: str
    query: str
    names: str
    told: Callable[[str, Series, float | None, float], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class _Account:
    namespace: str
    start: float
    end: float

    async def ask(self, prometheus: Ranges, question: _Question) -> tuple[list[Change], str]:
        # What changed is chosen by the server: of thousands of pods the few that restarted come.
        window = f"{max(1, round(self.end - self.start))}s"
        query = question.query.replace("$window", f"[{window}] @ {self.end:.3f}")
        step = max(1.0, (self.end - self.start) / _STEPS)
        try:
            answer = await prometheus.query_range(query, start=self.start, end=self.end, step_seconds=step)
        except SourceError as error:
            return [], f"{question.kind} from Prometheus: {error}"
        return [change for track in answer.series for change in _steps(track, question, step, self.start)], ""


def _steps(track: Series, question: _Question, step: float, start: float) -> Iterable[Change]:
    """Where the value differs from the one before; None stands for a series that was not there."""
    name = track.label(question.names)
    before: float | None = None
    last = start
    for at, value in track.points:
        missing = at - last > 1.5 * step
        if value != before or missing:
            told = (
                None
                if before is None and at - start < 1.5 * step
                else question.told(name, track, None if missing else before, value)
            )
            if told is not None:
                yield Change(at, question.kind, told[0], told[1])
        before, last = value, at


def _questions(namespace: str, own_alerts: tuple[str, ...]) -> tuple[_Question, ...]:
    here = f"namespace={quote(namespace)}"

    def changed(metric: str, label: str) -> str:
        one = f"max by ({label}) ({metric}{{{here}}})"
        return f"{one} and on ({label}) max by ({label}) (changes({metric}{{{here}}}$window)) > 0"

    def scaled(name: str, track: Series, before: float | None, value: float) -> tuple[str, str] | None:
        return None if before is None else (f"deployment/{name}", f"{visible(name)} {before:g}→{value:g}")

    def moved(name: str, track: Series, before: float | None, value: float) -> tuple[str, str] | None:
        return None if before is None else (f"hpa/{name}", f"HPA {visible(name)} wants {before:g}→{value:g}")

    def configured(name: str, track: Series, before: float | None, value: float) -> tuple[str, str] | None:
        told = "appeared" if before is None else "changed"
        return None if name.startswith(_OWN) else (f"configmap/{name}", f"ConfigMap {visible(name)} {told}")

    def restarted(name: str, track: Series, before: float | None, value: float) -> tuple[str, str] | None:
        if before is None or value <= before:
            return None
        return f"pod/{name}", f"{visible(name)} restarted ({value:g} times so far)"

    def deployed(name: str, track: Series, before: float | None, value: float) -> tuple[str, str] | None:
        if before is not None:
            return None
        image = visible(track.label("image").rpartition("/")[2])
        return f"deployment/{name}", f"{visible(name)} image {image} runs for the first time in this hour"

    def fired(name: str, track: Series, before: float | None, value: float) -> tuple[str, str] | None:
        return None if before is not None or name in own_alerts else (f"alert/{name}", f"{visible(name)} began to fire")

    return (
        _Question("scaled", changed("kube_deployment_spec_replicas", "deployment"), "deployment", scaled),
        _Question(
            "hpa",
            changed("kube_horizontalpodautoscaler_status_desired_replicas", "horizontalpodautoscaler"),
            "horizontalpodautoscaler",
            moved,
        ),
        _Question(
            "config", f"max by (configmap) (kube_configmap_metadata_resource_version{{{here}}})", "configmap", configured
        ),
        _Question("restart", changed("kube_pod_container_status_restarts_total", "pod"), "pod", restarted),
        _Question("deploy", f"count by (container, image) (kube_pod_container_info{{{here}}}) > bool 0", "container", deployed),
        _Question("alert", 'max by (alertname) (ALERTS{alertstate="firing"})', "alertname", fired),
    )


def _cluster_events(cluster: Cluster | None) -> Iterable[Change]:
    for event in cluster.events if cluster else ():
        if event.reason == "SuccessfulRescale":
            yield Change(event.at, "hpa", f"hpa/{event.name}", f"HPA {visible(event.name)}: {visible(event.message)}")
        elif event.kind == "Pod" and event.reason in _POD_TROUBLE:
            told = f"{visible(event.name)} {visible(event.reason)}: {visible(event.message)}"
            yield Change(event.at, "restart", f"pod/{event.name}", told)


def _written(maps: Iterable[LastWrite], start: float, end: float) -> Iterable[Change]:
    for item in maps:
        if start <= item.at <= end and not item.name.startswith(_OWN):
            yield Change(item.at, "config", f"configmap/{item.name}", f"ConfigMap {visible(item.name)} written", item.manager)


def _unless_told(changes: Iterable[Change], known: Iterable[Change]) -> list[Change]:
    """Without those that the cluster itself told, which knows more: a deploy is a rollout there."""
    same = {"deploy": ("rollout", "action"), "scaled": ("scaled", "action", "rollout")}
    told = [replace(item, text="") for item in known]
    return [
        change
        for change in changes
        if not any(
            item.kind in same.get(change.kind, (change.kind,))
            and item.subject == change.subject
            and abs(item.at - change.at) <= _SAME_SECONDS
            for item in told
        )
    ]
