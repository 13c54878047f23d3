"""Lists and tables: the cursor follows its row, and an equal list is not drawn again."""

from __future__ import annotations

import pytest
from stopwatch import quickest
from textual.app import App, ComposeResult

from widgets.styled_text import Span
from widgets.table import Column, Table, arrange

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
