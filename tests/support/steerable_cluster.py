"""The embedded cluster with what only tests do to it: denials, failures, delays, lost watches and a request log."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any

from console.demo.cluster import DemoCluster
from console.demo.cluster.api_errors import ApiError
from console.demo.cluster.auth import Grants, User
from console.demo.cluster.pod_logs import ContainerLog
from console.demo.cluster.request import HttpRequest, HttpResponse, as_json, as_text
from console.demo.cluster.resource import NAMESPACES, PODS

REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
KEPT_REQUESTS = 1000


def grants(roles: Iterable[Mapping[str, Any]]) -> Grants:
    """The union of the Roles' permissions. Raises ValueError for a wildcard."""
    permissions: set[tuple[str, str, str, str]] = set()
    for role in roles:
        for rule in role["rules"]:
            if "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]):
                raise ValueError(f"the rule {rule} has a wildcard, which this cluster does not support")
            permissions |= set(product(rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames") or [""]))
    return frozenset(permissions)


class SteerableCluster(DemoCluster):
    """Every method may be called from any thread, also before `start`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.powerless_token = self.add_user(User("powerless", trusted=False))
        """The token of a known user without any permission."""
        self._delay_seconds = 0.0
        self._failures: list[ApiError] = []
        self._broken: dict[str, ApiError] = {}
        self._unserved: tuple[str, ...] = ()
        self._documents: dict[str, object] = {}
        self._requests: list[HttpRequest] = []
        self._callback: Callable[[HttpRequest], None] | None = None
        self.server.intercept = self._intercept

    async def _intercept(self, request: HttpRequest) -> HttpResponse | None:
        self._requests.append(request)
        del self._requests[:-KEPT_REQUESTS]
        if self._callback is not None:
            self._callback(request)
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        if request.path in self._documents:
            return as_json(200, self._documents[request.path])
        if request.path.startswith(self._unserved):
            return as_text(404, "404 page not found\n")
        for part, broken in self._broken.items():
            if request.path.endswith(part):
                return as_json(broken.code, broken.status)
        if not self._failures:
            return None
        failure = self._failures.pop(0)
        headers = (("Retry-After", "1"),) if failure.code in (429, 503) else ()
        return as_json(failure.code, failure.status, headers)

    def add_user(self, user: User) -> str:
        """Returns the user's token."""
        token = secrets.token_urlsafe(24)
        self.call(lambda: self.access.users.update({token: user}))
        return token

    def admit(self, name: str, roles: Iterable[Mapping[str, Any]], *, cluster_roles: Iterable[Mapping[str, Any]] = ()) -> str:
        """The token of a new user with exactly the permissions of these Roles, and of these ClusterRoles."""
        return self.add_user(User(name, granted=grants(roles), cluster_granted=grants(cluster_roles)))

    def renew_token(self) -> str:
        """Replaces the token; the server rejects the previous one, as if it had expired."""
        old, new = self.token, secrets.token_urlsafe(24)

        def swap() -> None:
            self.access.users[new] = self.access.users.pop(old)

        self.call(swap)
        self.token = new
        return new

    def deny(self, verb: str, resource: str) -> None:
        """Forbids this to everybody: `patch`, `deployments/scale`; `*` stands for any."""
        self.call(lambda: self.access.denied.add((verb, resource)))

    def replace_namespace(self, name: str) -> None:
        """As in another cluster: the same name with another UID."""

        def swap() -> None:
            self.store.delete(NAMESPACES, "", name)
            self.store.create(NAMESPACES, {"metadata": {"name": name}, "spec": {}, "status": {"phase": "Active"}})

        self.call(swap)

    def allow_all(self) -> None:
        """Lifts every denial."""
        self.call(self.access.denied.clear)

    def fail_next(self, status: int, *, times: int = 1, message: str = "asked for by a test") -> None:
        """The next requests get this status and have no effect."""
        failures = [ApiError(status, REASONS.get(status, ""), message) for _ in range(times)]
        self.call(lambda: self._failures.extend(failures))

    def break_path(self, end: str, status: int = 500, *, message: str = "asked for by a test") -> None:
        """Every request whose path ends so gets this status, until `mend`; watches that are open stay so."""
        error = ApiError(status, REASONS.get(status, ""), message)
        self.call(lambda: self._broken.update({end: error}))

    def stop_serving(self, *starts: str) -> None:
        """As a server without these groups: every path that begins so gets a 404 in plain text."""
        self.call(lambda: setattr(self, "_unserved", starts))

    def serve_document(self, path: str, document: object) -> None:
        """The answer to every request of this path."""
        self.call(lambda: self._documents.update({path: document}))

    def freeze(self) -> None:
        """Lets every controller finish and stops it for good: what is written from now on stays as it is."""

        def stop() -> None:
            self._timers.run_pending()
            self.store.listeners.clear()

        self.call(stop)

    def edit(self, change: Callable[[dict[str, Any]], None], *plurals: str) -> None:
        """Changes every object of the kinds at once, as no client could: without the server's validation, status and all."""

        def apply() -> None:
            for resource in map(self._resource, plurals):
                for item in self.store.items(resource, self._place(resource)):
                    edited = copy.deepcopy(item)
                    change(edited)
                    self.store.update(resource, edited)

        self.call(apply)

    def mend(self) -> None:
        """Ends what `break_path` began."""
        self.call(self._broken.clear)

    def delay(self, seconds: float) -> None:
        """Delays every response."""
        self.call(lambda: setattr(self, "_delay_seconds", seconds))

    def drop_watches(self) -> int:
        """Cuts every open watch in the middle of its stream; returns their number."""

        def cut() -> int:
            watches = tuple(self.server.watches)
            for task in watches:
                task.cancel()
            return len(watches)

        return self.call(cut)

    def fix_images(self) -> None:
        """Every image can be pulled from now on: the pods that wait for theirs start."""

        def start() -> None:
            self.pods.broken.clear()
            for pod in self.store.items(PODS, self.namespace):
                if any("waiting" in item["state"] for item in pod["status"].get("containerStatuses") or ()):
                    self.pods.start(self.namespace, pod["metadata"]["name"])

        self.call(start)

    def write_log(self, pod: str, container: str, lines: Iterable[bytes], *, at_ns: int | None = None) -> None:
        """Appends lines to the log of a container, each a nanosecond after the last."""
        written = list(lines)
        self.call(lambda: self.pods.logs.write(self._pod(pod), container, written, at_ns=at_ns))

    def restart_container(self, pod: str, container: str, *, reason: str = "Error", exit_code: int = 1) -> None:
        """As if a container had terminated and the kubelet had restarted it at once."""

        def restart() -> None:
            item = copy.deepcopy(self._pod(pod))
            now = self.store.now()
            for status in item["status"]["containerStatuses"]:
                if status["name"] == container:
                    end = {"reason": reason, "exitCode": exit_code, "startedAt": now, "finishedAt": now}
                    status.update(
                        lastState={"terminated": end},
                        state={"running": {"startedAt": now}},
                        restartCount=status["restartCount"] + 1,
                    )
            self.store.update(PODS, item)
            logs, key = self.pods.logs, (item["metadata"]["uid"], container)
            log = logs.previous[key] = logs.find(item, container)
            logs.current[key] = ContainerLog(written_until=self.store.clock())
            log.ended = True
            log.wake()

        self.call(restart)

    def _pod(self, name: str) -> dict[str, Any]:
        pod = self.store.get(PODS, self.namespace, name)
        if pod is None:
            raise KeyError(name)
        return pod

    def rotate_logs(self) -> None:
        """As if the files of all logs so far had been rotated away: a kubelet gives only the newest."""
        self.call(lambda: [log.lines.clear() for log in self.pods.logs.current.values()])

    def drop_logs(self) -> int:
        """Cuts every followed log in the middle of its stream; returns their number."""

        def cut() -> int:
            logs = tuple(self.server.followed_logs)
            for task in logs:
                task.cancel()
            return len(logs)

        return self.call(cut)

    @property
    def followed_logs(self) -> int:
        """The number of logs that are followed now."""
        return self.call(lambda: len(self.server.followed_logs))

    def forget_history(self) -> None:
        """Expires every older version: watches and pages that continue from one get 410."""
        self.call(self.store.forget)

    def break_image(self, part: str, reason: str = "ImagePullBackOff") -> None:
        """Pods whose image contains `part` never become ready, for this reason."""
        self.call(lambda: self.pods.broken.update({part: reason}))

    def serve_metrics(self, served: bool) -> None:
        """Without it the metrics API answers 404 in plain text, as in a cluster without a metrics server."""
        self.call(lambda: setattr(self.routes, "has_metrics", served))

    def install_rollouts(self, installed: bool = True) -> None:
        """Installs the definition of Argo's Rollouts, or removes it; it is absent at the start."""
        self.call(lambda: setattr(self.routes, "has_rollouts", installed))

    def on_request(self, callback: Callable[[HttpRequest], None] | None) -> None:
        """Registers a callback for every request, before its response."""
        self._callback = callback

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """The last thousand requests."""
        return tuple(self.call(lambda: list(self._requests)))

    @property
    def watches(self) -> int:
        """The number of open watches."""
        return self.call(lambda: len(self.server.watches))
