"""Evaluates a PromQL expression that a person types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.screens.base import ConsoleScreen
from console.screens.render_context import RenderContext
from queries.errors import SourceError
from queries.model.series import drop_labels, format_labels
from queries.text.numbers import format_short
from widgets.styled_text import Line, fit, text, wrap
from widgets.text_view import TextView

MOST = 1000


class QueryField(Input):
    """An input whose enter key is in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "run", key_display="enter", tooltip="Evaluate the expression now", id="explore.ask")
    ]


class ExploreScreen(ConsoleScreen):
    """One instant query at a time."""

    SCREEN_TITLE = "Explore"
    HELP_TEXT = "Type a PromQL expression and press enter to evaluate it now. ${requests[5m]} stands for a signal."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "focus_result", "to the result", tooltip="To the result, to scroll it", id="explore.answer"),
        Binding("escape", "leave", "back", tooltip="From the result to the field, or back", id="explore.back"),
    ]

    def __init__(self, query: str = "") -> None:
        super().__init__()
        self._field = QueryField(
            query, placeholder="PromQL, also with signals: sum by (provider) (${requests[5m]})", id="promql"
        )
        self._field.add_class("field")
        self._title = TextView(classes="title")
        self._result = TextView(id="result", focusable=True)
        self._result.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._field
        yield self._result

    def on_mount(self) -> None:
        super().on_mount()
        self._field.focus()
        if self._field.value:
            self.call_after_refresh(self.action_run)

    def show_worker_error(self, group: str) -> None:
        if lines := self.error_lines(group, max(20, self.size.width - 2)):
            self._result.show(lines)

    def draw(self, context: RenderContext) -> None:
        self._title.show((((" Explore ", "title"), (" PromQL, evaluated now", "dim")),))

    def action_focus_result(self) -> None:
        self._result.focus()

    async def action_leave(self) -> None:
        if self._result.has_focus:
            self._field.focus()
        else:
            await self.app.run_action("back")

    @on(Input.Submitted)
    def action_run(self) -> None:
        self._result.show((((" evaluating …", "dim"),),))
        self.run_worker(self._evaluate(self._field.value.strip()), "evaluating the expression", "explore", exclusive=True)

    async def _evaluate(self, query: str) -> None:
        session = self.context.session if self.context else None
        if session is None or not query:
            self._result.show((((" type an expression" if session else " the session is not open yet", "dim"),),))
            return
        width = max(20, self.size.width - 2)
        try:
            result = await session.evaluate(query)
        except SourceError as error:  # an invalid expression, an unreachable server: shown as the result
            self._result.show(tuple(((f" {part}", "critical"),) for part in wrap(text(str(error))[0], width)))
            return
        lines: list[Line] = [(text(f" {warning}", "warn"),) for warning in result.warnings]
        if result.samples:
            lines.append(((f" {len(result.samples)} series", "dim"),))
        else:
            lines.append(((" NO DATA: the expression returns no series now", "unknown"),))
        for sample in result.samples[:MOST]:
            name = sample.label("__name__")
            lines.append(
                (
                    (fit(format_short(sample.value), 14, right=True) + "  ", "strong"),
                    text(name + format_labels(drop_labels(sample.labels, "__name__"))),
                )
            )
        if len(result.samples) > MOST:
            lines.append(((f" and {len(result.samples) - MOST} more", "dim"),))
        self._result.show(tuple(lines))
