"""Lists and tables: the cursor follows its row, and an equal list is not drawn again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import quickest
from textual.app import App, ComposeResult

from widgets.column_widths import Column, arrange, page_starts, split_spare
from widgets.styled_text import Span, cut_left
from widgets.table import Table

COLUMNS = (Column("name", 8, flex=1), Column("state", 6), Column("note", 20, rank=3))


class Bench(App[None]):
    """A table alone on the screen."""

    def __init__(self, *, opens: bool = True) -> None:
        super().__init__()
        self.rendered = 0
        self.table: Table[str] = Table(COLUMNS, key=lambda item: item, cells=self._cells, empty="nothing", opens=opens)

    def _cells(self, item: str) -> tuple[Span, ...]:
        self.rendered += 1
        return ((item, ""), ("ok", "ok"), ("", ""))

    def compose(self) -> ComposeResult:
        yield self.table


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"row-{number:05d}" for number in numbers)


@pytest.mark.slow
async def test_cursor_and_scroll_position_survive_new_rows() -> None:
    """When rows arrive above, the cursor stays on its key and that row on its screen line."""
    app = Bench()
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.show(names(*range(100, 200)))
        for _ in range(50):
            await pilot.press("down")
        key = app.table.cursor_key
        line = 50 - app.table.scroll_offset.y
        app.table.show(names(*range(90, 200)))
        await pilot.pause()
        assert app.table.cursor_key == key
        assert 60 - app.table.scroll_offset.y == line


async def test_cursor_stays_near_a_removed_row() -> None:
    """When its row is removed, the cursor stays in place; an empty list has no cursor."""
    app = Bench()
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.show(names(1, 2, 3))
        await pilot.press("down")
        app.table.show(names(1, 3))
        assert app.table.cursor_key == "row-00003"
        app.table.show(())
        assert app.table.cursor_key == ""
        await pilot.press("enter", "down", "end")


async def test_open_is_offered_only_when_a_row_can_be_opened() -> None:
    """The footer offers enter only while there are rows that can be opened, and is updated when that changes."""
    app = Bench()
    offers: list[bool] = []

    def offered() -> bool:
        return "rows.open" in {item.binding.id for item in app.screen.active_bindings.values() if item.enabled}

    async with app.run_test(size=(40, 12)) as pilot:
        app.screen.bindings_updated_signal.subscribe(app.table, lambda screen: offers.append(offered()))
        app.table.focus()
        for rows in ((), names(1), names(1, 2), ()):
            app.table.show(rows)
            await pilot.pause()
            assert offered() is bool(rows)
        assert offers[-2:] == [True, False]
    app = Bench(opens=False)
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.focus()
        app.table.show(names(1))
        await pilot.pause()
        assert not offered()
        assert "rows.down" in {item.binding.id for item in app.screen.active_bindings.values()}


async def test_only_rows_in_view_are_rendered() -> None:
    """Five thousand rows cost as much as a screenful, and an equal list repaints nothing."""
    app = Bench()
    async with app.run_test(size=(40, 12)) as pilot:
        rows = names(*range(5000))
        app.table.show(rows)
        await pilot.pause()
        assert quickest(lambda: app.table.show(tuple(rows))) < 0.1
        await pilot.pause()
        app.rendered = 0
        app.table.show(tuple(rows))
        await pilot.pause()
        assert app.rendered <= 3 * 12
        await pilot.press("end")
        assert app.table.cursor_key == "row-04999"


def test_columns_are_dropped_by_rank() -> None:
    """A narrow table drops the columns of the highest rank first and shares the rest by flex."""
    assert [at for at, _ in arrange(COLUMNS, 60)] == [0, 1, 2]
    assert [at for at, _ in arrange(COLUMNS, 30)] == [0, 1]
    assert arrange(COLUMNS, 30)[0] == (0, 22)
    assert [at for at, _ in arrange(COLUMNS, 5)] == [0]


WIDE = (Column("state", 6), Column("name", 10, flex=2), Column("who", 10, flex=1), Column("why", 10, flex=3))


class WideBench(App[None]):
    """A table of rows with given cells."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Table[tuple[str, ...]] = Table(WIDE, key=lambda item: item[1], cells=self._cells)

    def _cells(self, item: tuple[str, ...]) -> tuple[Span, ...]:
        return tuple((content, "") for content in item)

    def compose(self) -> ComposeResult:
        yield self.table

    def lines(self, count: int = 2) -> list[str]:
        """The heading and the first rows as they are on the screen."""
        width = self.table.inner_width
        return ["".join(content for content, _ in self.table.line_at(at, width)).rstrip() for at in range(count)]


