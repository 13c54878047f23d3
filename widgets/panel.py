"""One panel as a row: verdict, title, value with unit, trend, threshold and remark."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from queries.model.frozen import dataclass
from queries.model.panel import PanelState
from queries.model.verdict import Verdict
from queries.text.numbers import format_quantity
from widgets.formatting import NO_ANSWER, VERDICT_WIDTH, compare_with_threshold, verdict_label
from widgets.rows import Rows
from widgets.sparkline import render_sparkline
from widgets.styled_text import VERDICT_TONES, Line, fit, text

VALUE_WIDTH = 10
THRESHOLD_WIDTH = 6


@dataclass(frozen=True, slots=True)
class PanelRow:
    """A panel and whether its verdict just changed; `waiting` until its source responds, `denied` when it refuses access."""

    state: PanelState
    changed: bool = False
    waiting: bool = False
    denied: bool = False


def render_panel(row: PanelRow, width: int) -> Line:
    """The row for `width` cells: a wider one has a longer trend and a longer remark."""
    state = row.state
    tone = VERDICT_TONES[state.verdict]
    titles = 17 if width < 110 else 22
    head: Line = (
        ("•" if row.changed else " ", "changed"),
        (fit(_verdict_text(row), VERDICT_WIDTH) + " ", "unknown" if row.waiting else tone),
        (fit(text(state.spec.title)[0], titles) + " ", "strong" if state.verdict.rank >= Verdict.IN_DOUBT.rank else ""),
    )
    if row.waiting:
        why = "" if state.reason in ("", NO_ANSWER) else f": {state.reason}"
        return (*head, text(NO_ANSWER + why, "dim"))
    if state.value is None:
        return (*head, text(state.reason or state.spec.no_data_reason or "the source returned no series", "unknown"))
    dim = "dim" if state.verdict is Verdict.STALE else ""
    value = fit(format_quantity(state.value, state.spec.unit, state.spec.decimals), VALUE_WIDTH)
    standing = compare_with_threshold(state)
    if not state.trend and not standing and state.note:
        return (
            *head,
            text(fit_parts(state.note, width - titles - VERDICT_WIDTH - 3), dim or ("" if tone == "ok" else "strong")),
        )
    trend_width = max(0, min(48, 12 if width < 100 else width // 4))
    threshold = state.threshold
    limits = tuple(line for line in (threshold.warn, threshold.critical) if line is not None)
    trend = render_sparkline(
        state.trend,
        trend_width,
        window=state.trend_window,
        thresholds=limits,
        lower_is_worse=state.spec.lower_is_worse,
    )
    used = 1 + VERDICT_WIDTH + 1 + titles + 1 + VALUE_WIDTH + 1 + trend_width + 1 + THRESHOLD_WIDTH + 1
    # The line of sources explains why a value is stale, once for all panels of that source.
    remark = panel_remark(state)
    return (
        *head,
        (value + " ", dim or ("strong" if tone in ("warn", "critical", "doubt") else "")),
        (fit(trend, trend_width) + " ", dim or tone),
        (fit(standing, THRESHOLD_WIDTH) + " ", "dim"),
        text(fit_parts(remark, width - used), "dim"),
    )


def panel_remark(state: PanelState) -> str:
    """The text at the end of a row."""
    return state.note or ("" if state.verdict in (Verdict.OK, Verdict.STALE) else state.reason)


def _verdict_text(row: PanelRow) -> str:
    return "DENIED" if row.denied and row.state.value is None else verdict_label(row.state, waiting=row.waiting)


def fit_parts(content: str, width: int) -> str:
    """As many of the parts between dots as fit; only a first part that is too long will be cut."""
    parts = content.split(" · ")
    while len(parts) > 1 and cell_len(" · ".join(parts)) > width:
        parts.pop()
    return " · ".join(parts)


class PanelList(Rows[PanelRow]):
    """The panels, one per row. A row that shows no age is rendered again only if it differs."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(key=lambda row: row.state.spec.id, draw=render_panel, empty=NO_ANSWER, id=id)
        self._rendered: dict[int, tuple[tuple[PanelRow, int, str], Line]] = {}

    def _show_chosen(self, items: Sequence[PanelRow]) -> None:
        """Equal rows leave the screen as it is, unless one shows an age."""
        if not items or items != self._items or any(item.state.verdict is Verdict.STALE for item in items):
            super()._show_chosen(items)
        else:
            self._items = items  # their ages, which count for nothing here, are the newest

    def _viewport_line(self, y: int, width: int, *, top: int, count: int) -> Line:
        at = y + top
        if at >= len(self._items) or self._items[at].state.verdict is Verdict.STALE:
            return super()._viewport_line(y, width, top=top, count=count)
        row = (self._items[at], width, self.row_tone(at))
        known = self._rendered.get(at)
        if known is None or known[0] != row:
            known = self._rendered[at] = (row, super()._viewport_line(y, width, top=top, count=count))
        return known[1]
