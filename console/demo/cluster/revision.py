"""What of a Deployment decides about its ReplicaSets: template, revision, and how far a step may go."""

from __future__ import annotations

import json
import math
from typing import Any

from console.demo.cluster.registry import SUFFIX
from console.demo.cluster.resource import Object

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH = "pod-template-hash"
OWN = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)  # fmt: skip
"""Annotations that belong to one side and are not copied from the Deployment to its ReplicaSet."""


def controller_of(item: Object) -> str:
    """The UID of what controls an object; empty where nothing does."""
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("uid", ""))
    return ""


def template_hash(template: Object, collisions: int = 0) -> str:
    value = 2166136261
    for byte in json.dumps(template, sort_keys=True).encode() + bytes(collisions):
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(SUFFIX[ord(digit) % len(SUFFIX)] for digit in str(value))


def bare(template: Object) -> Object:
    labels = {key: value for key, value in (template["metadata"].get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def share(value: Any, of: int, *, up: bool) -> int:
    if isinstance(value, str):
        part = int(value.rstrip("%") or 0) * of / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def limits(spec: dict[str, Any]) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods, rounded as the real controller does."""
    if spec["strategy"]["type"] == "Recreate":
        return 0, spec["replicas"]
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge"), spec["replicas"], up=True)
    unavailable = share(rolling.get("maxUnavailable"), spec["replicas"], up=False)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, spec["replicas"])


def revision_of(item: Object) -> int:
    return int((item["metadata"].get("annotations") or {}).get(REVISION, 0))


def counted(item: Object, field: str = "availableReplicas") -> int:
    return int((item.get("status") or {}).get(field, 0))
