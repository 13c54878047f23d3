"""ReplicaSets of a Deployment: template hash, revision, and the limits of a rolling step."""

from __future__ import annotations

import json
import math
from typing import Any

from console.demo.cluster.registry import SUFFIX
from console.demo.cluster.resource import Object, Resource

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
"""Annotations that are not copied from a Deployment to its ReplicaSets."""


def controller_of(item: Object) -> str:
    """The UID of an object's controller; empty without one."""
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("uid", ""))
    return ""


def template_hash(template: Object, collisions: int = 0) -> str:
    """The value of the label `pod-template-hash`."""
    value = 2166136261
    for byte in json.dumps(template, sort_keys=True).encode() + bytes(collisions):
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(SUFFIX[ord(digit) % len(SUFFIX)] for digit in str(value))


def owner_reference(owner: Object, resource: Resource) -> dict[str, Any]:
    """The reference by which a controlled object names its controller."""
    meta = owner["metadata"]
    reference = {"apiVersion": resource.api_version, "kind": resource.kind, "name": meta["name"], "uid": meta["uid"]}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


def strip_hash(template: Object) -> Object:
    """The template without the label `pod-template-hash`."""
    labels = {key: value for key, value in (template["metadata"].get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def resolve_percent(value: Any, of: int, *, up: bool) -> int:
    """A number, or a percentage of `of`, in pods."""
    if isinstance(value, str):
        part = int(value.rstrip("%") or 0) * of / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def rolling_limits(spec: dict[str, Any]) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods, rounded as by the real controller."""
    if spec["strategy"]["type"] == "Recreate":
        return 0, spec["replicas"]
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = resolve_percent(rolling.get("maxSurge"), spec["replicas"], up=True)
    unavailable = resolve_percent(rolling.get("maxUnavailable"), spec["replicas"], up=False)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, spec["replicas"])


def replica_set_revision(item: Object) -> int:
    """The revision annotation; 0 without one."""
    return int((item["metadata"].get("annotations") or {}).get(REVISION, 0))


def status_count(item: Object, field: str = "availableReplicas") -> int:
    """A count in the status; 0 where it is missing."""
    return int((item.get("status") or {}).get(field, 0))
