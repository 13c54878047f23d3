"""One panel in full: its series, its chart with thresholds, its query, its alerts and its runbook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import SHORT_COLUMNS, short_cells
from console.screens.base import ConsoleScreen, section
from console.screens.messages import CopyRequested, OpenRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_reservation
from queries.model.alert import TrackedAlert
from queries.model.panel import Aggregation, Origin, PanelHistory, PanelState
from queries.model.series import braces, without
from widgets.chart import Chart
from widgets.formatting import format_quantity, format_threshold
from widgets.panel import PanelRow, render_panel
from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session

REFRESH_SECONDS = 30.0


class PanelDetailScreen(ConsoleScreen, AlertActionsMixin):
    """The chart is asked for when the screen opens, when the window changes, and every half minute."""

    TITLE_WORDS = "Panel"
    ABOUT = (
        "One panel: the value of every series (of a crowd, of the worst), the trend over a window with its thresholds, where "
        "the value comes from and how this server's series are counted, and the alerts that belong to it. [ and ] change the "
        "window; x takes the query, written out, to Explore."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*time_range.KEYS, keys.QUERY, *keys.ALERT_KEYS, keys.ROLLBACK]

    def __init__(self, panel_id: str) -> None:
        super().__init__()
        self._subject = panel_id
        self._window = 0
        self._history: PanelHistory | None = None
        self._asked_at = 0.0
        self._head = TextView(id="panel-head")
        self._series = TextView(id="series")
        self._chart = Chart(id="chart")
        self._alerts: Table[TrackedAlert] = Table(
            SHORT_COLUMNS,
            key=lambda item: item.alert.fingerprint,
            cells=self._cells,
            empty="none of its alerts fires",
            id="panel-alerts",
        )

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._chart
        yield self._series
        yield self._alerts

    def draw(self, view: RenderContext) -> None:
        width = self.size.width
        state = self._state_in(view)
        if state is None:
            self._head.show(((text(f" there is no panel {self._subject}", "warn"),),))
            return
        if view.now - self._asked_at > REFRESH_SECONDS and view.session is not None:
            self._look()
        self._head.show(tuple(self._head_lines(state, view, width)))
        threshold = state.threshold
        lines = tuple(
            (name, value) for name, value in (("warn", threshold.warn), ("critical", threshold.critical)) if value is not None
        )
        self._chart.show(
            time_range.chart_of(
                self._history,
                by=state.spec.by,
                unit=state.spec.unit,
                lines=lines,
                earlier=self._earlier_name(),
                failed=self.worker_errors.get("history", ""),
            )
        )
        self._series.show(tuple(self._series_lines(state, width)))
        own = tuple(item for item in view.alerts if item.alert.name in state.spec.alerts)
        self._alerts.show(own, empty=_none_fires(state, view))

    def current_alert(self) -> TrackedAlert | None:
        return self._alerts.current

    def current_runbook(self) -> str:
        state = self._state()
        return state.spec.runbook if state else ""

    def current_panel(self) -> str:
        return self._subject

    def action_window(self, by: int) -> None:
        self._window = min(max(0, self._window + by), len(time_range.WINDOWS) - 1)
        self._history = None
        self._look()
        self.redraw()

    def action_explore(self) -> None:
        state = self._state()
        if state is not None and state.query:
            self.post_message(OpenRequested("explore", state.query))

    def action_copy(self) -> None:
        state = self._state()
        if state is not None:
            self.post_message(CopyRequested(state.query, "the query"))

    @on(Rows.Selected)
    def _open(self, event: Rows.Selected) -> None:
        self.post_message(OpenRequested("alert", event.key))

    def _look(self) -> None:
        self._asked_at = self.view.now if self.view else 0.0
        self.run_worker(self._ask(), "asking for the trend", "history", exclusive=True)

    async def _ask(self) -> None:
        if self.view is None or self.view.session is None:
            return
        seconds = time_range.WINDOWS[self._window][1]
        self._history = await self._history_of(self.view.session, seconds)
        self.redraw()

    def _state(self) -> PanelState | None:
        return self._state_in(self.view) if self.view else None

    def _state_in(self, view: RenderContext) -> PanelState | None:
        return view.snapshot.panel(self._subject) if view.snapshot else None

    async def _history_of(self, session: Session, seconds: float) -> PanelHistory:
        return await session.history(self._subject, window_seconds=seconds)

    def _earlier_name(self) -> str:
        """What the chart calls the values of an earlier time; empty where there are none."""
        return ""

    def _cells(self, tracked: TrackedAlert) -> tuple[Span, ...]:
        view = self.view
        assert view is not None  # noqa: S101  rows are drawn only once there is a view
        return short_cells(tracked, view.now, view.marked)

    def _head_lines(self, state: PanelState, view: RenderContext, width: int) -> Iterable[Line]:
        yield render_panel(_row(state, view), width)
        if state.value is None or not state.verdict.known:
            for words in wrap(text(state.reason or "no series")[0], width - 2):
                yield ((f" {words}", "unknown"),)
        for found in state.contradictions:
            for one in (found.first, found.second):
                head: Line = ((f" {format_quantity(one.value, found.unit, 0):>9} ", "doubt"), text(one.says, "strong"))
                yield head
                for words in wrap(text(_flat(one.query))[0], width - 12):
                    yield ((" " * 11, ""), (words, "accent"))
        yield ((f" {_limits(state)}", "dim"),)
        origin = state.origin.value if state.origin is not Origin.NONE else "asked"
        asked = (state.origin is Origin.RAW and state.spec.written) or state.query
        query = text(_flat(asked) or "nothing is asked of Prometheus")[0]
        for at, words in enumerate(wrap(query, width - len(origin) - 3)):
            yield ((f" {origin if at == 0 else ' ' * len(origin)} ", "dim"), (words, "accent"))
        for words in wrap(text(state.caveat.says)[0], width - 2) if state.caveat else ():
            yield ((f" {words}", "unknown"),)
        for words in wrap(text(" · ".join(state.basis))[0], width - 2) if state.basis else ():
            yield ((f" {words}", "dim"),)
        names = "  ".join(
            f"{'[' if at == self._window else ' '}{name}{']' if at == self._window else ' '}"
            for at, (name, _) in enumerate(time_range.WINDOWS)
        )
        runbook = f"runbook {state.spec.runbook}" if state.spec.runbook else "no runbook"
        yield section(f"{state.spec.title}   {names}   {runbook}", width)

    def _series_lines(self, state: PanelState, width: int) -> Iterable[Line]:
        only = state.samples[0] if len(state.samples) == 1 else None
        if not state.samples or (only and not without(only.labels, "__name__")):
            return  # the row above says it all
        fold = _FOLDS[state.spec.fold]
        yield section(f"Series{f'; the value above is {fold}' if len(state.samples) > 1 else ''}", width)
        ordered = sorted(state.samples, key=lambda item: item.value, reverse=not state.spec.below)
        for sample in ordered[:_MOST_LINES]:
            value = format_quantity(sample.value, state.spec.unit, state.spec.decimals)
            labels = braces(without(sample.labels, "__name__")) or "(no labels)"
            yield ((fit(value, 12, right=True) + "  ", "strong"), text(labels))
        if len(ordered) > _MOST_LINES:
            yield ((f" and {len(ordered) - _MOST_LINES} more", "dim"),)
        elif state.more:
            yield ((" of a crowd only the worst are asked for (x asks the whole query)", "dim"),)


_MOST_LINES = 200
_FOLDS = {Aggregation.MAX: "the highest", Aggregation.MIN: "the lowest", Aggregation.SUM: "their sum"}


def _row(state: PanelState, view: RenderContext) -> PanelRow:
    source = state.spec.source
    return PanelRow(state, waiting=state.value is None and view.waiting(source), denied=view.denied(source))


def _flat(query: str) -> str:
    """The query in one line; copied and explored it keeps its own."""
    return " ".join(line.strip() for line in query.splitlines())


def _none_fires(state: PanelState, view: RenderContext) -> str:
    if not state.spec.alerts:
        return "no alert belongs to it"
    if view.snapshot is None or not view.snapshot.alerts_known:
        return "whether its alerts fire is not known"
    doubt = alerts_reservation(view)
    return f"none of its alerts fires{f' ({doubt})' if doubt else ''}"


def _limits(state: PanelState) -> str:
    """`warns at 1 %, critical at 5 %`: where a value is held against a line, and on which side."""
    side = "under" if state.spec.below else "at"
    unit = state.spec.unit
    parts = [
        f"{word} {side} {format_threshold(line, unit)}"
        for word, line in (("warns", state.threshold.warn), ("critical", state.threshold.critical))
        if line is not None
    ]
    return ", ".join(parts) or "no threshold is set"
