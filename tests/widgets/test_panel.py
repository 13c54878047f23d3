"""The list of panels: what is drawn again, and that every change is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

import pytest
from textual.app import App, ComposeResult

from queries.model.chart import chart_trend
from queries.model.panel import PanelSpec, PanelState, Threshold, Unit
from queries.model.verdict import Verdict
from widgets.panel import PanelList, PanelRow, render_panel
from widgets.plot import render_chart
from widgets.sparkline import BLOCKS
from widgets.styled_text import Line


def rows(*values: float, age: float, verdict: Verdict = Verdict.OK) -> tuple[PanelRow, ...]:
    specs = [PanelSpec(f"p{at}", f"Panel {at}", Unit.PERCENT) for at in range(len(values))]
    return tuple(
        PanelRow(PanelState(spec, verdict, value=value, age_seconds=age)) for spec, value in zip(specs, values, strict=True)
    )


class Bench(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.rendered: list[str] = []

        def count(row: PanelRow, width: int) -> Line:
            self.rendered.append(row.state.spec.id)
            return render_panel(row, width)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("widgets.panel.render_panel", count)
            self.panels = PanelList()

    def compose(self) -> ComposeResult:
        yield self.panels

    def text(self) -> str:
        return "\n".join(self.panels.render_line(y).text.rstrip() for y in range(self.panels.size.height))


HOUR = 3600.0
HOLE = tuple((60.0 * minute, 1.0) for minute in range(60) if not 7 <= minute < 53)
"""An hour, a value a minute, without 46 of them."""


def row_of(state: PanelState, width: int) -> list[bool]:
    """Which columns of the row's trend have a value."""
    row = "".join(part for part, _ in render_panel(PanelRow(state), width))
    trend = row[row.index("1.00 %") + 11 :][: 12 if width < 100 else width // 4]
    return [character in BLOCKS for character in trend]


def chart_of(state: PanelState, width: int) -> list[bool]:
    """Which columns of the chart below the panels have a dot."""
    lines = ["".join(part for part, _ in line).ljust(width)[11:] for line in render_chart(chart_trend(state, ""), width, 12)]
    columns = zip(*(line for line in lines if "└" not in line), strict=True)
    return [any("\u2801" <= each <= "\u28ff" for each in column) for column in columns]


@pytest.mark.parametrize("columns_of", [row_of, chart_of])
@pytest.mark.parametrize("width", [80, 120, 160])
def test_a_hole_in_a_trend_is_empty_and_its_axis_is_time(
    width: int, columns_of: Callable[[PanelState, int], list[bool]]
) -> None:
    """A hole of 46 minutes stays empty in the row and in its chart; a server three minutes old fills the end of the hour."""
    spec = PanelSpec("p", "Panel", Unit.PERCENT, threshold=Threshold(5.0))
    state = PanelState(spec, Verdict.OK, value=1.0, trend=HOLE, trend_window=(0.0, HOUR))
    columns = columns_of(state, width)
    longest = max(len(list(run)) for known, run in groupby(columns) if not known)
    assert 44 / 60 * len(columns) - 1 <= longest <= 46 / 60 * len(columns) + 1
    assert columns[0] and any(columns[-max(1, len(columns) // 15) :])
    young = columns_of(replace(state, trend=HOLE[-3:]), width)
    assert 1 <= sum(young) <= 3 / 60 * len(young) + 2 and not any(young[: len(young) * 9 // 10])


async def test_an_older_value_is_not_rendered_again() -> None:
    """Every refresh gives each panel another age, which no row shows: only rows that differ otherwise are rendered."""
    app = Bench()
    async with app.run_test(size=(80, 12)) as pilot:
        app.panels.show(rows(1.0, 2.0, 3.0, age=0.1))
        await pilot.pause()
        app.rendered.clear()
        app.panels.show(rows(1.0, 2.0, 3.0, age=0.7))
        await pilot.pause()
        assert app.rendered == []
        app.panels.show(rows(1.0, 7.0, 3.0, age=0.1))
        await pilot.pause()
        assert app.rendered == ["p1"]
        assert "7.00 %" in app.text() and "2.00 %" not in app.text()


async def test_equal_rows_are_not_compared_with_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their ages, of which one may be asked for, are the newest all the same; a filter applies."""
    app = Bench()
    async with app.run_test(size=(80, 12)) as pilot:
        app.panels.show(rows(1.0, 2.0, 3.0, age=0.1))
        await pilot.pause()
        compared: list[int] = []
        refresh = app.panels.refresh_changes

        def count() -> None:
            compared.append(1)
            refresh()

        monkeypatch.setattr(app.panels, "refresh_changes", count)
        app.panels.show(rows(1.0, 2.0, 3.0, age=0.7))
        assert not compared
        assert [row.state.age_seconds for row in app.panels.items] == [0.7] * 3
        app.panels.filter_words("2.00")
        assert [row.state.value for row in app.panels.items] == [2.0] and compared
        compared.clear()
        app.panels.show(rows(1.0, 2.0, 3.0, age=0.9))
        assert [row.state.age_seconds for row in app.panels.items] == [0.9] and not compared
        app.panels.show(())
        assert compared and not app.panels.items


async def test_every_change_of_a_row_is_drawn() -> None:
    """The age of a stale value, the mark of a change, the cursor, and the width."""
    app = Bench()
    async with app.run_test(size=(80, 12)) as pilot:
        app.panels.focus()
        for age in (40.0, 41.0):
            app.panels.show(rows(1.0, 2.0, age=age, verdict=Verdict.STALE))
            await pilot.pause()
            assert app.text().count(f"STALE {age:.0f}s") == 2
        app.panels.show(rows(1.0, 2.0, age=0.0))
        await pilot.pause()
        assert app.text().splitlines()[0].startswith("› ") and not app.text().splitlines()[1].startswith("› ")
        await pilot.press("down")
        assert app.text().splitlines()[1].startswith("› ") and not app.text().splitlines()[0].startswith("› ")
        app.panels.show(tuple(replace(row, changed=True) for row in rows(1.0, 2.0, age=0.0)))
        await pilot.pause()
        assert app.text().splitlines()[1].startswith("›•")
        await pilot.resize_terminal(120, 12)
        await pilot.pause()
        assert all(app.panels.render_line(y).cell_length == 120 for y in range(2))
