"""Two real Alertmanagers, one of which is lost."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from limits import extend
from servers import ALERTMANAGERS, alertmanager_of, start_alertmanager

from queries.alertmanager import Alertmanager
from queries.errors import RequestRejected, Unreachable
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.model.alert import AlertState

pytestmark = pytest.mark.servers


def utc(offset: float) -> str:
    return datetime.fromtimestamp(time.time() + offset, UTC).isoformat()


async def test_two_peers_then_one_then_none(tmp_path: Path) -> None:
    """Alerts of both are merged; the silence of one suppresses there; the loss of one is a warning, of both a fault."""
    with start_alertmanager(folder=tmp_path / "one") as one, start_alertmanager(folder=tmp_path / "two") as two:
        first, second = Endpoint(one.url), Endpoint(two.url)
        writer = Client(second, name="alertmanager", writes=True)
        other = Client(first, name="alertmanager", writes=True)
        shared = {"labels": {"alertname": "Shared", "severity": "critical"}, "startsAt": utc(-60)}
        await other.send("POST", "/api/v2/alerts", json=[shared, {"labels": {"alertname": "OnlyOne"}}])
        matcher = {"name": "alertname", "value": "Shared", "isRegex": False}
        silence = {"matchers": [matcher], "startsAt": utc(0), "endsAt": utc(600), "createdBy": "you", "comment": "known"}
        made = await writer.send("POST", "/api/v2/silences", json=silence)
        await writer.send("POST", "/api/v2/alerts", json=[shared])

        source = Alertmanager((first, second))
        state = await source.state()
        by_name = {alert.name: alert for alert in state.alerts}
        assert set(by_name) == {"Shared", "OnlyOne"} and (state.peers_up, state.peers_total) == (2, 2)
        assert by_name["Shared"].state is AlertState.SUPPRESSED  # the second peer heard of it last
        assert isinstance(made, dict) and by_name["Shared"].silenced_by == (made["silenceID"],)
        assert by_name["Shared"].priority.value == "P1" and by_name["Shared"].starts_at == pytest.approx(
            time.time() - 60, abs=30
        )
        assert state.version and state.receivers == ("nobody",)

        with pytest.raises(RequestRejected):
            await writer.send("POST", "/api/v2/silences", json={**silence, "matchers": []})
        two.kill()
        state = await source.state()
        assert (state.peers_up, len(state.warnings)) == (1, 1) and "refused" in state.warnings[0]
        assert {alert.state for alert in state.alerts} == {AlertState.ACTIVE}
        one.kill()
        with pytest.raises(Unreachable):
            await source.state()
        for client in (writer, other, source):
            await client.close()


MUTING = """\
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  routes: [{matchers: [severity="warning"], mute_time_intervals: [always]}]
receivers: [{name: nobody}]
time_intervals:
- name: always
  time_intervals: [{times: [{start_time: "00:00", end_time: "24:00"}]}]
"""


async def test_a_time_interval_mutes(tmp_path: Path) -> None:
    """A new release says `active` in its list; the console names the interval that mutes the alert."""
    with start_alertmanager(MUTING, folder=tmp_path, programs=alertmanager_of("new")) as server:
        endpoint, every_minute = Endpoint(server.url), itertools.count(0.0, 60.0).__next__  # nothing is cached
        writer, source = Client(endpoint, name="alertmanager", writes=True), Alertmanager((endpoint,), clock=every_minute)
        alerts = [{"labels": {"alertname": name, "severity": name}} for name in ("warning", "critical")]
        await writer.send("POST", "/api/v2/alerts", json=alerts)
        deadline = time.monotonic() + 20
        while {item.name: item.muted_by for item in (await source.state()).alerts} != {"warning": ("always",), "critical": ()}:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await writer.close()
        await source.close()


class _Counting(httpx.AsyncHTTPTransport):
    """The wire, and which paths were requested over it."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        return await super().handle_async_request(request)


INHIBITING = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 100ms, group_interval: 1s}
receivers: [{name: nobody}, {name: another}]
inhibit_rules: [{source_matchers: [alertname="Node"], target_matchers: [severity="warning"]}]
"""


@pytest.mark.parametrize("release", ALERTMANAGERS)
async def test_a_large_list_that_is_not_requested_is_the_same(
    release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is sent, silenced, inhibited, resolved, loaded or ends: each state is that of a source that always lists."""
    monkeypatch.setattr("queries.alertmanager.LARGE_BYTES", 0)
    ahead = 0.0

    def now() -> float:
        return time.time() + ahead

    with start_alertmanager(INHIBITING, folder=tmp_path, programs=alertmanager_of(release)) as server:
        endpoint, wire = Endpoint(server.url), _Counting()
        writer = Client(endpoint, name="alertmanager", writes=True)
        kept, plain = Alertmanager((endpoint,), transport=wire, clock=now), Alertmanager((endpoint,))

        async def send(name: str, *, ends: float = 600.0, **annotations: str) -> None:
            labels = {"alertname": name, "severity": "warning"}
            alert = {"labels": labels, "annotations": annotations, "startsAt": utc(-60), "endsAt": utc(ends)}
            await writer.send("POST", "/api/v2/alerts", json=[alert])

        async def look() -> int:
            """Compares both at once; how often the kept one requested the list."""
            wire.paths.clear()
            state = await kept.state(fresh=False)
            assert state.alerts == (await plain.state()).alerts
            return wire.paths.count("/api/v2/alerts")

        async def rest() -> None:
            """Until the list is no longer requested, on a clock that the test moves."""
            nonlocal ahead
            for _ in range(8):
                if await look() == 0:
                    return
                ahead += 1.0
            raise AssertionError("the list is requested with every poll")

        await send("One")
        await rest()
        assert await look() == 0

        async def silence() -> None:
            matcher = {"name": "alertname", "value": "One", "isRegex": False}
            body = {"matchers": [matcher], "startsAt": utc(0), "endsAt": utc(600), "createdBy": "you", "comment": "known"}
            made.append(await writer.send("POST", "/api/v2/silences", json=body))

        made: list[Any] = []
        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: send("Two"),
            lambda: send("One", summary="worse"),
            silence,
            lambda: writer.send("DELETE", f"/api/v2/silence/{made[0]['silenceID']}"),
            lambda: send("Node"),
            lambda: send("Node", ends=-1.0),
            lambda: send("Two", ends=-1.0),
        ]
        for change in changes:
            before = (await plain.state()).alerts
            await change()
            await look()
            assert (await plain.state()).alerts != before
            await rest()
        await send("Brief", ends=4.0)
        async with asyncio.timeout(extend(30.0)):
            while "Brief" in {item.name for item in (await plain.state()).alerts}:
                await look()
                await asyncio.sleep(0.2)
        await look()
        (tmp_path / "alertmanager.yml").write_text(INHIBITING.replace("receiver: nobody", "receiver: another"))
        await writer.send("POST", "/-/reload")
        await look()
        await kept.state()
        assert "/api/v2/alerts" in wire.paths
        for source in (kept, plain, writer):
            await source.close()
