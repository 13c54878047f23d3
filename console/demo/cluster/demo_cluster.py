"""The embedded cluster: start it, read it, change it and stop it, from any thread."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from console.demo.cluster import fixtures, patch
from console.demo.cluster.auth import Access, User
from console.demo.cluster.controllers import Controllers
from console.demo.cluster.daemon_set_controller import DaemonSets
from console.demo.cluster.hpa_controller import Autoscalers
from console.demo.cluster.job_controller import Jobs
from console.demo.cluster.metrics_api import Load, Usage
from console.demo.cluster.pdb_controller import Budgets
from console.demo.cluster.pod_logs import LogLines
from console.demo.cluster.pods import NODE_COUNT, Pods, PodTimings
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import DEPLOYMENTS, NAMESPACES, NODES, RESOURCES, Object, Resource, resource_of_kind
from console.demo.cluster.revision import REVISION
from console.demo.cluster.rollout import Rollouts
from console.demo.cluster.routes import Routes
from console.demo.cluster.server import ApiServer
from console.demo.cluster.stateful_set_controller import StatefulSets
from console.demo.cluster.store import Store, WatchEvent
from console.demo.cluster.timers import Timers
from queries.model.frozen import dataclass

T = TypeVar("T")
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ClusterDeployment:
    """The state of a Deployment. `env` holds the literal values of its first container."""

    name: str
    image: str
    env: tuple[tuple[str, str], ...]
    desired: int
    replicas: int
    updated: int
    ready: int
    available: int
    revision: int
    paused: bool
    restarted_at: str

    @property
    def settled(self) -> bool:
        """Whether all pods have the newest template and are ready, without any old pod."""
        return self.desired == self.replicas == self.updated == self.ready


class DemoCluster:
    """A Kubernetes API server with its controllers, in a thread of its own, on a free loopback port.

    `apply`, `deployment`, `patch` and `call` work from any thread, also before `start`; callbacks run in the cluster's thread
    and must not block. `anonymous` admits requests without a token, since kubectl sends none over plain HTTP.
    """

    def __init__(
        self,
        namespace: str = "cad-ml-platform",
        *,
        timings: PodTimings | None = None,
        autoscaler_seconds: float = 3.0,
        bookmark_seconds: float = 60.0,
        history: int = 5000,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
        anonymous: bool = True,
    ) -> None:
        self.namespace = namespace
        self.token = secrets.token_urlsafe(24)
        self.url = ""
        self._clock = clock
        self._past_seconds = 0.0
        self.store = Store(clock=lambda: self._clock() - self._past_seconds, window=history)
        self._registry = Registry(self.store)
        self._timers = Timers()
        draw = chance or random.Random()  # noqa: S311  # only spreads start times
        self.pods = Pods(self.store, self._registry, self._timers, timings=timings or PodTimings(), chance=draw)
        self._usage = Usage(self.store)
        self.access = Access({self.token: User("demo")}, anonymous=anonymous)
        Controllers(
            self.store,
            self._timers,
            rollouts=Rollouts(self.store),
            pods=self.pods,
            autoscalers=Autoscalers(self.store, sync_seconds=autoscaler_seconds),
            budgets=Budgets(self.store),
            jobs=Jobs(self.store, self._registry),
            stateful_sets=StatefulSets(self.store, self._registry),
            daemon_sets=DaemonSets(self.store, self._registry),
        )
        self.routes = Routes(self.store, self._registry, self.access, "", self.pods.logs, self._usage.metrics)
        self.server = ApiServer(self.routes, bookmark_seconds=bookmark_seconds)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        for name in ("kube-system", namespace):
            self.store.create(NAMESPACES, {"metadata": {"name": name}, "spec": {}, "status": {"phase": "Active"}})
        for number in range(NODE_COUNT):
            self.store.create(NODES, fixtures.node(f"node-{number + 1}", now=self.store.now()))

    def start(self, port: int = 0) -> None:
        """Returns once the server listens. `start` after `stop` keeps the objects."""
        started = threading.Event()
        outcome: list[int | OSError] = []

        async def serve() -> None:
            try:
                outcome.append(await self.server.start(port))
            except OSError as error:
                outcome.append(error)

        def run() -> None:
            loop = asyncio.new_event_loop()
            self._loop = loop
            try:
                loop.run_until_complete(serve())
                self._timers.run_in(loop)
                started.set()
                if isinstance(outcome[0], int):
                    loop.run_forever()
            finally:
                loop.run_until_complete(self.server.stop())
                # Connections accepted meanwhile end too; one more pass lets closed transports release their sockets.
                while tasks := asyncio.all_tasks(loop):
                    for task in tasks:
                        task.cancel()
                    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
                loop.run_until_complete(asyncio.sleep(0))
                self._timers.run_in(None)
                self._loop = None
                loop.close()

        self._thread = threading.Thread(target=run, name="demo-cluster", daemon=True)
        self._thread.start()
        started.wait()
        if isinstance(outcome[0], OSError):
            self._thread.join()
            self._thread = None
            raise outcome[0]
        self.url = f"http://127.0.0.1:{outcome[0]}"
        self.routes.address = self.url.removeprefix("http://")

    def stop(self) -> None:
        """Refuses new connections and cuts the open ones at once, watches too."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._thread = None

    def __enter__(self) -> DemoCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, work: Callable[[], T]) -> T:
        """Runs `work` in the cluster's thread, or here while the cluster is not running."""
        loop = self._loop
        if loop is None or threading.current_thread() is self._thread:
            return work()

        async def in_loop() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(in_loop(), loop).result(_CALL_SECONDS)

    def kubeconfig(self, path: Path, *, token: str = "") -> None:
        """Writes a kubeconfig (as JSON) that only its owner can read."""
        user = {"name": "demo", "user": {"token": token or self.token}}
        context = {"name": "demo", "context": {"cluster": "demo", "user": "demo", "namespace": self.namespace}}
        text = json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "demo",
                "clusters": [{"name": "demo", "cluster": {"server": self.url}}],
                "users": [user],
                "contexts": [context],
            },
            indent=1,
        )
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)

    def seed(self, *, age_seconds: float = 9 * 86400.0, companions: bool = False) -> None:
        """Creates the platform's objects, rolled out `age_seconds` ago. Call it before `start`.

        With `companions` also a StatefulSet and a DaemonSet that run beside it.
        """
        try:
            for past_seconds, objects in fixtures.companions(self.namespace) if companions else ():
                self._past_seconds = past_seconds
                self.apply(objects)
                self._timers.run_pending()
            self._past_seconds = age_seconds
            backup = fixtures.backup(self.namespace, now=time.time())
            self.apply((*fixtures.platform(self.namespace), backup))
            pod = backup["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            self.call(lambda: self.pods.add_images("node-1", [item["image"] for item in pod["containers"]]))
            self._timers.run_pending()
        finally:
            self._past_seconds = 0.0

    def apply(self, objects: Iterable[Object]) -> None:
        """Creates each object, or merges it into the existing one (containers and environment by name)."""
        items = [copy.deepcopy(item) for item in objects]
        self.call(lambda: self._apply_all(items))

    def _apply_all(self, items: Iterable[Object]) -> None:
        for item in items:
            self._apply(item)

    def _apply(self, item: Object) -> None:
        resource = resource_of_kind(item["apiVersion"], item["kind"])
        if resource is None:
            raise ValueError(f"{item['apiVersion']} {item['kind']} is not served here")
        meta = item.setdefault("metadata", {})
        namespace = meta.setdefault("namespace", self.namespace) if resource.namespaced else ""
        if self.store.get(resource, namespace, meta["name"]) is None:
            created = self._registry.create(resource, namespace, item)
            if item.get("status"):
                whole = {**copy.deepcopy(created), "status": item["status"]}
                self._registry.replace(resource, namespace, meta["name"], whole, status=True)
        else:
            self._registry.patch(resource, namespace, meta["name"], item, patch.STRATEGIC)

    def patch(
        self, plural: str, name: str, change: Any, *, content_type: str = patch.STRATEGIC, manager: str = "kubectl"
    ) -> Object:
        """Patches an object of the namespace, or a node, as a client would. Raises ApiError."""
        resource = self._resource(plural)
        write = self._registry.patch
        apply_patch = self.call(lambda: write(resource, self._place(resource), name, change, content_type, manager=manager))
        return copy.deepcopy(apply_patch)

    def delete(self, plural: str, name: str) -> None:
        resource = self._resource(plural)
        self.call(lambda: self._registry.delete(resource, self._place(resource), name, options={}))

    def objects(self, plural: str) -> tuple[Object, ...]:
        """Copies of all objects of a kind in the namespace, or of all nodes."""
        resource = self._resource(plural)
        return tuple(copy.deepcopy(self.call(lambda: self.store.items(resource, self._place(resource)))))

    def items(self, plural: str) -> Iterable[Object]:
        """The objects of a kind themselves, only for `call`."""
        resource = self._resource(plural)
        return self.store.items(resource, self._place(resource))

    def _place(self, resource: Resource) -> str:
        return self.namespace if resource.namespaced else ""

    def _resource(self, plural: str) -> Resource:
        return next(item for item in RESOURCES if item.plural == plural)

    def deployment(self, name: str) -> ClusterDeployment:
        """The state of a Deployment. Raises KeyError where there is none of this name."""
        item = self.call(lambda: self.store.get(DEPLOYMENTS, self.namespace, name))
        if item is None:
            raise KeyError(name)
        return _state(item)

    def on_change(self, callback: Callable[[str, str, str], None]) -> None:
        """Registers a callback with the event type (ADDED, MODIFIED, DELETED), the plural and the name."""

        def listen(change: WatchEvent) -> None:
            callback(change.type, change.resource.plural, change.key[1])

        self.call(lambda: self.store.listeners.append(listen))

    def use(self, *, load: Load | None = None, lines: LogLines | None = None) -> None:
        """Sets the resource usage and the logs of pods."""
        if load is not None:
            self._usage.load = load
        if lines is not None:
            self.pods.logs.write_lines = lines


def _state(item: Object) -> ClusterDeployment:
    spec, status = item["spec"], item.get("status") or {}
    container = spec["template"]["spec"]["containers"][0]
    template_notes = spec["template"]["metadata"].get("annotations") or {}
    return ClusterDeployment(
        name=item["metadata"]["name"],
        image=container["image"],
        env=tuple((entry["name"], entry.get("value", "")) for entry in container.get("env") or ()),
        desired=spec["replicas"],
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        revision=int((item["metadata"].get("annotations") or {}).get(REVISION, 0)),
        paused=bool(spec.get("paused")),
        restarted_at=template_notes.get(RESTARTED_AT, ""),
    )
