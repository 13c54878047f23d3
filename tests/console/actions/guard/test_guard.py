"""A guarded change: kept if its signals stay as before, else rolled back by itself."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, Bench, outcome, quiet, second_revision, settings_for
from guard_bench import BRIEF, GOOD, Signals, guards_of, panel_state
from limits import extend

from console.actions.action import Guardable, StepAction, WriteAction
from console.actions.guard.checks import GuardChecks
from console.actions.guard.gates import GateFacts
from console.actions.guard.guard import Guard, GuardControl
from console.actions.guard.model import GuardOptions, GuardPhase, GuardResult, GuardVerdict
from console.actions.guard.signals import evaluate_signal, measure_before
from console.actions.guard.takeover import GuardTakeover, NotTaken
from console.actions.node import Cordon
from console.actions.plan import ActionRefused, CheckLevel, Outcome, Preview, RunStep, Stage
from console.actions.registry import ACTIONS, action_named
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.checks.panels import evaluate_panel
from console.checks.result import HEALTH, CheckResult, Result
from console.demo.cluster.request import HttpRequest
from console.journal import process
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import GuardEnded, GuardStarted, GuardTakenOver, IncidentDeclared, create_event
from console.journal.presence import Presence
from console.state.guards import Guards, is_unguarded
from queries.errors import RequestRejected, Unreachable
from queries.http.endpoint import ClusterIdentity
from queries.model.panel import Aggregation, Origin, PanelSpec, PanelState, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample, Series
from queries.model.severity import Priority
from queries.model.verdict import Verdict

NODE = "node/node-1"
"""The quickest change there is: one boolean."""


def cordoned(bench: Bench) -> bool:
    (node,) = [item for item in bench.cluster.objects("nodes") if item["metadata"]["name"] == "node-1"]
    return bool(node["spec"].get("unschedulable"))


def kinds(bench: Bench) -> list[str]:
    assert bench.journal is not None
    return [event.kind for event in bench.journal.events()]


def once_watching(change: Callable[[], None]) -> Callable[[RunStep], Awaitable[None]]:
    """Runs at the first report of the guard after the change."""
    done: list[bool] = []

    async def meanwhile(step: RunStep) -> None:
        if step.guard is not None and not done:
            done.append(True)
            change()

    return meanwhile


async def test_a_change_whose_signals_stay_as_before_is_kept(bench: Bench) -> None:
    """The watch ends with `kept`, the change is there, and the journal has the action's outcome and the guard's end."""
    signals = Signals(bench.journal)
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals)
    result, text = outcome(steps)
    assert result is Outcome.DONE, text
    assert text.startswith("kept: Error ratio 0.30 %, 0.30 % before")
    assert cordoned(bench)
    assert kinds(bench) == [
        "action.intent", "guard.started", "guard.watching", "action.outcome", "guard.verdict", "guard.ended"
    ]  # fmt: skip
    notes = " ".join(bench.previews[0].plan.notes)
    assert "if it gets worse, the guard rolls back by itself, 200ms after it says so, unless you stop it: uncordon" in notes
    assert "Error ratio 0.30 %, worse from 1.00 % on" in notes
    assert "if a signal is unknown for" in notes
    (ended,) = guards_of(bench.journal).ended
    assert (ended.result, ended.start.undo_action, ended.start.target) == ("kept", "uncordon", NODE)


async def test_a_worse_signal_takes_the_change_back_through_the_same_runner(bench: Bench) -> None:
    """A release whose error ratio rises is rolled back: announced, sent within a second of the countdown, and journalled."""
    second_revision(bench.cluster)
    signals = Signals(bench.journal)
    sent: list[float] = []
    bench.cluster.on_request(
        lambda request: sent.append(time.time()) if request.method == "PATCH" and "dryRun" not in request.query else None
    )
    worse = once_watching(lambda: signals.values.update(error_ratio=8.0))
    steps = await bench.act("rollback", f"deployment/{API}", guard=BRIEF, source=signals, meanwhile=worse, revision="1")
    result, text = outcome(steps)
    assert result is Outcome.ROLLED_BACK, text
    assert text.startswith("rolled back: Error ratio 8.00 % is at or over 1.00 %, 0.30 % before")
    quiet(bench.cluster, past=2)
    assert bench.cluster.deployment(API).image.endswith(":1.9.0")
    (announced,) = [step for step in steps if step.guard and step.guard.phase is GuardPhase.COUNTDOWN][:1]
    assert announced.guard is not None and announced.guard.acts_at is not None
    assert "rolls back in 200ms: rollback" in announced.text
    assert 0.0 <= sent[1] - announced.guard.acts_at < extend(1.0)
    # A pod that became ready in between makes the first roll-back a conflict, which the server rejects.
    again = sum("rejected the update: plans the roll-back again" in step.text for step in steps)
    assert len(bench.writes()) == len(sent) == 2 + again
    assert bench.journal is not None
    intents = [event.data for event in bench.journal.events() if event.kind == "action.intent"]
    assert intents[1]["cause"].startswith("guard: Error ratio 8.00 %")


async def test_a_guard_says_that_it_holds_the_newest_verdicts_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What falls off the list is counted, so that the screen can say where it is."""
    monkeypatch.setattr("console.actions.guard.drill.Guard", partial(Guard, verdicts_kept=2))
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=Signals(bench.journal))
    guards = [step.guard for step in steps if step.guard is not None]
    assert [(len(item.verdicts), item.left_out) for item in guards[:4]] == [(1, 0), (2, 0), (2, 1), (2, 2)]


