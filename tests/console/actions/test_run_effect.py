"""How long a change is watched, on a clock that only the test moves: every end exactly on its line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from action_bench import settings_for
from quick_clock import run_quickly

from console.actions.action import AppliedCheck, Progress
from console.actions.plan import Outcome, Plan, Reconciler, Request
from console.actions.recovery import RecoveryProbe, RecoveryWatch, Trigger
from console.actions.run_effect import Effect, Verification, find_applied
from queries.errors import SourceError, Unreachable

PLAN = Plan(Request("scale", "deployment/web"), "Scale", "deployment/web", (), (), "", "web", {})
HPA = Reconciler("hpa", "HPA web", "", ("replicas",), ())
FLUX = Reconciler("flux", "Flux", "", ("replicas",), ())


@pytest.fixture(autouse=True)
def _loop_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the clock of the process reads that of the loop, which jumps from one sleep to the next."""
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    for module in ("run_effect", "recovery"):
        monkeypatch.setattr(f"console.actions.{module}.time", clock)


class Action:
    """Reports what it is told, one look after the other; the last one stays."""

    name, title, expects_recovery = "scale", "Scale", True

    def __init__(self, *looks: Progress | SourceError | AppliedCheck, undone_at: float = 1e9) -> None:
        self.looks, self.left, self.undone_at = 0, list(looks), undone_at

    def look(self) -> Any:
        self.looks += 1
        item = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(item, SourceError):
            raise item
        return item

    async def verify(self, plan: Plan, reader: Any) -> AsyncGenerator[Progress, None]:
        while True:
            yield self.look()

    async def check_applied(self, plan: Plan, reader: Any) -> AppliedCheck:
        found: AppliedCheck = self.look()
        return found

    async def check_undone(self, plan: Plan, reader: Any) -> Progress | None:
        if asyncio.get_running_loop().time() >= self.undone_at:
            return Progress("scaled back to 3", done=False, undone_by="HPA web")
        return None


class Reader:
    """A panel whose value is good from a moment on."""

    def __init__(self, good_at: float) -> None:
        self.good_at = good_at

    async def panel_value(self, panel: str) -> tuple[float | None, str]:
        good = asyncio.get_running_loop().time() >= self.good_at
        return (0.0, "0 %") if good else (50.0, "50 %")


def watch(
    folder: Path, action: Action, *, reader: Any = None, panel: str = "", worse_at: float = 1e9, settle: Any = (),
    reconcilers: tuple[Reconciler, ...] = (), before: float | None = 50.0,
) -> tuple[list[str], Verification, float]:  # fmt: skip
    """The reports, the verification and the second of its end: a poll a second, ten seconds at most."""
    settings = settings_for(folder, None, verify_poll_seconds=1.0, settle=settle)
    request = Request("scale", "deployment/web", panel_id=panel)

    async def run() -> tuple[list[str], Verification, float]:
        loop = asyncio.get_running_loop()

        async def observe() -> str:
            return ""

        verification = Verification(
            action, replace(PLAN, reconcilers=reconcilers), Trigger(request, settings), RecoveryProbe(before, "50 %"),
            reader=reader, settings=settings, clock=loop.time, sent_at=0.0, observe_guard=observe,
            why_worse=lambda: "it got worse" if loop.time() >= worse_at else "",
        )  # fmt: skip
        found = [text async for text in verification.watch_effect(action)]  # type: ignore[arg-type]
        return found, verification, loop.time()

    return run_quickly(run())


@pytest.mark.parametrize(("looks", "end"), [(1, 0.0), (4, 3.0), (10, 9.0)])
def test_a_change_that_is_seen_in_time_is_done(tmp_path: Path, looks: int, end: float) -> None:
    """At the look that shows it, once a second; each sentence is reported once."""
    waiting = [Progress("2 of 3 pods")] * (looks - 1)
    texts, verification, at = watch(tmp_path, Action(*waiting, Progress("rolled out", done=True)))
    assert (texts, at) == ([*dict.fromkeys(["2 of 3 pods"] if waiting else []), "rolled out"], end)
    assert verification.end == (Outcome.DONE, f"done in {end:.0f}s; rolled out", None)


def test_after_the_time_limit_nobody_looks_again(tmp_path: Path) -> None:
    """Ten seconds, ten looks; what was seen last is said, and what may take long is unknown instead of failed."""
    action = Action(Progress("2 of 3 pods"))
    texts, verification, at = watch(tmp_path, action)
    assert (texts, at, action.looks) == (["2 of 3 pods"], 10.0, 10)
    assert verification.end == (Outcome.FAILED, "failed: not done after 10s; last seen: 2 of 3 pods", None)
    _, slow, _ = watch(tmp_path, Action(Progress("1 pod running", takes_long=True)))
    assert slow.end[:2] == (Outcome.UNKNOWN, "unknown: not done after 10s; last seen: 1 pod running")


