"""Turns the compositor's updates into the bytes that bring the terminal up to date."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.screen import Screen
from textual.strip import Strip

from widgets.terminal.cell_buffer import CellBuffer
from widgets.terminal.cell_diff import CursorState, diff_row
from widgets.terminal.sgr import StyleTable


def strips_of(screen: Screen[Any], lines: Collection[int] | None = None) -> list[Strip]:
    """The lines of the screen with these ascending numbers as far as there are any, or all from the top, as the compositor has
    them; Textual has no public way to them.
    """
    compositor = screen._compositor
    if lines is None:
        return compositor.render_strips()
    chops = compositor._render_chops(compositor.size.region, lines.__contains__)
    return [Strip.join(chops[y].values()) for y in lines if y < len(chops)]


class FrameRenderer:
    """Two buffers: the target and what the terminal displays. Any number of updates may arrive between two frames."""

    def __init__(self, colours: ColorSystem | None, *, erases: bool = False) -> None:
        """`erases`: the terminal fills what it erases with the current background. Without colours each one does."""
        self._styles = StyleTable(colours)
        self._cursor = CursorState(erases=erases or colours is None)
        self._target: CellBuffer | None = None
        self._displayed: CellBuffer | None = None
        """None when the terminal's contents are unknown."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the target."""
        return (self._target.width, self._target.height) if self._target else (0, 0)

    def ingest(self, update: CompositorUpdate) -> bool:
        """Apply an update to the target; False for an update of an unknown kind."""
        if isinstance(update, LayoutUpdate):
            x, y, width, height = update.region
            if not (x or y) and (width, height) != self.size:
                self._target = CellBuffer(width, height)
                self.invalidate()
            if self._target is not None:
                self._target.apply_layout(update, self._styles)
            return True
        if isinstance(update, ChopsUpdate):
            if self._target is not None:
                self._target.apply_chops(update, self._styles)
            return True
        return False

    def invalidate(self) -> None:
        """Make the next frame write every cell: after a resize, after another program, or when a person requests it."""
        self._displayed = None
        self._cursor.reset()

    def render(self, cursor: tuple[int, int]) -> str:
        """The bytes that bring the terminal to the target, cursor included; empty when it is up to date."""
        target, displayed, state = self._target, self._displayed, self._cursor
        if target is None:
            return ""
        out: list[str] = []
        if displayed is None:
            displayed = self._displayed = CellBuffer(target.width, target.height)
            for y in range(target.height):
                out += [state.move(0, y), state.write(target.characters[y], target.styles[y], 0, target.width)]
                _copy(target, displayed, y)
        else:
            for y in sorted(target.dirty_rows):
                for first, last in diff_row(displayed, target, y):
                    out += [state.move(first, y), state.write(target.characters[y], target.styles[y], first, last)]
                _copy(target, displayed, y)
        target.dirty_rows.clear()
        x, y = cursor
        out.append(state.move(min(max(0, x), target.width - 1), min(max(0, y), target.height - 1)))
        return "".join(out)


def _copy(target: CellBuffer, displayed: CellBuffer, y: int) -> None:
    displayed.characters[y] = target.characters[y][:]
    displayed.styles[y] = target.styles[y][:]