async def test_one_key_stops_the_countdown(bench: Bench) -> None:
    """A stopped roll-back sends nothing: the change stays, and the outcome says that it is not verified."""
    signals, control = Signals(bench.journal), GuardControl()

    async def meanwhile(step: RunStep) -> None:
        if step.stage is Stage.EXECUTE:
            signals.values["error_ratio"] = 8.0
        if step.guard is not None and step.guard.phase is GuardPhase.COUNTDOWN:
            control.stop("ann")

    guard = replace(BRIEF, watch_seconds=5.0, countdown_seconds=5.0)
    started = time.monotonic()
    steps = await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=meanwhile, control=control)
    result, text = outcome(steps)
    assert result is Outcome.UNKNOWN
    assert text.startswith("stopped by ann: the change stays, although Error ratio 8.00 %")
    assert cordoned(bench) and time.monotonic() - started < extend(4.0)
    assert len(bench.writes()) == 1


async def test_signals_that_recover_call_the_roll_back_off(bench: Bench) -> None:
    """A value that is back within its limit before the countdown ends leaves the change in place."""
    signals = Signals(bench.journal)

    async def meanwhile(step: RunStep) -> None:
        if step.guard is not None and step.guard.phase is GuardPhase.COUNTDOWN:
            signals.values["error_ratio"] = 0.3
        elif step.stage is Stage.EXECUTE:
            signals.values["error_ratio"] = 8.0

    guard = replace(BRIEF, countdown_seconds=1.0)
    steps = await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=meanwhile)
    assert any(step.text.startswith("called off") for step in steps)
    assert outcome(steps)[0] is Outcome.DONE
    assert cordoned(bench)


async def test_an_unknown_signal_holds_and_then_takes_the_change_back(bench: Bench) -> None:
    """Without data nothing is kept: the guard says until when it holds, and rolls back when nobody decided."""
    signals = Signals(bench.journal)
    lost = once_watching(lambda: signals.values.update(error_ratio=None))
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=lost)
    result, text = outcome(steps)
    assert result is Outcome.ROLLED_BACK, text
    assert "rolled back: unknown for" in text and "Error ratio: NO DATA" in text
    holding = [step for step in steps if step.guard and step.guard.phase is GuardPhase.HOLD]
    assert holding and "holding, rolls back in" in holding[0].text
    assert not cordoned(bench)


async def test_a_source_that_fails_for_a_moment_holds_only(bench: Bench) -> None:
    """Prometheus that is gone for less than the hold decides nothing; the change is kept once the signals are there again."""
    signals = Signals(bench.journal)

    def read(count: int) -> None:
        signals.error = Unreachable("connection refused", where="http://prometheus") if 4 <= count <= 6 else None

    signals.on_read = read
    steps = await bench.act("cordon", NODE, guard=replace(BRIEF, hold_seconds=5.0), source=signals)
    assert outcome(steps)[0] is Outcome.DONE
    assert any(step.guard and step.guard.phase is GuardPhase.HOLD for step in steps)


async def test_a_signal_that_was_bad_before_counts_only_if_it_gets_worse(bench: Bench) -> None:
    """7 % before and after is no reason to roll back, and the preview says so; 12 % is one."""
    signals = Signals(bench.journal, {**GOOD, "error_ratio": 7.0})
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals)
    assert outcome(steps)[0] is Outcome.DONE
    assert any("Error ratio is bad already" in item.text for item in bench.previews[0].checks)
    worse = once_watching(lambda: signals.values.update(error_ratio=12.0))
    steps = await bench.act("uncordon", NODE, guard=BRIEF, source=signals, meanwhile=worse)
    assert outcome(steps)[0] is Outcome.ROLLED_BACK
    assert cordoned(bench)


async def test_what_somebody_else_changed_is_not_rolled_back(bench: Bench) -> None:
    """A person who reverts the change during the watch ends the guard; their state stays."""
    signals = Signals(bench.journal)

    def revert() -> None:
        bench.cluster.patch("nodes", "node-1", {"spec": {"unschedulable": None}})
        signals.values["error_ratio"] = 8.0

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(revert))
    result, text = outcome(steps)
    assert result is Outcome.UNDONE
    assert "is schedulable again" in text and "nothing is rolled back" in text
    assert len(bench.writes()) == 1


async def test_a_roll_back_that_fails_is_said_loudest(bench: Bench) -> None:
    """If the server refuses the roll-back, the outcome names what is where and what to do by hand."""
    signals = Signals(bench.journal)

    def lose() -> None:
        signals.values["error_ratio"] = 8.0
        bench.cluster.on_request(
            lambda item: bench.cluster.fail_next(422) if item.method == "PATCH" and "dryRun" not in item.query else None
        )

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    assert text.startswith("ROLLBACK FAILED: Error ratio 8.00 %")
    assert text.endswith("roll the change back by hand: uncordon node/node-1")
    assert guards_of(bench.journal).ended[-1].result == "rollback failed"


