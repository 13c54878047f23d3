"""Records Events of the controllers, with a count of repetitions."""

from __future__ import annotations

import copy
import secrets

from console.demo.cluster.resource import EVENTS, Object
from console.demo.cluster.store import Store

_MAX_EVENTS = 500


def record_event(
    store: Store, about: Object, api_version: str, kind: str, *, reason: str, message: str, source: str, warn: bool = False
) -> None:
    """Creates an Event about an object, or increments the count of an equal one."""
    meta = about["metadata"]
    namespace = meta.get("namespace", "default")
    existing = store.items(EVENTS, namespace)
    for event in existing:
        same = event["involvedObject"].get("uid") == meta["uid"] and event["reason"] == reason
        if same and event["message"] == message:
            repeated = copy.deepcopy(event)
            repeated["count"] += 1
            repeated["lastTimestamp"] = store.now()
            store.update(EVENTS, repeated)
            return
    if len(existing) >= _MAX_EVENTS:
        oldest = min(existing, key=lambda item: item["lastTimestamp"])
        store.delete(EVENTS, namespace, oldest["metadata"]["name"])
    involved = {"kind": kind, "namespace": namespace, "name": meta["name"], "uid": meta["uid"], "apiVersion": api_version}
    store.create(
        EVENTS,
        {
            "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": {**involved, "resourceVersion": meta["resourceVersion"]},
            "reason": reason,
            "message": message,
            "source": {"component": source},
            "firstTimestamp": store.now(),
            "lastTimestamp": store.now(),
            "count": 1,
            "type": "Warning" if warn else "Normal",
            "eventTime": None,
            "reportingComponent": source,
            "reportingInstance": "",
        },
    )
