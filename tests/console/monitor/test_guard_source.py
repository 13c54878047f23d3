"""What watching costs: a guard reads its signals from what the console polls anyway."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from action_bench import settings_for
from fake_prometheus import FakePrometheus
from guard_bench import panel_state
from limits import extend

from console.actions.guard_checks import GuardChecks
from console.actions.guard_model import GuardOptions, GuardVerdict
from console.actions.guard_signals import evaluate_signal, overall_verdict
from console.monitor.guard_source import LiveGuardSource
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot

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
        snapshot=lambda: snapshot,
        newest_ledger=newest_ledger,
        clock=time.time,
    )
    checks = GuardChecks(GuardOptions(signals=names), source, settings)
    assert await checks.measure("node/node-1") == ()
    server.take()  # the time before the change is read once
    began = time.process_time()
    for _ in range(EVALUATIONS):
        states = {item.spec.id: item for item in await source.fetch_panels(names)}
        readings = [evaluate_signal(item, states.get(item.panel), target="") for item in checks.signals]
        assert overall_verdict(readings) is GuardVerdict.OK
    each = (time.process_time() - began) / EVALUATIONS
    assert server.take() == []
    assert each < extend(CORE_SHARE * source.interval_seconds), f"{each / source.interval_seconds:.3%} of a core"
