"""Panels over logs in a bundle: a replay has the counts that Loki gave, by the documented format, and is never fine without."""

from __future__ import annotations

import asyncio
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from network import no_network
from past_platform import parts
from told_platform import told_platform

from console.config.load import load_settings
from console.config.settings import Settings
from console.demo.loki import LineStore
from console.demo.loki_server import LokiApi
from console.monitor.dashboard_poller import DashboardPoller, DashboardReading, evaluate_dashboard
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from console.replay.bundle_file import open_bundle
from console.replay.collect import write_incident_bundle
from console.replay.session import ReplaySession
from console.replay.settings import build_settings
from console.runbooks.steps import StepResult
from console.state.snapshot import DashboardState
from queries.errors import SourceError
from queries.model.dashboard import DashboardChoice
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.source import Health
from queries.model.verdict import Verdict

NANO = 10**9
NOW = float(int(time.time()) // 15 * 15)
BEGAN = NOW - 1800.0
MOMENTS = (BEGAN - 3000.0, BEGAN - 15.0, BEGAN, BEGAN + 330.0, NOW - 60.0)
ERRORS = 'sum(count_over_time({app="api"} |= "ERROR" [5m]))'
BY_POD = 'sum by (pod) (count_over_time({app="api"} [5m]))'
STEP = 'sum(count_over_time({app="api"} |= "refused" [10m]))'
PANEL = f"""panels:
  - {{id: log_errors, title: Errors in the log, unit: count, source: loki, raw: '{ERRORS}', warn: 3, critical: 100}}
  - {{id: log_broken, title: Not a query, unit: count, source: loki, raw: '{{app="api"}}'}}
"""
BOARD = f"""title: Shop
panels:
  - {{id: by_pod, title: Lines, unit: count, source: loki, raw: '{BY_POD}', by: pod}}
"""
RUNBOOK = f"""---
title: The shop takes no orders
alerts: [ShopOrdersStopped]
severity: critical
component: shop
steps:
  - {{phase: confirm, title: Are orders refused?, source: loki, query: '{STEP}', unit: count, warn: 1}}
  - {{phase: verify, title: Are they taken again?, source: loki, query: '{STEP}', unit: count, warn: 1}}
actions:
  - {{action: rollback, target: deployment/shop}}
escalate:
  - {{to: platform, when: not mitigated 15 minutes after the alert (P1)}}
---

## What it means

Customers cannot order.
"""
BROKEN = "the query has lines as its result, not numbers: count them: count_over_time"
ALERT = {"alertname": "ShopOrdersStopped", "severity": "critical"}


def lines() -> list[tuple[float, str, str]]:
    """Time, pod and text: a line of each of two pods every 20 s, with an error a minute until the incident and six after."""
    found = []
    for number in range(600):
        at = NOW - 20.0 * number - 7.25
        loud = at >= BEGAN and number % 2 == 0
        found.append((at, "a", f"ERROR {number}" if loud or number % 3 == 0 else f"ok {number}"))
        found.append((at + 0.5, "b", f"refused {number}" if at >= BEGAN else f"ok {number}"))
    return found


def count(moment: float, word: str, seconds: float, pod: str = "") -> float:
    """The lines with a word in the seconds up to a moment, from the lines themselves."""
    return float(sum(word in text and pod in ("", whose) and moment - seconds < at <= moment for at, whose, text in lines()))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of a platform with Loki and an alert that fires since the incident began."""
    tmp_path = tmp_path_factory.mktemp("platform")
    store = LineStore()
    for at, pod, text in sorted(lines()):
        store.push({"app": "api", "pod": pod}, [(int(at * NANO), text)])
    loki = LokiApi(store, clock=time.time)
    loki.start()
    (tmp_path / "runbooks").mkdir()
    for name, text in (("panels.yaml", PANEL), ("shop.yaml", BOARD), ("runbooks/shop-orders-stopped.md", RUNBOOK)):
        (tmp_path / name).write_text(text)
    places = f"panels: [{tmp_path}/panels.yaml, {tmp_path}/shop.yaml]\nrunbooks: {tmp_path}/runbooks\n"
    (tmp_path / "config.yaml").write_text(places)

    def find_series(query: str, at: float) -> list[tuple[dict[str, str], str]]:
        firing = [
            ({"__name__": "ALERTS", "alertstate": "firing", **ALERT}, "1"),
            ({"__name__": "ALERTS_FOR_STATE", **ALERT}, str(BEGAN)),
        ]
        known = {"then/scraped": [({}, "3")], "then/alerts": firing if at >= BEGAN else []}
        return [({"__q__": key, **labels}, value) for key in parts(query) for labels, value in known.get(key, [])]

    try:
        with told_platform(vector=lambda query: find_series(query, NOW), then=find_series) as told:
            environ = {
                **told.environ(str(tmp_path)), "CAD_CONSOLE_CONFIG": str(tmp_path / "config.yaml"), "LOKI_URL": loki.url
            }  # fmt: skip
            yield load_settings({"refresh": 60.0}, environ, service_account="/nonexistent")
    finally:
        loki.stop()


@pytest.fixture(scope="module")
def written(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    return asyncio.run(write(settings, tmp_path_factory.mktemp("bundle")))


async def write(settings: Settings, folder: Path) -> tuple[Path, list[Any]]:
    """The bundle of an incident that began half an hour ago, and what the time machine shows of the moments before that."""
    session = await asyncio.to_thread(Session.open, settings)
    try:
        file = await write_file(session, folder)
        past = PastSession(session)
        try:
            return file, await look(past)
        finally:
            await past.close()
    finally:
        await session.close()


async def write_file(session: Session, folder: Path) -> Path:
    await session.once()
    incident = await session.incidents.declare(title="it broke", commander="ann", seconds_ago=time.time() - BEGAN)
    return (await write_incident_bundle(session, incident, str(folder / "x.bundle.zip"), report=lambda text: None)).path


async def read_board(past: PastSession) -> DashboardState:
    """As the screen polls it."""
    shown: list[DashboardReading | None] = []
    poller = DashboardPoller(
        past.settings, past.prometheus, shown.append, clock=lambda: past.moment, environ={}, loki=past.require_loki
    )
    poller.as_of, poller.read_board = lambda: past.moment, past.dashboards.read_board
    poller.keep_alive(DashboardChoice("shop"))
    async with asyncio.timeout(30):
        while not (shown and shown[-1] and shown[-1].good):
            await asyncio.sleep(0.02)
            poller.keep_last_alive()
    await poller.close()
    state = evaluate_dashboard(shown[-1], past.settings, past.moment)
    assert state is not None
    return state


async def look(past: PastSession) -> list[Any]:
    """At each moment the panel of the overview with its trend, the panel of the board, the steps of the runbook, a chart."""
    found = []
    for moment in MOMENTS:
        snapshot = await past.go(moment)
        panel = snapshot.panel("log_errors")
        assert panel is not None
        board = await read_board(past)
        page = past.runbooks.get("shop-orders-stopped")
        assert page is not None
        steps: list[StepResult] = [item async for item in past.runbook_steps(page, None)]
        chart: PanelHistory
        *_, chart = [item async for item in past.histories("log_errors", HistoryRange(3600.0))]
        found.append(
            {
                "value": (panel.verdict, panel.value),
                "trend": panel.trend,
                "board": sorted((item.label("pod"), item.value) for item in board.panels[0].samples),
                "steps": [item.value_text for item in steps],
                "chart": [(item.labels, item.points[:-1]) for item in chart.series],
            }
        )
    return found


def replay_settings(file: Path, folder: Path) -> Settings:
    environ = {"HOME": str(folder / "other"), "USER": "bob", "PATH": "/bin"}
    return build_settings(load_settings({}, environ, service_account="/nonexistent"), open_bundle(file))


async def replay(file: Path, folder: Path) -> ReplaySession:
    return await asyncio.to_thread(ReplaySession, replay_settings(file, folder), open_bundle(file))


async def test_a_replay_shows_the_counts_of_then(written: tuple[Path, list[Any]], tmp_path: Path) -> None:
    """Value, verdict, trend, chart, board and runbook steps are those of the time machine, without one connection."""
    file, expected = written
    with no_network() as tried:
        session = await replay(file, tmp_path)
        past = await session.open_past(time.time)
        try:
            found = await look(past)
            shown = past.snapshot()
        finally:
            await past.close()
            await session.close()
    assert tried == []
    assert found == expected
    assert [item["value"][1] for item in found] == [count(moment, "ERROR", 300.0) for moment in MOMENTS]
    assert [item["steps"] for item in found[3:]] == [[f"{count(at, 'refused', 600.0):g}"] * 2 for at in MOMENTS[3:]]
    loki, broken = shown.source("loki"), shown.panel("log_broken")
    assert loki is not None and (loki.health, loki.detail) == (Health.DEGRADED, "1 of 2 queries refused")
    assert broken is not None and broken.verdict is Verdict.NO_DATA
    assert BROKEN in broken.reason
    assert open_bundle(file).manifest.source("loki").state == "partial"


def test_the_counts_are_readable_without_this_program(written: tuple[Path, list[Any]]) -> None:
    """By the documented format alone: each value is the number of lines in the five minutes up to its time, null for none."""
    file, _ = written
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        rows = {row["query"]: row for row in map(json.loads, archive.read("log_series.jsonl").splitlines())}
    assert manifest["version"] == 1
    assert "log_series.jsonl" in {part["name"] for part in manifest["parts"]}
    assert set(rows) == {ERRORS, BY_POD, STEP, '{app="api"}'}
    assert rows['{app="api"}']["error"] == BROKEN
    row = rows[BY_POD]
    assert {item["labels"]["pod"] for item in row["series"]} == {"a", "b"}
    for item in row["series"]:
        times = [row["start"] + row["step"] * at for at in range(row["count"])]
        assert len(item["values"]) == len(times)
        expected = [count(at, "", 300.0, item["labels"]["pod"]) or None for at in times]
        assert item["values"] == expected
    assert row["start"] <= manifest["start"] - 3600.0 + row["step"]
    assert row["step"] == manifest["step_seconds"]


async def test_what_was_not_stored_is_not_zero(written: tuple[Path, list[Any]], tmp_path: Path) -> None:
    """A query that the bundle does not have, a time outside it: each says so, and has no value."""
    file, _ = written
    session = await replay(file, tmp_path)
    past = await session.open_past(time.time)
    try:
        await past.go(NOW - 60.0)
        for query, moment in (('sum(count_over_time({app="other"} [5m]))', NOW - 60.0), (ERRORS, BEGAN - 20_000.0)):
            with pytest.raises(SourceError, match="not known then"):
                await past.require_loki().samples(query, at_ns=int(moment * NANO))
            with pytest.raises(SourceError, match="not known then"):
                await past.require_loki().series(
                    query, start_ns=int((moment - 600.0) * NANO), end_ns=int(moment * NANO), step_seconds=60.0
                )
        (compared,) = [
            item
            async for item in past.histories("log_errors", HistoryRange(1800.0, back_seconds=7 * 86_400.0))
            if item.earlier_fault
        ]
    finally:
        await past.close()
        await session.close()
    assert compared.earlier_fault is not None and "not known then" in compared.earlier_fault.sentence()


async def test_a_loki_that_counts_nothing_is_named(settings: Settings, tmp_path: Path) -> None:
    """The bundle is written all the same, without counts; the manifest and the panel say why."""
    assert settings.loki is not None
    lost = replace(settings, loki=replace(settings.loki, url="http://127.0.0.1:9", timeout_seconds=1.0))
    session = await asyncio.to_thread(Session.open, lost)
    bundle = open_bundle(await write_file(session, tmp_path))
    await session.close()
    note = bundle.manifest.source("loki")
    assert note.state == "not read"
    assert "queries over logs: the connection was refused" in note.detail
    assert not bundle.has("log_series.jsonl")
