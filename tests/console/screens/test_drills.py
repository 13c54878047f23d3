"""Game day on the screen: the page, its keys, the refusal in a protected environment, and drills whose console is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any

import patience
import pytest
from painting import notices_of
from screen_samples import NOW

from console.actions.guard.guard import GuardControl
from console.actions.plan import Plan, Preview, Request
from console.drills.run import DrillPhase, DrillStatus, DrillStep
from console.drills.service import DrillService
from console.journal.payloads import DrillStarted, DrillTime
from console.state.drills import GOALS, DrillRecord, DrillRecords
from queries.catalogue.drills import read_drills

DRILL = read_drills().drills["scale-to-zero"]
TARGET = "deployment/cad-ml-api"
UNDO = "scale deployment/cad-ml-api --replicas 3"
TIMES = (DrillTime("detect", 120.0, 41.0, "met", "alert HighErrorRate fires (Alertmanager)"),)
ENDED = DrillRecord(
    "d1", 3, "ann", NOW - 600.0, DrillStarted("bad-image", "Release a bad image", TARGET), "r1", NOW - 590.0, "sent",
    (*TIMES, DrillTime("acknowledge", 300.0, None, "missed", "nobody acknowledged it in 9m0s")), "rolled back", "rolled back",
    NOW,
)  # fmt: skip


class Script:
    """Stands in for a run: two steps, and what the person asks of it."""

    drill, target = DRILL, TARGET

    def __init__(self, confirm: Callable[[Preview], Any]) -> None:
        self.confirm = confirm
        self.control = GuardControl()
        self.stopped_by = ""
        self.stopped = asyncio.Event()
        self.journalled = asyncio.Event()
        """From the yes on until then its start is journalled and its fault planned again."""
        self.journalled.set()
        self.status = DrillStatus(DRILL, TARGET, DrillPhase.PREPARE, GOALS)

    def stop(self, who: str) -> None:
        self.stopped_by = who
        self.stopped.set()

    async def steps(self) -> AsyncGenerator[DrillStep, None]:
        request = Request("scale", TARGET, {"replicas": "0"})
        plan = Plan(request, "Drill scale-to-zero: Scale", TARGET, (), ("a drill: after 10m",), "kubectl", "cad-ml-api", {})
        if not await self.confirm(Preview(plan, (), False)):
            return
        await self.journalled.wait()
        fault = replace(self.status, phase=DrillPhase.FAULT, times=TIMES, undo=UNDO, fault_at=NOW - 41.0, ends_at=NOW + 559.0)
        yield DrillStep("accepted by the server", NOW, 41.0, fault)
        await self.stopped.wait()
        yield DrillStep(
            "rolled back", NOW, 60.0, replace(fault, phase=DrillPhase.ENDED, result="rolled back", text="rolled back")
        )


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_drill_from_the_list_to_its_end(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """Enter asks for the target, the preview asks for a yes, the page says until when and what rolls it back, and s does."""
    runs: list[Script] = []

    def start(
        self: DrillService,
        name: str,
        target: str,
        *,
        confirm: Any,
        limit: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> Script:
        assert (name, target, limit) == ("scale-to-zero", "cad-ml-api", "10m")
        runs.append(Script(confirm))
        return runs[0]

    monkeypatch.setattr(DrillService, "start", start)
    made = stage(protected=False)
    async with made.app.run_test(size=size) as pilot:
        await made.until(pilot, "HighErrorRate")
        made.app.flows.drills.open("")
        await made.until(pilot, "goals: detect 2m · acknowledge 5m · recover 20m")
        await made.press(pilot, "down", "down", "enter")
        await made.until(pilot, "Drill scale-to-zero: Scale to zero")
        await made.press(pilot, *"cad-ml-api", "enter")
        await made.until(pilot, "a drill: after 10m")
        await made.press(pilot, "tab", "enter")
        shown = await made.until(pilot, "THE FAULT IS IN PLACE: 9m")
        for words in (f"undo: {UNDO}", "met          detect         41s  goal 2m", "waiting      acknowledge", "s roll back"):
            assert words in shown, words
        assert made.app.flows.actions.in_progress == (f"scale {TARGET}",), "quitting asks first"
        await made.press(pilot, "s")
        await made.until(pilot, "rolled back")
        assert runs[0].stopped_by
        assert not made.app.flows.actions.running


async def test_a_drill_is_in_progress_from_its_confirmation_on(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its start is journalled before its fault is sent: the console is not left meanwhile without a question."""
    runs: list[Script] = []

    def start(self: DrillService, name: str, target: str, *, confirm: Any, limit: str = "") -> Script:
        runs.append(Script(confirm))
        runs[0].journalled.clear()
        return runs[0]

    monkeypatch.setattr(DrillService, "start", start)
    made = stage(protected=False)
    async with made.app.run_test(size=(160, 45)) as pilot:
        await made.until(pilot, "HighErrorRate")
        made.app.flows.drills.open("scale-to-zero cad-ml-api")
        await made.until(pilot, "a drill: after 10m")
        actions = made.app.flows.actions
        assert not actions.in_progress and actions.running
        await made.press(pilot, "tab", "enter")
        await patience.until(pilot, lambda: actions.in_progress == (f"scale {TARGET}",), "the drill in progress")
        await made.press(pilot, "q")
        await made.until(pilot, f"scale {TARGET} is in progress")
        await made.press(pilot, "escape")
        runs[0].journalled.set()
        await made.until(pilot, "THE FAULT IS IN PLACE")
        await made.press(pilot, "s")
        await made.until(pilot, "rolled back")
        assert not actions.running


