"""Plays a scenario headless, with the session and actions of the screens, and checks that all of it happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

from console.actions.plan import Outcome, Preview, Request
from console.alerts.cause import find_log_moment
from console.config.settings import Settings
from console.demo.scenarios import Fix, Scenario
from console.journal.event import Event
from console.logs.pattern_report import describe_change
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState, TrackedAlert
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_duration

ALERT_SECONDS = 90.0
CALM_SECONDS = 15.0
RATIOS = ("error_ratio", "p95_latency", "provider_health", "error_budget")
"""The panels without data while there is no traffic."""
_POLL_SECONDS = 0.2


T = TypeVar("T")


class Say(Protocol):
    """Prints one line; `step` is empty for a continuation of the previous step."""

    def __call__(self, text: str, *, step: str = "") -> None: ...


class ScenarioTimeout(Exception):
    """An expected event did not happen; the message names it."""


async def play(
    scenario: Scenario,
    settings: Settings,
    say: Say,
    *,
    expect: Callable[[Session], Awaitable[None]] | None = None,
    stack_up: Awaitable[None] | None = None,
) -> bool:
    """Whether alert, runbook, action, verification and journal entry all happened, or rightly nothing did.

    `expect` checks what the console shows and raises ScenarioTimeout.
    """
    session = await asyncio.to_thread(Session.open, settings)
    try:
        if stack_up is not None:
            await stack_up
        session.start(lambda snapshot: None)
        if expect is not None:
            await expect(session)
        if scenario.remedy is not None:
            await _play_incident(scenario, scenario.remedy, session, say)
        elif expect is None:
            await _watch_quiet(scenario, session, say)
    except ScenarioTimeout as reason:
        say(str(reason), step="FAILED")
        return False
    finally:
        await session.close()
    say("every expected event happened", step="passed")
    return True


async def _play_incident(scenario: Scenario, remedy: Fix, session: Session, say: Say) -> None:
    tracked = await wait_for(
        session, lambda now: active_alert(now, scenario.alert), f"no alert {scenario.alert} in Alertmanager"
    )
    alert = tracked.alert
    say(f"{alert.priority.value} {alert.name} {alert.severity} is {alert.state.value} in Alertmanager", step="alert")
    say(visible(dict(alert.annotations).get("description", "")))
    await report_panel(session, remedy.panel_id, say)

    runbook = tracked.runbook
    if runbook is None or runbook.matched_by == "triage":
        raise ScenarioTimeout(f"no runbook covers {alert.name}")
    say(f"{runbook.id}, found by {runbook.matched_by}", step="runbook")
    await _runbook_steps(session, tracked, runbook.id, say)
    if scenario.new_line and session.settings.loki is not None:
        await _find_new_line(session, tracked, remedy.target, scenario.new_line, say)

    suggestion = await wait_for(
        session,
        lambda now: next(
            (
                item
                for tracked in now.alerts
                if tracked.alert.name == scenario.alert
                for item in tracked.suggestions
                if (item.action, item.target) == (remedy.action, remedy.target)
            ),
            None,
        ),
        f"{remedy.action} of {remedy.target} is not suggested for {alert.name}",
    )
    say(visible(suggestion.sentence), step="suggested")
    say(visible(suggestion.command))
    request = Request(
        action=remedy.action,
        target=remedy.target,
        parameters=remedy.parameters,
        cause=f"alert {alert.name}",
        panel_id=remedy.panel_id,
        fingerprint=alert.fingerprint,
    )
    identity = await act(session, request, say)
    await wait_for(session, lambda now: True if is_resolved(now, scenario.alert) else None, f"{scenario.alert} did not resolve")
    say(f"{scenario.alert} is gone from Alertmanager", step="resolved")
    await report_panel(session, remedy.panel_id, say)
    verify_journal(session, identity, say)


async def _find_new_line(session: Session, tracked: TrackedAlert, target: str, words: str, say: Say) -> None:
    """Raises ScenarioTimeout unless the patterns of the log name the line that the fault brought."""
    deadline = time.monotonic() + ALERT_SECONDS
    while time.monotonic() < deadline:
        moment, since = find_log_moment(tracked, session.snapshot().changes)
        report = await session.read_pattern_report(target, moment=moment)
        for change in report.telling():
            if words in change.pattern.sample.text:
                say(visible(f"since the {since}: {describe_change(change)}: {change.pattern.sample.text}"), step="log")
                return
        await asyncio.sleep(_POLL_SECONDS)
    raise ScenarioTimeout(f"no new pattern with {words!r} in the log of {target}")


async def act(session: Session, request: Request, say: Say) -> str:
    """Runs and confirms the action; returns the run's id in the journal. Raises ScenarioTimeout unless it succeeds."""
    outcome: Outcome | None = None
    identity = ""

    async def confirm(preview: Preview) -> bool:
        _report_preview(preview, say)
        return not preview.blocked

    async with aclosing(session.run(request, confirm)) as steps:  # type: ignore[type-var]
        async for step in steps:
            say(visible(step.text), step=step.stage.value)
            outcome, identity = step.outcome or outcome, step.identity or identity
    if outcome is not Outcome.DONE:
        raise ScenarioTimeout(f"the action ended as {outcome.value if outcome else 'nothing'}, not as done")
    return identity


