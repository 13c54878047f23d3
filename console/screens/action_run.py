"""One action from its plan to its outcome, stage by stage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.actions.plan import CheckLevel, Outcome, Preview, Request, RunStep, Stage
from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from console.screens.staleness import as_of_suffix
from queries.model.workload import rollout_status
from queries.text.times import format_clock
from widgets.panel import PanelRow, render_panel
from widgets.styled_text import Line, Span, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session

_OUTCOMES = {
    Outcome.DONE: "ok",
    Outcome.REFUSED: "warn",
    Outcome.FAILED: "critical",
    Outcome.UNKNOWN: "critical",
    Outcome.UNDONE: "critical",
}
_LEVELS = {
    CheckLevel.OK: ("ok", "ok"),
    CheckLevel.WARN: ("WARN", "warn"),
    CheckLevel.ASK: ("ASKS", "critical"),
    CheckLevel.BLOCK: ("BLOCK", "critical"),
}


class ActionRunModel:
    """A run continues whether or not its screen is open; `steps` is what it reported so far."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.steps: list[RunStep] = []
        self.error = ""
        self.finished = False
        self.declined = False
        """A person declined, or closed a preview without a verb."""

    @property
    def outcome(self) -> RunStep | None:
        return next((step for step in reversed(self.steps) if step.outcome is not None), None)

    @property
    def in_progress(self) -> bool:
        """Whether something may have been sent and there is no outcome yet."""
        return not self.finished and any(step.stage in (Stage.INTENT, Stage.EXECUTE, Stage.VERIFY) for step in self.steps)

    async def drive(
        self,
        session: Session,
        confirm: Callable[[Preview], Awaitable[bool]],
        report_progress: Callable[[ActionRunModel], None],
        report_defect: Callable[[BaseException], str],
    ) -> None:
        """Run to the end and report every step; `report_defect` returns the sentence for an unexpected error."""
        try:
            async for step in session.run(self.request, confirm):
                self.steps.append(step)
                report_progress(self)
        except Exception as error:  # a defect of the runner: the screen of the run shows it
            self.error = report_defect(error)
        finally:
            self.finished = True
            report_progress(self)


