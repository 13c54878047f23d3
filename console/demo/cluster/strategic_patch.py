"""Strategic merge patch: merges lists of named objects by key, and supports `$patch` and related directives."""

from __future__ import annotations

import copy
from typing import Any

from console.demo.cluster import api_errors

MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "ports": "containerPort",
    "volumes": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "imagePullSecrets": "name",
    "hostAliases": "ip", "conditions": "type", "ownerReferences": "uid", "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}  # fmt: skip
"""Merge keys by field; field names suffice for the served kinds."""

MERGED_VALUES = frozenset({"finalizers"})
"""Lists of plain values that are merged as sets."""


def apply_strategic(target: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The patched object; do not use the arguments afterwards. Raises ApiError."""
    return _object(target, change)


def _object(target: Any, change: dict[str, Any]) -> dict[str, Any]:
    directive = change.get("$patch")
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in change.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise api_errors.bad_request(f"error decoding patch: unknown $patch directive {directive!r}")
    result: dict[str, Any] = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        _field(result, key, value)
    for key, order in change.items():
        if key.startswith("$setElementOrder/"):
            _sort(result, key.partition("/")[2], order)
    if isinstance(keep := change.get("$retainKeys"), list):
        result = {key: value for key, value in result.items() if key in keep}
    return result


def _field(result: dict[str, Any], key: str, value: Any) -> None:
    if key.startswith("$deleteFromPrimitiveList/"):
        field = key.partition("/")[2]
        result[field] = [item for item in result.get(field) or () if item not in value]
    elif key.startswith("$"):
        return
    elif value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        result[key] = _object(result.get(key), value)
    elif isinstance(value, list) and key in MERGE_KEYS and all(isinstance(item, dict) for item in value):
        result[key] = _list(key, result.get(key) or [], value)
    elif isinstance(value, list) and key in MERGED_VALUES:
        result[key] = [*(result.get(key) or ()), *(item for item in value if item not in (result.get(key) or ()))]
    else:
        result[key] = copy.deepcopy(value)


def _list(field: str, target: list[Any], change: list[dict[str, Any]]) -> list[Any]:
    # a Service's ports are merged by `port`, a container's by `containerPort`
    key = "port" if field == "ports" and any("port" in item for item in (*target, *change)) else MERGE_KEYS[field]
    if any(item.get("$patch") == "replace" for item in change):
        return [copy.deepcopy(item) for item in change if "$patch" not in item]
    result = list(target)
    fresh: list[Any] = []
    for item in change:
        if key not in item:
            shown = " ".join(f"{name}:{value}" for name, value in sorted(item.items()))
            raise api_errors.internal(f"map: map[{shown}] does not contain declared merge key: {key}")
        at = next((parse_path for parse_path, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            fresh.append(_object({}, item))
        else:
            result[at] = _object(result[at], item)
    # the real server puts new items first
    return [*fresh, *result]


def _sort(result: dict[str, Any], field: str, order: Any) -> None:
    items = result.get(field)
    if not isinstance(items, list) or not isinstance(order, list):
        return
    key = MERGE_KEYS.get(field)
    ordered = [item.get(key) if isinstance(item, dict) else item for item in order]

    def parse_path(item: Any) -> int:
        value = item.get(key) if isinstance(item, dict) else item
        return ordered.index(value) if value in ordered else len(ordered)

    items.sort(key=parse_path)
