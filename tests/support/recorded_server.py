"""A server that answers as a real one did: `tests/newest/record.py` made the recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx
from loopback import RECORDINGS

from queries.http.endpoint import Endpoint
from queries.prometheus.client import Prometheus

_OURS = ("timeout", "time", "start", "end", "step")
"""Parameters that the console adds and that the recordings leave out."""


class RecordedServer:
    """Answers the requests of a recording, and fails the test for any other. `rulers` are recordings by host name."""

    def __init__(self, name: str, **rulers: str) -> None:
        self._answers = {"prometheus": _load(name), **{host: _load(other) for host, other in rulers.items()}}
        self.paths: list[str] = []

    def source(self, *, ruler: str = "") -> Prometheus:
        endpoint = Endpoint("http://prometheus", ruler=Endpoint(f"http://{ruler}") if ruler else None)
        return Prometheus(endpoint, transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        raw = request.content.decode() if request.method == "POST" else request.url.query.decode()
        params = {name: values[0] for name, values in parse_qs(raw).items() if name not in _OURS}
        found = self._answers[request.url.host].get(_key(request.url.path, params))
        assert found is not None, f"not recorded: {request.url.path} {params}"
        return httpx.Response(found["status"], headers={"content-type": found["type"]}, text=found["body"])


def _load(name: str) -> dict[str, dict[str, Any]]:
    recorded = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return {_key(item["path"], item["params"]): item for item in recorded}


def _key(path: str, params: Mapping[str, str]) -> str:
    return json.dumps([path, dict(sorted(params.items()))])
