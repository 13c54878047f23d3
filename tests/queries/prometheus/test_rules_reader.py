"""Rules without a client of Prometheus, from the server itself or from a ruler beside it; and how often they are evaluated."""

from __future__ import annotations

from email.utils import formatdate

import httpx
import pytest

from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.model.rule import RuleGroup
from queries.prometheus.recorded_panels import RecordedPanels
from queries.prometheus.rules_reader import RulesReader


class Servers:
    """A Prometheus and its ruler, which name themselves in the alert that they list."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lost: set[str] = set()
        self.config = ""

    def answer(self, request: httpx.Request) -> httpx.Response:
        host, path = request.url.host, request.url.path
        self.asked.append(f"{host}{path}")
        if host in self.lost:
            raise httpx.ConnectError("refused")
        if path.endswith("/config") and self.config:
            return httpx.Response(200, json={"status": "success", "data": {"yaml": self.config}})
        if not path.endswith("/rules"):
            return httpx.Response(404)
        alert = {
            "state": "firing",
            "labels": {"alertname": host},
            "annotations": {},
            "activeAt": "2026-01-01T00:00:00Z",
            "value": "1",
        }
        rule = {"type": "alerting", "name": host, "query": "x", "duration": 0, "labels": {}, "annotations": {}, "health": "ok",
                "state": "firing", "alerts": [alert]}  # fmt: skip
        group = {"name": "g", "file": "f", "interval": 5, "rules": [rule]}
        return httpx.Response(200, json={"status": "success", "data": {"groups": [group]}})


def open_reader(servers: Servers, *, ruler: bool) -> RulesReader:
    endpoint = Endpoint("http://prometheus", ruler=Endpoint("http://ruler") if ruler else None)
    return RulesReader(endpoint, transport=httpx.MockTransport(servers.answer), clock=lambda: 0.0)


@pytest.mark.parametrize("ruler", [False, True])
async def test_rules_come_from_whoever_evaluates_them(ruler: bool) -> None:
    """With a ruler nothing is asked of the server itself; the size is that of the last answer, and 0 before it."""
    servers = Servers()
    reader = open_reader(servers, ruler=ruler)
    assert reader.size == 0
    found = await reader.read()
    host = "ruler" if ruler else "prometheus"
    assert [item.name for item in found.alerts] == [host] and reader.size > 100
    assert {item.partition("/")[0] for item in servers.asked} == {host}
    assert reader.ruler.where == f"http://{host}"
    await reader.close()


async def test_the_labels_that_the_server_adds_are_known_where_its_configuration_is() -> None:
    """They say which of Alertmanager's alerts its rules decide on; a server that does not show them has none."""
    servers = Servers()
    servers.config = "global: {external_labels: {cluster: eu}}"
    for expected in ((("cluster", "eu"),), ()):
        reader = open_reader(servers, ruler=False)
        assert (await reader.read()).external_labels == expected
        await reader.close()
        servers.config = ""


@pytest.mark.parametrize("lost", ["ruler", "prometheus"])
async def test_a_ruler_that_is_gone_is_not_replaced_by_the_server(lost: str) -> None:
    """Whose rules would be others; the server's own failure does not matter to them."""
    servers = Servers()
    servers.lost = {lost}
    reader = open_reader(servers, ruler=True)
    if lost == "ruler":
        with pytest.raises(SourceError) as told:
            await reader.read()
        assert told.value.fault.where == "http://ruler"
    else:
        assert [item.name for item in (await reader.read()).alerts] == ["ruler"]
    await reader.close()


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [((), 30.0), ((0.0,), 30.0), ((0.0, 5.0), 5.0), ((30.0, 10.0), 10.0), ((60.0,), 30.0), ((0.5,), 0.5)],
)
def test_the_shortest_interval_counts_and_none_is_none(intervals: tuple[float, ...], seconds: float) -> None:
    """A server that reports no interval says 0; longer ones than usual make no chart coarser."""
    panels = RecordedPanels()
    panels.update_intervals([RuleGroup("g", "f", (), interval) for interval in intervals])
    assert panels.evaluation_seconds == seconds


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [(0, 29, 0), (0, 30, 30), (0, 31, 31), (3600, 3609, 3600), (3600, 3610, 3610), (3600, 3591, 3600), (3600, 3590, 3590)],
)
async def test_the_difference_of_clocks_moves_in_steps(
    monkeypatch: pytest.MonkeyPatch, before: int, now: int, shown: int
) -> None:
    """Half a minute counts; of a known one a change of ten seconds, which is more than a slow answer makes of it."""
    here = 1_800_000_000.0
    monkeypatch.setattr("queries.http.client.time.time", lambda: here)
    servers = Servers()

    def answer(request: httpx.Request) -> httpx.Response:
        response = servers.answer(request)
        response.headers["date"] = formatdate(here + ahead, usegmt=True)
        return response

    reader = RulesReader(Endpoint("http://prometheus"), transport=httpx.MockTransport(answer), clock=lambda: 0.0)
    ahead = before
    await reader.read()
    ahead = now
    assert (await reader.read()).ahead_seconds == shown
    await reader.close()
