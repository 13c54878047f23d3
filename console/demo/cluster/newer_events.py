"""Events of events.k8s.io/v1: the objects of core/v1 under the field names of the newer API, to read."""

from __future__ import annotations

from collections.abc import Mapping

from console.demo.cluster import list_pages, selector
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import EVENTS, EVENTS_V1, Object
from console.demo.cluster.store import Store
from console.demo.cluster.watch import typed

_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "source": "deprecatedSource",
    "reportingComponent": "reportingController",
}


def respond(store: Store, registry: Registry, namespace: str, name: str, query: Mapping[str, str]) -> Object:
    """One event, or a page of a list. Raises ApiError."""
    if name:
        return typed(EVENTS_V1, _rename(registry.existing(EVENTS, namespace, name)))
    selector.fields(query.get("fieldSelector", ""), EVENTS_V1)
    fields = query.get("fieldSelector", "").replace("regarding.", "involvedObject.")
    page = list_pages.list_page(store, EVENTS, namespace, {**query, "fieldSelector": fields})
    return {**page, "apiVersion": EVENTS_V1.api_version, "items": [_rename(item) for item in page["items"]]}


def _rename(item: Object) -> Object:
    return {_NAMES.get(key, key): value for key, value in item.items()}
