"""Reads a namespace of a Kubernetes cluster: once for a command, or followed for the console."""

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
from queries.kubernetes.api import REVIEWS, KubeApi, Query, as_object, segment
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.watch import CRON_JOBS, JOBS, JOURNAL_LABEL, KINDS, PAGE, Kind, Raws, Watcher, list_kind
from queries.model.fault import Fault, FaultKind
from queries.model.source import PollResult
from queries.model.workload import BatchJob, Cluster, PodUsage, Touched

T = TypeVar("T")

SOURCE = "kubernetes"
EVENTS_KEPT = 500
_GAP_SECONDS = 0.1
_PULSE_SECONDS, _ANXIOUS_SECONDS, _HOPEFUL_SECONDS = 5.0, 2.0, 0.5
"""How soon after a pulse the next one goes out: in quiet times, while a watch fails, and when all of them are back."""
_PROOF_SECONDS, _SLOW_SECONDS = 7.0, 1.0
"""How long a pulse may take at most, so that with the pause before it 15 s are enough to say that etcd is gone; and after how
much of that the API server is asked what it remembers."""
_METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
_LATE_SECONDS = 0.5
"""What a request may take beyond its own time limit before it is called late from outside."""
_LARGE_BYTES = 32 << 10
_GROUPS = {"deployments": "apps", "replicasets": "apps"}


class _Access(msgspec.Struct):
    allowed: bool = False
    reason: str | None = None


class _Review(msgspec.Struct):
    status: _Access


