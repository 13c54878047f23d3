"""The guard on the screen: its page, its keys, what line 1 names, and the takeover from a console that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from guard_bench import BRIEF, panel_state
from painting import notices_of
from screen_samples import NOW, StillSession

from console.actions.guard.gates import HOW
from console.actions.guard.model import GuardOptions, GuardPhase, GuardResult, GuardStatus, GuardVerdict, parse_guard
from console.actions.guard.signals import evaluate_signal, measure_before
from console.actions.guard.takeover import NotTaken
from console.actions.plan import CheckLevel, Outcome, Plan, PreflightCheck, Preview, Request, RunStep, Stage
from console.journal.payloads import GuardStarted
from console.screens.action_run import ActionRunScreen
from console.screens.action_run_model import ActionRunModel
from console.screens.guard_view import describe_next, render_verdicts
from console.state.guards import GuardRecord

REQUEST = Request("image", "deployment/cad-ml-api", {"image": ":1.9.0"}, guard=GuardOptions())
UNDO = "image deployment/cad-ml-api --image :1.8.2"
RECORD = GuardRecord(
    "r1", "ann@gone", NOW - 60.0, GuardStarted("image", "deployment/cad-ml-api", "Set image of deployment/cad-ml-api"), "",
    changed_at=NOW - 50.0,
)  # fmt: skip


def status(phase: GuardPhase, value: float | None, **changes: Any) -> GuardStatus:
    before = measure_before(panel_state("error_ratio", 0.3), (), target="cad-ml-api")
    latency = measure_before(panel_state("p95_latency", 0.8), (), target="cad-ml-api")
    readings = (
        evaluate_signal(before, panel_state("error_ratio", value), target="cad-ml-api"),
        evaluate_signal(latency, panel_state("p95_latency", 0.8), target="cad-ml-api"),
    )
    first, *_ = readings
    verdicts = ((NOW - 5.0, GuardVerdict.OK, "Error ratio 0.30 %"), (NOW - 2.5, GuardVerdict.OK, "Error ratio 0.30 %"),
                (NOW, first.verdict, first.text))  # fmt: skip
    return GuardStatus(phase, UNDO, NOW - 60.0, readings, NOW + 408.0, verdicts=verdicts, **changes)


def guarded(guard: GuardStatus) -> ActionRunModel:
    """A confirmed run whose gates were all ok but one."""
    run = ActionRunModel(REQUEST)
    run.confirmed, run.confirmed_at = True, NOW - 60.0
    gates = (
        PreflightCheck(CheckLevel.OK, "rules: 6 checks passed", HOW),
        PreflightCheck(CheckLevel.WARN, "budget 12 % left", HOW),
    )
    plan = Plan(REQUEST, "Set image of deployment/cad-ml-api", "deployment/cad-ml-api", (), (), "kubectl …", "cad-ml-api", {})
    run.steps.append(RunStep(Stage.CONFIRM, plan.title, NOW - 61.0, 0.0, Preview(plan, gates, protected=True)))
    run.steps.append(RunStep(Stage.GUARD, "…", NOW, 60.0, guard=guard))
    return run


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_page_says_what_happens_next_and_when(stage: Callable[..., Any], size: tuple[int, int]) -> None:
    """Gates, signals with before and limit, chart, verdicts and the next step fit the smallest terminal, in words; the keys
    stop the guard and roll back, and are gone once it has ended.
    """
    made = stage()
    run = guarded(status(GuardPhase.WATCH, 0.3))
    async with made.app.run_test(size=size) as pilot:
        await made.until(pilot, "HighErrorRate")
        page = ActionRunScreen(run)
        made.app.push_screen(page)
        shown = await made.until(pilot, "guarded: kept in 6m")
        for words in (
            "ok      Error ratio           0.30 %  0.30 % before, worse from 1.00 % on", "gates: 1 of 2 ok; budget 12 % left",
            "Error ratio, the last 5m", "×2", "s stop guard", "r roll back", "n next signal",
        ):  # fmt: skip
            assert words in shown, words
        await made.press(pilot, "n")
        await made.until(pilot, "P95 latency, the last 5m")
        run.steps.append(RunStep(Stage.GUARD, "…", NOW, 61.0, guard=status(GuardPhase.COUNTDOWN, 8.0, acts_at=NOW + 8.0,
                                                                          reason="Error ratio 8.00 %")))  # fmt: skip
        page.show_context(made.app.context)
        shown = await made.until(pilot, "ROLLS BACK IN 8s")
        assert "WORSE   Error ratio           8.00 %" in shown
        await made.press(pilot, "s", "r")
        assert run.control.stopped_by == made.settings.user
        assert run.control.undo_now
        run.steps.append(RunStep(Stage.GUARD, "rolled back: why", NOW, 70.0, outcome=Outcome.ROLLED_BACK,
                                 guard=status(GuardPhase.ENDED, 8.0, result=GuardResult.ROLLED_BACK)))  # fmt: skip
        run.finished = True
        page.show_context(made.app.context)
        await made.until(pilot, "guard ended: rolled back")
        assert not page.check_action("stop_guard", ()) and not page.check_action("roll_back", ())


def test_a_hold_offers_only_what_can_be_done() -> None:
    """`r` is named where something rolls the change back, and only there."""
    held = status(GuardPhase.HOLD, None, acts_at=NOW + 90.0)
    assert describe_next(held, NOW)[0].endswith("s stops it, r rolls back")
    assert describe_next(replace(held, undo=""), NOW)[0].endswith("unless it is known again; s stops it")


def test_verdicts_that_are_left_out_are_counted() -> None:
    """The list begins with a line that says how many are missing and where they are; a whole list has none."""
    whole = status(GuardPhase.WATCH, 0.3)
    first, *rest = render_verdicts(replace(whole, left_out=140), 78)
    assert first[0][0] == " 140 earlier verdicts left out; the journal has every change of verdict"
    assert rest == list(render_verdicts(whole, 78))


async def test_a_console_takes_over_what_nothing_guards(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Line 1 names the change; the console watches on by itself, once, and `:guard` opens its page."""
    monkeypatch.setattr(StillSession, "journal_known", True)
    made = stage()
    taken: list[GuardRecord] = []

    async def take_over(record: GuardRecord, *, control: object) -> AsyncIterator[RunStep]:
        taken.append(record)
        yield RunStep(Stage.GUARD, "took over the guard of ann@gone", NOW, 0.0, guard=status(GuardPhase.WATCH, 0.3))
        await asyncio.Event().wait()

    made.session.take_over = take_over
    async with made.app.run_test(size=(160, 30)) as pilot:
        await made.until(pilot, "HighErrorRate")
        assert not made.app.flows.actions.running  # what takes over is loaded after the first values
        made.session.deliver(replace(made.session.shown, unguarded=(RECORD,)))
        await made.until(pilot, "UNGUARDED deployment/cad-ml-api")
        made.session.deliver(replace(made.session.shown, unguarded=(RECORD,), taken_at=NOW + 1.0))
        await pilot.pause()
        assert taken == [RECORD]
        assert any("took over the guard of ann@gone" in text for text in notices_of(made.app))
        assert not made.app.flows.actions.open_guard()
        await made.until(pilot, "guarded: kept in 6m")