@pytest.mark.parametrize(
    ("last", "outcome", "text"),
    [
        (Progress("no room", done=False), Outcome.FAILED, "failed: no room"),
        (Progress("scaled back", done=False, undone_by="bob"), Outcome.UNDONE, "undone by bob: scaled back"),
    ],
)
def test_what_ended_before_it_took_effect(tmp_path: Path, last: Progress, outcome: Outcome, text: str) -> None:
    _, verification, at = watch(tmp_path, Action(Progress("waits"), last))
    assert (verification.end[:2], at, verification.recovery) == ((outcome, text), 1.0, None)


def test_a_source_that_fails_is_asked_again_after_two_polls(tmp_path: Path) -> None:
    """Its fault is said once, and is none once it answers; to the end it leaves the outcome unknown, with the fault."""
    gone = Unreachable("no connection")
    action = Action(gone, gone, Progress("rolled out", done=True))
    texts, verification, at = watch(tmp_path, action)
    assert (texts, at) == (["cannot check: no connection", "rolled out"], 4.0)
    assert verification.end[0] is Outcome.DONE
    action = Action(Progress("2 of 3 pods"), gone)
    _, lost, at = watch(tmp_path, action)
    assert (lost.end[0], lost.end[2], at, action.looks) == (Outcome.UNKNOWN, gone.fault, 11.0, 6)
    assert lost.end[1] == "unknown: sent, but its result could not be checked; last seen: no connection"


@pytest.mark.parametrize("worse_at", [0.0, 0.5, 3.0])
def test_nobody_waits_for_a_change_that_has_to_be_rolled_back(tmp_path: Path, worse_at: float) -> None:
    """At the first look after its guard knows; the outcome is unknown, with the reason."""
    _, verification, at = watch(tmp_path, Action(Progress("2 of 3 pods")), worse_at=worse_at)
    assert at == (0.0 if not worse_at else 1.0 if worse_at < 1.0 else 3.0)
    assert verification.end[0] is Outcome.UNKNOWN
    assert (
        verification.end[1].startswith("unknown: its guard does not wait for the end (")
        and "it got worse" in verification.end[1]
    )
    _, later, at = watch(
        tmp_path, Action(Progress("rolled out", done=True)), worse_at=5.0, panel="error_ratio", reader=Reader(1e9)
    )
    assert (later.end[0], at) == (Outcome.UNKNOWN, 6.0) and "it got worse" in later.end[1]


@pytest.mark.parametrize(
    ("good_at", "ends", "done"),
    [(0.0, 0.0, True), (4.0, 4.0, True), (10.0, 10.0, True), (10.5, 12.0, True), (12.5, 12.0, False)],
)
def test_a_recovery_counts_as_long_as_somebody_looks(tmp_path: Path, good_at: float, ends: float, done: bool) -> None:
    """Every two seconds, at the end of the time limit still, and once after it; then it has not recovered."""
    _, verification, at = watch(
        tmp_path, Action(Progress("rolled out", done=True)), panel="error_ratio", reader=Reader(good_at)
    )
    assert (at, verification.end[0]) == (ends, Outcome.DONE if done else Outcome.FAILED)
    assert verification.recovered_at == (ends if done else None)
    assert verification.end[1].startswith(
        f"done in {ends:.0f}s; " if done else "rolled out, but the platform did not recover within 10s"
    )


def test_what_was_well_before_did_not_recover(tmp_path: Path) -> None:
    """A panel that was good at the time of the change is done at once, and has no time of recovery."""
    _, verification, at = watch(
        tmp_path, Action(Progress("rolled out", done=True)), panel="error_ratio", reader=Reader(0.0), before=0.0
    )
    assert (verification.end[0], verification.recovered_at, at) == (Outcome.DONE, None, 0.0)
    _, unasked, at = watch(
        tmp_path,
        Action(Progress("template changed", done=True, expects_recovery=False)),
        panel="error_ratio",
        reader=Reader(1e9),
    )
    assert (unasked.end[:2], at) == ((Outcome.DONE, "done in 0s; template changed"), 0.0)


@pytest.mark.parametrize(("settle", "ends"), [(4.0, 4.0), (5.0, 6.0), (30.0, 30.0)])
def test_a_reconciler_is_watched_for_its_time(tmp_path: Path, settle: float, ends: float) -> None:
    """Exactly so long, or to the first look after it, and longer than the time limit of the change; of two the longer time."""
    times = (("hpa", settle), ("flux", 1.0))
    texts, verification, at = watch(tmp_path, Action(Progress("scaled", done=True)), settle=times, reconcilers=(HPA, FLUX))
    assert at == ends
    assert verification.end[:2] == (
        Outcome.DONE, f"done in 0s; scaled; HPA web or Flux did not revert it within {settle:.0f}s",
    )  # fmt: skip
    first = texts[1]
    assert first == f"watching whether HPA web or Flux reverts it: {settle:.0f}s of {settle:.0f}s left; safe to leave"
    _, nobody, at = watch(tmp_path, Action(Progress("scaled", done=True)), settle=(("hpa", 0.0),), reconcilers=(HPA,))
    assert (nobody.end[:2], at) == ((Outcome.DONE, "done in 0s; scaled"), 0.0)


