"""When a guard decides, on a clock that jumps to its next timer: no busy machine makes these times longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from action_bench import settings_for
from guard_bench import Signals, panel_state
from quick_clock import run_quickly

from console.actions.guard.drill import guard_class
from console.actions.guard.guard import GuardControl
from console.actions.guard.model import GuardOptions, GuardPhase, GuardResult, GuardStatus
from console.actions.guard.signals import measure_before
from console.actions.plan import Outcome, Request, RunStep, Stage
from console.journal.payloads import GuardAnnounced, GuardEnded, GuardEvaluated, Payload
from queries.errors import Unreachable
from queries.model.action import ActionCall

INTERVAL = 5.0
PHASES = (10.0, 11.3, 14.999, 15.0)
"""Seconds after the change at which something happens, at and between the evaluations of every five seconds."""
OPTIONS = GuardOptions(watch_seconds=600.0, signals=("error_ratio",), hold_seconds=30.0, countdown_seconds=7.0)
UNDO = ActionCall("uncordon", "node/node-1")


@dataclass
class Watch:
    """One guard, from the accepted change on; everything is in seconds since then."""

    folder: Path
    options: GuardOptions = OPTIONS
    signals: Signals = field(default_factory=lambda: Signals(None, interval_seconds=INTERVAL))
    control: GuardControl = field(default_factory=GuardControl)
    begins: float = 0.0
    """When the watch begins: a drill counts from its fault, which may take a while."""
    read_seconds: float = 0.0
    """How long the server and the shared store take to tell, right before the undo, whose the change and the guard are."""
    moved: str = ""
    lost: str = ""
    unread_until: float = 0.0
    """Until then nobody can read whose the change is."""
    states: list[GuardStatus] = field(default_factory=list)
    journal: list[tuple[float, Payload]] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    outcome: Outcome | None = None
    ended: float = 0.0

    def run(self, *happens: tuple[float, Callable[[Watch], None]]) -> Watch:
        run_quickly(self._run(happens))
        return self

    def when(self, kind: type[Payload], *, starts: str = "") -> float:
        """The second of the first event of this kind whose text starts so."""
        found = [at for at, item in self.journal if isinstance(item, kind) and getattr(item, "text", "").startswith(starts)]
        assert found, [item for _, item in self.journal]
        return found[0]

    async def _run(self, happens: tuple[tuple[float, Callable[[Watch], None]], ...]) -> None:
        loop = asyncio.get_running_loop()
        for at, change in happens:
            loop.call_at(at, change, self)

        async def record(payload: Payload) -> str:
            self.journal.append((loop.time(), payload))
            return ""

        async def find_change() -> str:
            await asyncio.sleep(self.read_seconds)
            if loop.time() < self.unread_until:
                raise Unreachable("no connection")
            return self.moved

        async def find_loss(newest: bool) -> tuple[str, str]:
            await asyncio.sleep(self.read_seconds if newest else 0.0)
            return self.lost, ""

        async def run_undo(request: Request, confirm: Callable[[Any], Awaitable[bool]]) -> AsyncGenerator[RunStep, None]:
            agreed = await confirm(SimpleNamespace(blocked=False))
            if agreed:
                self.sent.append(loop.time())
            end = Outcome.DONE if agreed else Outcome.REFUSED
            yield RunStep(Stage.OUTCOME, "uncordoned", loop.time(), 0.0, outcome=end)

        before = measure_before(panel_state("error_ratio", 0.3), (), target="")
        guard = guard_class(self.options)(
            self.options, (before,), target=UNDO.target, undo=UNDO, source=self.signals,
            settings=settings_for(self.folder, None), record=record, run_undo=run_undo, find_change=find_change,
            find_loss=find_loss, control=self.control, clock=loop.time, fingerprint="fp",
        )  # fmt: skip
        await asyncio.sleep(self.begins)
        async for report in guard.watch():
            self.outcome, self.ended = report.outcome, loop.time()
            self.states.append(report.status)


def set_ratio(value: float | None) -> Callable[[Watch], None]:
    return lambda watch: watch.signals.values.update(error_ratio=value)


@pytest.mark.parametrize("at", PHASES)
def test_what_gets_worse_is_announced_within_an_interval(tmp_path: Path, at: float) -> None:
    """From the fact to the announcement, whenever between two evaluations it comes; and the undo right after the countdown."""
    watch = Watch(tmp_path).run((at, set_ratio(8.0)))
    announced = watch.when(GuardAnnounced)
    assert 0.0 <= announced - at <= INTERVAL
    assert watch.sent == [pytest.approx(announced + OPTIONS.countdown_seconds)]
    assert watch.outcome is Outcome.ROLLED_BACK
    about = [(item.target, item.fingerprint) for _, item in watch.journal if isinstance(item, GuardAnnounced | GuardEnded)]
    assert about == [(UNDO.target, "fp")] * 2


@pytest.mark.parametrize("at", PHASES)
def test_an_unknown_signal_holds_within_an_interval_and_acts_after_the_hold(tmp_path: Path, at: float) -> None:
    """The hold begins at the first evaluation after the fact, and the announcement comes at the first one after its end."""
    watch = Watch(tmp_path).run((at, set_ratio(None)))
    held = next(second for second, item in watch.journal if isinstance(item, GuardEvaluated) and item.verdict == "unknown")
    assert 0.0 <= held - at <= INTERVAL
    assert 0.0 <= watch.when(GuardAnnounced) - held - OPTIONS.hold_seconds <= INTERVAL


@pytest.mark.parametrize("at", PHASES)
@pytest.mark.parametrize(
    ("happens", "end"),
    [
        (lambda watch: setattr(watch, "moved", "node/node-1 is schedulable again, by bob"), Outcome.UNDONE),
        (lambda watch: setattr(watch, "lost", "bob ended this guard"), Outcome.UNKNOWN),
    ],
)
def test_what_somebody_else_does_is_seen_within_an_interval(
    tmp_path: Path, at: float, happens: Callable[[Watch], None], end: Outcome
) -> None:
    """A change that is another's, and a guard that is: the watch ends, nothing is sent."""
    watch = Watch(tmp_path).run((at, happens))
    assert 0.0 <= watch.ended - at <= INTERVAL
    assert (watch.outcome, watch.sent) == (end, [])


