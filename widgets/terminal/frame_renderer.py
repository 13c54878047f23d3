"""The frame stage: takes what the compositor composed, and gives the bytes that bring the terminal there."""

from __future__ import annotations

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate

from widgets.terminal.cell_buffer import CellBuffer
from widgets.terminal.cell_diff import CursorState, changed
from widgets.terminal.sgr import StyleTable


class FrameRenderer:
    """Two screens: the one that is wanted and the one that is shown. Any number of updates may come between two frames."""

    def __init__(self, colours: ColorSystem | None) -> None:
        self._pens = StyleTable(colours)
        self._hand = CursorState()
        self._wanted: CellBuffer | None = None
        self._shown: CellBuffer | None = None
        """None where nobody knows what the terminal shows."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of what is wanted."""
        return (self._wanted.width, self._wanted.height) if self._wanted else (0, 0)

    def take(self, update: CompositorUpdate) -> bool:
        """Lay an update over what is wanted; False where it is none that can be laid."""
        if isinstance(update, LayoutUpdate):
            x, y, width, height = update.region
            if not (x or y) and (width, height) != self.size:
                self._wanted = CellBuffer(width, height)
                self.forget()
            if self._wanted is not None:
                self._wanted.take_layout(update, self._pens)
            return True
        if isinstance(update, ChopsUpdate):
            if self._wanted is not None:
                self._wanted.take_chops(update, self._pens)
            return True
        return False

    def forget(self) -> None:
        """The next frame writes every cell: the terminal was resized, another program had it, or a person asks for it."""
        self._shown = None
        self._hand.lift()

    def frame(self, cursor: tuple[int, int]) -> str:
        """What makes the terminal show what is wanted, with the cursor there; empty where it does already."""
        wanted, shown, hand = self._wanted, self._shown, self._hand
        if wanted is None:
            return ""
        out: list[str] = []
        if shown is None:
            shown = self._shown = CellBuffer(wanted.width, wanted.height)
            for y in range(wanted.height):
                out += [hand.move(0, y), hand.write(wanted.characters[y], wanted.pens[y], 0, wanted.width)]
                _copy(wanted, shown, y)
        else:
            for y in sorted(wanted.touched):
                for first, last in changed(shown, wanted, y):
                    out += [hand.move(first, y), hand.write(wanted.characters[y], wanted.pens[y], first, last)]
                _copy(wanted, shown, y)
        wanted.touched.clear()
        x, y = cursor
        out.append(hand.move(min(max(0, x), wanted.width - 1), min(max(0, y), wanted.height - 1)))
        return "".join(out)


def _copy(wanted: CellBuffer, shown: CellBuffer, y: int) -> None:
    shown.characters[y] = wanted.characters[y][:]
    shown.pens[y] = wanted.pens[y][:]
