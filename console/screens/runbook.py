"""One runbook: its steps with live values, its actions, and its text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Markdown

from console.actions.plan import Request
from console.alerts.resolution import find_tracked
from console.screens import keys
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_detail import render_elsewhere, render_step
from console.screens.base import ConsoleScreen, section
from console.screens.messages import ActionRequested, CopyRequested, OpenExploreRequested
from console.screens.render_context import RenderContext
from queries.concurrency import maybe_offload
from queries.model.alert import Suggestion, TrackedAlert
from queries.model.series import Labels, format_labels
from queries.model.text import visible
from widgets.styled_text import Line, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.runbooks.page import Runbook
    from console.runbooks.steps import StepResult

REFRESH_SECONDS = 10.0


class RunbookScreen(ConsoleScreen, AlertActionsMixin):
    """The steps run again every ten seconds while the screen is open."""

    SCREEN_TITLE = "Runbook"
    HELP_TEXT = (
        "One runbook in working order: confirm, diagnose, mitigate (actions show a preview first), verify, escalate, then its "
        "text; every step with its live result. y copies the URL if the alert names one; nothing is opened."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="One line up", id="runbook.up"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="One line down", id="runbook.down"),
        Binding("pageup", "scroll(-10)", "page up", show=False, tooltip="Ten lines up", id="runbook.page_up"),
        Binding("pagedown,space", "scroll(10)", "page", tooltip="Ten lines down", id="runbook.page_down"),
        keys.ACKNOWLEDGE,
        keys.SILENCE,
        keys.COPY,
        keys.QUERY,
        keys.ACTIONS,
        *keys.WORKLOAD_ACTIONS[:3],
    ]

    def __init__(self, runbook_id: str, *, fingerprint: str = "") -> None:
        super().__init__()
        self._runbook_id = runbook_id
        self._fingerprint = fingerprint
        self._last: TrackedAlert | None = None
        self._steps: dict[int, StepResult] = {}
        self._fetched_at = 0.0
        self._rendered_body = ""
        self._subject: tuple[Labels, str] = ((), "")
        """The labels of the alert, and those that distinguish it from its namesakes; the latter are compared in a thread."""
        self._subject_error = ""
        self._head = TextView(id="runbook-head")
        self._text = Markdown(id="runbook-text", open_links=False)
        self._scroll = _Page(self._head, self._text, classes="grow")

    def body(self) -> Iterable[Widget]:
        yield self._scroll

    def draw(self, context: RenderContext) -> None:
        runbook = self._runbook()
        width = (self._head.size.width or self.size.width) - 1
        if runbook is None:
            part = "the session is not open yet" if context.session is None else f"there is no runbook {self._runbook_id}"
            self._head.show(((text(f" {part}", "warn"),),))
            return
        self.current_alert()  # forgets the results of another alert
        outdated = context.now - self._fetched_at > REFRESH_SECONDS and not self.has_worker("steps")
        if outdated or not self._fetched_at:  # for another alert at once
            self._fetched_at = context.now
            self.run_worker(self._fetch_steps(runbook), "running the runbook's steps", "steps", exclusive=True)
        self._head.show(tuple(self._lines(runbook, width)))
        if runbook.body != self._rendered_body:
            self._rendered_body = runbook.body
            self._text.update("\n".join(visible(line) for line in runbook.body.splitlines()))

    def current_alert(self) -> TrackedAlert | None:
        if self._fingerprint and self.context and self.context.snapshot:
            labels = self._last.alert.labels_to_deliver if self._last is not None else ()
            found = find_tracked(self._fingerprint, labels, self.context.snapshot)
            if found is not None:
                self._last, self._fingerprint = found, found.alert.fingerprint
        elif not self._fingerprint and self.context:
            before = self._last
            self._last = self._choose_alert(self.context)
            if self._last is not None and (before is None or not _is_same(before, self._last)):
                self._steps.clear()
                self._subject_error, self._fetched_at = "", 0.0
        return self._last

    def _choose_alert(self, context: RenderContext) -> TrackedAlert | None:
        """The chosen alert while the server lists it, however the list is sorted; else another one of this runbook."""
        served = [item for item in context.alerts if item.runbook and item.runbook.id == self._runbook_id]
        if self._last is not None:
            for item in served:
                if _is_same(item, self._last):
                    return item
        # Prefer an alert of this cluster: nothing can be looked up here for another one.
        return next((item for item in served if item.elsewhere is None), next(iter(served), self._last))

    def _describe_subject(self, tracked: TrackedAlert) -> str:
        """The alert's name, with the labels in which it differs from the others of that name, as soon as they are known."""
        labels, distinct = self._subject
        return tracked.alert.name + (distinct if labels == tracked.alert.labels else "")

    def menu_entries(self) -> Iterable[tuple[str, str]]:
        """The calls of the platform's administration that the runbook names."""
        runbook = self._runbook()
        for call in self._list_calls(runbook) if runbook is not None else ():
            yield f"call({call.target!r})", call.sentence

    def action_call(self, target: str) -> None:
        runbook = self._runbook()
        call = next((item for item in self._list_calls(runbook) if item.target == target), None) if runbook else None
        if call is not None:
            cause = f"runbook {self._runbook_id}"
            self.post_message(ActionRequested(Request(call.action, target, dict(call.parameters), cause)))

    def _list_calls(self, runbook: Runbook) -> tuple[Suggestion, ...]:
        from console.runbooks.suggested_actions import suggest_calls  # noqa: PLC0415  # not before the first frame

        return suggest_calls(runbook, self.context.settings.own.admin_calls) if self.context else ()

    def action_scroll(self, by: int) -> None:
        self._scroll.scroll_relative(y=by, animate=False)

    def action_copy(self) -> None:
        tracked = self.current_alert()
        runbook = self._runbook()
        if tracked is not None and tracked.runbook and tracked.runbook.url:
            self.post_message(CopyRequested(tracked.runbook.url, "the runbook's URL"))
        elif runbook is not None:
            self.post_message(CopyRequested(runbook.path, "the runbook's path"))

    def action_explore(self) -> None:
        query = next((item.query for item in self._steps.values() if item.query and item.source == "prometheus"), "")
        self.post_message(OpenExploreRequested(query))

    @on(Markdown.LinkClicked)
    def _copy_link(self, event: Markdown.LinkClicked) -> None:
        event.stop()
        self.post_message(CopyRequested(event.href, "the link"))

    async def _fetch_steps(self, runbook: Runbook) -> None:
        session = self.context.session if self.context else None
        if session is None:
            return
        tracked = self.current_alert()
        if tracked is not None:
            listed = self.context.alerts if self.context else ()
            distinct = await maybe_offload(partial(_find_distinct_labels, tracked, listed), len(listed))
            before, self._subject = self._subject, (tracked.alert.labels, format_labels(distinct))
            if self._subject != before:
                self.redraw()
        self._subject_error = await asyncio.to_thread(session.subject_error, runbook, tracked)
        async for result in session.runbook_steps(runbook, tracked):
            self._steps[result.index] = result
            self.redraw()

    def _runbook(self) -> Runbook | None:
        session = self.context.session if self.context else None
        return session.runbooks.get(self._runbook_id) if session else None

    def _lines(self, runbook: Runbook, width: int) -> Iterable[Line]:
        tracked = self.current_alert()
        subject = f"  for {self._describe_subject(tracked)}" if tracked else ""
        yield (text(f" {runbook.headline}", "title"), text(subject, "dim"))
        if tracked is not None and tracked.runbook and tracked.runbook.id == runbook.id:
            matched_by = tracked.runbook.matched_by
            if matched_by == "triage":
                yield ((" no runbook matches this alert; this is the general triage page", "warn"),)
            if tracked.runbook.url:
                yield (text(f" the alert also names {tracked.runbook.url} (y copies it)", "dim"),)
        yield from ((text(f" {part}", "warn"),) for part in wrap(visible(self._subject_error), width - 2))
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
            yield render_step(result, width)
            for line in result.text.splitlines()[:12]:
                for part in wrap(visible(line), width - 14):
                    yield ((" " * 12, ""), (part, "dim"))

    def _action_lines(self, runbook: Runbook, width: int) -> Iterable[Line]:
        tracked = self.current_alert()
        suggestions = tracked.suggestions if tracked else ()
        if tracked is not None and tracked.elsewhere is not None:
            yield section("Mitigate", width)
            yield from render_elsewhere(tracked, width)
        elif suggestions:
            yield section("Mitigate", width)
            for item in suggestions:
                yield (("  ", ""), text(item.sentence, "strong"), text(f"   {item.command}", "dim"))
        elif runbook.actions:
            yield section("Mitigate", width)
            for action in (item for item in runbook.actions if item.action != "admin"):
                yield (text(f"  {action.action} {action.target}", "strong"), ("   (run it with :)", "dim"))
        shown = {item.target for item in suggestions}
        calls = [item for item in self._list_calls(runbook) if item.target not in shown]
        if calls:
            yield section("The platform's own calls (x)", width)
        for call in calls:
            yield (("  ", ""), text(call.sentence, "strong"), text(f"   {call.command}", "dim"))

    def _escalation_lines(self, runbook: Runbook, width: int) -> Iterable[Line]:
        session = self.context.session if self.context and runbook.escalate else None
        if session is None:
            return
        policies = session.severity_policies
        yield section("Escalate", width)
        for item in runbook.escalate:
            contact = policies.contact(item.to)
            first, *rest = wrap(item.when, width - 14) or [""]
            yield (text(f"  {item.to:<10}", "strong"), text(first))
            yield from ((text(f"{'':12}{part}"),) for part in rest)
            yield (text(f"{'':12}{contact.ways if contact else 'no contact is configured'}", "dim"),)


class _Page(VerticalScroll):
    """Textual matches a scrolling page and everything on it again when it gains or loses the focus: fifty widgets of a text.
    Nothing on it looks different then.
    """

    def watch_has_focus(self, _has_focus: bool) -> None:
        return


def _find_distinct_labels(tracked: TrackedAlert, listed: Iterable[TrackedAlert]) -> Labels:
    """The labels that not all alerts of the same name have."""
    namesakes = [item.alert.labels for item in listed if item.alert.name == tracked.alert.name]
    return tuple(pair for pair in tracked.alert.labels if any(pair not in labels for labels in namesakes))


def _is_same(one: TrackedAlert, other: TrackedAlert) -> bool:
    """Whether both are one alert; a pending one has another fingerprint as soon as it fires, but the same labels."""
    return one.alert.labels_to_deliver == other.alert.labels_to_deliver