class Kubernetes:
    """One namespace. Nothing is connected before the first request; no call blocks the loop; every failure is a SourceError.

    `read_only` shuts the gate in `call` for everything but GETs, access reviews and dry runs.
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
        self._pulsing: asyncio.Future[bytes] | None = None
        self._asking: asyncio.Future[bytes] | None = None

    @property
    def where(self) -> str:
        """The API server's URL; empty until the kubeconfig was read."""
        return self._api.where

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the server though it answers."""
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
        """Any request. Raises SourceError, or PermissionError where read-only forbids it: then nothing left."""
        return await self._ask(self._api.call, method, path, query, body, headers)

    async def call_object(
        self, method: str, path: str, query: Query = (), body: object = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """As `call`, for an answer that is one object."""
        content = await self.call(method, path, query, body, headers)
        return await _decode(partial(as_object, content), content)

    async def get_raw(self, path: str, query: Query = ()) -> bytes:
        return await self.call("GET", path, query)

    async def cluster(self) -> Cluster:
        """Everything, listed once. Kinds that are forbidden or absent stay empty where the console can do without them."""
        try:
            listed = await asyncio.gather(*(self._listed(kind) for kind in KINDS))
        except (TimedOut, Unreachable) as error:
            raise (_stale(error.fault) if await self._remembers() else error) from None
        return self._assembled(dict(zip((kind.name for kind in KINDS), listed, strict=True)))

    async def _listed(self, kind: Kind) -> tuple[Any, ...]:
        try:
            found, _ = await self._ask(list_kind, self._api, kind, self._namespace)
        except SourceError as error:
            if _spared(kind, error.fault):
                return ()
            raise
        return tuple(found[name] for name in sorted(found))

    async def follow(self, on_reading: Callable[[PollResult[Cluster]], None]) -> None:
        """Lists, then watches, and calls back in this loop with every new reading; runs until it is cancelled or closed.

        Bursts become one reading per 100 ms. A pulse every 5 s, a consistent read, proves that the server still answers and
        that its store does, so that a quiet cluster, a dead connection and a dead etcd look different: without etcd every
        watch stays open, and silent. A failing kind gives a reading with its fault and is tried again.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def report() -> None:
            if changed.is_set():
                return  # whoever is woken reads this change too
            try:
                loop.call_soon_threadsafe(changed.set)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return

        self._watchers = tuple(
            Watcher(self._api, kind, self._namespace, changed=report, backoff_cap_seconds=self._cap) for kind in KINDS
        )
        latency, doubt = 0.0, None
        try:
            await self._pool.run(self._begin)
            await self._first(changed, on_reading)
            changed.set()
            began = time.monotonic()
            while True:
                pause = _PULSE_SECONDS if doubt is None else _ANXIOUS_SECONDS if self._trouble() else _HOPEFUL_SECONDS
                if await _heard(changed, pause - (time.monotonic() - began)):
                    changed.clear()
                    # A watch that opens again may only have been given a status line; a whole answer ends the doubt.
                    doubt = self._trouble() or doubt
                else:
                    began = time.monotonic()
                    latency, doubt = await self._pulse()
                put = time.monotonic()
                on_reading(await self._pool.run(self._reading, latency, doubt))
                # A cluster that is large and never rests must not take more than a tenth of a core to be put together.
                await asyncio.sleep(max(_GAP_SECONDS, min(1.0, 10.0 * (time.monotonic() - put))))
        finally:
            for watcher in self._watchers:
                watcher.stop()
            for waiting in (self._pulsing, self._asking):
                if waiting is not None:
                    waiting.cancel()

    def _begin(self) -> None:
        """In a thread: who starts one waits until it runs, some milliseconds each. One that is stopped by then ends at once."""
        for watcher in self._watchers:
            watcher.start()

    async def _first(self, changed: asyncio.Event, on_reading: Callable[[PollResult[Cluster]], None]) -> None:
        """Wait for the first answer to every list; say so where one does not come, and go on waiting."""
        began = time.monotonic()
        limit = self._timeout + _LATE_SECONDS
        while not all(watcher.settled for watcher in self._watchers):
            if not await _heard(changed, limit - (time.monotonic() - began)):
                on_reading(PollResult(SOURCE, self._clock(), 0.0, fault=self._late(time.monotonic() - began)))
                limit += _ANXIOUS_SECONDS
            changed.clear()

    def _late(self, seconds: float) -> Fault:
        if plugin := self._api.plugin:
            what = f"the exec plugin {plugin} has given no credential for {seconds:.0f} s"
            return TimedOut(what, hint="it may be waiting for a log-in; run it in a shell").fault
        what = f"no whole answer for {seconds:.0f} s"
        return TimedOut(what, where=self.where, hint="is the network there, and the cluster healthy?").fault

    async def _pulse(self) -> tuple[float, Fault | None]:
        """The latency of a consistent read, which the API server's cache cannot answer by itself, and why it failed."""
        began = time.monotonic()
        if self._pulsing is None:
            self._pulsing = asyncio.ensure_future(self._newest([]))
        # One that hangs is waited for again at the next pulse: a new one each time would take all threads.
        done, _ = await asyncio.wait([self._pulsing], timeout=_SLOW_SECONDS)
        remembers = None if done else asyncio.ensure_future(self._remembers())
        try:
            if remembers is not None:
                limit = min(self._timeout, _PROOF_SECONDS) + _LATE_SECONDS - _SLOW_SECONDS
                done, _ = await asyncio.wait([self._pulsing], timeout=limit)
            fault = self._late(time.monotonic() - began) if not done else None
            if done:
                pulsing, self._pulsing = self._pulsing, None
                try:
                    pulsing.result()
                except SourceError as error:
                    fault = error.fault
            if fault is None:
                for watcher in self._watchers:
                    watcher.retry_now()
            elif fault.kind in (FaultKind.TIMED_OUT, FaultKind.UNREACHABLE) and await (remembers or self._remembers()):
                fault = _stale(fault).fault
            return time.monotonic() - began, fault
        finally:
            if remembers is not None:
                remembers.cancel()

    async def _newest(self, query: Query) -> bytes:
        """One Deployment's metadata; with `resourceVersion=0` in the query, what the API server remembers."""
        return await self.call("GET", KINDS[0].path(self._namespace), [("limit", "1"), *query], None, _METADATA)

    async def _remembers(self) -> bool:
        """Whether the API server answers from its cache."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._newest([("resourceVersion", "0")]))
        done, _ = await asyncio.wait([self._asking], timeout=_SLOW_SECONDS)
        if not done:
            return False
        asking, self._asking = self._asking, None
        return asking.exception() is None

    def _trouble(self) -> Fault | None:
        """The fault of a watch that the console cannot do without."""
        faults = [item.fault for item in self._watchers if item.fault and not _spared(item.kind, item.fault)]
        return faults[0] if faults else None

    def _reading(self, latency: float, doubt: Fault | None) -> PollResult[Cluster]:
        fault = doubt or self._trouble()
        if fault:
            return PollResult(SOURCE, self._clock(), latency, fault=fault)
        spared = [(item.kind.name, item.fault) for item in self._watchers if item.fault]
        warnings = [*self._api.warnings, *(f"no {name}: {fault.what}" for name, fault in spared)]
        with CPU_LOCK:
            cluster = self._assembled({watcher.kind.name: watcher.items() for watcher in self._watchers})
            cluster.index_pods()
        return PollResult(SOURCE, self._clock(), latency, value=cluster, warnings=tuple(warnings))

    def _assembled(self, items: Mapping[str, tuple[Any, ...]]) -> Cluster:
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
        return await self.call_object("GET", f"{KINDS[0].path(self._namespace)}/{segment(name)}")

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
        """The pods that the Deployment's selector finds."""
        labels = deployment.get("spec", {}).get("selector", {}).get("matchLabels") or {}
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        return await self._items(KINDS[2].path(self._namespace), [("labelSelector", selector)] if selector else [])

    async def has_pod(self, name: str) -> bool:
        """Whether the namespace has this pod, or the ReplicaSet that a pod of this name was made by."""
        for kind, wanted in ((KINDS[2], name), (KINDS[1], name.rpartition("-")[0])):
            try:
                await self.get_raw(f"{kind.path(self._namespace)}/{segment(wanted)}")
            except SourceError as error:
                if error.fault.status != 404:
                    raise
            else:
                return bool(wanted)
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
        review: _Review = await self._ask(self._api.decoded, _Review, "POST", REVIEWS, (), body)
        return review.status.allowed, review.status.reason or ""

    async def cron_jobs(self) -> tuple[BatchJob, ...]:
        """The CronJobs of the namespace, by name."""
        return await self._batch(CRON_JOBS)

    async def jobs(self) -> tuple[BatchJob, ...]:
        """The Jobs of the namespace, by name; those that a CronJob made are among them."""
        return await self._batch(JOBS)

    async def config_maps(self) -> tuple[Touched, ...]:
        """When each ConfigMap was last written; the server is asked for the metadata alone, so no value comes here."""
        path = f"/api/v1/namespaces/{self._namespace}/configmaps"
        query = [("limit", str(PAGE)), ("labelSelector", JOURNAL_LABEL.replace("=", "!="))]
        content = await self.call("GET", path, query, None, _METADATA)
        page = await _decode(partial(self._api.decode, content, k8s.ObjectList[k8s.TouchedObject]), content)
        return tuple(decode.touched(item) for item in page.items or ())

    async def _batch(self, kind: Kind) -> tuple[BatchJob, ...]:
        found, _ = await self._ask(list_kind, self._api, kind, self._namespace)
        return tuple(found[name] for name in sorted(found))

    async def usage(self) -> tuple[PodUsage, ...]:
        """What metrics.k8s.io says of each pod. Raises Rejected with status 404 where the cluster has no metrics API."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{self._namespace}/pods"
        found: list[PodUsage] = []
        page = await self._ask(self._api.decoded, k8s.ListPage, "GET", path)
        for raw in page.items or ():
            found.append(decode.usage(self._api.decode(raw, k8s.UsageObject)))
        return tuple(sorted(found, key=lambda item: item.name))

    async def logs(self, pod: str, *, container: str = "", lines: int = 100) -> str:
        """The end of a pod's log as text; bytes that are no UTF-8 are replaced."""
        query = [("tailLines", str(lines)), ("limitBytes", str(1 << 20))]
        if container:
            query.append(("container", container))
        content = await self.get_raw(f"{KINDS[2].path(self._namespace)}/{segment(pod)}/log", query)
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
            asked = [*query, ("limit", str(PAGE)), *([("continue", token)] if token else [])]
            content = await self.get_raw(path, asked)
            page = await _decode(partial(self._api.decode, content, Raws), content)
            found += page.items or []
            token = page.metadata.next or ""
            if not token:
                return found

    async def _ask(self, call: Callable[..., T], *args: Any) -> T:
        # Twice the limit: an answer in pages takes more than one request, a hung exec plugin has its own limit.
        limit = self._timeout * 4 + 15.0
        try:
            async with asyncio.timeout(limit):
                return await self._pool.run(call, *args)
        except TimeoutError:
            raise TimedOut(f"Kubernetes gave nothing within {limit:g} s", where=self.where) from None


async def _decode(decode: Callable[[], T], content: bytes) -> T:
    """Decode here, or off the loop where a key press would wait for it."""
    return await run_cpu_bound(decode) if len(content) > _LARGE_BYTES else decode()


def _stale(fault: Fault) -> Stale:
    """What it means that a consistent read failed so while the API server's cache still answers."""
    return Stale(
        f"the API server answers from its cache only, so this may be old: a consistent read failed ({fault.what})",
        where=fault.where,
        hint="etcd behind it may be down or without a majority; ask whoever runs the control plane",
        status=fault.status,
    )


def _controlled_by(item: dict[str, Any], uid: str) -> bool:
    owners = item.get("metadata", {}).get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def _spared(kind: Kind, fault: Fault) -> bool:
    """Whether the console can do without this kind, and the server says that it is not to be had."""
    return kind.optional and fault.status in (403, 404)


async def _heard(changed: asyncio.Event, seconds: float) -> bool:
    if seconds <= 0.0:
        return False  # the pulse is due, however much changes meanwhile
    try:
        # Not `wait_for`: up to Python 3.11 it loses a cancellation that comes in the same moment as the change.
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
