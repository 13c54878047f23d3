"""Pods as the API server sends them: why one is not ready, what restarted, and which container is the default."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from queries.kubernetes import objects as k8s
from queries.kubernetes.pod_decode import build_pod, decode_pod_containers


def pod(**status: Any) -> Any:
    raw = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "status": {"phase": "Running", **status}}
    return build_pod(msgspec.convert(raw, k8s.PodObject))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, "NotReady"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"initContainerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "Init:ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        ({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}]}, ""),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "Unschedulable",
        ),
    ],
)
def test_why_a_pod_is_not_well(status: dict[str, Any], reason: str) -> None:
    """Kubernetes' own word for it, from wherever it stands; nothing while it is well."""
    assert pod(**status).reason == reason


def test_restarts_of_every_kind_of_container_count_and_the_last_exit_is_named() -> None:
    """Init and native sidecar containers restart too; a container that was killed for memory stays known after its restart."""
    oom = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T10:00:00Z"}
    end = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-01-01T09:00:00Z"}
    found = pod(
        initContainerStatuses=[
            {"restartCount": 2, "state": {"terminated": {"reason": "Completed", "exitCode": 0}}},
            {"restartCount": 3, "state": {"running": {}}, "lastState": {"terminated": end}},
        ],
        containerStatuses=[
            {
                "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}},
                "lastState": {"terminated": oom},
            }
        ],
    )
    assert (found.restarts, found.last_exit) == (9, "OOMKilled, exit code 137")
    assert (found.reason, found.message) == ("CrashLoopBackOff", "back-off 5m0s restarting failed container")


@pytest.mark.parametrize(("annotated", "default"), [("", "app"), ("proxy", "proxy"), ("gone", "app")])
def test_the_default_container_is_kubectls(annotated: str, default: str) -> None:
    """The annotation's, if the pod has it, else the first; init and debug containers have logs too."""
    notes = {"kubectl.kubernetes.io/default-container": annotated} if annotated else {}
    spec = {
        "initContainers": [{"name": "migrate"}],
        "containers": [{"name": "app"}, {"name": "proxy"}],
        "ephemeralContainers": [{"name": "debugger"}],
    }
    found = decode_pod_containers({"metadata": {"annotations": notes}, "spec": spec})
    assert (found.names, found.default) == (("app", "proxy", "migrate", "debugger"), default)
