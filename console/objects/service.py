"""What screens read about single objects and nodes, over the clients of one session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from console.objects.description import DescriptionLine, describe_node, describe_pod, describe_workload
from console.objects.manifest import format_object
from console.objects.nodes import Evaluate, NodesReading, SelectOwn, read_nodes, select_all
from console.objects.problems import list_problems
from console.objects.reading import PAGE_KINDS, WorkloadReading, read_part, read_workload
from console.objects.template_diff import CONTEXT_LINES, diff_revisions
from queries.concurrency import run_cpu_bound
from queries.kubernetes.object_decode import decode_node
from queries.kubernetes.object_reader import ObjectReader
from queries.model.object_page import TemplateRevision

if TYPE_CHECKING:
    from queries.kubernetes.client import Kubernetes


class ObjectService:
    """Nothing here is polled or cached: each call reads. Every method raises SourceError."""

    def __init__(
        self,
        kubernetes: Callable[[], Kubernetes],
        evaluate: Evaluate,
        *,
        select_own: SelectOwn = select_all,
        clock: Callable[[], float],
    ) -> None:
        self._kubernetes = kubernetes
        self._evaluate = evaluate
        self._select_own = select_own
        self._clock = clock
        self._reader: ObjectReader | None = None

    @property
    def reader(self) -> ObjectReader:
        if self._reader is None:
            self._reader = ObjectReader(self._kubernetes())
        return self._reader

    def workload(self, target: str) -> AsyncIterator[WorkloadReading]:
        """The readings of `deployment/NAME` as its parts arrive."""
        kind, _, name = target.partition("/")
        return read_workload(self.reader, kind, name, clock=self._clock)

    def nodes(self) -> AsyncIterator[NodesReading]:
        """The readings of the nodes as their parts arrive."""
        return read_nodes(self.reader, self._evaluate, select_own=self._select_own, clock=self._clock)

    async def yaml(self, target: str, *, managed_fields: bool = False) -> tuple[str, ...]:
        """The lines of the object's YAML, redacted."""
        kind, _, name = target.partition("/")
        raw = await self.reader.read(kind, name)
        return await run_cpu_bound(lambda: tuple(format_object(raw, managed_fields=managed_fields).splitlines()))

    async def describe(self, target: str) -> tuple[DescriptionLine, ...]:
        """A workload, a pod or a node as text."""
        kind, _, name = target.partition("/")
        if kind in PAGE_KINDS and kind != "pod":
            whole, now = [item async for item in self.workload(target)][-1], self._clock()
            return await run_cpu_bound(lambda: describe_workload(whole, list_problems(whole, now=now), now=now))
        raw = await self.reader.read(kind, name)
        uid = str((raw.get("metadata") or {}).get("uid") or "")
        events = await read_part(self.reader.events(kind, name, uid))
        if kind == "node":
            pods = await read_part(self.reader.node_pods(everywhere=True, node=name))
            own = () if pods.value is not None else (await read_part(self.reader.node_pods(everywhere=False, node=name))).value
            found = pods.value if pods.value is not None else own or ()
            return describe_node(
                decode_node(raw), raw, found, events.value or (), pods_error=pods.error, events_error=events.error,
                now=self._clock(),
            )  # fmt: skip
        now = self._clock()
        return await run_cpu_bound(lambda: describe_pod(raw, events.value or (), events_error=events.error, now=now))

    async def diff(self, before: TemplateRevision, after: TemplateRevision, *, context: int = CONTEXT_LINES) -> tuple[str, ...]:
        """The lines of a unified diff of two revisions."""
        return await run_cpu_bound(lambda: diff_revisions(before, after, context=context))
