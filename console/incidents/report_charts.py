"""The panels of an incident over its whole length, with its timeline as marks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from console.alerts.chart import build_chart
from console.incidents.report_blocks import PanelChart
from console.journal.payloads import Source, Step
from console.state.incident import Incident
from queries.model.chart import ChartMark
from queries.model.text import visible
from queries.prometheus.history import Window

if TYPE_CHECKING:
    from console.incidents.impact import MetricsQueries
    from queries.model.panel import PanelSpec
    from queries.model.panel_result import PanelHistory

_MOST_CHARTS, _MOST_ACTIONS, _POINTS = 8, 20, 240
_LEAST_MARGIN_SECONDS = 300.0
_STEPS = {
    Step.ACKNOWLEDGE: ("K", "acknowledged"),
    Step.ASSESS: ("S", "assessed"),
    Step.COMMUNICATE: ("U", "update out"),
    Step.MITIGATE: ("M", "mitigated"),
    Step.RESOLVE: ("E", "ended"),
}
"""Letter and name of each step's mark; F, I, A and C are the first alert, the declaration, actions and the end."""


def build_timeline_marks(incident: Incident) -> tuple[ChartMark, ...]:
    """What people and consoles did, oldest first; of the actions the first twenty."""
    marks = [ChartMark(incident.declared_at, "I", "incident declared", visible(incident.title))]
    if incident.detected_at is not None:
        marks.append(ChartMark(incident.detected_at, "F", "first alert", "the first alert started"))
    if incident.closed_at is not None:
        marks.append(ChartMark(incident.closed_at, "C", "closed", f"by {visible(incident.closed_by)}"))
    for step, completion in incident.completions.items():
        if step in _STEPS:
            letter, name = _STEPS[step]
            marks.append(ChartMark(completion.at, letter, name, f"by {visible(completion.author)}"))
    done = [item for item in incident.entries if item.source is Source.CONSOLE]
    marks += [ChartMark(item.at, "A", "action", visible(item.text)) for item in done[:_MOST_ACTIONS]]
    return tuple(sorted(marks, key=lambda item: (item.at, item.letter)))


async def fetch_charts(
    prometheus: MetricsQueries | None,
    specs: Iterable[PanelSpec],
    incident: Incident,
    *,
    start: float,
    end: float,
    now: float,
    fetch_logs: Callable[[PanelSpec, Window], Awaitable[PanelHistory]],
) -> tuple[PanelChart, ...]:
    """The panels that have a history, from a while before `start` to a while after `end`, at most to `now` (Unix seconds):
    Prometheus continues the last sample into the future.

    A failure is the message of its chart. `fetch_logs` returns the history of a panel over logs.
    """
    sources = ("loki",) if prometheus is None else ("prometheus", "loki")
    drawn = [spec for spec in specs if spec.source in sources and not spec.broken][:_MOST_CHARTS]
    margin = max(_LEAST_MARGIN_SECONDS, 0.15 * (end - start))
    first, last = start - margin, min(end + margin, now)
    step = max(1.0, float(round((last - first) / _POINTS)))
    window = Window(first, last, step)

    def fetch(spec: PanelSpec) -> Awaitable[PanelHistory]:
        if prometheus is None or spec.source == "loki":
            return fetch_logs(spec, window)
        return prometheus.history(spec, start=first, end=last, step_seconds=step)

    with_heat_map = [spec for spec in drawn if spec.heat_map is not None]
    heat = [prometheus.heat_history(spec, window) for spec in with_heat_map if prometheus is not None]
    histories = await asyncio.gather(*map(fetch, drawn), *heat)
    # The title says what a heat map counts, also if there is none.
    titled = [replace(spec, title=f"{spec.title}, {spec.heat_map.about}") for spec in with_heat_map if spec.heat_map]
    return build_charts([*drawn, *titled], histories, build_timeline_marks(incident))


def build_charts(
    specs: Sequence[PanelSpec], histories: Sequence[PanelHistory], marks: tuple[ChartMark, ...]
) -> tuple[PanelChart, ...]:
    """Pure."""
    return tuple(
        PanelChart(
            spec.title,
            build_chart(
                history,
                group_by=spec.group_by,
                unit=spec.unit,
                thresholds=spec.threshold.lines,
                lower_is_worse=spec.lower_is_worse,
                marks=marks,
            ),
        )
        for spec, history in zip(specs, histories, strict=True)
    )
