"""The line cache, which bypasses Textual's styles cache."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.segment import Segment
from textual._styles_cache import StylesCache
from textual.app import App, ComposeResult
from textual.filter import LineFilter, Monochrome
from textual.geometry import Region
from textual.strip import Strip

from widgets.line_filters import AsciiFilter, ControlCharFilter
from widgets.styled_text import Line
from widgets.text_view import TextView

LINES: tuple[Line, ...] = (
    (("● fine", "ok"), (" and then ", ""), ("worse", "critical")),
    (("漢字 wide", "title"), ("…", "dim")),
    (),
    *(((f"row {number}", "accent"),) for number in range(30)),
)


class Shown(App[None]):
    CSS = "TextView { height: 8; width: 40; } .framed { border: round red; padding: 0 1; }"

    def __init__(self, filters: Sequence[LineFilter] = (), classes: str = "") -> None:
        super().__init__()
        self._filters += filters
        self.page = TextView(classes=classes)
        self.page.show(LINES)

    def compose(self) -> ComposeResult:
        yield self.page


def cells(strips: Sequence[Strip], width: int) -> list[list[Segment]]:
    """The segments of each line as the terminal gets them, without the scrollbar's column."""
    return [list(Segment.simplify(strip.crop(0, width))) for strip in strips]


@pytest.mark.parametrize("classes", ["", "framed"])
@pytest.mark.parametrize(
    "filters", [(), (AsciiFilter(),), (Monochrome(), ControlCharFilter())], ids=["colour", "ASCII", "monochrome"]
)
async def test_lines_equal_those_of_textual(filters: tuple[LineFilter, ...], classes: str) -> None:
    """Every cell has the text and style that Textual's own cache produces, with every filter, framed or not."""
    app = Shown(filters, classes)
    async with app.run_test(size=(60, 20)):
        page, region = app.page, Region(0, 0, *app.page.region.size)
        width = region.width if classes else page.inner_width
        ours = cells(page.render_lines(region), width)
        assert ours == cells(StylesCache().render_widget(page, region), width)
        assert any("fine" in segment.text for line in ours for segment in line)
        part = Region(3, 1, 9, 4)
        assert cells(page.render_lines(part), 9) == cells(StylesCache().render_widget(page, part), 9)


async def test_only_a_changed_line_is_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a line that differs is rendered once more."""
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        for _ in range(2):  # the scrollbar takes its column after the first frame
            await pilot.pause(0.1)
            app.page.refresh_changes()
        await pilot.pause(0.1)
        calls: list[int] = []
        render = app.page.render_line
        monkeypatch.setattr(app.page, "render_line", lambda y: calls.append(y) or render(y))
        app.page.show((*LINES[:2], (("new", "warn"),), *LINES[3:]))
        await pilot.pause()
        assert calls == [2]
