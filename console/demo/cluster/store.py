"""Objects by name, with versions and the bounded history that watches read."""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Callable, Iterator

from console.demo.cluster import api_errors
from console.demo.cluster.resource import Object, Resource
from queries.model.frozen import dataclass
from queries.text.times import format_time

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """An event of the history: ADDED, MODIFIED or DELETED, with the object before and after."""

    version: int
    type: str
    resource: Resource
    key: Key
    before: Object | None
    after: Object | None

    @property
    def object(self) -> Object:
        return self.after if self.after is not None else self.before or {}


class Store:
    """Every write creates a new version. Reads return the stored object itself, which callers must not change."""

    def __init__(self, *, clock: Callable[[], float] = time.time, window: int = 2000) -> None:
        self.clock = clock
        self.version = 1000
        self._window = window
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._history: list[WatchEvent] = []
        self.listeners: list[Callable[[WatchEvent], None]] = []

    def now(self) -> str:
        return format_time(self.clock())

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def copy(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """A copy to change and pass to `update`."""
        return copy.deepcopy(self.get(resource, namespace, name))

    def items(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Sorted by namespace and name, as in etcd; an empty namespace means all."""
        kept = self._objects.get(resource, {})
        return [kept[key] for key in sorted(kept) if not namespace or key[0] == namespace]

    def items_at(self, resource: Resource, namespace: str, version: int) -> list[Object]:
        """The objects at an older version. Raises ApiError 410 where the history does not reach it."""
        if version < self.oldest - 1:
            raise api_errors.too_old(version, self.oldest)
        kept = dict(self._objects.get(resource, {}))
        for change in reversed(self._history):
            if change.version <= version:
                break
            if change.resource is resource:
                if change.before is None:
                    kept.pop(change.key, None)
                else:
                    kept[change.key] = change.before
        return [kept[key] for key in sorted(kept) if not namespace or key[0] == namespace]

    @property
    def oldest(self) -> int:
        """The first version whose change is still in the history."""
        return self._history[0].version if self._history else self.version + 1

    def since(self, version: int) -> Iterator[WatchEvent]:
        """The changes after a version. Raises ApiError 410 where some have expired."""
        if version < self.oldest - 1:
            raise api_errors.too_old(version, self.oldest)
        return iter(self._history[version + 1 - self.oldest :])

    def forget(self) -> None:
        """Drops the history, which expires every older version."""
        self._history.clear()

    def create(self, resource: Resource, new: Object) -> Object:
        meta = new["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if self.get(resource, *key) is not None:
            raise api_errors.exists(resource, meta["name"])
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", self.now())
        if resource.counted:
            meta["generation"] = 1
        return self._write("ADDED", resource, key, None, new)

    def update(self, resource: Resource, new: Object) -> Object:
        """Stores a changed copy; without a difference it creates no version, as in a real server."""
        key = (new["metadata"].get("namespace", ""), new["metadata"]["name"])
        before = self.get(resource, *key)
        if before is None:
            raise api_errors.not_found(resource, key[1])
        if resource.counted and new.get("spec") != before.get("spec"):
            new["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
        if new == before:
            return before
        return self._write("MODIFIED", resource, key, before, new)

    def delete(self, resource: Resource, namespace: str, name: str) -> Object:
        before = self.get(resource, namespace, name)
        if before is None:
            raise api_errors.not_found(resource, name)
        gone = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version + 1)}}
        return self._write("DELETED", resource, (namespace, name), gone, None)

    def _write(self, kind: str, resource: Resource, key: Key, before: Object | None, after: Object | None) -> Object:
        self.version += 1
        kept = self._objects.setdefault(resource, {})
        if after is None:
            kept.pop(key)
        else:
            after["metadata"]["resourceVersion"] = str(self.version)
            kept[key] = after
        change = WatchEvent(self.version, kind, resource, key, before, after)
        self._history.append(change)
        if len(self._history) > self._window:
            del self._history[: len(self._history) - self._window]
        for listener in tuple(self.listeners):
            listener(change)
        return change.object
