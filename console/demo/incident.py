"""Plays a whole incident headless, from its declaration to a report, and verifies the report against Prometheus' data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from console.actions.plan import Request
from console.config.settings import Settings
from console.demo import server_config
from console.demo.scenario_test import Say, ScenarioTimeout, act, active_alert, is_resolved, verify_journal, wait_for
from console.demo.scenarios import Fix, Scenario
from console.demo.verify_report import ReportMismatch, verify_figures
from console.incidents.postmortem import as_json, as_markdown
from console.incidents.response_timers import stable_at
from console.incidents.templates import STATUS_PAGE, Templates
from console.incidents.text import entry_row
from console.journal.payloads import Step
from console.monitor.session import Session
from console.state.incident import Incident
from queries.errors import SourceError
from queries.model.text import visible
from queries.text.durations import format_duration
from queries.text.times import format_clock

_WAIT_SECONDS = 90.0
_FAULT_SECONDS = 12.0
"""The duration of the fault before the mitigation, so that requests fail."""
_POLL_SECONDS = 0.2
_SCRAPES_SECONDS = 3.0 * server_config.SCRAPE_SECONDS
"""Waits after the end of the window for the samples just outside it."""

T = TypeVar("T")


async def play_incident(
    scenario: Scenario,
    settings: Settings,
    say: Say,
    *,
    report_file: Path,
    stability_seconds: float,
    stack_up: Awaitable[None],
) -> bool:
    """True where the incident was declared, acknowledged, mitigated, resolved and reported, and the report agrees with
    Prometheus. `stability_seconds` is the window of stability that the incident is declared with; it is waited for in full.
    """
    session = await asyncio.to_thread(Session.open, settings)
    try:
        if scenario.remedy is None:
            raise ScenarioTimeout(f"the scenario {scenario.name} has nothing to mitigate")
        await stack_up
        session.start(lambda snapshot: None)
        await _Play(session, scenario, scenario.remedy, say).run(report_file, stability_seconds)
    except (ScenarioTimeout, ReportMismatch) as reason:
        say(str(reason), step="FAILED")
        return False
    finally:
        await session.close()
    say("every expected event happened, and the report agrees with Prometheus", step="passed")
    return True


class _Play:
    def __init__(self, session: Session, scenario: Scenario, remedy: Fix, say: Say) -> None:
        self.session = session
        self.scenario = scenario
        self.remedy = remedy
        self.say = say
        self.identity = ""

    async def run(self, report_file: Path, stability_seconds: float) -> None:
        session, say = self.session, self.say
        tracked = await wait_for(
            session, lambda now: active_alert(now, self.scenario.alert), f"no alert {self.scenario.alert} in Alertmanager"
        )
        incident = await session.incidents.declare(
            alerts=(tracked,), commander=session.settings.user, stability_seconds=stability_seconds
        )
        self.identity = incident.id
        say(f"{incident.severity} {incident.number} ({incident.id}): {visible(incident.title)}", step="declared")
        say(f"detected {format_clock(incident.began_at)}, alerts {', '.join(item.name for item in incident.alerts)}")

        await session.acknowledge(tracked.alert.fingerprint)
        await self._report_step(Step.ACKNOWLEDGE)
        await session.incidents.change_step(
            await self._incident(), Step.ASSESS, done=True, note="all requests, since the rollout"
        )
        await self._report_step(Step.ASSESS)
        await self._tell()
        say(f"for {format_duration(_FAULT_SECONDS)} requests fail", step="fault")
        await asyncio.sleep(_FAULT_SECONDS)

        request = Request(
            action=self.remedy.action,
            target=self.remedy.target,
            parameters=self.remedy.parameters,
            cause=f"alert {tracked.alert.name}",
            panel_id=self.remedy.panel_id,
            fingerprint=tracked.alert.fingerprint,
        )
        verify_journal(session, await act(session, request, say), say)
        await self._report_step(Step.MITIGATE)
        await wait_for(
            session, lambda now: True if is_resolved(now, self.scenario.alert) else None, f"{self.scenario.alert} did not end"
        )
        quiet = await self._until(
            lambda now: now if now.quiet_since else None, "the timeline does not say that the alert ended"
        )
        own = session.severity_policies.for_severity(quiet.severity)
        due = stable_at(quiet, own)
        say(
            f"quiet since {format_clock(quiet.quiet_since or 0.0)}, stable after {format_duration(stability_seconds)}",
            step="stability",
        )
        await self._until(
            lambda now: True if due is not None and stable_at(now, own) == due and time.time() >= due else None,
            "it did not stay quiet",
        )
        await session.incidents.change_step(await self._incident(), Step.RESOLVE, done=True)
        await self._report_step(Step.RESOLVE)
        await session.incidents.add_note(await self._incident(), "follow-up: a canary before every release")
        await asyncio.sleep(_SCRAPES_SECONDS)
        await self._report(report_file)

    async def _tell(self) -> None:
        """An update from the template, kept, written to a file, and marked as sent as who pasted it would."""
        incidents, snapshot = self.session.incidents, self.session.snapshot()
        incident = await self._incident()
        text = incidents.draft_update(incident, Templates.load(), STATUS_PAGE, snapshot)
        update = await incidents.write_update(incident, text)
        await incidents.save_update(incident, update, str(Path(self.session.settings.paths.state_dir) / "status-page.txt"))
        await incidents.mark_sent(await self._incident(), STATUS_PAGE)
        await self._report_step(Step.COMMUNICATE)
        for line in text.splitlines():
            self.say(visible(line))

    async def _report(self, file: Path) -> None:
        session, say = self.session, self.say
        made = await session.incidents.review(await self._incident())
        text, document = as_markdown(made), as_json(made)
        await asyncio.to_thread(file.write_text, text, "utf-8")
        say(str(file), step="report")
        if not any(item["kind"] == "rollout" for item in document["changes"]):
            raise ScenarioTimeout("the report does not name the rollout among the contributing changes")
        expected = f"{made.impact.failed:,.0f}" if made.impact.failed is not None else "unknown"
        if f"| requests failed | {expected} |" not in text:
            raise ScenarioTimeout("the written report has another number of failed requests than was measured")
        if self.scenario.new_line and session.settings.loki is not None and self.scenario.new_line not in text:
            raise ScenarioTimeout(f"the report does not show the new line with {self.scenario.new_line!r}")
        sources = {item["source"] for item in document["timeline"]}
        missing = {"person", "console", "alertmanager", "kubernetes", "prometheus"} - sources
        if missing:
            raise ScenarioTimeout(f"the timeline has nothing from {', '.join(sorted(missing))}")
        for entry in made.incident.entries:
            say(visible("  ".join(entry_row(entry))))
        url = session.settings.prometheus.url if session.settings.prometheus else ""
        try:
            found = await asyncio.to_thread(
                verify_figures, document, url, alert=self.scenario.alert, step_seconds=server_config.SCRAPE_SECONDS
            )
        except SourceError as error:
            raise ScenarioTimeout(f"Prometheus did not return its samples: {error}") from None
        for item in found:
            say(str(item), step="agreement" if item.holds else "DISAGREES")
        wrong = [item for item in found if not item.holds]
        if wrong:
            raise ReportMismatch("; ".join(map(str, wrong)))

    async def _report_step(self, step: Step) -> None:
        incident = await self._until(lambda now: now if step in now.completions else None, f"the step {step} is not done")
        completion = incident.completions[step]
        because = f", because {completion.because}" if completion.because else ""
        self.say(f"at {format_clock(completion.at)}{because}", step=step.value)

    async def _incident(self) -> Incident:
        found = (await self.session.ledger()).incidents.get(self.identity)
        if found is None:
            raise ScenarioTimeout("the incident is not in the journal")
        return found

    async def _until(self, find: Callable[[Incident], T | None], error: str) -> T:
        ends = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < ends:
            found = find(await self._incident())
            if found is not None:
                return found
            await asyncio.sleep(_POLL_SECONDS)
        raise ScenarioTimeout(f"{error} within {format_duration(_WAIT_SECONDS)}")