@pytest.mark.parametrize("later", [0.1, 4.0, 4.999])
def test_signals_that_recover_call_the_countdown_off_within_an_interval(tmp_path: Path, later: float) -> None:
    """Before the countdown is over, so that nothing is sent."""
    options = replace(OPTIONS, watch_seconds=60.0)
    watch = Watch(tmp_path, options).run((11.0, set_ratio(8.0)), (15.0 + later, set_ratio(0.3)))
    assert watch.when(GuardAnnounced) == 15.0
    assert 0.0 <= watch.when(GuardAnnounced, starts="called off") - (15.0 + later) <= INTERVAL
    assert (watch.outcome, watch.sent) == (Outcome.DONE, [])


@pytest.mark.parametrize("at", [15.0, 17.3, 21.9])
@pytest.mark.parametrize("who", ["stop", "roll back"])
def test_a_person_is_obeyed_at_once(tmp_path: Path, at: float, who: str) -> None:
    """In the watch or in the middle of a countdown: not at the next evaluation."""

    def decide(watch: Watch) -> None:
        watch.control.stop("ann") if who == "stop" else watch.control.roll_back()

    watch = Watch(tmp_path).run((11.0, set_ratio(8.0)), (at, decide))
    if who == "stop":
        assert (watch.when(GuardEnded), watch.sent, watch.outcome) == (pytest.approx(at), [], Outcome.UNKNOWN)
    else:
        assert (watch.sent, watch.outcome) == ([pytest.approx(at)], Outcome.ROLLED_BACK)


@pytest.mark.parametrize("at", [23.5, 25.5, 26.9])
def test_a_stop_counts_until_the_roll_back_is_sent(tmp_path: Path, at: float) -> None:
    """Also after the countdown's end at 23, while the guard reads the target and then the shared store: the change stays."""
    watch = Watch(tmp_path, read_seconds=2.0).run((11.0, set_ratio(8.0)), (at, lambda watch: watch.control.stop("ann")))
    assert (watch.sent, watch.outcome, watch.states[-1].result) == ([], Outcome.UNKNOWN, GuardResult.STOPPED)
    assert watch.when(GuardAnnounced) + OPTIONS.countdown_seconds == 23.0
    assert watch.when(GuardEnded, starts="stopped by ann: the change stays") == 27.0


