"""A bundle against the time machine: random moments on real servers, and again from the file with every server stopped."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from network import no_network

from console.config.load import load_settings
from console.config.settings import Settings
from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack
from console.journal.payloads import NoteWritten
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from console.replay.bundle_file import Bundle, open_bundle
from console.replay.collect import write_incident_bundle
from console.replay.session import ReplaySession
from console.replay.settings import build_settings
from console.replay.stored_queries import BundleWindow
from console.state.snapshot import Snapshot
from queries.catalogue.loader import load_dashboard
from queries.grafana.dashboard import OpenDashboard
from queries.model.dashboard import DashboardChoice
from queries.model.source import Health
from queries.text.times import utc

pytestmark = [pytest.mark.servers]
SECONDS = 45.0
MOMENTS = 60
STEP = 1.0


def read(snapshot: Snapshot) -> dict[str, Any]:
    """Everything that is compared: figures, alerts, owners, workloads, journal; nothing that says which source answered."""
    cluster = snapshot.cluster
    return {
        "panels": [(item.spec.id, item.verdict, item.value, sorted(item.samples, key=repr)) for item in snapshot.panels],
        "alerts": sorted(
            (
                item.alert.fingerprint,
                item.alert.state,
                item.alert.silenced_by,
                item.alert.starts_at,
                item.owner,
                item.alert.labels,
            )
            for item in snapshot.alerts
        ),
        "silences": sorted((item.id, item.state) for item in snapshot.silences),
        "workloads": sorted((item.target, item.ready, item.desired) for item in cluster.workloads) if cluster else None,
        "pods": sorted((item.name, item.phase) for item in cluster.pods) if cluster else None,
        "incidents": [(item.number, item.title, item.open) for item in snapshot.ledger.incidents.all],
        "changes": [(item.at, item.kind, item.text) for item in snapshot.changes],
        "sources": {item.name: item.health for item in snapshot.sources},
    }


async def look_at_board(session: Session, name: str, moment: float) -> list[tuple[str, float | None]]:
    """The values of a dashboard's panels, as the screen fetches them."""
    assert session.prometheus is not None
    dashboard = load_dashboard(name, namespace=session.settings.namespace)
    opened = OpenDashboard(session.prometheus, dashboard, DashboardChoice(name), clock=lambda: moment)
    try:
        result = await opened.refresh()
    finally:
        await opened.close()
    return [(item.id, max((sample.value for sample in item.samples), default=None)) for item in result.results]


def read_own_journal(settings: Settings) -> bytes:
    return Path(settings.paths.journal_file).read_bytes()


async def play(stack: DemoStack, session: Session) -> None:
    """A silence that ends, an owner and notes, while the bad release runs."""
    manager = stack.addresses.alertmanager
    ends = time.time() + SECONDS
    silence = ""
    async with httpx.AsyncClient() as client:
        while time.time() < ends:
            await asyncio.sleep(5.0)
            firing = session.snapshot().active
            if not firing:
                continue
            if not silence:
                now = time.time()
                body = {
                    "matchers": [{"name": "alertname", "value": firing[0].alert.name, "isRegex": False, "isEqual": True}],
                    "startsAt": utc(now),
                    "endsAt": utc(now + 8.0),
                    "createdBy": "ann",
                    "comment": "x",
                }
                answer = await client.post(f"{manager}/api/v2/silences", json=body)
                silence = answer.json()["silenceID"]
                await session.acknowledge(firing[0].alert.fingerprint, on=True)
            await session.record("note", NoteWritten("seen"))


async def replay(bundle: Bundle, settings: Settings, moments: list[float], board: str) -> tuple[list[Any], list[Any], Any]:
    """The same moments from the bundle: on its grid, half a step later, and a dashboard at the last of them."""
    session = ReplaySession(build_settings(settings, bundle), bundle)
    past = await session.open_past(time.time)
    try:
        exact = [read(await past.go(moment)) for moment in moments]
        later = [read(await past.go(moment + STEP / 2)) for moment in moments]
        await past.go(moments[-1])
        return exact, later, await look_at_board(past, board, moments[-1])
    finally:
        await past.close()
        await session.close()


async def test_a_bundle_shows_what_the_time_machine_shows(servers: Servers, tmp_path: Path) -> None:
    """Panels with every sample, alerts with silences and owners, workloads, pods, incidents and changes: exactly the same
    at each stored time, and until the next one; with all servers stopped, without one attempt to reach any, and without a
    change of the user's own journal.
    """
    dice = random.Random(17)
    file = tmp_path / "x.bundle.zip"
    with DemoStack(scenario("bad-deploy"), servers) as stack:
        environ = {**stack.addresses.environment(), "XDG_STATE_HOME": str(tmp_path)}
        settings = replace(load_settings({"refresh": 1.0}, environ), read_only=False)
        session = await asyncio.to_thread(Session.open, settings)
        session.start(lambda snapshot: None)
        await play(stack, session)
        alerts = tuple(session.snapshot().active[:2])
        incident = await session.incidents.declare(
            title="it broke", severity=None, alerts=alerts, commander="ann", stability_seconds=None, seconds_ago=0.0
        )
        await asyncio.sleep(5.0)
        end = time.time()
        window = BundleWindow(float(int(incident.began_at - 30.0)), end, STEP)
        written = await write_incident_bundle(session, incident, str(file), report=lambda text: None, window=window)
        past = PastSession(session)
        chosen = [float(dice.randrange(int(window.start) + 1, int(end) - 1)) for _ in range(MOMENTS)]
        moments = sorted((*chosen, float(int(end) - 1)))  # the last one is after the declaration
        expected = [read(await past.go(moment)) for moment in moments]
        await past.go(moments[-1])
        board = await look_at_board(past, "ocr_performance", moments[-1])
        await past.close()
        await session.close()
    assert {item.name: item.state for item in written.manifest.sources}["prometheus"] == "read", written.manifest.sources
    before = read_own_journal(settings)
    with no_network() as tried:
        exact, later, stored_board = await replay(open_bundle(file), settings, moments, "ocr_performance")
    assert tried == []
    assert read_own_journal(settings) == before
    wrong = [
        f"{name} at {moment}: {now[name]} instead of {then[name]}"
        for moment, then, now in zip(moments, expected, exact, strict=True)
        for name in then
        if now[name] != then[name]
    ]
    assert not wrong, "\n".join(wrong[:10])
    assert [item["panels"] for item in later] == [item["panels"] for item in exact]
    assert stored_board == board
    assert any(item["alerts"] for item in exact)
    assert any(item["silences"] for item in exact)
    assert any(item["incidents"] for item in exact)
    values = [value for item in exact for _, _, value, _ in item["panels"]]
    assert sum(value is None for value in values) <= 0.05 * len(values)
    assert all(item["sources"]["prometheus"] is Health.UP for item in exact)
