"""A node agent in eighty lines: it binds pods to one node, calls them ready, ends those of Jobs and lets them go."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import httpx

NODE = "node-of-the-tests"
NEVER_READY = "broken"
"""Pods whose first image has this in its tag stay in ImagePullBackOff."""
FAILING = "failing"
"""Pods with restartPolicy Never end at once; those whose first image has this in its name fail."""


class FakeKubelet:
    """Follows all pods over one watch in a thread of its own; `stop` ends it at the next event or time-out."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._pods = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-kubelet", daemon=True)

    def start(self) -> None:
        self._client.post("/api/v1/nodes", json={"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                listed = self._client.get("/api/v1/pods").json()
                for pod in listed["items"]:
                    self._look(pod)
                query = {"watch": "1", "timeoutSeconds": "2", "resourceVersion": listed["metadata"]["resourceVersion"]}
                with self._client.stream("GET", "/api/v1/pods", params=query) as lines:
                    for line in lines.iter_lines():
                        event = json.loads(line)
                        if event["type"] in ("ADDED", "MODIFIED"):
                            self._look(event["object"])
            except (httpx.TransportError, KeyError):
                self._stopping.wait(0.2)

    def _look(self, pod: dict[str, Any]) -> None:
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if "deletionTimestamp" in pod["metadata"]:
            self._client.request("DELETE", path, json={"gracePeriodSeconds": 0})
        elif not pod["spec"].get("nodeName"):
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]}}
            self._client.post(f"{path}/binding", json={**binding, "target": {"kind": "Node", "name": NODE}})
        elif pod["status"].get("phase") == "Pending" and NEVER_READY not in pod["spec"]["containers"][0]["image"]:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            ready = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")]
            containers = [
                {"name": item["name"], "image": item["image"], "imageID": "", "ready": True, "started": True,
                 "restartCount": 0, "state": {"running": {"startedAt": now}}}
                for item in pod["spec"]["containers"]
            ]  # fmt: skip
            self._pods += 1
            address = f"10.9.{self._pods // 250}.{self._pods % 250 + 1}"
            status = {"phase": "Running", "startTime": now, "conditions": ready, "containerStatuses": containers,
                      "podIP": address, "podIPs": [{"ip": address}]}  # fmt: skip
            self._patch_status(path, status)
        elif pod["status"].get("phase") == "Running" and pod["spec"]["restartPolicy"] == "Never":
            failed = FAILING in pod["spec"]["containers"][0]["image"]
            end = {"exitCode": int(failed), "reason": "Error" if failed else "Completed"}
            containers = [
                {**item, "ready": False, "state": {"terminated": end}} for item in pod["status"].get("containerStatuses") or ()
            ]
            unready = [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")]
            phase = "Failed" if failed else "Succeeded"
            self._patch_status(path, {"phase": phase, "conditions": unready, "containerStatuses": containers})

    def _patch_status(self, path: str, status: dict[str, Any]) -> None:
        self._client.patch(
            f"{path}/status",
            content=json.dumps({"status": status}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
