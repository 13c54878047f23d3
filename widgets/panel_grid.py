"""Panels side by side: value, threshold, trend and remark of each, in as many columns as the terminal has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from queries.model.panel import PanelState
from queries.model.verdict import Verdict
from widgets.chart import ChartData, ChartSeries, chart_lines
from widgets.formatting import NO_ANSWER, VERDICT_WIDTH, quantity, relation, verdict_words
from widgets.line_view import LineView
from widgets.panel import PanelRow, remark_of, whole_parts
from widgets.sparkline import sparkline
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, fit, text, width_of, wrap

LEAST_HEIGHT = 3
MOST_HEIGHT = 14
_CHART_HEIGHT = 7
"""From this height on a tile has a chart in the place of its line of blocks."""
_COLUMNS = ((114, 3), (76, 2), (0, 1))
_GAP = 2


@dataclass(frozen=True, slots=True)
class PanelTile:
    """A panel as a tile; `compared` is the value of the earlier time in words, empty without a comparison.

    `window` is what the trend covers, from and to in Unix seconds.
    """

    row: PanelRow
    compared: str = ""
    window: tuple[float, float] = (0.0, 0.0)

    @property
    def state(self) -> PanelState:
        return self.row.state


def tile_lines(tile: PanelTile, width: int, height: int, *, pointed: bool = False) -> tuple[Line, ...]:
    """Exactly `height` lines of at most `width` cells."""
    head = _head(tile, width, pointed=pointed, tall=height >= _CHART_HEIGHT)
    lines = [head, *(_unknown(tile, width) if tile.state.value is None or tile.row.waiting else _known(tile, width, height))]
    return tuple(cut(line, width) for line in lines[:height]) + ((),) * max(0, height - len(lines))


def _unlimited(state: PanelState) -> bool:
    """Whether there is no line to hold the value against: then it is neither fine nor not."""
    return state.verdict is Verdict.OK and state.threshold.warn is None and state.threshold.critical is None


def _head(tile: PanelTile, width: int, *, pointed: bool, tall: bool) -> Line:
    state, row = tile.state, tile.row
    tone = "unknown" if row.waiting else VERDICT_TONES[state.verdict]
    denied = row.denied and state.value is None
    word = "DENIED" if denied else verdict_words(state, waiting=row.waiting)
    if _unlimited(state):
        word, tone = "no limit", "dim"
    loud = state.verdict.rank >= Verdict.IN_DOUBT.rank and not row.waiting
    right: Line = _figures(state) if tall and state.value is not None else ()
    titles = max(4, width - 2 - VERDICT_WIDTH - 1 - width_of(right) - 1)
    line: Line = (
        ("›" if pointed else " ", ""),
        ("•" if row.changed else " ", "changed"),
        (fit(word, VERDICT_WIDTH) + " ", tone),
        (fit(text(state.spec.title)[0], titles), "strong" if loud or pointed else "title"),
        (" ", ""),
        *right,
    )
    line = cut(line, width)
    if not pointed:
        return line
    return tuple((words, f"cursor+{each}") for words, each in (*line, (" " * max(0, width - width_of(line)), "")))


def _figures(state: PanelState) -> tuple[Span, ...]:
    """The value with its unit, and how it stands to the line that decides."""
    tone = VERDICT_TONES[state.verdict]
    dim = "dim" if state.verdict is Verdict.STALE else ""
    value = quantity(state.value, state.spec.unit, state.spec.decimals)
    standing = relation(state)
    return (
        (value, dim or ("strong" if tone in ("warn", "critical", "doubt") else "")),
        (f" {standing}" if standing else "", "dim"),
    )


def _unknown(tile: PanelTile, width: int) -> list[Line]:
    state = tile.state
    told = state.reason or state.spec.absent or "the source gave no series"
    if tile.row.waiting:
        told = NO_ANSWER if state.reason in ("", NO_ANSWER) else f"{NO_ANSWER}: {state.reason}"
    tone = "dim" if tile.row.waiting else "unknown"
    return [((f"   {words}", tone),) for words in wrap(text(told)[0], width - 3)]


def _known(tile: PanelTile, width: int, height: int) -> list[Line]:
    state = tile.state
    note = remark_of(state)
    before = (tile.compared if height >= _CHART_HEIGHT else "", state.spec.scope)
    note = " · ".join(part for part in (*before, note) if part)
    remark: Line = (("   ", ""), text(whole_parts(note, width - 3), "dim"))
    if height >= _CHART_HEIGHT:
        start, end = tile.window
        lines = tuple(
            (name, value)
            for name, value in (("warn", state.threshold.warn), ("critical", state.threshold.critical))
            if value is not None
        )
        tracks = (ChartSeries(state.spec.title, state.trend),) if state.trend else ()
        message = "" if tracks else "no trend: this panel reads a long range"
        data = ChartData(start, end, tracks, lines, state.spec.unit.suffix, message)
        chart = chart_lines(data, width, height - 3)
        return [*chart, *([()] * (height - 3 - len(chart))), remark]
    tone, dim = VERDICT_TONES[state.verdict], "dim" if state.verdict is Verdict.STALE else ""
    tone = "accent" if _unlimited(state) else tone
    figures = _figures(state)
    compared: tuple[Span, ...] = ((f" {tile.compared}", "dim"),) if tile.compared else ()
    room = width - 3 - width_of(figures) - 1 - width_of(compared)
    lines_ = tuple(line for line in (state.threshold.warn, state.threshold.critical) if line is not None)
    trend = sparkline(state.trend, max(0, min(36, room)), lines=lines_, below=state.spec.below) if room >= 6 else ""
    middle: Line = (("   ", ""), *figures, (f" {trend.lstrip() if not state.trend else trend}", dim or tone), *compared)
    return [middle, remark]


class PanelGrid(LineView, can_focus=True):
    """Tiles in rows; the cursor stays on its panel. An equal list repaints nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(0, -1)", "up", show=False, tooltip="The panel above", id="grid.up"),
        Binding("down,j", "move(0, 1)", "down", show=False, tooltip="The panel below", id="grid.down"),
        Binding("left,h", "move(-1, 0)", "left", show=False, tooltip="The panel to the left", id="grid.left"),
        Binding("right", "move(1, 0)", "right", show=False, tooltip="The panel to the right", id="grid.right"),
        Binding("home,g", "edge(-1)", "first", show=False, tooltip="To the first panel", id="grid.first"),
        Binding("end,G", "edge(1)", "last", show=False, tooltip="To the last panel", id="grid.last"),
        Binding("enter", "choose", "open", key_display="enter", tooltip="Open the panel under the cursor", id="grid.open"),
    ]

    @dataclass
    class Chosen(Message):
        """A person opened a panel."""

        grid: PanelGrid
        key: str

        @property
        def control(self) -> PanelGrid:
            return self.grid

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tiles: Sequence[PanelTile] = ()
        self._cursor = 0
        self._made: dict[int, tuple[tuple[PanelTile, int, int, bool], tuple[Line, ...]]] = {}

    @property
    def current(self) -> PanelTile | None:
        return self._tiles[self._cursor] if self._tiles else None

    @property
    def tiles(self) -> Sequence[PanelTile]:
        return self._tiles

    def show(self, tiles: Sequence[PanelTile]) -> None:
        """Takes the tiles as they are now; the cursor stays on its panel where that is still there."""
        under = self.current.state.spec.id if self.current else ""
        self._tiles = tiles
        found = next((at for at, tile in enumerate(tiles) if tile.state.spec.id == under), 0)
        self._cursor = min(found, max(0, len(tiles) - 1))
        self.compare()

    # drawing

    def shape(self) -> tuple[int, int, int]:
        """Columns, and width and height of a tile."""
        width = max(1, self.inner_width)
        columns = next(number for least, number in _COLUMNS if width >= least)
        rows = max(1, -(-len(self._tiles) // columns))
        height = max(LEAST_HEIGHT, min(MOST_HEIGHT, self.size.height // rows))
        if height < _CHART_HEIGHT:
            height = min(height, LEAST_HEIGHT + 1)
        return columns, (width - _GAP * (columns - 1)) // columns, height

    def line_count(self, width: int) -> int:
        columns, _, height = self.shape()
        return -(-len(self._tiles) // columns) * height

    def line_at(self, index: int, width: int) -> Line:
        columns, across, height = self.shape()
        row, y = divmod(index, height)
        line: list[Span] = []
        for at in range(row * columns, min((row + 1) * columns, len(self._tiles))):
            if line:
                line.append((" " * _GAP, ""))
            part = self._lines_of(at, across, height)[y]
            line += [*part, (" " * max(0, across - width_of(part)), "")]
        return tuple(line)

    def _lines_of(self, at: int, width: int, height: int) -> tuple[Line, ...]:
        asked = (self._tiles[at], width, height, at == self._cursor and self.has_focus)
        made = self._made.get(at)
        if made is None or made[0] != asked:
            made = self._made[at] = (asked, tile_lines(*asked[:3], pointed=asked[3]))
        return made[1]

    # moving

    def action_move(self, across: int, down: int) -> None:
        columns, _, _ = self.shape()
        target = self._cursor + across + down * columns
        if 0 <= target < len(self._tiles):
            self._to(target)

    def action_edge(self, direction: int) -> None:
        self._to(0 if direction < 0 else len(self._tiles) - 1)

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.Chosen(self, self.current.state.spec.id))

    def on_click(self, event: events.Click) -> None:
        columns, across, height = self.shape()
        at = (event.y + self.scroll_offset.y) // height * columns + min(columns - 1, event.x // (across + _GAP))
        if not 0 <= at < len(self._tiles):
            return
        again = at == self._cursor
        self._to(at)
        if again:
            self.action_choose()

    def on_focus(self) -> None:
        self.compare()

    def on_blur(self) -> None:
        self.compare()

    def on_resize(self) -> None:
        super().on_resize()
        self._into_view()

    def _to(self, index: int) -> None:
        if not self._tiles:
            return
        self._cursor = min(max(0, index), len(self._tiles) - 1)
        self.compare()
        self._into_view()

    def _into_view(self) -> None:
        columns, _, height = self.shape()
        room = self.size.height
        if room <= 0 or not self._tiles:
            return
        self.virtual_size = Size(self.inner_width, self.line_count(self.inner_width))
        top = self._cursor // columns * height
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True)
        elif top + height > self.scroll_offset.y + room:
            self.scroll_to(y=top + height - room, animate=False, immediate=True)
