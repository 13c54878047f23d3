"""Lists, tables and tiles at the keyboard: which row the cursor is on, which rows are in view, and what is marked."""

from __future__ import annotations

import random
from typing import Any

import pytest
from painting import text_of
from screen_samples import panels
from textual.app import App, ComposeResult

from queries.model.panel import PanelSpec, PanelState, Unit
from queries.model.verdict import Verdict
from widgets.column_widths import Column
from widgets.panel import PanelRow
from widgets.panel_grid import PanelGrid, PanelTile
from widgets.rows import Rows
from widgets.table import Arrangement, Table, cell_key, set_keys


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"row {number}" for number in numbers)


class Stage(App[None]):
    """One list on the screen, and what it reported."""

    CSS = "Rows, Table, PanelGrid { height: 1fr; }"

    def __init__(self, shown: Any) -> None:
        super().__init__()
        self.shown = shown
        self.reports: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.shown

    def on_rows_selected(self, event: Rows.Selected) -> None:
        assert event.control is self.shown
        self.reports.append(f"opened {event.key}")

    def on_rows_highlighted(self, event: Rows.Highlighted) -> None:
        assert event.control is self.shown
        self.reports.append(f"on {event.key}")

    def on_rows_marked(self, event: Rows.Marked) -> None:
        assert event.control is self.shown
        self.reports.append("marked " + ",".join(map(str, self.shown.marked)))

    def on_rows_edge_reached(self, event: Rows.EdgeReached) -> None:
        assert event.control is self.shown
        self.reports.append(f"edge {event.direction}")

    def on_panel_grid_selected(self, event: PanelGrid.Selected) -> None:
        assert event.control is self.shown
        self.reports.append(f"opened {event.key}")

    def lines(self) -> list[str]:
        return str(text_of(self.screen)).split("\n")


def rows(*, marks: bool = False, empty: str = "", opens: bool = True) -> Rows[str]:
    return Rows(key=lambda item: item, draw=lambda item, width: ((item, ""),), empty=empty, marks=marks, opens=opens)


@pytest.mark.parametrize("seed", range(8))
async def test_the_cursor_goes_where_the_keys_say_and_stays_in_view(seed: int) -> None:
    """Against plain arithmetic: a row, a page of one row less than the screen, an end; the view moves no more than it must."""
    chance = random.Random(seed)
    count, height = chance.randint(1, 30), chance.randint(1, 8)
    keys = chance.choices(["up", "down", "pageup", "pagedown", "home", "end", "j", "k", "g", "G"], k=14)
    stage = Stage(rows())
    async with stage.run_test(size=(40, height)) as pilot:
        stage.shown.show(names(*range(count)))
        stage.shown.focus()
        await pilot.pause()
        page, at, top = max(1, height - 1), 0, 0
        for key in keys:
            steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page, "home": -count, "g": -count}
            by = steps.get(key, count)
            at = min(max(0, at + by), count - 1)
            top = min(max(top, at - height + 1), at)
            await pilot.press(key)
            assert stage.shown.cursor_key == f"row {at}" and stage.shown.current == f"row {at}"
            assert stage.shown.scroll_offset.y == top
        await pilot.pause()
        expected = [("›" if number == at else " ") + f"row {number}" for number in range(top, min(count, top + height))]
        assert [line.rstrip("▁▂▃▄▅▆▇█ ") for line in stage.lines()][: len(expected)] == expected


async def test_moves_beyond_an_end_are_reported() -> None:
    """A single step beyond the first or the last row, which another list may take over; a page or a jump stays at the end."""
    stage = Stage(rows())
    async with stage.run_test(size=(40, 5)) as pilot:
        stage.shown.show(names(0, 1))
        stage.shown.focus()
        await pilot.press("up", "down", "down", "pagedown", "end")
        assert stage.reports == ["on row 0", "edge -1", "on row 1", "edge 1"]
        stage.reports.clear()
        stage.shown.show(())
        await pilot.press("up", "down", "enter", "pagedown", "end", "home")
        assert stage.reports == ["edge -1", "edge 1"] and stage.shown.current is None and stage.shown.cursor_key == ""


