"""Create, replace, patch, scale and delete, each with the server's validation and dry run."""

from __future__ import annotations

import copy
import json
import secrets
import uuid
from typing import Any

from console.demo.cluster import api_errors, defaults, managed_fields, selector, validation
from console.demo.cluster.patch import apply_patch
from console.demo.cluster.resource import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    RESOURCES,
    SERVICES,
    STATEFUL_SETS,
    Object,
    Resource,
)
from console.demo.cluster.store import Store

KUBECTL = "kubectl"
"""The default field manager."""
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
"""The alphabet of generated names, without vowels, so that they form no words."""


def suffix(length: int = 5) -> str:
    """A random suffix of a generated name."""
    return "".join(secrets.choice(SUFFIX) for _ in range(length))


class Registry:
    """Validates writes and passes them to the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def existing(self, resource: Resource, namespace: str, name: str) -> Object:
        item = self.store.get(resource, namespace, name)
        if item is None:
            raise api_errors.not_found(resource, name)
        return item

    def free_name(self, resource: Resource, namespace: str, prefix: str) -> str:
        """An unused generated name."""
        name = prefix + suffix()
        while self.store.get(resource, namespace, name) is not None:
            name = prefix + suffix()
        return name

    def create(self, resource: Resource, namespace: str, item: Object, *, dry: bool = False, manager: str = KUBECTL) -> Object:
        item = copy.deepcopy(item)
        self._decode(resource, item)
        meta = item["metadata"]
        if resource.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise api_errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            self.existing(NAMESPACES, "", namespace)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self.free_name(resource, meta.get("namespace", ""), meta["generateName"])
        if meta.get("resourceVersion"):
            raise api_errors.bad_request("resourceVersion should not be set on objects to be created")
        for key in ("uid", "creationTimestamp", "generation", "managedFields", "deletionTimestamp", "selfLink"):
            meta.pop(key, None)
        if resource.status:
            item.pop("status", None)
        meta["uid"] = str(uuid.uuid4())
        defaults.set_defaults(resource, item)
        meta = item["metadata"]
        if resource is NAMESPACES:
            item["status"] = {"phase": "Active"}
        if causes := validation.object_errors(resource, item, None):
            raise api_errors.invalid(resource.kind, resource.group, meta.get("name", ""), causes)
        self._manage(resource, None, item, manager)
        if not dry:
            return self.store.create(resource, item)
        if self.store.get(resource, meta.get("namespace", ""), meta["name"]) is not None:
            raise api_errors.exists(resource, meta["name"])
        meta["creationTimestamp"] = self.store.now()
        if resource.counted:
            meta["generation"] = 1
        return item

    def _decode(self, resource: Resource, item: Object) -> None:
        if (item.get("apiVersion"), item.get("kind")) != (resource.api_version, resource.kind):
            raise api_errors.bad_request(
                f'{item.get("kind")} in version "{item.get("apiVersion")}" cannot be handled as a {resource.kind}: '
                "unknown conversion"
            )
        item.setdefault("metadata", {})
        if error := validation.type_error(item):
            raise api_errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {error}'
            )

    def replace(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        item: Object,
        *,
        dry: bool = False,
        status: bool = False,
        manager: str = KUBECTL,
    ) -> Object:
        """`status` writes through the status subresource, which changes only the status; otherwise everything but it."""
        before = self.existing(resource, namespace, name)
        if item.get("apiVersion", resource.api_version) != resource.api_version or item.get("kind") != resource.kind:
            raise api_errors.bad_request(f"{item.get('kind')} cannot be handled as a {resource.kind}: unknown conversion")
        if error := validation.type_error(item):
            raise api_errors.bad_request(f"{resource.kind} cannot be handled as a {resource.kind}: {error}")
        return self._store(resource, before, copy.deepcopy(item), dry=dry, status=status, manager=manager)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Any,
        content_type: str,
        *,
        dry: bool = False,
        status: bool = False,
        manager: str = KUBECTL,
    ) -> Object:
        before = self.existing(resource, namespace, name)
        item = apply_patch(before, change, content_type)
        if error := validation.type_error(item):
            raise api_errors.bad_patch(json.dumps(change, separators=(",", ":")), error)
        return self._store(resource, before, item, dry=dry, status=status, manager=manager)

    def _store(self, resource: Resource, before: Object, item: Object, *, dry: bool, status: bool, manager: str) -> Object:
        old, meta = before["metadata"], item["metadata"]
        name = old["name"]
        if meta.get("name") != name:
            raise api_errors.bad_request(
                f"the name of the object ({meta.get('name')}) does not match the name on the URL ({name})"
            )
        if meta.get("namespace", old.get("namespace")) != old.get("namespace"):
            raise api_errors.bad_request("the namespace of the object does not match the namespace on the URL")
        self._check_version(resource, name, meta.get("resourceVersion"), old)
        if meta.get("uid", old["uid"]) != old["uid"]:
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
            raise api_errors.conflict(resource, name, why)
        if status:
            result = {**copy.deepcopy(before), "status": item.get("status") or {}}
        else:
            result = item
            for key in ("uid", "creationTimestamp", "generation", "namespace", "resourceVersion", "deletionTimestamp"):
                meta.pop(key, None)
                if key in old:
                    meta[key] = old[key]
            if not meta.get("annotations", True):
                del meta["annotations"]
            defaults.set_defaults(resource, result)
            self._manage(resource, before, result, manager)
            if resource.status:
                result["status"] = copy.deepcopy(before.get("status") or {})
            if causes := validation.object_errors(resource, result, before):
                raise api_errors.invalid(resource.kind, resource.group, name, causes)
        if not dry:
            return self.store.update(resource, result)
        if resource.counted and result.get("spec") != before.get("spec"):
            result["metadata"]["generation"] = old.get("generation", 0) + 1
        return result

    def _manage(self, resource: Resource, before: Object | None, after: Object, manager: str) -> None:
        """Records what the console reads: the last writer of a ConfigMap, and the manager of each field that an action sets."""
        if resource is CONFIG_MAPS and before is not None:
            after["metadata"]["managedFields"] = [{"manager": KUBECTL, "operation": "Update", "time": self.store.now()}]
        elif resource in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, CRON_JOBS, NODES, SERVICES):
            managed_fields.record_manager(before, after, manager=manager, now=self.store.now())

    def _check_version(self, resource: Resource, name: str, given: Any, old: dict[str, Any]) -> None:
        if given in (None, ""):
            return
        if not str(given).isdigit():
            raise api_errors.internal(f'strconv.ParseUint: parsing "{given}": invalid syntax')
        if given != old["resourceVersion"]:
            raise api_errors.conflict(resource, name)

    def scale(self, resource: Resource, namespace: str, name: str) -> Object:
        """The Scale subresource of a Deployment, a ReplicaSet or a StatefulSet."""
        owner = self.existing(resource, namespace, name)
        meta = {key: owner["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
        replicas = owner["spec"]["replicas"]
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": meta,
            "spec": {"replicas": replicas} if replicas else {},
            "status": {
                "replicas": (owner.get("status") or {}).get("replicas", 0),
                "selector": selector.as_text(owner["spec"].get("selector")),
            },
        }

    def rescale(
        self, resource: Resource, namespace: str, name: str, desired: Object, *, dry: bool = False, manager: str = KUBECTL
    ) -> Object:
        """Writes a Scale. Raises ApiError 409 for a stale version and 422 for a negative number."""
        owner = self.existing(resource, namespace, name)
        replicas = (desired.get("spec") or {}).get("replicas", 0)
        if isinstance(replicas, bool) or not isinstance(replicas, int):
            raise api_errors.bad_patch(json.dumps(desired.get("spec"), separators=(",", ":")), "unrecognized type: int32")
        if causes := tuple(validation.validate_replicas(replicas)):
            raise api_errors.invalid("Scale", "autoscaling", name, causes)
        self._check_version(resource, name, desired["metadata"].get("resourceVersion"), owner["metadata"])
        if not dry:
            changed = copy.deepcopy(owner)
            changed["spec"]["replicas"] = replicas
            if resource in (DEPLOYMENTS, STATEFUL_SETS):
                managed_fields.record_manager(owner, changed, manager=manager, now=self.store.now(), subresource="scale")
            self.store.update(resource, changed)
        scale = self.scale(resource, namespace, name)
        scale["spec"] = {"replicas": replicas} if replicas else {}
        return scale

    def delete(self, resource: Resource, namespace: str, name: str, *, options: Object, dry: bool = False) -> Object:
        """Deletes an object and, unless orphaned, its dependents. Returns the server's response."""
        item = self.existing(resource, namespace, name)
        preconditions = options.get("preconditions") or {}
        if preconditions.get("uid", item["metadata"]["uid"]) != item["metadata"]["uid"]:
            raise api_errors.conflict(resource, name, f"Precondition failed: UID in precondition: {preconditions['uid']}")
        self._check_version(resource, name, preconditions.get("resourceVersion"), item["metadata"])
        grace = options.get("gracePeriodSeconds")
        if not dry:
            if resource is PODS and grace != 0 and item["spec"].get("nodeName"):
                return self.terminate(item)
            self.store.delete(resource, namespace, name)
            if resource is NAMESPACES:
                self._empty(name)
            if options.get("propagationPolicy") != "Orphan":
                self._delete_dependents(item["metadata"]["uid"], namespace)
        if resource is PODS:
            return item
        details = {
            "name": name,
            **({"group": resource.group} if resource.group else {}),
            "kind": resource.plural,
            "uid": item["metadata"]["uid"],
        }
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def terminate(self, pod: Object) -> Object:
        """Marks a pod as terminating; the kubelet deletes it later."""
        if "deletionTimestamp" in pod["metadata"]:
            return pod
        ending = copy.deepcopy(pod)
        ending["metadata"].update(
            deletionTimestamp=self.store.now(),
            deletionGracePeriodSeconds=ending["spec"].get("terminationGracePeriodSeconds", 30),
        )
        return self.store.update(PODS, ending)

    def _empty(self, namespace: str) -> None:
        for resource in RESOURCES:
            for item in self.store.items(resource, namespace) if resource.namespaced else ():
                self.store.delete(resource, namespace, item["metadata"]["name"])

    def _delete_dependents(self, uid: str, namespace: str) -> None:
        for resource in (REPLICA_SETS, CONTROLLER_REVISIONS, JOBS, PODS):
            for item in self.store.items(resource, namespace):
                if any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or ()):
                    if resource is PODS:
                        self.terminate(item)
                    else:
                        self.store.delete(resource, namespace, item["metadata"]["name"])
                        self._delete_dependents(item["metadata"]["uid"], namespace)
