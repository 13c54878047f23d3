"""The nodes with their pods and requests, the pods without a node, and the claims with how full they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from console.objects.problems import Problem, describe_condition
from console.objects.reading import PENDING, Part, read_part
from queries.errors import NotConfigured, SourceError
from queries.kubernetes.object_decode import decode_claim, decode_node
from queries.kubernetes.object_reader import ObjectReader
from queries.model.annotations import Annotations
from queries.model.object_page import Node, NodePod, Resources, VolumeClaim, VolumeUse
from queries.model.series import Labels, Sample, drop_labels, label
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_age

FULL_RATIO, FILLING_RATIO = 0.95, 0.85
"""From which use on a volume is critical, and a warning."""
_METRICS = {
    "kubelet_volume_stats_used_bytes": "used_bytes",
    "kubelet_volume_stats_capacity_bytes": "capacity_bytes",
    "kubelet_volume_stats_available_bytes": "available_bytes",
    "kubelet_volume_stats_inodes_used": "inodes_used",
    "kubelet_volume_stats_inodes": "inodes",
}


class InstantAnswer(Protocol):
    """What a query of Prometheus returns."""

    @property
    def samples(self) -> tuple[Sample, ...]: ...

    @property
    def annotations(self) -> Annotations: ...


Evaluate = Callable[[str], Awaitable[InstantAnswer]]
SelectOwn = Callable[[Iterable[Sample]], tuple[tuple[Sample, ...], str]]
"""As `Place.select_own`: a Prometheus may have the same namespace of several clusters."""


def select_all(samples: Iterable[Sample]) -> tuple[tuple[Sample, ...], str]:
    """Of a Prometheus that has one cluster."""
    return tuple(samples), ""


@dataclass(frozen=True)
class NodesReading:
    """`everywhere` is whether `pods` are those of every namespace; else of this one, and the nodes hold others too.

    `use` is by the name of the claim; a claim without an entry is in no metric.
    """

    namespace: str
    read_at: float
    nodes: Part[tuple[Node, ...]] = PENDING
    pods: Part[tuple[NodePod, ...]] = PENDING
    everywhere: bool = True
    claims: Part[tuple[VolumeClaim, ...]] = PENDING
    use: Part[Mapping[str, VolumeUse]] = PENDING
    use_caveat: str = ""

    @cached_property
    def pods_by_node(self) -> Mapping[str, tuple[NodePod, ...]]:
        """The pods that have a node, by its name."""
        found: dict[str, list[NodePod]] = {}
        for pod in self.pods.value or ():
            if pod.node:
                found.setdefault(pod.node, []).append(pod)
        return {name: tuple(pods) for name, pods in found.items()}

    def requests_of(self, node: Node) -> Resources | None:
        """What the pods on it request; None while the pods are not known."""
        return sum_pod_requests(self.pods_by_node.get(node.name, ())) if self.pods.value is not None else None

    @cached_property
    def unscheduled(self) -> tuple[NodePod, ...]:
        """The pods without a node, the oldest first."""
        return tuple(sorted((pod for pod in self.pods.value or () if not pod.node), key=lambda pod: (pod.created_at, pod.name)))

    def pending_parts(self) -> tuple[str, ...]:
        """The parts that are still being read, in words."""
        parts = (("nodes", self.nodes), ("pods", self.pods), ("claims", self.claims), ("volume metrics", self.use))
        return tuple(name for name, part in parts if part.pending)


async def read_nodes(
    reader: ObjectReader, evaluate: Evaluate, *, select_own: SelectOwn = select_all, clock: Callable[[], float]
) -> AsyncIterator[NodesReading]:
    """A reading with every part that arrives; a part that is refused says so, and the rest lives."""
    reading = NodesReading(reader.namespace, clock())
    reads: dict[str, Awaitable[Any]] = {
        "nodes": read_part(_nodes(reader)),
        "pods": _pods(reader),
        "claims": read_part(_claims(reader)),
        "use": _use(reader.namespace, evaluate, select_own),
    }
    tasks = {asyncio.ensure_future(read): name for name, read in reads.items()}
    try:
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                reading = _with_result(reading, tasks[task], task.result())
            yield replace(reading, read_at=clock())
    finally:
        for task in tasks:
            task.cancel()


def _with_result(reading: NodesReading, name: str, result: Any) -> NodesReading:
    if name == "pods":
        return replace(reading, pods=result[0], everywhere=result[1])
    if name == "use":
        return replace(reading, use=result[0], use_caveat=result[1])
    return replace(reading, nodes=result) if name == "nodes" else replace(reading, claims=result)


async def _nodes(reader: ObjectReader) -> tuple[Node, ...]:
    return tuple(sorted(map(decode_node, await reader.nodes()), key=lambda item: (-evaluate_node(item).rank, item.name)))


async def _pods(reader: ObjectReader) -> tuple[Part[tuple[NodePod, ...]], bool]:
    """Those of every namespace, or where that is forbidden of this one."""
    try:
        return Part(await reader.node_pods(everywhere=True)), True
    except SourceError as error:
        if error.fault.status != 403:
            return Part(error=error.fault.what), True
    return await read_part(reader.node_pods(everywhere=False)), False


async def _claims(reader: ObjectReader) -> tuple[VolumeClaim, ...]:
    return tuple(map(decode_claim, await reader.claims()))


async def _use(namespace: str, evaluate: Evaluate, select_own: SelectOwn) -> tuple[Part[Mapping[str, VolumeUse]], str]:
    """How full each claim is, and a caveat of Prometheus' answer."""
    names = "|".join(_METRICS)
    try:
        answer = await evaluate(f'{{__name__=~"{names}",namespace="{namespace}"}}')
    except NotConfigured:
        return Part(error="Prometheus is not configured"), ""
    except SourceError as error:
        return Part(error=f"Prometheus: {error.fault.what}"), ""
    own, others = select_own(answer.samples)
    if others:
        text = f"Prometheus has this namespace from several clusters ({others}); set environments.*.labels to select one"
        return Part(error=text), ""
    return Part(decode_volume_use(own)), answer.annotations.caveat


