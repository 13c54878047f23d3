"""What differs between two screens, written with the shortest cursor moves and style changes."""

from __future__ import annotations

from collections.abc import Iterable

from widgets.terminal.cell_buffer import NARROW, CellBuffer
from widgets.terminal.sgr import CellStyle, change

_WIDEST_GAP = 4
"""Going over fewer than ten cells takes four bytes, over one three: so many cells may be written again instead."""


class CursorState:
    """Where the terminal's cursor stands and which pen it holds; both survive from one frame to the next.

    `column` is -1 where nobody knows it: after the last column, and after characters whose width terminals disagree about.
    `row` is -1 where nothing is known.
    """

    def __init__(self) -> None:
        self.row = -1
        self.column = -1
        self.pen: CellStyle | None = None

    def lift(self) -> None:
        """Nothing is known any more."""
        self.row = self.column = -1
        self.pen = None

    def move(self, x: int, y: int) -> str:
        """The shortest way to a cell."""
        if (x, y) == (self.column, self.row):
            return ""
        ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"]
        if y == self.row:
            ways.append("\r" if x == 0 else f"\x1b[{x + 1}G")
            if 0 <= self.column < x:
                ways.append(_step(x - self.column, "C"))
            elif x < self.column:
                ways += [_step(self.column - x, "D"), "\b" * (self.column - x)]
        elif self.row >= 0:
            if x == self.column:
                ways.append(_step(y - self.row, "B") if y > self.row else _step(self.row - y, "A"))
            elif x == 0 and y == self.row + 1:
                ways.append("\r\n")
        self.column, self.row = x, y
        return min(ways, key=len)

    def write(self, characters: list[str], pens: list[CellStyle], first: int, last: int) -> str:
        """The cells from `first` to before `last` of the row the cursor is in."""
        out: list[str] = []
        column = first
        for x in range(first, last):
            character, pen = characters[x], pens[x]
            if not character:
                continue
            if column != x:
                out.append(f"\x1b[{x + 1}G")
            held = self.pen
            if held is not pen and not (character == " " and held is not None and held.on_blank is pen.on_blank):
                out.append(change(held, pen))
                self.pen = pen
            out.append(character)
            column = x + 1 if character in NARROW else -1
        self.column = column if column < len(characters) else -1
        return "".join(out)


def _step(cells: int, direction: str) -> str:
    return f"\x1b[{cells if cells > 1 else ''}{direction}"


def changed(shown: CellBuffer, wanted: CellBuffer, y: int) -> Iterable[tuple[int, int]]:
    """The runs of cells of one row that look different; both screens have the same size."""
    before, after = shown.characters[y], wanted.characters[y]
    was, now = shown.pens[y], wanted.pens[y]
    if before == after and was == now:
        return []
    differ = [
        x
        for x in range(wanted.width)
        if before[x] != after[x] or (was[x] is not now[x] and (after[x] != " " or was[x].on_blank is not now[x].on_blank))
    ]
    if not differ:
        return []
    if not (NARROW.issuperset(after) and NARROW.issuperset(before)):
        # Writing over half a wide character takes the other half away, and where it stands is the terminal's opinion.
        return [(0, wanted.width)]
    runs: list[tuple[int, int]] = []
    first = last = differ[0]
    for x in differ[1:]:
        if x - last > 1 and not _cheap(after, now, last, x):
            runs.append((first, last + 1))
            first = x
        last = x
    runs.append((first, last + 1))
    return runs


def _cheap(characters: list[str], pens: list[CellStyle], last: int, following: int) -> bool:
    """Whether writing the cells between two runs again takes no more bytes than going over them."""
    gap = following - last - 1
    if gap > _WIDEST_GAP:
        return False
    pen = pens[last]
    if not all(
        pens[x] is pen or (characters[x] == " " and pens[x].on_blank is pen.on_blank) for x in range(last + 1, following)
    ):
        return False
    return len("".join(characters[last + 1 : following]).encode()) <= (3 if gap == 1 else _WIDEST_GAP)
