"""Each byte that the terminal gets: cursor moves, what is rewritten, and what is erased."""

from __future__ import annotations

from itertools import product

import pytest
from painting import Painting
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from widgets.terminal.cell_buffer import CellBuffer, split_cells
from widgets.terminal.cell_diff import CursorState
from widgets.terminal.frame_renderer import FrameRenderer
from widgets.terminal.sgr import StyleTable

COLUMNS, ROWS = 13, 4


def step(cells: int, letter: str) -> str:
    return f"\x1b[{cells}{letter}" if cells > 1 else f"\x1b[{letter}"


def shortest(old: tuple[int, int], new: tuple[int, int]) -> int:
    """The length of the shortest way that a terminal has between two cells, (column, row); -1 for what is not known."""
    (a, b), (x, y) = old, new
    ways = [f"\x1b[{y + 1};{x + 1}H"] + [f"\x1b[{y + 1}H"] * (x == 0) + ["\x1b[H"] * (x == y == 0)
    if b == y:
        ways += [f"\x1b[{x + 1}G"] + ["\r"] * (x == 0)
        if a >= 0:
            ways += [step(x - a, "C")] if x > a else [step(a - x, "D"), "\b" * (a - x)]
    elif b >= 0:
        ways += [step(abs(y - b), "B" if y > b else "A")] * (x == a) + ["\r\n"] * (x == 0 and y == b + 1)
    return 0 if old == new else min(map(len, ways))


def test_every_move_ends_in_its_cell_by_the_shortest_way() -> None:
    """From each cell to each other one, from an unknown column of a row, and from anywhere."""
    cells = list(product(range(COLUMNS), range(ROWS)))
    starts = [*cells, *((-1, y) for y in range(ROWS)), (-1, -1)]
    for old, new in product(starts, cells):
        state, shown = CursorState(), Painting(COLUMNS, ROWS)
        state.column, state.row = old
        shown.feed(f"\x1b[{max(old[1], 0) + 1};{(old[0] if old[0] >= 0 else 5) + 1}H")
        sequence = state.move(*new)
        shown.feed(sequence)
        assert (shown.screen.cursor.x, shown.screen.cursor.y) == new == (state.column, state.row), (old, new)
        assert len(sequence) == shortest(old, new), (old, new, sequence)
    assert len(cells) == COLUMNS * ROWS


def frames(before: list[Segment], after: list[Segment], *, erases: bool = False, colours: bool = True) -> str:
    """The bytes of the second of two frames of one row, without those that move the cursor to the first cell that differs."""
    renderer = FrameRenderer(ColorSystem.TRUECOLOR if colours else None, erases=erases)
    width = sum(segment.cell_length for segment in after)
    for segments in (before, after):
        renderer.ingest(LayoutUpdate([[Strip(segments)]], Region(0, 0, width, 1)))
        frame = renderer.render((0, 0))
    return frame


@pytest.mark.parametrize(
    ("between", "rewritten"),
    [
        *(("a" * size, size <= 4) for size in range(1, 9)),
        *(("é" * size, size <= 2) for size in range(1, 5)),
        *(("▁" * size, size <= 1) for size in range(1, 4)),
        ("aé", True),
        ("aéa", True),
        ("aéaa", False),
        ("▁a", True),
        ("▁aa", False),
    ],
)
def test_what_lies_between_two_changes_is_rewritten_where_that_is_no_longer(between: str, rewritten: bool) -> None:
    """Skipping one cell takes three bytes, skipping several four; a character takes as many as it has in UTF-8."""
    frame = frames([Segment(f".{between}.....")], [Segment(f"X{between}X....")])
    assert (f"X{between}X" in frame) is rewritten
    assert len(frame) == len(f"X{between}X\r") if rewritten else len(frame) == len("XX\r") + (3 if len(between) == 1 else 4)


