"""A table that is wider than its screen: whatever it has can be scrolled to."""

from __future__ import annotations

import random

import pytest
from textual.app import App, ComposeResult

from widgets.column_widths import Column
from widgets.styled_text import width_of
from widgets.table import Arrangement, Table

LETTERS = [chr(code) for code in (*range(0x100, 0x180), *range(0x391, 0x3A2), *range(0x400, 0x480))]
"""Each one cell wide."""


class Stage(App[None]):
    def __init__(self, columns: tuple[Column, ...], cells: tuple[str, ...]) -> None:
        super().__init__()
        self.table: Table[str] = Table(columns, key=str, cells=lambda _: tuple((cell, "") for cell in cells))

    def compose(self) -> ComposeResult:
        yield self.table

    @property
    def lines(self) -> tuple[str, str]:
        width = self.table.inner_width
        heading, row = ("".join(words for words, _ in self.table.line_at(at, width)) for at in range(2))
        assert width_of(self.table.line_at(1, width)) <= width + 1
        return heading, row


@pytest.mark.parametrize("seed", range(24))
async def test_every_character_of_a_row_can_be_seen(seed: int) -> None:
    """Stop by stop to the right, while a mark says that there is more; the first columns stay, and the way back is the same."""
    chance = random.Random(seed)
    count = chance.randint(2, 6)
    letters = iter(chance.sample(LETTERS, len(LETTERS)))
    cells = ["".join(next(letters) for _ in range(chance.choice([3, 6, 30]) if at else 4)) for at in range(count)]
    columns = tuple(
        Column(f"C{at}", chance.choice([4, 6, 8]), flex=int(at == 0) or chance.randint(0, 1)) for at in range(count)
    )
    stage = Stage(columns, tuple(cells))
    async with stage.run_test(size=(chance.randint(24, 60), 6)) as pilot:
        stage.table.show(("row",))
        stage.table.focus()
        await pilot.pause()
        views = [stage.lines]
        for _ in range(60):
            await pilot.press(">")
            if stage.lines == views[-1]:
                break
            views.append(stage.lines)
        assert set("".join(cells)) <= set("".join(row for _, row in views))
        assert all(cells[0] in row for _, row in views), "the first column stays"
        assert [heading.startswith("‹") for heading, _ in views] == [False, *[True] * (len(views) - 1)]
        assert [heading.endswith("›") for heading, _ in views[1:-1]] == [True] * len(views[1:-1])
        assert len(views) == 1 or not views[-1][0].endswith("›")
        for view in reversed(views[:-1]):
            await pilot.press("<")
            assert stage.lines == view
        await pilot.press("<")
        assert stage.lines == views[0]


async def test_another_order_comes_back_to_the_first_view() -> None:
    """What is hidden is not scrolled to either."""
    columns = (Column("name", 6, flex=1), Column("long", 10), Column("last", 6, rank=1))
    stage = Stage(columns, ("api", "x" * 30, "end"))
    async with stage.run_test(size=(26, 6)) as pilot:
        stage.table.show(("row",))
        stage.table.focus()
        await pilot.pause()
        first = stage.lines
        await pilot.press(">", ">", ">", ">", ">")
        assert "end" in stage.lines[1] and stage.lines[0].startswith("‹")
        stage.table.rearrange(Arrangement(descending=True))
        assert stage.lines == first
        stage.table.rearrange(Arrangement(hidden=frozenset({"long"})))
        assert "end" in stage.lines[1] and "x" not in stage.lines[1]
        await pilot.press(">")
        assert not stage.lines[0].startswith("‹"), "everything is in view"
