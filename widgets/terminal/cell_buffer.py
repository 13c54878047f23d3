"""The screen as cells: what the compositor composed, one character and one pen a cell."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rich.cells import split_graphemes
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from widgets.terminal.sgr import PLAIN, CellStyle, StyleTable

NARROW = frozenset(
    chr(point)
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
    for point in range(first, last + 1)
)
"""Characters that every terminal draws one cell wide; of others the terminals may think differently."""

_MOST_MARKS = 4
"""Combining marks kept on one character: more is a flood, not a word."""

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def cells(text: str) -> Iterable[str]:
    """One item a cell: a character with its marks; an empty one where a wide character goes on."""
    return text if NARROW.issuperset(text) else _uncommon_cells(text)


@lru_cache(maxsize=2048)
def _uncommon_cells(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for start, end, size in split_graphemes(text)[0]:
        if not size:
            continue
        first, marks = text[start], text[start + 1 : end]
        seen = [mark for mark in marks if mark == "\u200d" or unicodedata.category(mark) not in _UNSEEN]
        shown = " " if unicodedata.category(first) in _UNSEEN or first.isspace() else first + "".join(seen[:_MOST_MARKS])
        found += [" "] * size if shown == " " else [shown, *[""] * (size - 1)]
    return tuple(found)


def _leading_marks(text: str) -> str:
    """The combining marks that a text begins with: they were cut off from their character."""
    marks = ""
    for character in text[:_MOST_MARKS]:
        if unicodedata.category(character) not in ("Mn", "Me"):
            break
        marks += character
    return marks


class CellBuffer:
    """Rows of characters and rows of pens, equally long; `touched` are the rows that were written since they were sent."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.characters = [[" "] * width for _ in range(height)]
        self.pens: list[list[CellStyle]] = [[PLAIN] * width for _ in range(height)]
        self.touched: set[int] = set(range(height))

    def put(self, x: int, y: int, strip: Strip, pens: StyleTable) -> None:
        """Lay a strip over the cells from `x` on; what goes beyond the edge is left out."""
        if not 0 <= y < self.height or not 0 <= x < self.width:
            return
        characters: list[str] = []
        looks: list[CellStyle] = []
        for text, style, control in strip:
            if control or not text:
                continue
            before = len(characters)
            characters += cells(text)
            marks = "" if text[0] in NARROW else _leading_marks(text)
            if marks and before and characters[before - 1]:
                characters[before - 1] += marks
            elif marks and not before and x and not self.characters[y][x - 1].endswith(marks):
                self.characters[y][x - 1] += marks
            pen = pens.pen_of(style)
            if text.isspace():
                pen = pen.on_blank
            looks += [pen] * (len(characters) - before)
        room = self.width - x
        if len(characters) > room:
            if characters[room] == "":  # half of a wide character is a space
                characters[room - 1] = " "
            del characters[room:], looks[room:]
        end = x + len(characters)
        self.characters[y][x:end] = characters
        self.pens[y][x:end] = looks
        self.touched.add(y)

    def take_layout(self, update: LayoutUpdate, pens: StyleTable) -> None:
        """Everything inside the update's region."""
        left, top, _, _ = update.region
        for y, strips in enumerate(update.strips, top):
            x = left
            for strip in strips:
                self.put(x, y, strip, pens)
                x += strip.cell_length

    def take_chops(self, update: ChopsUpdate, pens: StyleTable) -> None:
        """The strips that the update's spans touch, whole: what lies beside a span was composed anew with it."""
        for y, first, last in update.spans:
            if not 0 <= y < len(update.chops):
                continue
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x < last and end > first:
                    self.put(x, y, strip, pens)
