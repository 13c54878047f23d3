"""Panels over logs in a session: what the overview, `status`, charts, dashboards and past moments make of Loki's counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from told_platform import told_platform

from console.actions.guard.checks import GuardChecks
from console.actions.guard.model import GuardOptions, GuardVerdict
from console.actions.guard.signals import evaluate_signal
from console.actions.plan import CheckLevel
from console.config.load import load_settings
from console.config.settings import Settings
from console.demo.loki import Limits, LineStore
from console.demo.loki_server import LokiApi
from console.journal.payloads import GuardSignal
from console.monitor.dashboard_poller import DashboardPoller, DashboardReading, evaluate_dashboard
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from console.state.snapshot_json import document
from queries.model.dashboard import DashboardChoice
from queries.model.panel import Origin, PanelState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.source import Health
from queries.model.verdict import Verdict

NANO = 10**9
PANEL = """panels:
  - id: log_errors
    title: Errors in the log
    unit: count
    source: loki
    raw: sum(count_over_time({app="api"} |= "ERROR" [5m]))
    decimals: 0
    warn: 3
    critical: 100
"""


@contextmanager
def opened(
    folder: Path,
    *,
    limits: Limits | None = None,
    without_loki: bool = False,
    errors: bool = True,
    burst: int = 0,
    config: str = "",
    board: str = PANEL,
) -> Iterator[Settings]:
    """Settings of a platform whose log has one error a minute, and had none before the last hour; `burst` more of them seven
    minutes ago.
    """
    now = time.time()
    store = LineStore(limits or Limits())
    for minute in range(60):
        store.push({"app": "api"}, [(int((now - 60.0 * minute) * NANO), f"ERROR {minute}")] if errors else [])
    store.push({"app": "api"}, [(int((now - 420.0) * NANO) + number, f"ERROR burst {number}") for number in range(burst)])
    store.push({"app": "api"}, [(int((now - 7200.0) * NANO), "ERROR long ago")])
    loki = LokiApi(store, clock=time.time)
    loki.start()
    (folder / "logs.yaml").write_text(board)
    (folder / "config.yaml").write_text(f"panels: {folder}/logs.yaml\n{config}")
    try:
        with told_platform() as told:
            environ = {**told.environ(str(folder)), "CAD_CONSOLE_CONFIG": str(folder / "config.yaml")}
            if not without_loki:
                environ["LOKI_URL"] = loki.url
            yield load_settings({"refresh": 60.0}, environ, service_account="/nonexistent")
    finally:
        loki.stop()


async def snapshot_of(settings: Settings) -> Snapshot:
    session = await asyncio.to_thread(Session.open, settings)
    try:
        return await session.once()
    finally:
        await session.close()


def panel_of(snapshot: Snapshot) -> PanelState:
    found = snapshot.panel("log_errors")
    assert found is not None
    return found


async def test_a_count_has_a_verdict_a_trend_and_its_source(tmp_path: Path) -> None:
    """It is graded by its own thresholds, says that it comes from a log query, and Loki stands among the sources."""
    with opened(tmp_path) as settings:
        snapshot = await snapshot_of(settings)
    found = panel_of(snapshot)
    assert (found.verdict, found.origin) == (Verdict.WARN, Origin.LOGS) and found.value is not None and 4 <= found.value <= 5
    assert len(found.trend) > 50
    state = snapshot.source("loki")
    assert state is not None and state.health is Health.UP and state.endpoint == (settings.loki.url if settings.loki else "")
    (shown,) = [item for item in document(snapshot)["panels"] if item["id"] == "log_errors"]
    assert shown["verdict"] == "warn" and shown["value"] == found.value


async def measure_guard(settings: Settings) -> tuple[GuardSignal, list[tuple[CheckLevel, str]]]:
    """What a guard on the panel counts against a change, and what its preview says."""
    session = await asyncio.to_thread(Session.open, settings)
    try:
        await session.once()
        checks = GuardChecks(GuardOptions(signals=("log_errors",)), session.guard_source, settings)
        found = await checks.measure("node/node-1")
        (signal,) = checks.signals
        (state,) = await session.guard_source.fetch_panels(("log_errors",))
        assert (evaluate_signal(signal, state, target="").verdict is GuardVerdict.UNKNOWN) is (signal.before is None)
    finally:
        await session.close()
    return signal, [(item.level, item.text) for item in found]


async def test_a_guard_knows_the_minutes_before(tmp_path: Path) -> None:
    """The limit is a quarter beyond what Loki counted in them, not beyond the count of one moment."""
    with opened(tmp_path, burst=20, config="thresholds: {log_errors: {warn: 50}}\n") as settings:
        signal, found = await measure_guard(settings)
    assert signal.before is not None and 4 <= signal.before <= 5
    assert signal.limit == 50.0 and found == []
    with opened(tmp_path, burst=80, config="thresholds: {log_errors: {warn: 50}}\n") as settings:
        signal, found = await measure_guard(settings)
    assert signal.limit is not None and 100.0 <= signal.limit <= 110.0 and found == []


async def test_a_guard_says_that_it_does_not_know_them(tmp_path: Path) -> None:
    """Where Loki refuses the range, the preview says from what the limit follows; without a count nothing can be guarded."""
    with opened(tmp_path, limits=Limits(range_seconds=60.0), config="thresholds: {log_errors: {warn: 4.5}}\n") as settings:
        signal, found = await measure_guard(settings)
    assert signal.limit is not None and 4.5 <= signal.limit <= 6.25
    assert (
        CheckLevel.WARN,
        "Errors in the log: no value of the 10m before is known: its limit follows from the value now alone",
    ) in found
    with opened(tmp_path, errors=False) as settings:
        signal, found = await measure_guard(settings)
    ((level, text),) = found
    assert level is CheckLevel.BLOCK and "Loki counted no line" in text and "a guard cannot judge it" in text
    assert signal.before is None


async def test_the_config_overrides_its_threshold(tmp_path: Path) -> None:
    """As for every panel."""
    with opened(tmp_path, config="thresholds: {log_errors: {warn: 50}}\n") as settings:
        found = panel_of(await snapshot_of(settings))
    assert (found.verdict, found.threshold.warn, found.threshold.critical) == (Verdict.OK, 50.0, 100.0)


@pytest.mark.parametrize(
    ("given", "health", "words"),
    [
        ({"without_loki": True}, Health.NOT_CONFIGURED, "Loki is not configured"),
        ({"limits": Limits(needs_tenant=True)}, Health.DENIED, "no org id"),
        ({"limits": Limits(range_seconds=60.0)}, Health.UP, ""),
    ],
)
async def test_loki_absent_denied_and_limited(tmp_path: Path, given: dict[str, object], health: Health, words: str) -> None:
    """Without a count the verdict is NO DATA with the reason; a limit that refuses the trend alone leaves the value."""
    with opened(tmp_path, **given) as settings:  # type: ignore[arg-type]
        snapshot = await snapshot_of(settings)
    found, state = panel_of(snapshot), snapshot.source("loki")
    assert state is not None and state.health is health
    if words:
        assert found.verdict is Verdict.NO_DATA and words in found.reason and found.value is None
    else:
        assert found.verdict is Verdict.WARN and found.trend[:-1] == ()


async def test_without_a_line_it_is_not_zero(tmp_path: Path) -> None:
    """The reason names both causes, and what makes it zero."""
    with opened(tmp_path, errors=False) as settings:
        found = panel_of(await snapshot_of(settings))
    assert found.verdict is Verdict.NO_DATA and "Loki counted no line" in found.reason and "or vector(0)" in found.reason


async def read_last(session: Session, requested: HistoryRange) -> PanelHistory:
    *_, history = [item async for item in session.histories("log_errors", requested)]
    return history


async def test_its_chart(tmp_path: Path) -> None:
    """The count of each step over the range, and with Loki gone why there is none."""
    with opened(tmp_path) as settings:
        session = await asyncio.to_thread(Session.open, settings)
        history = await read_last(session, HistoryRange(1800.0))
        assert history.fault is None and history.series and {4.0, 5.0} >= {value for _, value in history.series[0].points[:-2]}
        await session.close()
    with opened(tmp_path, without_loki=True) as settings:
        session = await asyncio.to_thread(Session.open, settings)
        history = await read_last(session, HistoryRange(1800.0))
        assert history.fault is not None and "Loki is not configured" in history.fault.sentence()
        await session.close()


async def test_its_value_of_then(tmp_path: Path) -> None:
    """A past moment counts the lines up to then, its chart ends then, and nothing of now gets in."""
    with opened(tmp_path) as settings:
        live = await asyncio.to_thread(Session.open, settings)
        now = time.time()
        past = PastSession(live, clock=lambda: now)
        found = panel_of(await past.go(now - 7100.0))
        assert (found.value, found.verdict) == (1.0, Verdict.OK)
        assert all(at <= now - 7100.0 for at, _ in found.trend)
        assert panel_of(await past.go(now - 6000.0)).verdict is Verdict.NO_DATA
        history = await read_last(past, HistoryRange(3600.0))
        assert all(at <= now - 6000.0 for series in history.series for at, _ in series.points)
        assert panel_of(await past.go(now - 60.0)).value in (4.0, 5.0)
        await past.close()
        await live.close()


async def test_a_board_of_both_kinds(tmp_path: Path) -> None:
    """A dashboard shows its panels in their order; without Loki the others are shown all the same."""
    board = f"title: Both\n{PANEL}  - overview/error_ratio\n"
    for without_loki in (False, True):
        with opened(tmp_path, without_loki=without_loki, board=board) as settings:
            session = await asyncio.to_thread(Session.open, settings)
            shown: list[DashboardReading | None] = []
            poller = DashboardPoller(settings, session.prometheus, shown.append, environ={}, loki=session.require_loki)
            poller.keep_alive(DashboardChoice("logs"))
            async with asyncio.timeout(30):
                while not (shown and shown[-1] and shown[-1].good):
                    await asyncio.sleep(0.02)
                    poller.keep_last_alive()
            state = evaluate_dashboard(shown[-1], settings, time.time())
            assert state is not None and [item.spec.id for item in state.panels] == ["log_errors", "error_ratio"]
            assert state.panels[0].verdict is (Verdict.NO_DATA if without_loki else Verdict.WARN)
            if without_loki:
                assert "Loki is not configured" in state.panels[0].reason
            await poller.close()
            await session.close()
