"""`metadata.managedFields`: which manager set which field of a spec, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from console.demo.cluster.resource import Object

Paths: TypeAlias = dict[tuple[str, ...], Any]


def record_manager(before: Object | None, after: Object, *, manager: str, now: str, subresource: str = "") -> None:
    """Records in `after` that `manager` set the fields that differ from `before`, and drops removed fields."""
    old = dict(_leaves((before or {}).get("spec") or {}, ("f:spec",)))
    new = dict(_leaves(after.get("spec") or {}, ("f:spec",)))
    set_now = {path for path, value in new.items() if path not in old or old[path] != value}
    if before is not None and not set_now and old.keys() <= new.keys():
        if known := before["metadata"].get("managedFields"):
            after["metadata"]["managedFields"] = known
        return
    entries = []
    own = {"manager": manager, "operation": "Update", "apiVersion": after.get("apiVersion", "apps/v1"), "time": now}
    own = {**own, **({"subresource": subresource} if subresource else {})}
    kept: set[tuple[str, ...]] = set()
    for entry in ((before or {}).get("metadata") or {}).get("managedFields") or ():
        paths = set(_paths(entry["fieldsV1"])) & new.keys() - set_now
        if (entry["manager"], entry.get("subresource", "")) == (manager, subresource):
            kept = paths
            own = own if set_now else entry
        elif paths:
            entries.append({**entry, "fieldsV1": _nested(paths)})
    if kept | set_now:
        entries.append({**own, "fieldsType": "FieldsV1", "fieldsV1": _nested(kept | set_now)})
    after["metadata"]["managedFields"] = entries


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths and values: objects by key, lists of named objects by name, every other list as one field."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, f"f:{key}"))
    elif isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        for item in value:
            yield from _leaves(item, (*path, "k:" + json.dumps({"name": item["name"]}, separators=(",", ":"))))
    else:
        yield path, value


def _nested(paths: set[tuple[str, ...]]) -> dict[str, Any]:
    created: dict[str, Any] = {}
    for path in sorted(paths):
        at = created
        for key in path:
            at = at.setdefault(key, {})
    return created


def _paths(nested: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, item in nested.items():
        if item:
            yield from _paths(item, (*path, key))
        else:
            yield (*path, key)
