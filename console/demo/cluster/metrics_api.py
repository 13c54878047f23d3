"""Resource usage of pods for metrics.k8s.io."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from console.demo.cluster.resource import PODS, Object
from console.demo.cluster.store import Store

Load = Callable[[Object], tuple[float, float]]
"""A pod's usage: CPU in cores and memory in MiB."""


def steady(pod: Object) -> tuple[float, float]:
    """Constant usage per pod."""
    spread = zlib.crc32(pod["metadata"]["name"].encode()) % 100
    return 0.12 + spread / 500, 380.0 + spread


class Usage:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.load: Load = steady

    def metrics(self, namespace: str) -> list[Object]:
        return [self._pod(pod) for pod in self._store.items(PODS, namespace) if pod["status"].get("phase") == "Running"]

    def _pod(self, pod: Object) -> Object:
        cores, mebibytes = self.load(pod)
        names = [item["name"] for item in pod["spec"]["containers"]]
        meta = {key: pod["metadata"][key] for key in ("name", "namespace", "labels", "creationTimestamp")}
        used = {"cpu": f"{round(cores * 1e9 / len(names))}n", "memory": f"{round(mebibytes * 1024 / len(names))}Ki"}
        containers = [{"name": name, "usage": used} for name in names]
        return {"metadata": meta, "timestamp": self._store.now(), "window": "15s", "containers": containers}
