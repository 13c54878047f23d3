"""Plays a guarded release of the bad image and of a good one, and checks that the one is rolled back and the other kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import replace

from console.actions.guard.model import GuardOptions
from console.actions.plan import Outcome, Preview, Request
from console.config.settings import Settings
from console.demo.scenario_test import Say, ScenarioTimeout, wait_for
from console.demo.scenarios import API, BAD_IMAGE_TAG, GOOD_IMAGE_TAG, Scenario
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState
from queries.model.text import visible
from queries.model.verdict import Verdict

NEXT_IMAGE_TAG = "1.8.3"
"""Of a release that works."""
_TARGET = f"deployment/{API}"
_GUARD = GuardOptions(watch_seconds=60.0, hold_seconds=60.0, countdown_seconds=3.0)
_KEPT = replace(_GUARD, watch_seconds=12.0)


def without_release(scenario: Scenario) -> Scenario:
    """The scenario before its release: the guarded run makes it."""
    return replace(scenario, rolls_out_bad_image=False, alert="")


async def play_guard(settings: Settings, alert: str, say: Say, *, stack_up: Awaitable[None]) -> bool:
    """Whether the bad release was rolled back before `alert` fired, and the good one kept."""
    session = await asyncio.to_thread(Session.open, settings)
    try:
        await stack_up
        session.start(lambda snapshot: None)
        await wait_for(session, _has_signals, "the signals have no value")
        await _release(session, BAD_IMAGE_TAG, _GUARD, say, expected=Outcome.ROLLED_BACK, alert=alert)
        await _check_image(session, GOOD_IMAGE_TAG, say)
        await wait_for(session, _is_calm, "the error ratio did not recover")
        say("the error ratio is as before", step="recovered")
        await _release(session, NEXT_IMAGE_TAG, _KEPT, say, expected=Outcome.DONE, alert=alert)
        await _check_image(session, NEXT_IMAGE_TAG, say)
        ended = [item.result for item in (await session.newest_ledger())[0].guards.ended]
        if ended != ["rolled back", "kept"]:
            raise ScenarioTimeout(f"the journal has other ends of guards: {', '.join(ended) or 'none'}")
        say("the end of both guards found", step="journal")
    except ScenarioTimeout as reason:
        say(str(reason), step="FAILED")
        return False
    finally:
        await session.close()
    say("every expected event happened", step="passed")
    return True


async def _release(session: Session, tag: str, guard: GuardOptions, say: Say, *, expected: Outcome, alert: str) -> None:
    """Sets the image under the guard. Raises ScenarioTimeout if it ends otherwise, or if the alert fired."""

    async def confirm(preview: Preview) -> bool:
        for note in preview.plan.notes:
            say(visible(note), step="preview")
        for check in preview.checks:
            if check.how == "gate":
                say(visible(f"{check.level.value}: {check.text}"), step="gate")
        return not preview.blocked

    outcome, fired, last = None, False, ""
    request = Request("image", _TARGET, {"image": f":{tag}"}, cause=f"release {tag}", guard=guard)
    async with aclosing(session.run(request, confirm)) as steps:  # type: ignore[type-var]
        async for step in steps:
            if step.text != last:
                say(visible(step.text), step=step.stage.value)
            last = step.text
            outcome = step.outcome or outcome
            alerts = session.snapshot().alerts
            fired = fired or any(item.alert.name == alert and item.alert.state is not AlertState.PENDING for item in alerts)
    if outcome is not expected:
        raise ScenarioTimeout(f"the release of {tag} ended as {outcome}, not as {expected}")
    if fired:
        raise ScenarioTimeout(f"{alert} fired before the guard had rolled back")
    say(f"{alert} never fired", step="alert")


async def _check_image(session: Session, tag: str, say: Say) -> None:
    """Raises ScenarioTimeout unless the Deployment has this image, rolled out."""
    found = await session.reader.workload("deployments", API)
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    if not image.endswith(f":{tag}"):
        raise ScenarioTimeout(f"{_TARGET} has the image {image}, not {tag}")
    say(f"{_TARGET} has the image {image}", step="image")


def _has_signals(now: Snapshot) -> bool | None:
    states = [now.panel(name) for name in _GUARD.signals]
    return True if all(state is not None and state.verdict.known for state in states) else None


def _is_calm(now: Snapshot) -> bool | None:
    state = now.panel("error_ratio")
    return True if state is not None and state.verdict is Verdict.OK else None