async def test_a_click_moves_and_a_second_one_opens() -> None:
    """A click on another row moves the cursor there, one on its row opens it; one on the heading or below the rows does
    nothing. Also when the list is scrolled."""
    stage = Stage(Table((Column("name", 10, flex=1),), key=lambda item: item, cells=lambda item: ((item, ""),)))
    async with stage.run_test(size=(40, 5)) as pilot:
        stage.shown.show(names(*range(3)))
        stage.shown.focus()
        await pilot.pause()
        stage.reports.clear()
        await pilot.click(offset=(3, 0))
        await pilot.click(offset=(3, 4))
        assert stage.reports == []
        await pilot.click(offset=(3, 3))
        await pilot.click(offset=(3, 3))
        assert stage.reports == ["on row 2", "opened row 2"]
        await pilot.click(offset=(3, 1))
        await pilot.click(offset=(3, 1))
        assert stage.reports[2:] == ["on row 0", "opened row 0"]
        stage.shown.show(names(*range(20)))
        await pilot.press("end")
        await pilot.pause()
        stage.reports.clear()
        await pilot.click(offset=(3, 1))
        assert stage.reports == ["on row 16"] and stage.lines()[1].startswith("›row 16")


async def test_marks_belong_to_rows() -> None:
    """Space marks the row of the cursor and goes on, or takes the mark back; `*` marks every row, and takes all back if every
    one is marked. Marks are seen, keep their row when rows come and go, and do not count while it is gone."""
    stage = Stage(rows(marks=True))
    async with stage.run_test(size=(40, 6)) as pilot:
        stage.shown.show(names(0, 1, 2))
        stage.shown.focus()
        await pilot.press("space")
        await pilot.pause()
        assert stage.shown.marked == names(0) and [line[0] for line in stage.lines()[:3]] == ["+", "›", " "]
        await pilot.press("down", "space")
        await pilot.pause()
        assert stage.shown.marked == names(0, 2) and [line[0] for line in stage.lines()[:3]] == ["+", " ", "±"]
        stage.shown.show(names(2, 3, 1))
        assert stage.shown.marked == names(2)
        stage.shown.show(names(0, 1, 2))
        assert stage.shown.marked == names(0, 2)
        await pilot.press("home", "space")
        assert stage.shown.marked == names(2) and stage.shown.cursor_key == "row 1"
        await pilot.press("asterisk")
        assert stage.shown.marked == names(0, 1, 2)
        await pilot.press("asterisk")
        assert stage.shown.marked == ()
        await pilot.press("asterisk")
        stage.shown.unmark()
        await pilot.pause()
        assert stage.shown.marked == () and [line[0] for line in stage.lines()[:3]] == [" ", "›", " "]
        assert [report for report in stage.reports if report.startswith("marked")] == [
            "marked row 0",
            "marked row 0,row 2",
            "marked row 2",
            "marked row 0,row 1,row 2",
            "marked ",
            "marked row 0,row 1,row 2",
            "marked ",
        ]
        stage.reports.clear()
        stage.shown.unmark()
        await pilot.pause()
        assert stage.reports == [], "nothing was marked any more"
    stage = Stage(rows())
    async with stage.run_test(size=(40, 6)) as pilot:
        stage.shown.show(names(0, 1))
        stage.shown.focus()
        await pilot.press("space", "asterisk")
        assert stage.shown.marked == () and stage.shown.cursor_key == "row 0", "nothing acts on several"


async def test_the_filter_takes_every_word() -> None:
    """In any case and order; the cursor stays on its row while that is shown. Without words every row is back, and what
    arrives meanwhile is filtered too."""
    stage = Stage(rows(empty="nothing yet, wait a little"))
    async with stage.run_test(size=(20, 8)) as pilot:
        await pilot.pause()
        assert stage.lines()[:2] == [" nothing yet, wait", " a little"]
        stage.shown.show(("api ready", "api failed", "db Ready"))
        stage.shown.move_to("db Ready")
        stage.shown.move_to("unknown")
        assert stage.shown.cursor_key == "db Ready"
        stage.shown.filter_words("READY")
        assert stage.shown.items == ("api ready", "db Ready") and stage.shown.cursor_key == "db Ready"
        stage.shown.filter_words("ready api")
        assert stage.shown.items == ("api ready",) and stage.shown.cursor_key == "api ready"
        stage.shown.show(("api ready", "ready api 2", "x"))
        assert stage.shown.items == ("api ready", "ready api 2")
        stage.shown.filter_words("neither")
        await pilot.pause()
        assert stage.lines()[:2] == [" nothing matches", " the filter"]
        stage.shown.filter_words("")
        assert len(stage.shown.items) == 3
        stage.shown.show((), empty="gone")
        await pilot.pause()
        assert [line for line in stage.lines() if line] == [" gone"]