@pytest.mark.parametrize(("undone_at", "seen"), [(0.0, 0.0), (2.0, 2.0), (3.0, 4.0), (4.0, 4.0), (4.5, None)])
def test_a_revert_within_that_time_is_seen(tmp_path: Path, undone_at: float, seen: float | None) -> None:
    """At the next look, the last one included; after the end nobody looks."""
    action = Action(Progress("scaled", done=True), undone_at=undone_at)
    _, verification, at = watch(tmp_path, action, settle=(("hpa", 4.0),), reconcilers=(HPA,))
    assert at == (4.0 if seen is None else seen)
    if seen is None:
        assert verification.end[0] is Outcome.DONE
    else:
        assert verification.end[:2] == (Outcome.UNDONE, f"undone by HPA web within {seen:.0f}s: scaled back to 3")


@pytest.mark.parametrize(
    ("left", "shown"), [(45.0, "45s"), (44.0, "45s"), (40.0, "40s"), (36.0, "40s"), (5.0, "5s"), (1.0, "5s")]
)
def test_the_countdown_goes_in_steps_of_five_seconds(tmp_path: Path, left: float, shown: str) -> None:
    """Rounded up, so that nothing is left at the end only."""
    settings = settings_for(tmp_path, None, settle=(("hpa", 45.0),))

    async def look() -> tuple[str, str, bool, bool]:
        watched = RecoveryWatch(
            Action(),
            replace(PLAN, reconcilers=(HPA,)),
            Trigger(PLAN.request, settings),
            RecoveryProbe(),
            "scaled",
            settings=settings,
        )  # type: ignore[arg-type]
        await asyncio.sleep(45.0 - left)
        text, early = watched.text, watched.left_early
        before = watched.settled
        await asyncio.sleep(left)
        assert watched.left_early.endswith("exited before the platform had recovered")
        return text, early, before, watched.settled

    text, early, before, settled = run_quickly(look())
    assert f"reverts it: {shown} of 45s left" in text and (before, settled) == (False, True)
    assert f"the console exited {left:.0f}s before it was clear" in early


def applied(*looks: AppliedCheck | SourceError, pause: float = 5.0) -> tuple[AppliedCheck, int, float]:
    action: Any = Action(*looks)

    async def find() -> tuple[AppliedCheck, float]:
        found = await find_applied(lambda: action.check_applied(PLAN, None), pause_seconds=pause)
        return found, asyncio.get_running_loop().time()

    found, at = run_quickly(find())
    return found, action.looks, at


def test_a_lost_answer_is_looked_for_ten_seconds() -> None:
    """At their end still: what is seen then counts, and after it only that it may still arrive."""
    nothing, there = AppliedCheck(text="is unchanged"), AppliedCheck(PLAN)
    assert applied(there) == (there, 1, 0.0)
    assert applied(nothing, nothing, there) == (there, 3, 10.0)
    final = AppliedCheck(text="rejected", final=True)
    assert applied(nothing, final) == (final, 2, 5.0)
    found, looks, at = applied(nothing)
    assert (found.text, looks, at) == ("is unchanged 10s later; it may still arrive", 4, 15.0)
    found, looks, _ = applied(Unreachable("gone"))
    assert (found.text, looks) == ("could not check: gone 10s later; it may still arrive", 4)
    assert applied(Unreachable("gone"), there)[:2] == (there, 2)


def test_an_effect_keeps_the_newest_report() -> None:
    """Whether its text is new, and all else as the report says; a fault is none any more once something was seen."""
    effect = Effect()
    assert effect.ingest(Progress("a")) and not effect.ingest(Progress("a", done=True, takes_long=True))
    assert (effect.done, effect.takes_long, effect.expects_recovery) == (True, True, True)
    fault = Unreachable("gone").fault
    assert effect.fail(fault) and not effect.fail(fault) and effect.fault is fault
    assert effect.ingest(Progress("a", expects_recovery=False)) and effect.fault is None and not effect.expects_recovery
    assert Effect().verdict(60.0) == (Outcome.FAILED, "failed: not done after 1m; last seen: nothing")


def test_an_end_that_nobody_saw_is_unknown() -> None:
    """A Job that deletes itself when it has ended may have succeeded: that it is gone is no failure."""
    effect = Effect()
    effect.ingest(Progress("job/x was deleted before the console saw it end", done=False, unseen=True))
    assert effect.verdict(60.0) == (Outcome.UNKNOWN, "unknown: job/x was deleted before the console saw it end")
    effect.ingest(Progress("job/x failed", done=False))
    assert effect.verdict(60.0) == (Outcome.FAILED, "failed: job/x failed")
