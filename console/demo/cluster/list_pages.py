"""Lists: filtered by selectors, in pages, as of one version."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from console.demo.cluster import api_errors, selector
from console.demo.cluster.resource import Object, Resource
from console.demo.cluster.selector import Match
from console.demo.cluster.store import Store


def list_matcher(resource: Resource, query: Mapping[str, str]) -> Match:
    """The predicate of a query's label and field selectors. Raises ApiError 400."""
    by_label = selector.labels(query.get("labelSelector", ""))
    by_field = selector.fields(query.get("fieldSelector", ""), resource)
    return lambda item: by_label(item) and by_field(item)


def requested_version(query: Mapping[str, str]) -> int | None:
    """The resourceVersion of a query; None without one, or for `0`, which accepts any."""
    given = query.get("resourceVersion", "")
    if given in ("", "0"):
        return None
    if not given.isdigit():
        raise api_errors.internal(
            f'resourceVersion: Invalid value: "{given}": strconv.ParseUint: parsing "{given}": invalid syntax'
        )
    return int(given)


def list_page(store: Store, resource: Resource, namespace: str, query: Mapping[str, str]) -> Object:
    """A page of a list. Raises ApiError 410 where the continued version has expired, 400 for an invalid token."""
    match = list_matcher(resource, query)
    try:
        limit = int(query.get("limit") or 0)
    except ValueError:
        raise api_errors.bad_request(f'strconv.ParseInt: parsing "{query["limit"]}": invalid syntax') from None
    if query.get("continue"):
        version, start = _parse_token(query["continue"])
    else:
        requested = requested_version(query)
        if requested is not None and requested > store.version:
            raise api_errors.too_large(requested, store.version)
        exact = query.get("resourceVersionMatch") == "Exact" and requested is not None
        version, start = (requested if exact and requested is not None else store.version), ("", "")
    try:
        items = store.items(resource, namespace) if version == store.version else store.items_at(resource, namespace, version)
    except api_errors.ApiError as old:
        if not query.get("continue"):
            raise
        old.status["message"] = (
            "The provided continue parameter is too old to display a consistent list result. You must start a new list "
            "without the continue parameter."
        )
        raise
    rest = [item for item in items if _key(item) > start and match(item)]
    meta: Object = {"resourceVersion": str(version)}
    if limit and len(rest) > limit:
        meta["continue"] = _token(version, rest[limit - 1])
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            meta["remainingItemCount"] = len(rest) - limit
        rest = rest[:limit]
    listed = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in rest]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta, "items": listed}


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _token(version: int, last: Object) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": _key(last)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parse_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(read["rv"]), (str(read["start"][0]), str(read["start"][1]))
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError) as error:
        raise api_errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from None
