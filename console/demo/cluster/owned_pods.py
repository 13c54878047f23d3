"""The pods of a controller: made from its template, found by their owner, and their state."""

from __future__ import annotations

import copy
from typing import Any

from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import PODS, Object, Resource
from console.demo.cluster.revision import controller_of, owner_reference
from console.demo.cluster.store import Store


def create_pod(
    registry: Registry,
    owner: Object,
    resource: Resource,
    template: Object,
    *,
    name: str = "",
    labels: dict[str, str] | None = None,
) -> str:
    """Creates a pod from a template and returns its name: `name`, or one generated from the owner's."""
    namespace, prefix = owner["metadata"]["namespace"], f"{owner['metadata']['name']}-"
    template = copy.deepcopy(template)
    given = template["metadata"]
    meta: dict[str, Any] = {
        "name": name or registry.free_name(PODS, namespace, prefix),
        "generateName": prefix,
        "namespace": namespace,
    }
    if every_label := {**(given.get("labels") or {}), **(labels or {})}:
        meta["labels"] = every_label
    if given.get("annotations"):
        meta["annotations"] = given["annotations"]
    meta["ownerReferences"] = [owner_reference(owner, resource)]
    registry.create(PODS, namespace, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]})
    return str(meta["name"])


def pods_of(store: Store, owner: Object) -> list[Object]:
    """All pods that this object controls, by name."""
    meta = owner["metadata"]
    return [item for item in store.items(PODS, meta["namespace"]) if controller_of(item) == meta["uid"]]


def is_ready(pod: Object) -> bool:
    """Whether its condition Ready is true."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def is_terminating(pod: Object) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in (pod.get("metadata") or {})


def pinned_node(pod: Object) -> str:
    """The only node that a DaemonSet's pod may run on, also a cordoned one; empty for any other pod."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    fields = [field for term in terms for field in term.get("matchFields") or () if field.get("key") == "metadata.name"]
    return str(fields[0]["values"][0]) if fields else ""
