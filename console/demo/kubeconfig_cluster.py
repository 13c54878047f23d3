"""The simulated platform on a real cluster: a context of the user's kubeconfig, looked at every second."""

from __future__ import annotations

import threading
from typing import Any

from console.demo.embedded_cluster import ObservedCluster, ObservedDeployment, seen
from queries.errors import SourceError
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess

_EVERY_SECONDS = 1.0


class ContextView:
    """Asks in a thread of its own, so that a slow cluster never holds up a scrape; the last good answer stays."""

    def __init__(self, context: str, namespace: str) -> None:
        self._namespace = namespace
        self._api = KubeApi(KubeAccess(ClusterEndpoint(namespace, context=context)), read_only=False, timeout_seconds=5.0)
        self._seen = ObservedCluster({}, {})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="demo cluster view", daemon=True)

    def start(self) -> None:
        """Raises SourceError where the cluster does not answer."""
        self._seen = self._ask()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(8)
        self._api.close()

    def deployment(self, name: str) -> ObservedDeployment | None:
        return self._seen.deployments.get(name)

    def pods(self, name: str) -> tuple[tuple[str, bool], ...]:
        return self._seen.pods.get(name, ())

    def patch(self, name: str, body: object) -> None:
        """A strategic merge patch of one Deployment. Raises SourceError."""
        self._api.call(
            "PATCH",
            f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{name}",
            body=body,
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        )

    def _follow(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                self._seen = self._ask()
            except SourceError:
                continue  # the console's own Kubernetes source says what is wrong

    def _ask(self) -> ObservedCluster:
        return seen(
            self._list(f"/apis/apps/v1/namespaces/{self._namespace}/deployments"),
            self._list(f"/api/v1/namespaces/{self._namespace}/pods"),
        )

    def _list(self, path: str) -> list[dict[str, Any]]:
        answer: dict[str, Any] = self._api.call_decoded(dict[str, Any], "GET", path)
        return list(answer.get("items") or ())
