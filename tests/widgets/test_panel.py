"""The list of panels: what is drawn again, and that every change is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.app import App, ComposeResult

from queries.model.panel import PanelSpec, PanelState, Unit
from queries.model.verdict import Verdict
from widgets.panel import PanelList, PanelRow, render_panel
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
