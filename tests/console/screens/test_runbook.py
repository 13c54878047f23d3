"""A runbook on the screen: in working order, with the contacts for an escalation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from console.config.settings import Contact, IncidentSettings
from console.runbooks.index import RunbookIndex

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
