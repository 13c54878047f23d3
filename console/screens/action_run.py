"""One action from its plan to its outcome, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.actions.guard.model import NO_ROLLBACK, GuardPhase, SignalReading
from console.actions.plan import Outcome, RunStep, Stage
from console.alerts.chart import build_chart
from console.alerts.resolution import find_tracked, has_ended
from console.journal.acknowledgements import Ownership, ownership_of
from console.screens.action_run_model import ActionRunModel, collapse_steps, describe_outcome, summarize_run
from console.screens.base import ConsoleScreen, section
from console.screens.guard_view import render_guard, render_verdicts
from console.screens.messages import AcknowledgeRequested, WriteUpdateRequested
from console.screens.render_context import RenderContext
from console.screens.rollout_view import render_pods
from console.screens.staleness import alerts_caveat, as_of_suffix
from queries.model.chart import ChartData, ChartMark
from queries.model.panel import PanelState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.rollout import rollout_status
from queries.model.series import Labels
from queries.model.verdict import Verdict
from queries.model.workload import Workload
from queries.text.durations import format_elapsed, format_span
from queries.text.times import format_clock
from widgets.chart import Chart
from widgets.panel import PanelRow, render_panel
from widgets.styled_text import Line, Span, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session
    from queries.model.alert import TrackedAlert

KUBERNETES = "kubernetes"
_CHART_SECONDS = 300.0
_REFRESH_SECONDS = 5.0
"""The interval of the chart's history, whose steps are seconds."""
OUTCOME_TONES = {
    Outcome.DONE: "ok",
    Outcome.REFUSED: "warn",
    Outcome.FAILED: "critical",
    Outcome.UNKNOWN: "critical",
    Outcome.UNDONE: "critical",
    Outcome.ROLLED_BACK: "warn",
    Outcome.ROLLBACK_FAILED: "critical",
}


