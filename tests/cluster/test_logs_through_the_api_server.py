"""Logs through a real API server, which forwards them from a kubelet that the test plays: the bytes are the test's own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from cluster_fixture import MERGE, Namespace
from played_kubelet import PlayedKubelet

from console.logs.merged_log import MergedLog
from console.logs.pod_source import PodLogSource
from console.logs.query import LogQuery
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes

NODE = "played"


def add_pod(ns: Namespace, port: int) -> None:
    """On a node whose kubelet listens on this port."""
    http = ns.http
    http.post("/api/v1/nodes", json={"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    status = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    assert ns.patch(f"/api/v1/nodes/{NODE}/status", {"status": status}, MERGE).status_code == 200
    spec = {"nodeName": NODE, "containers": [{"name": "api", "image": "x"}, {"name": "proxy", "image": "y"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec}
    assert http.post(ns.path("pods", group="v1"), json=pod).status_code == 201


async def test_a_followed_log_continues_through_the_api_server(ns: Namespace, tmp_path: Path) -> None:
    """The API server rounds `sinceTime` down to the second, so lines come again: none is shown twice, and none is lost in a
    connection that breaks again and again. It names no default container, and refuses two time ranges."""
    if ns.target.name != "control-plane":
        pytest.skip("only a control plane forwards to the kubelet of the test")
    with PlayedKubelet(tmp_path) as kubelet:
        add_pod(ns, kubelet.port)
        path = ns.path("pods", "web", "log", group="v1")
        answer = ns.http.get(path)
        assert (answer.status_code, answer.json()["message"]) == (
            400, "a container name must be specified for pod web, choose one of: [api proxy]",
        )  # fmt: skip
        both = {"container": "api", "sinceTime": "2026-01-01T00:00:00Z", "sinceSeconds": 5}
        assert ns.http.get(path, params=both).status_code == 422
        assert ns.http.get(path, params={"container": "api", "sinceTime": "2026-01-01T00:00:00.987Z"}).status_code == 200
        assert kubelet.requests[-1]["sinceTime"] == "2026-01-01T00:00:00Z"
        kubernetes = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(ns.kubeconfig(tmp_path / "config"))))
        log = MergedLog()
        reading = asyncio.ensure_future(PodLogSource(kubernetes, LogQuery("pod/web", follow=True)).read(log))
        expected: list[str] = []
        for number in range(3):
            lines = [f"{number}.{each}" for each in range(20)]
            kubelet.write(*lines)
            await until(log, [*expected, *lines])
            kubelet.cut()
            kubelet.write(f"{number}, while nobody reads")
            expected += [*lines, f"{number}, while nobody reads"]
            await until(log, expected)
        assert not log.status.incomplete
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await kubernetes.close()
        ns.http.delete(f"/api/v1/nodes/{NODE}")


def texts(log: MergedLog) -> list[str]:
    log.merge_pending()
    return [line.text for line in log.window(0, log.count())]


async def until(log: MergedLog, expected: list[str]) -> None:
    ends = time.monotonic() + 20
    while texts(log) != expected:
        assert time.monotonic() < ends, (texts(log), log.status)
        await asyncio.sleep(0.02)
