"""One alert: its facts, the trend behind it, the deciding step of its runbook, and the actions that fit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.actions.plan import Request
from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import place_of, state_words
from console.screens.base import ConsoleScreen, section
from console.screens.messages import ActionRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_old, alerts_reservation, unwell
from queries.model.alert import AlertState, Suggestion, TrackedAlert
from queries.model.panel import PanelHistory, Unit
from queries.model.text import visible
from queries.model.verdict import Verdict
from widgets.chart import Chart
from widgets.formatting import VERDICT_WIDTH, format_age, format_minute, format_short, format_threshold, severity_label
from widgets.rows import Rows
from widgets.styled_text import VERDICT_TONES, Line, severity_tone, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.runbooks.steps import StepResult

REFRESH_SECONDS = 15.0


class AlertDetailScreen(ConsoleScreen, AlertActionsMixin):
    """Facts left, trend right; below the runbook's first deciding step and the actions."""

    TITLE_WORDS = "Alert"
    ABOUT = (
        "One alert: labels, annotations and the rule behind it, its trend with the threshold, the first step of its runbook "
        "that decides something, and the actions that fit. Enter on an action shows what it would do before anything is sent."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*keys.ALERT_KEYS, *time_range.KEYS, *keys.WORKLOAD_ACTIONS[:3]]

    def __init__(self, fingerprint: str) -> None:
        super().__init__()
        self._fingerprint = fingerprint
        self._last: TrackedAlert | None = None
        self._window = 0
        self._history: PanelHistory | None = None
        self._threshold: float | None = None
        self._steps: list[StepResult] = []
        self._doubt = ""
        self._asked_at = 0.0
        self._head = TextView(classes="title")
        self._facts = TextView(id="facts", focusable=True)
        self._chart = Chart(id="chart")
        self._step = TextView(id="steps-side")
        self._actions: Rows[Suggestion] = Rows(
            key=_key, draw=_draw_suggestion, empty="no action fits this alert", id="alert-actions"
        )

    def body(self) -> Iterable[Widget]:
        yield self._head
        with Horizontal(classes="halves"):
            with Vertical(classes="left"):
                yield self._facts
            with Vertical(classes="right"):
                yield self._chart
        yield self._step
        yield self._actions

    def on_mount(self) -> None:
        super().on_mount()
        self._actions.focus()

    def draw(self, view: RenderContext) -> None:
        tracked = self.current_alert()
        width = self.size.width
        gone = view.snapshot is not None and view.snapshot.alert(self._fingerprint) is None
        if tracked is None:
            self._head.show(((text(" this alert is not known any more", "warn"),),))
            return
        if view.now - self._asked_at > REFRESH_SECONDS and view.session is not None:
            self._look()
        self._head.show((_headline(tracked, view, gone=gone),))
        self._facts.show(tuple(self._fact_lines(tracked, view, self._facts.size.width or width // 2)))
        lines = (("fires at", self._threshold),) if self._threshold is not None else ()
        unit = self._unit(tracked, view)
        failed = self.worker_errors.get("history", "")
        self._chart.show(time_range.chart_of(self._history, by="", unit=unit, lines=lines, most=3, failed=failed))
        self._step.show((*elsewhere_lines(tracked, width), *self._step_lines(tracked, width)))
        self._actions.show(tracked.suggestions)

    def current_alert(self) -> TrackedAlert | None:
        if self.view and self.view.snapshot:
            self._last = self.view.snapshot.alert(self._fingerprint) or self._last
        return self._last

    def action_window(self, by: int) -> None:
        self._window = min(max(0, self._window + by), len(time_range.WINDOWS) - 1)
        self._history = None
        self._look()
        self.redraw()

    @on(Rows.Selected)
    def _act(self, event: Rows.Selected) -> None:
        chosen, tracked = self._actions.current, self.current_alert()
        if chosen is None or tracked is None:
            return
        if chosen.action == "silence":
            self.action_silence()
            return
        request: Request = self._request(chosen.action, chosen.target, dict(chosen.parameters), tracked)
        self.post_message(ActionRequested(request))

    def _look(self) -> None:
        self._asked_at = self.view.now if self.view else 0.0
        self.run_worker(self._ask_history(), "asking for the trend", "history", exclusive=True)
        self.run_worker(self._ask_steps(), "looking at the runbook's steps", "steps", exclusive=True)

    async def _ask_history(self) -> None:
        if self.view is None or self.view.session is None:
            return
        seconds = time_range.WINDOWS[self._window][1]
        self._history, self._threshold = await self.view.session.alert_history(self._fingerprint, window_seconds=seconds)
        self.redraw()

    async def _ask_steps(self) -> None:
        tracked, session = self.current_alert(), self.view.session if self.view else None
        runbook = session.runbooks.get(tracked.runbook.id) if session and tracked and tracked.runbook else None
        if session is None or runbook is None:
            return
        self._doubt = await asyncio.to_thread(session.subject_error, runbook, tracked)
        found: list[StepResult] = []
        async for result in session.runbook_steps(runbook, tracked):
            found.append(result)
            if result.verdict is not None and result.verdict.rank >= Verdict.WARN.rank:
                break  # the first step that decides something; the rest is on the runbook's own screen
        self._steps = found
        self.redraw()

    def _fact_lines(self, tracked: TrackedAlert, view: RenderContext, width: int) -> Iterable[Line]:
        alert = tracked.alert
        for name in ("summary", "description", "action"):
            told = dict(alert.annotations).get(name, "")
            if told:
                yield from _fact(name, told, width, "strong" if name == "summary" else "")
        doubt = alerts_reservation(view)
        state = f"{'was ' if alerts_are_old(view) else ''}{state_words(tracked, view.snapshot)}"
        yield from _fact("state", f"{state} ({doubt})" if doubt else state, width, "unknown" if doubt else "")
        yield from self._rule_lines(tracked, view, width)
        if alert.receivers:
            yield from _fact("notified", ", ".join(alert.receivers), width, "")
        elif alert.state is AlertState.UNDELIVERED:
            yield from _fact("notified", "nobody: no Alertmanager knows this alert", width, "critical")
        runbook = tracked.runbook
        if runbook is not None:
            none_fits = (
                "none fits; general triage" if runbook.matched_by == "triage" else f"{runbook.id} (by {runbook.matched_by})"
            )
            yield from _fact("runbook", none_fits, width, "")
            if self._doubt:
                yield from _fact("", self._doubt, width, "warn")
            if runbook.url:
                yield from _fact("its URL", runbook.url, width, "dim")
        for name, value in alert.labels:
            yield from _fact(name, value, width, "dim")
        for name, value in alert.annotations:
            if name not in ("summary", "description", "action"):
                yield from _fact(name, value, width, "dim")

    def _rule_lines(self, tracked: TrackedAlert, view: RenderContext, width: int) -> Iterable[Line]:
        alert, unit = tracked.alert, self._unit(tracked, view)
        rule = view.session.rule_of(tracked) if view.session else None
        live = ""
        if alert.value is not None:
            live = format_threshold(round(alert.value, 2), unit) if unit else format_short(round(alert.value, 4))
        if rule is not None:
            when = "was" if unwell(view, "prometheus") else "now"
            yield from _fact("expression", rule.expression + (f"  {when} {live}" if live else ""), width, "accent")
            if rule.for_seconds:
                yield from _fact("for", format_age(rule.for_seconds), width, "")
        elif live:
            yield from _fact("value", live, width, "")

    def _unit(self, tracked: TrackedAlert, view: RenderContext) -> Unit | None:
        """The unit of what the rule compares, where that is the recorded series of a panel; None where nothing tells."""
        rule = view.session.rule_of(tracked) if view.session else None
        first = rule.expression.split(maxsplit=1)[:1] if rule else []
        panels = view.snapshot.panels if view.snapshot else ()
        return next((item.spec.unit for item in panels if first and first[0] in item.spec.recorded_names), None)

    def _step_lines(self, tracked: TrackedAlert, width: int) -> Iterable[Line]:
        name = tracked.runbook.id if tracked.runbook else "triage"
        yield section(f"Runbook {visible(name)} (b)", width)
        failed = self.error_lines("steps", width)
        yield from failed
        if not self._steps:
            if not failed:
                yield ((" looking at its steps …", "dim"),)
            return
        step = next(
            (item for item in self._steps if item.verdict is not None and item.verdict.rank >= Verdict.WARN.rank),
            self._steps[0],
        )
        yield step_line(step, width)
        told = [words for line in step.text.splitlines()[:2] for words in wrap(visible(line), width - 8)]
        yield from (((f"      {words}", "dim"),) for words in told[:3])


def step_line(step: StepResult, width: int) -> Line:
    """`2 WARN Provider health 81 %`."""
    word, tone = (step.verdict.word, VERDICT_TONES[step.verdict]) if step.verdict is not None else ("look", "dim")
    return (
        (f" {step.index + 1:>2} ", "dim"),
        (f"{word:<{VERDICT_WIDTH}}", tone),
        text(step.title, "strong"),
        text(f"  {step.value_text}" if step.value_text else "", tone),
    )


def elsewhere_lines(tracked: TrackedAlert, width: int) -> Iterable[Line]:
    """Why no action is offered, and what to run instead."""
    away = tracked.elsewhere
    if away is None:
        return
    yield from ((text(f" {words}", "warn"),) for words in wrap(visible(away.sentence()), width - 2))
    for at, words in enumerate(wrap(visible(away.command), width - 11)):
        yield ((" instead   " if at == 0 else " " * 11, "dim"), text(words, "accent"))


def _headline(tracked: TrackedAlert, view: RenderContext, *, gone: bool) -> Line:
    alert = tracked.alert
    since = (
        f"since {format_minute(alert.starts_at, now=view.now)} ({format_age(view.now - alert.starts_at)})"
        if alert.starts_at
        else ""
    )
    doubt = alerts_reservation(view)
    ended = "  no longer listed; whether it is resolved is not known" if doubt else "  RESOLVED: no longer listed"
    owner = f"  owner {tracked.owner}" if tracked.owner else "  nobody owns it"
    tone = severity_tone(alert.priority)
    return (
        text(f" {alert.priority} {severity_label(alert) if alert.severity_known else alert.severity_text} ", tone),
        text(f"{alert.name} ", "strong"),
        text(f"{place_of(tracked)}  "),
        text(since, "dim"),
        text(owner, "dim"),
        (ended if gone else "", "unknown" if doubt else "ok"),
    )


def _fact(name: str, value: str, width: int, tone: str) -> Iterable[Line]:
    for at, words in enumerate(wrap(visible(value), width - 14)):
        yield (text(f" {visible(name)[:11]:<11} " if at == 0 else " " * 13, "dim"), (words, tone))


def _key(item: Suggestion) -> str:
    return f"{item.action} {item.target} {item.parameters}"


def _draw_suggestion(item: Suggestion, width: int) -> Line:
    return (("▶ ", "key"), text(item.sentence or f"{item.action} {item.target}", "strong"), text(f"   {item.command}", "dim"))
