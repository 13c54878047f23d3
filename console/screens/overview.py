"""The first screen: what is wrong, what fires, and what changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.screens import keys
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import SHORT_COLUMNS, short_cells
from console.screens.base import ConsoleScreen, section
from console.screens.messages import OpenRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_reservation
from queries.catalogue.panel_titles import outline
from queries.model.panel import PanelSpec, PanelState, Unit
from queries.model.verdict import Verdict
from widgets.chart import Chart, ChartData, ChartSeries
from widgets.formatting import NO_ANSWER, format_age, format_minute
from widgets.panel import PanelList, PanelRow
from widgets.rows import Rows
from widgets.styled_text import Line, text, width_of, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from queries.model.alert import TrackedAlert


class OverviewScreen(ConsoleScreen, AlertActionsMixin):
    """Panels above; firing alerts and changes below, beside each other where there is room."""

    TITLE_WORDS = "Overview"
    ABOUT = (
        "Every panel of the daily checklist with its verdict, value, trend and threshold; below what fires and what changed. "
        "The cursor moves from the panels on into the alerts."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*keys.ALERT_KEYS, keys.ROLLBACK]

    def __init__(self) -> None:
        super().__init__()
        self._panels = PanelList(id="panels")
        self._firing: Table[TrackedAlert] = Table(
            SHORT_COLUMNS,
            key=lambda item: item.alert.fingerprint,
            cells=self._cells,
            empty=NO_ANSWER,
            id="firing",
        )
        self._changed = TextView(id="changed")
        self._chart_title = TextView(classes="title high-only")
        self._chart = Chart(id="overview-chart")
        self._chart.add_class("high-only", update=False)
        self._rules = [TextView(classes="rule") for _ in range(2)]

    def body(self) -> Iterable[Widget]:
        yield self._rules[0]
        yield self._panels
        yield self._chart_title
        yield self._chart
        with Horizontal(id="below"):
            with Vertical(id="firing-side"):
                yield self._rules[1]
                yield self._firing
            with Vertical(id="changed-side"):
                yield self._changed

    def draw(self, view: RenderContext) -> None:
        width = self.width
        self._rules[0].show((section("", width),))
        self._rules[1].show((section(alerts_reservation(view), self._rules[1].inner_width or width),))
        self._panels.show(panel_rows(view))
        firing, empty = self._firing_now(view)
        self._firing.show(firing, empty=empty)
        if not firing and self.is_mounted and self.focused is self._firing:
            self._panels.focus()
        self._draw_chart()
        self._changed.show(self._changes(view, self._changed.size.width or width))

    def current_alert(self) -> TrackedAlert | None:
        if self.focused is self._firing:
            return self._firing.current
        row = self._panels.current
        if row is None or self.view is None:
            return None
        return next((item for item in self.view.alerts if item.alert.name in row.state.spec.alerts), None)

    def current_runbook(self) -> str:
        row = self._panels.current
        return row.state.spec.runbook if row and self.focused is self._panels else ""

    @on(Rows.Highlighted, "#panels")
    def _draw_chart(self) -> None:
        """The trend of the panel under the cursor, where the terminal is high enough for it."""
        row = self._panels.current
        if row is None or not self._chart.display:
            return
        state = row.state
        self._chart_title.show((section(f"{state.spec.title}, the last hour", self.width),))
        points = state.trend
        start, end = (points[0][0], points[-1][0]) if points else (0.0, 0.0)
        lines = tuple(
            (name, value)
            for name, value in (("warn", state.threshold.warn), ("critical", state.threshold.critical))
            if value is not None
        )
        tracks = (ChartSeries(state.spec.title, points),) if points else ()
        message = "" if points else state.reason or NO_ANSWER
        self._chart.show(ChartData(start, end, tracks, lines, state.spec.unit.suffix, message))

    @on(Rows.Selected)
    def _open(self, event: Rows.Selected) -> None:
        what = "panel" if event.rows is self._panels else "alert"
        self.post_message(OpenRequested(what, event.key))

    @on(Rows.EdgeReached)
    def _onward(self, event: Rows.EdgeReached) -> None:
        if event.rows is self._panels and event.direction > 0 and self._firing.items:
            self._firing.focus()
        elif event.rows is self._firing and event.direction < 0:
            self._panels.focus()

    def _cells(self, tracked: TrackedAlert) -> tuple[tuple[str, str], ...]:
        assert self.view is not None  # noqa: S101  cells are asked for only once there is a view
        return short_cells(tracked, self.view.now, self.view.marked)

    def _firing_now(self, view: RenderContext) -> tuple[tuple[TrackedAlert, ...], str]:
        snapshot = view.snapshot
        if snapshot is None:
            return (), NO_ANSWER
        if not snapshot.alerts_known:
            return (), "not known: neither Alertmanager nor Prometheus said which alerts there are"
        firing = snapshot.active
        hidden = len(snapshot.alerts) - len(firing)
        quiet = "nothing known to fire" if alerts_reservation(view) else "nothing fires"
        more = f"; {hidden} pending or silenced (2)" if hidden else ""
        return firing, f"{quiet}{more}"

    def _changes(self, view: RenderContext, width: int) -> tuple[Line, ...]:
        lines: list[Line] = [section("What changed", width)]
        snapshot = view.snapshot
        if snapshot is None:
            return (*lines, ((f" {NO_ANSWER}", "dim"),))
        for item in snapshot.unfinished:
            elapsed = format_age(max(0.0, view.now - item.intent.at))
            told = f"{item.sentence(elapsed)}; {item.look(view.settings)} (6 settles it)"
            parts = wrap(text(told)[0], width - 3) if self.has_class("-wide") else [text(told)[0]]
            lines.append(((" ! ", "warn"), (parts[0], "warn")))
            lines += [(("   ", ""), (part, "warn")) for part in parts[1:]]
        for change in snapshot.changes:
            author = f" ({change.author})" if change.author else ""
            kind = "" if change.kind == "action" or change.text.startswith(change.kind) else f"{change.kind} "
            when: Line = ((f" {format_minute(change.at, now=view.now)} ", "dim"), text(kind, "accent"))
            words, indent = text(f"{change.text}{author}")[0], width_of(when)
            # Beside the alerts there is height and no width; below them it is the other way round.
            parts = wrap(words, width - indent) if self.has_class("-wide") else [words]
            lines.append((*when, (parts[0], "")))
            lines += [((" " * indent, ""), (part, "")) for part in parts[1:]]
        if len(lines) == 1:
            lines.append(((" nothing that the console has seen", "dim"),))
        return tuple(lines)


@cache
def _announced() -> tuple[PanelSpec, ...]:
    """The panels by name only, until the catalogue is read."""
    return tuple(PanelSpec(id=identity, title=title, unit=Unit.COUNT) for identity, title in outline("overview"))


def panel_rows(view: RenderContext) -> tuple[PanelRow, ...]:
    """The panels in their fixed order, as rows."""
    if view.snapshot is None:
        specs = view.session.specs if view.session else _announced()
        return tuple(PanelRow(PanelState(spec=spec, verdict=Verdict.NO_DATA), waiting=True) for spec in specs)
    return tuple(
        PanelRow(
            state,
            changed=state.spec.id in view.marked,
            waiting=state.value is None and view.waiting(state.spec.source),
            denied=view.denied(state.spec.source),
        )
        for state in view.snapshot.panels
    )
