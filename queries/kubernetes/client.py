"""A client of one Kubernetes namespace: listed once for a command, or followed for the console."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from queries.concurrency import CPU_LOCK, DaemonPool, run_cpu_bound
from queries.errors import SourceError, Stale, TimedOut, Unreachable
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes import decode
from queries.kubernetes import objects as k8s
from queries.kubernetes.api import REVIEWS, KubeApi, Query, decode_object, quote_segment
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.watch import CRON_JOBS, JOBS, JOURNAL_LABEL, KINDS, PAGE, Kind, RawList, Watcher, list_kind
from queries.model.fault import Fault, FaultKind
from queries.model.source import PollResult
from queries.model.workload import BatchJob, Cluster, LastWrite, PodUsage

T = TypeVar("T")

SOURCE = "kubernetes"
EVENTS_KEPT = 500
_GAP_SECONDS = 0.1
_PING_SECONDS, _FAILING_PING_SECONDS, _RECOVERING_PING_SECONDS = 5.0, 2.0, 0.5
"""The pause before the next ping: normally, while a watch fails, and when all watches are back."""
_PING_LIMIT_SECONDS, _SLOW_SECONDS = 7.0, 1.0
"""The limit of a ping, so that an etcd outage is reported within 15 s; and after how long the API server's cache is queried."""
_METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
_LATE_SECONDS = 0.5
"""What a request may take beyond its own timeout before it counts as late."""
_LARGE_BYTES = 32 << 10
_GROUPS = {"deployments": "apps", "replicasets": "apps"}


class _Access(msgspec.Struct):
    allowed: bool = False
    reason: str | None = None


class _Review(msgspec.Struct):
    status: _Access