async def test_rows_that_arrive_above_move_nothing_on_the_screen() -> None:
    """The row of the cursor stays on its screen line, whether rows arrive above it or leave."""
    stage = Stage(rows())
    async with stage.run_test(size=(40, 5)) as pilot:
        stage.shown.show(names(*range(10, 40)))
        stage.shown.focus()
        await pilot.press(*["down"] * 10, "up")
        before = stage.shown.cursor_key, 9 - stage.shown.scroll_offset.y
        for first in (5, 12, 10):
            stage.shown.show(names(*range(first, 40)))
            await pilot.pause()
            assert (stage.shown.cursor_key, 19 - first - stage.shown.scroll_offset.y) == before
            assert stage.lines()[before[1]].startswith("›row 19")
        stage.shown.show(names(*range(10, 15)))
        assert stage.shown.cursor_key == "row 14"


async def test_the_cursor_is_seen_where_the_keys_go() -> None:
    """On the list that has the focus; a list below an input shows it always."""
    stage = Stage(rows())
    async with stage.run_test(size=(40, 5)) as pilot:
        stage.shown.show(names(0, 1))
        for focused in (False, True, False):
            if focused:
                stage.shown.focus()
            else:
                stage.screen.set_focus(None)
            await pilot.pause()
            assert stage.lines()[0].startswith("›") is focused and bool(stage.shown.row_tone(0)) is focused
            assert stage.shown.row_tone(1) == ""
        stage.shown.always_active = True
        stage.shown.redraw()
        await pilot.pause()
        assert stage.lines()[0].startswith("›") and stage.shown.row_tone(0) == "cursor"


FACTS = {
    "a": ("api", "3h", "2", "yes"),
    "b": ("db", "5m", "10", ""),
    "c": ("cache", "-", "1", "no"),
    "d": ("web", "40s", "–", "No"),
}
"""A name, an age, a count, and a word, which may be unknown."""
COLUMNS = (Column("name", 8, flex=1), Column("age", 6), Column("count", 6, right=True), Column("", 4, name="word", rank=2))


def table(**more: Any) -> Table[str]:
    columns = more.pop("columns", COLUMNS)
    cells = more.pop("cells", lambda key: tuple((word, "") for word in FACTS[key]))
    return Table(columns, key=lambda key: key, cells=cells, **more)


@pytest.mark.parametrize(
    ("order", "ascending", "descending"),
    [
        ("name", "acbd", "dbca"),
        ("age", "dbac", "cabd"),
        ("count", "cabd", "dbac"),
        ("word", "cdab", "badc"),
        ("", "abcd", "dcba"),
        ("unknown", "abcd", "dcba"),
    ],
)
def test_rows_are_sorted_by_what_a_cell_means(order: str, ascending: str, descending: str) -> None:
    """Ages by their length, counts by their size, words in any case by the alphabet, and what is unknown last; the other way
    round in reverse. A column that does not exist changes nothing."""
    shown = table()
    shown.show("abcd")
    shown.rearrange(Arrangement(order))
    assert "".join(shown.items) == ascending
    shown.rearrange(Arrangement(order, descending=True))
    assert "".join(shown.items) == descending
    assert shown.sorts_itself and shown.order_text == ("reversed" if ascending == "abcd" else f"by {order}, reversed")


def test_a_key_of_its_own_puts_the_unknown_last_in_both_directions() -> None:
    """A column may know better than its text; None is unknown."""
    ranks = {"a": 2, "b": None, "c": 1, "d": 3}
    shown = table(columns=set_keys(COLUMNS, {"age": lambda key: ranks[key]}))
    shown.show("abcd")
    shown.rearrange(Arrangement("age"))
    assert "".join(shown.items) == "cadb"
    shown.rearrange(Arrangement("age", descending=True))
    assert "".join(shown.items) == "dacb"
    assert [column.key is None for column in set_keys(COLUMNS, {"age": lambda key: ranks[key]})] == [True, False, True, True]


def test_what_a_cell_is_sorted_by() -> None:
    """A number or an age before other text, and nothing after it."""
    ordered = ["1", "2", "40s", "5m", "3h", "Api", "db"]
    assert sorted(set(ordered), key=cell_key) == ordered
    assert {cell_key(word) for word in ("", "-", "–", "  ")} == {cell_key("")}
    assert cell_key("") > cell_key("zzz") > cell_key("9")


