"""The key dashboards at the keyboard: switch, choose, compare, open, and go back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from limits import extend
from painting import notices_of
from screen_samples import NOW, snapshot, trend
from textual.pilot import Pilot

from console.checks.own_panels import list_board_panels
from console.screens.dashboards import DashboardPanelScreen, DashboardsScreen
from queries.catalogue.loader import load_dashboard
from queries.model.chart import Drawing
from queries.model.dashboard import DashboardChoice, DashboardState, PeriodComparison
from queries.model.fault import Fault, FaultKind
from queries.model.panel import Origin, PanelState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.series import Sample, Series
from queries.model.verdict import Verdict

PROVIDERS = ("deepseek", "paddle")


class FakeDashboards:
    """Answers every choice at once from made-up values, and remembers the choices."""

    environments = ("staging",)
    panels: Mapping[str, tuple[str, str]] = {}

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.looked: list[DashboardChoice] = []
        self.fault: Fault | None = None

    def keep_alive(self, choice: DashboardChoice) -> None:
        if not self.looked or self.looked[-1] != choice:
            self.looked.append(choice)
            self.deliver(choice)

    def keep_last_alive(self) -> None:
        pass

    async def read_panels(self) -> Mapping[str, tuple[str, str]]:
        self.panels = list_board_panels(self.scene.app.settings)
        return self.panels

    def set_visible(self, visible: bool) -> None:
        pass

    def deliver(self, choice: DashboardChoice) -> None:
        state = DashboardState(choice, fault=self.fault) if self.fault else build_state(choice)
        self.scene.session.deliver(replace(self.scene.session.shown, dashboard=state))

    async def histories(self, panel_id: str, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        now = tuple((NOW - 3600.0 + 60.0 * at, 1.0 + at / 60.0) for at in range(60))
        then = tuple((at, 0.5) for at, _ in now)
        yield PanelHistory(panel_id, NOW - requested.seconds, NOW, 60.0, (Series((), now),), earlier=then)

    async def close(self) -> None:
        pass


def build_state(choice: DashboardChoice) -> DashboardState:
    board = load_dashboard(choice.name, provider=choice.provider)
    panels = [
        PanelState(
            spec, Verdict.OK, spec.threshold, value=0.5, origin=Origin.RAW, query=spec.raw, samples=(Sample((), 0.5),),
            trend=trend(0.4, 0.5),
        )
        for spec in board.panels
    ]  # fmt: skip
    panels[0] = replace(panels[0], verdict=Verdict.CRITICAL, value=7.84, note="deepseek 7.84")
    panels[1] = replace(panels[1], verdict=Verdict.NO_DATA, value=None, trend=(), reason="no such metric")
    compared = tuple(PeriodComparison(None if at == 2 else 0.25) for at in range(len(panels))) if choice.back_seconds else ()
    return DashboardState(choice, tuple(panels), compared, PROVIDERS, NOW)


async def until(pilot: Pilot[None], condition: Callable[[], Any]) -> None:
    ends = time.monotonic() + extend(20.0)
    while not condition():
        assert time.monotonic() < ends
        await pilot.pause(0.02)


@pytest.fixture
def scene(stage: Callable[..., Any]) -> Any:
    made = stage()
    made.session.dashboards = FakeDashboards(made)
    return made


async def test_every_dashboard_fits_the_smallest_terminal(scene: Any) -> None:
    """0 opens the first of five, n the next; each fits 80x24, its tiles with verdict, value, unit and threshold."""
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "0")
        shown = await scene.until(pilot, "7.84 % >5")
        for words in ("Platform Overview", "provider all", "environment production", "range 1h", "vs nothing"):
            assert words in shown
        assert "NO DATA   P95 latency" in shown and "no such metric" in shown and "deepseek 7.84" in shown
        for title in ("OCR Performance", "Error Analysis", "Resource Utilization", "SLO Tracking", "Platform Overview"):
            await scene.press(pilot, "n")
            shown = await scene.until(pilot, title)
            last = load_dashboard(scene.app.screen.choice.name).panels[-1].title
            assert last in shown, "the last panel needs no scrolling"
            assert max(len(line) for line in shown.splitlines()) <= 80
        await scene.press(pilot, "N")
        await scene.until(pilot, "SLO Tracking")


async def test_width_adds_columns_and_height_adds_charts(scene: Any) -> None:
    """At 160x45 there are three columns, and every tile has its chart with thresholds."""
    async with scene.app.run_test(size=(160, 45)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "0")
        shown = await scene.until(pilot, "warn")
        heads = [line for line in shown.splitlines() if "Error ratio" in line]
        assert "P95 latency" in heads[0] and "Requests" in heads[0]
        assert "╌" in shown and "└" in shown


async def test_tiles_are_drawn_as_charts_are_elsewhere(scene: Any) -> None:
    """A person who chose blocks, or whose font has no braille, has no braille on the dashboards."""
    async with scene.app.run_test(size=(160, 45)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        for drawing in (Drawing.BLOCKS, Drawing.BRAILLE):
            scene.app.context.charts.drawing = drawing
            await scene.press(pilot, "0")
            shown = await scene.until(pilot, "warn")
            dots = any("\u2801" <= character <= "\u28ff" for character in shown)
            assert dots is (drawing is Drawing.BRAILLE)
            await scene.press(pilot, "escape")


async def test_provider_environment_window_and_comparison(scene: Any) -> None:
    """p, e, [ ] and c change the query, and the head shows it; a value missing yesterday is no data, not 0."""
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "0")
        await scene.until(pilot, "7.84 %")
        await scene.press(pilot, "p")
        shown = await scene.until(pilot, "provider deepseek")
        assert "all providers" in shown, "a panel that cannot be narrowed says so"
        await scene.press(pilot, "P")
        await scene.until(pilot, "provider all")
        await scene.press(pilot, "c")
        shown = await scene.until(pilot, "yesterday 0.25 %")
        assert "yesterday no data" in shown and "vs yesterday" in shown
        await scene.press(pilot, "c", "right_square_bracket")
        await scene.until(pilot, "vs last week")
        await scene.press(pilot, "e")
        shown = await scene.until(pilot, "environment staging")
        assert scene.session.dashboards.looked[-1] == DashboardChoice(
            "platform_overview", environment="staging", window_seconds=6 * 3600.0, back_seconds=7 * 86400.0
        )
        await scene.press(pilot, "e", "c")
        await scene.until(pilot, "vs nothing")


async def test_a_panel_opens_with_yesterday_in_its_chart(scene: Any) -> None:
    """The cursor moves in both directions; enter opens the panel's detail, esc returns to the same tile."""
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "0", "c")
        await scene.until(pilot, "yesterday")
        await scene.press(pilot, "right", "down", "left", "enter")
        shown = await scene.until(pilot, "· yesterday")
        assert "Requests" in shown and "raw expression" in shown
        await scene.press(pilot, "escape")
        await scene.until(pilot, "vs yesterday")
        assert scene.app.screen.query_one("#dashboard-grid").current.state.spec.id == "request_rate"
        await scene.press(pilot, "Q")
        await scene.until(pilot, "PromQL")


