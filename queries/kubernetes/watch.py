"""Watches one kind of Kubernetes object: listed once, then watched, and listed again after a failure."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from queries.concurrency import CPU_LOCK
from queries.errors import InvalidResponse, RequestRejected, SourceError, TimedOut, Unreachable
from queries.kubernetes import decode
from queries.kubernetes import objects as k8s
from queries.kubernetes.api import KubeApi
from queries.model.fault import Fault

T = TypeVar("T")

PAGE = 500
WATCH_SECONDS = 300
"""How long the server keeps one watch open before it is resumed."""
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


KINDS = (
    Kind("deployments", "/apis/apps/v1", k8s.DeploymentObject, decode.build_workload),
    Kind("replicasets", "/apis/apps/v1", k8s.ReplicaSetObject, decode.build_revision),
    Kind("pods", "/api/v1", k8s.PodObject, decode.build_pod),
    Kind("horizontalpodautoscalers", "/apis/autoscaling/v2", k8s.ScalerObject, decode.build_autoscaler, optional=True),
    Kind("poddisruptionbudgets", "/apis/policy/v1", k8s.BudgetObject, decode.build_budget, optional=True),
    Kind("events", "/api/v1", k8s.EventObject, decode.build_cluster_event, optional=True),
)

JOURNAL_LABEL = "cad-console/journal=segment"
"""The label of ConfigMaps with the consoles' shared journal, which are not configuration."""

CRON_JOBS = Kind("cronjobs", "/apis/batch/v1", k8s.CronJobObject, decode.build_cron_job)
JOBS = Kind("jobs", "/apis/batch/v1", k8s.JobObject, decode.build_job)
"""Listed only for checklists, not watched."""


def list_kind(api: KubeApi, kind: Kind, namespace: str) -> tuple[dict[str, Any], str]:
    """Every object of the kind by its name, and the resourceVersion to watch from. Raises SourceError."""
    for _ in range(3):
        try:
            return _pages(api, kind, namespace)
        except RequestRejected as error:
            # The list expired on the server between two pages: start again.
            if error.fault.status != 410:
                raise
    raise TimedOut(f"the list of {kind.name} changes faster than it can be read", where=api.where)


def _pages(api: KubeApi, kind: Kind, namespace: str) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {}
    query = [*kind.selection, ("limit", str(PAGE))]
    while True:
        body = api.call("GET", kind.path(namespace), query)
        with CPU_LOCK:
            page: k8s.ObjectList[Any] = api.decode(body, kind.page)
            for item in page.items or ():
                found[item.metadata.name] = kind.build(item)
        if not page.metadata.next:
            return found, page.metadata.resource_version
        query = [*kind.selection, ("limit", str(PAGE)), ("continue", page.metadata.next)]


@dataclass(slots=True)
class Backoff:
    """Doubles from half a second up to its cap, with jitter; a success resets it."""

    cap_seconds: float
    _next: float = field(default=0.5, init=False)

    def pause(self) -> float:
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
        self._items: dict[str, Any] = {}
        self._sorted: tuple[Any, ...] | None = ()
        self._version = ""
        self._listed_at = 0.0
        self._wake = threading.Event()
        self._stopped = False
        self.fault: Fault | None = None
        self.settled = False
        """Whether the first list succeeded or failed."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def retry_now(self) -> None:
        """Cut a back-off short, because the server answers again."""
        if self.fault is not None:
            self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def items(self) -> tuple[Any, ...]:
        """The objects as last known, sorted by name."""
        with self._lock:
            if self._sorted is None:
                self._sorted = tuple(self._items[name] for name in sorted(self._items))
            return self._sorted

    def _run(self) -> None:
        while not self._stopped:
            began = time.monotonic()
            try:
                if not self._version:
                    self._list()
                self._watch()
                pause = max(0.0, 1.0 - (time.monotonic() - began))
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
        if error.fault.status == 410:
            self._version = ""
            # A server whose lists expire at once must not be queried in a tight loop.
            return 0.05 if time.monotonic() - self._listed_at > 2.0 else 1.0
        self.fault = error.fault
        self.settled = True
        self._changed()
        return max(self._backoff.pause(), min(error.fault.retry_after_seconds or 0.0, 60.0))

    def _list(self) -> None:
        found, version = list_kind(self._api, self.kind, self._namespace)
        with self._lock:
            self._items, self._sorted = found, None
        self._version = version
        self._listed_at = time.monotonic()
        self._recover()
        self._changed()

    def _recover(self) -> None:
        self.settled = True
        if self.fault is not None:
            self.fault = None
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
        with self._lock:
            if line.type == "DELETED":
                self._items.pop(meta.name, None)
            else:
                self._items[meta.name] = self.kind.build(item)
            self._sorted = None
        self._version = meta.resource_version
        self._changed()


class RawList(msgspec.Struct):
    """A list whose items stay as the server returns them."""

    metadata: k8s.ListMeta
    items: list[dict[str, Any]] | None = None