async def test_the_sort_key_goes_through_every_order() -> None:
    """The table's own orders first, then each column that is shown, then the first again; `O` reverses. Each change is
    reported."""
    shown = table(orders=("usual", "rank"))
    stage = Stage(shown)
    changes: list[str] = []
    async with stage.run_test(size=(40, 8)) as pilot:
        stage.on_table_rearranged = lambda event: changes.append(event.control.order)  # type: ignore[attr-defined]
        shown.show("abcd")
        shown.focus()
        shown.rearrange(Arrangement(hidden=frozenset({"age", "nonsense"})))
        seen = []
        for _ in range(5):
            await pilot.press("o")
            seen.append((shown.order, shown.order_text, shown.sorts_itself))
        assert seen == [
            ("rank", "rank", False),
            ("name", "by name", True),
            ("count", "by count", True),
            ("word", "by word", True),
            ("usual", "", False),
        ]
        assert shown.arrangement == Arrangement(hidden=frozenset({"age"}))
        await pilot.press("O")
        assert (shown.order_text, shown.sorts_itself, "".join(shown.items)) == ("reversed", True, "dcba")
        await pilot.press("o")
        assert shown.arrangement == Arrangement("rank", hidden=frozenset({"age"})), "another order begins forwards"
        shown.rearrange(shown.arrangement)
        await pilot.pause()
        assert "".join(shown.items) == "abcd"
    unsorted = table(sortable=False)
    stage = Stage(unsorted)
    async with stage.run_test(size=(40, 8)) as pilot:
        unsorted.show("abcd")
        unsorted.focus()
        await pilot.press("o", "O")
        assert unsorted.arrangement == Arrangement()


async def test_the_heading_shows_order_and_hidden_columns() -> None:
    """An arrow at the column that sorts, also at one whose heading is empty; a hidden column is gone, its cells too."""
    shown = table()
    stage = Stage(shown)
    async with stage.run_test(size=(40, 8)) as pilot:
        shown.show("ab")
        await pilot.pause()
        usual = stage.lines()
        assert usual[0].split() == ["name", "age", "count"] and usual[1].split() == ["›api", "3h", "2", "yes"]
        shown.rearrange(Arrangement("word"))
        await pilot.pause()
        assert stage.lines()[0].split() == ["name", "age", "count", "wor…"]
        shown.rearrange(Arrangement("age"))
        await pilot.pause()
        assert stage.lines()[0].split() == ["name", "age↑", "count"] and stage.lines()[1].split()[0] == "db"
        shown.rearrange(Arrangement("age", descending=True, hidden=frozenset({"count", "word"})))
        await pilot.pause()
        assert stage.lines()[0].split() == ["name", "age↓"] and stage.lines()[1].split() == ["›api", "3h"]
        shown.rearrange(Arrangement(hidden=frozenset({"word", "count"})))
        shown.filter_words("yes")
        assert "".join(shown.items) == "a", "a hidden column is searched as well"


def tiles(count: int) -> tuple[PanelTile, ...]:
    return tuple(
        PanelTile(PanelRow(PanelState(PanelSpec(f"p{at}", f"Panel {at}", Unit.COUNT, decimals=0), Verdict.OK, value=float(at))))
        for at in range(count)
    )


@pytest.mark.parametrize(("width", "columns", "across"), [(75, 1, 75), (76, 2, 37), (113, 2, 55), (114, 3, 36), (160, 3, 52)])
async def test_as_many_columns_of_tiles_as_fit(width: int, columns: int, across: int) -> None:
    """Two from 76 cells on, three from 114; two blanks between them."""
    stage = Stage(PanelGrid())
    async with stage.run_test(size=(width, 12)) as pilot:
        stage.shown.show(tiles(3))
        await pilot.pause()
        first = stage.lines()[0]
        assert [first.find(f"Panel {at}") - 12 for at in range(columns)] == [at * (across + 2) for at in range(columns)]
        assert stage.shown.shape()[:2] == (columns, across)


