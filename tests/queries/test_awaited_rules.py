"""The first values of a Prometheus while its rules are still on their way."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from queries.catalogue.loader import load_dashboard
from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.prometheus.client import Prometheus

SPECS = load_dashboard("platform_overview").panels
EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}


class LateRules(httpx.AsyncBaseTransport):
    """Answers queries at once, and the rules, with 403, when `rules` is set."""

    def __init__(self) -> None:
        self.rules = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/rules"):
            await self.rules.wait()
            return httpx.Response(403, text="forbidden", request=request)
        return httpx.Response(200, json=EMPTY, request=request)


@pytest.mark.parametrize("turns", range(40))
async def test_a_cancellation_that_arrives_with_the_rules_ends_the_request(turns: int) -> None:
    """Whichever turn of the loop it hits, a cancelled refresh ends: a console that closes does not hang."""
    transport = LateRules()
    source = Prometheus(Endpoint("http://prometheus.example"), transport=transport)
    source.rules_expected = True
    rules = asyncio.ensure_future(source.rules())
    panels = asyncio.ensure_future(source.panels(SPECS))
    await asyncio.sleep(0.01)
    transport.rules.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    assert panels.cancel() or panels.done()
    if not panels.done():
        with pytest.raises(asyncio.CancelledError):
            await panels
    with pytest.raises(SourceError):
        await rules
    await source.close()
