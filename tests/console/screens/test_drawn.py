"""A newer snapshot that would draw the same is not drawn: what is left out must not differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from screen_samples import NOW, alerts, cluster, panels, snapshot

from console.journal.event import Event
from console.journal.presence import Presence, PresentConsole
from console.journal.unfinished import Unfinished
from console.screens.overview import OverviewScreen
from console.screens.render_context import RenderContext
from console.state.incident import Incident, Incidents
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot
from queries.model.change import Change
from queries.model.fault import Fault, FaultKind
from queries.model.severity import Priority
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict

QUIET = tuple(replace(item, value=1.0, verdict=Verdict.OK, reason="") for item in panels())
YOUNG = tuple(replace(item, alert=replace(item.alert, starts_at=NOW - 5.5)) for item in alerts())
UP = tuple(SourceState(name, Health.UP, last_good_at=NOW) for name in ("prometheus", "alertmanager", "kubernetes"))
DOWN = Fault(FaultKind.UNREACHABLE, "connection refused", "http://p")
INCIDENT = Incident("i-1", 4, "OCR fails", Priority.P1, NOW - 900, "ann@vm")
INTENT = Unfinished(
    Event(NOW - 115, "action.intent", "x", "bob", "production", {"title": "Restart", "target": "a"}), "vm", ended=False
)
DAY = (18 * 3600.0 - 311.0, 18 * 3600.0 - 309.0)
"""Before and after the day is shown of a change."""
STATES: dict[str, Snapshot] = {
    "quiet": snapshot(sources=UP, panels=QUIET, alerts=(), changes=(Change(NOW - 310, "rollout", "a", "a 1→2", "ci"),)),
    "alerts fire": snapshot(sources=UP, panels=QUIET, alerts=alerts()),
    "young alerts fire": snapshot(sources=UP, panels=QUIET, alerts=YOUNG),
    "sample": snapshot(),
    "a source is down": snapshot(panels=QUIET, sources=(replace(UP[0], health=Health.DOWN, fault=DOWN), *UP[1:])),
    "Alertmanager is down": snapshot(panels=QUIET, sources=(UP[0], replace(UP[1], health=Health.DOWN, fault=DOWN), UP[2])),
    "degraded": snapshot(
        panels=QUIET, sources=(replace(UP[0], health=Health.DEGRADED, detail="no answer for 3s", fault=DOWN), *UP[1:])
    ),
    "paused": snapshot(panels=QUIET, sources=(replace(UP[0], paused_at=NOW - 3), *UP[1:])),
    "stale panels": snapshot(panels=tuple(replace(item, verdict=Verdict.STALE, age_seconds=40.0) for item in QUIET)),
    "old alerts": snapshot(sources=UP, panels=QUIET, alerts=(), alerts_age_seconds=40.0),
    "an incident": snapshot(sources=UP, panels=QUIET, ledger=JournalState(incidents=Incidents((INCIDENT,)))),
    "an action": snapshot(sources=UP, panels=QUIET, unfinished=(INTENT,)),
    "others are on": snapshot(
        sources=UP, panels=QUIET, presence=Presence((PresentConsole("c", "bob@vm", "Alerts", "Restart a"),), known=True)
    ),
}


def later(shown: Snapshot, seconds: float, *, answered: bool) -> Snapshot:
    """The snapshot of a later moment: where the sources answered, only the times differ."""
    sources = tuple(
        replace(item, last_good_at=item.last_good_at + seconds, latency_seconds=seconds / 1e6)
        if answered and item.last_good_at is not None and item.health is Health.UP
        else item
        for item in shown.sources
    )
    age = shown.alerts_age_seconds
    older = age if answered or age is None else age + seconds
    return replace(shown, taken_at=NOW + seconds, sources=sources, alerts_age_seconds=older, panels=tuple(shown.panels))


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["small", "large"])
async def test_nothing_that_would_differ_is_left_out(stage: Callable[..., Any], name: str, size: tuple[int, int]) -> None:
    """After each snapshot the screen is as if everything were drawn again: a second, a minute, hours and a day later, whether
    the sources answered meanwhile or not.
    """
    compared, scene, times = 0, stage(STATES[name]), (1.0, 2.0, 7.0, 8.0, 59.0, 60.0, 61.0, 340.0, 341.0, 3600.0, *DAY)
    async with scene.app.run_test(size=size) as pilot:
        await scene.until(pilot, "PRODUCTION")
        for before, after in pairwise(times):
            for answered in (True, False):
                for seconds in (before, after):
                    scene.now = NOW + seconds
                    scene.session.deliver(later(STATES[name], seconds, answered=answered))
                    await pilot.pause()
                shown = scene.text
                scene.app.screen.redraw()
                await pilot.pause()
                assert shown == scene.text, (before, after, answered)
                compared += 1
    assert compared == 2 * len(times) - 2


async def test_a_journal_that_cannot_be_read_is_drawn_at_once(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fault is in no snapshot: it is on the screen with the next one, and gone with the one after that."""
    scene, quiet = stage(STATES["quiet"]), STATES["quiet"]
    async with scene.app.run_test(size=(160, 45)) as pilot:
        await scene.until(pilot, "PRODUCTION")
        for seconds, fault in ((1.0, ""), (2.0, ""), (3.0, "the journal is gone"), (4.0, "")):
            monkeypatch.setattr(type(scene.session), "journal_error", property(lambda _, fault=fault: fault))
            scene.now = NOW + seconds
            scene.session.deliver(later(quiet, seconds, answered=True))
            await pilot.pause()
            assert ("the journal is gone" in scene.text) is bool(fault), seconds


async def test_a_snapshot_that_differs_only_in_its_times_is_not_drawn(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rest the screen is drawn once a minute; a value, a source and an alert draw at once."""
    drawn = []
    draw = OverviewScreen.draw

    def note(self: OverviewScreen, context: RenderContext) -> None:
        drawn.append(context.now)
        draw(self, context)

    monkeypatch.setattr(OverviewScreen, "draw", note)
    quiet = STATES["quiet"]
    scene = stage(quiet)

    async def count(shown: Snapshot, seconds: float) -> int:
        before, scene.now = len(drawn), NOW + seconds
        scene.session.deliver(shown)
        await pilot.pause()
        return len(drawn) - before

    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "nothing fires")
        start = NOW // 60 * 60 + 60 - NOW
        await count(later(quiet, start, answered=True), start)
        await count(later(quiet, start, answered=True), start)
        assert [await count(later(quiet, start + at, answered=True), start + at) for at in (1.0, 2.0, 59.0)] == [0, 0, 0]
        assert await count(later(quiet, start + 60.0, answered=True), start + 60.0) == 1
        moved = replace(quiet, panels=(replace(QUIET[0], value=2.0), *QUIET[1:]))
        fired = replace(quiet, alerts=alerts())
        failed = replace(quiet, sources=(replace(UP[0], health=Health.DOWN, fault=DOWN), *UP[1:]))
        grown = replace(quiet, cluster=replace(cluster()))
        for shown in (moved, fired, failed, grown):
            assert await count(later(shown, start + 61.0, answered=True), start + 61.0) == 1