@pytest.mark.parametrize("conflicts", [1, 3])
async def test_a_roll_back_that_meets_a_conflict_is_planned_again(bench: Bench, conflicts: int) -> None:
    """409 means that the server took nothing: the guard reads and plans again 0.2 s later, each attempt a run of its own in the
    journal, even when the time that it holds is over.
    """
    signals, sent = Signals(bench.journal), []

    def reject(item: HttpRequest) -> None:
        if item.method == "PATCH" and "dryRun" not in dict(item.query):
            sent.append(time.monotonic())
            if len(sent) <= conflicts:
                bench.cluster.fail_next(409)

    def lose() -> None:
        signals.values["error_ratio"] = 8.0
        bench.cluster.on_request(reject)

    guard = replace(BRIEF, hold_seconds=0.05)
    steps = await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert result is Outcome.ROLLED_BACK, text
    assert not cordoned(bench)
    pauses = [after - before for before, after in pairwise(sent)]
    assert len(pauses) == conflicts and all(0.2 <= pause < extend(1.5) for pause in pauses), pauses
    assert bench.journal is not None
    ends = [(item.kind, item.data.get("outcome")) for item in bench.journal.events(kinds=("action.intent", "action.outcome"))]
    attempts = [*[("action.intent", None), ("action.outcome", "failed")] * conflicts, ("action.intent", None)]
    assert ends[2:] == [*attempts, ("action.outcome", "done")]


async def test_a_roll_back_that_meets_conflicts_without_end_fails(bench: Bench) -> None:
    """Five in a row after the hold are followed by one more; then a person has to act."""
    signals = Signals(bench.journal)

    def lose() -> None:
        signals.values["error_ratio"] = 8.0
        bench.cluster.on_request(
            lambda item: bench.cluster.fail_next(409) if item.method == "PATCH" and "dryRun" not in dict(item.query) else None
        )

    guard = replace(BRIEF, hold_seconds=0.05)
    steps = await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=once_watching(lose))
    assert outcome(steps)[0] is Outcome.ROLLBACK_FAILED
    assert len(bench.writes()) == 1 + 6 and cordoned(bench)


async def test_a_change_without_an_undo_is_only_watched(bench: Bench) -> None:
    """A restart that makes things worse fails; the preview said that nothing rolls it back."""
    signals = Signals(bench.journal)
    worse = once_watching(lambda: signals.values.update(error_ratio=8.0))
    steps = await bench.act("restart", f"deployment/{API}", guard=BRIEF, source=signals, meanwhile=worse)
    result, text = outcome(steps)
    assert result is Outcome.FAILED
    assert text.endswith("; this change has no automatic rollback")
    assert "this change has no automatic rollback: the guard only watches and reports" in bench.previews[0].plan.notes


async def test_a_clock_that_jumps_ends_no_watch(bench: Bench) -> None:
    """The guard's time follows a clock that nobody sets: an hour forwards and backwards neither ends nor prolongs it."""
    jumps = iter([0.0, 3600.0, -3600.0] * 100)
    started = time.monotonic()
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=Signals(bench.journal), clock=lambda: time.time() + next(jumps))
    assert outcome(steps)[0] is Outcome.DONE
    watched = [step for step in steps if step.guard is not None]
    assert len(watched) >= 3
    assert BRIEF.watch_seconds <= time.monotonic() - started < extend(5.0)


async def test_a_journal_that_is_gone_ends_no_guard(bench: Bench) -> None:
    """A journal that fails while the guard watches: its reports say so; the roll-back is refused without its journal entry, and
    that is said loudest.
    """
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None

    def lose() -> None:
        signals.values["error_ratio"] = 8.0
        journal.close()

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    assert "no write without its journal entry" in text and "could not be journalled" in text
    assert any("not journalled" in step.text for step in steps)
    assert cordoned(bench)


# Gates


async def test_a_failed_gate_asks_for_its_word(bench: Bench) -> None:
    """A failed self-check, a frozen budget and full memory each have to be typed; a passed gate asks for nothing."""
    checks = (
        CheckResult("health", "models", Result.FAILED, "a model is missing", HEALTH),
        CheckResult("contract", "metrics", Result.PASSED, "as agreed", HEALTH),
        CheckResult("rules", "loaded", Result.SKIPPED, "Prometheus does not respond", HEALTH),
    )
    signals = Signals(bench.journal, gates=GateFacts(checks, panels=(panel_state("memory", None, samples={"x": 95.0}),)))
    await bench.act("cordon", NODE, guard=BRIEF, source=signals)
    found = {item.text: item for item in bench.previews[0].checks if item.how == "gate"}
    assert bench.previews[0].second_words == ("self-check", "capacity")
    assert any(text.startswith("not checked: rules: Prometheus does not respond") for text in found)
    assert "contract: 1 checks passed" in found
    assert any(text.startswith("error budget not known") for text in found)


async def test_a_change_during_an_incident_is_warned_of(bench: Bench) -> None:
    """The preview names the incident, because its effect would count against the change; unread incidents are no silence."""
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    declared = IncidentDeclared("Errors", Priority.P1)
    journal.append(create_event(declared, at=time.time(), subject="i1", author="ann", environment="test"))
    incidents, _ = await signals.fetch_incidents()
    for facts, text in (
        (GateFacts(incidents=incidents), "incident 1 P1 is open: its effect on the signals would count against the change"),
        (GateFacts(incidents_error="the journal is locked"), "could not check for open incidents: the journal is locked"),
    ):
        signals.gates = facts
        await bench.act("cordon" if not cordoned(bench) else "uncordon", NODE, guard=BRIEF, source=signals)
        (check,) = [item for item in bench.previews[-1].checks if item.text == text]
        assert check.level is CheckLevel.WARN


