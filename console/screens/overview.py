"""The first screen: what is wrong, what fires, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.widget import Widget

from console.screens import keys
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import SHORT_COLUMNS, render_short_cells, render_since
from console.screens.base import ConsoleScreen, draw_blank, section
from console.screens.messages import OpenAlertRequested, OpenPanelRequested, OpenScreenRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_awaited, alerts_caveat
from queries.catalogue.panel_titles import read_panel_titles
from queries.model.chart import chart_trend
from queries.model.panel import PanelSpec, PanelState, Unit
from queries.model.source import Health
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.times import format_minute, shows_day
from widgets.chart import Chart
from widgets.formatting import NO_ANSWER
from widgets.panel import PanelList, PanelRow
from widgets.rows import Rows
from widgets.styled_text import Line, severity_tone, text, width_of, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.screens.drawn import Drawn
    from queries.model.alert import TrackedAlert

_MOST_CHANGES = 50
"""More lines than any terminal is high are not wrapped."""


class OverviewScreen(ConsoleScreen, AlertActionsMixin):
    """Panels above; below them the trend of one, firing alerts, recent changes, and who is on it, as far as there is room."""

    SCREEN_TITLE = "Overview"
    HELP_TEXT = (
        "Every panel of the daily checklist with its verdict, value, trend and threshold; below, what fires and why, what "
        "changed, and on a large screen who is on it. The cursor starts on the worst panel and continues into the alerts. On a "
        "panel, the keys of an alert act on its most urgent alert."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*keys.ALERT_KEYS, *keys.ALERT_ACTIONS, keys.FILTER_ALERTS]

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
        self._notes = draw_blank(Vertical(id="notes"))
        self._recent_changes = TextView(id="changed")
        self._on_it = TextView(id="on-it")
        self._placed_at: str | None = ""
        """The panel on which the console put the cursor; None once a person moved it or all sources have responded."""
        self._chart_title = TextView(classes="title high-only")
        self._chart = Chart(id="overview-chart")
        self._chart.add_class("high-only", update=False)
        self._first_steps: TextView | None = None
        """In place of everything else while no server is configured."""
        self._section_rules = [TextView(classes="rule") for _ in range(2)]

    def body(self) -> Iterable[Widget]:
        if self.context is not None and not self.context.settings.has_source:
            self._first_steps = TextView(id="first-steps", focusable=True)
            self._draw_first_steps(self.context, self.width)
            yield self._first_steps
            return
        yield self._section_rules[0]
        yield self._panels
        yield self._chart_title
        yield self._chart
        with draw_blank(Vertical(id="below")):
            with draw_blank(Vertical(id="firing-side")):
                yield self._section_rules[1]
                yield self._firing
            with self._notes:
                yield self._recent_changes
                if self._has_room_for_people:
                    yield self._on_it

    def prepare(self, context: RenderContext, size: Size) -> None:
        super().prepare(context, size)
        for widget in (self._panels, self._firing, self._chart, self.footer):
            # Now, for all levels of widgets at once: a level that brings new default styles has them all parsed again.
            widget._post_register(self.app)

    @property
    def _has_room_for_people(self) -> bool:
        return self.has_class("-wide") and self.has_class("-high")

    def draw(self, context: RenderContext) -> None:
        width = self.width
        if not context.settings.has_source:
            self._draw_first_steps(context, width)
            return
        self._section_rules[0].show((section("", width),))
        caveat = "" if alerts_are_awaited(context) else alerts_caveat(context)
        self._section_rules[1].show((section(caveat, self._section_rules[1].inner_width or width),))
        self._panels.show(build_panel_rows(context))
        if self._placed_at is not None:
            self._place_cursor(context)
        firing, empty = self._firing_alerts(context)
        self._firing.show(firing, empty=empty)
        if not firing and self.is_mounted and self.focused is self._firing:
            self._panels.focus()
        self._draw_chart()
        self._recent_changes.show(self._render_changes(context, self._recent_changes.size.width or width))
        if self._has_room_for_people:
            if self.is_mounted and self._on_it.parent is None:  # the terminal was too small before
                self._notes.mount(self._on_it)
            self._on_it.show(render_on_it(context, self._on_it.size.width or width // 2))

    def describe_drawn(self, context: RenderContext) -> Drawn | None:
        """Header, panels and alerts in view: none while the cursor looks for its place."""
        firing = self._firing
        if self._first_steps is not None or self._placed_at is not None or (self.focused is firing and not firing.items):
            return None
        from console.screens.drawn import describe_drawn  # noqa: PLC0415  # not before the first frame

        changes = context.snapshot.changes[:_MOST_CHANGES] if context.snapshot is not None else ()
        return describe_drawn(
            context,
            [render_since(item, context.now) for item in firing.in_view] if firing.items else (),
            sum(shows_day(item.at, now=context.now) for item in changes),
        )

    def _draw_first_steps(self, context: RenderContext, width: int) -> None:
        from console.screens.first_steps import render_first_steps  # noqa: PLC0415  # only without any server

        if self._first_steps is not None:
            self._first_steps.show(render_first_steps(context.settings, width))

    def _place_cursor(self, context: RenderContext) -> None:
        """Start on the worst panel. The cursor follows it until all sources have responded or a person moves it."""
        key = self._panels.cursor_key
        if context.snapshot is None or not self.is_mounted:
            self._placed_at = key
        elif key != self._placed_at or self.focused is not self._panels:
            self._placed_at = None
        else:
            worst = max(self._panels.items, key=_urgency, default=None)
            if worst is not None:
                self._placed_at = worst.state.spec.id
                self._panels.move_to(self._placed_at)
            if not any(item.health is Health.WAITING for item in context.snapshot.sources):
                self._placed_at = None

    def current_alert(self) -> TrackedAlert | None:
        if self.focused is self._firing:
            return self._firing.current
        row = self._panels.current
        snapshot = self.context.snapshot if self.context else None
        if row is None or snapshot is None:
            return None
        listed = (*snapshot.active, *snapshot.alerts)  # one that notifies comes before a silenced or pending one
        return next((item for item in listed if item.alert.name in row.state.spec.alerts), None)

    def describe_no_alert(self) -> str:
        row = self._panels.current
        if self.focused is self._firing or row is None:
            return super().describe_no_alert()
        return f"no alert of {row.state.spec.title} is pending or firing"

    def current_runbook(self) -> str:
        row = self._panels.current
        return row.state.spec.runbook if row and self.focused is self._panels else ""

    @on(Rows.Highlighted, "#panels")
    def _draw_chart(self) -> None:
        """The trend of the panel under the cursor, if the terminal is high enough."""
        row = self._panels.current
        if row is None or self.context is None or not self._chart.display:
            return
        state = row.state
        self._chart_title.show((section(f"{state.spec.title}, the last hour", self.width),))
        message = state.reason or (NO_ANSWER if state.value is None else "this panel has no trend")
        self._chart.show(chart_trend(state, message), self.context.charts.drawing)

    def action_filter(self) -> None:
        """The list of alerts is a screen of its own."""
        self.post_message(OpenScreenRequested("alerts", filtering=True))

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
        changes = self.context.snapshot.changes if self.context.snapshot else ()
        return render_short_cells(tracked, self.context.now, self.context.changed_ids, changes)

    def _firing_alerts(self, context: RenderContext) -> tuple[tuple[TrackedAlert, ...], str]:
        snapshot = context.snapshot
        if snapshot is None or (not snapshot.alerts_known and alerts_are_awaited(context)):
            return (), NO_ANSWER
        if not snapshot.alerts_known:
            return (), "unknown: neither Alertmanager nor Prometheus has returned the alerts"
        firing = snapshot.active
        hidden = len(snapshot.alerts) - len(firing)
        none = "nothing known to fire" if alerts_caveat(context) else "nothing fires"
        more = f"; {hidden} pending or suppressed (2)" if hidden else ""
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
        for change in snapshot.changes[:_MOST_CHANGES]:
            author = f" ({change.author})" if change.author else ""
            kind = "" if change.kind == "action" or change.text.startswith(change.kind) else f"{change.kind} "
            when: Line = ((f" {format_minute(change.at, now=context.now)} ", "dim"), text(kind, "accent"))
            change_text, indent = text(f"{change.text}{author}")[0], width_of(when)
            # Beside the alerts there is height but no width; below them it is the other way round.
            parts = wrap(change_text, width - indent) if self.has_class("-wide") else [change_text]
            lines.append((*when, (parts[0], "")))
            lines += [((" " * indent, ""), (part, "")) for part in parts[1:]]
        if len(lines) == 1:
            past = context.as_of is not None
            lines.append(((" nothing is known of then" if past else " nothing that the console has observed", "dim"),))
        return tuple(lines)


def _urgency(row: PanelRow) -> int:
    """The worst panel has the highest; one whose source has not answered yet comes last."""
    return -1 if row.waiting else row.state.verdict.rank


def render_on_it(context: RenderContext, width: int) -> tuple[Line, ...]:
    """Who leads the open incidents, and who acknowledged which firing alerts."""
    lines: list[Line] = [section("Who is on it", width)]
    snapshot = context.snapshot
    if snapshot is None:
        return (*lines, ((f" {NO_ANSWER}", "dim"),))
    from console.state.incident import Role  # noqa: PLC0415  # not before the first frame

    ledger = snapshot.ledger
    error = ledger.error or (context.session.journal_error if context.session else "")
    lines += [((f" {part}", "unknown"),) for part in wrap(text(error)[0], width - 1) if error]
    presence = snapshot.presence
    absent = f"cannot tell who else is on: {presence.error}" if presence.error else ""
    lines += [((f" {part}", "unknown"),) for part in wrap(text(absent)[0], width - 1) if absent]
    for other in presence.others:
        doing = f"{other.screen} · previews {other.preview}" if other.preview else other.screen
        lines.append((text(f" {other.user} ", "accent"), text("is on  "), text(doing, "warn" if other.preview else "dim")))
    for incident in ledger.incidents.open:
        leader = incident.person(Role.COMMANDER)
        lines.append(
            (
                (f" {incident.severity} ", severity_tone(incident.severity)),
                text(f"{incident.title} ", "strong"),
                text(f"{leader} leads" if leader else "nobody leads", "" if leader else "warn"),
                (f" since {format_minute(incident.began_at, now=context.now)}", "dim"),
            )
        )
    names: dict[str, list[str]] = {}
    for tracked in snapshot.active:
        names.setdefault(tracked.owner, []).append(tracked.alert.name)
    for owner, alerts in sorted(names.items()):
        what = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in Counter(alerts).items())
        head: Line = (text(f" {owner} ", "accent") if owner else (" owner not known " if error else " no owner ", "warn"),)
        first, *more = wrap(text(what)[0], width - width_of(head))[:3]
        lines += [(*head, (first, "")), *(((" " * width_of(head), ""), (part, "")) for part in more)]
    if not (snapshot.alerts_known or names):
        lines.append(((" the alerts are unknown", "unknown"),))
    elif len(lines) == 1:
        lines.append(((" nothing fires and no incident is open", "dim"),))
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
