"""Watches one kind of Kubernetes object: listed once, then watched, and listed again after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import field
from typing import Any, TypeVar

import msgspec

from queries.concurrency import CPU_LOCK
from queries.errors import InvalidResponse, RequestRejected, SourceError, TimedOut, Unreachable
from queries.kubernetes import objects as k8s
from queries.kubernetes.api import KubeApi
from queries.kubernetes.cluster_decode import build_autoscaler, build_budget, build_cluster_event
from queries.kubernetes.list_pages import ListPages
from queries.kubernetes.pod_decode import build_pod
from queries.kubernetes.revision_decode import build_revision
from queries.kubernetes.workload_decode import (
    build_cron_job,
    build_daemon_set,
    build_job,
    build_rollout,
    build_stateful_set,
    build_workload,
)
from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.model.sorted_rows import SortedRows

T = TypeVar("T")

PAGE = 500
EXPIRED = 410
"""The status for a page of a list that the server no longer keeps: its pages are of one moment, for about five minutes."""
LIST_ATTEMPTS = 3
WATCH_SECONDS = 300
"""How long the server keeps one watch open before it is resumed."""
FORBIDDEN_SECONDS = 60.0
"""How long to wait before listing a kind again that may not be listed: somebody may grant the right."""
ABSENT_SECONDS = 60.0
"""How long to wait before asking again for a custom resource that the server lacks: somebody may install it."""
IDLE_SECONDS = 90.0
"""The first idle bookmark arrives after about 59 s; a watch that is silent for longer than this is dead."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object: its path, its decoder, and whether it is optional."""

    name: str
    prefix: str
    type: type[Any]
    build: Callable[[Any], Any]
    optional: bool = False
    labels: str = ""
    """A label selector for listing and watching."""
    custom: bool = False
    """A custom resource, which the server has only where its definition is installed."""
    apart: bool = False
    """Its failure concerns only its own rows: all other kinds stay current."""
    object_kind: str = ""
    """`Deployment`: the kind as an owner reference names it."""

    @property
    def selection(self) -> list[tuple[str, str]]:
        return [("labelSelector", self.labels)] if self.labels else []

    @property
    def page(self) -> Any:
        """The type of one page of a list."""
        generic: Any = k8s.ObjectList
        return generic[self.type]

    def path(self, namespace: str) -> str:
        return f"{self.prefix}/namespaces/{namespace}/{self.name}"


DEPLOYMENTS = Kind("deployments", "/apis/apps/v1", k8s.DeploymentObject, build_workload, object_kind="Deployment")
REPLICA_SETS = Kind("replicasets", "/apis/apps/v1", k8s.ReplicaSetObject, build_revision, object_kind="ReplicaSet")
PODS = Kind("pods", "/api/v1", k8s.PodObject, build_pod, object_kind="Pod")
STATEFUL_SETS = Kind(
    "statefulsets",
    "/apis/apps/v1",
    k8s.StatefulSetObject,
    build_stateful_set,
    apart=True,
    object_kind="StatefulSet",
)
DAEMON_SETS = Kind("daemonsets", "/apis/apps/v1", k8s.DaemonSetObject, build_daemon_set, apart=True, object_kind="DaemonSet")
CRON_JOBS = Kind("cronjobs", "/apis/batch/v1", k8s.CronJobObject, build_cron_job, apart=True, object_kind="CronJob")
JOBS = Kind("jobs", "/apis/batch/v1", k8s.JobObject, build_job, apart=True, object_kind="Job")
ROLLOUTS = Kind(
    "rollouts",
    "/apis/argoproj.io/v1alpha1",
    k8s.RolloutObject,
    build_rollout,
    custom=True,
    apart=True,
    object_kind="Rollout",
)
CONTROLLERS = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, ROLLOUTS, JOBS, CRON_JOBS)
"""The kinds of workload besides pods."""

KINDS = (
    DEPLOYMENTS,
    REPLICA_SETS,
    PODS,
    Kind("horizontalpodautoscalers", "/apis/autoscaling/v2", k8s.ScalerObject, build_autoscaler, optional=True),
    Kind("poddisruptionbudgets", "/apis/policy/v1", k8s.BudgetObject, build_budget, optional=True),
    Kind("events", "/api/v1", k8s.EventObject, build_cluster_event, optional=True),
    *CONTROLLERS[1:],
)

JOURNAL_LABEL = "cad-console/journal=segment"
"""The label of ConfigMaps with the consoles' shared journal, which are not configuration."""
PRESENCE_LABEL = "cad-console/journal=presence"
"""That of the ConfigMap with the heartbeats of the consoles that are on."""
NOT_CONFIGURATION = "cad-console/journal notin (segment, presence)"
"""Selects the ConfigMaps of everybody else."""