@pytest.mark.parametrize("watch_seconds", [60.0, 61.0, 64.999])
def test_a_change_is_kept_within_an_interval_of_the_end_of_its_watch(tmp_path: Path, watch_seconds: float) -> None:
    watch = Watch(tmp_path, replace(OPTIONS, watch_seconds=watch_seconds)).run()
    assert watch.outcome is Outcome.DONE
    assert 0.0 <= watch.ended - watch_seconds <= INTERVAL


@pytest.mark.parametrize("read_seconds", [0.0, 0.25])
def test_the_guard_adds_nothing_to_what_it_reads_before_the_undo(tmp_path: Path, read_seconds: float) -> None:
    """From the end of the countdown to the request: the target and the shared store are read once each, and nothing else waits.
    With a quarter of a second for each that is half a second; a whole one is allowed.
    """
    watch = Watch(tmp_path, read_seconds=read_seconds).run((11.0, set_ratio(8.0)))
    over = watch.when(GuardAnnounced) + OPTIONS.countdown_seconds
    assert watch.sent == [pytest.approx(over + 2 * read_seconds)]
    assert watch.sent[0] - over <= 1.0


@pytest.mark.parametrize(("watch_seconds", "ends"), [(60.0, 60.0), (60.001, 65.0), (64.999, 65.0), (65.0, 65.0)])
def test_a_change_is_kept_at_the_evaluation_that_ends_its_watch(tmp_path: Path, watch_seconds: float, ends: float) -> None:
    """Exactly at its end if one falls there, and never before it."""
    watch = Watch(tmp_path, replace(OPTIONS, watch_seconds=watch_seconds)).run()
    assert (watch.outcome, watch.ended) == (Outcome.DONE, ends)


@pytest.mark.parametrize(("hold_seconds", "acts"), [(30.0, 45.0), (30.001, 50.0), (34.999, 50.0)])
def test_a_hold_ends_at_the_evaluation_at_its_end(tmp_path: Path, hold_seconds: float, acts: float) -> None:
    """Unknown from the second 15 on; and the hold of one that is known in between begins anew."""
    options = replace(OPTIONS, hold_seconds=hold_seconds)
    watch = Watch(tmp_path, options).run((15.0, set_ratio(None)))
    assert watch.when(GuardAnnounced) == acts
    again = Watch(tmp_path, options).run((15.0, set_ratio(None)), (40.0, set_ratio(0.3)), (45.0, set_ratio(None)))
    assert again.when(GuardAnnounced) == acts + 30.0


@pytest.mark.parametrize(("countdown", "recovers", "called_off"), [(10.0, 20.0, True), (10.0, 25.0, False), (5.0, 20.0, False),
                                                                   (10.001, 25.0, True), (0.0, 15.5, False)])  # fmt: skip
def test_what_recovers_at_the_end_of_the_countdown_comes_too_late(
    tmp_path: Path, countdown: float, recovers: float, called_off: bool
) -> None:
    """Announced at 15: until the countdown is over an evaluation calls it off, at its end nobody looks again."""
    options = replace(OPTIONS, countdown_seconds=countdown, watch_seconds=60.0)
    watch = Watch(tmp_path, options).run((15.0, set_ratio(8.0)), (recovers, set_ratio(0.3)))
    assert watch.sent == ([] if called_off else [15.0 + countdown])
    assert watch.outcome is (Outcome.DONE if called_off else Outcome.ROLLED_BACK)
    assert watch.when(GuardEnded) == (60.0 if called_off else 15.0 + countdown)


@pytest.mark.parametrize(("error_until", "hold_seconds", "end"), [(60.0, 30.0, Outcome.DONE), (90.0, 30.0, Outcome.DONE),
                                                                  (95.0, 30.0, Outcome.UNKNOWN)])  # fmt: skip
