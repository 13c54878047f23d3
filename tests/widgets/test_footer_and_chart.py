"""The footer and the chart as widgets: what fits, what a click does, and where the cursor of the chart goes."""

from __future__ import annotations

from typing import ClassVar

import pytest
from painting import text_of
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from queries.model.chart import ChartData, ChartSeries
from widgets.chart import Chart
from widgets.footer import DANGEROUS, Footer
from widgets.plot import Drawing
from widgets.styled_text import width_of


class Keys(App[None]):
    """Two keys of a screen, one that cannot work now, a dangerous one, and the pinned ones."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "note('q')", "quit"),
        Binding("a", "note('a')", "ack"),
        Binding("b", "note('grey')", "browse"),
        Binding("c", "note('c')", "columns"),
        Binding("question_mark", "note('help')", "help", key_display="?"),
        Binding("slash", "note('find')", "filter", key_display="/"),
        Binding("x", "note('x')", "kill", group=DANGEROUS),
        Binding("z", "note('z')", "hidden", show=False),
    ]

    def __init__(self, *, dangerous: bool = True, grey: bool = False) -> None:
        super().__init__()
        self.grey = grey
        self.pressed: list[str] = []
        self.dangerous = dangerous

    def compose(self) -> ComposeResult:
        yield Footer()

    def action_note(self, key: str) -> None:
        self.pressed.append(key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "note" and parameters[0] == "x" and not self.dangerous:
            return None if self.grey else False
        return None if parameters == ("grey",) else True

    @property
    def line(self) -> str:
        return str(text_of(self.screen)).split("\n")[-1].rstrip()


ALL = " a ack  b browse  c columns  / filter  ? help  q quit"


@pytest.mark.parametrize(
    ("width", "left", "right"), [(64, ALL, "x kill"), (63, " a ack  c columns  / filter  ? help  q quit", "")]
)
async def test_grey_keys_are_left_out_together(width: int, left: str, right: str) -> None:
    """Where not every key has room, no key that cannot work takes it, on neither side."""
    app = Keys(dangerous=False, grey=True)
    async with app.run_test(size=(width, 5)) as pilot:
        await pilot.pause()
        assert app.line.startswith(left)
        assert app.line.removeprefix(left).strip() == right


@pytest.mark.parametrize(
    ("width", "left", "right"),
    [
        (80, ALL, "x kill"),
        (64, ALL, "x kill"),
        (63, " a ack  c columns  / filter  ? help  q quit", "x kill"),
        (54, " a ack  c columns  / filter  ? help  q quit", "x kill"),
        (53, " a ack  c columns  / ? q", "x kill"),
        (34, " a ack  c columns  / ? q", "x kill"),
        (33, " a ack  / ? q", "x kill"),
        (23, " a ack  / ? q", "x kill"),
        (22, " / ? q", "x kill"),
        (9, " / ? q", ""),
    ],
)
async def test_what_a_narrow_footer_leaves_out(width: int, left: str, right: str) -> None:
    """First the keys that cannot work now, then the words of the pinned ones, then the last keys; never a pinned key."""
    app = Keys()
    async with app.run_test(size=(width, 3)) as pilot:
        await pilot.pause()
        assert app.line.startswith(left) and app.line[len(left) :].strip() == right, app.line
        assert not right or len(app.line) == width - 2


async def test_a_click_presses_the_key_under_it() -> None:
    """From the blank before a key to the one after it; one between the keys presses none."""
    app = Keys()
    async with app.run_test(size=(80, 3)) as pilot:
        await pilot.pause()
        line = app.line
        ends = [line.index(word) for word in ("a ack", "b browse", "c columns", "/ filter", "? help", "q quit")]
        for x, pressed in (
            (ends[0] - 1, "a"),
            (ends[1] - 2, "a"),
            (ends[2] - 1, "c"),
            (ends[3], "find"),
            (ends[4] + 5, "help"),
            (ends[5] + 6, "q"),
            (ends[5] + 7, ""),
            (line.index("x kill"), "x"),
        ):
            app.pressed.clear()
            await pilot.click(offset=(x, 2))
            await pilot.pause()
            assert app.pressed == ([pressed] if pressed else []), x


async def test_keys_that_cannot_work_now_are_grey() -> None:
    """And black again when they can; a key that is not offered is not there."""
    app = Keys()
    async with app.run_test(size=(80, 3)) as pilot:
        await pilot.pause()
        footer = app.query_one(Footer)
        tones = {words.strip(): tone for words, tone in footer.line_at(0, 80) if words.strip()}
        assert (tones["a"], tones["ack"], tones["b"], tones["browse"], tones["x"]) == ("key", "", "dim", "dim", "key")
        assert "hidden" not in app.line and footer.line_count(80) == 1
        app.dangerous = False
        app.refresh_bindings()
        await pilot.pause()
        assert "x kill" not in app.line and app.line == ALL


@pytest.mark.parametrize(("width", "shown"), [(80, True), (38, True), (37, False)])
async def test_a_note_is_shown_while_there_is_room(width: int, shown: bool) -> None:
    """Beside the dangerous keys, with twenty cells for the others; it changes when another is shown."""
    app = Keys()
    async with app.run_test(size=(width, 3)) as pilot:
        footer = app.query_one(Footer)
        footer.show_note("slow link")
        await pilot.pause()
        assert ("slow link" in app.line) is shown
        assert all(width_of(footer.line_at(0, size)) == size for size in range(20, 120))
        footer.show_note("")
        await pilot.pause()
        assert "slow" not in app.line


DATA = ChartData(0.0, 28.0, (ChartSeries("", tuple((float(at), float(at % 5)) for at in range(29))),), step_seconds=1.0)


class Plot(App[None]):
    def __init__(self, *, focusable: bool = True) -> None:
        super().__init__()
        self.chart = Chart(focusable=focusable)

    def compose(self) -> ComposeResult:
        yield self.chart


@pytest.mark.parametrize(
    ("keys", "column"),
    [
        ((), None),
        (("left",), 27),
        (("right",), 0),
        (("left", "left"), 26),
        (("left", "right"), 28),
        (("right", "right", "h"), 0),
        (("right", "shift+right", "shift+right"), 20),
        (("left", "shift+left"), 17),
        (("left", "home"), 0),
        (("right", "end"), 28),
        (("right", "left"), 0),
        (("g",), 0),
        (("G",), 28),
    ],
)
async def test_the_cursor_of_a_chart(keys: tuple[str, ...], column: int | None) -> None:
    """The first step to the left is the column before the last one, the first to the right the first column; the cursor never
    leaves the plot."""
    app = Plot()
    async with app.run_test(size=(40, 8)) as pilot:
        app.chart.show(DATA)
        app.chart.focus()
        await pilot.pause()
        await pilot.press(*keys)
        assert app.chart.cursor == column
        await pilot.pause()
        cells = [[(each, tone) for words, tone in app.chart.line_at(y, 40) for each in words] for y in range(5)]
        marked = {at - 11 for row in cells for at, cell in enumerate(row) if cell == ("│", "strong") or "cursor" in cell[1]}
        assert marked == (set() if column is None else {column})
        assert app.chart.hide_cursor() is (column is not None) and app.chart.cursor is None and not app.chart.hide_cursor()


@pytest.mark.parametrize(("x", "column"), [(0, 0), (11, 0), (12, 1), (39, 28)])
async def test_a_click_reads_the_chart(x: int, column: int) -> None:
    """At the column under it; left of the plot at its first one. A chart that cannot have the focus is not read."""
    for focusable in (True, False):
        app = Plot(focusable=focusable)
        async with app.run_test(size=(40, 8)) as pilot:
            app.chart.show(DATA)
            await pilot.click(offset=(x, 2))
            assert app.chart.cursor == (column if focusable else None)
            if focusable:
                app.screen.set_focus(None)
                await pilot.pause()
                assert app.chart.cursor is None, "without the focus there is no cursor"


async def test_a_chart_is_drawn_again_when_it_differs() -> None:
    """Other data, another style, another size; not for the same."""
    app = Plot()
    async with app.run_test(size=(40, 8)) as pilot:

        async def shown(data: ChartData, drawing: Drawing) -> str:
            app.chart.show(data, drawing)
            await pilot.pause()
            return str(text_of(app.screen))

        first = await shown(DATA, Drawing.BRAILLE)
        line = app.chart.line_at(0, 40)
        assert await shown(DATA, Drawing.BRAILLE) == first and app.chart.line_at(0, 40) is line and app.chart.data is DATA
        ascii_only = await shown(DATA, Drawing.ASCII)
        assert ascii_only != first and await shown(DATA, Drawing.BLOCKS) not in (first, ascii_only)
        other = ChartData(0.0, 28.0, message="no answer")
        assert "no answer" in await shown(other, Drawing.BLOCKS)
        await shown(DATA, Drawing.ASCII)
        await pilot.resize_terminal(60, 6)
        await pilot.pause()
        assert len(str(text_of(app.screen)).split("\n")[0].rstrip()) > 40
        assert app.chart.line_at(99, 60) == () and app.chart.line_count(60) == 6