async def test_a_signal_that_nobody_can_judge_blocks(bench: Bench) -> None:
    """Without a value before the change, or without such a panel, nothing is sent."""
    signals = Signals(bench.journal, {"error_ratio": None})
    guard = replace(BRIEF, signals=("error_ratio", "nonsense"))
    result, text = outcome(await bench.act("cordon", NODE, guard=guard, source=signals))
    assert result is Outcome.REFUSED
    assert "Error ratio: NO DATA" in text and "there is no signal nonsense; known: error_ratio, memory, p95_latency" in text
    assert bench.writes() == []


async def test_two_guards_on_one_workload_are_refused(bench: Bench) -> None:
    """While a guard watches, a second one on the same target is blocked by name; on another target it is not."""
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    journal.append(create_event(GuardStarted("cordon", NODE, "Cordon it"), at=time.time(), subject="r1", author="ann",
                                environment="test"))  # fmt: skip
    result, text = outcome(await bench.act("cordon", NODE, guard=BRIEF, source=signals))
    assert result is Outcome.REFUSED and "ann guards node/node-1" in text
    assert bench.writes() == []
    assert outcome(await bench.act("cordon", "node/node-2", guard=BRIEF, source=signals))[0] is Outcome.DONE


async def test_of_two_guards_at_the_same_moment_the_first_counts(bench: Bench) -> None:
    """Another console's guard that arrives between preview and change refuses this one; nothing is sent."""
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None

    async def meanwhile(step: RunStep) -> None:
        if step.stage is Stage.CONFIRM:
            journal.append(create_event(GuardStarted("cordon", NODE), at=1.0, subject="r1", author="ann", environment="test"))

    result, text = outcome(await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=meanwhile))
    assert result is Outcome.REFUSED and "ann started a guard of node/node-1 at the same moment" in text
    assert bench.writes() == []
    assert [item.result for item in guards_of(journal).ended] == ["not made"]


# Signals


def test_a_twin_that_is_as_bad_explains_a_bad_value() -> None:
    """Memory of the changed Deployment counts against the change only if that of the twin did not rise as well."""
    before = measure_before(
        panel_state("memory", None, samples={"api": 50.0, "api-stable": 50.0, "other": 99.0}), (), target="api"
    )
    assert before.before == 50.0 and before.limit == 80.0

    def judge(own: float, twin: float) -> GuardVerdict:
        state = panel_state("memory", None, samples={"api": own, "api-stable": twin, "other": 99.0})
        return evaluate_signal(before, state, target="api", twin="api-stable").verdict

    assert judge(79.9, 50.0) is GuardVerdict.OK
    assert judge(80.0, 50.0) is GuardVerdict.WORSE
    assert judge(85.0, 84.0) is GuardVerdict.OK


def health(value: float) -> PanelState:
    """The health of a provider, of which small values are bad."""
    spec = PanelSpec(
        "health", "Health", Unit.PERCENT, Aggregation.MIN, raw="up", lower_is_worse=True, threshold=Threshold(90.0, 70.0)
    )
    answer = PanelResult("health", Origin.RAW, "up", (Sample((), value),))
    return evaluate_panel(spec, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=1.0)


@pytest.mark.parametrize(
    ("state", "bad"), [(health(90.0), False), (health(89.9), True), (panel_state("error_ratio", 1.0), True)]
)
def test_at_its_own_threshold_a_signal_is_bad_only_if_its_panel_is(state: PanelState, bad: bool) -> None:
    """A signal exactly at its panel's threshold was bad before the change only where large values are bad."""
    assert measure_before(state, (), target="").bad_before is bad is (state.verdict is not Verdict.OK)


def test_at_the_limit_of_a_signal_only_a_large_value_is_worse() -> None:
    """A signal exactly at its limit is worse where large is bad, and is not where small is bad."""
    small, large = measure_before(health(95.0), (), target=""), measure_before(panel_state("error_ratio", 0.3), (), target="")
    assert small.limit is not None and large.limit is not None
    assert evaluate_signal(small, health(small.limit), target="").verdict is GuardVerdict.OK
    assert evaluate_signal(small, health(small.limit - 0.1), target="").verdict is GuardVerdict.WORSE
    assert evaluate_signal(large, panel_state("error_ratio", large.limit), target="").verdict is GuardVerdict.WORSE
    assert evaluate_signal(large, panel_state("error_ratio", large.limit - 0.1), target="").verdict is GuardVerdict.OK


def test_the_other_workloads_do_not_stand_for_the_target() -> None:
    """A target whose own series is missing is unknown, before the change and after it; a target without one has the panel's."""
    both = panel_state("memory", None, samples={"api": 50.0, "other": 20.0})
    alone = panel_state("memory", None, samples={"other": 20.0})
    before = measure_before(both, (), target="api")
    gone = evaluate_signal(before, alone, target="api")
    assert (gone.verdict, gone.value) == (GuardVerdict.UNKNOWN, None)
    assert gone.text == "Memory: NO DATA, the target has no series of its own"
    assert measure_before(alone, (), target="api").before is None
    others = (Series((("deployment", "other"),), ((1.0, 99.0), (2.0, 99.0))),)
    assert measure_before(both, others, target="api").limit == 80.0
    assert evaluate_signal(measure_before(alone, (), target=""), both, target="").value == 50.0


