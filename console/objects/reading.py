"""Reads one workload with everything around it, each part by itself: a refused one is named, and the rest lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from console.objects.dependencies import (
    apply_messages,
    check_dependencies,
    find_dependencies,
    find_missing_by_message,
    name_own_claims,
)
from queries.concurrency import maybe_offload
from queries.errors import SourceError
from queries.http.clock_skew import SteadySkew
from queries.kubernetes.cluster_decode import decode_autoscaler, decode_budget
from queries.kubernetes.object_decode import (
    ARGO_HASH,
    CONTROLLER_HASH,
    decode_controller_revision,
    decode_replica_set,
    sort_events,
)
from queries.kubernetes.object_reader import ObjectReader
from queries.kubernetes.pod_decode import decode_pod
from queries.kubernetes.revision_decode import TEMPLATE_HASH
from queries.kubernetes.workload_decode import decode_workload
from queries.model.frozen import dataclass
from queries.model.object_page import Dependency, ObjectEvent, TemplateRevision
from queries.model.pod import Pod
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.workload import WORKLOAD_KINDS, Workload, rolled_out_at

T = TypeVar("T")

PAGE_KINDS = tuple(item.name.lower() for item in WORKLOAD_KINDS)
"""The kinds with a page of their own, as a target names them."""
_ROLLING = ("deployment", "statefulset", "daemonset", "rollout")
"""The kinds with revisions."""
_MOST_PODS = 6
"""Pods whose events are read, the worst first: each takes a request."""


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One part of a page: its value, or why it could not be read; neither while it is being read."""

    value: T | None = None
    error: str = ""

    @property
    def pending(self) -> bool:
        return self.value is None and not self.error


PENDING: Part[Any] = Part()
"""A part that is still being read."""


@dataclass(frozen=True)
class WorkloadReading:
    """One workload as the API server returned it; `read_at` is Unix seconds. Parts that are still being read are pending."""

    raw: Mapping[str, Any] = field(compare=False)
    workload: Workload
    read_at: float
    pods: Part[tuple[Pod, ...]] = PENDING
    """The worst first."""
    revisions: Part[tuple[TemplateRevision, ...]] = PENDING
    """Newest first."""
    autoscaler: Part[tuple[tuple[Autoscaler, Mapping[str, Any]], ...]] = PENDING
    """Those that scale this workload, with their raw objects."""
    budgets: Part[tuple[DisruptionBudget, ...]] = PENDING
    """Those that cover its pods."""
    events: Part[tuple[ObjectEvent, ...]] = PENDING
    event_pods: tuple[str, ...] = ()
    """The pods whose events are among them."""
    dependencies: Part[tuple[Dependency, ...]] = PENDING
    ahead_seconds: float = 0.0
    """How far the API server's clock, by which its times are, is ahead of this machine's; 0 if the difference is negligible."""

    @property
    def target(self) -> str:
        return f"{self.workload.kind.lower()}/{self.workload.name}"

    @property
    def template(self) -> Mapping[str, Any]:
        """The raw pod template; of a pod, the pod itself."""
        spec = self.raw.get("spec") or {}
        if self.workload.kind == "Pod":
            return {"metadata": self.raw.get("metadata") or {}, "spec": spec}
        if self.workload.kind == "CronJob":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        return dict(spec.get("template") or {})

    def pending_parts(self) -> tuple[str, ...]:
        """The parts that are still being read, in words."""
        return tuple(name for name, part in self._parts() if part.pending)

    def unread_parts(self) -> tuple[tuple[str, str], ...]:
        """The parts that could not be read, each with the reason."""
        return tuple((name, part.error) for name, part in self._parts() if part.error)

    def _parts(self) -> tuple[tuple[str, Part[Any]], ...]:
        return (
            ("pods", self.pods),
            ("revisions", self.revisions),
            ("events", self.events),
            ("HPAs", self.autoscaler),
            ("PodDisruptionBudgets", self.budgets),
            ("dependencies", self.dependencies),
        )

    def current_revision(self) -> TemplateRevision | None:
        """The revision that new pods get."""
        found = self.revisions.value or ()
        if self.workload.kind in ("Deployment", "Rollout"):
            return next((item for item in found if item.number == self.workload.revision), None)
        if self.workload.kind == "StatefulSet":
            return next((item for item in found if item.name == self.workload.update_revision), None)
        return found[0] if found else None

    def current_since(self) -> float:
        """When the current revision was rolled out, Unix seconds; 0 if nobody knows.

        A ControllerRevision that comes back gets another number and keeps its creation, which leaves a gap in the numbers.
        """
        current = self.current_revision()
        if current is not None and self.workload.kind in ("StatefulSet", "DaemonSet"):
            numbers = {item.number for item in self.revisions.value or ()}
            if numbers == set(range(1, current.number + 1)):
                return current.since
        return rolled_out_at(self.workload, ())

    @property
    def has_revisions(self) -> bool:
        return self.workload.kind.lower() in _ROLLING

    def pods_of(self, revision: TemplateRevision) -> tuple[Pod, ...]:
        """The pods made from this revision; none without a label that says so."""
        return self._pods_by_label.get((revision.pods_label, revision.pods_value), ()) if revision.pods_value else ()

    @cached_property
    def _pods_by_label(self) -> Mapping[tuple[str, str], tuple[Pod, ...]]:
        """In one pass over all pods: a page asks for every revision, every second."""
        found: dict[tuple[str, str], list[Pod]] = {}
        for pod in self.pods.value or ():
            for pair in pod.labels:
                if pair[0] in (TEMPLATE_HASH, CONTROLLER_HASH, ARGO_HASH):
                    found.setdefault(pair, []).append(pod)
        return {pair: tuple(pods) for pair, pods in found.items()}

    @cached_property
    def names(self) -> frozenset[str]:
        """Its own name and those of its pods, as labels of series have them."""
        return frozenset((self.workload.name, *(pod.name for pod in self.pods.value or ())))


