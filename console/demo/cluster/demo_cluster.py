"""The cluster as one thing to start, ask, change and stop, from any thread."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from console.demo.cluster import api_errors, fixtures, patch
from console.demo.cluster.auth import Access, User
from console.demo.cluster.controllers import Controllers
from console.demo.cluster.hpa_controller import Autoscalers
from console.demo.cluster.http1 import HttpRequest
from console.demo.cluster.metrics_api import Load, LogLines, Usage
from console.demo.cluster.pdb_controller import Budgets
from console.demo.cluster.pods import NODE_COUNT, Pods, PodTimings
from console.demo.cluster.rbac import grants
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import DEPLOYMENTS, NAMESPACES, NODES, RESOURCES, Object, Resource, of_kind
from console.demo.cluster.revision import REVISION
from console.demo.cluster.rollout import Rollouts
from console.demo.cluster.routes import Routes
from console.demo.cluster.server import ApiServer
from console.demo.cluster.store import Store, WatchEvent
from console.demo.cluster.timers import Timers

T = TypeVar("T")
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ClusterDeployment:
    """What a scenario wants to know of a Deployment. `env` holds the literal values of its first container."""

    name: str
    image: str
    env: tuple[tuple[str, str], ...]
    wanted: int
    replicas: int
    updated: int
    ready: int
    available: int
    revision: int
    paused: bool
    restarted_at: str

    @property
    def settled(self) -> bool:
        """All pods are of the newest template and ready, and none is left over."""
        return self.wanted == self.replicas == self.updated == self.ready


class DemoCluster:
    """A Kubernetes API server with its controllers, in a thread of its own, on a free loopback port.

    `apply`, `deployment`, `patch` and the knobs may be called from any thread, also before `start`; callbacks run in the
    cluster's thread and must not block. `anonymous` lets in who sends no token, since kubectl sends none over plain HTTP.
    """

    def __init__(
        self,
        namespace: str = "cad-ml-platform",
        *,
        pace: PodTimings | None = None,
        autoscaler_seconds: float = 3.0,
        bookmark_seconds: float = 60.0,
        history: int = 5000,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
        anonymous: bool = True,
    ) -> None:
        self.namespace = namespace
        self.token = secrets.token_urlsafe(24)
        self.powerless_token = secrets.token_urlsafe(24)
        """The token of somebody who is known and may do nothing."""
        self.url = ""
        self._clock = clock
        self._past_seconds = 0.0
        self._store = Store(clock=lambda: self._clock() - self._past_seconds, window=history)
        self._registry = Registry(self._store)
        self._agenda = Timers()
        draw = chance or random.Random()  # noqa: S311 - it spreads start times and secures nothing
        self._pods = Pods(self._store, self._registry, self._agenda, pace=pace or PodTimings(), chance=draw)
        self._usage = Usage(self._store)
        self._access = Access(
            {self.token: User("demo"), self.powerless_token: User("powerless", trusted=False)}, anonymous=anonymous
        )
        Controllers(
            self._store,
            self._agenda,
            rollouts=Rollouts(self._store),
            pods=self._pods,
            autoscalers=Autoscalers(self._store, sync_seconds=autoscaler_seconds),
            budgets=Budgets(self._store),
        )
        self._routes = Routes(self._store, self._registry, self._access, "", self._usage.log, self._usage.metrics)
        self._server = ApiServer(self._routes, bookmark_seconds=bookmark_seconds)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._store.create(NAMESPACES, {"metadata": {"name": namespace}, "spec": {}, "status": {"phase": "Active"}})
        for number in range(NODE_COUNT):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            self._store.create(NODES, {"metadata": {"name": f"node-{number + 1}"}, "spec": {}, "status": ready})

    # --- life

    def start(self, port: int = 0) -> None:
        """Listens when it returns. It can be started again after `stop`, with the same objects."""
        started = threading.Event()
        outcome: list[int | OSError] = []

        async def serve() -> None:
            try:
                outcome.append(await self._server.start(port))
            except OSError as error:
                outcome.append(error)

        def run() -> None:
            loop = asyncio.new_event_loop()
            self._loop = loop
            try:
                loop.run_until_complete(serve())
                self._agenda.run_in(loop)
                started.set()
                if isinstance(outcome[0], int):
                    loop.run_forever()
            finally:
                loop.run_until_complete(self._server.stop())
                # Whoever was being let in meanwhile goes too; and the pass in which what was closed lets go of its socket.
                while left := asyncio.all_tasks(loop):
                    for task in left:
                        task.cancel()
                    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
                loop.run_until_complete(asyncio.sleep(0))
                self._agenda.run_in(None)
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
        self._routes.address = self.url.removeprefix("http://")

    def stop(self) -> None:
        """Refuses connections and cuts the open ones, watches too, at once."""
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

    def _call(self, work: Callable[[], T]) -> T:
        """Does the work in the cluster's thread, or here where there is none."""
        loop = self._loop
        if loop is None or threading.current_thread() is self._thread:
            return work()

        async def in_loop() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(in_loop(), loop).result(_CALL_SECONDS)

    def kubeconfig(self, path: Path, *, token: str = "") -> None:
        """Writes a kubeconfig (JSON is YAML) that only its owner can read."""
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

    # --- objects

    def seed(self, *, age_seconds: float = 9 * 86400.0) -> None:
        """Sets the platform's scene, rolled out and settled, as if it had been so for a while. Before `start` only."""
        self._past_seconds = age_seconds
        try:
            self.apply((*fixtures.platform(self.namespace), fixtures.backup(self.namespace, now=time.time())))
            self._agenda.settle()
        finally:
            self._past_seconds = 0.0

    def apply(self, objects: Iterable[Object]) -> None:
        """Creates each object, or merges it into the one that is there (containers and environment by name)."""
        wanted = [copy.deepcopy(item) for item in objects]
        self._call(lambda: self._apply_all(wanted))

    def _apply_all(self, items: Iterable[Object]) -> None:
        for item in items:
            self._apply(item)

    def _apply(self, item: Object) -> None:
        resource = of_kind(item["apiVersion"], item["kind"])
        if resource is None:
            raise ValueError(f"{item['apiVersion']} {item['kind']} is not served here")
        meta = item.setdefault("metadata", {})
        namespace = meta.setdefault("namespace", self.namespace) if resource.namespaced else ""
        if self._store.get(resource, namespace, meta["name"]) is None:
            made = self._registry.create(resource, namespace, item)
            if item.get("status"):
                whole = {**copy.deepcopy(made), "status": item["status"]}
                self._registry.replace(resource, namespace, meta["name"], whole, status=True)
        else:
            self._registry.patch(resource, namespace, meta["name"], item, patch.STRATEGIC)

    def patch(
        self, plural: str, name: str, change: Any, *, content_type: str = patch.STRATEGIC, manager: str = "kubectl"
    ) -> Object:
        """Patches an object of the namespace, as a client would; raises `api_errors.Failure`."""
        resource = self._resource(plural)
        write = self._registry.patch
        done = self._call(lambda: write(resource, self.namespace, name, change, content_type, manager=manager))
        return copy.deepcopy(done)

    def delete(self, plural: str, name: str) -> None:
        resource = self._resource(plural)
        self._call(lambda: self._registry.delete(resource, self.namespace, name, options={}))

    def objects(self, plural: str) -> tuple[Object, ...]:
        """Copies of all objects of a kind in the namespace."""
        resource = self._resource(plural)
        return tuple(copy.deepcopy(self._call(lambda: self._store.items(resource, self.namespace))))

    def _resource(self, plural: str) -> Resource:
        return next(item for item in RESOURCES if item.plural == plural)

    def deployment(self, name: str) -> ClusterDeployment:
        """KeyError where there is none of this name."""
        item = self._call(lambda: self._store.get(DEPLOYMENTS, self.namespace, name))
        if item is None:
            raise KeyError(name)
        return _state(item)

    def on_change(self, callback: Callable[[str, str, str], None]) -> None:
        """Calls back with the kind of change (ADDED, MODIFIED, DELETED), the plural and the name."""

        def listen(change: WatchEvent) -> None:
            callback(change.type, change.resource.plural, change.key[1])

        self._call(lambda: self._store.listeners.append(listen))

    # --- knobs

    def deny(self, verb: str, resource: str) -> None:
        """From now on nobody may do this: `patch`, `deployments/scale`; `*` stands for any."""
        self._call(lambda: self._access.denied.add((verb, resource)))

    def allow_all(self) -> None:
        self._call(self._access.denied.clear)

    def fail_next(self, status: int, *, times: int = 1, message: str = "asked for by a test") -> None:
        """The next requests get this status and nothing else happens."""
        reasons = {
            401: "Unauthorized",
            403: "Forbidden",
            429: "TooManyRequests",
            500: "InternalError",
            503: "ServiceUnavailable",
        }
        failed = [api_errors.ApiError(status, reasons.get(status, ""), message) for _ in range(times)]
        self._call(lambda: self._server.failing.extend(failed))

    def admit(self, name: str, roles: Iterable[Mapping[str, Any]]) -> str:
        """A token for a user who may do what these Roles grant, and nothing else."""
        token = secrets.token_urlsafe(24)
        user = User(name, granted=grants(roles))
        self._call(lambda: self._access.users.update({token: user}))
        return token

    def renew_token(self) -> str:
        """Gives another token; the one before is not accepted any more, as if it had expired."""
        old, new = self.token, secrets.token_urlsafe(24)

        def swap() -> None:
            self._access.users[new] = self._access.users.pop(old)

        self._call(swap)
        self.token = new
        return new

    def delay(self, seconds: float) -> None:
        """Every answer waits this long from now on."""
        self._call(lambda: setattr(self._server, "delay_seconds", seconds))

    def drop_watches(self) -> int:
        """Cuts every open watch in the middle; gives how many there were."""
        return self._call(self._server.drop_watches)

    def forget_history(self) -> None:
        """Watches and pages that continue from an older version are told 410 from now on."""
        self._call(self._store.forget)

    def break_image(self, part: str, reason: str = "ImagePullBackOff") -> None:
        """Pods whose image contains this never become ready, for this reason."""
        self._call(lambda: self._pods.broken.update({part: reason}))

    def serve_metrics(self, served: bool) -> None:
        """Without them the metrics API answers 404 in plain text, as a cluster without a metrics server."""
        self._call(lambda: setattr(self._routes, "has_metrics", served))

    def use(self, *, load: Load | None = None, lines: LogLines | None = None) -> None:
        """Lets a scenario say what pods use and what their logs hold."""
        if load is not None:
            self._usage.load = load
        if lines is not None:
            self._usage.lines = lines

    def on_request(self, callback: Callable[[HttpRequest], None] | None) -> None:
        """Calls back with every request as it arrives, before it is answered."""
        self._server.on_request = callback

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """The last thousand requests."""
        return tuple(self._call(lambda: list(self._server.seen)))

    @property
    def watches(self) -> int:
        return self._call(lambda: self._server.watches)


def _state(item: Object) -> ClusterDeployment:
    spec, status = item["spec"], item.get("status") or {}
    container = spec["template"]["spec"]["containers"][0]
    template_notes = spec["template"]["metadata"].get("annotations") or {}
    return ClusterDeployment(
        name=item["metadata"]["name"],
        image=container["image"],
        env=tuple((entry["name"], entry.get("value", "")) for entry in container.get("env") or ()),
        wanted=spec["replicas"],
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        revision=int((item["metadata"].get("annotations") or {}).get(REVISION, 0)),
        paused=bool(spec.get("paused")),
        restarted_at=template_notes.get(RESTARTED_AT, ""),
    )