@pytest.mark.parametrize(("target", "known"), [("deployment/web", False), ("rollout/web", False), (NODE, True), ("", True)])
async def test_only_what_runs_pods_is_looked_for_among_the_workloads(target: str, known: bool, tmp_path: Path) -> None:
    """A Deployment without a series of its own cannot be judged, and the preview says so; a node never has one."""

    class Memory(Signals):
        async def fetch_panels(self, names: Sequence[str]) -> tuple[PanelState, ...]:
            return (panel_state("memory", None, samples={"other": 20.0}),)

        async def fetch_history(self, name: str, seconds: float) -> tuple[Series, ...]:
            return (Series((("deployment", "other"),), ((1.0, 20.0),)),)

    checks = GuardChecks(replace(BRIEF, signals=("memory",)), Memory(None), settings_for(tmp_path, None))
    found = await checks.measure(target)
    assert [item.before is not None for item in checks.signals] == [known]
    assert [item.text for item in found] == ([] if known else [
        "Memory: NO DATA, the target has no series of its own: a guard cannot judge it; name others (--signals)"
    ])  # fmt: skip


def test_the_limit_is_beyond_the_worst_value_before() -> None:
    """A peak in the last minutes is not blamed on the change; one that lasted less than a tenth of them allows no other."""
    history = (Series((), ((1.0, 0.4), (2.0, 6.0), (3.0, 0.5))),)
    signal = measure_before(panel_state("error_ratio", 0.3), history, target="api")
    assert signal.limit == pytest.approx(7.5)
    rare = (Series((), ((0.0, 9.0), *((float(at), 0.8) for at in range(1, 20)))),)
    assert measure_before(panel_state("error_ratio", 0.3), rare, target="api").limit == pytest.approx(1.3)
    assert not signal.bad_before


# Takeover


def test_a_way_back_is_an_action_on_the_same_kind_of_target() -> None:
    """What an action declares to roll it back exists, and can be run on what it changes; an action of one write is none of
    several steps.
    """
    found = 0
    for action in ACTIONS:
        assert isinstance(action, WriteAction) != isinstance(action, StepAction), action.name
        if not isinstance(action, Guardable) or not action.undone_by:
            continue
        undo = action_named(action.undone_by)
        assert undo is not None and undo.target_kind == action.target_kind, action.name
        assert set(action.kinds) <= set(undo.kinds), action.name
        found += 1
    assert found >= 14


class Killed(Exception):
    pass


async def kill(bench: Bench, stage: str, signals: Signals, guard: GuardOptions = BRIEF) -> None:
    """Leaves journal and cluster as a console does that is killed at this moment: nothing of it runs any more."""
    journal = bench.journal
    assert journal is not None

    class Dead:
        """A journal that takes nothing from a process that is gone."""

        gone = False

        def append(self, event: object) -> object:
            if self.gone:
                raise Killed
            return journal.append(event)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(journal, name)

    dead, alive = Dead(), bench.journal
    bench.journal = dead  # type: ignore[assignment]

    async def meanwhile(step: RunStep) -> None:
        at = step.guard.phase.value if step.guard is not None else step.stage.value
        if at == stage:
            dead.gone = True
            raise Killed

    try:
        with pytest.raises(Killed):
            await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=meanwhile)
    finally:
        bench.journal = alive


async def take_over(bench: Bench, signals: Signals, *, clock: Callable[[], float] = time.time) -> list[RunStep]:
    journal = bench.journal
    assert journal is not None
    (record,) = guards_of(journal).open
    writer = Writer(bench.settings)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(process, "current", lambda: process.Process(socket.gethostname(), "next", 2, "2"))
    monkeypatch.setattr(process, "is_running", lambda writer: False)
    try:
        takeover = GuardTakeover(
            record,
            settings=bench.settings,
            reader=bench.facts,
            writer=writer,
            journal=journal,
            source=signals,
            run_undo=lambda request, confirm: run(request, RunContext(bench.settings, bench.facts, writer, journal), confirm),
            control=GuardControl(),
            clock=clock,
        )
        return [step async for step in takeover.steps()]
    finally:
        monkeypatch.undo()
        await writer.close()


@pytest.mark.parametrize(
    ("stage", "result", "stays"),
    [
        ("journal intent", None, False),
        ("verify", GuardResult.KEPT, True),
        ("watching", GuardResult.KEPT, True),
        ("holding", GuardResult.KEPT, True),
        ("countdown", GuardResult.ROLLED_BACK, False),
    ],
)
async def test_the_next_console_ends_what_a_killed_one_guarded(
    bench: Bench, stage: str, result: GuardResult | None, stays: bool
) -> None:
    """Killed in any stage from the intent on: the next console finds the guard, or its change was never sent."""
    signals = Signals(bench.journal)
    guard = replace(BRIEF, watch_seconds=0.5, hold_seconds=5.0)
    if stage in ("countdown", "holding"):
        value = 8.0 if stage == "countdown" else None
        signals.on_read = lambda count: signals.values.update(error_ratio=value) if count > 2 else None
    await kill(bench, stage, signals, guard)
    if result is None:
        assert not guards_of(bench.journal).open
        assert bench.writes() == []
        return
    if stage == "holding":
        signals.on_read = lambda count: signals.values.update(error_ratio=0.3)
    steps = await take_over(bench, signals)
    assert steps[0].text.startswith("took over the guard of tester: Cordon node/node-1")
    assert [step.outcome for step in steps[:-1]] == [None] * (len(steps) - 1)
    (ended,) = guards_of(bench.journal).ended
    assert ended.result == result, steps[-1].text
    assert cordoned(bench) is stays


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_a_clock_that_was_set_makes_no_watch_endless_or_empty(bench: Bench, ahead: float) -> None:
    """The console that takes the guard over has another time than the one that died: it watches for three intervals at least,
    and for the whole watch at most.
    """
    signals = Signals(bench.journal)
    await kill(bench, "watching", signals, replace(BRIEF, watch_seconds=0.6))
    began, reads = time.monotonic(), signals.reads
    steps = await take_over(bench, signals, clock=lambda: time.time() + ahead)
    assert guards_of(bench.journal).ended[-1].result == "kept", steps[-1].text
    assert signals.reads - reads >= 3
    assert time.monotonic() - began < extend(5.0)


