"""The demo's Kubernetes API server with many pods, in a process of its own, so that its work is not counted as ours.

Arguments: a kubeconfig to write, how many pods there are, how many of them change a second, and how many lines a second each of
twenty pods of the Deployment `chatty` logs (none without it). It says `ready` on stdout and
takes numbers on stdin: another rate of change. It ends with its stdin.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from steerable_cluster import SteerableCluster

from console.demo.cluster.fixtures import deployment


def pod(number: int, restarts: int = 0) -> dict[str, Any]:
    """As a control plane lists it: with managed fields, projected volumes, probes, conditions, and a mesh's side car."""
    app, address = f"crowd-{number % 50}", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    fields = {f"f:{part}": {".": {}, "f:name": {}, "f:value": {}} for part in _MANAGED}
    probe = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-7d9f8c6b5d", "uid": f"rs-{app}", "controller": True}
    token = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    managed = {"operation": "Update", "apiVersion": "v1", "time": _SINCE, "fieldsType": "FieldsV1"}
    metadata = {
        "name": f"crowd-{number:05d}",
        "generateName": f"{app}-7d9f8c6b5d-",
        "labels": {"app": app, "component": "crowd", "pod-template-hash": "7d9f8c6b5d", "version": "1.8.2"},
        "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8000", "prometheus.io/path": "/metrics"},
        "ownerReferences": [owner],
        "managedFields": [
            {**managed, "manager": manager, "fieldsV1": {"f:metadata": fields, "f:spec": fields}}
            for manager in ("kube-controller-manager", "kubelet")
        ],
    }
    container = {
        "name": "main",
        "image": "registry.example/crowd:1",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "env": [
            *({"name": f"SETTING_{at}", "value": "a value of some length"} for at in range(10)),
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}},
        ],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/settings", "readOnly": True},
            {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io", "readOnly": True},
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    spec = {
        "nodeName": f"node-{number % 3 + 1}",
        "serviceAccountName": "default",
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "tolerations": [
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for key in ("not-ready", "unreachable")
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": "settings", "defaultMode": 420}},
            {"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": token}},
        ],
        "containers": [container, {**container, "name": "proxy", "image": "registry.example/proxy:3"}],
    }
    running = {
        "name": "main",
        "state": {"running": {"startedAt": _SINCE}},
        "lastState": {},
        "ready": True,
        "restartCount": restarts,
        "image": "registry.example/crowd:1",
        "imageID": "registry.example/crowd@sha256:" + "ab" * 32,
        "containerID": "containerd://" + "cd" * 32,
        "started": True,
    }
    status = {
        "phase": "Running",
        "conditions": [
            {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": _SINCE}
            for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "hostIP": "10.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _SINCE,
        "qosClass": "Burstable",
        "containerStatuses": [running, {**running, "name": "proxy", "restartCount": 0}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


_SINCE = "2026-11-20T00:00:00Z"
_MANAGED = ("labels", "annotations", "containers", "env", "resources", "volumes", "tolerations", "conditions", "podIPs")


_ANSWER_SECONDS = 600.0


def answered(kubeconfig: Path) -> None:
    """Waits until a list is answered: with thousands of pods the cluster first starts each of them, which takes seconds."""
    told = yaml.safe_load(kubeconfig.read_text())
    with httpx.Client(
        timeout=_ANSWER_SECONDS, headers={"Authorization": f"Bearer {told['users'][0]['user']['token']}"}
    ) as client:
        client.get(told["clusters"][0]["cluster"]["server"] + "/api/v1/pods?limit=1").raise_for_status()


CHATTY = 20


def chatter(lines_a_second: int) -> Callable[[dict[str, Any], str, float, float], list[tuple[float, str]]]:
    """Numbered lines, evenly spaced, so that a line that is missing shows."""

    def write(pod: dict[str, Any], container: str, after: float, until: float) -> list[tuple[float, str]]:
        if not pod["metadata"]["name"].startswith("chatty-"):
            return []
        first, last = int(after * lines_a_second) + 1, int(until * lines_a_second)
        level = ("INFO", "WARN", "ERROR")
        return [
            (
                number / lines_a_second,
                f"{level[number % 50 % 3]} request {number} served in {number % 97} ms by a worker of this pod",
            )
            for number in range(first, last + 1)
        ]

    return write


def main() -> None:
    kubeconfig, pods, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    lines = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    cluster = SteerableCluster(history=20_000)
    cluster.seed()
    cluster.apply(pod(number) for number in range(pods))
    if lines:
        cluster.apply([deployment("chatty", namespace=cluster.namespace, image="registry.example/chatty:1", replicas=CHATTY)])
        cluster.use(lines=chatter(lines))
    with cluster:
        cluster.kubeconfig(kubeconfig)
        answered(kubeconfig)
        print("ready", flush=True)
        changed = 0
        while True:
            # Ten times a second a tenth of what is due: a watch that brings its events as they come.
            ready, _, _ = select.select([sys.stdin], [], [], 0.1)
            if ready:
                line = sys.stdin.readline()
                if not line:
                    return
                rate = float(line)
            due = round(rate / 10.0)
            if due and pods:
                restarts = 1 + changed // pods
                cluster.apply(pod((changed + at) % pods, restarts) for at in range(due))
                changed += due
                time.sleep(0)


if __name__ == "__main__":
    main()
