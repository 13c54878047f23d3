"""A chart's content: the history of a panel, and its events as letters below the time axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from console.alerts.recent_changes import recent_changes
from console.journal.event import Event
from console.journal.payloads import ActionOutcome, AlertAcknowledged, IncidentDeclared, NoteWritten, event_kinds, try_decode
from queries.catalogue.error_code_series import CODE, group_series_by_code
from queries.model.chart import ChartData, ChartMark, ChartSeries
from queries.model.panel import Unit
from queries.model.panel_result import PanelHistory
from queries.model.series import drop_labels, format_labels
from queries.model.text import visible

if TYPE_CHECKING:
    from console.state.snapshot import Snapshot

KINDS = event_kinds(ActionOutcome, NoteWritten, AlertAcknowledged, IncidentDeclared)
"""The kinds of journal events that a chart marks."""
_LETTERS = {
    "rollout": "R", "deploy": "D", "scaled": "S", "silence": "Z", "action": "A", "note": "N", "acknowledged": "K",
    "incident": "I",
}  # fmt: skip
_OTHER = "+"
_MAX_SERIES = 6


def chart_marks(snapshot: Snapshot, events: Iterable[Event], start: float, end: float) -> tuple[ChartMark, ...]:
    """The marks between two times, Unix seconds, oldest first; `events` are journal events of `KINDS`."""
    own = [item for item in events if start <= item.at <= end]
    changes = recent_changes(snapshot.cluster, snapshot.silences, own, now=end, window_seconds=end - start)
    found = [_mark(item.at, item.kind, item.text) for item in changes]
    for event in own:
        match try_decode(event):
            case AlertAcknowledged(name=name):
                found.append(_mark(event.at, "acknowledged", f"{visible(name)} by {visible(event.author)}"))
            case IncidentDeclared(title=title):
                found.append(_mark(event.at, "incident", visible(title)))
    return tuple(sorted(found, key=lambda item: (item.at, item.letter, item.text)))


def _mark(at: float, kind: str, text: str) -> ChartMark:
    return ChartMark(at, _LETTERS.get(kind, _OTHER), kind, text)


def build_chart(
    history: PanelHistory | None,
    *,
    group_by: str,
    unit: Unit | None,
    thresholds: tuple[tuple[str, float], ...],
    lower_is_worse: bool = False,
    earlier: str = "",
    marks: tuple[ChartMark, ...] = (),
    error: str = "",
) -> ChartData:
    """A history as chart data; an error or missing data becomes its message.

    `earlier` is the label for the values of an earlier time; `error` says why there will be no history.
    """
    if history is None:
        return ChartData(0.0, 0.0, message=visible(error) or "fetching …")
    if history.fault is not None:
        return ChartData(history.start, history.end, message=visible(history.fault.sentence()))
    heat = history.heat_map
    if not (heat.rows if heat else history.series):
        parts = ("NO DATA in this time range", heat.about, history.note) if heat else ("NO DATA in this time range",)
        return ChartData(history.start, history.end, message=visible(": ".join(filter(None, parts))))
    if heat is not None:
        heat = replace(heat, rows=tuple(replace(row, name=visible(row.name)) for row in heat.rows))
        return ChartData(
            history.start,
            history.end,
            thresholds=thresholds if heat.buckets else (),
            unit=unit,
            step_seconds=history.step_seconds,
            marks=marks,
            note=visible(history.note),
            heat_map=heat,
        )
    shown = group_series_by_code(history.series) if group_by == CODE else history.series
    series = tuple(
        ChartSeries(
            visible(item.label(group_by) if group_by else format_labels(drop_labels(item.labels, "__name__"))),
            item.points,
        )
        for item in shown[:_MAX_SERIES]
    )
    more = f"worst {_MAX_SERIES} of {len(shown)} series" if len(shown) > _MAX_SERIES else ""
    ghost = ChartSeries(earlier, history.earlier) if earlier and history.earlier else None
    no_earlier = f"no data {earlier}" if earlier and not history.earlier else ""
    return ChartData(
        history.start,
        history.end,
        series,
        thresholds,
        unit,
        step_seconds=history.step_seconds,
        lower_is_worse=lower_is_worse,
        best=history.best,
        ghost=ghost,
        marks=marks,
        note=visible("; ".join(filter(None, (history.note, more, no_earlier)))),
    )
