"""One alert: its facts, its trend, the deciding step of its runbook, and the suggested actions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.actions.plan import Request
from console.alerts.cause import find_last_change, find_log_moment, find_log_target
from console.alerts.correlated import list_acting_suggestions
from console.alerts.resolution import find_tracked, has_ended
from console.logs.pattern_report import brief_line, describe_change, name_sources
from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.alert_row import affected_component, state_label
from console.screens.base import section
from console.screens.messages import ActionRequested, OpenLogPatternsRequested, OpenLogsRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_stale, alerts_caveat, unhealthy_label
from console.screens.time_range import ChartScreen
from queries.errors import SourceError
from queries.model.alert import AlertState, Suggestion, TrackedAlert
from queries.model.log import LogLevel
from queries.model.panel import Unit
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_age, format_span
from queries.text.numbers import format_short, format_threshold
from queries.text.times import format_minute
from widgets.formatting import VERDICT_WIDTH, severity_label
from widgets.rows import Rows
from widgets.styled_text import VERDICT_TONES, Line, severity_tone, spread, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.logs.pattern_report import PatternReport
    from console.monitor.session import Session
    from console.runbooks.steps import StepResult

REFRESH_SECONDS = 15.0
_SHORTER_SECONDS = 300.0
_PODS_WIDTH = 100
"""A narrower page has the number of pods only."""
"""From this time on that was not compared the section says how much was."""
_KEYS = (
    Binding("l", "logs", "logs", tooltip="The log of its workload, around its start where Loki has it", id="alert.logs"),
    Binding("N", "log_patterns", "new in the log", show=False, tooltip="What is new in the log", id="alert.patterns"),
)


class AlertDetailScreen(ChartScreen, AlertActionsMixin):
    """Facts on the left, trend on the right; below, the first deciding step of the runbook and the actions."""

    SCREEN_TITLE = "Alert"
    KIND = "alert"
    HELP_TEXT = (
        "One alert: labels, annotations and its rule, its trend with the threshold, the first deciding step of its runbook, "
        "and the suggested actions. Enter on an action previews it; nothing is sent before you confirm."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*keys.ALERT_KEYS, *_KEYS, *time_range.KEYS, *keys.WORKLOAD_ACTIONS[:3]]

    def __init__(self, fingerprint: str) -> None:
        super().__init__()
        self._fingerprint = fingerprint
        self._last: TrackedAlert | None = None
        self._threshold: float | None = None
        self._lower_is_worse = False
        self._steps: list[StepResult] = []
        self._subject_error = ""
        self._resolved_at: float | None = None
        """When the alert was first missing from a current list, Unix seconds."""
        self._head = TextView(classes="title")
        self._facts_side = Vertical(classes="left")
        self._facts = TextView(id="facts", focusable=True)
        self._range = TextView(classes="title")
        self._step = TextView(id="steps-side")
        self._log = TextView(id="alert-log", classes="hidden")
        self._report: PatternReport | None = None
        self._report_error = self._since = ""
        self._actions: Rows[Suggestion] = Rows(
            key=_suggestion_key, draw=_render_suggestion, empty="no action is suggested for this alert", id="alert-actions"
        )

    def body(self) -> Iterable[Widget]:
        yield self._head
        with Horizontal(classes="halves"):
            with self._facts_side:
                yield self._facts
            with Vertical(classes="right"):
                yield self._range
                yield self._chart
        yield self._step
        yield self._log
        yield self._actions

    def on_mount(self) -> None:
        super().on_mount()
        self._actions.focus()

    def draw(self, context: RenderContext) -> None:
        tracked = self.current_alert()
        width = self.size.width
        snapshot = context.snapshot
        unlisted = snapshot is not None and snapshot.alert(self._fingerprint) is None
        if tracked is None:
            self._head.show(((text(" this alert no longer exists", "warn"),),))
            return
        if not unlisted:
            self._resolved_at = None
        elif self._resolved_at is None and not alerts_caveat(context) and snapshot is not None:
            ended = has_ended(self._fingerprint, tracked.alert.labels_to_deliver, snapshot)
            self._resolved_at = context.now if ended else None
        resolved = self._resolved_at is not None
        if not resolved:  # the page keeps its content: current values belong to another time
            self.refresh_chart(context, REFRESH_SECONDS)
        self._head.show((_render_headline(tracked, context, unlisted=unlisted, resolved=resolved),))
        self._facts.show(tuple(self._fact_lines(tracked, context, self._facts.size.width or width // 2)))
        thresholds = (("fires at", self._threshold),) if self._threshold is not None else ()
        self._range.show((((f" {self.name_range((self._range.inner_width or width // 2) - 1)}", "dim"),),))
        self.show_chart(
            group_by="", unit=self._unit(tracked, context), thresholds=thresholds, lower_is_worse=self._lower_is_worse
        )
        self._step.show((*render_elsewhere(tracked, width), *self._step_lines(tracked, width)))
        self._log.show(tuple(self._log_lines(width)))
        self._log.set_class(not self._log.lines, "hidden")
        none = "resolved: no action is suggested" if resolved else "no action is suggested for this alert"
        self._actions.show(() if resolved else _offered_actions(tracked), empty=none)

    @property
    def place(self) -> str:
        return f"{self.SCREEN_TITLE} {self._last.alert.name}" if self._last else self.SCREEN_TITLE

    def current_alert(self) -> TrackedAlert | None:
        if self.context and self.context.snapshot:
            labels = self._last.alert.labels_to_deliver if self._last is not None else ()
            found = find_tracked(self._fingerprint, labels, self.context.snapshot)
            if found is not None:
                self._last, self._fingerprint = found, found.alert.fingerprint
        return self._last

    @on(Rows.Selected)
    def _run_selected(self, event: Rows.Selected) -> None:
        chosen, tracked = self._actions.current, self.current_alert()
        if chosen is None or tracked is None:
            return
        if chosen.action in ("silence", "runbook"):
            self.action_silence() if chosen.action == "silence" else self.action_runbook()
            return
        request: Request = self._request(chosen.action, chosen.target, dict(chosen.parameters), tracked)
        self.post_message(ActionRequested(request))

    def fetch_more(self) -> None:
        if not self.has_worker("steps"):
            self.run_worker(self._fetch_steps(), "running the runbook's steps", "steps")
        if not self.has_worker("log"):
            self.run_worker(self._fetch_log(), "comparing the log before and after", "log")

    async def query_histories(self, session: Session, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        async for found in session.alert_histories(self._fingerprint, requested):
            self._threshold, self._lower_is_worse = found.threshold, found.fires_below
            yield found.history

    def beside_chart(self) -> Iterable[Widget]:
        return (self._facts_side, self._step, self._actions)

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

    async def _fetch_log(self) -> None:
        """What is new in the log of the alert's workload since it fired; only where a server keeps logs."""
        tracked, session = self.current_alert(), self.context.session if self.context else None
        if session is None or tracked is None or session.settings.loki is None or not tracked.alert.starts_at:
            return
        target, (moment, self._since) = find_log_target(tracked), self._log_moment(tracked)
        if not target:
            return
        try:
            self._report = await session.read_pattern_report(target, moment=moment)
            self._report_error = ""
        except SourceError as error:
            self._report, self._report_error = None, str(error)
        self.redraw()

    def _log_moment(self, tracked: TrackedAlert) -> tuple[float, str]:
        context = self.context
        rule = context.session.rule_of(tracked) if context and context.session else None
        changes = context.snapshot.changes if context and context.snapshot else ()
        return find_log_moment(tracked, changes, for_seconds=rule.for_seconds if rule else 0.0)

    def action_log_patterns(self) -> None:
        tracked = self.current_alert()
        target = find_log_target(tracked) if tracked else ""
        if tracked is None or not target:
            self._notify("this alert names no workload whose log could be compared")
        elif self.context is None or self.context.settings.loki is None:
            self._notify("Loki is not configured: set LOKI_URL, or loki: in the config")
        else:
            self.post_message(OpenLogPatternsRequested(target, self._log_moment(tracked)[0]))

    def action_logs(self) -> None:
        tracked = self.current_alert()
        target = find_log_target(tracked) if tracked else ""
        if tracked is None or not target:
            self._notify("this alert names no workload whose log could be shown: workloads are on 3")
            return
        loki = self.context is not None and self.context.settings.loki is not None
        self.post_message(OpenLogsRequested(target, at=tracked.alert.starts_at if loki and tracked.alert.starts_at else None))

    def _log_lines(self, width: int) -> Iterable[Line]:
        if self._report_error:
            yield section("New in the log: unknown", width)
            yield from ((text(f" {part}", "warn"),) for part in wrap(visible(self._report_error), width - 2)[:2])
        if self._report is None:
            return
        report, now = self._report, self.context.now if self.context else None
        since = f"{format_minute(report.after.start_ns / 1e9, now=now)}, {visible(self._since)}"
        found = report.telling()
        if found or report.note:
            count = report.count_telling()
            which = f", {len(found)} of {count} patterns" if count > len(found) else ""
            # An hour is compared at most.
            part = (
                f", in {format_span(report.after.seconds)}"
                if now and now - report.after.end_ns / 1e9 > _SHORTER_SECONDS
                else ""
            )
            yield section(f"New in the log since {since}{part}{which} (N)", width)
            if report.note:
                yield from ((text(f" {part}", "warn"),) for part in wrap(report.note, width - 2)[:2])
            for change in found:
                tone = "critical" if change.pattern.level is LogLevel.ERROR else ""
                line: Line = (text(f" {describe_change(change)}  ", "warn"), text(brief_line(change), tone))
                pods = f"  {name_sources(change, width // 3)}" if width >= _PODS_WIDTH else ""
                yield spread(line, (text(pods, "dim"),) if pods else (), width)

    def _fact_lines(self, tracked: TrackedAlert, context: RenderContext, width: int) -> Iterable[Line]:
        alert = tracked.alert
        for name in ("summary", "description", "action"):
            value = dict(alert.annotations).get(name, "")
            if value:
                yield from _render_fact(name, value, width, "strong" if name == "summary" else "")
        caveat = alerts_caveat(context, listed=self._resolved_at is None)
        past = alerts_are_stale(context) or self._resolved_at is not None
        state = f"{'was ' if past else ''}{state_label(tracked, context.snapshot)}"
        yield from _render_fact("state", f"{state} ({caveat})" if caveat else state, width, "unknown" if caveat else "")
        if self._resolved_at is not None:
            yield from _render_fact("resolved", self._resolution(tracked, context, self._resolved_at), width, "ok")
        yield from self._rule_lines(tracked, context, width)
        if alert.receivers:
            receivers = ", ".join(alert.receivers)
            notified = f"nobody while it is {alert.suppressed_as}; otherwise {receivers}" if alert.suppressed_as else receivers
            yield from _render_fact("notified", notified, width, "")
        elif alert.state is AlertState.UNDELIVERED:
            yield from _render_fact("notified", "nobody: no Alertmanager has this alert", width, "critical")
            others = context.snapshot.delivered(alert.name) if context.snapshot else 0
            if others:
                hint = f"Alertmanager has {others} of this name and may drop the rest: check --alerts.per-alertname-limit"
                yield from _render_fact("", hint, width, "warn")
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

    def action_act(self, name: str) -> None:
        if self._resolved_at is not None:
            self._notify("this alert is resolved: no action is suggested; workloads are on 3")
        else:
            super().action_act(name)

    def _resolution(self, tracked: TrackedAlert, context: RenderContext, resolved_at: float) -> str:
        """When it was no longer listed, and the last change of its workload before that."""
        changes = context.snapshot.changes if context.snapshot else ()
        change = find_last_change(tracked, changes, after=tracked.alert.starts_at, before=resolved_at)
        text = f"not listed since {format_minute(resolved_at, now=context.now)}"
        if change is None:
            return f"{text}; no change of its workload is known since it fired"
        return f"{text}, {format_span(resolved_at - change.at)} after {change.kind} {change.text}"

    def _rule_lines(self, tracked: TrackedAlert, context: RenderContext, width: int) -> Iterable[Line]:
        alert, unit = tracked.alert, self._unit(tracked, context)
        rule = context.session.rule_of(tracked) if context.session else None
        live = ""
        if alert.value is not None:
            live = format_threshold(round(alert.value, 2), unit) if unit else format_short(round(alert.value, 4))
        if rule is not None:
            when = "was" if unhealthy_label(context, "prometheus") or self._resolved_at is not None else "now"
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


