"""The ControllerRevisions of StatefulSets and DaemonSets: one for each pod template, numbered anew when it comes back."""

from __future__ import annotations

import copy

from console.demo.cluster.resource import CONTROLLER_REVISIONS, Object, Resource
from console.demo.cluster.revision import controller_of, owner_reference, template_hash
from console.demo.cluster.store import Store

POD_LABEL = "controller-revision-hash"


class Revisions:
    """Of one kind; the objects are in the store."""

    def __init__(self, store: Store, resource: Resource, *, hash_label: str) -> None:
        self._store, self._resource, self._hash_label = store, resource, hash_label

    def of(self, owner: Object) -> list[Object]:
        """Oldest first."""
        meta = owner["metadata"]
        every = self._store.items(CONTROLLER_REVISIONS, meta["namespace"])
        return sorted((item for item in every if controller_of(item) == meta["uid"]), key=lambda item: int(item["revision"]))

    def newest(self, owner: Object) -> Object:
        """The revision of the owner's template, created or given the next number where it is not the newest.

        Source: Kubernetes 1.36, pkg/controller/statefulset/stateful_set_control.go, getStatefulSetRevisions.
        """
        template = owner["spec"]["template"]
        data = {"spec": {"template": {**copy.deepcopy(template), "$patch": "replace"}}}
        known = self.of(owner)
        number = int(known[-1]["revision"]) + 1 if known else 1
        equal = next((item for item in known if item["data"] == data), None)
        if equal is None:
            return self._create(owner, data, number)
        if equal is known[-1]:
            return equal
        return self._store.update(CONTROLLER_REVISIONS, {**copy.deepcopy(equal), "revision": number})

    def trim(self, owner: Object, in_use: set[str]) -> None:
        """Deletes the oldest beyond the limit that no pod has."""
        idle = [item for item in self.of(owner) if item["metadata"]["name"] not in in_use]
        for item in idle[: max(0, len(idle) - owner["spec"]["revisionHistoryLimit"])]:
            self._store.delete(CONTROLLER_REVISIONS, item["metadata"]["namespace"], item["metadata"]["name"])

    def _create(self, owner: Object, data: Object, number: int) -> Object:
        meta, template = owner["metadata"], owner["spec"]["template"]
        collisions = 0
        while self._store.get(CONTROLLER_REVISIONS, meta["namespace"], f"{meta['name']}-{template_hash(template, collisions)}"):
            collisions += 1
        digest = template_hash(template, collisions)
        labels = {**(template["metadata"].get("labels") or {}), self._hash_label: digest}
        return self._store.create(
            CONTROLLER_REVISIONS,
            {
                "metadata": {
                    "name": f"{meta['name']}-{digest}",
                    "namespace": meta["namespace"],
                    "labels": labels,
                    "annotations": dict(meta.get("annotations") or {}),
                    "ownerReferences": [owner_reference(owner, self._resource)],
                },
                "data": data,
                "revision": number,
            },
        )
