"""The chart of a screen: its time range, cursor and comparison, and the keys for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from operator import is_not
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.widget import Widget

from console.alerts.chart import build_chart, chart_marks
from console.screens.base import ConsoleScreen
from console.screens.chart_choices import COMPARISONS, WINDOWS, ChartChoices
from console.screens.messages import ChoicesChanged
from console.screens.render_context import RenderContext
from queries.model.chart import ChartMark
from queries.model.panel import Unit
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.text.times import format_minute
from widgets.chart import Chart

if TYPE_CHECKING:
    from console.journal.event import Event
    from console.monitor.session import Session

REFRESH_SECONDS = 30.0
_SLOWEST_REFRESH_SECONDS = 300.0

RANGE_KEYS = [
    Binding(
        "left_square_bracket,plus,equals_sign",
        "window(-1)",
        "range",
        key_display="+ -",
        tooltip="A shorter time range, also [; - or ] for a longer one",
        id="chart.shorter",
    ),
    Binding("right_square_bracket,minus", "window(1)", "longer", show=False, tooltip="A longer time range", id="chart.longer"),
]
KEYS = [
    *RANGE_KEYS,
    Binding(
        "comma",
        "pan(-1)",
        "pan",
        show=False,
        key_display=", .",
        tooltip="Half a range earlier; . for later",
        id="chart.earlier",
    ),
    Binding("full_stop", "pan(1)", "later", show=False, tooltip="Half a range later, up to now", id="chart.later"),
    Binding("c", "compare", "compare", show=False, tooltip="Compare with yesterday, last week, nothing", id="chart.compare"),
    Binding("f", "full", "full", tooltip="Full-screen chart, and back", id="chart.full"),
    Binding(
        "m",
        "drawing",
        "drawing",
        show=False,
        tooltip="Draw with braille, blocks or ASCII, or as a heat map",
        id="chart.drawing",
    ),
]


class ChartScreen(ConsoleScreen):
    """A screen with one chart: its history is fetched when it opens, when the range changes, and while it ends now."""

    KIND: ClassVar[str]
    """The kind of screen for which the choice of full screen is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._chart = Chart(id="chart", focusable=True)
        self._history: PanelHistory | None = None
        self._requested: HistoryRange | None = None
        """The request of the current history; None before the first one."""
        self._events: Sequence[Event] = ()
        self._marks: tuple[tuple[object, ...], tuple[ChartMark, ...]] = ((), ())
        """The objects from which the marks were built, and the marks."""
        self._until: float | None = None
        self._is_full = False
        self._fetched_at = 0.0

    def forget_moment(self) -> None:
        self._requested = self._history = self._until = None
        self._events, self._fetched_at = (), 0.0
        self._chart.hide_cursor()

    def query_histories(self, session: Session, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        """The histories of this chart, each more complete than the one before."""
        raise NotImplementedError

    def beside_chart(self) -> Iterable[Widget]:
        """The widgets that full screen hides."""
        raise NotImplementedError

    @property
    def has_heat_map(self) -> bool:
        """Whether the chart can be drawn as a heat map too."""
        return False

    def fetch_more(self) -> None:
        """Fetch the screen's other data, as often as the history."""

    @property
    def charts(self) -> ChartChoices:
        return self.context.charts if self.context else ChartChoices()

    @property
    def shown_range(self) -> HistoryRange:
        """The range that the chart shows; another screen may have changed the choices since it was fetched."""
        return self._requested or self._chosen_range

    def name_range(self, width: int) -> str:
        """`15 m [1 h] 6 h   until 12:00   vs yesterday`; `15m [1h] 6h …` where `width` has no room for the blanks."""
        shown = self.shown_range
        now = self.context.now if self.context else 0.0
        until = f"   until {format_minute(shown.until, now=now)}" if shown.until is not None else ""
        rest = until + (f"   vs {self.compared_with}" if self.compared_with else "")
        names = [(f"[{name}]" if seconds == shown.seconds else name) for name, seconds in WINDOWS]
        full = " ".join(names) + rest
        return full if len(full) <= width else " ".join(name.replace(" ", "") for name in names) + rest

    @property
    def compared_with(self) -> str:
        """The name of the earlier time; empty for none."""
        return next(name for name, seconds in COMPARISONS if seconds == self.shown_range.back_seconds)

    @property
    def _chosen_range(self) -> HistoryRange:
        heat = self.charts.heat and self.has_heat_map
        return HistoryRange(self.charts.seconds, self._until, 0.0 if heat else self.charts.back_seconds, heat)

    def refresh_chart(self, context: RenderContext, every: float = REFRESH_SECONDS) -> None:
        """Fetch the history of the chosen range, and again if it is old: less often where a step is long, never one that ended
        in the past."""
        if self._is_full != (self.KIND in self.charts.full):
            self._show_full()
        every = min(max(every, self.charts.seconds / 240.0), _SLOWEST_REFRESH_SECONDS)
        due = self._until is None and context.now - self._fetched_at > every and not self.has_worker("history")
        if due or self._requested != self._chosen_range:
            self._fetch()

    def show_chart(
        self, *, group_by: str, unit: Unit | None, thresholds: tuple[tuple[str, float], ...], lower_is_worse: bool
    ) -> None:
        data = build_chart(
            self._history,
            group_by=group_by,
            unit=unit,
            thresholds=thresholds,
            lower_is_worse=lower_is_worse,
            earlier=self.compared_with,
            marks=self._find_marks(),
            error=self.worker_errors.get("history", ""),
        )
        self._chart.show(data, self.charts.drawing)

    def _find_marks(self) -> tuple[ChartMark, ...]:
        """The marks of the history, cached by their input objects: rebuilding them visits every workload and event."""
        history, snapshot = self._history, self.context.snapshot if self.context else None
        if history is None or snapshot is None:
            return ()
        made_from = (history, self._events, snapshot.cluster, snapshot.silences)
        if len(self._marks[0]) != len(made_from) or any(map(is_not, made_from, self._marks[0])):
            self._marks = (made_from, chart_marks(snapshot, self._events, history.start, history.end))
        return self._marks[1]

    def action_window(self, by: int) -> None:
        seconds = [item for _, item in WINDOWS]
        self.charts.seconds = seconds[min(max(0, seconds.index(self.charts.seconds) + by), len(seconds) - 1)]
        self._fetch_other()

    def action_pan(self, by: int) -> None:
        now = self.context.now if self.context else 0.0
        until = (now if self._until is None else self._until) + by * self.charts.seconds / 2.0
        # Back where a pan began the chart follows again, although now has moved on.
        self._until = until if now - until > self.charts.seconds / 4.0 else None
        self._fetch_other()

    def action_compare(self) -> None:
        if self.shown_range.heat:
            self.show_notice("a heat map cannot be compared with an earlier time: m draws lines")
            return
        seconds = [item for _, item in COMPARISONS]
        self.charts.back_seconds = seconds[(seconds.index(self.charts.back_seconds) + 1) % len(seconds)]
        self._fetch_other()

    def action_full(self) -> None:
        self.charts.full ^= {self.KIND}
        self._keep_choices()
        self._show_full()

    def _show_full(self) -> None:
        """Full screen, or not, as chosen: here, or on another screen of this kind."""
        self._is_full = self.KIND in self.charts.full
        for widget in self.beside_chart():
            widget.display = not self._is_full
        self._chart.focus()
        self.call_after_refresh(self.redraw)

    def action_drawing(self) -> None:
        self.charts.next_drawing(has_heat_map=self.has_heat_map)
        self._keep_choices()
        self.redraw()

    def _keep_choices(self) -> None:
        self.post_message(ChoicesChanged())

    def _fetch_other(self) -> None:
        self._keep_choices()
        self._fetch()
        self.redraw()

    def _fetch(self) -> None:
        session, requested = self.context.session if self.context else None, self._chosen_range
        if self.context is None or session is None:
            return
        if requested != self._requested:
            self._requested, self._history = requested, None
            self._chart.hide_cursor()
        self._fetched_at = self.context.now
        self.run_worker(self._fetch_history(session, requested), "fetching the trend", "history", exclusive=True)
        self.fetch_more()

    async def _fetch_history(self, session: Session, requested: HistoryRange) -> None:
        async for history in self.query_histories(session, requested):
            self._history = history
            self.redraw()
        self._events = await session.chart_events()
        self.redraw()