def is_served(api: KubeApi, kind: Kind, *, again: bool = False) -> bool:
    """Whether the server has this kind; for a custom resource, what it said the last time that it was asked, or now with
    `again`. Raises SourceError, also where it has the custom resource in another version only.
    """
    if not kind.custom:
        return True
    if again or kind.prefix not in api.served:
        try:
            found: k8s.ServedKinds = api.call_decoded(k8s.ServedKinds, "GET", kind.prefix)
            api.served[kind.prefix] = frozenset(item.name for item in found.resources or ())
        except SourceError as error:
            if error.fault.status != 404:
                raise
            _check_other_versions(api, kind)
            api.served[kind.prefix] = frozenset()
    return kind.name in api.served.get(kind.prefix, ())  # another watch may have found it gone meanwhile


def _check_other_versions(api: KubeApi, kind: Kind) -> None:
    """Raises RequestRejected if the server has the kind, but in another version than the one that is read."""
    version = kind.prefix.removeprefix("/apis/")
    try:
        group = api.call_decoded(k8s.ServedGroup, "GET", f"/apis/{version.partition('/')[0]}")
        others = [item.group_version for item in group.versions or ()]
        for other in others:
            found = api.call_decoded(k8s.ServedKinds, "GET", f"/apis/{other}")
            if any(item.name == kind.name for item in found.resources or ()):
                what = f"the server has {kind.name} as {other} only, and the console reads {version}"
                raise RequestRejected(what, where=api.where, hint="use a console that reads that version")
    except SourceError as error:
        if error.fault.status not in (403, 404):
            raise


def list_kind(api: KubeApi, kind: Kind, namespace: str) -> tuple[dict[str, Any], str]:
    """Every object of the kind by its name, and the resourceVersion to watch from. Raises SourceError."""
    return restart_expired(lambda: _pages(api, kind, namespace), kind.name, where=api.where)


def restart_expired(read: Callable[[], T], name: str, *, where: str) -> T:
    """What `read` returns, which reads a list page by page: from the start again if the list expired on the server between two
    pages. Raises SourceError.
    """
    for _ in range(LIST_ATTEMPTS):
        try:
            return read()
        except RequestRejected as error:
            if error.fault.status != EXPIRED:
                raise
    raise expired_list(name, where=where)


def expired_list(name: str, *, where: str) -> TimedOut:
    """The error for a list that expired on the server each time before its last page was read."""
    return TimedOut(f"the list of {name} changes faster than it can be read", where=where)


def _pages(api: KubeApi, kind: Kind, namespace: str) -> tuple[dict[str, Any], str]:
    def fetch(token: str, on_begin: Callable[[bytes], None]) -> bytes:
        query = [*first_page(kind), *([("continue", token)] if token else [])]
        return api.call("GET", kind.path(namespace), query, on_begin=on_begin)

    found: dict[str, Any] = {}
    token = ""
    with closing(ListPages(fetch)) as pages:
        while True:
            body = pages.read(token)
            with CPU_LOCK:
                listed = add_page(api, kind, body, found)
            if not listed.next:
                return found, listed.resource_version
            token = listed.next


def first_page(kind: Kind) -> list[tuple[str, str]]:
    """The query of a list's first page; that of the others has `continue` too."""
    return [*kind.selection, ("limit", str(PAGE))]


def add_page(api: KubeApi, kind: Kind, body: bytes, found: dict[str, Any]) -> k8s.ListMeta:
    """Add the objects of one page by their names. Raises InvalidResponse."""
    page: k8s.ObjectList[Any] = api.decode(body, kind.page)
    for item in page.items or ():
        found[item.metadata.name] = kind.build(item)
    return page.metadata


@dataclass
class Backoff:
    """Doubles from half a second up to its cap, with jitter; a success resets it."""

    cap_seconds: float
    _next: float = field(default=0.5, init=False)

    def pause(self) -> float:
        import random  # noqa: PLC0415  # a command lists once

        seconds = self._next * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        self._next = min(self._next * 2, self.cap_seconds)
        return min(seconds, self.cap_seconds)

    def reset(self) -> None:
        self._next = 0.5


