"""The screen as a grid of cells: one character and one style each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rich.cells import split_graphemes
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from widgets.terminal.sgr import DEFAULT_STYLE, CellStyle, StyleTable

NARROW = frozenset().union(
    *(
        map(chr, range(first, last + 1))
        for first, last in (
            (0x20, 0x7E),
            (0xA1, 0xAC),
            (0xAE, 0x2FF),
            (0x370, 0x377),
            (0x391, 0x482),
            (0x2010, 0x2027),
            (0x2030, 0x205E),
            (0x2190, 0x21FF),
            (0x2500, 0x25FC),
            (0x2713, 0x2718),
            (0x2800, 0x28FF),
        )
    )
)
"""Characters that every terminal draws one cell wide; terminals disagree about some of the others."""

_MAX_MARKS = 4
"""Combining marks kept per character: more is a flood, not a word."""

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def split_cells(text: str) -> Iterable[str]:
    """One item per cell: a character with its combining marks, and an empty string for the second cell of a wide character."""
    return text if NARROW.issuperset(text) else _split_wide_cells(text)


@lru_cache(maxsize=2048)
def _split_wide_cells(text: str) -> tuple[str, ...]:
    result: list[str] = []
    for start, end, size in split_graphemes(text)[0]:
        if not size:
            continue
        first, marks = text[start], text[start + 1 : end]
        seen = [mark for mark in marks if mark == "\u200d" or unicodedata.category(mark) not in _INVISIBLE]
        shown = " " if unicodedata.category(first) in _INVISIBLE or first.isspace() else first + "".join(seen[:_MAX_MARKS])
        result += [" "] * size if shown == " " else [shown, *[""] * (size - 1)]
    return tuple(result)


def _leading_marks(text: str) -> str:
    """The combining marks at the start of a text: a strip boundary cut them off from their character."""
    marks = ""
    for character in text[:_MAX_MARKS]:
        if unicodedata.category(character) not in ("Mn", "Me"):
            break
        marks += character
    return marks


class CellBuffer:
    """Equally long rows of characters and of styles; `dirty_rows` are the rows written since the last frame."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.characters = [[" "] * width for _ in range(height)]
        self.styles: list[list[CellStyle]] = [[DEFAULT_STYLE] * width for _ in range(height)]
        self.dirty_rows: set[int] = set(range(height))

    def write_strip(self, x: int, y: int, strip: Strip, table: StyleTable) -> None:
        """Write a strip into the cells from `x` on; what exceeds the right edge is dropped."""
        if not 0 <= y < self.height or not 0 <= x < self.width:
            return
        characters: list[str] = []
        styles: list[CellStyle] = []
        for text, style, control in strip:
            if control or not text:
                continue
            before = len(characters)
            characters += split_cells(text)
            marks = "" if text[0] in NARROW else _leading_marks(text)
            if marks and before and characters[before - 1]:
                characters[before - 1] += marks
            elif marks and not before and x and not self.characters[y][x - 1].endswith(marks):
                self.characters[y][x - 1] += marks
            cell = table.cell_style(style)
            if text.isspace():
                cell = cell.on_blank
            styles += [cell] * (len(characters) - before)
        room = self.width - x
        if len(characters) > room:
            if characters[room] == "":  # half a wide character becomes a space
                characters[room - 1] = " "
            del characters[room:], styles[room:]
        end = x + len(characters)
        self.characters[y][x:end] = characters
        self.styles[y][x:end] = styles
        self.dirty_rows.add(y)

    def apply_layout(self, update: LayoutUpdate, table: StyleTable) -> None:
        """Write everything inside the update's region."""
        left, top, _, _ = update.region
        for y, strips in enumerate(update.strips, top):
            x = left
            for strip in strips:
                self.write_strip(x, y, strip, table)
                x += strip.cell_length

    def apply_chops(self, update: ChopsUpdate, table: StyleTable) -> None:
        """Write every strip that a span of the update touches, whole: the compositor renewed all of it."""
        for y, first, last in update.spans:
            if not 0 <= y < len(update.chops):
                continue
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x < last and end > first:
                    self.write_strip(x, y, strip, table)