@pytest.mark.parametrize(
    ("now", "result", "text"),
    [
        ("3", "unknown", "UNGUARDED: the console of tester ended while it sent the change"),
        ("4", "unknown", "UNGUARDED: the console of tester ended while it sent the change"),
        ("5", "kept", "kept: "),
    ],
)
async def test_a_change_that_was_being_sent_is_looked_up(bench: Bench, now: str, result: str, text: str) -> None:
    """Killed between the guard's start and the server's answer, from 3 replicas to 5: with 5 the change is in place and the
    guard goes on; with any other number nobody can tell whether it was made or will be, so it is named, never called
    `not made`, and not rolled back.
    """
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    await bench.act("scale", f"deployment/{API}", replicas="5", guard=BRIEF, source=signals)
    started = next(event for event in journal.events() if event.kind == "guard.started")
    journal.append(replace(started, subject="r2", id="", sequence=0))
    if now != "5":
        await bench.act("scale", f"deployment/{API}", replicas=now)
    writes = len(bench.writes())
    steps = await take_over(bench, signals)
    assert guards_of(journal).ended[-1].result == result, steps[-1].text
    assert steps[-1].text.startswith(text), steps[-1].text
    if result == "unknown":
        assert steps[-1].text.endswith(f"roll it back by hand: scale deployment/{API} --replicas 3")
    assert len(bench.writes()) == writes and bench.cluster.deployment(API).desired == int(now)


async def test_an_end_that_is_not_on_record_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next console finds the target changed by somebody else, and the journal takes no entry: both are said."""
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    await bench.act("scale", f"deployment/{API}", replicas="5", guard=BRIEF, source=signals)
    started, watching = (
        next(item for item in journal.events() if item.kind == f"guard.{kind}") for kind in ("started", "watching")
    )
    for event in (started, watching):
        journal.append(replace(event, subject="r2", id="", sequence=0))
    await bench.act("scale", f"deployment/{API}", replicas="4")
    append = journal.append

    def refuse(event: Event) -> Event:
        if event.kind == "guard.ended":
            raise JournalError("the disk is full")
        return append(event)

    monkeypatch.setattr(journal, "append", refuse)
    steps = await take_over(bench, signals)
    end = f"deployment/{API} was changed by someone else since: nothing is rolled back"
    assert steps[-1].text == f"{end} (this end could not be journalled: the disk is full)"
    assert steps[-1].outcome is Outcome.UNDONE


def forged(bench: Bench, signals: Signals, **changes: Any) -> list[Event]:
    """As the shared store delivers it: the guard of a change that no console of this host made, already worse."""
    journal = bench.journal
    assert journal is not None
    start = next(event for event in journal.events() if event.kind == "guard.started")
    watching = next(event for event in journal.events() if event.kind == "guard.watching")
    data = {**start.data, "hold_seconds": 0.0, "countdown_seconds": 0.0, **changes}
    signals.values["error_ratio"] = 99.0
    return [
        replace(item, subject="forged", id=f"f{number}", data=told)
        for number, (item, told) in enumerate(((start, data), (watching, watching.data)))
    ]


@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"cluster_uid": "", "namespace_uid": ""},
        {"undo_action": "scale", "undo_target": f"deployment/{API}", "undo_parameters": {"replicas": "0"}},
        {"process": "elsewhere boot 1 2"},
    ],
)
async def test_a_guard_of_the_shared_store_is_only_named(bench: Bench, delivered: bool, changes: dict[str, Any]) -> None:
    """Whoever may write the store may add any event: no console sends a change for it. Nor does it for one in its own file that
    another process wrote, that leads elsewhere, or whose undo is not what the product rolls that action back with.
    """
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    await bench.act("cordon", NODE, guard=BRIEF, source=signals)
    events = forged(bench, signals, **({"process": "", **changes} if delivered else changes))
    if delivered:
        journal.merge(events)
    else:
        for event in events:
            journal.append(replace(event, id="", sequence=0))
    writes = len(bench.writes())
    with pytest.raises(NotTaken, match=r"nothing is sent; if it has to go back, run uncordon on node/node-1"):
        await take_over(bench, signals)
    assert len(bench.writes()) == writes and cordoned(bench)
    assert "guard.taken" not in kinds(bench)


async def test_a_guard_that_was_taken_over_holds_at_least_a_second(bench: Bench) -> None:
    """The journal may say less than what a person may ask for: without data the change is not rolled back at once."""
    signals = Signals(bench.journal)
    await kill(bench, "watching", signals, replace(BRIEF, hold_seconds=0.01, countdown_seconds=-5.0))
    signals.values["error_ratio"] = None
    steps = await take_over(bench, signals)
    assert steps[-1].text.startswith("rolled back: unknown for 1s"), steps[-1].text


@pytest.mark.parametrize("taken_over", [True, False])
async def test_a_guard_whose_change_the_console_no_longer_knows_ends_as_unknown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, taken_over: bool
) -> None:
    """The file with the call that was made cannot be read any more, or the console that takes the guard over has another one.
    Nobody is said to have changed anything, nothing is rolled back, and the guard ends, so that the next console does not begin
    anew.
    """
    signals = Signals(bench.journal)

    async def unknown(*_: object) -> str:
        raise ActionRefused("there is no call 'warm-up'; not read: own.yaml")

    def lose() -> None:
        monkeypatch.setattr(Cordon, "fetch_state", unknown)

    if taken_over:
        await kill(bench, "watching", signals)
        lose()
        steps = await take_over(bench, signals)
    else:
        guard = replace(BRIEF, hold_seconds=0.05)
        steps = await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert (result, text) == (
        Outcome.UNKNOWN,
        "unknown: cannot check the target: there is no call 'warm-up'; not read: own.yaml",
    )
    (ended,) = guards_of(bench.journal).ended
    assert (ended.result, len(bench.writes())) == ("unknown", 1) and not guards_of(bench.journal).open


async def test_of_two_consoles_at_the_same_moment_one_takes_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read that nothing runs the guard; under the lock of their one file only the first claims it."""
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    await kill(bench, "watching", signals)
    (record,) = guards_of(journal).open
    append_if_last = journal.append_if_last

    def second(event: Event, known: Sequence[str], after: int) -> Event | None:
        first = GuardTakenOver("other 1 2 3", record.process)
        journal.append(create_event(first, at=time.time(), subject=record.id, author="tester", environment="test"))
        return append_if_last(event, known, after)

    monkeypatch.setattr(journal, "append_if_last", second)
    with pytest.raises(NotTaken, match="at the same moment"):
        await take_over(bench, signals)
    assert guards_of(journal).open[0].process == "other 1 2 3"
    assert [kind for kind in kinds(bench) if kind == "guard.taken"] == ["guard.taken"]