def _report_preview(preview: Preview, say: Say) -> None:
    for item in preview.plan.differences:
        if item.before != item.after:
            say(visible(f"{item.name}: {item.before} → {item.after}"))
    for check in preview.checks:
        say(visible(f"{check.level.value}: {check.text}") + (f" ({check.how})" if check.how else ""))
    say(visible(preview.plan.command))


async def _runbook_steps(session: Session, tracked: TrackedAlert, identity: str, say: Say) -> None:
    runbook = session.runbooks.get(identity)
    if runbook is None:
        raise ScenarioTimeout(f"no runbook {identity}")
    async for result in session.runbook_steps(runbook, tracked):
        verdict = f"{result.verdict.word}: " if result.verdict else ""
        value = result.value_text or (result.text.splitlines()[0] if result.text else "")
        say(visible(f"{result.index + 1}. {result.title}: {verdict}{value}"))


def verify_journal(session: Session, identity: str, say: Say) -> None:
    """Raises ScenarioTimeout unless the journal has intent and outcome of the run."""
    events: tuple[Event, ...] = session.journal.events() if session.journal else ()
    kinds = {event.kind for event in events if event.subject == identity}
    missing = {"action.intent", "action.outcome"} - kinds
    if missing:
        raise ScenarioTimeout(f"the journal has no {' and no '.join(sorted(missing))} of the run {identity}")
    say(f"intent and outcome of the run {identity} found", step="journal")


async def _watch_quiet(scenario: Scenario, session: Session, say: Say) -> None:
    """Watches for a while: no alert, not even a pending one; without traffic no ratio may have a value."""
    await wait_for(session, lambda now: True if now.alerts_known else None, "the alerts stayed unknown")
    ends = time.monotonic() + CALM_SECONDS
    while time.monotonic() < ends:
        found = [f"{item.alert.name} ({item.alert.state.value})" for item in session.snapshot().alerts]
        if found:
            raise ScenarioTimeout(f"unexpected alerts: {', '.join(found)}")
        await asyncio.sleep(_POLL_SECONDS)
    say(f"none for {format_duration(CALM_SECONDS)}, not even a pending one", step="alerts")
    now = session.snapshot()
    for state in now.panels:
        value = "no data" if state.value is None else f"{state.value:.2f} {state.spec.unit.value}"
        say(f"{state.spec.title}: {state.verdict.word}, {value}", step="panel")
    if scenario.name == "quiet":
        wrong = [state.spec.id for state in now.panels if state.spec.id in RATIOS and state.verdict is not Verdict.NO_DATA]
    else:
        wrong = [state.spec.id for state in now.panels if state.verdict is not Verdict.OK]
    if wrong:
        raise ScenarioTimeout(f"panels with an unexpected verdict: {', '.join(wrong)}")


async def report_panel(session: Session, panel_id: str, say: Say) -> None:
    """Prints a panel's verdict and value."""
    state = session.snapshot().panel(panel_id)
    if state is not None and state.value is not None:
        say(f"panel {state.spec.title}: {state.verdict.word}, {state.value:.2f} {state.spec.unit.value}")


async def wait_for(session: Session, find: Callable[[Snapshot], T | None], error: str) -> T:
    """What `find` returns once it is not None. Raises ScenarioTimeout with `error`."""
    deadline = time.monotonic() + ALERT_SECONDS
    while time.monotonic() < deadline:
        result = find(session.snapshot())
        if result is not None:
            return result
        await asyncio.sleep(_POLL_SECONDS)
    raise ScenarioTimeout(f"{error} within {format_duration(ALERT_SECONDS)}")


def active_alert(now: Snapshot, name: str) -> TrackedAlert | None:
    """The active alert of this name that has a runbook."""
    return next(
        (item for item in now.alerts if item.alert.name == name and item.alert.state is AlertState.ACTIVE and item.runbook),
        None,
    )


def is_resolved(now: Snapshot, name: str) -> bool:
    """Whether the alert is gone; False while the alerts are unknown."""
    return now.alerts_known and all(item.alert.name != name for item in now.alerts)
