"""All incidents, open ones first, and the response metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.incidents.postmortem import metric_rows
from console.incidents.text import status_text
from console.journal.errors import JournalError
from console.journal.payloads import Role
from console.screens.filterable_screen import FilterableScreen
from console.screens.incident_view import SEVERITY_TONES
from console.screens.messages import DeclareIncidentRequested, OpenIncidentRequested
from console.screens.render_context import RenderContext
from console.state.incident import Incident
from console.state.incident_metrics import compute_metrics
from queries.text.times import format_minute
from widgets.column_widths import Column
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Span, text
from widgets.table import Table
from widgets.text_view import TextView

PAGE = 200
COLUMNS = (
    Column("#", 4),
    Column("sev", 4),
    Column("started", 16, key=lambda item: item.began_at),
    Column("title", 20, flex=4),
    Column("state", 24, flex=3),
    Column("commander", 12, flex=1, rank=2),
)


class IncidentsScreen(FilterableScreen):
    """A list; a single open incident opens automatically, once."""

    SCREEN_TITLE = "Incidents"
    HELP_TEXT = (
        "Every incident of this environment, open ones first. d declares one from the firing P1 alerts; on an alert, i "
        "declares one from that alert. Beyond the last row, older incidents are read from the journal."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "declare", "declare", tooltip="Declare an incident", id="incident.declare"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._table: Table[Incident] = Table(
            COLUMNS, key=lambda item: item.id, cells=self._cells, empty=NO_ANSWER, id="incidents"
        )
        self._table.add_class("grow")
        self._opened: set[str] = set()
        self._older: list[Incident] = []
        """Incidents read beyond the last row: the state holds only the newest."""

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._field

    def draw(self, context: RenderContext) -> None:
        if context.snapshot is None or context.session is None:
            self._title.show((((f" {NO_ANSWER}", "dim"),),))
            return
        error = context.session.journal_error
        incidents = context.snapshot.ledger.incidents
        metrics = " · ".join(f"{name} {value}" for name, value in metric_rows(compute_metrics(incidents.all, now=context.now)))
        self._title.show((((" Incidents ", "title"), text(f" 30 days: {metrics}", "dim"), text(f"  {error}", "critical")),))
        known = {item.id: item for item in (*self._older, *incidents.all)}
        ordered = sorted(known.values(), key=lambda item: (not item.open, -item.began_at))
        empty = "no incident yet; d declares one" if context.session.journal_known else "not known yet"
        self._table.show(tuple(ordered), empty=empty)
        self._table.refresh_changes()
        if len(incidents.open) == 1 and incidents.open[0].id not in self._opened and self.is_current:
            self._opened.add(incidents.open[0].id)
            self.post_message(OpenIncidentRequested(incidents.open[0].id))

    def action_declare(self) -> None:
        self.post_message(DeclareIncidentRequested())

    @on(Rows.EdgeReached)
    def _edge_reached(self, event: Rows.EdgeReached) -> None:
        if event.direction > 0:
            self.run_worker(self._read_older(), "reading older incidents", "older", exclusive=True)

    async def _read_older(self) -> None:
        session, snapshot = (self.context.session, self.context.snapshot) if self.context else (None, None)
        if session is None or snapshot is None or snapshot.ledger.incidents.older <= len(self._older):
            return
        before = self._older[-1].number if self._older else snapshot.ledger.incidents.count + 1
        try:
            self._older += await session.older_incidents(before=before, limit=PAGE)
        except JournalError as error:
            self.show_notice(f"older incidents cannot be read: {error}", warning=True)
        self.redraw()

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        self.post_message(OpenIncidentRequested(event.key))

    def _cells(self, item: Incident) -> tuple[Span, ...]:
        context = self.context
        now = context.now if context else item.declared_at
        state = (
            status_text(item, context.session.severity_policies.for_severity(item.severity), now)
            if context and context.session
            else ""
        )
        tone = "dim" if not item.open else "critical" if "OVERDUE" in state else ""
        return (
            (str(item.number), "dim"),
            (item.severity.value, SEVERITY_TONES[item.severity]),
            (format_minute(item.began_at, now=now), "dim"),
            text(item.title, "strong" if item.open else ""),
            text(state, tone),
            text(item.person(Role.COMMANDER) or "-", "dim"),
        )