class Kubernetes:
    """One namespace. It connects at the first request; no call blocks the loop; every failure is a SourceError.

    With `read_only`, `call` refuses everything but GETs, access reviews and dry runs.
    """

    def __init__(
        self,
        endpoint: ClusterEndpoint,
        *,
        read_only: bool = True,
        backoff_cap_seconds: float = 30.0,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._namespace = endpoint.namespace
        self.kubectl = endpoint.kubectl
        self._timeout = endpoint.timeout_seconds
        self._cap = backoff_cap_seconds
        self._clock = clock
        self._api = KubeApi(
            KubeAccess(endpoint, environ=environ), read_only=read_only, timeout_seconds=endpoint.timeout_seconds
        )
        self._pool = DaemonPool(SOURCE, threads=8)
        self._watchers: tuple[Watcher, ...] = ()
        self._ping_request: asyncio.Future[bytes] | None = None
        self._cache_request: asyncio.Future[bytes] | None = None

    @property
    def where(self) -> str:
        """The API server's URL; empty before the kubeconfig is read."""
        return self._api.where

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a server that does answer, such as a wrong clock."""
        return self._api.warnings

    @property
    def namespace(self) -> str:
        return self._namespace

    async def call(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send any request. Raises SourceError, or PermissionError for a write under read-only, before it is sent."""
        return await self._run(self._api.call, method, path, query, body, headers)

    async def call_object(
        self, method: str, path: str, query: Query = (), body: object = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """As `call`, for a response that is one object."""
        content = await self.call(method, path, query, body, headers)
        return await _decode(partial(decode_object, content), content)

    async def get_raw(self, path: str, query: Query = ()) -> bytes:
        return await self.call("GET", path, query)

    async def cluster(self) -> Cluster:
        """List everything once. Optional kinds that are forbidden or missing stay empty."""
        try:
            listed = await asyncio.gather(*(self._list(kind) for kind in KINDS))
        except (TimedOut, Unreachable) as error:
            raise (_stale(error.fault) if await self._cache_answers() else error) from None
        return self._build_cluster(dict(zip((kind.name for kind in KINDS), listed, strict=True)))

    async def _list(self, kind: Kind) -> tuple[Any, ...]:
        try:
            found, _ = await self._run(list_kind, self._api, kind, self._namespace)
        except SourceError as error:
            if _is_tolerated(kind, error.fault):
                return ()
            raise
        return tuple(found[name] for name in sorted(found))

    async def follow(self, on_result: Callable[[PollResult[Cluster]], None]) -> None:
        """List, then watch, and call back in this loop with every new result, until cancelled or closed.

        A burst becomes one result per 100 ms. A ping every 5 s, a consistent read, distinguishes a quiet cluster from a dead
        connection and a dead etcd, without which every watch stays open and silent. A failing kind gives a result with its
        fault and is retried.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def report() -> None:
            if changed.is_set():
                return  # the pending wake-up covers this change too
            try:
                loop.call_soon_threadsafe(changed.set)
            except RuntimeError:  # the loop is closed
                return

        self._watchers = tuple(
            Watcher(self._api, kind, self._namespace, changed=report, backoff_cap_seconds=self._cap) for kind in KINDS
        )
        latency, fault = 0.0, None
        try:
            await self._pool.run(self._start_watchers)
            await self._wait_for_lists(changed, on_result)
            changed.set()
            began = time.monotonic()
            while True:
                pause = (
                    _PING_SECONDS
                    if fault is None
                    else _FAILING_PING_SECONDS
                    if self._watch_fault()
                    else _RECOVERING_PING_SECONDS
                )
                if await _wait_for(changed, pause - (time.monotonic() - began)):
                    changed.clear()
                    # A reopened watch may have only a status line; only a complete response clears the fault.
                    fault = self._watch_fault() or fault
                else:
                    began = time.monotonic()
                    latency, fault = await self._ping()
                started = time.monotonic()
                on_result(await self._pool.run(self._build_result, latency, fault))
                # Building a large, busy cluster must not take more than a tenth of a core.
                await asyncio.sleep(max(_GAP_SECONDS, min(1.0, 10.0 * (time.monotonic() - started))))
        finally:
            for watcher in self._watchers:
                watcher.stop()
            for waiting in (self._ping_request, self._cache_request):
                if waiting is not None:
                    waiting.cancel()

    def _start_watchers(self) -> None:
        """Start the watchers, off the loop: each takes milliseconds. One that is stopped by then ends at once."""
        for watcher in self._watchers:
            watcher.start()

    async def _wait_for_lists(self, changed: asyncio.Event, on_result: Callable[[PollResult[Cluster]], None]) -> None:
        """Wait for the first answer to every list; report while one is late, and keep waiting."""
        began = time.monotonic()
        limit = self._timeout + _LATE_SECONDS
        while not all(watcher.settled for watcher in self._watchers):
            if not await _wait_for(changed, limit - (time.monotonic() - began)):
                on_result(PollResult(SOURCE, self._clock(), 0.0, fault=self._late(time.monotonic() - began)))
                limit += _FAILING_PING_SECONDS
            changed.clear()

    def _late(self, seconds: float) -> Fault:
        if plugin := self._api.plugin:
            what = f"the exec plugin {plugin} has returned no credential for {seconds:.0f} s"
            return TimedOut(what, hint="it may be waiting for a log-in; run it in a shell").fault
        what = f"no complete answer for {seconds:.0f} s"
        return TimedOut(what, where=self.where, hint="check the network and the cluster's health").fault

    async def _ping(self) -> tuple[float, Fault | None]:
        """The latency of a consistent read, which bypasses the API server's cache, and its fault."""
        began = time.monotonic()
        if self._ping_request is None:
            self._ping_request = asyncio.ensure_future(self._fetch_newest([]))
        # The next ping waits for a hanging request again: new ones would use up all threads.
        done, _ = await asyncio.wait([self._ping_request], timeout=_SLOW_SECONDS)
        cached = None if done else asyncio.ensure_future(self._cache_answers())
        try:
            if cached is not None:
                limit = min(self._timeout, _PING_LIMIT_SECONDS) + _LATE_SECONDS - _SLOW_SECONDS
                done, _ = await asyncio.wait([self._ping_request], timeout=limit)
            fault = self._late(time.monotonic() - began) if not done else None
            if done:
                request, self._ping_request = self._ping_request, None
                try:
                    request.result()
                except SourceError as error:
                    fault = error.fault
            if fault is None:
                for watcher in self._watchers:
                    watcher.retry_now()
            elif fault.kind in (FaultKind.TIMED_OUT, FaultKind.UNREACHABLE) and await (cached or self._cache_answers()):
                fault = _stale(fault).fault
            return time.monotonic() - began, fault
        finally:
            if cached is not None:
                cached.cancel()

    async def _fetch_newest(self, query: Query) -> bytes:
        """One Deployment's metadata; with `resourceVersion=0` in the query from the API server's cache."""
        return await self.call("GET", KINDS[0].path(self._namespace), [("limit", "1"), *query], None, _METADATA)

    async def _cache_answers(self) -> bool:
        """Whether the API server answers from its cache."""
        if self._cache_request is None:
            self._cache_request = asyncio.ensure_future(self._fetch_newest([("resourceVersion", "0")]))
        done, _ = await asyncio.wait([self._cache_request], timeout=_SLOW_SECONDS)
        if not done:
            return False
        request, self._cache_request = self._cache_request, None
        return request.exception() is None

    def _watch_fault(self) -> Fault | None:
        """The fault of a required watch."""
        faults = [item.fault for item in self._watchers if item.fault and not _is_tolerated(item.kind, item.fault)]
        return faults[0] if faults else None

    def _build_result(self, latency: float, fault: Fault | None) -> PollResult[Cluster]:
        fault = fault or self._watch_fault()
        if fault:
            return PollResult(SOURCE, self._clock(), latency, fault=fault)
        tolerated = [(item.kind.name, item.fault) for item in self._watchers if item.fault]
        warnings = [*self._api.warnings, *(f"no {name}: {fault.what}" for name, fault in tolerated)]
        with CPU_LOCK:
            cluster = self._build_cluster({watcher.kind.name: watcher.items() for watcher in self._watchers})
            cluster.index_pods()
        return PollResult(SOURCE, self._clock(), latency, value=cluster, warnings=tuple(warnings))

    def _build_cluster(self, items: Mapping[str, tuple[Any, ...]]) -> Cluster:
        newest = sorted(items["events"], key=lambda item: item.at)[-EVENTS_KEPT:]
        return Cluster(
            namespace=self._namespace,
            workloads=items["deployments"],
            revisions=items["replicasets"],
            pods=items["pods"],
            autoscalers=items["horizontalpodautoscalers"],
            budgets=items["poddisruptionbudgets"],
            events=tuple(sorted(newest, key=lambda item: item.name)),
        )

    async def deployment(self, name: str) -> dict[str, Any]:
        return await self.call_object("GET", f"{KINDS[0].path(self._namespace)}/{quote_segment(name)}")

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The ReplicaSets that this Deployment controls, in the server's order."""
        uid = deployment["metadata"]["uid"]
        labels = deployment.get("spec", {}).get("selector", {}).get("matchLabels") or {}
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        found = await self._items(KINDS[1].path(self._namespace), [("labelSelector", selector)] if selector else [])
        return [item for item in found if _controlled_by(item, uid)]

    async def autoscalers(self) -> list[dict[str, Any]]:
        return await self._items(KINDS[3].path(self._namespace))

    async def budgets(self) -> list[dict[str, Any]]:
        return await self._items(KINDS[4].path(self._namespace))

    async def pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The pods that the Deployment's selector matches."""
        labels = deployment.get("spec", {}).get("selector", {}).get("matchLabels") or {}
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        return await self._items(KINDS[2].path(self._namespace), [("labelSelector", selector)] if selector else [])

    async def has_pod(self, name: str) -> bool:
        """Whether the namespace has this pod, or the ReplicaSet of a pod with this name."""
        for kind, owner in ((KINDS[2], name), (KINDS[1], name.rpartition("-")[0])):
            try:
                await self.get_raw(f"{kind.path(self._namespace)}/{quote_segment(owner)}")
            except SourceError as error:
                if error.fault.status != 404:
                    raise
            else:
                return bool(owner)
        return False

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        """SelfSubjectAccessReview in the namespace: allowed, and the server's reason."""
        attributes = {
            "namespace": self._namespace,
            "verb": verb,
            "group": _GROUPS.get(resource, ""),
            "resource": resource,
            "subresource": subresource,
            "name": name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        review: _Review = await self._run(self._api.call_decoded, _Review, "POST", REVIEWS, (), body)
        return review.status.allowed, review.status.reason or ""

    async def cron_jobs(self) -> tuple[BatchJob, ...]:
        """The CronJobs of the namespace, sorted by name."""
        return await self._batch(CRON_JOBS)

    async def jobs(self) -> tuple[BatchJob, ...]:
        """The Jobs of the namespace, sorted by name, including those of CronJobs."""
        return await self._batch(JOBS)

    async def config_maps(self) -> tuple[LastWrite, ...]:
        """The last write of each ConfigMap; only metadata is fetched, never a value."""
        path = f"/api/v1/namespaces/{self._namespace}/configmaps"
        query = [("limit", str(PAGE)), ("labelSelector", JOURNAL_LABEL.replace("=", "!="))]
        content = await self.call("GET", path, query, None, _METADATA)
        page = await _decode(partial(self._api.decode, content, k8s.ObjectList[k8s.TouchedObject]), content)
        return tuple(decode.build_last_write(item) for item in page.items or ())

    async def _batch(self, kind: Kind) -> tuple[BatchJob, ...]:
        found, _ = await self._run(list_kind, self._api, kind, self._namespace)
        return tuple(found[name] for name in sorted(found))

    async def usage(self) -> tuple[PodUsage, ...]:
        """The usage of each pod from metrics.k8s.io. Raises RequestRejected with status 404 without a metrics API."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{self._namespace}/pods"
        usage: list[PodUsage] = []
        page = await self._run(self._api.call_decoded, k8s.ListPage, "GET", path)
        for raw in page.items or ():
            usage.append(decode.build_usage(self._api.decode(raw, k8s.UsageObject)))
        return tuple(sorted(usage, key=lambda item: item.name))

    async def logs(self, pod: str, *, container: str = "", lines: int = 100) -> str:
        """The end of a pod's log as text; invalid UTF-8 is replaced."""
        query = [("tailLines", str(lines)), ("limitBytes", str(1 << 20))]
        if container:
            query.append(("container", container))
        content = await self.get_raw(f"{KINDS[2].path(self._namespace)}/{quote_segment(pod)}/log", query)
        return content.decode("utf-8", "replace")

    async def close(self) -> None:
        for watcher in self._watchers:
            watcher.stop()
        self._api.close()
        self._pool.close()

    async def _items(self, path: str, query: Query = ()) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page_query = [*query, ("limit", str(PAGE)), *([("continue", token)] if token else [])]
            content = await self.get_raw(path, page_query)
            page = await _decode(partial(self._api.decode, content, RawList), content)
            found += page.items or []
            token = page.metadata.next or ""
            if not token:
                return found

    async def _run(self, call: Callable[..., T], *args: Any) -> T:
        # A response in pages takes several requests, and a hung exec plugin has its own limit.
        limit = self._timeout * 4 + 15.0
        try:
            async with asyncio.timeout(limit):
                return await self._pool.run(call, *args)
        except TimeoutError:
            raise TimedOut(f"Kubernetes did not answer within {limit:g} s", where=self.where) from None


async def _decode(decode: Callable[[], T], content: bytes) -> T:
    """Decode here, or off the loop if a key press would wait for it."""
    return await run_cpu_bound(decode) if len(content) > _LARGE_BYTES else decode()


def _stale(fault: Fault) -> Stale:
    """The fault of a failed consistent read while the API server's cache still answers."""
    return Stale(
        f"the API server answers from its cache only, so this may be old: a consistent read failed ({fault.what})",
        where=fault.where,
        hint="etcd may be down or without quorum; contact the control plane's operators",
        status=fault.status,
    )


def _controlled_by(item: dict[str, Any], uid: str) -> bool:
    owners = item.get("metadata", {}).get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def _is_tolerated(kind: Kind, fault: Fault) -> bool:
    """Whether this kind is optional and the server forbids or lacks it."""
    return kind.optional and fault.status in (403, 404)


async def _wait_for(changed: asyncio.Event, seconds: float) -> bool:
    if seconds <= 0.0:
        return False  # the ping is due, however busy the watches are
    try:
        # Not `wait_for`: up to Python 3.11 it loses a cancellation that coincides with the change.
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