@pytest.mark.parametrize(("read_only", "why"), [(False, "no rights"), (True, "")])
async def test_a_guard_that_cannot_be_taken_stays_named(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, read_only: bool, why: str
) -> None:
    """Without the rights a notice says why, under read-only nothing is tried; line 1 names the change either way."""
    monkeypatch.setattr(StillSession, "journal_known", True)
    made = stage(read_only=read_only)

    async def take_over(record: GuardRecord, *, control: object) -> AsyncIterator[RunStep]:
        assert not read_only
        raise NotTaken("no rights")
        yield

    made.session.take_over = take_over
    async with made.app.run_test(size=(80, 24)) as pilot:
        await made.until(pilot, "HighErrorRate")
        assert not made.app.flows.actions.running  # what takes over is loaded after the first values
        made.session.deliver(replace(made.session.shown, unguarded=(RECORD,)))
        shown = await made.until(pilot, "UNGUARDED")
        assert "UNGUARDED" in shown.splitlines()[0]
        for _ in range(20):
            await pilot.pause()
        assert bool(why) == any("ann@gone: no rights" in text for text in notices_of(made.app))
        assert bool(why) == ("ann@gone: no rights" in made.app.flows.actions.open_guard())


def test_a_guard_as_a_person_writes_it() -> None:
    """Durations, signals without repeats, and `off`; anything else is an error."""
    assert parse_guard("off") is None
    found = parse_guard("10m", signals="cpu, memory,cpu", twin="deployment/x", hold="1m", countdown="0s")
    assert found == GuardOptions(600.0, ("cpu", "memory"), 60.0, 0.0, "x")
    assert parse_guard("5m", signals="") == replace(GuardOptions(), watch_seconds=300.0)
    for wrong in ("soon", "0s", "9w"):
        with pytest.raises(ValueError, match=r"duration|least|most"):
            parse_guard(wrong)
    assert BRIEF.signals == GuardOptions().signals
