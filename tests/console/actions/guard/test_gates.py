"""What has to hold before a guarded change: each gate by what the console read, and every word that it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from screen_samples import settings

from console.actions.guard.gates import GateFacts, check_gates, check_others, check_signals
from console.actions.guard.model import GuardOptions
from console.actions.guard.signals import measure_before
from console.actions.plan import CheckLevel, PreflightCheck
from console.checks.panels import evaluate_panel
from console.checks.result import CheckResult, Result
from console.config.settings import QuietHours
from console.journal.payloads import GuardStarted
from console.state.guards import GuardRecord
from console.state.incident import Incident
from queries.model.alert import Priority
from queries.model.panel import Origin, PanelSpec, PanelState, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample
from queries.model.verdict import Verdict

NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""
OK, WARN, ASK, BLOCK = CheckLevel.OK, CheckLevel.WARN, CheckLevel.ASK, CheckLevel.BLOCK

pytestmark = pytest.mark.usefixtures("utc")


def result(area: str, kind: Result = Result.PASSED, name: str = "x") -> CheckResult:
    return CheckResult(area, name, kind, f"{name} is {kind.value}", 1)


def panel(name: str, value: float | None, *, warn: float = 80.0, critical: float = 90.0, below: bool = False) -> PanelState:
    spec = PanelSpec(name, name.title(), Unit.PERCENT, lower_is_worse=below, threshold=Threshold(warn, critical))
    samples = () if value is None else (Sample((), value),)
    answer = PanelResult(name, Origin.RAW, "", samples)
    return evaluate_panel(spec, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=1.0)


ALL = (result("api"), result("rules"), result("recording"), result("contract"), result("mapping"))
GOOD = (panel("error_budget", 40.0, warn=25.0, critical=10.0, below=True), panel("cpu", 20.0), panel("memory", 30.0))


def gates(folder: Path, *, quiet: QuietHours | None = None, now: float = NOON, **facts: Any) -> list[PreflightCheck]:
    told = settings(folder)
    told = replace(told, notify=replace(told.notify, quiet=quiet), freezes=())
    found = list(check_gates(GateFacts(**{"checks": ALL, "panels": GOOD, **facts}), told, now=now))
    assert {item.how for item in found} == {"gate"}  # by which the preview and the report know them
    return found


def test_with_everything_well_each_gate_is_ok(tmp_path: Path) -> None:
    """One line a gate, in one order."""
    assert [(item.level, item.text) for item in gates(tmp_path)] == [
        (OK, "self-check: 1 checks passed"), (OK, "contract: 2 checks passed"), (OK, "rules: 2 checks passed"),
        (OK, "error budget: 40.0 % left"), (OK, "capacity: Cpu ok, Memory ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(("failed", "more"), [(1, ""), (2, ""), (3, "; 1 more"), (5, "; 3 more")])
@pytest.mark.parametrize(("name", "area"), [("self-check", "api"), ("contract", "mapping"), ("rules", "recording")])
def test_a_failed_area_asks_for_its_name(tmp_path: Path, failed: int, more: str, name: str, area: str) -> None:
    """With two of its failures, and how many more; what is only noted or was skipped fails nothing; the others are ok."""
    bad = [result(area, Result.FAILED, f"c{at}") for at in range(failed)]
    noted = result(area, Result.NOTED, "n"), result(area, Result.SKIPPED, "s")
    found = gates(tmp_path, checks=(*ALL, *noted, *bad))[:3]
    (check,) = [item for item in found if item.level is ASK]
    shown = "; ".join(f"{area} c{at}: c{at} is failed" for at in range(min(failed, 2)))
    assert (check.text, check.word) == (f"{name} failed: {shown}{more}: type {name}", name)
    assert len([item for item in found if item.level is OK]) == 2


def test_what_was_not_checked_is_not_ok(tmp_path: Path) -> None:
    """Nothing at all, an area without a check, and one of which every check was skipped."""
    (first, *_) = gates(tmp_path, checks=(), checks_error="no answer")
    assert (first.level, first.unknown) == (WARN, True)
    assert first.text == "not checked: self-check, contract and rules: no answer"
    found = gates(tmp_path, checks=(result("api"), result("rules", Result.SKIPPED, "r")))
    assert [(item.level, item.text, item.unknown) for item in found[:3]] == [
        (OK, "self-check: 1 checks passed", False), (WARN, "not checked: contract", True),
        (WARN, "not checked: rules: r is skipped", True),
    ]  # fmt: skip


def test_what_is_only_noted_has_not_passed(tmp_path: Path) -> None:
    """No rule is loaded, or nobody knows what is exported: a gate that found nothing to check says why, and is not ok."""
    noted = result("rules", Result.NOTED, "no rule"), result("mapping", Result.NOTED, "two more")
    found = gates(tmp_path, checks=(result("api"), result("contract"), *noted))
    assert [(item.level, item.text, item.unknown) for item in found[:3]] == [
        (OK, "self-check: 1 checks passed", False), (OK, "contract: 1 checks passed", False),
        (WARN, "not checked: rules: no rule is noted", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "level", "text", "word"),
    [
        (40.0, OK, "error budget: 40.0 % left", ""),
        (25.0, OK, "error budget: 25.0 % left", ""),
        (24.9, WARN, "error budget: 24.9 % left", ""),
        (10.0, WARN, "error budget: 10.0 % left", ""),
        (9.9, ASK, "error budget: 9.9 % left: releases are frozen; type freeze", "freeze"),
        (None, WARN, "error budget not known: NO DATA, Prometheus returned no series", ""),
    ],
)
def test_a_spent_budget_asks_for_freeze(tmp_path: Path, value: float | None, level: CheckLevel, text: str, word: str) -> None:
    """From its critical threshold on; an unknown one warns, and so does one that nobody reads."""
    own = panel("error_budget", value, warn=25.0, critical=10.0, below=True)
    check = gates(tmp_path, panels=(*GOOD[1:], own))[3]
    assert (check.level, check.text, check.word, check.unknown) == (level, text, word, value is None)
    check = gates(tmp_path, panels=GOOD[1:])[3]
    assert (check.level, check.text, check.unknown) == (WARN, "error budget not known: it is not read", True)


@pytest.mark.parametrize(
    ("cpu", "memory", "level", "text"),
    [
        (85.0, 30.0, OK, "capacity: Cpu WARN, Memory ok"),
        (90.0, 30.0, ASK, "no capacity left: Cpu: 90 % is at or over 90 %: type capacity"),
        (95.0, 91.0, ASK,
         "no capacity left: Cpu: 95 % is at or over 90 %; Memory: 91 % is at or over 90 %: type capacity"),
        (None, 91.0, ASK, "no capacity left: Memory: 91 % is at or over 90 %: type capacity"),
        (None, 30.0, WARN, "capacity not known: Cpu NO DATA, Prometheus returned no series"),
        (None, None, WARN,
         "capacity not known: Cpu NO DATA, Prometheus returned no series; Memory NO DATA, Prometheus returned no series"),
    ],
)  # fmt: skip
def test_full_nodes_ask_for_capacity(
    tmp_path: Path, cpu: float | None, memory: float | None, level: CheckLevel, text: str
) -> None:
    """Either of two panels; one that is unknown is not called free, unless the other is full."""
    check = gates(tmp_path, panels=(GOOD[0], panel("cpu", cpu), panel("memory", memory)))[4]
    assert (check.level, check.text, check.unknown) == (level, text, level is WARN)
    assert check.word == ("capacity" if level is ASK else "")
    assert gates(tmp_path, panels=GOOD[:1])[4].text == "capacity not known: it is not read"


@pytest.mark.parametrize(
    ("hour", "until"),
    [(21, None), (22, "06:30 UTC"), (23, "06:30 UTC"), (30, "06:30 UTC"), (30.5, None), (12, None)],
)
def test_in_quiet_hours_somebody_may_have_to_wake(tmp_path: Path, hour: float, until: str | None) -> None:
    """From their beginning to their end, over midnight; at the end itself it is over."""
    now = NOON + (hour - 12) * 3600.0
    check = gates(tmp_path, quiet=QuietHours(22 * 60, 6 * 60 + 30), now=now)[-1]
    if until is None:
        assert (check.level, check.text) == (OK, "no quiet hours now")
    else:
        assert (check.level, check.text) == (WARN, f"quiet hours until {until}: guard notifications may go unnoticed")


def test_an_open_incident_warns_with_its_number(tmp_path: Path) -> None:
    """The first of two; unread ones are said to be unread, and none at all says nothing."""
    first = Incident("i1", 7, "errors", Priority.P1, NOON, "ann")
    second = Incident("i2", 8, "slow", Priority.P2, NOON, "ann")
    check = gates(tmp_path, incidents=(first, second), incidents_error="no answer")[-1]
    assert (check.level, check.unknown) == (WARN, False)
    assert check.text == "incident 7 P1 is open: its effect on the signals would count against the change"
    check = gates(tmp_path, incidents_error="no answer")[-1]
    assert (check.level, check.text, check.unknown) == (WARN, "could not check for open incidents: no answer", True)


def test_the_count_of_ready_pods_is_no_signal() -> None:
    """It falls to 0 where everything is down and rises with a scaling: a guard that took it for a value that must not rise
    would keep the worst change and roll back a good one. Its line says to name another.
    """
    spec = PanelSpec("workloads", "Workloads", Unit.COUNT, source="kubernetes")
    state = PanelState(spec, Verdict.CRITICAL, value=0.0)
    signal = measure_before(state, (), target="api")
    options = GuardOptions(signals=("workloads", "nothing"))
    found = check_signals(options, (signal,), (state,), ("error_ratio", "p95_latency"))
    assert [item.level for item in found] == [BLOCK, BLOCK]
    assert found[0].text == "Workloads counts ready pods, which has no worse direction; name other signals (--signals)"
    assert found[1].text == "there is no signal nothing; known: error_ratio, p95_latency"


def test_another_guard_of_the_target_blocks() -> None:
    """By the first of two, with who and what; without an answer or a target nobody claims that there is none."""
    started = GuardStarted("image", "deployment/api", "Set image", "c", "n", "p", 1.0, 1.0, 1.0)
    records = [GuardRecord(f"g{at}", author, NOON, started, "p") for at, author in enumerate(("bob", "eve"))]
    blocked = check_others(records, "no answer", "deployment/api")
    assert blocked.level is BLOCK
    assert blocked.text.startswith("bob guards deployment/api since another change: ")
    for error, target, text in (
        ("no answer", "deployment/api", "could not check for guards of other consoles: no answer"),
        ("", "", "not checked: other guards, no --target"),
    ):
        check = check_others((), error, target)
        assert (check.level, check.text, check.unknown) == (WARN, text, True)
    assert check_others((), "", "deployment/api").level is OK
