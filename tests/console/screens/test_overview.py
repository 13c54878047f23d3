"""The overview: where the cursor begins, what its keys act on, and what a large screen adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, alerts, panels, snapshot, tracked
from textual.message import Message

from console.journal.payloads import Role
from console.screens import messages
from console.state.incident import Incident, Incidents
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState
from queries.model.panel import PanelState
from queries.model.severity import Priority
from queries.model.source import Health
from queries.model.verdict import Verdict


def verdicts(**given: Verdict) -> tuple[PanelState, ...]:
    """Every panel ok, but for those named here."""
    return tuple(replace(item, value=1.0, verdict=given.get(item.spec.id, Verdict.OK)) for item in panels())


def under_cursor(scene: Any) -> str:
    """The line of the panel under the cursor, without its marks."""
    (line,) = (line for line in scene.text.splitlines() if line.startswith("›"))
    return str(line.lstrip("›• "))


def waiting(shown: Snapshot, source: str) -> Snapshot:
    """The same while this source has not answered yet."""
    sources = tuple(
        replace(item, health=Health.WAITING, last_good_at=None) if item.name == source else item for item in shown.sources
    )
    return replace(shown, sources=sources)


async def test_the_cursor_begins_on_the_worst_panel_and_its_chart(stage: Callable[..., Any]) -> None:
    """It follows the worst panel while the sources first answer; afterwards it stays where it is."""
    first = waiting(snapshot(panels=verdicts(cpu=Verdict.WARN)), "kubernetes")
    scene = stage(first)
    async with scene.app.run_test(size=(160, 45)) as pilot:
        await scene.until(pilot, "CPU, the last hour")
        assert under_cursor(scene).startswith("WARN      CPU")
        scene.session.deliver(snapshot(panels=verdicts(cpu=Verdict.WARN, workloads=Verdict.CRITICAL)))
        await scene.until(pilot, "Workloads, the last hour")
        assert "this panel has no trend" in scene.text
        scene.session.deliver(snapshot(panels=verdicts(memory=Verdict.CRITICAL)))
        await scene.until(pilot, "CRIT      Memory")
        assert under_cursor(scene).startswith("ok        Workloads")


async def test_the_cursor_stays_where_a_person_moved_it(stage: Callable[..., Any]) -> None:
    """Moved while a source has yet to answer, it does not jump to what that source brings."""
    first = waiting(snapshot(panels=verdicts(cpu=Verdict.WARN)), "kubernetes")
    scene = stage(first)
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "WARN      CPU")
        assert under_cursor(scene).startswith("WARN      CPU")
        await scene.press(pilot, "down")
        scene.session.deliver(snapshot(panels=verdicts(workloads=Verdict.CRITICAL)))
        await scene.until(pilot, "CRIT      Workloads")
        assert under_cursor(scene).startswith("ok        Memory")


async def test_the_keys_of_an_alert_act_on_the_alert_of_a_panel(stage: Callable[..., Any]) -> None:
    """On a panel a, z, B and b mean its most urgent alert that notifies; a silenced one only where no other is active."""
    silenced = tracked("ErrorBudgetBurnFast", "critical", state=AlertState.SUPPRESSED, runbook="error-budget")
    active = tracked("HighErrorRate", "warning", runbook="high-error-rate")
    active = replace(active, suggestions=tracked("X", "critical").suggestions)
    listed = panels()[0].spec.alerts
    assert "HighErrorRate" in listed
    states = (replace(panels()[0], spec=replace(panels()[0].spec, alerts=("ErrorBudgetBurnFast", *listed))), *panels()[1:])
    scene = stage(snapshot(panels=states, alerts=(silenced, active)))
    requested = (messages.AcknowledgeRequested, messages.SilenceRequested, messages.ActionRequested, messages.OpenRequested)
    sent: list[Any] = []

    def record(message: Message) -> None:
        if isinstance(message, requested) and message not in sent:
            sent.append(message)

    async with scene.app.run_test(size=(80, 24), message_hook=record, notifications=True) as pilot:
        await scene.until(pilot, "P3 WARN HighErrorRate")
        scene.app.flows.actions.run = lambda request: None
        await scene.press(pilot, "a", "B", "z", "escape", "b", "escape")
        asked = [next(item for item in sent if isinstance(item, kind)) for kind in requested]
        assert asked[0].fingerprint == active.alert.fingerprint and asked[1].alert is active
        assert (asked[2].request.action, asked[2].request.fingerprint) == ("rollback", active.alert.fingerprint)
        assert asked[3].runbook_id == "high-error-rate"
        scene.session.deliver(snapshot(panels=states, alerts=(silenced,)))
        await scene.until(pilot, "none active, 1 silenced")
        assert scene.app.screen.current_alert() is silenced
        scene.session.deliver(snapshot(panels=states, alerts=()))
        await scene.until(pilot, "none firing")
        await scene.press(pilot, "a")
        await scene.until(pilot, "no alert of Error ratio is pending or firing")


@pytest.mark.parametrize(("width", "counts"), [(80, "1 CRIT · 2 unknown"), (160, "1 CRIT · 2 WARN · 1 NO DATA · 1 STALE")])
async def test_line_1_counts_panels_beside_alerts(stage: Callable[..., Any], width: int, counts: str) -> None:
    """The numbers of both stand there at every width, and the place is whole."""
    scene = stage()
    async with scene.app.run_test(size=(width, 24)) as pilot:
        first = (await scene.until(pilot, "HighErrorRate")).splitlines()[0]
        assert f"{counts}  P1:1 P3:2  14:03Z" in first and " PRODUCTION  cad-ml-platform  ACTING" in first


async def test_a_large_screen_shows_why_and_who(stage: Callable[..., Any]) -> None:
    """At 160x45: panels, a chart, alerts with the change before them, what changed, and who leads and holds what."""
    incident = Incident("i-1", 1, "HighErrorRate", Priority.P1, NOW - 120, "ann", roles=((Role.COMMANDER, "ann@vm"),))
    scene = stage(snapshot(ledger=JournalState(incidents=Incidents((incident,)))))
    async with scene.app.run_test(size=(160, 45)) as pilot:
        shown = await scene.until(pilot, "ann@vm leads since 14:01")
        for words in (
            "Error ratio, the last hour", "3m15s after rollout cad-ml-api 41→42", "PodNotReady of kubernetes", "What changed",
            "P1 HighErrorRate ann@vm leads since 14:01", "no owner HighErrorRate, PodNotReady", "you ProviderTimeout",
        ):  # fmt: skip
            assert words in shown, words
        nameless = replace(incident, roles=())
        scene.session.deliver(snapshot(alerts=(), ledger=JournalState(incidents=Incidents((nameless,)))))
        await scene.until(pilot, "nobody leads")
        scene.session.deliver(snapshot(alerts=alerts(), ledger=JournalState(read=1, behind=9)))
        await scene.until(pilot, "the journal is being read again")
        assert "owner not known HighErrorRate, PodNotReady" in scene.text and " no owner " not in scene.text


async def test_without_any_server_it_shows_three_ways_to_begin(stage: Callable[..., Any]) -> None:
    """No panel and no error: `init`, variables and the demo, from the first frame on; the other screens and keys still work."""
    sources = tuple(replace(item, health=Health.NOT_CONFIGURED, fault=None) for item in snapshot().sources)
    scene = stage(replace(snapshot(panels=verdicts()), sources=sources), platform=None)
    async with scene.app.run_test(size=(80, 24)) as pilot:
        for _ in range(2):  # before and after the session opened
            assert all(way in scene.text for way in ("cad-console init", "PROMETHEUS_URL=", "cad-console demo")), scene.text
            assert "no server is configured" in scene.text.splitlines()[0]
            assert "NO DATA" not in scene.text
            await scene.until(pilot, "no server is configured")
            await pilot.pause(0.1)
        await scene.press(pilot, "a", "b", "enter", "down")
        assert "Sources" in await scene.press(pilot, "7")
        assert "cad-console init" in await scene.press(pilot, "1")
