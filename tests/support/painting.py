"""Screens as a person sees them: what a terminal shows after some bytes, and what Textual's own full repaint would show."""

from __future__ import annotations

from typing import Any

import pyte
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.app import App
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from widgets.terminal.frame_renderer import strips_of


class _Strict(pyte.Screen):
    """As terminals do it and pyte does not: who writes over half of a wide character takes the other half away."""

    def draw(self, data: str) -> None:
        for character in data:
            line, x = self.buffer[self.cursor.y], min(self.cursor.x, self.columns - 1)
            size = cell_len(character)
            if size and line[x].data == "":
                line[x - 1] = line[x - 1]._replace(data=" ")
            if size and x + size < self.columns and line[x + size].data == "":
                line[x + size] = line[x + size]._replace(data=" ")
            super().draw(character)


class Painting:
    """A terminal without a line: bytes go in, cells come out."""

    def __init__(self, columns: int, rows: int, *, strict: bool = False) -> None:
        self.screen = (_Strict if strict else pyte.Screen)(columns, rows)
        self.screen.reset_mode(pyte.modes.DECAWM)  # as Textual sets it
        self._stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        self._stream.feed(text)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)


def looks(screen: pyte.Screen) -> list[list[tuple[Any, ...]]]:
    """Every cell, without what nobody can see: the foreground of a blank."""
    return [[_cell(screen.buffer[y][x]) for x in range(screen.columns)] for y in range(screen.lines)]


def _cell(cell: Any) -> tuple[Any, ...]:
    if cell.data == " " and not (cell.underscore or cell.strikethrough or cell.reverse):
        return (" ", cell.bg)
    return tuple(cell)


def text_of(screen: Screen[Any]) -> str:
    """The whole screen as text, a line a row."""
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips_of(screen))


def notices_of(app: App[Any]) -> list[str]:
    """What the app's notifications say, also of those that no screen shows yet; Textual has no public way to them."""
    return [notice.message for notice in app._notifications]


def full_repaint(screen: Screen[Any], console: Console) -> str:
    """What Textual itself sends for the whole of a screen."""
    return strips_repaint(strips_of(screen), screen.size.width, console)


def strips_repaint(strips: list[Strip], width: int, console: Console) -> str:
    # Textual ends every span with a newline, which only a terminal in Textual's settings takes for a move.
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, width, len(strips))).render_segments(console)


def difference(one: pyte.Screen, other: pyte.Screen) -> str:
    """The first cells that look different, in words; empty where there are none."""
    left, right = looks(one), looks(other)
    found = [
        f"({x}, {y}): {left[y][x]} instead of {right[y][x]}"
        for y in range(len(right))
        for x in range(len(right[y]))
        if left[y][x] != right[y][x]
    ]
    return "\n".join(found[:5])


def styles(name: str) -> tuple[Style | None, ...]:
    """One of every kind; those of another name are other styles, because each keeps the codes of its first terminal."""
    words = (
        "bold #ff6b6b on #101418",
        "#ff6b6b on #101418",
        "dim #e4e7eb on #101418",
        "bold dim italic #e4e7eb on #1f262e",
        "bold #e4e7eb on #1f262e",
        "reverse #e4e7eb on #1f262e",
        "underline on #1f262e",
        "strike red",
        "green on blue",
    )
    apart = Style.from_meta({"for": name})
    return (None, *(Style.parse(text) + apart for text in words), Style(link="https://grafana/d/1"))
