"""JSON patch, merge patch and strategic merge patch, chosen by content type, with the errors of a real API server."""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any

import json_merge_patch
import jsonpatch
import jsonpointer

from console.demo.cluster import api_errors, strategic_patch
from console.demo.cluster.resource import Object

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"


class _TestOperation(jsonpatch.TestOperation):
    """Distinguishes true from 1, which are equal in Python but not in JSON."""

    def apply(self, document: Any) -> Any:
        value = self.pointer.resolve(document)
        if isinstance(value, bool) is not isinstance(self.operation.get("value"), bool):
            raise jsonpatch.JsonPatchTestFailed("a Boolean is not a number")
        return super().apply(document)


class _ReplaceOperation(jsonpatch.ReplaceOperation):
    """Adds a member that an object does not have, as the API server does against RFC 6902."""

    def apply(self, document: Any) -> Any:
        target, name = self.pointer.to_last(document)
        if isinstance(target, dict) and name is not None:
            target.setdefault(name, None)
        return super().apply(document)


class _JsonPatch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "test": _TestOperation, "replace": _ReplaceOperation})


def apply_json_patch(document: Any, operations: list[Any]) -> Any:
    """A patched copy (RFC 6902). Raises ApiError 422, which names no operation, as in a real server."""
    try:
        return _JsonPatch(operations).apply(document)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, ValueError, KeyError, IndexError):
        raise api_errors.opaque() from None


def apply_merge_patch(target: Any, change: Any) -> Any:
    """A patched copy (RFC 7386)."""
    return json_merge_patch.merge(copy.deepcopy(target), copy.deepcopy(change))


def apply_patch(before: Object, change: Any, content_type: str) -> Object:
    """A patched copy of an object. Raises ApiError 400, 415 or 422, as a real server."""
    if content_type == JSON:
        if not isinstance(change, list):
            kind = "object" if isinstance(change, dict) else type(change).__name__
            raise api_errors.bad_request(
                f"error decoding patch: json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp"
            )
        result = apply_json_patch(before, change)
    elif not isinstance(change, dict):
        raise api_errors.bad_request("error decoding patch: the patch is not a JSON object")
    elif content_type == MERGE:
        result = apply_merge_patch(before, change)
    elif content_type == STRATEGIC:
        result = strategic_patch.apply_strategic(copy.deepcopy(before), change)
    else:
        raise api_errors.unsupported_patch()
    if not isinstance(result, dict):
        raise api_errors.opaque()
    return result
