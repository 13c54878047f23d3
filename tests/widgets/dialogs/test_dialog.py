"""The base of dialogs, which dims the screen below without Textual's renderer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.segment import Segment
from textual._context import visible_screen_stack
from textual._styles_cache import StylesCache
from textual.app import App, ComposeResult
from textual.filter import LineFilter, Monochrome, NoColor
from textual.geometry import Region
from textual.strip import Strip
from textual.theme import Theme
from textual.widgets import Input

from widgets.dialogs.dialog import Dialog
from widgets.line_filters import AsciiFilter, ControlCharFilter
from widgets.styled_text import Line
from widgets.text_view import TextView
from widgets.theme import THEMES

WIDTH, HEIGHT = 60, 20
BELOW: tuple[Line, ...] = (
    (("● fine", "ok"), (" and then ", ""), ("worse", "critical")),
    (("漢字 wide", "title"), ("a link", "@https://example.com")),
    (),
    *(((f"row {number}", "cursor+accent"),) for number in range(30)),
)


class Asking(Dialog[None]):
    """A dialog of three lines in the middle."""

    DEFAULT_CSS = """
    Asking { align: center middle; background: $background 60%; }
    Asking TextView { width: 30; height: 3; }
    """

    def compose(self) -> ComposeResult:
        yield TextView(((("What now?", ""),),), id="question")


class Shown(App[None]):
    CSS = "#page { height: 14; }"

    def __init__(self, filters: Sequence[LineFilter] = (), theme: Theme | None = None) -> None:
        super().__init__()
        if theme is not None:
            self.register_theme(theme)
            self.theme = theme.name
        self._filters += filters
        self.page = TextView(BELOW, id="page")

    def compose(self) -> ComposeResult:
        yield self.page
        yield Input("a field of Textual's own")


def cells(strips: Sequence[Strip]) -> list[list[Segment]]:
    return [list(Segment.simplify(strip)) for strip in strips]


def dimmed_by_textual(dialog: Asking, crop: Region) -> list[list[Segment]]:
    """What Textual's own cache makes of the same dialog."""
    stack = dialog.app.screen_stack
    visible_screen_stack.set([*stack[: stack.index(dialog)]])
    dialog.refresh()
    return cells(StylesCache().render_widget(dialog, crop))


@pytest.mark.parametrize(
    ("filters", "theme"),
    [
        *(((), theme) for theme in THEMES),
        ((AsciiFilter(),), None),
        ((Monochrome(), ControlCharFilter()), None),
        ((NoColor(),), None),
    ],
    ids=[*(theme.name for theme in THEMES), "ASCII", "monochrome", "no colour"],
)
async def test_the_screen_below_looks_as_textual_dims_it(filters: tuple[LineFilter, ...], theme: Theme | None) -> None:
    """Every cell has the text and style that Textual's own cache produces, in every theme and with every filter; also below
    a second dialog.
    """
    app = Shown(filters, theme)
    async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
        for dialog in (Asking(), Asking()):
            await app.push_screen(dialog)
            await pilot.pause()
            for crop in (Region(0, 0, WIDTH, HEIGHT), Region(3, 1, 9, 4)):
                ours = cells(dialog.render_lines(crop))
                assert ours == dimmed_by_textual(dialog, crop)
            assert any("fine" in segment.text for segment in cells(dialog.render_lines(Region(0, 0, WIDTH, 1)))[0])


async def test_what_changes_below_is_drawn_and_nothing_else() -> None:
    """Only a line that changes below a dialog is dimmed again, although Textual calls all of them dirty."""
    app = Shown()
    async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
        dialog = Asking()
        await app.push_screen(dialog)
        await pilot.pause()
        whole = Region(0, 0, WIDTH, HEIGHT)
        before = dialog.render_lines(whole)
        app.page.show((((" now another", "warn"),), *BELOW[1:]))
        await pilot.pause()
        after = dialog.render_lines(whole)
        assert [y for y in range(HEIGHT) if after[y] is not before[y]] == [0]
        assert " now another" in after[0].text
        assert cells(after) == dimmed_by_textual(dialog, whole)


async def test_another_theme_and_another_size_dim_everything_again() -> None:
    """Neither keeps a colour or a width of before."""
    app = Shown(theme=THEMES[0])
    app.register_theme(THEMES[-1])
    async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
        dialog = Asking()
        await app.push_screen(dialog)
        await pilot.pause()
        before = cells(dialog.render_lines(Region(0, 0, WIDTH, HEIGHT)))
        app.theme = THEMES[-1].name
        await pilot.pause()
        whole = Region(0, 0, WIDTH, HEIGHT)
        assert before != cells(dialog.render_lines(whole)) == dimmed_by_textual(dialog, whole)
        for size in ((WIDTH - 20, HEIGHT - 6), (WIDTH + 20, HEIGHT + 6)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            whole = Region(0, 0, *size)
            assert cells(dialog.render_lines(whole)) == dimmed_by_textual(dialog, whole)