@pytest.mark.parametrize("ended", [False, True])
async def test_of_two_hosts_at_the_same_moment_the_store_decides(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """After the claim the store says that bob on another host was first, or that somebody ended it: this console watches
    nothing, sends nothing, and does not call the guard unguarded.
    """
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None
    await kill(bench, "watching", signals)
    (record,) = guards_of(journal).open
    others = replace(record, author="bob@vm", process="other 1 2 3")

    async def fetch_guards() -> tuple[Guards, str]:
        return Guards(() if ended else (replace(others, id="another"), others)), ""

    monkeypatch.setattr(signals, "fetch_guards", fetch_guards)
    writes = len(bench.writes())
    with pytest.raises(NotTaken, match="^somebody took it over at" if ended else "^bob@vm took it over at the same moment$"):
        await take_over(bench, signals)
    assert [event.data["process"] != "" for event in journal.events() if event.kind == "guard.taken"] == [True]
    assert len(bench.writes()) == writes


@pytest.mark.parametrize("ended", [False, True])
async def test_a_guard_that_is_somebody_elses_sends_nothing(bench: Bench, ended: bool) -> None:
    """Taken over or ended while it counts down: this console reads that right before the undo, and ends without a word in the
    journal.
    """
    signals, journal = Signals(bench.journal), bench.journal
    assert journal is not None

    async def meanwhile(step: RunStep) -> None:
        if step.stage is Stage.EXECUTE:
            signals.values["error_ratio"] = 8.0
        if step.guard is not None and step.guard.phase is GuardPhase.COUNTDOWN and not others:
            (record,) = guards_of(journal).open
            payload = GuardEnded("stopped") if ended else GuardTakenOver("other 1 2 3", record.process)
            others.append(create_event(payload, at=time.time(), subject=record.id, author="bob", environment="test"))
            journal.merge([replace(others[0], id="of bob")])

    others: list[Event] = []
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=meanwhile)
    result, text = outcome(steps)
    assert result is Outcome.UNKNOWN
    assert text.endswith("this console stopped watching and sends nothing")
    assert len(bench.writes()) == 1 and cordoned(bench)
    assert kinds(bench).count("guard.ended") == ended


async def test_a_store_that_is_unknown_holds_the_roll_back(bench: Bench) -> None:
    """Without the newest events of the shared store nobody knows whose guard it is: nothing is sent, and that is said."""
    signals = Signals(bench.journal)

    def lose() -> None:
        signals.values["error_ratio"], signals.missing = 8.0, "the store does not respond"

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    assert "cannot check who runs this guard: the store does not respond" in text
    assert any(step.text.startswith("holds, nothing is sent") for step in steps)
    assert len(bench.writes()) == 1 and cordoned(bench)