def decode_volume_use(samples: Iterable[Sample]) -> dict[str, VolumeUse]:
    """The use by claim; of several kubelets that report one claim, as after a move to another node, that of the fullest."""
    values: dict[str, dict[Labels, dict[str, float]]] = {}
    for sample in samples:
        field = _METRICS.get(label(sample.labels, "__name__"))
        claim = label(sample.labels, "persistentvolumeclaim")
        if field and claim and sample.value == sample.value and sample.value >= 0.0:
            known = values.setdefault(claim, {}).setdefault(drop_labels(sample.labels, "__name__"), {})
            worse = min if field == "available_bytes" else max
            known[field] = worse(known.get(field, sample.value), sample.value)
    uses = {claim: [VolumeUse(**fields) for fields in each.values()] for claim, each in values.items()}
    return {claim: max(found, key=lambda use: max(_list_ratios(use), default=-1.0)) for claim, found in uses.items()}


def evaluate_node(node: Node) -> Verdict:
    """Critical if it is not ready or silent, warn under pressure or while cordoned; no data without the condition Ready."""
    if node.ready in ("False", "Unknown"):
        return Verdict.CRITICAL
    if not node.ready:
        return Verdict.NO_DATA
    return Verdict.WARN if node.pressures or node.cordoned else Verdict.OK


def list_node_problems(node: Node) -> tuple[Problem, ...]:
    """What is wrong with a node, in words, the worst first."""
    found = [
        Problem(Verdict.CRITICAL, describe_condition(item))
        for item in node.conditions
        if item.type == "Ready" and item.status != "True"
    ]
    if not node.ready:
        found.append(Problem(Verdict.NO_DATA, "it has no condition Ready: no kubelet has reported"))
    found += [Problem(Verdict.WARN, describe_condition(item)) for item in node.pressures]
    if node.cordoned:
        found.append(Problem(Verdict.WARN, "cordoned: the scheduler places no new pods here"))
    return tuple(found)


def sum_pod_requests(pods: Iterable[NodePod]) -> Resources:
    """What the scheduler has reserved for these pods; `pods` is their number."""
    listed = tuple(pods)
    return Resources(sum(pod.requests.cpu for pod in listed), sum(pod.requests.memory for pod in listed), float(len(listed)))


def describe_unscheduled(pod: NodePod, now: float) -> str:
    """Why a pod has no node, in the scheduler's own sentence, and since when."""
    age = f"{format_age(max(0.0, now - pod.created_at))}: " if pod.created_at else ""
    return f"{age}{visible(pod.unscheduled) or 'the scheduler has not tried it yet, or reports nothing'}"


def evaluate_volume(use: VolumeUse | None) -> Verdict:
    """By the fuller of bytes and inodes; unknown without a capacity."""
    ratios = _list_ratios(use) if use else []
    if not ratios:
        return Verdict.NO_DATA
    worst = max(ratios)
    return Verdict.CRITICAL if worst >= FULL_RATIO else Verdict.WARN if worst >= FILLING_RATIO else Verdict.OK


def _list_ratios(use: VolumeUse) -> list[float]:
    """How full it is by bytes and by inodes, as far as the kubelet reports them."""
    return [ratio for ratio in (use.used_ratio, use.inodes_ratio) if ratio is not None]
