"""The EndpointSlices of Services, computed when they are read."""

from __future__ import annotations

from console.demo.cluster import selector
from console.demo.cluster.resource import PODS, SERVICES, Object
from console.demo.cluster.store import Store


def endpoint_slices(store: Store, namespace: str) -> list[Object]:
    """One for each Service with a selector: its pods with an address, and whether each is ready."""
    return [_slice(store, item) for item in store.items(SERVICES, namespace) if item["spec"].get("selector")]


def _slice(store: Store, service: Object) -> Object:
    meta = service["metadata"]
    chosen = selector.of_object({"matchLabels": service["spec"]["selector"]})
    pods = [pod for pod in store.items(PODS, meta["namespace"]) if chosen(pod["metadata"].get("labels") or {})]
    labels = {"kubernetes.io/service-name": meta["name"]}
    return {
        "metadata": {"name": f"{meta['name']}-demo", "namespace": meta["namespace"], "labels": labels},
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod) for pod in pods if pod["status"].get("podIP")],
        "ports": [{"name": item.get("name", ""), "port": item["port"]} for item in service["spec"].get("ports") or ()],
    }


def _endpoint(pod: Object) -> Object:
    conditions = pod["status"].get("conditions") or ()
    serving = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    ending = "deletionTimestamp" in pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not ending, "serving": serving, "terminating": ending},
        "targetRef": {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"],
                      "uid": pod["metadata"]["uid"]},
    }  # fmt: skip
