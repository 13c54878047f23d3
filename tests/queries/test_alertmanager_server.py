"""Two real Alertmanagers, one of which is lost."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers import alertmanager_of, start_alertmanager

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
