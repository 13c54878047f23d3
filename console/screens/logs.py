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
    """Fetched when it opens and on `u`; never followed, so that a chatty pod cannot flood the terminal."""

    SCREEN_TITLE = "Log"
    HELP_TEXT = "The last lines of the pod's log, fetched when the screen opened; u fetches them again."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "fetch", "fetch again", tooltip="Fetch the last lines again", id="logs.again"),
    ]

    def __init__(self, pod: str) -> None:
        super().__init__()
        self._pod = pod
        self._fetched = False
        self._title = TextView(classes="title")
        self._page = TextView((((" fetching …", "dim"),),), id="log", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._page

    def draw(self, context: RenderContext) -> None:
        self._title.show((((" Log ", "title"), text(self._pod, "strong")),))
        if not self._fetched and context.session is not None:
            self.action_fetch()

    def show_worker_error(self, group: str) -> None:
        if lines := self.error_lines(group, max(20, self.size.width - 2)):
            self._page.show(lines)

    def _wrap_lines(self, lines: list[str]) -> Iterable[Line]:
        """Wrap, never cut: the end of a log line is often what matters. Continuation lines are indented."""
        width = max(20, self.size.width - 2)
        for line in lines:
            first, *rest = wrap(text(line)[0], width)
            yield ((f" {first}", ""),)
            for part in rest:
                yield from (((f"   {piece}", ""),) for piece in wrap(part, width - 2))

    def action_fetch(self) -> None:
        self._fetched = True
        self.run_worker(self._fetch(), "fetching the log", "logs", exclusive=True)

    async def _fetch(self) -> None:
        session = self.context.session if self.context else None
        if session is None:
            return
        try:
            log = await session.pod_logs(self._pod)
        except SourceError as error:  # shown in place of the log
            self._page.show(((text(f" {error}", "critical"),),))
            return
        lines: tuple[Line, ...] = tuple(self._wrap_lines(log.splitlines()[-LINES:]))
        self._page.show(lines or (((" the log is empty", "dim"),),))
        self._page.scroll_end(animate=False)
