"""Type PromQL, see the answer."""

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
from queries.model.series import braces, without
from widgets.formatting import format_short
from widgets.styled_text import Line, fit, text, wrap
from widgets.text_view import TextView

MOST = 1000


class QueryField(Input):
    """An input whose enter key is told in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "ask", key_display="enter", tooltip="Evaluate the expression now", id="explore.ask")
    ]


class ExploreScreen(ConsoleScreen):
    """One instant query at a time."""

    TITLE_WORDS = "Explore"
    ABOUT = "Type a PromQL expression and press enter; the answer is what it gives now. ${requests[5m]} stands for a signal."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "to_answer", "into the answer", tooltip="Into the answer, to scroll it", id="explore.answer"),
        Binding("escape", "leave", "back", tooltip="Off the answer, else back to where you were", id="explore.back"),
    ]

    def __init__(self, query: str = "") -> None:
        super().__init__()
        self._field = QueryField(
            query, placeholder="PromQL, also with signals: sum by (provider) (${requests[5m]})", id="promql"
        )
        self._field.add_class("field")
        self._title = TextView(classes="title")
        self._answer = TextView(id="answer", focusable=True)
        self._answer.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._field
        yield self._answer

    def on_mount(self) -> None:
        super().on_mount()
        self._field.focus()
        if self._field.value:
            self.call_after_refresh(self.action_ask)

    def show_worker_error(self, group: str) -> None:
        if lines := self.error_lines(group, max(20, self.size.width - 2)):
            self._answer.show(lines)

    def draw(self, view: RenderContext) -> None:
        self._title.show((((" Explore ", "title"), (" PromQL, evaluated now", "dim")),))

    def action_to_answer(self) -> None:
        self._answer.focus()

    async def action_leave(self) -> None:
        if self._answer.has_focus:
            self._field.focus()
        else:
            await self.app.run_action("back")

    @on(Input.Submitted)
    def action_ask(self) -> None:
        self._answer.show((((" asking …", "dim"),),))
        self.run_worker(self._ask(self._field.value.strip()), "evaluating the expression", "explore", exclusive=True)

    async def _ask(self, query: str) -> None:
        session = self.view.session if self.view else None
        if session is None or not query:
            self._answer.show((((" type an expression" if session else " the session is not open yet", "dim"),),))
            return
        width = max(20, self.size.width - 2)
        try:
            answer = await session.evaluate(query)
        except SourceError as error:  # a wrong expression, a dead server: the sentence is the answer
            self._answer.show(tuple(((f" {words}", "critical"),) for words in wrap(text(str(error))[0], width)))
            return
        lines: list[Line] = [(text(f" {warning}", "warn"),) for warning in answer.warnings]
        lines.append(((f" {len(answer.samples)} series", "dim"),))
        for sample in answer.samples[:MOST]:
            name = sample.label("__name__")
            lines.append(
                (
                    (fit(format_short(sample.value), 14, right=True) + "  ", "strong"),
                    text(name + braces(without(sample.labels, "__name__"))),
                )
            )
        if not answer.samples:
            lines = [((" NO DATA: the expression gives no series now", "unknown"),)]
        elif len(answer.samples) > MOST:
            lines.append(((f" and {len(answer.samples) - MOST} more", "dim"),))
        self._answer.show(tuple(lines))
