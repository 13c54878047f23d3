"""One alert: its facts, its trend, the deciding step of its runbook, and the suggested actions."""

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
from console.screens.alert_row import affected_component, state_label
from console.screens.base import ConsoleScreen, section
from console.screens.messages import ActionRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_stale, alerts_caveat, unhealthy_label
from queries.model.alert import AlertState, Suggestion, TrackedAlert
from queries.model.panel import PanelHistory, Unit
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.numbers import format_short, format_threshold
from queries.text.times import format_minute
from widgets.chart import Chart
from widgets.formatting import VERDICT_WIDTH, severity_label
from widgets.rows import Rows
from widgets.styled_text import VERDICT_TONES, Line, severity_tone, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.runbooks.steps import StepResult

REFRESH_SECONDS = 15.0


class AlertDetailScreen(ConsoleScreen, AlertActionsMixin):
    """Facts on the left, trend on the right; below, the first deciding step of the runbook and the actions."""

    SCREEN_TITLE = "Alert"
    HELP_TEXT = (
        "One alert: labels, annotations and its rule, its trend with the threshold, the first deciding step of its runbook, "
        "and the suggested actions. Enter on an action previews it; nothing is sent before you confirm."
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
        self._subject_error = ""
        self._fetched_at = 0.0
        self._head = TextView(classes="title")
        self._facts = TextView(id="facts", focusable=True)
        self._chart = Chart(id="chart")
        self._step = TextView(id="steps-side")
        self._actions: Rows[Suggestion] = Rows(
            key=_suggestion_key, draw=_render_suggestion, empty="no action is suggested for this alert", id="alert-actions"
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

    def draw(self, context: RenderContext) -> None:
        tracked = self.current_alert()
        width = self.size.width
        unlisted = context.snapshot is not None and context.snapshot.alert(self._fingerprint) is None
        if tracked is None:
            self._head.show(((text(" this alert no longer exists", "warn"),),))
            return
        if context.now - self._fetched_at > REFRESH_SECONDS and context.session is not None:
            self._fetch()
        self._head.show((_render_headline(tracked, context, unlisted=unlisted),))
        self._facts.show(tuple(self._fact_lines(tracked, context, self._facts.size.width or width // 2)))
        thresholds = (("fires at", self._threshold),) if self._threshold is not None else ()
        unit = self._unit(tracked, context)
        error = self.worker_errors.get("history", "")
        chart = time_range.build_chart(self._history, group_by="", unit=unit, thresholds=thresholds, max_series=3, error=error)
        self._chart.show(chart)
        self._step.show((*render_elsewhere(tracked, width), *self._step_lines(tracked, width)))
        self._actions.show(tracked.suggestions)

    def current_alert(self) -> TrackedAlert | None:
        if self.context and self.context.snapshot:
            self._last = self.context.snapshot.alert(self._fingerprint) or self._last
        return self._last

    def action_window(self, by: int) -> None:
        self._window = min(max(0, self._window + by), len(time_range.WINDOWS) - 1)
        self._history = None
        self._fetch()
        self.redraw()

    @on(Rows.Selected)
    def _run_selected(self, event: Rows.Selected) -> None:
        chosen, tracked = self._actions.current, self.current_alert()
        if chosen is None or tracked is None:
            return
        if chosen.action == "silence":
            self.action_silence()
            return
        request: Request = self._request(chosen.action, chosen.target, dict(chosen.parameters), tracked)
        self.post_message(ActionRequested(request))

    def _fetch(self) -> None:
        self._fetched_at = self.context.now if self.context else 0.0
        self.run_worker(self._fetch_history(), "fetching the trend", "history", exclusive=True)
        self.run_worker(self._fetch_steps(), "running the runbook's steps", "steps", exclusive=True)

    async def _fetch_history(self) -> None:
        if self.context is None or self.context.session is None:
            return
        seconds = time_range.WINDOWS[self._window][1]
        self._history, self._threshold = await self.context.session.alert_history(self._fingerprint, window_seconds=seconds)
        self.redraw()

    async def _fetch_steps(self) -> None:
        tracked, session = self.current_alert(), self.context.session if self.context else None
        runbook = session.runbooks.get(tracked.runbook.id) if session and tracked and tracked.runbook else None
        if session is None or runbook is None:
            return
        self._subject_error = await asyncio.to_thread(session.subject_error, runbook, tracked)
        results: list[StepResult] = []
        async for result in session.runbook_steps(runbook, tracked):
            results.append(result)
            if result.verdict is not None and result.verdict.rank >= Verdict.WARN.rank:
                break  # the first deciding step; the runbook's own screen has the rest
        self._steps = results
        self.redraw()

    def _fact_lines(self, tracked: TrackedAlert, context: RenderContext, width: int) -> Iterable[Line]:
        alert = tracked.alert
        for name in ("summary", "description", "action"):
            value = dict(alert.annotations).get(name, "")
            if value:
                yield from _render_fact(name, value, width, "strong" if name == "summary" else "")
        caveat = alerts_caveat(context)
        state = f"{'was ' if alerts_are_stale(context) else ''}{state_label(tracked, context.snapshot)}"
        yield from _render_fact("state", f"{state} ({caveat})" if caveat else state, width, "unknown" if caveat else "")
        yield from self._rule_lines(tracked, context, width)
        if alert.receivers:
            yield from _render_fact("notified", ", ".join(alert.receivers), width, "")
        elif alert.state is AlertState.UNDELIVERED:
            yield from _render_fact("notified", "nobody: no Alertmanager has this alert", width, "critical")
        runbook = tracked.runbook
        if runbook is not None:
            match = (
                "none matches; general triage" if runbook.matched_by == "triage" else f"{runbook.id} (by {runbook.matched_by})"
            )
            yield from _render_fact("runbook", match, width, "")
            if self._subject_error:
                yield from _render_fact("", self._subject_error, width, "warn")
            if runbook.url:
                yield from _render_fact("its URL", runbook.url, width, "dim")
        for name, value in alert.labels:
            yield from _render_fact(name, value, width, "dim")
        for name, value in alert.annotations:
            if name not in ("summary", "description", "action"):
                yield from _render_fact(name, value, width, "dim")

    def _rule_lines(self, tracked: TrackedAlert, context: RenderContext, width: int) -> Iterable[Line]:
        alert, unit = tracked.alert, self._unit(tracked, context)
        rule = context.session.rule_of(tracked) if context.session else None
        live = ""
        if alert.value is not None:
            live = format_threshold(round(alert.value, 2), unit) if unit else format_short(round(alert.value, 4))
        if rule is not None:
            when = "was" if unhealthy_label(context, "prometheus") else "now"
            yield from _render_fact("expression", rule.expression + (f"  {when} {live}" if live else ""), width, "accent")
            if rule.for_seconds:
                yield from _render_fact("for", format_age(rule.for_seconds), width, "")
        elif live:
            yield from _render_fact("value", live, width, "")

    def _unit(self, tracked: TrackedAlert, context: RenderContext) -> Unit | None:
        """The unit of the rule's expression if that starts with the recorded series of a panel; otherwise None."""
        rule = context.session.rule_of(tracked) if context.session else None
        first = rule.expression.split(maxsplit=1)[:1] if rule else []
        panels = context.snapshot.panels if context.snapshot else ()
        return next((item.spec.unit for item in panels if first and first[0] in item.spec.recorded_names), None)

    def _step_lines(self, tracked: TrackedAlert, width: int) -> Iterable[Line]:
        name = tracked.runbook.id if tracked.runbook else "triage"
        yield section(f"Runbook {visible(name)} (b)", width)
        failed = self.error_lines("steps", width)
        yield from failed
        if not self._steps:
            if not failed:
                yield ((" running its steps …", "dim"),)
            return
        step = next(
            (item for item in self._steps if item.verdict is not None and item.verdict.rank >= Verdict.WARN.rank),
            self._steps[0],
        )
        yield render_step(step, width)
        parts = [part for line in step.text.splitlines()[:2] for part in wrap(visible(line), width - 8)]
        yield from (((f"      {part}", "dim"),) for part in parts[:3])


def render_step(step: StepResult, width: int) -> Line:
    """`2 WARN Provider health 81 %`."""
    word, tone = (step.verdict.word, VERDICT_TONES[step.verdict]) if step.verdict is not None else ("check", "dim")
    return (
        (f" {step.index + 1:>2} ", "dim"),
        (f"{word:<{VERDICT_WIDTH}}", tone),
        text(step.title, "strong"),
        text(f"  {step.value_text}" if step.value_text else "", tone),
    )


def render_elsewhere(tracked: TrackedAlert, width: int) -> Iterable[Line]:
    """Why no action is offered, and what to run instead."""
    place = tracked.elsewhere
    if place is None:
        return
    yield from ((text(f" {part}", "warn"),) for part in wrap(visible(place.sentence()), width - 2))
    for at, part in enumerate(wrap(visible(place.command), width - 11)):
        yield ((" instead   " if at == 0 else " " * 11, "dim"), text(part, "accent"))


def _render_headline(tracked: TrackedAlert, context: RenderContext, *, unlisted: bool) -> Line:
    alert = tracked.alert
    since = (
        f"since {format_minute(alert.starts_at, now=context.now)} ({format_age(context.now - alert.starts_at)})"
        if alert.starts_at
        else ""
    )
    caveat = alerts_caveat(context)
    ended = "  no longer listed; it may not be resolved" if caveat else "  RESOLVED: no longer listed"
    owner = f"  owner {tracked.owner}" if tracked.owner else "  unacknowledged"
    tone = severity_tone(alert.priority)
    return (
        text(f" {alert.priority} {severity_label(alert) if alert.severity_known else alert.severity_text} ", tone),
        text(f"{alert.name} ", "strong"),
        text(f"{affected_component(tracked)}  "),
        text(since, "dim"),
        text(owner, "dim"),
        (ended if unlisted else "", "unknown" if caveat else "ok"),
    )


def _render_fact(name: str, value: str, width: int, tone: str) -> Iterable[Line]:
    for at, part in enumerate(wrap(visible(value), width - 14)):
        yield (text(f" {visible(name)[:11]:<11} " if at == 0 else " " * 13, "dim"), (part, tone))


def _suggestion_key(item: Suggestion) -> str:
    return f"{item.action} {item.target} {item.parameters}"


def _render_suggestion(item: Suggestion, width: int) -> Line:
    return (("▶ ", "key"), text(item.sentence or f"{item.action} {item.target}", "strong"), text(f"   {item.command}", "dim"))
