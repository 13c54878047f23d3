"""Every alert in one table: filtered, grouped, sorted, with the cursor where it was."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.screens import keys
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import COLUMNS, affected_component, render_cells
from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import AcknowledgeRequested, OpenAlertRequested, SilenceAlertRequested, SilenceAlertsRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_stale, alerts_caveat
from console.state.snapshot import Snapshot
from queries.model.alert import TrackedAlert
from queries.model.frozen import dataclass
from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.model.series import label
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text
from widgets.table import Table
from widgets.text_view import TextView

SORTS = ("worst first", "oldest unacknowledged first", "newest first", "by name")
GROUPS = ("none", "name", "component", "severity", "provider")
_MATCHER = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"=!~,{}]+)\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\]|\\.)*"|[^\s",{}]+)')


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Matchers and words; `error` says why the text could not be parsed."""

    matchers: tuple[Matcher, ...] = ()
    words: tuple[str, ...] = ()
    error: str = ""

    def matches(self, tracked: TrackedAlert) -> bool:
        """Whether all matchers match and every word occurs in the labels, annotations, owner or state."""
        alert = tracked.alert
        if not all(matcher.matches(alert.labels) for matcher in self.matchers):
            return False
        if not self.words:
            return True
        pairs = (*alert.labels, *alert.annotations)
        haystack = " ".join([*(value for _, value in pairs), tracked.owner, alert.state.value, alert.priority.value]).casefold()
        return all(word in haystack for word in self.words)


def parse_filter(text: str) -> AlertFilter:
    """Parse `severity="critical" deepseek`: matchers have operators, the rest are words."""
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1]
    pieces = _MATCHER.findall(body)
    rest = _MATCHER.sub(" ", body).replace(",", " ")
    try:
        matchers = parse_matchers(", ".join(pieces))
    except MatcherError as error:
        return AlertFilter(error=str(error))
    words = tuple(word.casefold() for word in rest.split())
    if any(character in word for word in words for character in '="~{}'):
        return AlertFilter(matchers, error='expected name="value", name!=, name=~ or name!~, or plain words')
    return AlertFilter(matchers, words)