def test_cells_of_another_look_are_skipped() -> None:
    """Unless they are blanks whose background is the same: their colour shows nothing."""
    red, blue, back = Style(color="#ff0000"), Style(color="#0000ff"), Style(bgcolor="#00ff00")

    def frame(word: str, look: Style) -> str:
        return frames(
            [Segment(".", red), Segment(word, look), Segment(".   ", red)],
            [Segment("X", red), Segment(word, look), Segment("X   ", red)],
        )

    assert "X\x1b[4GX" in frame("ab", blue) and "XabX" in frame("ab", red)
    assert "X  X" in frame("  ", blue) and "X\x1b[4GX" in frame("  ", back)


@pytest.mark.parametrize("blanks", range(4, 9))
def test_blanks_at_the_end_are_erased_from_six_on(blanks: int) -> None:
    """From there on it takes fewer bytes; with an underline, or in a link, they are written, and so they are in a terminal that
    does not erase in the background."""
    before, after = [Segment("x" * 12)], [Segment("y" * (12 - blanks) + " " * blanks)]
    assert ("\x1b[K" in frames(before, after, erases=True)) is (blanks >= 6)
    assert "\x1b[K" not in frames(before, after)
    assert ("\x1b[K" in frames(before, after, colours=False)) is (blanks >= 6)
    for look in (Style(underline=True), Style(link="https://x")):
        assert "\x1b[K" not in frames(before, [Segment("y" * 3), Segment(" " * 9, look)], erases=True)
    ground = Style(bgcolor="#101418")
    two = frames(before, [Segment("y" * 3), Segment("   "), Segment(" " * (blanks - 2), ground)], erases=True)
    assert ("\x1b[K" in two) is (blanks >= 8), "only those of one background"


def test_no_more_is_erased_than_differs() -> None:
    """A blank before the first difference is left alone, in the middle of a row and where the whole row is blank."""
    assert len(frames([Segment("ab xxxxxxxxxx")], [Segment("ab           ")], erases=True)) == len("\x1b[3C\x1b[K\r")
    renderer = FrameRenderer(ColorSystem.TRUECOLOR, erases=True)
    renderer.ingest(LayoutUpdate([[Strip([Segment(" " * 20)])]], Region(0, 0, 20, 1)))
    assert renderer.render((0, 0)) == "\x1b[H\x1b[m\x1b[K"


def test_only_what_reaches_the_end_of_the_row_is_erased() -> None:
    """A change in the middle of a row that leaves its end as it is writes its blanks."""
    before, after = [Segment("xxxxxxxxxx" + "end")], [Segment("          " + "end")]
    assert "\x1b[K" not in frames(before, after, erases=True)


@pytest.mark.parametrize(
    ("x", "y", "shown"), [(0, 0, "ab"), (3, 1, "ab"), (4, 1, "a"), (5, 0, ""), (-1, 0, ""), (0, 2, ""), (0, -1, "")]
)
def test_what_is_outside_the_screen_is_dropped(x: int, y: int, shown: str) -> None:
    """A strip that begins outside it whole, and of one that leaves it the rest."""
    cells = CellBuffer(5, 2)
    cells.dirty_rows.clear()
    cells.write_strip(x, y, Strip([Segment("ab")]), StyleTable(None))
    found = ["".join(row).strip() for row in cells.characters]
    assert found == [shown if at == y else "" for at in range(2)] and cells.dirty_rows == ({y} if shown else set())
    assert {len(row) for row in (*cells.characters, *cells.styles)} == {5}


def test_half_a_wide_character_at_the_edge_is_a_blank() -> None:
    """The other half has no room; a whole one at the edge stays."""
    cells = CellBuffer(5, 1)
    cells.write_strip(2, 0, Strip([Segment("x日")]), StyleTable(None))
    assert cells.characters == [[" ", " ", "x", "日", ""]]
    cells.write_strip(2, 0, Strip([Segment("xy日")]), StyleTable(None))
    assert cells.characters == [[" ", " ", "x", "y", " "]]


