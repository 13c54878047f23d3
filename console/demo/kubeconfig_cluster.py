"""The simulated platform's view of a real cluster: a context of the user's kubeconfig, polled every second."""

from __future__ import annotations

import threading
from typing import Any

from console.demo.embedded_cluster import (
    ObservedCluster,
    ObservedDeployment,
    ObservedPod,
    ObservedReplicaSet,
    ObservedSet,
    observe_cluster,
)
from queries.errors import SourceError
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess

_EVERY_SECONDS = 1.0


class ContextView:
    """Polls in a thread, so that a slow cluster never delays a scrape; keeps the last good result."""

    def __init__(self, context: str, namespace: str) -> None:
        self._namespace = namespace
        self._api = KubeApi(KubeAccess(ClusterEndpoint(namespace, context=context)), read_only=False, timeout_seconds=5.0)
        self._observed = ObservedCluster({}, {})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="demo cluster view", daemon=True)

    def start(self) -> None:
        """Starts polling. Raises SourceError where the cluster does not respond."""
        self._observed = self._fetch()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(8)
        self._api.close()

    def deployment(self, name: str) -> ObservedDeployment | None:
        return self._observed.deployments.get(name)

    def pods(self, name: str) -> tuple[ObservedPod, ...]:
        return self._observed.pods.get(name, ())

    def replica_sets(self) -> tuple[ObservedReplicaSet, ...]:
        """Not listed: nobody may be allowed to."""
        return ()

    def sets(self) -> tuple[ObservedSet, ...]:
        """Not listed: nobody may be allowed to."""
        return ()

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
                self._observed = self._fetch()
            except SourceError:
                continue  # the console's own Kubernetes source reports the error

    def _fetch(self) -> ObservedCluster:
        return observe_cluster(
            self._list(f"/apis/apps/v1/namespaces/{self._namespace}/deployments"),
            self._list(f"/api/v1/namespaces/{self._namespace}/pods"),
        )

    def _list(self, path: str) -> list[dict[str, Any]]:
        result: dict[str, Any] = self._api.call_decoded(dict[str, Any], "GET", path)
        return list(result.get("items") or ())
