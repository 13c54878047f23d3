"""Panels side by side: value, threshold, trend and remark of each, in as many columns as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from queries.model.chart import Drawing, chart_trend
from queries.model.frozen import dataclass
from queries.model.panel import PanelState
from queries.model.verdict import Verdict
from queries.text.numbers import format_quantity
from widgets.formatting import NO_ANSWER, VERDICT_WIDTH, compare_with_threshold, verdict_label
from widgets.line_view import LineView
from widgets.panel import PanelRow, fit_parts, panel_remark
from widgets.plot import render_chart
from widgets.sparkline import render_sparkline
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, fit, text, width_of, wrap

LEAST_HEIGHT = 3
MOST_HEIGHT = 14
_CHART_HEIGHT = 7
"""From this height on a tile has a chart instead of a sparkline."""
_COLUMNS = ((114, 3), (76, 2), (0, 1))
_GAP = 2


@dataclass(frozen=True, slots=True)
class PanelTile:
    """A panel as a tile; `compared` is the value of an earlier time as text, empty without a comparison."""

    row: PanelRow
    compared: str = ""
    drawing: Drawing = Drawing.BRAILLE

    @property
    def state(self) -> PanelState:
        return self.row.state


def render_tile(tile: PanelTile, width: int, height: int, *, selected: bool = False) -> tuple[Line, ...]:
    """Exactly `height` lines of at most `width` cells."""
    head = _render_head(tile, width, selected=selected, tall=height >= _CHART_HEIGHT)
    lines = [
        head,
        *(_render_unknown(tile, width) if tile.state.value is None or tile.row.waiting else _render_known(tile, width, height)),
    ]
    return tuple(cut(line, width) for line in lines[:height]) + ((),) * max(0, height - len(lines))


def _has_no_threshold(state: PanelState) -> bool:
    """Whether there is no threshold to compare with: the value is then neither ok nor not."""
    return state.verdict is Verdict.OK and state.threshold.warn is None and state.threshold.critical is None


def _render_head(tile: PanelTile, width: int, *, selected: bool, tall: bool) -> Line:
    state, row = tile.state, tile.row
    tone = "unknown" if row.waiting else VERDICT_TONES[state.verdict]
    denied = row.denied and state.value is None
    word = "DENIED" if denied else verdict_label(state, waiting=row.waiting)
    if _has_no_threshold(state):
        word, tone = "no limit", "dim"
    emphasized = state.verdict.rank >= Verdict.IN_DOUBT.rank and not row.waiting
    right: Line = _render_value(state) if tall and state.value is not None else ()
    titles = max(4, width - 2 - VERDICT_WIDTH - 1 - width_of(right) - 1)
    line: Line = (
        ("›" if selected else " ", ""),
        ("•" if row.changed else " ", "changed"),
        (fit(word, VERDICT_WIDTH) + " ", tone),
        (fit(text(state.spec.title)[0], titles), "strong" if emphasized or selected else "title"),
        (" ", ""),
        *right,
    )
    line = cut(line, width)
    if not selected:
        return line
    return tuple((content, f"cursor+{each}") for content, each in (*line, (" " * max(0, width - width_of(line)), "")))


def _render_value(state: PanelState) -> tuple[Span, ...]:
    """The value with its unit, and how it compares with the deciding threshold."""
    tone = VERDICT_TONES[state.verdict]
    dim = "dim" if state.verdict is Verdict.STALE else ""
    value = format_quantity(state.value, state.spec.unit, state.spec.decimals)
    standing = compare_with_threshold(state)
    return (
        (value, dim or ("strong" if tone in ("warn", "critical", "doubt") else "")),
        (f" {standing}" if standing else "", "dim"),
    )


def _render_unknown(tile: PanelTile, width: int) -> list[Line]:
    state = tile.state
    message = state.reason or state.spec.no_data_reason or "the source returned no series"
    if tile.row.waiting:
        message = NO_ANSWER if state.reason in ("", NO_ANSWER) else f"{NO_ANSWER}: {state.reason}"
    tone = "dim" if tile.row.waiting else "unknown"
    return [((f"   {content}", tone),) for content in wrap(text(message)[0], width - 3)]


def _render_known(tile: PanelTile, width: int, height: int) -> list[Line]:
    state = tile.state
    note = panel_remark(state)
    before = (tile.compared if height >= _CHART_HEIGHT else "", state.spec.scope)
    note = " · ".join(part for part in (*before, note) if part)
    remark: Line = (("   ", ""), text(fit_parts(note, width - 3), "dim"))
    if height >= _CHART_HEIGHT:
        data = chart_trend(state, "no trend: this panel queries a long range")
        chart = render_chart(data, width, height - 3, drawing=tile.drawing)
        return [*chart, *([()] * (height - 3 - len(chart))), remark]
    tone, dim = VERDICT_TONES[state.verdict], "dim" if state.verdict is Verdict.STALE else ""
    tone = "accent" if _has_no_threshold(state) else tone
    figures = _render_value(state)
    compared: tuple[Span, ...] = ((f" {tile.compared}", "dim"),) if tile.compared else ()
    room = width - 3 - width_of(figures) - 1 - width_of(compared)
    limits = tuple(line for line in (state.threshold.warn, state.threshold.critical) if line is not None)
    trend = ""
    if room >= 6:
        trend = render_sparkline(
            state.trend,
            min(36, room),
            window=state.trend_window,
            thresholds=limits,
            lower_is_worse=state.spec.lower_is_worse,
        )
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
    class Selected(Message):
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
        self._cache: dict[int, tuple[tuple[PanelTile, int, int, bool], tuple[Line, ...]]] = {}

    @property
    def current(self) -> PanelTile | None:
        return self._tiles[self._cursor] if self._tiles else None

    @property
    def tiles(self) -> Sequence[PanelTile]:
        return self._tiles

    def show(self, tiles: Sequence[PanelTile]) -> None:
        """Show these tiles; the cursor stays on its panel while that exists."""
        selected_id = self.current.state.spec.id if self.current else ""
        self._tiles = tiles
        index = next((at for at, tile in enumerate(tiles) if tile.state.spec.id == selected_id), 0)
        self._cursor = min(index, max(0, len(tiles) - 1))
        self.refresh_changes()

    # rendering

    def shape(self) -> tuple[int, int, int]:
        """The number of columns, and the width and height of a tile."""
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
            part = self._tile_lines(at, across, height)[y]
            line += [*part, (" " * max(0, across - width_of(part)), "")]
        return tuple(line)

    def _tile_lines(self, at: int, width: int, height: int) -> tuple[Line, ...]:
        key = (self._tiles[at], width, height, at == self._cursor and self.has_focus)
        cached = self._cache.get(at)
        if cached is None or cached[0] != key:
            cached = self._cache[at] = (key, render_tile(*key[:3], selected=key[3]))
        return cached[1]

    # cursor movement

    def action_move(self, across: int, down: int) -> None:
        columns, _, _ = self.shape()
        target = self._cursor + across + down * columns
        if 0 <= target < len(self._tiles):
            self._move_to_index(target)

    def action_edge(self, direction: int) -> None:
        self._move_to_index(0 if direction < 0 else len(self._tiles) - 1)

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.Selected(self, self.current.state.spec.id))

    def on_click(self, event: events.Click) -> None:
        columns, across, height = self.shape()
        at = (event.y + self.scroll_offset.y) // height * columns + min(columns - 1, event.x // (across + _GAP))
        if at >= len(self._tiles):
            return
        again = at == self._cursor
        self._move_to_index(at)
        if again:
            self.action_choose()

    def on_focus(self) -> None:
        self.refresh_changes()

    def on_blur(self) -> None:
        self.refresh_changes()

    def on_resize(self) -> None:
        super().on_resize()
        self._scroll_into_view()

    def _move_to_index(self, index: int) -> None:
        if not self._tiles:
            return
        self._cursor = min(max(0, index), len(self._tiles) - 1)
        self.refresh_changes()
        self._scroll_into_view()

    def _scroll_into_view(self) -> None:
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
