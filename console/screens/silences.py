"""The silences: who silenced what, until when; create, edit and expire them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from console.actions.plan import Request
from console.screens import keys
from console.screens.base import section
from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import ActionRequested, BatchRequested, CopyRequested, EditSilenceRequested, NewSilenceRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import as_of_suffix, unhealthy_label
from queries.model.silence import Silence
from queries.model.source import Health
from queries.text.durations import format_age
from queries.text.times import format_minute
from widgets.column_widths import Column
from widgets.formatting import NO_ANSWER, severity_label
from widgets.rows import Rows
from widgets.styled_text import Line, Span, severity_tone, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

COLUMNS = (
    Column("state", 10),
    Column("ends", 11),
    Column("hides", 5, right=True),
    Column("matchers", 22, flex=4),
    Column("by", 10, flex=1, rank=2),
    Column("comment", 14, flex=3, rank=1),
)
_ORDER = {"active": 0, "pending": 1, "expired": 2}


class SilencesScreen(FilterableScreen):
    """Active silences first; below, the alerts that the one under the cursor suppresses."""

    SCREEN_TITLE = "Silences"
    HELP_TEXT = (
        "Every silence in Alertmanager; below, the alerts that it suppresses now. / filters by words. n creates one, "
        "e edits it, d expires it, or those that you marked with space."
    )
    BINDINGS: ClassVar[list[BindingType]] = [keys.NEW, keys.EDIT, keys.COPY, keys.ACTIONS, keys.EXPIRE]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._table: Table[Silence] = Table(
            COLUMNS, key=lambda item: item.id, cells=self._cells, empty=NO_ANSWER, marks=True, id="silences"
        )
        self._table.add_class("grow")
        self._hidden = TextView(id="hidden")
        self._counts: dict[str, int] = {}
        self._stale = False

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._hidden
        yield self._field

    def draw(self, context: RenderContext) -> None:
        snapshot = context.snapshot
        silences = sorted(snapshot.silences, key=lambda item: (_ORDER.get(item.state, 3), item.ends_at)) if snapshot else []
        counts: dict[str, int] = {}
        for tracked in context.alerts:
            for identity in tracked.alert.silenced_by:
                counts[identity] = counts.get(identity, 0) + 1
        self._counts = counts
        active = sum(1 for item in silences if item.state == "active")
        self._stale = bool(unhealthy_label(context, "alertmanager"))
        source = snapshot.source("alertmanager") if snapshot else None
        responding = source is not None and source.health.serves
        count: tuple[Span, ...] = ((f" {active} active", "strong"), (f" of {len(silences)}", "dim"))
        known = responding or (source is not None and source.last_good_at is not None)
        age = as_of_suffix(context, "alertmanager")
        spans = ((" Silences ", "title"), *(count if known else ()), (self.marks_text(), "accent"), (age, "unknown"))
        self._title.show((spans,))
        empty = NO_ANSWER
        if source is not None and source.health is not Health.WAITING:
            empty = (
                "no silence (n creates one)"
                if responding
                else (source.fault.sentence() if source.fault else source.health.value)
            )
        self._table.show(tuple(silences), empty=empty)
        self._hidden.show(tuple(self._hidden_lines(context)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self._table.current is None and action in ("edit", "copy", "act"):
            return None
        return super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        own = action in ("edit", "copy") or action.startswith("act(")
        return "no silence under the cursor" if own else super().why_disabled(action)

    def action_new(self) -> None:
        self.post_message(NewSilenceRequested())

    def action_edit(self) -> None:
        if self._table.current is not None:
            self.post_message(EditSilenceRequested(self._table.current))

    def action_copy(self) -> None:
        if self._table.current is not None:
            self.post_message(CopyRequested(self._table.current.id, "the silence's id"))

    def action_act(self, name: str) -> None:
        if marked := [item for item in self._table.marked if item.state != "expired"]:
            self.post_message(BatchRequested(tuple(Request(name, f"silence/{item.id}") for item in marked)))
            return
        silence = self._table.current
        if silence is None:
            return
        if silence.state == "expired":
            self.show_notice("this silence has already ended")
            return
        self.post_message(ActionRequested(Request(name, f"silence/{silence.id}")))

    @on(Rows.Selected)
    def _edit_selected(self) -> None:
        self.action_edit()

    @on(Rows.Highlighted)
    def _silence_highlighted(self) -> None:
        if self.context is not None:
            self._hidden.show(tuple(self._hidden_lines(self.context)))

    def _hidden_lines(self, context: RenderContext) -> Iterable[Line]:
        silence = self._table.current
        if silence is None:
            return
        width = self.size.width
        yield section("This silence", width)
        period = f"{format_minute(silence.starts_at, now=context.now)} to {format_minute(silence.ends_at, now=context.now)}"
        for name, value in (
            ("matchers", ", ".join(str(matcher) for matcher in silence.matchers)),
            ("comment", silence.comment or "-"),
            ("by", f"{silence.created_by}, {period}"),
        ):
            for at, part in enumerate(wrap(text(value)[0], width - 12)[:3]):
                yield ((f" {name if at == 0 else '':<9} ", "dim"), (part, ""))
        yield section("What it suppresses now", width)
        suppressed = [item.alert for item in context.alerts if silence.id in item.alert.silenced_by]
        for alert in suppressed[:8]:
            label = f" {alert.priority} {severity_label(alert):<5}"
            yield (text(label, severity_tone(alert.priority)), text(alert.name, "strong"), text(f"  {alert.component}"))
        if len(suppressed) > 8:
            yield ((f" and {len(suppressed) - 8} more", "dim"),)
        if not suppressed:
            yield ((" unknown" if self._stale else " no alert", "dim"),)

    def _cells(self, item: Silence) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        tone = {"active": "ok", "pending": "accent"}.get(item.state, "dim")
        left = item.ends_at - now
        ends = f"in {format_age(left)}" if left > 0 else f"{format_age(-left)} ago"
        count = self._counts.get(item.id, 0)
        return (
            text(f"was {item.state}" if self._stale else item.state, "unknown" if self._stale else tone),
            (ends, ""),
            (str(count) if count else "-", "strong" if count else "dim"),
            text(", ".join(str(matcher) for matcher in item.matchers)),
            text(item.created_by, "dim"),
            text(item.comment, "dim"),
        )
