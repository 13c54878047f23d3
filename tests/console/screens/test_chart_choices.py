"""The choices for charts stay where a person left them, also across a restart and on another terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from painting import notices_of

from console.screens.app import ConsoleApp
from console.screens.chart_choices import FILE, ChartChoices
from console.screens.messages import OpenAlertRequested, OpenPanelRequested
from queries.model.chart import Drawing

pytestmark = pytest.mark.usefixtures("utc")


async def test_a_restart_opens_charts_as_they_were_left(stage: Callable[..., Any], tmp_path: Path) -> None:
    """Range, comparison, drawing and full screen, but not the moved window; an alert is not full screen because a panel was."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        assert not (tmp_path / FILE).exists()
        scene.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        await scene.until(pilot, "[1h]")
        await scene.press(pilot, "plus", "c", "m", "f", "comma")
        assert "until " in await scene.until(pilot, "vs yesterday")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    later = stage()
    async with later.app.run_test(size=(80, 24)) as pilot:
        await later.until(pilot, "HighErrorRate")
        later.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        text = await later.until(pilot, "vs yesterday")
        assert "15m]" in text.replace(" ", "") and "until " not in text
        assert not any("\u2801" <= character <= "\u28ff" for character in text), "blocks"
        assert "warns at" not in text, "the facts of the panel are hidden"
        await later.press(pilot, "escape")
        later.app.flows.navigation.open(OpenAlertRequested("fp-HighErrorRate-"))
        assert "since" in await later.until(pilot, "state")
        assert "the whole console" not in later.text


async def test_what_cannot_be_read_or_written_is_said(stage: Callable[..., Any], tmp_path: Path) -> None:
    """A damaged file: the defaults, with a notice; a folder that everybody can write keeps nothing, with a notice."""
    (tmp_path / FILE).write_text("[1")
    scene, everybody = stage(), tmp_path.chmod
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        assert [each for each in notices_of(scene.app) if each.startswith(f"charts open with the defaults: {FILE} cannot be")]
        scene.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        await scene.until(pilot, "[1h]")
        everybody(0o777)
        await scene.press(pilot, "plus")
        for worker in scene.app.workers:
            if worker.group == "charts":
                await worker.wait()
        assert "writable by everybody" in next(each for each in notices_of(scene.app) if "will not open like this" in each)
        everybody(0o700)
    assert (tmp_path / FILE).read_text() == "[1"


def test_another_terminal_keeps_what_it_cannot_show() -> None:
    """Braille was chosen; where there is only ASCII, that is drawn, and braille stays the choice until there is another one."""
    first = ChartChoices.for_terminal(Drawing.BLOCKS)
    while first.chosen is not Drawing.BRAILLE:
        first.next_drawing()
    plain = ChartChoices.for_terminal(Drawing.ASCII)
    plain.restore(first.encode())
    assert plain.drawing is Drawing.ASCII
    assert json.loads(plain.encode())["drawing"] == "braille"
    back = ChartChoices.for_terminal(Drawing.BRAILLE)
    back.restore(plain.encode())
    assert back.drawing is Drawing.BRAILLE


@pytest.mark.parametrize(
    "kept",
    [{}, {"range_seconds": 7, "compare_seconds": "x", "drawing": "sixel", "full_screen": 3}, {"of a newer version": [1]}],
)
def test_what_this_version_does_not_have_is_left_at_its_default(kept: dict[str, object]) -> None:
    """A file of another version, or one that a person edited, never keeps a chart from opening."""
    choices = ChartChoices.for_terminal(Drawing.BLOCKS)
    choices.restore(json.dumps(kept))
    assert choices == ChartChoices.for_terminal(Drawing.BLOCKS)


def test_the_linux_console_has_blocks(monkeypatch: pytest.MonkeyPatch, stage: Callable[..., Any]) -> None:
    """Its fonts have no braille: that is its default, whatever was chosen elsewhere."""
    monkeypatch.setenv("TERM", "linux")
    app = ConsoleApp(stage().settings, ascii_only=False)
    assert app.context.charts.drawing is Drawing.BLOCKS


async def test_the_overview_draws_as_the_terminal_can(monkeypatch: pytest.MonkeyPatch, stage: Callable[..., Any]) -> None:
    """Its chart has no braille either on a console whose font lacks it."""
    monkeypatch.setenv("TERM", "linux")
    scene = stage()
    async with scene.app.run_test(size=(160, 45)) as pilot:
        await scene.until(pilot, "P1 CRIT")
        text = await scene.until(pilot, "critical 5 %")
        assert "▄" in text and not any("\u2801" <= character <= "\u28ff" for character in text)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_heat_map_is_one_of_the_ways_to_draw(size: tuple[int, int], stage: Callable[..., Any], tmp_path: Path) -> None:
    """`m` after the last style of lines; a panel without one has lines; it stays the choice across a restart, has no
    comparison, and its cursor reads the rows."""
    scene = stage()
    async with scene.app.run_test(size=size) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.navigation.open(OpenPanelRequested("p95_latency"))
        await scene.until(pilot, "[1h]")
        await scene.press(pilot, "c", "m", "m", "m")
        text = await scene.until(pilot, "OCR and Vision requests by duration")
        assert "> 10 s" in text and "· 0  ░ >0" in text and "empty: no data" in text and "yesterday" not in text
        await scene.press(pilot, "c")
        assert "a heat map cannot be compared with an earlier time: m draws lines" in notices_of(scene.app)
        scene.app.screen.query_one("#chart").focus()
        assert "≤ 1 s " in await scene.press(pilot, "left") and "/s" in scene.text
        await scene.press(pilot, "escape")
        scene.app.flows.navigation.open(OpenPanelRequested("provider_health"))
        assert "empty: no data" not in await scene.until(pilot, "vs yesterday")
    assert json.loads((tmp_path / FILE).read_text())["heat_map"] is True
    later = stage()
    async with later.app.run_test(size=size) as pilot:
        await later.until(pilot, "HighErrorRate")
        later.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        text = await later.until(pilot, "errors by provider and code")
        assert "deepseek PROVIDER_TIMEOUT" in text and "/min" in text
        await later.press(pilot, "m")
        assert "errors by provider and code" not in await later.until(pilot, "vs yesterday")


def test_a_panel_without_a_heat_map_keeps_its_lines() -> None:
    """With the heat map as the choice, other panels have the terminal's own lines; `m` there changes the lines alone, and the
    heat map stays the choice where there is one."""
    choices = ChartChoices.for_terminal(Drawing.BLOCKS)
    seen = []
    for _ in range(4):
        choices.next_drawing(has_heat_map=True)
        seen.append((choices.drawing, choices.heat))
    assert seen == [(Drawing.ASCII, False), (Drawing.BRAILLE, False), (Drawing.BLOCKS, True), (Drawing.BLOCKS, False)]
    choices.heat = True
    choices.next_drawing()
    assert (choices.drawing, choices.heat) == (Drawing.ASCII, True)
    choices.next_drawing(has_heat_map=True)
    assert (choices.drawing, choices.heat) == (Drawing.BLOCKS, False)
