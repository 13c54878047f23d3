"""The services outside the cluster: their health, their last backup and change, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from console.actions.external import describe_step
from console.actions.plan import Outcome, Request
from console.journal.event import Event
from console.objects.outside import ServiceReading
from console.screens import keys
from console.screens.base import section
from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import ActionRequested
from console.screens.reading_screen import ReadingScreen
from console.screens.render_context import RenderContext
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from widgets.column_widths import Column
from widgets.rows import Rows
from widgets.styled_text import VERDICT_TONES, Line, Span, text, wrap
from widgets.table import Table, set_keys
from widgets.text_view import TextView

REFRESH_SECONDS = 15.0
_COLUMNS = (
    Column("", 8, name="state"),
    Column("service", 16, flex=2),
    Column("health", 22, flex=3),
    Column("backup", 6, right=True),
    Column("last change", 20, flex=1, rank=1),
    Column("by", 14, rank=2),
)
_STEPS = ("backup", "update", "restart", "health", "restore", "smoke")
_TONES = {Outcome.DONE.value: "ok", Outcome.ROLLED_BACK.value: "warn"}


class ServicesScreen(FilterableScreen, ReadingScreen):
    """The worst first; below, the service under the cursor: its programs and its last change."""

    SCREEN_TITLE = "Services outside the cluster"
    HELP_TEXT = (
        "Every service that the config file names under `services`, the worst first: its health now, the age of its last "
        "backup, and how its last update or restore ended, from the journal. x or enter updates or restores the one under the "
        "cursor. Reading starts no program: where a program tells the health, the row shows when an action last found it "
        "healthy. / filters by words."
    )
    BINDINGS: ClassVar[list[BindingType]] = [keys.ACTIONS]
    refresh_seconds = REFRESH_SECONDS

    def __init__(self) -> None:
        super().__init__()
        self._head = TextView(classes="title")
        self._failure = TextView(id="services-failure")
        self._table: Table[ServiceReading] = Table(
            set_keys(
                _COLUMNS,
                {
                    "state": lambda item: float(item.verdict.rank),
                    "backup": lambda item: -item.backup.at if item.backup else None,
                    "last change": lambda item: -item.change.at if item.change else None,
                },
            ),
            key=lambda item: item.service.name,
            cells=self._cells,
            empty="no answer yet",
            id="services",
        )
        self._detail = TextView(id="service")
        self._services: tuple[ServiceReading, ...] | None = None

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._failure
        yield self._table
        yield self._detail
        yield self._field

    def describe_reading(self) -> str:
        return "reading the services outside the cluster"

    async def read(self) -> bool:
        session = self.context.session if self.context else None
        if session is None:
            return False
        before = self._services
        async for found in session.outside_services():
            # What is shown with its health is not replaced by what is known before the answer.
            if before is None or all(item.answered for item in found):
                self._services = found
                self.redraw()
        return True

    def draw(self, context: RenderContext) -> None:
        self.read_if_due()
        self._failure.show(self.render_failure(self.width))
        found = self._services
        spans: list[Span] = [(" Services outside the cluster ", "title")]
        if found:
            healthy = sum(item.verdict is Verdict.OK for item in found)
            spans.append((f" {healthy} of {len(found)} {'healthy' if self.current else 'were healthy'}", "strong"))
        self._head.show(((*spans, *self.state_of_reading()),))
        if found is not None:
            self._table.show(found, empty="the config file names none under `services`")
        self._detail.show(tuple(self._detail_lines()))

    def menu_entries(self) -> Iterable[tuple[str, str]]:
        """What can be done with the service under the cursor."""
        item, session = self._table.current, self.context.session if self.context else None
        for action in session.actions if session and item else ():
            if item and action.target_kind == "external":
                yield f"act({action.name!r})", f"{action.title} {item.target}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "actions" and self._table.current is None else super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        return "no service under the cursor" if action == "actions" else super().why_disabled(action)

    def action_act(self, name: str) -> None:
        if (item := self._table.current) is not None:
            self.post_message(ActionRequested(Request(name, item.target)))

    @on(Rows.Selected)
    def _open_selected(self) -> None:
        self.action_actions()

    @on(Rows.Highlighted)
    def _highlighted(self) -> None:
        self._detail.show(tuple(self._detail_lines()))
        self.refresh_bindings()

    def _cells(self, item: ServiceReading) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        word, tone = item.verdict.word, VERDICT_TONES[item.verdict]
        if not self.current and self.read_at:
            word, tone = Verdict.STALE.word, "unknown"
        health = f"healthy {format_age(now - item.health_at)} ago" if item.health_at is not None else item.health
        if item.running:
            health = f"{health}; a run has no outcome"
        change, change_tone = _describe_change(item.change, now)
        return (
            (word, tone),
            text(item.service.name, "strong"),
            text(health, "" if item.verdict is Verdict.OK else tone),
            (format_age(now - item.backup.at) if item.backup else "none", "" if item.backup else "unknown"),
            text(change, change_tone),
            text(item.change.author if item.change else "-", "dim"),
        )

    def _detail_lines(self) -> Iterable[Line]:
        item = self._table.current
        if item is None:
            return
        now, width = self.context.now if self.context else 0.0, self.width
        yield section(item.target, width)
        facts = [("health", item.health), ("running", item.running)]
        if item.change is not None:
            facts.append(("changed", f"{format_age(now - item.change.at)} ago: {item.change.data.get('text', '')}"))
        if item.backup is not None:
            answer = item.backup.data.get("answer") or "where `backup` keeps it"
            facts.append(("saved", f"{format_age(now - item.backup.at)} ago: {answer}"))
        for name, value in facts:
            for at, part in enumerate(wrap(visible(str(value)), width - 12)[:4] if value else ()):
                yield ((f" {name if at == 0 else '':<9} ", "dim"), (part, ""))
        yield section("What its actions run", width)
        for step in _STEPS:
            if command := describe_step(item.service, step):
                for at, part in enumerate(wrap(visible(command), width - 12)[:2]):
                    yield ((f" {step if at == 0 else '':<9} ", "dim"), (part, ""))


def _describe_change(change: Event | None, now: float) -> tuple[str, str]:
    """`done 3d ago`, and its tone."""
    if change is None:
        return "none", "dim"
    outcome = str(change.data.get("outcome"))
    return f"{outcome} {format_age(now - change.at)} ago", _TONES.get(outcome, "critical")