def test_only_strips_that_a_span_touches_are_written() -> None:
    """A strip that ends where the span begins, or begins where it ends, is as it was; so is a row outside the screen."""
    cells = CellBuffer(9, 1)
    chops: list[dict[int, Strip | None]] = [
        {0: Strip([Segment("aaa")]), 3: Strip([Segment("bbb")]), 6: Strip([Segment("ccc")])}
    ]
    cells.apply_chops(ChopsUpdate(chops, [(0, 3, 6), (1, 0, 9), (-1, 0, 9)], [[3, 6, 9]]), StyleTable(None))
    assert "".join(cells.characters[0]) == "   bbb   "
    cells.apply_chops(ChopsUpdate(chops, [(0, 2, 7)], [[3, 6, 9]]), StyleTable(None))
    assert "".join(cells.characters[0]) == "aaabbbccc"
    chops[0][0] = None
    cells.apply_chops(ChopsUpdate(chops, [(0, 0, 9)], [[3, 6, 9]]), StyleTable(None))
    assert "".join(cells.characters[0]) == "aaabbbccc"


def test_a_layout_is_written_where_its_region_is() -> None:
    """Strips one after another from its left, rows one after another from its top."""
    cells = CellBuffer(6, 3)
    strips = [[Strip([Segment("ab")]), Strip([Segment("日")])], [Strip([Segment("cd")])]]
    cells.apply_layout(LayoutUpdate(strips, Region(1, 1, 4, 2)), StyleTable(None))
    assert ["".join(row) for row in cells.characters] == ["      ", " ab日 ", " cd   "]


def test_marks_go_to_their_character() -> None:
    """Also across the boundary of two segments or strips, once; what only moves or hides is no mark."""
    assert tuple(split_cells("e\u0301x")) == ("e\u0301", "x") and tuple(split_cells("日x")) == ("日", "", "x")
    cells = CellBuffer(4, 1)
    cells.write_strip(0, 0, Strip([Segment("e"), Segment("\u0301x")]), StyleTable(None))
    assert cells.characters == [["e\u0301", "x", " ", " "]]
    for _ in range(2):
        cells.write_strip(2, 0, Strip([Segment("\u0301y")]), StyleTable(None))
    assert cells.characters == [["e\u0301", "x\u0301", "y", " "]]


@pytest.mark.parametrize(("cursor", "shown"), [((-1, -1), (0, 0)), ((4, 1), (4, 1)), ((5, 2), (4, 1)), ((2, 0), (2, 0))])
def test_the_cursor_stays_on_the_screen(cursor: tuple[int, int], shown: tuple[int, int]) -> None:
    """Wherever a widget wants it."""
    renderer, terminal = FrameRenderer(None), Painting(5, 2)
    assert renderer.render(cursor) == "" and renderer.size == (0, 0)
    renderer.ingest(LayoutUpdate([[Strip([Segment("abcde")])], [Strip([Segment("fghij")])]], Region(0, 0, 5, 2)))
    terminal.feed(renderer.render(cursor))
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == shown and renderer.size == (5, 2)
    assert terminal.screen.display == ["abcde", "fghij"]


def test_a_screen_of_another_size_is_written_anew() -> None:
    """One of the same size is not, nor is a part of it; what is asked for again is."""
    renderer = FrameRenderer(None)
    rows = [[Strip([Segment("abcde")])], [Strip([Segment("fghij")])]]
    for region, written in (
        (Region(0, 0, 5, 2), 10),
        (Region(0, 0, 5, 2), 0),
        (Region(0, 1, 5, 1), 5),
        (Region(0, 0, 5, 1), 5),
    ):
        renderer.ingest(LayoutUpdate(rows[: region.height], region))
        assert sum(character.isalpha() for character in renderer.render((0, 0)).replace("\x1b[H", "")) in (written, written + 1)
    renderer.invalidate()
    assert "abcde" in renderer.render((0, 0))
    assert renderer.ingest(ChopsUpdate([{}], [], [[]])) and not renderer.ingest(object())  # type: ignore[arg-type]
