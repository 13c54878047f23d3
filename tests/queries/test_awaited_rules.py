"""The first values of a Prometheus while its rules are still on their way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from queries.catalogue.loader import load_dashboard
from queries.endpoint import Endpoint
from queries.prometheus import Prometheus

SPECS = load_dashboard("platform_overview").panels


class Slow(httpx.AsyncBaseTransport):
    """Answers at once, the rules when `rules` is set; what it was asked is in `queries`."""

    def __init__(self) -> None:
        self.rules = asyncio.Event()
        self.queries: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/rules"):
            await self.rules.wait()
            return httpx.Response(200, json={"status": "success", "data": {"groups": []}}, request=request)
        asked = dict(request.url.params) | dict(httpx.QueryParams((await request.aread()).decode()))
        self.queries.append(asked.get("query", ""))
        return httpx.Response(200, content=json.dumps(EMPTY).encode(), request=request)


EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Prometheus, Slow]]:
    transport = Slow()
    source = Prometheus(Endpoint("http://prometheus.example"), transport=transport)
    source.expect_rules()
    yield source, transport
    await source.close()


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_that_meets_the_rules_is_not_lost(slow: tuple[Prometheus, Slow], turns: int) -> None:
    """Who leaves at the moment in which the rules come leaves: a console that closes does not wait for ever."""
    source, transport = slow
    rules = asyncio.ensure_future(source.rules())
    panels = asyncio.ensure_future(source.panels(SPECS))
    await asyncio.sleep(0.05)
    source._rules_answered.set()
    for _ in range(turns):  # in one of them who waits is woken, and has not run yet
        await asyncio.sleep(0)
    panels.cancel()
    with pytest.raises(asyncio.CancelledError):
        await panels
    transport.rules.set()
    await rules
