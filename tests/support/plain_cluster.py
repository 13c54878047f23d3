"""Raw objects as a cluster's answers, for what only reads: no server, and each answer is what the test says."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from queries.errors import RequestRejected, SourceError

Object = dict[str, Any]


def described(name: str, kind: str = "", **parts: Any) -> Object:
    """An object with the fields that every one has; `meta` adds to its metadata."""
    meta = {"name": name, "namespace": "n", "uid": f"uid-{name}", "resourceVersion": "5", "generation": 2}
    return {"kind": kind, "metadata": {**meta, **parts.pop("meta", {})}, **parts}


def pod(name: str, *, ready: bool = True, owner: str = "", reason: str = "", phase: str = "Running", **meta: Any) -> Object:
    """`owner` is the name of its controller, whose UID is `uid-NAME`; `reason` is that of its waiting container."""
    owned = [{"kind": "ReplicaSet", "name": owner, "uid": f"uid-{owner}", "controller": True}] if owner else []
    state = {"waiting": {"reason": reason, "message": "why"}} if reason else {"running": {}}
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}], "containerStatuses": [{"state": state}]}
    return described(
        name,
        "Pod",
        meta={"labels": {"app": "web"}, "ownerReferences": owned, **meta},
        spec={"nodeName": "node-1"},
        status=status,
    )


class PlainCluster:
    """Lists by plural. `broken` are errors by plural, or by `plural/name`; a missing object is a 404."""

    kubectl = ("kubectl",)

    def __init__(self, **objects: list[Object]) -> None:
        self.objects = objects
        self.broken: dict[str, SourceError] = {}
        self.asked: list[tuple[str, str]] = []

    async def read(self, resource: str, name: str) -> Object:
        self.asked.append((resource, name))
        if error := self.broken.get(f"{resource}/{name}") or self.broken.get(resource):
            raise error
        for item in self.objects.get(resource, ()):
            if item["metadata"]["name"] == name:
                return copy.deepcopy(item)
        raise RequestRejected(f"{resource} {name} not found", status=404)

    workload = read

    async def list_objects(self, resource: str, *, labels: str = "", fields: str = "") -> list[Object]:
        self.asked.append((resource, labels or fields))
        if error := self.broken.get(resource):
            raise error
        wanted = dict(part.split("=", 1) for part in labels.split(",") if part)
        return [
            copy.deepcopy(item)
            for item in self.objects.get(resource, ())
            if wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]

    async def exists(self, resource: str, name: str) -> bool:
        return any(item["metadata"]["name"] == name for item in await self.list_objects(resource))

    async def budgets(self) -> list[Object]:
        return await self.list_objects("poddisruptionbudgets")

    async def autoscalers(self) -> list[Object]:
        return await self.list_objects("horizontalpodautoscalers")

    async def pods(self, workload: Object) -> list[Object]:
        return await self.list_objects("pods")

    async def replica_sets(self, workload: Object) -> list[Object]:
        return await self.list_objects("replicasets")

    async def controller_revisions(self, workload: Object) -> list[Object]:
        return await self.list_objects("controllerrevisions")

    async def events(self, name: str) -> list[Object]:
        return await self.list_objects("events")

    async def node_requests(self) -> Mapping[str, Mapping[str, float]]:
        return {}

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        return True, ""


def merge(target: Any, change: Any) -> Any:
    """RFC 7386, by its own pseudo code."""
    if not isinstance(change, dict):
        return change
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merge(found.get(name), value)
    return found


class PlainWriter:
    """Carries out merge patches at once. `sent` has every write that was no dry run; `before` may refuse the next one, `after`
    loses its answer.
    """

    def __init__(self, cluster: PlainCluster) -> None:
        self.cluster = cluster
        self.sent: list[tuple[str, Any]] = []
        self.dry_runs: list[tuple[str, Any]] = []
        self.before: Callable[[str], SourceError | None] = lambda target: None
        self.after: Callable[[str], SourceError | None] = lambda target: None

    async def patch(
        self, resource: str, name: str, body: Any, *, subresource: str = "", content_type: str, dry_run: bool = False
    ) -> Object:
        target = f"{resource}/{name}"
        if dry_run:
            self.dry_runs.append((target, body))
        else:
            self.sent.append((target, body))
        if error := self.before(target):
            raise error
        found = next(item for item in self.cluster.objects[resource] if item["metadata"]["name"] == name)
        changed: Object = merge(found, body)
        if not dry_run:
            changed["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
            self.cluster.objects[resource] = [changed if item is found else item for item in self.cluster.objects[resource]]
            if error := self.after(target):
                raise error
        return changed
