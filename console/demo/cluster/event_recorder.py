"""Events: what the controllers tell people, counted when it repeats."""

from __future__ import annotations

import copy
import secrets

from console.demo.cluster.resource import EVENTS, Object
from console.demo.cluster.store import Store

_KEPT = 500


def record(
    store: Store, about: Object, api_version: str, kind: str, *, reason: str, message: str, source: str, warn: bool = False
) -> None:
    """Writes an Event about an object, or counts up the equal one that is there already."""
    meta = about["metadata"]
    namespace = meta.get("namespace", "default")
    existing = store.items(EVENTS, namespace)
    for event in existing:
        same = event["involvedObject"].get("uid") == meta["uid"] and event["reason"] == reason
        if same and event["message"] == message:
            again = copy.deepcopy(event)
            again["count"] += 1
            again["lastTimestamp"] = store.now()
            store.update(EVENTS, again)
            return
    if len(existing) >= _KEPT:
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
