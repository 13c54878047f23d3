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
from console.screens.alert_row import SHORT_COLUMNS, render_short_cells
from console.screens.base import ConsoleScreen, section
from console.screens.messages import OpenAlertRequested, OpenPanelRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_caveat
from queries.catalogue.panel_titles import read_panel_titles
from queries.model.panel import PanelSpec, PanelState, Unit
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.times import format_minute
from widgets.chart import Chart, ChartData, ChartSeries
from widgets.formatting import NO_ANSWER
from widgets.panel import PanelList, PanelRow
from widgets.rows import Rows
from widgets.styled_text import Line, text, width_of, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from queries.model.alert import TrackedAlert


class OverviewScreen(ConsoleScreen, AlertActionsMixin):
    """Panels above; below them firing alerts and recent changes, side by side if there is room."""

    SCREEN_TITLE = "Overview"
    HELP_TEXT = (
        "Every panel of the daily checklist with its verdict, value, trend and threshold; below, what fires and what changed. "
        "The cursor moves on from the panels into the alerts."
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
        self._recent_changes = TextView(id="changed")
        self._chart_title = TextView(classes="title high-only")
        self._chart = Chart(id="overview-chart")
        self._chart.add_class("high-only", update=False)
        self._section_rules = [TextView(classes="rule") for _ in range(2)]

    def body(self) -> Iterable[Widget]:
        yield self._section_rules[0]
        yield self._panels
        yield self._chart_title
        yield self._chart
        with Horizontal(id="below"):
            with Vertical(id="firing-side"):
                yield self._section_rules[1]
                yield self._firing
            with Vertical(id="changed-side"):
                yield self._recent_changes

    def draw(self, context: RenderContext) -> None:
        width = self.width
        self._section_rules[0].show((section("", width),))
        self._section_rules[1].show((section(alerts_caveat(context), self._section_rules[1].inner_width or width),))
        self._panels.show(build_panel_rows(context))
        firing, empty = self._firing_alerts(context)
        self._firing.show(firing, empty=empty)
        if not firing and self.is_mounted and self.focused is self._firing:
            self._panels.focus()
        self._draw_chart()
        self._recent_changes.show(self._render_changes(context, self._recent_changes.size.width or width))

    def current_alert(self) -> TrackedAlert | None:
        if self.focused is self._firing:
            return self._firing.current
        row = self._panels.current
        if row is None or self.context is None:
            return None
        return next((item for item in self.context.alerts if item.alert.name in row.state.spec.alerts), None)

    def current_runbook(self) -> str:
        row = self._panels.current
        return row.state.spec.runbook if row and self.focused is self._panels else ""

    @on(Rows.Highlighted, "#panels")
    def _draw_chart(self) -> None:
        """The trend of the panel under the cursor, if the terminal is high enough."""
        row = self._panels.current
        if row is None or not self._chart.display:
            return
        state = row.state
        self._chart_title.show((section(f"{state.spec.title}, the last hour", self.width),))
        points = state.trend
        start, end = (points[0][0], points[-1][0]) if points else (0.0, 0.0)
        thresholds = tuple(
            (name, value)
            for name, value in (("warn", state.threshold.warn), ("critical", state.threshold.critical))
            if value is not None
        )
        series = (ChartSeries(state.spec.title, points),) if points else ()
        message = "" if points else state.reason or NO_ANSWER
        self._chart.show(ChartData(start, end, series, thresholds, state.spec.unit.suffix, message))

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        if event.rows is self._panels:
            self.post_message(OpenPanelRequested(event.key))
        else:
            self.post_message(OpenAlertRequested(event.key))

    @on(Rows.EdgeReached)
    def _cross_edge(self, event: Rows.EdgeReached) -> None:
        if event.rows is self._panels and event.direction > 0 and self._firing.items:
            self._firing.focus()
        elif event.rows is self._firing and event.direction < 0:
            self._panels.focus()

    def _cells(self, tracked: TrackedAlert) -> tuple[tuple[str, str], ...]:
        assert self.context is not None  # noqa: S101  set before rows are drawn
        return render_short_cells(tracked, self.context.now, self.context.changed_ids)

    def _firing_alerts(self, context: RenderContext) -> tuple[tuple[TrackedAlert, ...], str]:
        snapshot = context.snapshot
        if snapshot is None:
            return (), NO_ANSWER
        if not snapshot.alerts_known:
            return (), "unknown: neither Alertmanager nor Prometheus has returned the alerts"
        firing = snapshot.active
        hidden = len(snapshot.alerts) - len(firing)
        none = "nothing known to fire" if alerts_caveat(context) else "nothing fires"
        more = f"; {hidden} pending or silenced (2)" if hidden else ""
        return firing, f"{none}{more}"

    def _render_changes(self, context: RenderContext, width: int) -> tuple[Line, ...]:
        lines: list[Line] = [section("What changed", width)]
        snapshot = context.snapshot
        if snapshot is None:
            return (*lines, ((f" {NO_ANSWER}", "dim"),))
        for item in snapshot.unfinished:
            elapsed = format_age(max(0.0, context.now - item.intent.at))
            sentence = f"{item.sentence(elapsed)}; {item.inspection_hint(context.settings)} (6 settles it)"
            parts = wrap(text(sentence)[0], width - 3) if self.has_class("-wide") else [text(sentence)[0]]
            lines.append(((" ! ", "warn"), (parts[0], "warn")))
            lines += [(("   ", ""), (part, "warn")) for part in parts[1:]]
        for change in snapshot.changes:
            author = f" ({change.author})" if change.author else ""
            kind = "" if change.kind == "action" or change.text.startswith(change.kind) else f"{change.kind} "
            when: Line = ((f" {format_minute(change.at, now=context.now)} ", "dim"), text(kind, "accent"))
            change_text, indent = text(f"{change.text}{author}")[0], width_of(when)
            # Beside the alerts there is height but no width; below them it is the other way round.
            parts = wrap(change_text, width - indent) if self.has_class("-wide") else [change_text]
            lines.append((*when, (parts[0], "")))
            lines += [((" " * indent, ""), (part, "")) for part in parts[1:]]
        if len(lines) == 1:
            lines.append(((" nothing that the console has observed", "dim"),))
        return tuple(lines)


@cache
def _placeholder_specs() -> tuple[PanelSpec, ...]:
    """The panels by name only, until the catalogue is loaded."""
    return tuple(PanelSpec(id=identity, title=title, unit=Unit.COUNT) for identity, title in read_panel_titles("overview"))


def build_panel_rows(context: RenderContext) -> tuple[PanelRow, ...]:
    """The rows of all panels, in their fixed order."""
    if context.snapshot is None:
        specs = context.session.specs if context.session else _placeholder_specs()
        return tuple(PanelRow(PanelState(spec=spec, verdict=Verdict.NO_DATA), waiting=True) for spec in specs)
    return tuple(
        PanelRow(
            state,
            changed=state.spec.id in context.changed_ids,
            waiting=state.value is None and context.is_waiting(state.spec.source),
            denied=context.is_denied(state.spec.source),
        )
        for state in context.snapshot.panels
    )