class ActionRunScreen(ConsoleScreen):
    """The rollout's pods, what led to the action as a chart, and the stages with their times."""

    SCREEN_TITLE = "Action"
    HELP_TEXT = (
        "One action. Each block is a pod: █ ready, ▒ starting, ✗ failing, ░ terminating or completed, · not created. The "
        "chart has the last five minutes of the panel or alert that led to the action; A marks the confirmation. Below are the "
        "stages. Leaving "
        "this screen does not stop the action; :journal shows how it ended. A guarded action has a chart for each signal, with "
        "its value before and its limit, every verdict, and what happens next."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "hand_back", "hand back", tooltip="Release the alert that led to this action", id="run.hand_back"),
        Binding("u", "update", "write update", tooltip="Write an update of the open incident", id="run.update"),
        Binding("w", "watch", "watch on", tooltip="Watch chart and recovery for five more minutes", id="run.watch"),
        Binding("s", "stop_guard", "stop guard", tooltip="Stop the guard and its roll-back: the change stays", id="run.stop"),
        Binding("r", "roll_back", "roll back", tooltip="Let the guard roll the change back now", id="run.back"),
        Binding("n", "signal", "next signal", tooltip="The chart of the next signal", id="run.signal"),
    ]

    def __init__(self, run: ActionRunModel) -> None:
        super().__init__()
        self.run = run
        self._history: PanelHistory | None = None
        self._signal = 0
        """The signal of the chart, of a guarded run."""
        self._alert_limit: tuple[float | None, bool] = (None, False)
        """The threshold of the alert's rule, and whether it fires below it."""
        self._fetched_at = 0.0
        self._alert: TrackedAlert | None = None
        """The alert that led to the action, as it was listed last; None until it is."""
        self._counting = False
        self._status = TextView(id="run-status")
        self._chart = Chart(id="run-chart")
        self._title = TextView(classes="title")
        self._page = TextView(id="stages", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._status
        yield self._chart
        yield self._title
        yield self._page

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers only what can be done next."""
        match action:
            case "hand_back":
                return True if self._owns_alert() else None
            case "update":
                return True if self._incident() is not None else None
            case "watch":
                return True if self.run.was_sent and self._has_chart() and self.run.guard is None else None
            case "stop_guard":
                return True if self._guard_runs() else None
            case "roll_back":
                return True if self._guard_runs() and self._undo() else None
            case "signal":
                return True if len(self._signals()) > 1 else None
        return super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        match action:
            case "hand_back":
                return "you hold no alert that led to this action"
            case "update":
                return "no single incident is open"
            case "watch":
                return "possible once the action has ended, if it has a chart and no guard"
            case "stop_guard" | "roll_back" if not self._guard_runs():
                return "no guard watches this action"
            case "roll_back":
                return NO_ROLLBACK
            case "signal":
                return "the action has no second signal"
        return super().why_disabled(action)

    def draw(self, context: RenderContext) -> None:
        width = self.size.width
        self._note_alert(context)
        self._note_recovery(context)
        self._status.show(tuple(self._status_lines(context, width)))
        self._chart.display = self._has_chart()
        if self._has_chart():
            self._fetch_if_due(context)
            self._chart.show(self._chart_data(context), context.charts.drawing)
        self._title.show((section("Stages and verdicts" if self.run.guard else "Stages", width),))
        before = self._page.lines
        self._page.show(tuple(self._stage_lines(context, max(20, width - 2))))
        if self._page.lines != before:
            self._page.scroll_end(animate=False)
        self.refresh_bindings()

    # What led to the action

    def _has_chart(self) -> bool:
        """A panel of Kubernetes has no history, and an action of its own accord no panel."""
        state = self._panel_state()
        return bool(self.run.request.fingerprint) or (state is not None and state.spec.source != KUBERNETES)

    def _panel_state(self) -> PanelState | None:
        snapshot = self.context.snapshot if self.context else None
        return snapshot.panel(self._panel_id()) if snapshot else None

    def _panel_id(self) -> str:
        """The panel of the chart: a guard's signal, else the one that led to the action."""
        signals = self._signals()
        return signals[self._signal % len(signals)].signal.panel if signals else self.run.request.panel_id

    def _signals(self) -> tuple[SignalReading, ...]:
        guard = self.run.guard
        return guard.readings if guard is not None else ()

    def _undo(self) -> str:
        """What rolls the change back, in words; empty for nothing."""
        return self.run.guard.undo if self.run.guard is not None else ""

    def _guard_runs(self) -> bool:
        guard = self.run.guard
        return guard is not None and guard.phase not in (GuardPhase.ENDED, GuardPhase.UNDO) and not self.run.finished

    def _charts_panel(self) -> bool:
        state = self._panel_state()
        return state is not None and state.spec.source != KUBERNETES

    def _fetch_if_due(self, context: RenderContext) -> None:
        """Every few seconds while the action runs or a person watches on, and once more at the end."""
        end = self.run.outcome
        until = max(self.run.watch_until, end.at + _REFRESH_SECONDS if end else 0.0) if self.run.finished else context.now
        every = max(_REFRESH_SECONDS, context.settings.refresh_seconds)
        due = self._history is None or (context.now <= until + every and context.now - self._fetched_at >= every)
        if context.session is not None and due and not self.has_worker("history"):
            self._fetched_at = context.now
            self.run_worker(self._fetch_history(context.session), "fetching the trend", "history", exclusive=True)

    async def _fetch_history(self, session: Session) -> None:
        requested = HistoryRange(_CHART_SECONDS)
        if self._charts_panel():
            panel = self._panel_id()
            async for history in session.histories(panel, requested):
                if panel == self._panel_id():
                    self._history = history
        else:
            fingerprint, _ = self._identify_alert()
            async for history, threshold, below in session.alert_histories(fingerprint, requested, self._alert):
                self._history, self._alert_limit = history, (threshold, below)
        self.redraw()

    def _chart_data(self, context: RenderContext) -> ChartData:
        state, run = self._panel_state(), self.run
        marks = (ChartMark(run.confirmed_at, "A", "confirmed", "confirmed"),) if run.confirmed_at is not None else ()
        error = self.worker_errors.get("history", "")
        signals = self._signals()
        reading = signals[self._signal % len(signals)] if signals else None
        if reading is not None and state is not None:
            signal = reading.signal
            bands = (("before", signal.before), ("worse", signal.limit))
            known = tuple((name, value) for name, value in bands if value is not None)
            return build_chart(
                self._history, group_by=state.spec.group_by, unit=state.spec.unit, thresholds=known,
                lower_is_worse=signal.below, marks=(*marks, *self._rollback_marks()), error=error,
            )  # fmt: skip
        if state is not None and self._charts_panel():
            spec, lines = state.spec, state.threshold.lines
            return build_chart(
                self._history, group_by=spec.group_by, unit=spec.unit, thresholds=lines,
                lower_is_worse=spec.lower_is_worse, marks=marks, error=error,
            )  # fmt: skip
        threshold, below = self._alert_limit
        limits = (("fires at", threshold),) if threshold is not None else ()
        return build_chart(
            self._history, group_by="", unit=None, thresholds=limits, lower_is_worse=below, marks=marks, error=error
        )

    def _rollback_marks(self) -> Iterable[ChartMark]:
        """Where the guard began to roll the change back."""
        at = next((step.at for step in self.run.steps if step.guard and step.guard.phase is GuardPhase.UNDO), None)
        return (ChartMark(at, "B", "rollback", "rolled back"),) if at is not None else ()

    # What came of it

    def _note_alert(self, context: RenderContext) -> None:
        """While the alert is listed: an undelivered one has another fingerprint once Alertmanager gets it."""
        if context.snapshot is not None and self.run.request.fingerprint:
            self._alert = find_tracked(*self._identify_alert(), context.snapshot) or self._alert

    def _identify_alert(self) -> tuple[str, Labels]:
        """The fingerprint by which the alert was listed last, and the labels that it was sent with; none until it is listed."""
        if self._alert is None:
            return self.run.request.fingerprint, ()
        return self._alert.alert.fingerprint, self._alert.alert.labels_to_deliver

    def _note_recovery(self, context: RenderContext) -> None:
        """After the outcome, while a person watches on: whether it has recovered now; then count what failed."""
        run = self.run
        if not run.was_sent or context.session is None:
            return
        if run.recovered_at is None and context.now <= run.watch_until and self._has_recovered(context):
            run.recovered_later_at, run.failed_requests, self._counting = context.now, None, False
        if run.failed_requests is None and not self._counting:
            self._counting = True
            self.run_worker(self._count_failed(context.session), "counting failed requests", "failed requests")

    async def _count_failed(self, session: Session) -> None:
        run, end = self.run, self.run.outcome
        until = run.recovered_at or (end.at if end else None)
        if run.measured_from is not None and until is not None:
            run.failed_requests = await session.failed_requests(run.measured_from, until)
            self.redraw()

    def _has_recovered(self, context: RenderContext) -> bool:
        """Whether current responses say that the alert is gone, or without an alert that the panel is ok."""
        if self.run.request.fingerprint:
            snapshot = context.snapshot
            if snapshot is None or not snapshot.alerts_known or alerts_caveat(context):
                return False
            return has_ended(*self._identify_alert(), snapshot)
        state = self._panel_state()
        return state is not None and state.verdict is Verdict.OK

    def show_worker_error(self, group: str) -> None:
        if group == "failed requests":
            from console.incidents.impact import FailedRequests  # noqa: PLC0415  # only for this error

            self.run.failed_requests = FailedRequests(None, self.worker_errors.get(group, "unknown"))
        super().show_worker_error(group)

    # What to do next

    def _owns_alert(self) -> bool:
        snapshot = self.context.snapshot if self.context else None
        fingerprint = self.run.request.fingerprint
        owner = snapshot.ledger.owners.get(fingerprint) if snapshot and fingerprint else None
        return (
            snapshot is not None
            and snapshot.alert(fingerprint) is not None
            and (ownership_of(owner, user=snapshot.user) is Ownership.OURS)
        )

    def _incident(self) -> str | None:
        """The open incident that the alert is linked to, else the only open one."""
        opened = self.context.snapshot.ledger.incidents.open if self.context and self.context.snapshot else ()
        linked = [item.id for item in opened if item.links(self.run.request.fingerprint)]
        return linked[0] if linked else opened[0].id if len(opened) == 1 else None

    def action_hand_back(self) -> None:
        self.post_message(AcknowledgeRequested(self.run.request.fingerprint))

    def action_update(self) -> None:
        incident = self._incident()
        if incident is not None:
            self.post_message(WriteUpdateRequested(incident))

    def action_watch(self) -> None:
        if self.context is not None:
            self.run.watch_until = self.context.now + _CHART_SECONDS
            self.redraw()

    def action_stop_guard(self) -> None:
        if self.context is not None:
            self.run.control.stop(self.context.settings.user)

    def action_roll_back(self) -> None:
        self.run.control.roll_back()

    def action_signal(self) -> None:
        self._signal += 1
        self._history, self._fetched_at = None, 0.0
        self.redraw()

    # Lines

    def _status_lines(self, context: RenderContext, width: int) -> Iterable[Line]:
        run = self.run
        title = next((step.preview.plan.title for step in run.steps if step.preview), "")
        because: Span = text(f"  because of {run.request.cause}" if run.request.cause else "", "dim")
        yield (text(f" {title or f'{run.request.action} {run.request.target}'}", "title"), because)
        summary = summarize_run(run)
        if summary:
            tone = "ok" if run.recovered_at is not None else "warn"
            yield from (((f" {part}", tone),) for part in wrap(text(summary)[0], width - 2))
        yield from self._outcome(width)
        if run.error:
            sentence = f"the run was aborted: {run.error}; its effect is unknown, see the journal (6)"
            yield from (((f" {part}", "critical"),) for part in wrap(text(sentence)[0], width - 2))
        if context.now <= run.watch_until and run.recovered_at is None:
            yield ((f" watching until {format_clock(run.watch_until)}", "dim"),)
        yield from self._workload(context, width)
        guard, state = run.guard, self._panel_state()
        if guard is not None:
            panels = context.snapshot.panels if context.snapshot else ()
            checks = run.preview.checks if run.preview else ()
            yield from render_guard(guard, panels, checks, now=context.now, width=width)
        elif state is not None:
            yield render_panel(PanelRow(state), width)
        if self._has_chart():
            name = state.spec.title if state is not None and self._charts_panel() else run.alert or "the alert's expression"
            yield section(f"{text(name)[0]}, the last 5m", width)

    def _stage_lines(self, context: RenderContext, width: int) -> Iterable[Line]:
        run = self.run
        if not run.steps and not run.finished:
            yield ((" fetching the current state …", "dim"),)
        for step in collapse_steps(run.steps):
            yield from _step_lines(step, width)
        if run.guard is not None:
            yield from render_verdicts(run.guard, width)
            return
        if not run.finished and run.steps:
            since = max(0, int(context.now - run.steps[-1].at))
            yield ((f" … {_progress_label(run.steps[-1])}", "dim"), (f"  {format_span(since)}" if since else "", "dim"))

    def _outcome(self, width: int) -> Iterable[Line]:
        step = self.run.outcome
        if step is None or step.outcome is None:
            return
        tone = OUTCOME_TONES[step.outcome]
        for line in wrap(text(describe_outcome(step))[0], width - 2):
            yield ((" " + line, tone),)

    def _workload(self, context: RenderContext, width: int) -> Iterable[Line]:
        target = self.run.request.target
        cluster = context.snapshot.cluster if context.snapshot else None
        workload = cluster.workload(target) if cluster is not None and "/" in target else None
        if cluster is None or workload is None:
            return
        yield (text(f" {_describe_state(context, workload)}"), (as_of_suffix(context, "kubernetes"), "unknown"))
        yield from render_pods(cluster, workload, width)


def _describe_state(context: RenderContext, workload: Workload) -> str:
    """How far the rollout is; of what has none, such as a CronJob, its state."""
    if workload.batch is None and workload.kind != "Pod":
        return rollout_status(workload).sentence
    verdicts = context.snapshot.workloads if context.snapshot else ()
    return next((item.reason for item in verdicts if item.workload.target == workload.target), "its state is not known")


def _progress_label(step: RunStep) -> str:
    return {
        Stage.PLAN: "checking (access review, dry run)",
        Stage.PREFLIGHT: "waiting for you",
        Stage.CONFIRM: "waiting for you",
        Stage.INTENT: "sending",
        Stage.EXECUTE: "waiting for the change to take effect",
        Stage.VERIFY: "waiting for the change to take effect",
        Stage.GUARD: "measuring the signals before the change",
        Stage.OUTCOME: "writing the journal",
    }[step.stage]


def _step_lines(step: RunStep, width: int) -> Iterable[Line]:
    when = f" {format_clock(step.at)}" if width >= 100 else ""
    head = f"{when} {format_elapsed(step.elapsed_seconds):>7}  {step.stage.value:<15} "
    part = wrap(text(step.text)[0], width - len(head) - 1)
    yield ((head, "dim"), (part[0], ""))
    for rest in part[1:]:
        yield ((" " * len(head), ""), (rest, ""))
