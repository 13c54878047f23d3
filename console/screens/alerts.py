"""Every alert in one table: filtered, grouped, sorted, with the cursor where it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.screens import keys
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_filter import AlertFilter, parse_filter
from console.screens.alert_row import COLUMNS, cells, place_of
from console.screens.filterable_screen import FilterableScreen, FilterField
from console.screens.messages import OpenRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_old, alerts_reservation
from console.state.snapshot import Snapshot
from queries.model.alert import TrackedAlert
from queries.model.series import label
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text
from widgets.table import Table
from widgets.text_view import TextView

SORTS = ("worst first", "oldest unacknowledged first", "newest first", "by name")
GROUPS = ("none", "name", "component", "severity", "provider")


class AlertsScreen(FilterableScreen, AlertActionsMixin):
    """The table keeps its cursor by fingerprint; the filter takes Alertmanager's matchers and free words."""

    TITLE_WORDS = "Alerts"
    ABOUT = (
        "Every alert that Alertmanager or Prometheus knows, also silenced, inhibited and pending ones. / filters by matchers "
        '(severity="critical", provider=~"deep.*") and by words; esc clears the filter.'
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.FILTER,
        *keys.ALERT_KEYS,
        keys.SORT,
        keys.GROUP,
        keys.ROLLBACK,
        Binding("escape", "leave_filter", "clear", show=False, tooltip="Clear the filter, else back", id="alerts.clear"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._sort = 0
        self._group = 0
        self._filter = AlertFilter()
        self._title = TextView(classes="title")
        self._table: Table[TrackedAlert] = Table(
            COLUMNS, key=lambda item: item.alert.fingerprint, cells=self._cells, empty=NO_ANSWER, id="alerts"
        )
        self._table.add_class("grow")
        self._field = FilterField(
            placeholder='words, severity="critical", provider=~"deep.*"', id="filter", classes="field hidden"
        )
        self._known: tuple[object, ...] = ()
        self._rows: tuple[TrackedAlert, ...] = ()
        self._old = False

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._field

    def draw(self, view: RenderContext) -> None:
        rows = self._wanted(view.snapshot)
        empty = NO_ANSWER
        if view.snapshot is not None:
            empty = "not known: neither Alertmanager nor Prometheus said which alerts there are"
            if view.snapshot.alerts_known:
                doubt = alerts_reservation(view)
                empty = "nothing matches the filter"
                if not view.snapshot.alerts:
                    empty = f"no alert known ({doubt})" if doubt else "no alert at all"
        self._old = alerts_are_old(view)
        self._table.show(rows, empty=empty)
        self._title.show((self._words(view, len(rows)),))

    def current_alert(self) -> TrackedAlert | None:
        return self._table.current

    def action_sort(self) -> None:
        self._sort = (self._sort + 1) % len(SORTS)
        self.redraw()

    def action_group(self) -> None:
        self._group = (self._group + 1) % len(GROUPS)
        self.redraw()

    def narrow(self, words: str) -> None:
        self._filter = parse_filter(words)
        self.redraw()

    @on(Rows.Selected)
    def _open(self, event: Rows.Selected) -> None:
        self.post_message(OpenRequested("alert", event.key))

    def _cells(self, tracked: TrackedAlert) -> tuple[Span, ...]:
        view = self.view
        assert view is not None  # noqa: S101  rows are drawn only once there is a view
        return cells(tracked, view.now, view.marked, view.snapshot, old=self._old)

    def _wanted(self, snapshot: Snapshot | None) -> tuple[TrackedAlert, ...]:
        """Filtered and sorted once for a set of alerts and wishes, not once a tick."""
        alerts = snapshot.alerts if snapshot else ()
        known = (alerts, self._filter, self._sort, self._group)
        if self._known and self._known[0] is alerts and self._known[1:] == known[1:]:
            return self._rows
        self._known = known
        self._rows = arrange(alerts, self._filter, SORTS[self._sort], GROUPS[self._group])
        return self._rows

    def _words(self, view: RenderContext, shown: int) -> Line:
        every = len(view.alerts)
        count = f"{shown} of {every}" if shown != every else str(every)
        spans: list[Span] = [(" Alerts ", "title"), (f" {count} ", "strong"), (f" {SORTS[self._sort]}", "dim")]
        if self._group:
            spans.append((f" · by {GROUPS[self._group]}", "dim"))
        if self._filter.complaint:
            spans.append(text(f" · {self._filter.complaint}", "warn"))
        elif self._field.value:
            spans.append(text(f" · filter: {self._field.value}", "accent"))
        doubt = alerts_reservation(view)
        if doubt:
            spans.append((f" · {doubt}", "unknown"))
        return tuple(spans)


def arrange(alerts: tuple[TrackedAlert, ...], wanted: AlertFilter, sort: str, group: str) -> tuple[TrackedAlert, ...]:
    """The alerts that are wanted, in this order, grouped by this label."""
    rows = [item for item in alerts if wanted.wants(item)]
    if sort == "oldest unacknowledged first":
        rows.sort(key=lambda item: (bool(item.owner) or item.alert.state.value == "suppressed", item.alert.starts_at))
    elif sort == "newest first":
        rows.sort(key=lambda item: -item.alert.starts_at)
    elif sort == "by name":
        rows.sort(key=lambda item: (item.alert.name, place_of(item)))
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
