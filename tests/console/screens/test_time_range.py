"""What the charts of several screens share: the chosen range, and what each was fetched for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, cluster, snapshot

from console.screens import time_range
from console.screens.messages import OpenAlertRequested, OpenPanelRequested
from console.screens.time_range import ChartScreen
from queries.model.panel_result import HistoryRange, PanelHistory
from widgets.chart import Chart

pytestmark = pytest.mark.usefixtures("utc")


def shown_seconds(scene: Any) -> float:
    """The length of the window that the chart on the screen draws."""
    data = scene.app.screen.query_one("#chart", Chart).data
    return float(data.end - data.start)


@pytest.mark.parametrize("panned", [False, True])
async def test_a_chart_never_stands_under_a_range_chosen_elsewhere(
    panned: bool, stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A panel, its alert on top, another range and comparison chosen there: back at the panel, the history that they name is
    fetched, and the old one not drawn under them. That holds for a range that ended in the past too."""
    scene = stage()
    asked: list[HistoryRange] = []
    answer = scene.session.histories

    def histories(panel_id: str, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        asked.append(requested)
        return answer(panel_id, requested)  # type: ignore[no-any-return]

    monkeypatch.setattr(scene.session, "histories", histories)
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        await scene.until(pilot, "[1h]")
        if panned:
            await scene.press(pilot, "comma")
        scene.app.flows.navigation.open(OpenAlertRequested("fp-HighErrorRate-"))
        await scene.until(pilot, "fires at")
        await scene.press(pilot, "plus", "c")
        before = len(asked)
        await scene.press(pilot, "escape")
        assert "[15m]" in scene.text and "vs yesterday" in scene.text
        await pilot.pause()
        assert shown_seconds(scene) == 900.0
        until = NOW - 1800.0 if panned else None
        assert asked[before:] == [HistoryRange(900.0, until, 86400.0)]


@pytest.mark.parametrize(("later", "follows"), [(10.0, True), (1500.0, False)])
async def test_a_chart_that_was_moved_back_follows_again(later: float, follows: bool, stage: Callable[..., Any]) -> None:
    """Half a range earlier and later again is now, although seconds have passed meanwhile; minutes later it is still the past,
    and the next step leads to now."""
    scene = stage()
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        await scene.until(pilot, "[1h]")
        await scene.press(pilot, "comma")
        await scene.until(pilot, "until 13:33Z")
        scene.now += later
        scene.session.deliver(replace(scene.session.shown, taken_at=scene.now))
        await pilot.pause()
        await scene.press(pilot, "full_stop")
        assert ("until" not in scene.text.split("[1h]")[1].splitlines()[0]) is follows
        await scene.press(pilot, "full_stop")
        assert "until" not in scene.text.split("[1h]")[1].splitlines()[0]


async def test_marks_are_made_once_of_the_same_objects(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing again makes no mark again; another cluster does, and its rollout is marked."""
    counted = 0
    make = time_range.chart_marks

    def chart_marks(*given: Any) -> Any:
        nonlocal counted
        counted += 1
        return make(*given)

    monkeypatch.setattr(time_range, "chart_marks", chart_marks)
    scene = stage(snapshot(cluster=None))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        await scene.until(pilot, "critical 5 %")
        assert "R rollout" not in scene.text and isinstance(scene.app.screen, ChartScreen)
        before = counted
        for second in range(20):
            scene.session.deliver(replace(scene.session.shown, taken_at=NOW + second))
            await pilot.pause()
        assert counted == before
        scene.session.deliver(replace(scene.session.shown, cluster=cluster()))
        assert "R rollout" in await scene.until(pilot, "R rollout")
        assert counted == before + 1


async def test_every_range_is_seen_in_the_narrowest_chart(stage: Callable[..., Any]) -> None:
    """Beside the facts of an alert at 80 columns there are no blanks in the names of the ranges, so that none is cut off."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "enter")
        assert "5m 15m [1h] 6h 24h 7d 30d" in await scene.until(pilot, "since")
        await pilot.resize_terminal(120, 24)
        await scene.until(pilot, "5m 15m [1h] 6h 24h 7d 30d")
