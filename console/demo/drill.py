"""Plays a drill of a game day headless, with a person who acknowledges and fixes it, and checks its report and its undo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing

from console.actions.plan import Preview, Request
from console.config.settings import Settings
from console.demo.scenario_test import Say, ScenarioTimeout, act, wait_for
from console.demo.scenarios import API, BAD_IMAGE_TAG, Scenario
from console.drills.report import facts, time_row
from console.drills.run import DrillPhase, DrillRun
from console.drills.service import DrillRefused
from console.drills.witness import find_workload
from console.monitor.session import Session
from console.state.drills import CHANGED, MET, ROLLED_BACK, DrillRecord
from console.state.snapshot import Snapshot
from queries.model.text import visible
from queries.model.verdict import Verdict

_TARGET = f"deployment/{API}"
_LIMITS = {"bad-image": "2m"}
_LIMIT = "20s"
_PARAMETERS = {"bad-image": {"image": f":{BAD_IMAGE_TAG}"}}
"""The demo's cluster pulls every image; this one fails."""


async def play_drill(name: str, scenario: Scenario, settings: Settings, say: Say, *, stack_up: Awaitable[None]) -> bool:
    """Whether the fault was made, rolled back or fixed, and reported with a source for every number."""
    session = await asyncio.to_thread(Session.open, settings)
    try:
        await stack_up
        session.start(lambda snapshot: None)
        await wait_for(session, _is_healthy, f"{_TARGET} is not healthy")
        before = await _read_spec(session)
        await _run(session, name, scenario, say)
        record = (await session.newest_ledger())[0].drills.newest
        if record is None:
            raise ScenarioTimeout("the journal has no drill")
        _check(record, name, scenario, say)
        if await _read_spec(session) != before:
            raise ScenarioTimeout(f"{_TARGET} is not as it was before the drill")
        say(f"{_TARGET} is as it was before", step="undo")
    except (ScenarioTimeout, DrillRefused) as reason:
        say(str(reason), step="FAILED")
        return False
    finally:
        await session.close()
    say("every expected event happened", step="passed")
    return True


async def _run(session: Session, name: str, scenario: Scenario, say: Say) -> None:
    async def confirm(preview: Preview) -> bool:
        say(visible(preview.plan.title), step="preview")
        for note in preview.plan.notes:
            say(visible(note))
        return not preview.blocked

    target = "" if session.drills.find(name).target else _TARGET
    parameters = _PARAMETERS.get(name, {}) if scenario.rolls_out_bad_image else {}
    drill = session.drills.start(name, target, confirm=confirm, limit=_LIMITS.get(name, _LIMIT), parameters=parameters)
    person = asyncio.create_task(_respond(session, drill, scenario, say)) if parameters else None
    last = ""
    async with aclosing(drill.steps()) as steps:
        async for step in steps:
            if step.text != last:
                say(visible(step.text), step=step.run.stage.value if step.run is not None else "drill")
            last = step.text
    if person is not None:
        await person


async def _respond(session: Session, drill: DrillRun, scenario: Scenario, say: Say) -> None:
    """What the person on call does: acknowledge the alert, then the action that the scenario names as its fix."""
    while drill.status.phase is not DrillPhase.ENDED:
        named = [item for item in session.snapshot().active if any(each.target == _TARGET for each in item.suggestions)]
        if named and drill.status.times:
            await session.acknowledge(named[0].alert.fingerprint)
            say(f"{named[0].alert.name} acknowledged", step="person")
            if scenario.remedy is not None:
                fix = scenario.remedy
                await act(session, Request(fix.action, fix.target, fix.parameters, cause=f"alert {named[0].alert.name}"), say)
            return
        await asyncio.sleep(0.5)


def _check(record: DrillRecord, name: str, scenario: Scenario, say: Say) -> None:
    """Raises ScenarioTimeout for a report with a number that nothing showed, or where an expected one is missing."""
    for key, value in facts(record, now=record.started_at):
        say(f"{key}: {value}", step="report")
    for item in record.times:
        say("  ".join(time_row(item)), step="report")
        if not item.source or (item.seconds is None) == (item.result == MET):
            raise ScenarioTimeout(f"the report says {item.result} of the time to {item.what} without what shows it")
    if record.result not in (ROLLED_BACK, CHANGED):
        raise ScenarioTimeout(f"the drill ended as {record.result}: {record.text}")
    if name in _PARAMETERS and scenario.rolls_out_bad_image and any(item.result != MET for item in record.times):
        raise ScenarioTimeout("one of the times has no number although all of them were to be seen")


async def _read_spec(session: Session) -> object:
    """What a drill may change of the target."""
    spec = (await session.reader.workload("deployments", API))["spec"]
    return spec.get("replicas"), spec["template"]["spec"]["containers"]


def _is_healthy(now: Snapshot) -> bool | None:
    found = find_workload(now, _TARGET)
    state = now.panel("error_ratio")
    healthy = found is not None and found.verdict is Verdict.OK and state is not None and state.verdict is Verdict.OK
    return True if healthy and now.alerts_known else None