async def read_workload(
    reader: ObjectReader, kind: str, name: str, *, clock: Callable[[], float]
) -> AsyncIterator[WorkloadReading]:
    """The workload itself first, then with every part that arrives. Raises SourceError if the workload cannot be read.

    `kind` is one of PAGE_KINDS.
    """
    raw = await reader.read(kind, name)
    ahead = SteadySkew().update(reader.kubernetes.api.clock.ahead_seconds)
    reading = WorkloadReading(raw, decode_workload(raw), clock(), ahead_seconds=ahead)
    yield reading
    template, uid = reading.template, reading.workload.uid
    named = find_dependencies(template, name_own_claims(raw) if kind == "statefulset" else ())
    reads: dict[str, Awaitable[Part[Any]]] = {
        "pods": read_part(_pods(reader, raw)),
        "revisions": read_part(_revisions(reader, kind, raw)),
        "autoscaler": read_part(_autoscalers(reader, reading.workload)),
        "budgets": read_part(_budgets(reader, template)),
        "dependencies": read_part(check_dependencies(named, reader)),
        "events": read_part(reader.events(kind, name, uid)),
    }
    tasks = {asyncio.ensure_future(read): part for part, read in reads.items()}
    try:
        own_events: Part[tuple[ObjectEvent, ...]] = Part()
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if tasks[task] == "events":
                    own_events = task.result()
                else:
                    reading = _with_part(reading, tasks[task], task.result())
            yield reading
        if own_events.error:
            reading = replace(reading, events=own_events)
        else:
            reading = await _add_related_events(reading, own_events.value or (), reader)
        if reading.dependencies.value:
            reported = find_missing_by_message(_messages(reading))
            reading = replace(reading, dependencies=Part(apply_messages(reading.dependencies.value, reported)))
        yield replace(reading, read_at=clock())
    finally:
        for task in tasks:
            task.cancel()


def _with_part(reading: WorkloadReading, name: str, part: Part[Any]) -> WorkloadReading:
    changes: dict[str, Any] = {name: part}
    return replace(reading, **changes)


async def read_part(work: Awaitable[T]) -> Part[T]:
    """The part with its value, or with the reason why it could not be read."""
    try:
        return Part(await work)
    except SourceError as error:
        fault = error.fault
        return Part(error=f"{fault.what}: {fault.hint}" if fault.hint else fault.what)


async def _pods(reader: ObjectReader, raw: dict[str, Any]) -> tuple[Pod, ...]:
    kind = raw.get("kind")
    if kind == "Pod":
        return (decode_pod(raw),)
    found = await (reader.cron_job_pods(raw) if kind == "CronJob" else reader.kubernetes.pods(raw))
    return await maybe_offload(lambda: tuple(sorted(map(decode_pod, found), key=_worst_first)), len(found))


def _worst_first(pod: Pod) -> tuple[bool, bool, bool, int, str]:
    return (pod.ready, pod.ended, not pod.reason, -pod.restarts, pod.name)


async def _revisions(reader: ObjectReader, kind: str, raw: dict[str, Any]) -> tuple[TemplateRevision, ...]:
    if kind not in _ROLLING:
        return ()
    if kind in ("deployment", "rollout"):
        found = [decode_replica_set(item) for item in await reader.kubernetes.replica_sets(raw)]
    else:
        listed = await reader.kubernetes.controller_revisions(raw)
        found = [decode_controller_revision(item, str(raw.get("kind"))) for item in listed]
    return tuple(sorted(found, key=lambda item: (-item.number, item.name)))


async def _autoscalers(reader: ObjectReader, workload: Workload) -> tuple[tuple[Autoscaler, dict[str, Any]], ...]:
    pairs = [(decode_autoscaler(item), item) for item in await reader.kubernetes.autoscalers()]
    return tuple(pair for pair in pairs if pair[0].target_kind == workload.kind and pair[0].target_name == workload.name)


async def _budgets(reader: ObjectReader, template: Mapping[str, Any]) -> tuple[DisruptionBudget, ...]:
    labels = tuple(sorted(((template.get("metadata") or {}).get("labels") or {}).items()))
    return tuple(item for item in map(decode_budget, await reader.kubernetes.budgets()) if item.selects(labels))


async def _add_related_events(reading: WorkloadReading, own: tuple[ObjectEvent, ...], reader: ObjectReader) -> WorkloadReading:
    """With the events of its newest revision and of its worst pods; healthy pods are not asked for."""
    pods = [pod for pod in (reading.pods.value or ()) if not pod.ready or pod.restarts][:_MOST_PODS]
    own_name = reading.workload.name if reading.workload.kind == "Pod" else ""
    reads = [reader.events("pod", pod.name, pod.uid) for pod in pods if pod.name != own_name]
    current = reading.current_revision()
    if current is not None and reading.workload.kind in ("Deployment", "Rollout"):
        reads.append(reader.events("replicaset", current.name))
    parts = await asyncio.gather(*map(read_part, reads))
    failed = next((part.error for part in parts if part.error), "")
    events = (*own, *(event for part in parts for event in part.value or ()))
    return replace(
        reading,
        events=Part(error=failed) if failed else Part(sort_events(events)),
        event_pods=tuple(pod.name for pod in pods),
    )


def _messages(reading: WorkloadReading) -> list[tuple[str, str]]:
    pods = [(f"pod {pod.name}", pod.message) for pod in (reading.pods.value or ()) if not pod.ready]
    return [*pods, *((f"an event of {item.name}", item.message) for item in reading.events.value or ())]