class Watcher:
    """A daemon thread for one kind; it calls `changed` after every change and every failure."""

    def __init__(
        self, api: KubeApi, kind: Kind, namespace: str, *, changed: Callable[[], None], backoff_cap_seconds: float
    ) -> None:
        self.kind = kind
        self._api = api
        self._namespace = namespace
        self._changed = changed
        self._backoff = Backoff(backoff_cap_seconds)
        self._lock = threading.Lock()
        self._items: SortedRows[Any] = SortedRows()
        self._version = ""
        self._listed_at = 0.0
        self._wake = threading.Event()
        self._stopped = False
        self.fault: Fault | None = None
        self.failed_at = 0.0
        """Since when its objects are not current, Unix seconds; 0 while they are."""
        self.settled = False
        """Whether the first list succeeded or failed."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def listed(self) -> bool:
        """Whether it has ever had a list: then its objects are known, however old."""
        return self._listed_at > 0.0

    def retry_now(self, *, forbidden: bool = False) -> None:
        """Cut a back-off short, because the server answers again; with `forbidden` also where a right was missing."""
        if self.fault is not None and (forbidden or self.fault.status != 403):
            self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def items(self) -> tuple[Any, ...]:
        """The objects as last known, sorted by name."""
        with self._lock:
            return self._items.rows()

    def _run(self) -> None:
        absent = False
        while not self._stopped:
            began = time.monotonic()
            try:
                if is_served(self._api, self.kind, again=absent):
                    absent = False
                    if not self._version:
                        self._list()
                    self._watch()
                    pause = max(0.0, 1.0 - (time.monotonic() - began))
                else:
                    with self._lock:
                        self._items.replace({})  # they went with their definition
                    self._version = ""
                    self._recover()
                    if not absent:
                        self._changed()
                    absent, pause = True, ABSENT_SECONDS
            except SourceError as error:
                if self._stopped:
                    return
                pause = self._failed(error)
            except Exception as error:  # a thread that dies silently would leave stale data on the screen
                pause = self._failed(InvalidResponse(f"watching {self.kind.name} failed: {type(error).__name__}: {error}"))
            if pause:
                self._wake.wait(pause)
                self._wake.clear()

    def _failed(self, error: SourceError) -> float:
        if error.fault.status == EXPIRED:
            self._version = ""
            # A server whose lists expire at once must not be queried in a tight loop.
            return 0.05 if time.monotonic() - self._listed_at > 2.0 else 1.0
        if error.fault.status == 404 and self.kind.custom:
            self._api.served.pop(self.kind.prefix, None)  # its definition may be gone: ask again
        self.fault = error.fault
        self.failed_at = self.failed_at or time.time()
        self.settled = True
        self._changed()
        if error.fault.status == 403:
            return FORBIDDEN_SECONDS
        return max(self._backoff.pause(), min(error.fault.retry_after_seconds or 0.0, 60.0))

    def _list(self) -> None:
        found, version = list_kind(self._api, self.kind, self._namespace)
        with self._lock:
            self._items.replace(found)
        self._version = version
        self._listed_at = time.monotonic()
        self._recover()
        self._changed()

    def _recover(self) -> None:
        self.settled = True
        if self.fault is not None:
            self.fault, self.failed_at = None, 0.0
            self._changed()
        self._backoff.reset()

    def _watch(self) -> None:
        query = [
            *self.kind.selection,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        ]
        opened = False

        def on_opened() -> None:
            nonlocal opened
            opened = True
            self._recover()

        try:
            path = self.kind.path(self._namespace)
            for line in self._api.lines(path, query, idle_seconds=IDLE_SECONDS, opened=on_opened):
                if self._stopped:
                    return
                self._apply(self._api.decode(line, k8s.WatchLine))
        except (TimedOut, Unreachable) as error:
            lost = opened or isinstance(error, TimedOut)
            if lost and error.fault.status is None and self.fault is None:
                return  # silent for too long, or cut: resume on a new connection, which shows whether the server is up
            raise

    def _apply(self, line: k8s.WatchLine) -> None:
        content = line.object
        if line.type == "ERROR":
            status = self._api.decode(content, k8s.StatusObject)
            raise RequestRejected(status.message or "the watch ended with an error", where=self._api.where, status=status.code)
        if line.type == "BOOKMARK":
            self._version = self._api.decode(content, k8s.Bookmark).metadata.resource_version
            return
        item = self._api.decode(content, self.kind.type)
        meta: k8s.Meta | k8s.PodMeta = item.metadata
        built = None if line.type == "DELETED" else self.kind.build(item)
        with self._lock:
            if built is None:
                self._items.remove(meta.name)
            else:
                self._items.put(meta.name, built)
        self._version = meta.resource_version
        self._changed()


class RawList(msgspec.Struct):
    """A list whose items stay as the server returns them."""

    metadata: k8s.ListMeta
    items: list[dict[str, Any]] | None = None
