"""The board of the consoles of one cluster: a ConfigMap with one key a console, changed by merge patches and watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from queries.errors import RequestRejected
from queries.kubernetes.api import KubeApi
from queries.kubernetes.objects import Meta, Struct
from queries.kubernetes.watch import PRESENCE_LABEL, Kind, Watcher
from queries.model.fault import Fault
from queries.model.managing_tools import OWN_MANAGER

NAME = "cad-console-presence"
_SILENT_SECONDS = 12.0
"""Longer than two heartbeats: the watch may be dead, or this console is the only one."""
_MERGE = {"Content-Type": "application/merge-patch+json"}
_JSON = {"Content-Type": "application/json"}
_MANAGER: Any = [("fieldManager", OWN_MANAGER)]


class _Object(Struct):
    metadata: Meta
    data: dict[str, str] | None = None


class ConfigMapBoard:
    """Two consoles never conflict: a merge patch names its own key, and no version."""

    poll_seconds = 60.0
    live = False

    def __init__(self, api: KubeApi, namespace: str, *, backoff_cap_seconds: float) -> None:
        self._api = api
        self._namespace = namespace
        self._cap = backoff_cap_seconds
        self._kind = Kind("configmaps", "/api/v1", _Object, self._note, labels=PRESENCE_LABEL)
        self._path = self._kind.path(namespace)
        self._watcher: Watcher | None = None
        self._latest: Mapping[str, str] = {}
        self._version = -1
        self._received_at = float("-inf")

    @property
    def fault(self) -> Fault | None:
        return self._watcher.fault if self._watcher else None

    def open(self, changed: Callable[[], None]) -> None:
        self._watcher = Watcher(self._api, self._kind, self._namespace, changed=changed, backoff_cap_seconds=self._cap)
        self._watcher.start()

    def entries(self) -> Mapping[str, str] | None:
        if self._watcher is None or not self._watcher.settled:
            return None
        if time.monotonic() - self._received_at > _SILENT_SECONDS and not self.fault:
            self._fetch()
        return self._latest

    def write(self, identity: str, text: str) -> None:
        for is_last in (False, True):
            try:
                self._patch({identity: text})
                return
            except RequestRejected as error:
                if error.fault.status != 404:
                    raise
            try:
                self._create({identity: text})
                return
            except RequestRejected as error:
                if error.fault.status != 409 or is_last:  # another console was faster
                    raise

    def remove(self, identity: str) -> None:
        try:
            self._patch({identity: None})
        except RequestRejected as error:
            if error.fault.status != 404:
                raise

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()

    def _fetch(self) -> None:
        try:
            self._accept(self._api.call_decoded(_Object, "GET", f"{self._path}/{NAME}"))
        except RequestRejected as error:
            if error.fault.status != 404:
                raise
            self._latest, self._received_at = {}, time.monotonic()

    def _patch(self, data: Mapping[str, str | None]) -> None:
        answer = self._api.call("PATCH", f"{self._path}/{NAME}", _MANAGER, {"data": data}, _MERGE)
        self._accept(self._api.decode(answer, _Object))

    def _create(self, data: Mapping[str, str]) -> None:
        label, _, value = PRESENCE_LABEL.partition("=")
        metadata = {"name": NAME, "labels": {label: value, "app.kubernetes.io/managed-by": "cad-console"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        self._accept(self._api.decode(self._api.call("POST", self._path, _MANAGER, body, _JSON), _Object))

    def _accept(self, item: _Object) -> None:
        """A response to this console: current, whatever was known before."""
        number = _number(item)
        self._latest, self._version, self._received_at = item.data or {}, number, time.monotonic()

    def _note(self, item: _Object) -> _Object:
        """What the watch brings, in its own thread: it may be older than a response."""
        if item.metadata.name == NAME and _number(item) >= self._version:
            self._accept(item)
        return item


def _number(item: _Object) -> int:
    version = item.metadata.resource_version
    return int(version) if version.isascii() and version.isdigit() and len(version) < 20 else 0
