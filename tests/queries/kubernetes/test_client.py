"""The Kubernetes client on the cluster in the process: what it lets pass, and what it costs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from limits import extend
from steerable_cluster import SteerableCluster

from queries.errors import AccessDenied, SourceError
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.pod_log_reader import PodLogReader
from queries.model.pod_log import LogRequest

NAMESPACE = "cad-ml-platform"
Open = Callable[..., Kubernetes]


async def test_the_gate_lets_only_looks_pass(kube: Open, cluster: SteerableCluster) -> None:
    """A reading client raises before anything leaves; GETs, access reviews and dry runs of everything pass."""
    client = kube()
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/cad-ml-api"
    merge = {"Content-Type": "application/merge-patch+json"}
    await client.get_raw(path)
    seen = len(cluster.requests)
    for method, query in (("PATCH", ()), ("DELETE", ()), ("POST", ()), ("PUT", (("dryRun", "Some"),)),
                          ("PATCH", (("dryRun", "All"), ("dryRun", "")))):  # fmt: skip
        with pytest.raises(PermissionError, match="read-only"):
            await client.call(method, path, query, {}, merge)
    assert len(cluster.requests) == seen
    await client.call("PATCH", path, [("dryRun", "All")], {"spec": {"replicas": 9}}, merge)
    assert await client.may("patch", "deployments", name="cad-ml-api") == (True, "")
    assert cluster.deployment("cad-ml-api").desired == 3
    writer = kube(read_only=False)
    await writer.call("PATCH", path, (), {"spec": {"replicas": 4}}, merge)
    assert cluster.deployment("cad-ml-api").desired == 4


async def test_a_forbidden_request_names_the_missing_right(kube: Open, cluster: SteerableCluster) -> None:
    """The hint is the verb and the resource that the server refused, not "read access" for a patch."""
    cluster.deny("patch", "deployments")
    client = kube(read_only=False)
    with pytest.raises(AccessDenied) as refused:
        await client.call("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/cad-ml-api", (), {},
                          {"Content-Type": "application/merge-patch+json"})  # fmt: skip
    assert refused.value.fault.hint == "ask for permission to patch deployments.apps"


async def test_logs_and_usage(kube: Open, cluster: SteerableCluster) -> None:
    """The end of a pod's log as text; usage in cores and bytes; no metrics API is 404, not a failure of the cluster."""
    client = kube()
    pod = (await list_cluster(client)).pods[0].name
    assert len((await PodLogReader(client).read_end(LogRequest(pod), lines=3)).splitlines()) <= 3
    used = await client.usage()
    assert used
    assert all(item.cpu_cores > 0 and item.memory_bytes > 1 << 20 for item in used)
    cluster.serve_metrics(False)
    with pytest.raises(SourceError) as told:
        await client.usage()
    assert told.value.fault.status == 404


async def test_names_cannot_leave_their_path(kube: Open, cluster: SteerableCluster) -> None:
    """A name with slashes stays one segment: it is not found, and nothing else is asked for."""
    with pytest.raises(SourceError) as told:
        await kube().deployment("../../../../version")
    assert told.value.fault.status == 404


def test_constructing_costs_nothing_and_a_hung_request_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    """Neither kubernetes nor urllib3 is imported before the first request; a process with a hung one ends at once."""
    code = """
import asyncio, socket, sys, time
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
hole = socket.create_server(("127.0.0.1", 0))
path = sys.argv[1]
server = f"http://127.0.0.1:{hole.getsockname()[1]}"
open(path, "w").write(
    '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x"}}],'
    ' "clusters": [{"name": "x", "cluster": {"server": "%s"}}]}' % server)
client = Kubernetes(ClusterEndpoint("ns", kubeconfig=path, timeout_seconds=30.0))
assert not {"kubernetes", "urllib3", "requests"} & set(sys.modules)
async def main():
    try:
        await asyncio.wait_for(list_cluster(client), 1.0)
    except TimeoutError:
        print("left")
asyncio.run(main())
# Only the generic client: no API class and no model was loaded on the way.
assert not [name for name in sys.modules if name.startswith(("kubernetes.client.api.", "kubernetes.client.models."))]
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "kubeconfig")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("left\n", 0), done.stderr
    assert time.monotonic() - began < extend(10.0)
