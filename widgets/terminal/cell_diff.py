"""The difference between two screens, as the shortest cursor moves and style changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from queries.text.variables import read_env
from widgets.terminal.cell_buffer import NARROW, CellBuffer
from widgets.terminal.sgr import CellStyle, switch_style

_WIDEST_GAP = 4
"""Skipping fewer than ten cells costs four bytes, skipping one costs three: up to this gap, rewriting is cheaper."""

_ERASED = "\x1b[K"
_LEAST_ERASED = 6
"""Blanks at the end of a row from which on erasing them takes fewer bytes, also with a change of style before."""
_ERASING_TERMINALS = frozenset(
    (
        "xterm",
        "xterm-256color",
        "xterm-16color",
        "linux",
        "rxvt",
        "rxvt-unicode",
        "rxvt-unicode-256color",
        "screen-256color-bce",
    )
)
"""By TERM: those that erase in the current background according to terminfo (`bce`); tmux and GNU screen are not among them."""


def erases_in_background(environ: Mapping[str, str]) -> bool:
    """Whether the terminal that TERM names fills what it erases with the current background."""
    return read_env(environ, "TERM") in _ERASING_TERMINALS


class CursorState:
    """The terminal's cursor position and current style, kept from one frame to the next.

    `column` is -1 when unknown: after the last column, and after characters whose width terminals disagree about.
    `row` is -1 when nothing is known. With `erases` the blanks at the end of a row are erased instead of written.
    """

    def __init__(self, *, erases: bool = False) -> None:
        self._erases = erases
        self.row = -1
        self.column = -1
        self.style: CellStyle | None = None

    def reset(self) -> None:
        """Forget position and style."""
        self.row = self.column = -1
        self.style = None

    def move(self, x: int, y: int) -> str:
        """The shortest sequence that moves the cursor to a cell."""
        if (x, y) == (self.column, self.row):
            return ""
        ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"]
        if y == self.row:
            ways.append("\r" if x == 0 else f"\x1b[{x + 1}G")
            if 0 <= self.column < x:
                ways.append(_cursor_step(x - self.column, "C"))
            elif x < self.column:
                ways += [_cursor_step(self.column - x, "D"), "\b" * (self.column - x)]
        elif self.row >= 0:
            if x == self.column:
                ways.append(_cursor_step(y - self.row, "B") if y > self.row else _cursor_step(self.row - y, "A"))
            if x == 0 and y == self.row + 1:
                ways.append("\r\n")
        self.column, self.row = x, y
        return min(ways, key=len)

    def write(self, characters: list[str], styles: list[CellStyle], first: int, last: int) -> str:
        """Write the cells from `first` up to but excluding `last` in the cursor's row."""
        out: list[str] = []
        column = first
        end = self._find_blank_tail(characters, styles, first, last)
        for x in range(first, end):
            character, style = characters[x], styles[x]
            if not character:
                continue
            if column != x:
                out.append(f"\x1b[{x + 1}G")
            held = self.style
            if held is not style and not (character == " " and held is not None and held.on_blank is style.on_blank):
                out.append(switch_style(held, style))
                self.style = style
            out.append(character)
            column = x + 1 if character in NARROW else -1
        if end < last:
            blank = styles[end].on_blank
            if column != end:
                out.append(f"\x1b[{end + 1}G")
            if self.style is None or self.style.on_blank is not blank:
                out.append(switch_style(self.style, blank))
                self.style = blank
            out.append(_ERASED)
            column = end
        self.column = column if column < len(characters) else -1
        return "".join(out)

    def _find_blank_tail(self, characters: list[str], styles: list[CellStyle], first: int, last: int) -> int:
        """Where the blanks begin that are erased up to the end of the row; `last` if none are."""
        if not self._erases or last < len(characters):
            return last
        blank = styles[-1].on_blank
        if blank.attributes or blank.link:
            return last
        start = last
        while start > first and characters[start - 1] == " " and styles[start - 1].on_blank is blank:
            start -= 1
        return start if last - start >= _LEAST_ERASED else last


def _cursor_step(cells: int, direction: str) -> str:
    return f"\x1b[{cells if cells > 1 else ''}{direction}"


def diff_row(displayed: CellBuffer, target: CellBuffer, y: int) -> Iterable[tuple[int, int]]:
    """The runs of cells in one row that look different, as (first, end); both buffers have the same size."""
    before, after = displayed.characters[y], target.characters[y]
    was, now = displayed.styles[y], target.styles[y]
    if before == after and was == now:
        return []
    differ = [
        x
        for x in range(target.width)
        if before[x] != after[x] or (was[x] is not now[x] and (after[x] != " " or was[x].on_blank is not now[x].on_blank))
    ]
    if not differ:
        return []
    if not (NARROW.issuperset(after) and NARROW.issuperset(before)):
        # Overwriting half a wide character erases the other half, and terminals disagree about where it is.
        return [(0, target.width)]
    runs: list[tuple[int, int]] = []
    first = last = differ[0]
    for x in differ[1:]:
        if x - last > 1 and not _cheaper_to_rewrite(after, now, last, x):
            runs.append((first, last + 1))
            first = x
        last = x
    runs.append((first, last + 1))
    return runs


def _cheaper_to_rewrite(characters: list[str], styles: list[CellStyle], last: int, following: int) -> bool:
    """Whether rewriting the cells between two runs takes no more bytes than skipping them."""
    gap = following - last - 1
    if gap > _WIDEST_GAP:
        return False
    style = styles[last]
    if not all(
        styles[x] is style or (characters[x] == " " and styles[x].on_blank is style.on_blank)
        for x in range(last + 1, following)
    ):
        return False
    return len("".join(characters[last + 1 : following]).encode()) <= (3 if gap == 1 else _WIDEST_GAP)
