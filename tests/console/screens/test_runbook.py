"""A runbook on the screen: in working order, with the contacts for an escalation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from painting import notices_of
from patience import until
from screen_samples import snapshot, tracked
from textual.containers import VerticalScroll
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

from console.config.settings import Contact, IncidentSettings
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook
from console.runbooks.steps import StepResult
from console.screens.messages import OpenRunbookRequested
from queries.model.alert import AlertState, TrackedAlert

PAGE = """---
title: Everything is slow
guide: true
severity: warning
steps:
  - {phase: verify, title: Is it over?, query: platform_error_ratio, unit: percent, warn: 1}
  - {phase: diagnose, title: Was it a rollout?, lookup: rollout-history, target: deployment/cad-ml-api}
  - {phase: confirm, title: Is it so?, query: platform_error_ratio, unit: percent, warn: 1}
actions: [{action: rollback, target: deployment/cad-ml-api}]
escalate:
  - {to: devops, when: "not over 15 minutes after the page (P1), or at once where the cluster itself is ill"}
  - {to: security, when: "a key may have leaked"}
---
The body.
"""


async def test_the_phases_are_in_order_and_fit(stage: Callable[..., Any], tmp_path: Path) -> None:
    """At 80x24 confirm, diagnose, mitigate, verify and escalate are in this order, with the team's channel and address; a long
    sentence wraps, and the list marks the guide."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "slow.md").write_text(PAGE)
    scene = stage()
    scene.session.runbooks = RunbookIndex.load(tmp_path / "pages")
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "5")
        await scene.until(pilot, "GUIDE Everything is slow")
        await scene.press(pilot, "enter")
        shown = await scene.until(pilot, "a key may have leaked")
        words = (
            "── Confirm", "Is it so?", "── Diagnose", "Was it a rollout?", "── Mitigate", "rollback deployment/cad-ml-api",
            "── Verify", "Is it over?", "── Escalate", "devops    not over 15 minutes", "is ill",
            "#devops  devops@example.com", "a key may have leaked",
        )  # fmt: skip
        places = [shown.find(word) for word in words]
        assert -1 not in places and places == sorted(places), shown
        assert max(len(line) for line in shown.splitlines()) <= 80


async def test_contacts_are_the_configured_ones(stage: Callable[..., Any], tmp_path: Path) -> None:
    """Configured contacts replace the built-in ones; a team without one is said to have none."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "slow.md").write_text(PAGE)
    own = IncidentSettings(contacts=(Contact("DevOps", chat="#night"),))
    scene = stage(incidents=own)
    scene.session.runbooks = RunbookIndex.load(tmp_path / "pages")
    async with scene.app.run_test(size=(80, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "5")
        await scene.until(pilot, "GUIDE Everything is slow")
        await scene.press(pilot, "enter")
        shown = await scene.until(pilot, "no contact is configured")
        assert "#night" in shown and "#devops" not in shown


async def test_the_subject_changes_only_with_its_alert_and_is_named(stage: Callable[..., Any]) -> None:
    """Opened without an alert, of several of one name: the header tells which, another order keeps it, and the results of one
    that is over are not those of the next.
    """
    one, two = (tracked("ProviderDown", "critical", runbook="provider-down", provider=name) for name in ("deepseek", "paddle"))
    scene = stage(snapshot(alerts=(one, two)))

    async def steps(runbook: Runbook, alert: TrackedAlert | None) -> AsyncIterator[StepResult]:
        if alert != one:
            await asyncio.Event().wait()
        yield StepResult(0, "Confirm", "the answer for deepseek", None, "", "")

    scene.session.runbook_steps = steps
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "ProviderDown")
        scene.app.flows.navigation.open(OpenRunbookRequested("provider-down"))
        shown = await scene.until(pilot, "the answer for deepseek")
        assert 'for ProviderDown{provider="deepseek"}' in shown
        scene.session.deliver(snapshot(alerts=(two, one)))
        await pilot.pause()
        assert scene.app.screen.current_alert() == one
        assert 'for ProviderDown{provider="deepseek"}' in scene.text and "the answer for deepseek" in scene.text
        scene.session.deliver(snapshot(alerts=(two, tracked("ProviderDown", "critical", provider="other"))))
        shown = await scene.until(pilot, 'for ProviderDown{provider="paddle"}')
        assert scene.app.screen.current_alert() == two and "the answer for deepseek" not in shown


async def test_the_focus_matches_no_widget_of_the_text_with_the_style_sheet(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text has fifty widgets, and Textual matches each when the page gains or loses the focus; nothing looks different."""
    scene = stage(snapshot(alerts=(tracked("ProviderDown", "critical", runbook="provider-down"),)))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "ProviderDown")
        scene.app.flows.navigation.open(OpenRunbookRequested("provider-down"))
        await scene.until(pilot, "Text")
        page = scene.app.screen.query_one(VerticalScroll)
        assert page.has_focus
        focused = scene.text.splitlines()[:-1]  # the footer has other keys
        matched: list[DOMNode] = []
        match = Stylesheet.apply

        def record(sheet: Stylesheet, node: DOMNode, **options: Any) -> None:
            matched.append(node)
            match(sheet, node, **options)

        monkeypatch.setattr(Stylesheet, "apply", record)
        scene.app.screen.set_focus(None)
        await pilot.pause()
        assert not page.has_focus
        assert not [node for node in matched if page in node.ancestors_with_self]
        assert scene.text.splitlines()[:-1] == focused


async def test_the_page_follows_the_alert_that_it_was_opened_for(stage: Callable[..., Any]) -> None:
    """Alertmanager lists a pending alert by another fingerprint as soon as it fires: the page's keys act on that one, and say
    when it is gone.
    """
    fires = tracked("ProviderDown", "critical", runbook="provider-down", provider="paddle")
    pending = replace(fires, alert=replace(fires.alert, fingerprint="prometheus:1", state=AlertState.PENDING))
    scene = stage(snapshot(alerts=(tracked("HighErrorRate", "critical"), pending)))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.navigation.open(OpenRunbookRequested("provider-down", "prometheus:1"))
        await scene.until(pilot, "for ProviderDown")
        scene.session.deliver(snapshot(alerts=(fires,)))
        await until(pilot, lambda: scene.app.screen.current_alert() == fires, "the alert that fires")
        scene.session.deliver(snapshot(alerts=()))
        await pilot.pause()
        await scene.press(pilot, "a")
        await until(pilot, lambda: any("no longer listed" in item for item in notices_of(scene.app)), "a notice")


async def test_slow_steps_are_not_begun_again(stage: Callable[..., Any]) -> None:
    """Steps that take longer than the ten seconds after which they run again: the last one is shown too."""
    scene = stage(snapshot(alerts=(tracked("ProviderDown", "critical", runbook="provider-down"),)))
    begun, answered = [], asyncio.Event()

    async def steps(runbook: Runbook, alert: TrackedAlert | None) -> AsyncIterator[StepResult]:
        begun.append(alert)
        await answered.wait()
        yield StepResult(0, "Confirm", "the answer of the slow server", None, "", "")

    scene.session.runbook_steps = steps
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "ProviderDown")
        scene.app.flows.navigation.open(OpenRunbookRequested("provider-down"))
        await until(pilot, lambda: bool(begun), "the first step")
        for _ in range(3):
            scene.now += 11.0
            scene.session.deliver(replace(scene.session.shown, taken_at=scene.now))
            await pilot.pause(0.05)
        answered.set()
        await scene.until(pilot, "the answer of the slow server")
        assert len(begun) == 1
