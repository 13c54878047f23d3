"""The time ranges that a chart can show, and the keys for them."""

from __future__ import annotations

from textual.binding import Binding

from queries.catalogue.error_code_series import CODE, group_series_by_code
from queries.model.panel import PanelHistory, Unit
from queries.model.series import drop_labels, format_labels
from queries.model.text import visible
from widgets.chart import ChartData, ChartSeries

WINDOWS = (("1 h", 3600.0), ("6 h", 6 * 3600.0), ("24 h", 24 * 3600.0), ("7 d", 7 * 86400.0))

KEYS = [
    Binding("left_square_bracket", "window(-1)", "shorter", show=False, tooltip="A shorter time range", id="chart.shorter"),
    Binding(
        "right_square_bracket",
        "window(1)",
        "range",
        key_display="[ ]",
        tooltip="A longer time range; [ for a shorter one",
        id="chart.longer",
    ),
]


def build_chart(
    history: PanelHistory | None,
    *,
    group_by: str,
    unit: Unit | None,
    thresholds: tuple[tuple[str, float], ...],
    max_series: int = 6,
    earlier: str = "",
    error: str = "",
) -> ChartData:
    """A history as chart data; an error or missing data becomes its message.

    `earlier` names the values of an earlier time; `error` says why there will be no history.
    """
    if history is None:
        return ChartData(0.0, 0.0, message=visible(error) or "fetching …")
    if history.fault is not None:
        return ChartData(history.start, history.end, message=visible(history.fault.sentence()))
    if not history.series:
        return ChartData(history.start, history.end, message="NO DATA in this time range")
    shown = group_series_by_code(history.series) if group_by == CODE else history.series
    series = tuple(
        ChartSeries(
            item.label(group_by) if group_by else format_labels(drop_labels(item.labels, "__name__")),
            item.points,
        )
        for item in shown[:max_series]
    )
    if earlier and history.earlier:
        series = (*series, ChartSeries(earlier, history.earlier))
    return ChartData(history.start, history.end, series, thresholds, unit.suffix if unit else "")