async def test_an_unreachable_server_is_reported(scene: Any) -> None:
    """The reason replaces the empty dashboard, and nothing looks healthy."""
    scene.session.dashboards.fault = Fault(FaultKind.UNREACHABLE, "nobody listens", hint="check the port")
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "0")
        shown = await scene.until(pilot, "nobody listens")
        assert "no response" in shown
        assert "ok  " not in "\n".join(shown.splitlines()[4:])


async def test_a_dashboard_opens_by_its_name(scene: Any) -> None:
    """`:dashboard slo_tracking` opens it from anywhere."""
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "colon", *"dashboard slo_tracking", "enter")
        await scene.until(pilot, "SLO Tracking")
        assert isinstance(scene.app.screen, DashboardsScreen)
        assert scene.app.screen.choice.name == "slo_tracking"


async def test_a_panel_of_a_dashboard_opens_by_its_name(scene: Any) -> None:
    """`:panel burn_6h` polls the dashboard that has it and shows the chart, as if opened from there; tab completes the name."""
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await until(pilot, lambda: scene.session.dashboards.panels)
        await scene.press(pilot, "colon", *"panel burn_6")
        await scene.until(pilot, "Burn rate, 6h: a panel of SLO Tracking")
        await scene.press(pilot, "tab", "enter")
        shown = await scene.until(pilot, "1h")
        await scene.until(pilot, "warns at 3")
        assert isinstance(scene.app.screen, DashboardPanelScreen) and "there is no panel" not in shown
        assert scene.session.dashboards.looked == [DashboardChoice("slo_tracking")]
        await until(pilot, lambda: any("\u2801" <= letter <= "\u28ff" for letter in scene.text))
        await scene.press(pilot, "escape", "colon", *"panel burn_7h", "enter")
        await until(
            pilot,
            lambda: any(each.startswith("there is no panel burn_7h, did you mean burn_") for each in notices_of(scene.app)),
        )


async def test_a_panel_waits_for_its_dashboard(scene: Any) -> None:
    """Until the dashboard answers the page says so, and then why it does not; an old result of another dashboard is not it."""
    scene.session.dashboards.deliver = lambda choice: None
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.session.deliver(snapshot(dashboard=build_state(DashboardChoice("ocr_performance"))))
        await scene.press(pilot, "colon", *"panel burn_6h", "enter")
        await scene.until(pilot, "fetching …")
        fault = Fault(FaultKind.UNREACHABLE, "nobody listens", hint="check the port")
        scene.session.deliver(snapshot(dashboard=DashboardState(DashboardChoice("slo_tracking"), fault=fault)))
        await scene.until(pilot, "nobody listens")


async def test_a_result_for_another_choice_is_not_drawn(scene: Any) -> None:
    """A late result for an earlier choice is not shown under the new head."""
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "0")
        await scene.until(pilot, "7.84 %")
        late = build_state(DashboardChoice("ocr_performance"))
        scene.session.deliver(snapshot(dashboard=late))
        await pilot.pause()
        shown = await scene.until(pilot, "fetching …")
        assert "OCR requests" not in shown
