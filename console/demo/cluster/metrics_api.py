"""Resource usage of pods for metrics.k8s.io, and their logs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from console.demo.cluster import api_errors
from console.demo.cluster.resource import PODS, Object
from console.demo.cluster.store import Store
from queries.text.times import format_time

Load = Callable[[Object], tuple[float, float]]
"""A pod's usage: CPU in cores and memory in MiB."""

LogLines = Callable[[Object, float], list[str]]
"""The log of a pod at a time, oldest line first."""


def steady(pod: Object) -> tuple[float, float]:
    """Constant usage per pod."""
    spread = zlib.crc32(pod["metadata"]["name"].encode()) % 100
    return 0.12 + spread / 500, 380.0 + spread


def quiet(pod: Object, now: float) -> list[str]:
    """The log of a healthy pod: one line a minute."""
    name = pod["spec"]["containers"][0]["name"]
    return [f"{format_time(now - 60 * ago)} INFO {name}: served, nothing to report" for ago in range(20, -1, -1)]


class Usage:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.load: Load = steady
        self.lines: LogLines = quiet

    def metrics(self, namespace: str) -> list[Object]:
        return [self._pod(pod) for pod in self._store.items(PODS, namespace) if pod["status"].get("phase") == "Running"]

    def _pod(self, pod: Object) -> Object:
        cores, mebibytes = self.load(pod)
        names = [item["name"] for item in pod["spec"]["containers"]]
        meta = {key: pod["metadata"][key] for key in ("name", "namespace", "labels", "creationTimestamp")}
        used = {"cpu": f"{round(cores * 1e9 / len(names))}n", "memory": f"{round(mebibytes * 1024 / len(names))}Ki"}
        containers = [{"name": name, "usage": used} for name in names]
        return {"metadata": meta, "timestamp": self._store.now(), "window": "15s", "containers": containers}

    def log(self, pod: Object, query: Mapping[str, str]) -> str:
        """The log of a container. Raises ApiError 400 where it is ambiguous, missing, or has not started."""
        names = [item["name"] for item in pod["spec"]["containers"]]
        name, container = pod["metadata"]["name"], query.get("container", "")
        if not container and len(names) > 1:
            raise api_errors.bad_request(
                f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
            )
        if container and container not in names:
            raise api_errors.bad_request(f"container {container} is not valid for pod {name}")
        for status in pod["status"].get("containerStatuses") or ():
            reason = (status["state"].get("waiting") or {}).get("reason", "")
            if status["name"] == (container or names[0]) and reason:
                why = "trying and failing to pull image" if reason == "ImagePullBackOff" else reason
                raise api_errors.bad_request(f'container "{status["name"]}" in pod "{name}" is waiting to start: {why}')
        if query.get("previous") == "true":
            raise api_errors.bad_request(f'previous terminated container "{container or names[0]}" in pod "{name}" not found')
        lines = self.lines(pod, self._store.clock())
        tail = query.get("tailLines", "")
        if tail.isdigit():
            lines = lines[-int(tail) :] if int(tail) else []
        return "".join(f"{line}\n" for line in lines)