def test_a_target_that_cannot_be_read_ends_the_watch_after_the_hold(
    tmp_path: Path, error_until: float, hold_seconds: float, end: Outcome
) -> None:
    """Nobody claims that the change is kept; at the end of the hold the guard gives up, and an answer at that moment counts."""
    watch = Watch(tmp_path, replace(OPTIONS, watch_seconds=60.0, hold_seconds=hold_seconds))
    watch.unread_until = error_until
    watch.run()
    assert (watch.outcome, watch.sent) == (end, [])
    assert watch.ended == (min(max(60.0, error_until), 90.0))


@pytest.mark.parametrize("drill_seconds", [20.0, 22.5])
def test_a_drill_is_rolled_back_when_its_time_is_up(tmp_path: Path, drill_seconds: float) -> None:
    """Whatever the signals show, at the evaluation at its end or after it, and at once when a person stops it."""
    options = replace(OPTIONS, watch_seconds=drill_seconds, countdown_seconds=0.0, drill="errors")
    watch = Watch(tmp_path, options).run((11.0, set_ratio(80.0)))
    assert watch.sent == [20.0 if drill_seconds == 20.0 else 25.0]
    stopped = Watch(tmp_path, options).run((11.0, lambda watch: watch.control.stop("ann")))
    assert (stopped.sent, stopped.outcome) == ([11.0], Outcome.ROLLED_BACK)


def test_the_state_of_a_guard_after_each_of_its_events(tmp_path: Path) -> None:
    """What the screen shows: phase, and when something happens, as long as it may; at the end nothing is due."""
    options = replace(OPTIONS, watch_seconds=60.0, countdown_seconds=10.0, hold_seconds=30.0)
    watch = Watch(tmp_path, options).run(
        (10.0, set_ratio(None)), (20.0, set_ratio(0.3)), (30.0, set_ratio(8.0)), (34.0, set_ratio(0.3))
    )
    phases: list[tuple[GuardPhase, float | None]] = []
    for status in watch.states:
        if not phases or phases[-1] != (status.phase, status.acts_at):
            phases.append((status.phase, status.acts_at))
    assert phases == [
        (GuardPhase.WATCH, None), (GuardPhase.HOLD, 40.0), (GuardPhase.WATCH, None), (GuardPhase.COUNTDOWN, 40.0),
        (GuardPhase.WATCH, None), (GuardPhase.ENDED, None),
    ]  # fmt: skip
    assert {item.ends_at for item in watch.states} == {60.0} and {item.started_at for item in watch.states} == {0.0}
    last = watch.states[-1]
    assert (last.result, last.reason, last.undo, last.drill) == (GuardResult.KEPT, "", "uncordon node/node-1", "")
    assert [at for at, verdict, _ in last.verdicts if verdict == "unknown"] == [10.0, 15.0]
    counting = next(item for item in watch.states if item.phase is GuardPhase.COUNTDOWN)
    assert counting.reason.startswith("Error ratio 8.00 %") and counting.result is None


def test_a_drill_says_when_it_is_taken_back(tmp_path: Path) -> None:
    """The time counts from the fault, also for what shows it; it never ends because the change is proved."""
    options = replace(OPTIONS, watch_seconds=20.0, countdown_seconds=0.0, drill="errors")
    watch = Watch(tmp_path, options).run()
    assert {item.ends_at for item in watch.states if item.phase is GuardPhase.WATCH} == {20.0}
    texts = {item.text for _, item in watch.journal if isinstance(item, GuardEvaluated | GuardAnnounced)}
    assert "the time limit of 20s is over" in " ".join(texts)
    assert watch.outcome is Outcome.ROLLED_BACK


@pytest.mark.parametrize(("begins", "sent"), [(0.0, 20.0), (5.0, 20.0), (12.5, 22.5), (30.0, 30.0)])
def test_the_time_of_a_drill_counts_from_its_fault(tmp_path: Path, begins: float, sent: float) -> None:
    """Not from when its watch begins: it ends at the first evaluation after its time, or at once if that has passed."""
    options = replace(OPTIONS, watch_seconds=20.0, countdown_seconds=0.0, drill="errors")
    watch = Watch(tmp_path, options, begins=begins).run()
    assert watch.sent == [sent]
    assert begins > 20.0 or {item.ends_at for item in watch.states if item.phase is GuardPhase.WATCH} == {20.0}
