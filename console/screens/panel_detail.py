"""One panel in full: its series, its chart with thresholds, its query, its alerts and its runbook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import SHORT_COLUMNS, render_short_cells
from console.screens.base import ConsoleScreen, section
from console.screens.messages import CopyRequested, OpenAlertRequested, OpenExploreRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_caveat
from queries.model.alert import TrackedAlert
from queries.model.panel import Aggregation, Origin, PanelHistory, PanelState
from queries.model.series import drop_labels, format_labels
from queries.text.numbers import format_quantity, format_threshold
from widgets.chart import Chart
from widgets.panel import PanelRow, render_panel
from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session

REFRESH_SECONDS = 30.0


class PanelDetailScreen(ConsoleScreen, AlertActionsMixin):
    """The chart is fetched when the screen opens, when the time range changes, and every 30 seconds."""

    SCREEN_TITLE = "Panel"
    HELP_TEXT = (
        "One panel: the value of every series (or of the worst, if there are too many), the trend with its thresholds, where "
        "the value comes from and how this server's series are counted, and its alerts. [ and ] change the time range; "
        "x opens the query in Explore."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*time_range.KEYS, keys.QUERY, *keys.ALERT_KEYS, keys.ROLLBACK]

    def __init__(self, panel_id: str) -> None:
        super().__init__()
        self._panel_id = panel_id
        self._window = 0
        self._history: PanelHistory | None = None
        self._fetched_at = 0.0
        self._head = TextView(id="panel-head")
        self._series = TextView(id="series")
        self._chart = Chart(id="chart")
        self._alerts: Table[TrackedAlert] = Table(
            SHORT_COLUMNS,
            key=lambda item: item.alert.fingerprint,
            cells=self._cells,
            empty="none of its alerts is firing",
            id="panel-alerts",
        )

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._chart
        yield self._series
        yield self._alerts

    def draw(self, context: RenderContext) -> None:
        width = self.size.width
        state = self._find_state(context)
        if state is None:
            self._head.show(((text(f" there is no panel {self._panel_id}", "warn"),),))
            return
        if context.now - self._fetched_at > REFRESH_SECONDS and context.session is not None:
            self._fetch()
        self._head.show(tuple(self._head_lines(state, context, width)))
        threshold = state.threshold
        thresholds = tuple(
            (name, value) for name, value in (("warn", threshold.warn), ("critical", threshold.critical)) if value is not None
        )
        self._chart.show(
            time_range.build_chart(
                self._history,
                group_by=state.spec.group_by,
                unit=state.spec.unit,
                thresholds=thresholds,
                earlier=self._earlier_label(),
                error=self.worker_errors.get("history", ""),
            )
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

    def action_window(self, by: int) -> None:
        self._window = min(max(0, self._window + by), len(time_range.WINDOWS) - 1)
        self._history = None
        self._fetch()
        self.redraw()

    def action_explore(self) -> None:
        state = self._state()
        if state is not None and state.query:
            self.post_message(OpenExploreRequested(state.query))

    def action_copy(self) -> None:
        state = self._state()
        if state is not None:
            self.post_message(CopyRequested(state.query, "the query"))

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        self.post_message(OpenAlertRequested(event.key))

    def _fetch(self) -> None:
        self._fetched_at = self.context.now if self.context else 0.0
        self.run_worker(self._fetch_history(), "fetching the trend", "history", exclusive=True)

    async def _fetch_history(self) -> None:
        if self.context is None or self.context.session is None:
            return
        seconds = time_range.WINDOWS[self._window][1]
        self._history = await self._query_history(self.context.session, seconds)
        self.redraw()

    def _state(self) -> PanelState | None:
        return self._find_state(self.context) if self.context else None

    def _find_state(self, context: RenderContext) -> PanelState | None:
        return context.snapshot.panel(self._panel_id) if context.snapshot else None

    async def _query_history(self, session: Session, seconds: float) -> PanelHistory:
        return await session.history(self._panel_id, window_seconds=seconds)

    def _earlier_label(self) -> str:
        """The chart's label of the values of an earlier time; empty if there are none."""
        return ""

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
        yield ((f" {_thresholds_text(state)}", "dim"),)
        origin = state.origin.value if state.origin is not Origin.NONE else "query"
        expression = (state.origin is Origin.RAW and state.spec.template) or state.query
        query = text(_one_line(expression) or "Prometheus is not queried")[0]
        for at, part in enumerate(wrap(query, width - len(origin) - 3)):
            yield ((f" {origin if at == 0 else ' ' * len(origin)} ", "dim"), (part, "accent"))
        for part in wrap(text(state.caveat.text)[0], width - 2) if state.caveat else ():
            yield ((f" {part}", "unknown"),)
        for part in wrap(text(" · ".join(state.basis))[0], width - 2) if state.basis else ():
            yield ((f" {part}", "dim"),)
        names = "  ".join(
            f"{'[' if at == self._window else ' '}{name}{']' if at == self._window else ' '}"
            for at, (name, _) in enumerate(time_range.WINDOWS)
        )
        runbook = f"runbook {state.spec.runbook}" if state.spec.runbook else "no runbook"
        yield section(f"{state.spec.title}   {names}   {runbook}", width)

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
            yield ((" only the worst series are queried (x opens the whole query)", "dim"),)


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