@pytest.mark.parametrize(
    ("height", "count", "tall"),
    [
        (2, 1, 3),
        (3, 1, 3),
        (4, 1, 4),
        (6, 1, 4),
        (7, 1, 7),
        (14, 1, 14),
        (40, 1, 14),
        (8, 4, 4),
        (13, 4, 4),
        (14, 4, 7),
        (14, 3, 7),
        (12, 7, 3),
    ],
)
async def test_tiles_share_the_height(height: int, count: int, tall: int) -> None:
    """Three lines at least and fourteen at most; between four and seven, where there is no room for a chart, four."""
    stage = Stage(PanelGrid())
    async with stage.run_test(size=(80, height)) as pilot:
        stage.shown.show(tiles(count))
        await pilot.pause()
        assert stage.shown.shape()[2] == tall
        assert stage.shown.virtual_size.height == -(-count // 2) * tall
        assert stage.shown.line_count(80) == -(-count // 2) * tall


@pytest.mark.parametrize("seed", range(10))
async def test_the_cursor_goes_from_tile_to_tile(seed: int) -> None:
    """Against plain arithmetic: to a neighbour in the row, to the tile above or below, if there is one. The whole tile of the
    cursor is in view where that is possible, and the view moves no further than it must."""
    chance = random.Random(seed)
    count, width, height = chance.randint(1, 14), (40, 80, 120)[seed % 3], chance.randint(3, 9)
    keys = chance.choices(["up", "down", "left", "right", "home", "end", "h", "j", "k", "g", "G"], k=14)
    stage = Stage(PanelGrid())
    async with stage.run_test(size=(width, height)) as pilot:
        stage.shown.show(tiles(count))
        stage.shown.focus()
        await pilot.pause()
        columns, _, tall = stage.shown.shape()
        at, top = 0, 0
        for key in keys:
            ends = {"home": 0, "g": 0, "end": count - 1, "G": count - 1}
            steps = {"up": -columns, "k": -columns, "down": columns, "j": columns, "left": -1, "h": -1, "right": 1}
            target = ends[key] if key in ends else at + steps[key]
            at = target if 0 <= target < count else at
            first = at // columns * tall
            top = min(top, first) if first < top else max(top, first + tall - height)
            await pilot.press(key)
            assert stage.shown.current is not None and stage.shown.current.state.spec.id == f"p{at}"
            assert stage.shown.scroll_offset.y == top
        await pilot.pause()
        pointed = [line.partition("›")[2] for line in stage.lines() if "›" in line]
        assert len(pointed) == 1 and pointed[0].split()[2:4] == ["Panel", str(at)]


async def test_a_tile_is_opened_by_key_and_by_click() -> None:
    """Enter opens the tile of the cursor; a click moves there, and a second one opens it. Beside the tiles it does nothing."""
    stage = Stage(PanelGrid())
    async with stage.run_test(size=(80, 10)) as pilot:
        stage.shown.show(tiles(3))
        stage.shown.focus()
        await pilot.pause()
        await pilot.press("enter")
        await pilot.click(offset=(45, 1))
        await pilot.click(offset=(45, 1))
        await pilot.click(offset=(45, 7))  # there is no fourth tile
        await pilot.click(offset=(79, 0))
        await pilot.click(offset=(5, 5))
        assert stage.shown.current is not None and stage.shown.current.state.spec.id == "p2"
        await pilot.pause()
        assert stage.reports == ["opened p0", "opened p1", "opened p1"]
        stage.shown.show(tiles(8))
        await pilot.press("end")
        await pilot.pause()
        await pilot.click(offset=(5, 9))
        assert stage.shown.current.state.spec.id == "p6"
        stage.shown.show(())
        assert stage.shown.current is None
        await pilot.press("enter", "down", "end")
        await pilot.click(offset=(5, 1))
        await pilot.pause()
        assert len(stage.reports) == 3


async def test_the_cursor_stays_on_its_tile() -> None:
    """While it is there, wherever it is now; else it is on the first."""
    grid = PanelGrid()
    stage = Stage(grid)
    async with stage.run_test(size=(80, 10)) as pilot:
        four = tiles(4)
        grid.show(four)
        grid.focus()
        await pilot.press("end")
        grid.show((four[3], *four[:3]))
        assert grid.current is not None and grid.current.state.spec.id == "p3" and grid.tiles[0] is four[3]
        await pilot.press("right")
        assert grid.current.state.spec.id == "p0"
        grid.show(four[1:])
        assert grid.current.state.spec.id == "p1"
        await pilot.pause()
        assert stage.lines()[0].startswith("›")
        stage.screen.set_focus(None)
        await pilot.pause()
        assert not any("›" in line for line in stage.lines()), "without the focus there is no cursor to see"


async def test_every_change_of_a_tile_is_drawn() -> None:
    """Another panel in its place, another value, the focus, and another width."""
    stage = Stage(PanelGrid())
    async with stage.run_test(size=(80, 3)) as pilot:
        stage.shown.show(tiles(2))
        await pilot.pause()
        assert "Panel 0" in stage.lines()[0]
        changed = tuple(PanelTile(PanelRow(state)) for state in panels()[:2])
        stage.shown.show(changed)
        await pilot.pause()
        titles = [tile.state.spec.title for tile in changed]
        assert all(title in stage.lines()[0] for title in titles) and "Panel" not in "".join(stage.lines())
        stage.shown.focus()
        await pilot.press("right")
        assert stage.lines()[0].index("›") == 41
        await pilot.resize_terminal(120, 3)
        await pilot.pause()
        assert stage.lines()[0].index("›") == 40, "three columns of 38 cells"
