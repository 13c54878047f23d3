"""What a log target means: the pods it has now, and the logs of their containers."""

from __future__ import annotations

from collections.abc import Iterator

from queries.errors import RequestRejected, SourceError
from queries.kubernetes.api import ByteStream, decode_object, quote_segment
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.metadata_decode import label_selector
from queries.kubernetes.pod_decode import decode_log_pod, decode_pod_containers
from queries.kubernetes.pod_log import stream_log
from queries.kubernetes.watch import CONTROLLERS, CRON_JOBS, JOBS, PODS
from queries.kubernetes.workload_decode import decode_workload
from queries.model.log import TimedLine
from queries.model.pod_log import LogPod, LogRequest, LogTarget, PodContainers

LOG_KINDS = {kind.object_kind.lower(): kind for kind in CONTROLLERS if kind not in (JOBS, CRON_JOBS)}
"""The workloads whose selector finds their pods; the pods of a Job have its name as a label."""


class PodLogReader:
    """Over one Kubernetes client; every method raises SourceError."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    @property
    def where(self) -> str:
        return self._kubernetes.where

    def _pod_path(self, name: str) -> str:
        return f"{PODS.path(self._kubernetes.namespace)}/{quote_segment(name)}"

    async def find_target(self, text: str) -> LogTarget:
        """What `pod/NAME`, `deployment/NAME` or another workload means; a bare name is a pod's, else a workload's."""
        kind, slash, name = text.rpartition("/")
        if kind == "job":
            labels = (("job-name", name),)  # the Job controller's label: no Job has to be read
            return LogTarget(text, f"job-name={name}", labels)
        if kind == "pod":
            return LogTarget(text)
        if slash and kind not in LOG_KINDS:
            known = ", ".join(f"{each}/NAME" for each in ("pod", *LOG_KINDS, "job"))
            raise RequestRejected(f"{text} has no logs of its own", where=self.where, hint=f"expected one of {known}")
        if not slash and await self._has_pod(name):
            return LogTarget(f"pod/{name}")
        for each in (kind,) if slash else tuple(LOG_KINDS):
            try:
                # A list of one: the console's role lists every kind, but may not get each.
                selector = [("fieldSelector", f"metadata.name={name}")]
                found = await self._kubernetes.items(LOG_KINDS[each].path(self._kubernetes.namespace), selector)
            except SourceError as error:
                # A kind that is not served here or may not be read is only an error where it was named.
                if error.fault.status in (403, 404) and not slash:
                    continue
                raise
            if not found:
                continue
            query = label_selector(found[0])
            if not query:
                raise RequestRejected(f"{each}/{name} selects no pods", where=self.where)
            workload = decode_workload(found[0])
            return LogTarget(f"{each}/{name}", query, workload.selector, workload.requirements)
        what = f"there is no {text}" if slash else f"{self._kubernetes.namespace} has neither a pod nor a workload {name}"
        raise RequestRejected(what, where=self.where, hint="" if slash else "a job is job/NAME", status=404)

    async def _has_pod(self, name: str) -> bool:
        try:
            await self._kubernetes.get_raw(self._pod_path(name))
        except SourceError as error:
            if error.fault.status != 404:
                raise
            return False
        return True

    async def list_pods(self, target: LogTarget) -> tuple[LogPod, ...]:
        """The pods of a target, the oldest first; none if they are gone."""
        if target.query:
            found = await self._kubernetes.items(PODS.path(self._kubernetes.namespace), [("labelSelector", target.query)])
        else:
            try:
                found = [await self._kubernetes.call_object("GET", self._pod_path(target.pod))]
            except SourceError as error:
                if error.fault.status != 404:
                    raise
                found = []
        return tuple(sorted(map(decode_log_pod, found), key=lambda item: (item.created_at, item.name)))

    def read_pod(self, name: str) -> LogPod | None:
        """The pod as it is now; None if it is gone. Blocks: call it in a thread."""
        try:
            content = self._kubernetes.api.call("GET", self._pod_path(name))
        except SourceError as error:
            if error.fault.status == 404:
                return None
            raise
        return decode_log_pod(decode_object(content))

    async def list_containers(self, pod: str) -> PodContainers:
        """The containers of a pod and the default one."""
        return decode_pod_containers(await self._kubernetes.call_object("GET", self._pod_path(pod)))

    def stream(self, request: LogRequest, stream: ByteStream) -> Iterator[list[TimedLine]]:
        """The lines of a container's log as they arrive. Blocks: call it in a thread."""
        return stream_log(self._kubernetes.api, self._kubernetes.namespace, request, stream)

    async def read_end(self, request: LogRequest, *, lines: int = 100) -> str:
        """The end of a log as text; invalid UTF-8 is replaced. For a pod with several containers, name one."""
        query = [("tailLines", str(lines)), ("limitBytes", str(1 << 20))]
        if request.container:
            query.append(("container", request.container))
        if request.previous:
            query.append(("previous", "true"))
        if request.since_seconds is not None:
            query.append(("sinceSeconds", str(request.since_seconds)))
        content = await self._kubernetes.get_raw(f"{self._pod_path(request.pod)}/log", query)
        return content.decode("utf-8", "replace")