class AlertsScreen(FilterableScreen, AlertActionsMixin):
    """The cursor stays on its alert; the filter takes Alertmanager's matchers and plain words."""

    SCREEN_TITLE = "Alerts"
    HELP_TEXT = (
        "Every alert of Alertmanager and Prometheus, silenced, inhibited and pending ones included. / filters by matchers "
        '(severity="critical", provider=~"deep.*") and by words; esc clears the filter.'
    )
    FILTER_HINT = 'words, severity="critical", provider=~"deep.*"'
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.ALERT_KEYS,
        keys.GROUP,
        *keys.ALERT_ACTIONS,
        Binding("escape", "leave_filter", "back", tooltip="Clear marks and filter, else back", id="alerts.clear"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._group = 0
        self._filter = AlertFilter()
        self._title = TextView(classes="title")
        self._table: Table[TrackedAlert] = Table(
            COLUMNS,
            key=lambda item: item.alert.fingerprint,
            cells=self._cells,
            empty=NO_ANSWER,
            marks=True,
            orders=SORTS,
            id="alerts",
        )
        self._table.add_class("grow")
        self._known: tuple[object, ...] = ()
        self._rows: tuple[TrackedAlert, ...] = ()
        self._stale = False

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._field

    def draw(self, context: RenderContext) -> None:
        rows = self._arrange_alerts(context.snapshot)
        empty = NO_ANSWER
        if context.snapshot is not None:
            empty = "unknown: neither Alertmanager nor Prometheus has returned the alerts"
            if context.snapshot.alerts_known:
                caveat = alerts_caveat(context)
                empty = "nothing matches the filter"
                if not context.snapshot.alerts:
                    empty = f"no known alert ({caveat})" if caveat else "no alert"
        self._stale = alerts_are_stale(context)
        self._table.show(rows, empty=empty)
        self._title.show((self._render_title(context, len(rows)),))

    def action_silence(self) -> None:
        """The alert under the cursor, or those that are marked: one in the form, several with one preview."""
        match self._table.marked:
            case ():
                super().action_silence()
            case (tracked,):
                self.post_message(SilenceAlertRequested(tracked))
            case several:
                self.post_message(SilenceAlertsRequested(several))

    def current_alert(self) -> TrackedAlert | None:
        return self._table.current

    def action_group(self) -> None:
        self._group = (self._group + 1) % len(GROUPS)
        self.redraw()

    @property
    def view_group(self) -> str:
        return GROUPS[self._group]

    @view_group.setter
    def view_group(self, group: str) -> None:
        self._group = GROUPS.index(group) if group in GROUPS else 0

    def apply_filter(self, text: str) -> None:
        self._filter = parse_filter(text)
        self.redraw()

    def action_acknowledge(self) -> None:
        """Take the alert under the cursor, or all that are marked; those that somebody holds are not asked for."""
        marked = self._table.marked
        if not marked:
            super().action_acknowledge()
        for tracked in marked:
            if not tracked.owner:
                self.post_message(AcknowledgeRequested(tracked.alert.fingerprint))

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        self.post_message(OpenAlertRequested(event.key))

    def _cells(self, tracked: TrackedAlert) -> tuple[Span, ...]:
        context = self.context
        assert context is not None  # noqa: S101  set before rows are drawn
        return render_cells(tracked, context.now, context.changed_ids, context.snapshot, stale=self._stale)

    def _arrange_alerts(self, snapshot: Snapshot | None) -> tuple[TrackedAlert, ...]:
        """The filtered and sorted alerts; computed when something changes, not once per tick."""
        alerts = snapshot.alerts if snapshot else ()
        known = (alerts, self._filter, self._table.order, self._group)
        if self._known and self._known[0] is alerts and self._known[1:] == known[1:]:
            return self._rows
        self._known = known
        self._rows = arrange_alerts(alerts, self._filter, self._table.order, GROUPS[self._group])
        return self._rows

    def _render_title(self, context: RenderContext, shown: int) -> Line:
        every = len(context.alerts)
        count = f"{shown} of {every}" if shown != every else str(every)
        spans: list[Span] = [
            (" Alerts ", "title"),
            (f" {count} ", "strong"),
            (f" {self._table.order_text or self._table.order}", "dim"),
        ]
        if self._group and not self._table.sorts_itself:
            spans.append((f" · by {GROUPS[self._group]}", "dim"))
        if self._filter.error:
            spans.append(text(f" · {self._filter.error}", "warn"))
        elif self._field.value:
            spans.append(text(f" · filter: {self._field.value}", "accent"))
        spans.append((self.marks_text(), "accent"))
        caveat = alerts_caveat(context)
        if caveat:
            spans.append((f" · {caveat}", "unknown"))
        return tuple(spans)


def arrange_alerts(
    alerts: tuple[TrackedAlert, ...], alert_filter: AlertFilter, sort: str, group: str
) -> tuple[TrackedAlert, ...]:
    """The alerts that match, in this order, grouped by this label."""
    rows = [item for item in alerts if alert_filter.matches(item)]
    if sort == "oldest unacknowledged first":
        rows.sort(key=lambda item: (bool(item.owner) or item.alert.state.value == "suppressed", item.alert.starts_at))
    elif sort == "newest first":
        rows.sort(key=lambda item: -item.alert.starts_at)
    elif sort == "by name":
        rows.sort(key=lambda item: (item.alert.name, affected_component(item)))
    if group != "none":
        first: dict[str, int] = {}
        for item in rows:
            first.setdefault(_group_of(item, group), len(first))
        rows.sort(key=lambda item: first[_group_of(item, group)])
    return tuple(rows)


def _group_of(tracked: TrackedAlert, group: str) -> str:
    alert = tracked.alert
    if group == "name":
        return alert.name
    return alert.component if group == "component" else label(alert.labels, group)
