"""Loki for a test: the stand-in of the demo behind httpx' transport, and what Loki 3.7.8 itself was seen to answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from loopback import RECORDINGS

from console.demo.loki import Limits, LineStore
from queries.http.endpoint import Endpoint, HttpConfig
from queries.loki import Loki

RECORDED: dict[str, dict[str, Any]] = {
    item["case"]: item for item in json.loads((RECORDINGS / "loki-3.7.8.json").read_text(encoding="utf-8"))
}


def recorded(case: str) -> tuple[Loki, list[httpx.Request]]:
    """A client whose server gives this recorded answer to everything, and what it requested."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        found = RECORDED[case]
        return httpx.Response(found["status"], headers={"content-type": found["type"]}, text=found["body"])

    return Loki(Endpoint("http://loki.test/prefix"), transport=httpx.MockTransport(answer)), requests


class KeptLines:
    """A store of lines, and clients of it. `fails` may give an answer instead, or None; `held` keeps lines until it is set."""

    def __init__(self, now: float, *, limits: Limits | None = None) -> None:
        self.now = now
        self.store = LineStore(limits or Limits())
        self.requests: list[httpx.Request] = []
        self.held: asyncio.Event | None = None
        self.fails: Callable[[httpx.Request], httpx.Response | None] = lambda _: None

    def client(self, *, tenant: str = "") -> Loki:
        headers = (("X-Scope-OrgID", tenant),) if tenant else ()
        endpoint = Endpoint("http://loki.test", http=HttpConfig(http_headers=headers), timeout_seconds=60.0)
        return Loki(endpoint, transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.held is not None and request.url.path.endswith("/query_range"):
            await self.held.wait()
        if (failure := self.fails(request)) is not None:
            return failure
        headers = {name.lower(): value for name, value in request.headers.items()}
        params = dict(request.url.params.items())
        status, kind, body = self.store.answer(request.url.path, params, headers, now=self.now)
        return httpx.Response(status, headers={"content-type": kind}, content=body)
