"""Records what a real kube-state-metrics exports of a real control plane, and what the console reads of the same objects.

    KUBEBUILDER_ASSETS=… python tests/control_plane/record_kube_state.py PROGRAM VERSION

writes `tests/queries/recordings/kube-state-metrics-VERSION.json`. PROGRAM is kube-state-metrics (`go build .` in its source).
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import control_plane
import httpx
from cluster_fixture import Namespace, open_target

from console.config.load import load_settings
from console.demo.process import free_port
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.model.cluster import Cluster
from queries.prometheus.kube_state import SERIES

RECORDINGS = Path(__file__).resolve().parents[1] / "queries" / "recordings"
_LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def main(program: str, version: str) -> None:
    assert control_plane.assets() is not None, "set KUBEBUILDER_ASSETS"
    with open_target("control-plane") as target, target.namespace() as namespace, tempfile.TemporaryDirectory() as folder:
        create(namespace)
        kubeconfig = namespace.kubeconfig(Path(folder) / "kubeconfig")
        time.sleep(3.0)  # the controllers are done
        samples = scrape(program, kubeconfig, namespace.name)
        cluster = asyncio.run(read(kubeconfig, namespace.name, folder))
        found = {"version": version, "namespace": namespace.name, **summarize(cluster), "samples": samples}
    text = json.dumps(found, indent=0).replace(namespace.name, "shop")
    (RECORDINGS / f"kube-state-metrics-{version}.json").write_text(text + "\n")


def create(namespace: Namespace) -> None:
    """A Deployment in its second revision, one that is paused, one that cannot start, a StatefulSet and a DaemonSet."""
    namespace.add("api", replicas=3)
    namespace.rolled_out("api", revision=1)
    change = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "registry.example.com/api:2"}]}}}}
    namespace.patch(namespace.deployments("api"), change, control_plane_patch())
    namespace.rolled_out("api", revision=2)
    namespace.add("paused", replicas=1)
    namespace.rolled_out("paused")
    namespace.patch(namespace.deployments("paused"), {"spec": {"paused": True}})
    namespace.add("stuck", replicas=2, image="registry.example.com/stuck:broken")
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "db", "image": "registry.example.com/db:1"}]},
    }
    selector = {"matchLabels": {"app": "db"}}
    for plural, kind, more in (
        ("statefulsets", "StatefulSet", {"replicas": 2, "serviceName": "db"}),
        ("daemonsets", "DaemonSet", {}),
    ):
        name = {"StatefulSet": "db", "DaemonSet": "agent"}[kind]
        own = json.loads(json.dumps({"template": template, "selector": selector}).replace('"db"', f'"{name}"'))
        body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {**own, **more}}
        answer = namespace.http.post(namespace.path(plural), json=body)
        assert answer.status_code == 201, answer.text
    deadline = time.monotonic() + 60
    while namespace.get(namespace.path("statefulsets", "db"))["status"].get("readyReplicas", 0) < 2:
        assert time.monotonic() < deadline, "the StatefulSet is not ready"
        time.sleep(0.5)


def control_plane_patch() -> str:
    return "application/strategic-merge-patch+json"


def scrape(program: str, kubeconfig: Path, namespace: str) -> list[list[Any]]:
    """Name, labels and value of the series that the console reads."""
    port = free_port()
    flags = [f"--kubeconfig={kubeconfig}", f"--port={port}", "--host=127.0.0.1", f"--namespaces={namespace}"]
    flags += [f"--telemetry-port={free_port()}", "--telemetry-host=127.0.0.1"]
    process = subprocess.Popen([program, *flags], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            except httpx.HTTPError:
                text = ""
            if 'pod="db-1"' in text and 'daemonset="agent"' in text:
                break
            assert time.monotonic() < deadline, text[:500]
            time.sleep(0.5)
        time.sleep(1.0)
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        process.terminate()
        process.wait(10)
    matches = (_LINE.match(line) for line in text.splitlines())
    found = [(match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])) for match in matches if match]
    return [list(item) for item in found if item[0] in SERIES]


async def read(kubeconfig: Path, namespace: str, folder: str) -> Cluster:
    environ = {"KUBECONFIG": str(kubeconfig), "HOME": folder}
    settings = load_settings({"namespace": namespace}, environ, service_account="/nonexistent")
    assert settings.kubernetes is not None
    kubernetes = Kubernetes(settings.kubernetes)
    try:
        return await list_cluster(kubernetes)
    finally:
        await kubernetes.close()


def summarize(cluster: Cluster) -> dict[str, Any]:
    """What the Kubernetes API says of the same objects, as the console reads it."""
    workloads = [
        {
            "target": item.target, "desired": item.desired, "ready": item.ready, "replicas": item.replicas,
            "updated": item.updated, "available": item.available, "generation": item.generation,
            "observed_generation": item.observed_generation, "paused": item.paused, "created_at": item.created_at,
            "containers": [[each.name, each.image] for each in item.containers],
            "conditions": sorted([each.type, each.status, each.reason] for each in item.conditions),
            "current_revision": item.current_revision, "update_revision": item.update_revision,
        }
        for item in cluster.workloads
    ]  # fmt: skip
    pods = [
        {
            "name": pod.name, "uid": pod.uid, "phase": pod.phase, "ready": pod.ready, "restarts": pod.restarts,
            "created_at": pod.created_at, "reason": pod.reason, "node": pod.node, "owner": pod.owner,
        }
        for pod in cluster.pods
    ]  # fmt: skip
    revisions = [
        {"name": item.name, "owner": item.owner, "replicas": item.replicas, "ready": item.ready, "created_at": item.created_at}
        for item in cluster.revisions
    ]
    return {"workloads": workloads, "pods": pods, "revisions": revisions}


if __name__ == "__main__":
    main(*sys.argv[1:])
