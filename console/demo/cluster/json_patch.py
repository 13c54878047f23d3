"""JSON patch (RFC 6902) with JSON pointers (RFC 6901)."""

from __future__ import annotations

import copy
from typing import Any

from console.demo.cluster import api_errors


def applied(document: Any, operations: list[Any]) -> Any:
    """Applies the operations in place, in order; any that does not fit is the server's opaque 422."""
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise api_errors.opaque()
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), _steps(operation["path"])
    match kind:
        case "add":
            return _put(document, path, _value(operation), insert=True)
        case "replace":
            _read(document, path)
            return _put(document, path, _value(operation), insert=False)
        case "remove":
            return _remove(document, path)
        case "test":
            if not _same(_read(document, path), operation.get("value")):
                raise api_errors.opaque()
            return document
        case "move":
            origin = _steps(str(operation.get("from", "")))
            value = _read(document, origin)
            return _put(_remove(document, origin), path, value, insert=True)
        case "copy":
            value = copy.deepcopy(_read(document, _steps(str(operation.get("from", "")))))
            return _put(document, path, value, insert=True)
        case _:
            raise api_errors.opaque()


def _same(left: Any, right: Any) -> bool:
    # True equals 1 in Python, but not in JSON
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise api_errors.opaque()
    return operation["value"]


def _steps(pointer: str) -> list[str]:
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise api_errors.opaque()
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _index(items: list[Any], step: str, *, end: bool) -> int:
    if step == "-" and end:
        return len(items)
    if not step.isdigit() or int(step) > len(items) - (0 if end else 1):
        raise api_errors.opaque()
    return int(step)


def _child(parent: Any, step: str) -> Any:
    if isinstance(parent, dict) and step in parent:
        return parent[step]
    if isinstance(parent, list):
        return parent[_index(parent, step, end=False)]
    raise api_errors.opaque()


def _read(document: Any, path: list[str]) -> Any:
    for step in path:
        document = _child(document, step)
    return document


def _put(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        at = _index(parent, last, end=insert)
        parent[at : at if insert else at + 1] = [value]
    else:
        raise api_errors.opaque()
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent, last = _read(document, path[:-1]), path[-1]
    _child(parent, last)
    if isinstance(parent, list):
        del parent[_index(parent, last, end=False)]
    else:
        del parent[last]
    return document
