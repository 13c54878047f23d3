"""One action from its plan to its outcome, whether or not somebody looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from console.actions.guard.guard import GuardControl
from console.actions.guard.model import GuardPhase, GuardStatus
from console.actions.plan import Outcome, Preview, Request, RunStep
from queries.text.durations import format_span

if TYPE_CHECKING:
    from console.incidents.impact import FailedRequests
    from console.monitor.session import Session


class ActionRunModel:
    """A run continues whether or not its screen is open; `steps` is what it reported so far.

    `alert` is the alert that led to it, `began_at` when that began, Unix seconds; empty and None without one.
    """

    def __init__(self, request: Request, *, alert: str = "", began_at: float | None = None) -> None:
        self.request = request
        self.alert = alert
        self.began_at = began_at
        self.confirmed_at: float | None = None
        self.watch_until = 0.0
        """Until when a person watches on after the outcome, Unix seconds."""
        self.recovered_later_at: float | None = None
        """When it had recovered only after its outcome."""
        self.failed_requests: FailedRequests | None = None
        """The failed requests from `measured_from` to the recovery or the outcome, or why they are unknown."""
        self.steps: list[RunStep] = []
        self.control = GuardControl()
        """What a person asks of its guard."""
        self.announced: GuardPhase | None = None
        """The phase of its guard that notices have told of."""
        self.error = ""
        self.finished = False
        self.confirmed = False
        """A person confirmed the preview: from then on something may be journalled and sent."""
        self.declined = False
        """A person declined, or closed a preview without a verb."""
        self.dropped = False
        """The console went to another place before anybody confirmed: nobody waits for the end."""

    @property
    def outcome(self) -> RunStep | None:
        return next((step for step in reversed(self.steps) if step.outcome is not None), None)

    @property
    def guard(self) -> GuardStatus | None:
        """The newest state of its guard; None before it watches, and without one."""
        return next((step.guard for step in reversed(self.steps) if step.guard is not None), None)

    @property
    def preview(self) -> Preview | None:
        """What the person confirmed."""
        return next((step.preview for step in reversed(self.steps) if step.preview is not None), None)

    @property
    def recovered_at(self) -> float | None:
        """When the alert and the panel behind it had recovered, Unix seconds; None if nobody observed it."""
        return self.recovered_later_at or next((step.recovered_at for step in reversed(self.steps)), None)

    @property
    def measured_from(self) -> float | None:
        """From when on failed requests count: since the alert began, else since the confirmation."""
        return self.confirmed_at if self.began_at is None else self.began_at

    @property
    def was_sent(self) -> bool:
        """Whether it ended after something may have been sent."""
        end = self.outcome
        return self.finished and self.confirmed_at is not None and end is not None and end.outcome is not Outcome.REFUSED

    @property
    def in_progress(self) -> bool:
        """Whether something may have been sent and there is no outcome yet."""
        return self.confirmed and not self.finished

    async def drive(
        self,
        session: Session,
        confirm: Callable[[Preview], Awaitable[bool]],
        report_progress: Callable[[ActionRunModel], None],
        report_defect: Callable[[BaseException], str],
    ) -> None:
        """Run to the end and report every step; `report_defect` returns the sentence for an unexpected error."""
        await self.follow(session.run(self.request, confirm, control=self.control), report_progress, report_defect)

    async def follow(
        self,
        steps: AsyncIterator[RunStep],
        report_progress: Callable[[ActionRunModel], None],
        report_defect: Callable[[BaseException], str],
    ) -> None:
        """Takes every step, as `drive` does for those of a new run."""
        try:
            async for step in steps:
                self.steps.append(step)
                report_progress(self)
        except Exception as error:  # a defect of the runner: the screen of the run shows it
            self.error = report_defect(error)
        finally:
            self.finished = True
            report_progress(self)


def summarize_run(run: ActionRunModel) -> str:
    """`recovered 9s after confirmation; 2,286 requests failed since HighErrorRate began`: only what was measured.

    Empty before the outcome, and for a run that sent nothing.
    """
    end, confirmed_at = run.outcome, run.confirmed_at
    if not run.was_sent or end is None or confirmed_at is None:
        return ""
    if run.recovered_at is not None:
        result = f"recovered {format_span(run.recovered_at - confirmed_at)} after confirmation"
    elif not (run.request.fingerprint or run.request.panel_id):
        result = f"{end.outcome} {format_span(end.at - confirmed_at)} after confirmation; no alert or panel led to it"
    elif end.outcome is Outcome.DONE:
        result = f"done {format_span(end.at - confirmed_at)} after confirmation; nothing had to recover"
    elif end.outcome is Outcome.FAILED:
        result = f"not recovered {format_span(end.at - confirmed_at)} after confirmation"
    else:
        result = "unknown whether it recovered"
    since = f" since {run.alert} began" if run.began_at is not None else " since confirmation"
    if run.failed_requests is None:
        return f"{result}; counting failed requests …"
    count, why = run.failed_requests
    if count is None:
        return f"{result}; failed requests unknown: {why}"
    noun = "request" if round(count) == 1 else "requests"
    return f"{result}; {count:,.0f} {noun} failed{since}"


def describe_outcome(step: RunStep) -> str:
    """`done in 41s; …`: the text, with the outcome in front unless the text starts with it."""
    word = step.outcome.value if step.outcome else ""
    return step.text if step.text.startswith(word) else f"{word}: {step.text}"


def collapse_steps(steps: list[RunStep]) -> list[RunStep]:
    """Of consecutive steps that start alike (`cad-ml-api: 1 of 3 …`, `cad-ml-api: 2 of 3 …`) only the newest."""
    kept: list[RunStep] = []
    for step in steps:
        if step.guard is not None and step.outcome is None and step.guard.phase in (GuardPhase.WATCH, GuardPhase.HOLD):
            continue  # a verdict, which the page lists by itself
        alike = kept and (kept[-1].stage, kept[-1].text.partition(":")[0]) == (step.stage, step.text.partition(":")[0])
        if alike and step.outcome is None:
            kept.pop()
        kept.append(step)
    return kept
