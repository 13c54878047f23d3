"""Merge patch (RFC 7386) and the choice between the three kinds of patch by content type."""

from __future__ import annotations

import copy
from typing import Any

from console.demo.cluster import api_errors, json_patch, strategic_patch
from console.demo.cluster.resource import Object

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"


def merged(target: Any, change: Any) -> Any:
    """A new value: objects are merged, null removes, everything else replaces."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def patched(before: Object, change: Any, content_type: str) -> Object:
    """A patched copy of an object; Failure 400, 415 or 422 as the real server answers."""
    if content_type == JSON:
        if not isinstance(change, list):
            kind = "object" if isinstance(change, dict) else type(change).__name__
            raise api_errors.bad_request(
                f"error decoding patch: json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp"
            )
        result = json_patch.applied(copy.deepcopy(before), change)
    elif not isinstance(change, dict):
        raise api_errors.bad_request("error decoding patch: the patch is no JSON object")
    elif content_type == MERGE:
        result = copy.deepcopy(merged(before, change))
    elif content_type == STRATEGIC:
        result = strategic_patch.applied(copy.deepcopy(before), change)
    else:
        raise api_errors.unsupported_patch()
    if not isinstance(result, dict):
        raise api_errors.opaque()
    return result
