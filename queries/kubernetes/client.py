"""The client of one Kubernetes namespace: sends requests off the loop, and reads objects by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from queries.concurrency import CPU_LOCK, DaemonPool, run_cpu_bound
from queries.errors import RequestRejected, SourceError, TimedOut
from queries.http.endpoint import ClusterEndpoint, ClusterIdentity
from queries.kubernetes import objects as k8s
from queries.kubernetes.api import (
    REVIEWS,
    KubeApi,
    Query,
    decode_object,
    quote_segment,
    resource_group,
    resource_path,
)
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.cluster_decode import build_last_write
from queries.kubernetes.metadata_decode import controller_uid, label_selector
from queries.kubernetes.pod_decode import build_usage
from queries.kubernetes.pod_template_decode import sum_requests
from queries.kubernetes.watch import (
    CRON_JOBS,
    EXPIRED,
    JOBS,
    KINDS,
    LIST_ATTEMPTS,
    NOT_CONFIGURATION,
    PAGE,
    PODS,
    Kind,
    RawList,
    expired_list,
    list_kind,
    restart_expired,
)
from queries.model.change import LastWrite
from queries.model.pod import PodUsage
from queries.model.workload import BatchJob, Workload
from queries.text.durations import format_duration

T = TypeVar("T")

SOURCE = "kubernetes"
METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
_METADATA_OF_ONE = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"}
_LARGE_BYTES = 32 << 10


class _Access(msgspec.Struct):
    allowed: bool = False
    reason: str | None = None


class _Review(msgspec.Struct):
    status: _Access


class Kubernetes:
    """One namespace. It connects at the first request; no call blocks the loop; every failure is a SourceError.

    With `read_only`, `call` refuses everything but GETs, access reviews and dry runs.
    """

    def __init__(self, endpoint: ClusterEndpoint, *, read_only: bool = True, environ: Mapping[str, str] | None = None) -> None:
        self.namespace = endpoint.namespace
        self.kubectl = endpoint.kubectl
        self.timeout_seconds = endpoint.timeout_seconds
        """Of one request."""
        self.api = KubeApi(KubeAccess(endpoint, environ=environ), read_only=read_only, timeout_seconds=endpoint.timeout_seconds)
        """Its calls block: run them in `pool`, or by `run`, which sets a limit."""
        self.pool = DaemonPool(SOURCE, threads=8)
        self.known_identity: ClusterIdentity | None = None
        """As last fetched."""
        self.closers: set[Callable[[], None]] = set()
        """What `close` calls first."""

    @property
    def where(self) -> str:
        """The API server's URL; empty before the kubeconfig is read."""
        return self.api.where

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a server that does answer, such as a wrong clock."""
        return self.api.warnings

    async def call(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send any request. Raises SourceError, or PermissionError for a write under read-only, before it is sent."""
        return await self.run(self.api.call, method, path, query, body, headers)

    async def call_object(
        self, method: str, path: str, query: Query = (), body: object = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """As `call`, for a response that is one object."""
        content = await self.call(method, path, query, body, headers)
        return await _decode(partial(decode_object, content), content)

    def decode(self, content: bytes, type_: type[T]) -> T:
        """Decode a response into `type_`. Raises InvalidResponse."""
        return self.api.decode(content, type_)

    async def get_raw(self, path: str, query: Query = ()) -> bytes:
        return await self.call("GET", path, query)

    async def items(self, path: str, query: Query = (), headers: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The raw objects of a list, in the server's order, read page by page. Raises SourceError."""
        return await self.read_pages(path, RawList, lambda item: item, query, headers)

    async def read_pages(
        self,
        path: str,
        page_type: Any,
        build: Callable[[Any], T],
        query: Query = (),
        headers: Mapping[str, str] | None = None,
    ) -> list[T]:
        """What `build` makes of each object of a list, in the server's order; off the loop for a large page. A list that
        expires on the server between two pages is read again from the start. Raises SourceError.
        """

        def add(content: bytes, found: list[T]) -> str:
            page = self.api.decode(content, page_type)
            found.extend(map(build, page.items or ()))
            return page.metadata.next or ""

        for _ in range(LIST_ATTEMPTS):
            found: list[T] = []
            token = ""
            try:
                while True:
                    page_query = [*query, ("limit", str(PAGE)), *([("continue", token)] if token else [])]
                    content = await self.call("GET", path, page_query, None, headers)
                    token = await _decode(partial(add, content, found), content)
                    if not token:
                        return found
            except RequestRejected as error:
                if not token or error.fault.status != EXPIRED:
                    raise
        raise expired_list(path.rpartition("/")[2], where=self.where)

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Run a blocking call of `api` off the loop. Raises SourceError."""
        # A response in pages takes several requests, and a hung exec plugin has its own limit.
        limit = self.timeout_seconds * 4 + 15.0
        try:
            async with asyncio.timeout(limit):
                return await self.pool.run(call, *args)
        except TimeoutError:
            raise TimedOut(f"Kubernetes did not answer within {format_duration(limit)}", where=self.where) from None

    async def close(self) -> None:
        for stop in tuple(self.closers):
            stop()
        self.api.close()
        self.pool.close()

    async def workload(self, resource: str, name: str) -> dict[str, Any]:
        """A Deployment, StatefulSet or DaemonSet; `resource` is its plural."""
        return await self.call_object("GET", self._apps_path(resource, name))

    async def deployment(self, name: str) -> dict[str, Any]:
        return await self.workload("deployments", name)

    async def controller_revisions(self, workload: dict[str, Any]) -> list[dict[str, Any]]:
        """The ControllerRevisions that this StatefulSet or DaemonSet controls, in the server's order."""
        selector = label_selector(workload)
        found = await self.items(self._apps_path("controllerrevisions"), [("labelSelector", selector)] if selector else [])
        return [item for item in found if controller_uid(item) == workload["metadata"]["uid"]]

    def _apps_path(self, resource: str, name: str = "") -> str:
        path = f"/apis/apps/v1/namespaces/{quote_segment(self.namespace)}/{resource}"
        return f"{path}/{quote_segment(name)}" if name else path

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The ReplicaSets that this Deployment controls, in the server's order."""
        uid = deployment["metadata"]["uid"]
        selector = label_selector(deployment)
        found = await self.items(KINDS[1].path(self.namespace), [("labelSelector", selector)] if selector else [])
        return [item for item in found if controller_uid(item) == uid]

    async def autoscalers(self) -> list[dict[str, Any]]:
        return await self.items(KINDS[3].path(self.namespace))

    async def budgets(self) -> list[dict[str, Any]]:
        return await self.items(KINDS[4].path(self.namespace))

    async def pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The pods that the Deployment's selector matches."""
        selector = label_selector(deployment)
        return await self.items(PODS.path(self.namespace), [("labelSelector", selector)] if selector else [])

    async def events(self, name: str) -> list[dict[str, Any]]:
        """The events about the object with this name."""
        return await self.items(KINDS[5].path(self.namespace), [("fieldSelector", f"involvedObject.name={name}")])

    async def has_pod(self, name: str) -> bool:
        """Whether the namespace has this pod, or the ReplicaSet of a pod with this name."""
        for kind, owner in ((KINDS[2], name), (KINDS[1], name.rpartition("-")[0])):
            try:
                await self.get_raw(f"{kind.path(self.namespace)}/{quote_segment(owner)}")
            except SourceError as error:
                if error.fault.status != 404:
                    raise
            else:
                return bool(owner)
        return False

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        """SelfSubjectAccessReview in the namespace, of nodes in the cluster: allowed, and the server's reason."""
        attributes = {
            "namespace": self.namespace if resource != "nodes" else "",
            "verb": verb,
            "group": resource_group(resource),
            "resource": resource,
            "subresource": subresource,
            "name": name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        review: _Review = await self.run(self.api.call_decoded, _Review, "POST", REVIEWS, (), body)
        return review.status.allowed, review.status.reason or ""

    async def read(self, resource: str, name: str) -> dict[str, Any]:
        """One object; `resource` is its plural."""
        return await self.call_object("GET", resource_path(resource, self.namespace, name))

    async def list_objects(self, resource: str, *, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        """The objects of a kind in the namespace, of nodes in the cluster, in the server's order."""
        query = [(name, value) for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value]
        return await self.items(resource_path(resource, self.namespace), query)

    async def exists(self, resource: str, name: str) -> bool:
        """Whether there is such an object; the server sends only its metadata."""
        try:
            await self.call("GET", resource_path(resource, self.namespace, name), (), None, _METADATA_OF_ONE)
        except SourceError as error:
            if error.fault.status == 404:
                return False
            raise
        return True

    async def node_requests(self) -> dict[str, dict[str, float]]:
        """What the pods of all namespaces that have not ended request, summed for each node; `pods` is their number."""
        return await self.run(lambda: restart_expired(partial(_sum_requests, self.api), "pods", where=self.where))

    async def cron_jobs(self) -> tuple[BatchJob, ...]:
        """The CronJobs of the namespace, sorted by name."""
        return await self._batch(CRON_JOBS)

    async def jobs(self) -> tuple[BatchJob, ...]:
        """The Jobs of the namespace, sorted by name, including those of CronJobs."""
        return await self._batch(JOBS)

    async def config_maps(self) -> tuple[LastWrite, ...]:
        """The last write of each ConfigMap; only metadata is fetched, never a value."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        query = [("labelSelector", NOT_CONFIGURATION)]
        return tuple(await self.read_pages(path, k8s.ObjectList[k8s.TouchedObject], build_last_write, query, METADATA))

    async def _batch(self, kind: Kind) -> tuple[BatchJob, ...]:
        found: dict[str, Workload]
        found, _ = await self.run(list_kind, self.api, kind, self.namespace)
        return tuple(item.batch for _, item in sorted(found.items()) if item.batch is not None)

    async def usage(self) -> tuple[PodUsage, ...]:
        """The usage of each pod from metrics.k8s.io. Raises RequestRejected with status 404 without a metrics API."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{self.namespace}/pods"
        usage: list[PodUsage] = []
        page = await self.run(self.api.call_decoded, k8s.ListPage, "GET", path)
        for raw in page.items or ():
            usage.append(build_usage(self.api.decode(raw, k8s.UsageObject)))
        return tuple(sorted(usage, key=lambda item: item.name))


async def _decode(decode: Callable[[], T], content: bytes) -> T:
    """Decode here, or off the loop if a key press would wait for it."""
    return await run_cpu_bound(decode) if len(content) > _LARGE_BYTES else decode()


def _sum_requests(api: KubeApi) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    query = [("fieldSelector", "status.phase!=Succeeded,status.phase!=Failed"), ("limit", str(PAGE))]
    token = ""
    while True:
        body = api.call("GET", resource_path("pods", ""), [*query, *([("continue", token)] if token else [])])
        with CPU_LOCK:
            page: k8s.ObjectList[k8s.RequestObject] = api.decode(body, k8s.ObjectList[k8s.RequestObject])
            for item in page.items or ():
                if item.spec and item.spec.node_name:
                    node = found.setdefault(item.spec.node_name, {})
                    for name, amount in {**sum_requests(item.spec), "pods": 1.0}.items():
                        node[name] = node.get(name, 0.0) + amount
        token = page.metadata.next or ""
        if not token:
            return found