def _render_headline(tracked: TrackedAlert, context: RenderContext, *, unlisted: bool, resolved: bool) -> Line:
    alert = tracked.alert
    since = (
        f"since {format_minute(alert.starts_at, now=context.now)} ({format_age(context.now - alert.starts_at)})"
        if alert.starts_at
        else ""
    )
    doubtful = bool(alerts_caveat(context)) or not resolved
    ended = "  no longer listed; it may not be resolved" if doubtful else "  RESOLVED: no longer listed"
    owner = f"  owner {tracked.owner}" if tracked.owner else "  unacknowledged"
    tone = severity_tone(alert.priority)
    return (
        text(f" {alert.priority} {severity_label(alert) if alert.severity_known else alert.severity_text} ", tone),
        text(f"{alert.name} ", "strong"),
        text(f"{affected_component(tracked)}  "),
        text(since, "dim"),
        text(owner, "dim"),
        (ended if unlisted else "", "unknown" if doubtful else "ok"),
    )


def _render_fact(name: str, value: str, width: int, tone: str) -> Iterable[Line]:
    for at, part in enumerate(wrap(visible(value), width - 14)):
        yield (text(f" {visible(name)[:11]:<11} " if at == 0 else " " * 13, "dim"), (part, tone))


def _offered_actions(tracked: TrackedAlert) -> tuple[Suggestion, ...]:
    """A silence is never the first: without another action the runbook is, because a silence cures nothing."""
    if list_acting_suggestions(tracked) or tracked.runbook is None:
        return tracked.suggestions
    name = tracked.runbook.id
    sentence = f"open the runbook {visible(name)}: the console knows no action for it"
    return (Suggestion("runbook", name, sentence=sentence, command=f"cad-console runbook {name}"), *tracked.suggestions)


def _suggestion_key(item: Suggestion) -> str:
    return f"{item.action} {item.target} {item.parameters}"


def _render_suggestion(item: Suggestion, width: int) -> Line:
    return (("▶ ", "key"), text(item.sentence or f"{item.action} {item.target}", "strong"), text(f"   {item.command}", "dim"))
