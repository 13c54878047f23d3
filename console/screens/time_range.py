"""The windows of time that a chart can show, and the keys for them."""

from __future__ import annotations

from textual.binding import Binding

from queries.catalogue.error_code_series import CODE, tracks_by_code
from queries.model.panel import PanelHistory, Unit
from queries.model.series import braces, without
from queries.model.text import visible
from widgets.chart import ChartData, ChartSeries

WINDOWS = (("1 h", 3600.0), ("6 h", 6 * 3600.0), ("24 h", 24 * 3600.0), ("7 d", 7 * 86400.0))

KEYS = [
    Binding("left_square_bracket", "window(-1)", "shorter", show=False, tooltip="A shorter window", id="chart.shorter"),
    Binding(
        "right_square_bracket",
        "window(1)",
        "window",
        key_display="[ ]",
        tooltip="A longer window; [ for a shorter one",
        id="chart.longer",
    ),
]


def chart_of(
    history: PanelHistory | None,
    *,
    by: str,
    unit: Unit | None,
    lines: tuple[tuple[str, float], ...],
    most: int = 6,
    earlier: str = "",
    failed: str = "",
) -> ChartData:
    """A history as chart data; a fault or silence becomes its message. `earlier` names the values of an earlier time, `failed`
    says why there will be no history.
    """
    if history is None:
        return ChartData(0.0, 0.0, message=visible(failed) or "asking …")
    if history.fault is not None:
        return ChartData(history.start, history.end, message=visible(history.fault.sentence()))
    if not history.tracks:
        return ChartData(history.start, history.end, message="NO DATA in this window")
    shown = tracks_by_code(history.tracks) if by == CODE else history.tracks
    tracks = tuple(
        ChartSeries(track.label(by) if by else braces(without(track.labels, "__name__")), track.points)
        for track in shown[:most]
    )
    if earlier and history.earlier:
        tracks = (*tracks, ChartSeries(earlier, history.earlier))
    return ChartData(history.start, history.end, tracks, lines, unit.suffix if unit else "")
