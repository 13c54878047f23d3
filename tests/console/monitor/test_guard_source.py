"""What watching costs: a guard reads its signals from what the console polls anyway."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from action_bench import settings_for
from fake_prometheus import FakePrometheus
from guard_bench import panel_state
from limits import extend
from told_platform import told_platform

from console.actions.guard.checks import GuardChecks
from console.actions.guard.model import GuardOptions, GuardVerdict
from console.actions.guard.signals import evaluate_signal, overall_verdict
from console.actions.plan import CheckLevel
from console.config.load import load_settings
from console.monitor.guard_source import LiveGuardSource
from console.monitor.session import Session
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot
from queries.model.panel import PanelSpec
from queries.model.panel_result import PanelHistory
from queries.prometheus.history import Window

EVALUATIONS = 200
CORE_SHARE = 0.001
"""How much of a core a guard of ten signals may use."""


async def test_ten_signals_cost_no_request_and_next_to_no_time(tmp_path: Path) -> None:
    """Two hundred evaluations of ten signals send nothing to Prometheus; one takes under a thousandth of its interval."""
    names = tuple(f"signal_{number}" for number in range(10))
    template = panel_state("error_ratio", 0.3)
    panels = tuple(replace(template, spec=replace(template.spec, id=name)) for name in names)
    snapshot = Snapshot("test", "cad-ml-platform", False, False, "tester", time.time(), panels=panels)
    server, settings = FakePrometheus(), settings_for(tmp_path, None)

    async def newest_ledger() -> tuple[JournalState, str]:
        return JournalState(), ""

    source = LiveGuardSource(
        settings,
        tuple(item.spec for item in panels),
        server.source(),
        log_history=no_logs,
        snapshot=lambda: snapshot,
        newest_ledger=newest_ledger,
        clock=time.time,
    )
    checks = GuardChecks(GuardOptions(signals=names), source, settings)
    assert {item.level for item in await checks.measure("node/node-1")} == {CheckLevel.WARN}, "no value before is known"
    server.take()  # the time before the change is read once
    began = time.process_time()
    for _ in range(EVALUATIONS):
        states = {item.spec.id: item for item in await source.fetch_panels(names)}
        readings = [evaluate_signal(item, states.get(item.panel), target="") for item in checks.signals]
        assert overall_verdict(readings) is GuardVerdict.OK
    each = (time.process_time() - began) / EVALUATIONS
    assert server.take() == []
    assert each < extend(CORE_SHARE * source.interval_seconds), f"{each / source.interval_seconds:.3%} of a core"


async def test_watching_adds_no_request_to_the_refreshes_of_a_session(tmp_path: Path) -> None:
    """A console that polls: while ten signals are watched, each refresh asks for what it asked for before, as often."""
    with told_platform(vector=lambda query: [({"provider": "paddle"}, "99")]) as platform:
        settings = load_settings({"refresh": 0.05}, platform.environ(str(tmp_path)), service_account="/nonexistent")
        session = await asyncio.to_thread(Session.open, settings)
        session.start(lambda snapshot: None)
        try:
            source = session.guard_source
            names = [spec.id for spec in source.specs][:10]
            assert len(names) == 10 and await source.fetch_panels(names)
            await refresh(platform.queries, 10)  # until the capabilities are known
            platform.queries.clear()
            await refresh(platform.queries, 40)
            before, reads = Counter(platform.queries), 0
            platform.queries.clear()
            while most_common(platform.queries) < 20:
                assert len(await source.fetch_panels(names)) == 10
                reads += 1
                await asyncio.sleep(source.interval_seconds / 10)
            watched = Counter(platform.queries)
        finally:
            await session.close()
    assert reads > 20 and set(watched) <= set(before)
    assert all(count <= before[query] / 2 + 3 for query, count in watched.items()), (before, watched)


async def no_logs(spec: PanelSpec, window: Window) -> PanelHistory:
    raise AssertionError(spec.id)


def most_common(queries: list[str]) -> int:
    """How many refreshes there were: each has the joined query once."""
    return max(Counter(queries).values(), default=0)


async def refresh(queries: list[str], times: int) -> None:
    async with asyncio.timeout(extend(30.0)):
        while most_common(queries) < times:  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.02)
