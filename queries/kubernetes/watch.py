"""Keeps one kind of Kubernetes object current: listed once, then watched, then listed again where that breaks."""

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
"""How long the server keeps one watch open; then it is resumed."""
IDLE_SECONDS = 90.0
"""The first idle bookmark comes after about 59 s; a watch that is silent for longer than this is dead."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object: its path, how it is decoded, and whether the console can do without it."""

    name: str
    prefix: str
    type: type[Any]
    build: Callable[[Any], Any]
    optional: bool = False
    labels: str = ""
    """A label selector: only such objects are listed and watched."""

    @property
    def selection(self) -> list[tuple[str, str]]:
        return [("labelSelector", self.labels)] if self.labels else []

    @property
    def page(self) -> Any:
        """What one page of a list is decoded into."""
        generic: Any = k8s.ObjectList
        return generic[self.type]

    def path(self, namespace: str) -> str:
        return f"{self.prefix}/namespaces/{namespace}/{self.name}"


KINDS = (
    Kind("deployments", "/apis/apps/v1", k8s.DeploymentObject, decode.workload),
    Kind("replicasets", "/apis/apps/v1", k8s.ReplicaSetObject, decode.revision),
    Kind("pods", "/api/v1", k8s.PodObject, decode.pod),
    Kind("horizontalpodautoscalers", "/apis/autoscaling/v2", k8s.ScalerObject, decode.autoscaler, optional=True),
    Kind("poddisruptionbudgets", "/apis/policy/v1", k8s.BudgetObject, decode.budget, optional=True),
    Kind("events", "/api/v1", k8s.EventObject, decode.event, optional=True),
)

JOURNAL_LABEL = "cad-console/journal=segment"
"""On ConfigMaps that hold the consoles' own shared journal: they are no configuration."""

CRON_JOBS = Kind("cronjobs", "/apis/batch/v1", k8s.CronJobObject, decode.cron_job)
JOBS = Kind("jobs", "/apis/batch/v1", k8s.JobObject, decode.job)
"""Only looked up, when a checklist asks for them."""


def list_kind(api: KubeApi, kind: Kind, namespace: str) -> tuple[dict[str, Any], str]:
    """Every object of the kind by its name, and the resourceVersion to watch from. Raises SourceError."""
    for _ in range(3):
        try:
            return _pages(api, kind, namespace)
        except RequestRejected as error:
            # The list ran out of the server's memory of it between two pages: begin again.
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
    """Doubles from half a second up to its cap, with jitter; a success starts it over."""

    cap_seconds: float
    _next: float = field(default=0.5, init=False)

    def pause(self) -> float:
        seconds = self._next * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        self._next = min(self._next * 2, self.cap_seconds)
        return min(seconds, self.cap_seconds)

    def reset(self) -> None:
        self._next = 0.5


class Watcher:
    """One daemon thread for one kind; `changed` is called in it after every change and every failure."""

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
        self._kick = threading.Event()
        self._stopped = False
        self.fault: Fault | None = None
        self.settled = False
        """Whether the first list was answered or refused."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def retry_now(self) -> None:
        """Cuts a back-off short: somebody saw the server answer."""
        if self.fault is not None:
            self._kick.set()

    def stop(self) -> None:
        self._stopped = True
        self._kick.set()

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
            except Exception as error:  # a thread that dies silently would leave an old picture on the screen
                pause = self._failed(InvalidResponse(f"watching {self.kind.name} failed: {type(error).__name__}: {error}"))
            if pause:
                self._kick.wait(pause)
                self._kick.clear()

    def _failed(self, error: SourceError) -> float:
        if error.fault.status == 410:
            self._version = ""
            # A server that forgets faster than it lists must not be asked in a circle.
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
        self._well()
        self._changed()

    def _well(self) -> None:
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

        def agreed() -> None:
            nonlocal opened
            opened = True
            self._well()

        try:
            path = self.kind.path(self._namespace)
            for line in self._api.lines(path, query, idle_seconds=IDLE_SECONDS, opened=agreed):
                if self._stopped:
                    return
                self._take(self._api.decode(line, k8s.WatchLine))
        except (TimedOut, Unreachable) as error:
            lost = opened or isinstance(error, TimedOut)
            if lost and error.fault.status is None and self.fault is None:
                return  # silent for too long, or cut: resume on a new connection, which tells whether the server is there
            raise

    def _take(self, line: k8s.WatchLine) -> None:
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


class Raws(msgspec.Struct):
    """A list whose items stay as the server gives them."""

    metadata: k8s.ListMeta
    items: list[dict[str, Any]] | None = None
