"""Several actions that were confirmed at once: which one runs, how each ended, and what was not sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.actions.batch import Batch
from console.actions.plan import CheckLevel, Outcome, Preview
from console.screens.action_preview import CHECK_LEVELS, measure_names, render_difference, worst_first
from console.screens.action_run import OUTCOME_TONES, ActionRunScreen
from console.screens.action_run_model import ActionRunModel, describe_outcome
from console.screens.base import ConsoleScreen
from console.screens.render_context import RenderContext
from widgets.column_widths import Column
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

COLUMNS = (Column("target", 24, flex=2, name="target"), Column("state", 10), Column("what happened", 30, flex=5))
ORDER = (
    "one after the other, in this order; after one that is not done (failed, refused, undone or unknown) the rest are not "
    "sent, and what was done stays done"
)
"""What happens to the others when one fails."""


class BatchRunScreen(ConsoleScreen):
    """A row for each run; enter opens its page."""

    SCREEN_TITLE = "Actions"
    HELP_TEXT = (
        "Several actions that you confirmed at once. They run one after the other: the next one is sent when the one before is "
        "done, and after any other outcome the rest are not sent. Each has its own intent and outcome in the journal. Leaving "
        "this screen stops nothing; X sends no further one."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("X", "stop_rest", "send no more", tooltip="Do not send those that were not sent yet", id="batch.stop"),
    ]

    def __init__(self, title: str, runs: tuple[ActionRunModel, ...], batch: Batch, *, is_over: Callable[[], bool]) -> None:
        super().__init__()
        self.runs = runs
        self._batch = batch
        self._heading = title
        self._is_over = is_over
        self._title = TextView(classes="title")
        self._table: Table[ActionRunModel] = Table(
            COLUMNS, key=lambda run: run.request.target, cells=self._cells, sortable=False, id="batch"
        )
        self._table.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table

    def on_mount(self) -> None:
        super().on_mount()
        self._table.focus()

    def draw(self, context: RenderContext) -> None:
        done = sum(run.outcome is not None and run.outcome.outcome is Outcome.DONE for run in self.runs)
        rest = "" if self._is_over() else " · no more are sent" if self._batch.stopped else ""
        self._title.show(((text(f" {self._heading} ", "title"), (f" {done} of {len(self.runs)} done{rest}", "strong")),))
        self._table.show(self.runs)
        self._table.refresh_changes()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop_rest" and (self._batch.stopped or self._is_over()):
            return None
        return super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        return "no further one is sent anyway" if action == "stop_rest" else super().why_disabled(action)

    def action_stop_rest(self) -> None:
        self._batch.stopped = True
        self.redraw()

    @on(Rows.Selected)
    def _open_run(self, event: Rows.Selected) -> None:
        run = self._table.current
        if run is not None:
            self.app.push_screen(ActionRunScreen(run))

    def _cells(self, run: ActionRunModel) -> tuple[Span, ...]:
        end = run.outcome
        if end is not None and end.outcome is not None:
            state: Span = (end.outcome.value, OUTCOME_TONES[end.outcome])
            what = describe_outcome(end)
        elif run.error:
            state, what = ("unknown", "critical"), run.error
        elif run.confirmed:
            state, what = ("running", "accent"), run.steps[-1].text if run.steps else ""
        elif run.finished:
            state, what = ("not sent", "warn"), run.steps[-1].text if run.steps else ""
        else:
            waiting = any(step.preview for step in run.steps)
            state, what = ("waits", "dim") if waiting else ("checking", "dim"), run.steps[-1].text if run.steps else ""
        return (text(run.request.target, "strong"), state, text(what))


def render_batch(
    title: str, runs: tuple[ActionRunModel, ...], previews: tuple[Preview | None, ...], width: int, *, place: str
) -> tuple[Line, ...]:
    """One preview that lists each run: what changes, what its checks say, or why it is not possible."""
    lines: list[Line] = [(text(f" {title}", "strong"), text(f"  {place}"))]
    clusters = dict.fromkeys(preview.cluster for preview in previews if preview and preview.cluster)
    lines += [((f" {part}", "dim"),) for cluster in clusters for part in wrap(text(cluster)[0], width - 2)]
    lines += [((f" {part}", ""),) for part in wrap(ORDER, width - 2)]
    for number, (run, preview) in enumerate(zip(runs, previews, strict=True), start=1):
        lines.append((("─" * width, "rule"),))
        if preview is None:
            end = run.outcome
            why = describe_outcome(end) if end is not None else run.error or "no preview"
            lines.append((text(f" {run.request.target}", "strong"), ("  not possible, left out", "critical")))
            lines += [((f"   {part}", "critical"),) for part in wrap(text(why)[0], width - 4)]
            continue
        lines.append((text(f" {number}. {preview.plan.title}", "strong"),))
        for item in preview.plan.differences:
            if item.before != item.after:
                lines += render_difference(item.name, item.before, item.after, measure_names(preview.plan), width)
        lines += [((f"   {part}", ""),) for note in preview.plan.notes for part in wrap(text(note)[0], width - 4)]
        lines += [((f"   {part}", "accent"),) for part in wrap(text(preview.plan.command)[0], width - 4)]
        passed = sum(check.level is CheckLevel.OK for check in preview.checks)
        for check in worst_first(preview.checks):
            word, tone = CHECK_LEVELS[check.level]
            if check.level is not CheckLevel.OK:
                parts = wrap(text(check.text)[0], width - 10)
                lines += [((f"   {word if at == 0 else '':<5} ", tone), (part, "")) for at, part in enumerate(parts)]
        lines.append(((f"   ok    {passed} checks passed", "ok"),))
    return tuple(lines)
