"""The last log lines of one pod."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.screens.base import ConsoleScreen
from console.screens.render_context import RenderContext
from queries.errors import SourceError
from widgets.styled_text import Line, text, wrap
from widgets.text_view import TextView

LINES = 2000


class LogsScreen(ConsoleScreen):
    """Asked when it opens and on `u`; never followed, so that a chatty pod cannot flood the terminal."""

    TITLE_WORDS = "Log"
    ABOUT = "The last lines of the pod's log as they were when the screen opened; u asks again."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "ask_again", "ask again", tooltip="The last lines as they are now", id="logs.again"),
    ]

    def __init__(self, pod: str) -> None:
        super().__init__()
        self._pod = pod
        self._asked = False
        self._title = TextView(classes="title")
        self._page = TextView((((" asking …", "dim"),),), id="log", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._page

    def draw(self, view: RenderContext) -> None:
        self._title.show((((" Log ", "title"), text(self._pod, "strong")),))
        if not self._asked and view.session is not None:
            self.action_ask_again()

    def show_worker_error(self, group: str) -> None:
        if lines := self.error_lines(group, max(20, self.size.width - 2)):
            self._page.show(lines)

    def _wrapped(self, told: list[str]) -> Iterable[Line]:
        """Whole lines: the end of a log line often is what matters. What goes on is indented."""
        width = max(20, self.size.width - 2)
        for line in told:
            first, *rest = wrap(text(line)[0], width)
            yield ((f" {first}", ""),)
            for more in rest:
                yield from (((f"   {words}", ""),) for words in wrap(more, width - 2))

    def action_ask_again(self) -> None:
        self._asked = True
        self.run_worker(self._ask(), "asking for the log", "logs", exclusive=True)

    async def _ask(self) -> None:
        session = self.view.session if self.view else None
        if session is None:
            return
        try:
            told = await session.pod_logs(self._pod)
        except SourceError as error:  # what the cluster says is shown in place of the log
            self._page.show(((text(f" {error}", "critical"),),))
            return
        lines: tuple[Line, ...] = tuple(self._wrapped(told.splitlines()[-LINES:]))
        self._page.show(lines or (((" the log is empty", "dim"),),))
        self._page.scroll_end(animate=False)
