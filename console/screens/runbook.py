"""One runbook: its steps with live values, its actions, and its text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Markdown

from console.incidents.severity_policy import load_response
from console.screens import keys
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_detail import elsewhere_lines, step_line
from console.screens.base import ConsoleScreen, section
from console.screens.messages import CopyRequested, OpenRequested
from console.screens.render_context import RenderContext
from queries.model.alert import TrackedAlert
from queries.model.text import visible
from widgets.styled_text import Line, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.runbooks.page import Runbook
    from console.runbooks.steps import StepResult

REFRESH_SECONDS = 10.0


class RunbookScreen(ConsoleScreen, AlertActionsMixin):
    """Steps are asked again every ten seconds while the screen is open."""

    TITLE_WORDS = "Runbook"
    ABOUT = (
        "One runbook in the order in which one works: confirm, diagnose, mitigate (actions show a preview first), verify, whom "
        "to call, then its text; every step with what is so now. "
        "y copies the address where the alert names one; nothing is opened."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="One line up", id="runbook.up"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="One line down", id="runbook.down"),
        Binding("pageup", "scroll(-10)", "page up", show=False, tooltip="Ten lines up", id="runbook.page_up"),
        Binding("pagedown,space", "scroll(10)", "page", tooltip="Ten lines down", id="runbook.page_down"),
        keys.OWN,
        keys.SILENCE,
        keys.COPY,
        keys.QUERY,
        *keys.WORKLOAD_ACTIONS[:3],
    ]

    def __init__(self, runbook_id: str, *, fingerprint: str = "") -> None:
        super().__init__()
        self._subject = runbook_id
        self._fingerprint = fingerprint
        self._last: TrackedAlert | None = None
        self._steps: dict[int, StepResult] = {}
        self._asked_at = 0.0
        self._shown = ""
        self._doubt = ""
        self._head = TextView(id="runbook-head")
        self._text = Markdown(id="runbook-text", open_links=False)
        self._scroll = VerticalScroll(self._head, self._text, classes="grow")

    def body(self) -> Iterable[Widget]:
        yield self._scroll

    def draw(self, view: RenderContext) -> None:
        runbook = self._runbook()
        width = (self._head.size.width or self.size.width) - 1
        if runbook is None:
            words = "the session is not open yet" if view.session is None else f"there is no runbook {self._subject}"
            self._head.show(((text(f" {words}", "warn"),),))
            return
        if view.now - self._asked_at > REFRESH_SECONDS:
            self._asked_at = view.now
            self.run_worker(self._ask(runbook), "looking at the runbook's steps", "steps", exclusive=True)
        self._head.show(tuple(self._lines(runbook, width)))
        if runbook.body != self._shown:
            self._shown = runbook.body
            self._text.update("\n".join(visible(line) for line in runbook.body.splitlines()))

    def current_alert(self) -> TrackedAlert | None:
        if self._fingerprint and self.view and self.view.snapshot:
            self._last = self.view.snapshot.alert(self._fingerprint) or self._last
        elif not self._fingerprint and self.view:
            served = [item for item in self.view.alerts if item.runbook and item.runbook.id == self._subject]
            # One of this place first: of the others there is nothing to look up here.
            self._last = next((item for item in served if item.elsewhere is None), next(iter(served), self._last))
        return self._last

    def action_scroll(self, by: int) -> None:
        self._scroll.scroll_relative(y=by, animate=False)

    def action_copy(self) -> None:
        tracked = self.current_alert()
        runbook = self._runbook()
        if tracked is not None and tracked.runbook and tracked.runbook.url:
            self.post_message(CopyRequested(tracked.runbook.url, "the runbook's address"))
        elif runbook is not None:
            self.post_message(CopyRequested(runbook.path, "the runbook's path"))

    def action_explore(self) -> None:
        query = next((item.query for item in self._steps.values() if item.query), "")
        self.post_message(OpenRequested("explore", query))

    @on(Markdown.LinkClicked)
    def _link(self, event: Markdown.LinkClicked) -> None:
        event.stop()
        self.post_message(CopyRequested(event.href, "the link"))

    async def _ask(self, runbook: Runbook) -> None:
        session = self.view.session if self.view else None
        if session is None:
            return
        tracked = self.current_alert()
        self._doubt = await asyncio.to_thread(session.subject_error, runbook, tracked)
        async for result in session.runbook_steps(runbook, tracked):
            self._steps[result.index] = result
            self.redraw()

    def _runbook(self) -> Runbook | None:
        session = self.view.session if self.view else None
        return session.runbooks.get(self._subject) if session else None

    def _lines(self, runbook: Runbook, width: int) -> Iterable[Line]:
        tracked = self.current_alert()
        about = f"  for {tracked.alert.name}" if tracked else ""
        yield (text(f" {runbook.headline}", "title"), text(about, "dim"))
        if tracked is not None and tracked.runbook and tracked.runbook.id == runbook.id:
            how = tracked.runbook.matched_by
            if how == "triage":
                yield ((" no runbook fits this alert; this is the general triage page", "warn"),)
            if tracked.runbook.url:
                yield (text(f" the alert also names {tracked.runbook.url} (y copies it)", "dim"),)
        yield from ((text(f" {words}", "warn"),) for words in wrap(visible(self._doubt), width - 2))
        if runbook.broken:
            yield (text(f" BROKEN {runbook.broken}", "warn"),)
        yield from self.error_lines("steps", width)
        yield from self._phase_lines(runbook, "", "Steps", width)
        yield from self._phase_lines(runbook, "confirm", "Confirm", width)
        yield from self._phase_lines(runbook, "diagnose", "Diagnose", width)
        yield from self._action_lines(runbook, width)
        yield from self._phase_lines(runbook, "verify", "Verify", width)
        yield from self._escalation_lines(runbook, width)
        yield section("Text", width)

    def _phase_lines(self, runbook: Runbook, phase: str, title: str, width: int) -> Iterable[Line]:
        steps = runbook.steps_of(phase)
        if steps:
            yield section(title, width)
        for index, step in steps:
            result = self._steps.get(index)
            if result is None:
                failed = "steps" in self.worker_errors
                word, tone = ("FAILED  ", "critical") if failed else ("…       ", "dim")
                yield ((f" {index + 1:>2} ", "dim"), (word, tone), text(step.title, "strong"))
                continue
            yield step_line(result, width)
            for told in result.text.splitlines()[:12]:
                for words in wrap(visible(told), width - 14):
                    yield ((" " * 12, ""), (words, "dim"))

    def _action_lines(self, runbook: Runbook, width: int) -> Iterable[Line]:
        tracked = self.current_alert()
        offered = tracked.suggestions if tracked else ()
        if tracked is not None and tracked.elsewhere is not None:
            yield section("Mitigate", width)
            yield from elsewhere_lines(tracked, width)
        elif offered:
            yield section("Mitigate", width)
            for item in offered:
                yield (("  ", ""), text(item.sentence, "strong"), text(f"   {item.command}", "dim"))
        elif runbook.actions:
            yield section("Mitigate", width)
            for action in runbook.actions:
                yield (text(f"  {action.action} {action.target}", "strong"), ("   (: runs it by name)", "dim"))

    def _escalation_lines(self, runbook: Runbook, width: int) -> Iterable[Line]:
        response = load_response(self.view.settings.incidents) if self.view and runbook.escalate else None
        if response is None:
            return
        yield section("Escalate", width)
        for item in runbook.escalate:
            contact = response.contact(item.to)
            first, *more = wrap(item.when, width - 14) or [""]
            yield (text(f"  {item.to:<10}", "strong"), text(first))
            yield from ((text(f"{'':12}{words}"),) for words in more)
            yield (text(f"{'':12}{contact.ways if contact else 'no contact is configured'}", "dim"),)