async def test_a_cut_cell_takes_the_room_that_others_do_not_need() -> None:
    """Nothing is cut while there is room, also after a longer row arrives and after a resize; else nothing moves."""
    name, why = "a-name-of-thirty-characters-it-is", "short"
    app = WideBench()
    async with app.run_test(size=(76, 6)) as pilot:
        app.table.show((("ok", "api", "ann", "no"),))
        await pilot.pause()
        usual = app.lines()[0]
        app.table.show((("ok", "api-2", "ann", "none"),))
        assert app.lines()[0] == usual, "nothing was cut, so nothing moves"
        app.table.show((("ok", name, "ann", why), ("ok", "other", "bob", "x" * 12)))
        assert all(word in " ".join(app.lines(3)) for word in (name, why, "x" * 12)) and app.lines()[0] != usual
        app.table.show((("ok", name, "ann", why), ("ok", "other", "bob", "y" * 100)))
        row = app.lines(3)[2]
        assert row.endswith("y…") and len(row) == 75, "no room is left over, and the narrowest cut column is whole"
        assert name in app.lines()[1]
        await pilot.resize_terminal(160, 6)
        await pilot.pause()
        assert "y" * 100 in app.lines(3)[2]


async def test_a_column_of_fixed_width_gives_what_it_does_not_need() -> None:
    """A wide column of short times makes room for the sentence beside it; a narrow one keeps its width."""
    columns = (Column("s", 4), Column("when", 16), Column("what", 20, flex=1))
    table: Table[tuple[str, ...]] = Table(
        columns, key=lambda item: item[0], cells=lambda item: tuple((each, "") for each in item)
    )

    class Only(App[None]):
        def compose(self) -> ComposeResult:
            yield table

    async with Only().run_test(size=(50, 6)) as pilot:
        table.show((("ok", "14:03Z", "w" * 33),))
        await pilot.pause()
        line = "".join(content for content, _ in table.line_at(1, table.inner_width))
        assert line[1:12] == "ok   14:03Z" and line.rstrip().endswith("w" * 33) and "…" not in line


async def test_what_does_not_fit_is_scrolled_to() -> None:
    """`>` goes page by page through a cell wider than the screen, stops at its end, and `<` comes back to the first view."""
    letters = "".join(chr(0x100 + at) for at in range(128))
    long = f"{letters} 日本語"
    app = WideBench()
    async with app.run_test(size=(60, 6)) as pilot:
        app.table.show((("ok", "api", "ann", long),))
        app.table.focus()
        await pilot.pause()
        first = app.lines()
        seen = " ".join(first)
        assert "…" in first[1]
        for _ in range(12):
            await pilot.press(">")
            assert "‹" in app.lines()[0] and "api" in app.lines()[1]
            seen += app.lines()[1]
        assert set(letters) <= set(seen) and "日本語" in app.lines()[1] and "›" not in app.lines()[0]
        for _ in range(12):
            await pilot.press("<")
        assert app.lines() == first


@given(
    widths=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=6),
    width=st.integers(10, 200),
)
def test_widths_use_the_screen(widths: list[tuple[int, int, int]], width: int) -> None:
    """The total never changes, a column that is whole stays whole, and none is cut while another has more than it needs."""
    columns = tuple(Column(f"{at}", size, flex) for at, (size, flex, _) in enumerate(widths))
    sizes = arrange(columns, width)
    needs = {at: widths[at][2] for at, _ in sizes}
    shared = split_spare(sizes, needs)
    assert sum(size for _, size in shared) == sum(size for _, size in sizes)
    assert all(size >= min(needs[at], dict(sizes)[at]) for at, size in shared)
    cut = [at for at, size in shared if size < needs[at]]
    assert not cut or all(size <= needs[at] for at, size in shared)
    assert cut or all(size >= needs[at] for at, size in shared)


def test_pages_of_a_long_cell() -> None:
    """They cover it without a gap, although an ellipsis ends each but the last, and the last one ends with it."""
    assert (page_starts(8, 10), page_starts(10, 10), page_starts(20, 10), page_starts(25, 10)) == (
        (0,),
        (0,),
        (0, 9, 10),
        (0, 9, 15),
    )
    assert page_starts(5, 0) == (0, 1, 2, 3, 4)
    assert (cut_left("a日本", 2), cut_left("a日本", 3), cut_left("abc", 5)) == (" 本", "本", "")