async def test_an_undo_goes_to_the_cluster_of_the_change_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address leads to another cluster after the change: the roll-back is refused, and nothing is sent there."""
    signals = Signals(bench.journal)

    async def elsewhere(writer: Writer) -> ClusterIdentity:
        return ClusterIdentity("another", "other")

    def move() -> None:
        signals.values["error_ratio"] = 8.0
        monkeypatch.setattr(Writer, "cluster_identity", elsewhere)

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(move))
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    assert "this is another cluster or namespace than the one in which the change was made" in text
    assert len(bench.writes()) == 1


async def test_a_later_change_is_not_rolled_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an action that cannot tell who undid it, the digest of when the server accepted the change does."""
    signals = Signals(bench.journal)

    async def not_undone(*_: object) -> None:
        return None

    monkeypatch.setattr(Cordon, "check_undone", not_undone)

    def revert() -> None:
        bench.cluster.patch("nodes", "node-1", {"spec": {"unschedulable": None}})
        signals.values["error_ratio"] = 8.0

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(revert))
    result, text = outcome(steps)
    assert result is Outcome.UNDONE
    assert text == "node/node-1 was changed by someone else since: nothing is rolled back"
    assert len(bench.writes()) == 1


async def test_a_target_that_cannot_be_read_is_not_rolled_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether somebody changed it since is not known then: nothing is sent, and the outcome says why."""
    signals = Signals(bench.journal)

    async def unread(*_: object) -> None:
        raise Unreachable("connection refused", where="http://cluster")

    def lose() -> None:
        signals.values["error_ratio"] = 8.0
        monkeypatch.setattr(Cordon, "check_undone", unread)

    guard = replace(BRIEF, hold_seconds=0.05)
    steps = await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    assert "cannot check the target: connection refused" in text, text
    assert len(bench.writes()) == 1 and cordoned(bench)


@pytest.mark.parametrize("worse", [False, True])
async def test_a_target_that_was_deleted_is_nothing_to_roll_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, worse: bool
) -> None:
    """Somebody deleted what the guard watches: that is their change, and neither an unknown one nor a roll-back that failed."""
    signals = Signals(bench.journal)

    async def deleted(*_: object) -> None:
        raise RequestRejected('nodes "node-1" not found', where="http://cluster", status=404)

    def lose() -> None:
        signals.values["error_ratio"] = 8.0 if worse else 0.3
        monkeypatch.setattr(Cordon, "check_undone", deleted)

    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=once_watching(lose))
    result, text = outcome(steps)
    assert (result, text) == (Outcome.UNDONE, "node/node-1 no longer exists: nothing is rolled back")
    assert len(bench.writes()) == 1


@pytest.mark.parametrize(("after", "why"), [(None, "Error ratio: NO DATA"), (9.0, "the limit of Error ratio is laxer")])
async def test_signals_that_changed_since_the_preview_refuse(bench: Bench, after: float | None, why: str) -> None:
    """Measured again after the confirmation: without a value, or with a limit that nobody confirmed, nothing is sent."""
    signals = Signals(bench.journal)

    async def confirm(preview: Preview) -> bool:
        signals.values["error_ratio"] = after
        return True

    result, text = outcome(await bench.act("cordon", NODE, guard=BRIEF, source=signals, confirm=confirm))
    assert result is Outcome.REFUSED and why in text, text
    assert bench.writes() == []
    assert not guards_of(bench.journal).open


async def test_a_change_that_was_rolled_back_by_hand_is_not_rolled_back_again(bench: Bench) -> None:
    """Reverted after the console died: the next one says so and writes nothing."""
    signals = Signals(bench.journal)
    await kill(bench, "watching", signals)
    bench.cluster.patch("nodes", "node-1", {"spec": {"unschedulable": None}})
    steps = await take_over(bench, signals)
    assert steps[-1].text == "rolled back: the state before the change is there again"
    assert len(bench.writes()) == 1


async def test_of_two_consoles_the_first_takes_a_guard_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the guard taken and leaves it alone; under read-only nobody takes anything."""
    signals, journal = Signals(bench.journal), bench.journal
    await kill(bench, "watching", signals)
    assert journal is not None
    (record,) = guards_of(journal).open
    monkeypatch.setattr(process, "is_running", lambda writer: False)
    first = create_event(GuardTakenOver("other 1 2 3", record.process), at=1.0, subject=record.id, author="bob",
                         environment="test")  # fmt: skip
    journal.merge([replace(first, id="of bob")])
    writer = Writer(bench.settings)
    for settings, why in ((bench.settings, "bob took it over"), (replace(bench.settings, read_only=True), "read-only")):
        takeover = GuardTakeover(
            record, settings=settings, reader=bench.facts, writer=writer, journal=journal, source=signals,
            run_undo=lambda request, confirm: pytest.fail("nothing is rolled back"), control=GuardControl(), clock=time.time,
        )  # fmt: skip
        with pytest.raises(NotTaken, match=why):
            _ = [step async for step in takeover.steps()]
    await writer.close()
    assert guards_of(journal).open[0].author == "bob"


async def test_a_run_that_is_left_says_that_nothing_watches(bench: Bench) -> None:
    """Closing the run while its guard watches journals that at once: its process may live on."""
    signals = Signals(bench.journal)
    control = GuardControl()

    class Left(Exception):
        pass

    async def meanwhile(step: RunStep) -> None:
        if step.guard is not None:
            raise Left

    with pytest.raises(Left):
        await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=meanwhile, control=control)
    (record,) = guards_of(bench.journal).open
    assert record.process == ""
    assert is_unguarded(record, Presence())
