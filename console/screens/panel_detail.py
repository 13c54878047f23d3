"""One panel in full: its series, its chart with thresholds, its query, its alerts and its runbook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import SHORT_COLUMNS, render_short_cells
from console.screens.base import section
from console.screens.messages import CopyRequested, OpenAlertRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_caveat
from console.screens.time_range import ChartScreen
from queries.model.alert import TrackedAlert
from queries.model.annotations import is_warning
from queries.model.panel import Aggregation, Origin, PanelState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.series import drop_labels, format_labels
from queries.model.text import visible
from queries.text.numbers import format_quantity, format_threshold
from widgets.panel import PanelRow, render_panel
from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session


class PanelDetailScreen(ChartScreen, AlertActionsMixin):
    """The panel's facts, its chart, its series and its alerts."""

    SCREEN_TITLE = "Panel"
    KIND = "panel"
    HELP_TEXT = (
        "One panel: the value of every series (or of the worst, if there are too many), the trend with its thresholds, where "
        "the value comes from and how this server's series are counted, and its alerts. Each point of the chart is the worst "
        "value of its step. + and - change the time range, comma and full stop move it, c compares with an earlier day, f is "
        "full screen, arrow keys read times and values, m changes the drawing; latency and errors also have a heat map. "
        "Letters below the time axis are events: R rollout, S scaled, Z silence, A action, N note, K acknowledged, I incident. "
        "Q opens the query in Explore."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*time_range.KEYS, keys.QUERY, *keys.ALERT_KEYS, *keys.ALERT_ACTIONS]

    def __init__(self, panel_id: str) -> None:
        super().__init__()
        self._panel_id = panel_id
        self._head = TextView(id="panel-head")
        self._series = TextView(id="series")
        self._title = TextView(classes="title")
        self._alerts: Table[TrackedAlert] = Table(
            SHORT_COLUMNS,
            key=lambda item: item.alert.fingerprint,
            cells=self._cells,
            empty="none of its alerts is firing",
            id="panel-alerts",
        )

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._title
        yield self._chart
        yield self._series
        yield self._alerts

    def draw(self, context: RenderContext) -> None:
        width = self.size.width
        state = self._find_state(context)
        if state is None:
            self._head.show(((text(f" {self.why_missing(context)}", "warn"),),))
            return
        self.refresh_chart(context)
        self._head.show(tuple(self._head_lines(state, context, width)))
        title = visible(state.spec.title)
        self._title.show((section(f"{title}   {self.name_range(width - len(title) - 7)}", width),))
        spec = state.spec
        self.show_chart(
            group_by=spec.group_by, unit=spec.unit, thresholds=state.threshold.lines, lower_is_worse=spec.lower_is_worse
        )
        self._series.show(tuple(self._series_lines(state, width)))
        alerts = tuple(item for item in context.alerts if item.alert.name in state.spec.alerts)
        self._alerts.show(alerts, empty=_no_alert_reason(state, context))

    def current_alert(self) -> TrackedAlert | None:
        return self._alerts.current

    def current_runbook(self) -> str:
        state = self._state()
        return state.spec.runbook if state else ""

    def current_panel(self) -> str:
        return self._panel_id

    def action_explore(self) -> None:
        state = self._state()
        self.explore(state)

    def action_copy(self) -> None:
        state = self._state()
        if state is not None:
            self.post_message(CopyRequested(state.query, "the query"))

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        self.post_message(OpenAlertRequested(event.key))

    def _state(self) -> PanelState | None:
        return self._find_state(self.context) if self.context else None

    def _find_state(self, context: RenderContext) -> PanelState | None:
        return context.snapshot.panel(self._panel_id) if context.snapshot else None

    def why_missing(self, context: RenderContext) -> str:
        """Why there is no panel to show."""
        return f"there is no panel {self._panel_id}"

    def query_histories(self, session: Session, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        return session.histories(self._panel_id, requested)

    @property
    def has_heat_map(self) -> bool:
        state = self._state()
        return state is not None and state.spec.heat_map is not None

    def beside_chart(self) -> Iterable[Widget]:
        return (self._head, self._series, self._alerts)

    def _cells(self, tracked: TrackedAlert) -> tuple[Span, ...]:
        context = self.context
        assert context is not None  # noqa: S101  set before rows are drawn
        return render_short_cells(tracked, context.now, context.changed_ids)

    def _head_lines(self, state: PanelState, context: RenderContext, width: int) -> Iterable[Line]:
        yield render_panel(_panel_row(state, context), width)
        if state.value is None or not state.verdict.known:
            for part in wrap(text(state.reason or "no series")[0], width - 2):
                yield ((f" {part}", "unknown"),)
        for contradiction in state.contradictions:
            for count in (contradiction.first, contradiction.second):
                value = format_quantity(count.value, contradiction.unit, 0)
                yield ((f" {value:>9} ", "doubt"), text(count.source, "strong"))
                for part in wrap(text(_one_line(count.query))[0], width - 12):
                    yield ((" " * 11, ""), (part, "accent"))
        runbook = f"runbook {state.spec.runbook}" if state.spec.runbook else "no runbook"
        yield (text(f" {_thresholds_text(state)} · {runbook}", "dim"),)
        origin = state.origin.value if state.origin is not Origin.NONE else "query"
        expression = (state.origin is Origin.RAW and state.spec.template) or state.query
        query = text(_one_line(expression) or "Prometheus is not queried")[0]
        for at, part in enumerate(wrap(query, width - len(origin) - 3)):
            yield ((f" {origin if at == 0 else ' ' * len(origin)} ", "dim"), (part, "accent"))
        for part in wrap(text(state.caveat.text)[0], width - 2) if state.caveat else ():
            yield ((f" {part}", "unknown"),)
        for annotation in state.annotations:
            for part in wrap(text(annotation)[0], width - 2):
                yield ((f" {part}", "unknown" if is_warning(annotation) else "dim"),)
        for part in wrap(text(" · ".join(state.basis))[0], width - 2) if state.basis else ():
            yield ((f" {part}", "dim"),)

    def _series_lines(self, state: PanelState, width: int) -> Iterable[Line]:
        only = state.samples[0] if len(state.samples) == 1 else None
        if not state.samples or (only and not drop_labels(only.labels, "__name__")):
            return  # the row above shows it
        aggregation = _AGGREGATIONS[state.spec.aggregation]
        yield section(f"Series{f'; the value above is {aggregation}' if len(state.samples) > 1 else ''}", width)
        ordered = sorted(state.samples, key=lambda item: item.value, reverse=not state.spec.lower_is_worse)
        for sample in ordered[:_MAX_SERIES]:
            value = format_quantity(sample.value, state.spec.unit, state.spec.decimals)
            labels = format_labels(drop_labels(sample.labels, "__name__")) or "(no labels)"
            yield ((fit(value, 12, right=True) + "  ", "strong"), text(labels))
        if len(ordered) > _MAX_SERIES:
            yield ((f" and {len(ordered) - _MAX_SERIES} more", "dim"),)
        elif state.truncated:
            yield ((" only the worst series are queried (Q opens the whole query)", "dim"),)


_MAX_SERIES = 200
_AGGREGATIONS = {Aggregation.MAX: "the highest", Aggregation.MIN: "the lowest", Aggregation.SUM: "their sum"}


def _panel_row(state: PanelState, context: RenderContext) -> PanelRow:
    source = state.spec.source
    return PanelRow(state, waiting=state.value is None and context.is_waiting(source), denied=context.is_denied(source))


def _one_line(query: str) -> str:
    """The query in one line; only for display."""
    return " ".join(line.strip() for line in query.splitlines())


def _no_alert_reason(state: PanelState, context: RenderContext) -> str:
    if not state.spec.alerts:
        return "it has no alerts"
    if context.snapshot is None or not context.snapshot.alerts_known:
        return "it is unknown whether its alerts are firing"
    caveat = alerts_caveat(context)
    return f"none of its alerts is firing{f' ({caveat})' if caveat else ''}"


def _thresholds_text(state: PanelState) -> str:
    """`warns at 1 %, critical at 5 %`: the thresholds, and which side of them is bad."""
    side = "under" if state.spec.lower_is_worse else "at"
    unit = state.spec.unit
    parts = [
        f"{word} {side} {format_threshold(line, unit)}"
        for word, line in (("warns", state.threshold.warn), ("critical", state.threshold.critical))
        if line is not None
    ]
    return ", ".join(parts) or "no threshold is set"