async def test_a_protected_environment_is_refused_by_name(stage: Callable[..., Any]) -> None:
    """The page says so, and so does the command; nothing is asked."""
    made = stage(protected=True)
    async with made.app.run_test(size=(80, 24)) as pilot:
        await made.until(pilot, "HighErrorRate")
        made.app.flows.drills.open("")
        await made.until(pilot, "is protected: drills run only in environments with")
        made.app.flows.drills.open("scale-to-zero cad-ml-api")
        await pilot.pause(0.3)
        assert any("is protected: drills run only" in notice for notice in notices_of(made.app))
        assert not made.app.flows.drills.model.running


async def test_past_drills_and_a_report(stage: Callable[..., Any]) -> None:
    """The newest first with its times, a dash where nothing was observed; the report says why."""
    made = stage(protected=False)
    session = made.session
    async with made.app.run_test(size=(80, 24)) as pilot:
        await made.until(pilot, "HighErrorRate")
        ledger = replace(session.shown.ledger, drills=DrillRecords((), (ENDED,), 3))
        session.deliver(replace(session.shown, ledger=ledger))
        made.app.flows.drills.open("")
        await made.until(pilot, "3 ")
        await made.until(pilot, "rolled back  bad-image on deployment/cad-ml-api")
        await made.press(pilot, "r")
        shown = await made.until(pilot, "nobody acknowledged it in 9m0s")
        assert "Drill 3" in shown and "41s" in shown
        assert made.app.flows.drills.open("99") == "drill 99 is not among the newest that ended"


async def test_a_drill_of_a_console_that_ended_is_named(stage: Callable[..., Any]) -> None:
    """What another console left is on the page with its undo."""
    made = stage(protected=False)
    session = made.session
    gone = replace(
        ENDED, start=DrillStarted("stop-pods", "Kill", TARGET, f"{socket.gethostname()} - 1 1", 300.0, "their controller"),
        result="", text="", times=(),
    )  # fmt: skip
    async with made.app.run_test(size=(80, 24)) as pilot:
        await made.until(pilot, "HighErrorRate")
        session.deliver(replace(session.shown, ledger=replace(session.shown.ledger, drills=DrillRecords((gone,), (), 1))))
        made.app.flows.drills.open("")
        shown = await made.until(pilot, "its console has ended")
        assert "undo: their controller" in shown