class ActionRunScreen(ConsoleScreen):
    """The stages with their times, old and new pods, and the panel that led to the action."""

    SCREEN_TITLE = "Action"
    HELP_TEXT = (
        "The stages of one action: plan, preflight, confirm, journal, execute, verify, journal. "
        "Leaving this screen does not stop the action; :journal shows how it ended."
    )
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, run: ActionRunModel) -> None:
        super().__init__()
        self.run = run
        self._status = TextView(id="run-status")
        self._page = TextView(id="stages", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._status
        yield self._page

    def draw(self, context: RenderContext) -> None:
        self._status.show(tuple(self._status_lines(context, self.size.width)))
        before = self._page.lines
        self._page.show(tuple(self._stage_lines(context, max(20, self.size.width - 2))))
        if self._page.lines != before:
            self._page.scroll_end(animate=False)

    def _status_lines(self, context: RenderContext, width: int) -> Iterable[Line]:
        run = self.run
        title = next((step.preview.plan.title for step in run.steps if step.preview), "")
        because: Span = text(f"  because of {run.request.cause}" if run.request.cause else "", "dim")
        yield (text(f" {title or f'{run.request.action} {run.request.target}'}", "title"), because)
        yield from self._outcome(width)
        if run.error:
            sentence = f"the run was aborted: {run.error}; its effect is unknown, see the journal (6)"
            yield from (((f" {part}", "critical"),) for part in wrap(text(sentence)[0], width - 2))
        yield from self._panel(context, width)
        yield from self._workload(context)
        yield section("Stages", width)

    def _stage_lines(self, context: RenderContext, width: int) -> Iterable[Line]:
        run = self.run
        if not run.steps and not run.finished:
            yield ((" fetching the current state …", "dim"),)
        for step in collapse_steps(run.steps):
            yield from _step_lines(step, width)
        if not run.finished and run.steps:
            since = max(0, int(context.now - run.steps[-1].at))
            yield ((f" … {_progress_label(run.steps[-1])}", "dim"), (f"  {since}s" if since else "", "dim"))

    def _outcome(self, width: int) -> Iterable[Line]:
        step = self.run.outcome
        if step is None or step.outcome is None:
            return
        tone = _OUTCOMES[step.outcome]
        for line in wrap(text(describe_outcome(step))[0], width - 2):
            yield ((" " + line, tone),)

    def _panel(self, context: RenderContext, width: int) -> Iterable[Line]:
        state = context.snapshot.panel(self.run.request.panel_id) if context.snapshot else None
        if state is not None:
            yield render_panel(PanelRow(state), width)

    def _workload(self, context: RenderContext) -> Iterable[Line]:
        target = self.run.request.target
        cluster = context.snapshot.cluster if context.snapshot else None
        if cluster is None or not target.startswith("deployment/"):
            return
        workload = cluster.workload(target.removeprefix("deployment/"))
        if workload is None:
            return
        yield (text(f" {rollout_status(workload).sentence}"), (as_of_suffix(context, "kubernetes"), "unknown"))
        for revision in cluster.revisions_of(workload):
            if revision.replicas:
                label = "new" if revision.number == workload.revision else "old"
                yield (text(f" {label}  revision {revision.number}: {revision.ready} of {revision.replicas} ready"),)


def describe_outcome(step: RunStep) -> str:
    """`done in 41 s; …`: the text, with the outcome in front unless the text starts with it."""
    word = step.outcome.value if step.outcome else ""
    return step.text if step.text.startswith(word) else f"{word}: {step.text}"


def collapse_steps(steps: list[RunStep]) -> list[RunStep]:
    """Of consecutive steps that start alike (`cad-ml-api: 1 of 3 …`, `cad-ml-api: 2 of 3 …`) only the newest."""
    kept: list[RunStep] = []
    for step in steps:
        alike = kept and (kept[-1].stage, kept[-1].text.partition(":")[0]) == (step.stage, step.text.partition(":")[0])
        if alike and step.outcome is None:
            kept.pop()
        kept.append(step)
    return kept


def _progress_label(step: RunStep) -> str:
    return {
        Stage.PLAN: "checking (access review, dry run)",
        Stage.PREFLIGHT: "waiting for you",
        Stage.CONFIRM: "waiting for you",
        Stage.INTENT: "sending",
        Stage.EXECUTE: "waiting for the change to take effect",
        Stage.VERIFY: "waiting for the change to take effect",
        Stage.OUTCOME: "writing the journal",
    }[step.stage]


def _step_lines(step: RunStep, width: int) -> Iterable[Line]:
    when = f" {format_clock(step.at)}" if width >= 100 else ""
    head = f"{when}{step.elapsed_seconds:7.1f} s  {step.stage.value:<15} "
    part = wrap(text(step.text)[0], width - len(head) - 1)
    yield ((head, "dim"), (part[0], ""))
    for rest in part[1:]:
        yield ((" " * len(head), ""), (rest, ""))


def render_preview(preview: Preview, context: RenderContext, width: int) -> tuple[Line, ...]:
    """The lines of the confirmation: before and after, the checks, and the equivalent command."""
    plan = preview.plan
    settings = context.settings
    place: Line = (
        text(settings.environment.upper(), "production" if preview.protected else "title"),
        text(f"  {settings.namespace}"),
    )
    title: Line = (text(f" {plan.title}", "strong"),)
    gap = width - sum(len(part) for part, _ in (*title, *place)) - 1
    lines: list[Line] = [(*title, (" " * gap, ""), *place)] if gap > 0 else [title, ((" ", ""), *place)]
    lines += [((f" {part}", "dim"),) for part in (wrap(text(preview.cluster)[0], width - 2) if preview.cluster else ())]
    rule: Line = (("─" * width, "rule"),)
    lines.append(rule)
    name_width = max([10, *(len(item.name) for item in plan.differences)]) + 1
    name_width = min(name_width, 24)
    for item in plan.differences:
        lines += _render_difference(item.name, item.before, item.after, name_width, width)
    for note in plan.notes:
        lines += [((" " * (name_width + 1), ""), (part, "")) for part in wrap(text(note)[0], width - name_width - 2)]
    lines.append(rule)
    for at, part in enumerate(wrap(text(plan.command)[0], width - 11)):
        lines.append(((" same as   " if at == 0 else " " * 11, "dim"), (part, "accent")))
    lines.append(rule)
    # Worst first: on 24 lines the rest may be scrolled out of view.
    for check in sorted(preview.checks, key=lambda item: -tuple(CheckLevel).index(item.level)):
        word, tone = _LEVELS[check.level]
        how: Span = (f"  ({check.how})" if check.how else "", "dim")
        parts = wrap(text(check.text)[0], width - 8)
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            fits = last and len(part) + len(how[0]) + 7 <= width
            lines.append(((f" {word if at == 0 else '':<5} ", tone), (part, ""), how if fits else ("", "")))
    return tuple(lines)


def _render_difference(name: str, before: str, after: str, name_width: int, width: int) -> list[Line]:
    head = f" {text(name)[0]:<{name_width}}"[: name_width + 1]
    old, new = text(before)[0], text(after)[0]
    if before == after:
        parts = wrap(f"{old} (unchanged)", width - name_width - 2)
        return [((head if at == 0 else " " * (name_width + 1), "dim"), (part, "dim")) for at, part in enumerate(parts)]
    if len(old) + len(new) + name_width + 8 <= width:
        return [((head, "dim"), (f"{old}  ", ""), ("→  ", "accent"), (new, "strong"))]
    lines: list[Line] = []
    for lead, value, tone in ((head, old, ""), (" " * (name_width - 1) + "→ ", new, "strong")):
        for at, part in enumerate(wrap(value, width - name_width - 2)):
            lines.append(((lead if at == 0 else " " * (name_width + 1), "dim" if lead is head else "accent"), (part, tone)))
    return lines
