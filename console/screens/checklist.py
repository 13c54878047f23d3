"""The checklists: which are due, open or signed, their past runs and recurring findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.checklists.definition import Checklist
from console.checklists.loader import BrokenChecklist, Checklists
from console.checklists.run_review import find_streaks
from console.journal.errors import JournalError
from console.screens.base import section
from console.screens.checklist_run import ChecklistRunScreen
from console.screens.checklist_run_view import render_past_run, verdict_tone
from console.screens.filterable_screen import FilterableScreen
from console.screens.render_context import RenderContext
from console.state.checklist_runs import ChecklistRun, ChecklistRuns, Signature
from queries.model.text import visible
from queries.text.durations import format_span
from queries.text.times import format_local
from widgets.column_widths import Column
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text
from widgets.table import Table, set_keys
from widgets.text_view import TextView

_LISTS = (
    Column("checklist", 12, flex=2),
    Column("due", 7, rank=2),
    Column("now", 26, flex=3),
    Column("last signed", 26, flex=3, rank=1),
)
_HISTORY = (
    Column("started", 20, flex=1, key=lambda item: item.started_at),
    Column("by", 14, flex=2, rank=2),
    Column("took", 8, rank=1),
    Column("signed", 12, flex=2),
    Column("open", 5, right=True),
)


class ChecklistScreen(FilterableScreen):
    """Files are loaded in a thread when the screen opens; everything else comes from the journal."""

    SCREEN_TITLE = "Checklists"
    HELP_TEXT = (
        "The checklists with their state; below, the past runs of the one under the cursor. Enter starts a run, or continues "
        "the open one, whoever started it. `cad-console doctor` names the folder for a team's own checklists."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "load", "reload", tooltip="Load the files again", id="checklist.read"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._lists: Table[Checklist] = Table(
            set_keys(_LISTS, {"last signed": self._last_signed_at}),
            key=lambda item: item.name,
            cells=self._cells,
            empty=NO_ANSWER,
            id="checklists",
        )
        self._history: Table[ChecklistRun] = Table(
            _HISTORY, key=lambda item: item.id, cells=self._past_cells, empty="no run yet", id="past-walks"
        )
        self._history.add_class("grow")
        self._rule = TextView(classes="title")
        self._detail = TextView(id="event")
        self._checklists: Checklists | None = None

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._lists
        yield self._rule
        yield self._history
        yield self._detail
        yield self._field

    def draw(self, context: RenderContext) -> None:
        if self._checklists is None and context.session is not None and "checklists" not in self.worker_errors:
            self.action_load()
        checklists = self._checklists
        broken: tuple[BrokenChecklist, ...] = checklists.broken if checklists else ()
        error = context.session.journal_error if context.session else ""
        notice: Span = text(f"  no journal, so no run: {error}", "critical") if error else ("", "")
        if broken:
            notice = text(f"  BROKEN {broken[0].why}", "warn")
        self._title.show((((" Checklists ", "title"), notice),))
        failed = self.worker_errors.get("checklists", "")
        self._lists.show(
            [*checklists.lists] if checklists else (),  # another list, to be sorted again: the runs change, the files do not
            empty="no checklist can be read" if checklists else failed or NO_ANSWER,
        )
        self._lists.refresh_changes()
        chosen = self._lists.current
        runs = self._runs()
        self._rule.show((section(f"Past runs of {visible(chosen.title)}" if chosen else "Past runs", self.width),))
        past = tuple(reversed(runs.for_checklist(chosen.name))) if chosen else ()
        self._history.show(past, empty="no run yet; enter starts one")
        self._history.refresh_changes()
        self._detail.show(tuple(self._detail_lines(context, chosen, runs)))

    def action_load(self) -> None:
        if not self.has_worker("checklists"):
            self.run_worker(self._load(), "loading the checklists", "checklists")

    async def _load(self) -> None:
        context = self.context
        if context is None or context.session is None:
            return
        self._checklists = await context.session.checklists.load()
        self.redraw()

    @on(Rows.Selected, "#checklists")
    def _open_selected(self, event: Rows.Selected) -> None:
        checklist = self._checklists.get(event.key) if self._checklists else None
        if checklist is not None:
            self.run_worker(self._open_run(checklist), "opening the run", "run", exclusive=True)

    async def _open_run(self, checklist: Checklist) -> None:
        """Continue the open run, or start one; the journal has it before the screen shows it."""
        context = self.context
        if context is None or context.session is None or context.snapshot is None:
            self.show_notice("nothing is known yet: wait for the first response", warning=True)
            return
        run = self._runs().current(checklist.name, due=checklist.due, now=context.now)
        if run is None:
            try:
                run_id = await context.session.checklists.start(checklist)
            except JournalError as error:
                self.show_notice(f"no run was started: {error}", warning=True)
                return
            self.app.push_screen(ChecklistRunScreen(checklist, run_id))
            return
        first_open = next((item.id for item in checklist.items if item.id not in run.answered_items), "")
        self.app.push_screen(ChecklistRunScreen(checklist, run.id, at=first_open))

    @on(Rows.Selected, "#past-walks")
    def _reopen_selected(self, event: Rows.Selected) -> None:
        """Continue a run that is still open; a past one is shown below."""
        checklist = self._lists.current
        run = self._runs().get(event.key)
        if checklist is not None and run is not None and not run.signature:
            self.app.push_screen(ChecklistRunScreen(checklist, run.id))

    @on(Rows.Highlighted)
    def _row_highlighted(self) -> None:
        self.redraw()

    @on(Rows.EdgeReached)
    def _cross_edge(self, event: Rows.EdgeReached) -> None:
        if event.rows is self._lists and event.direction > 0 and self._history.items:
            self._history.focus()
        elif event.rows is self._history and event.direction < 0:
            self._lists.focus()

    def on_descendant_focus(self) -> None:
        self.redraw()

    def _runs(self) -> ChecklistRuns:
        snapshot = self.context.snapshot if self.context else None
        return snapshot.ledger.checklist_runs if snapshot else ChecklistRuns()

    def _cells(self, item: Checklist) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        runs = self._runs()
        signed = self._last_signature(item)
        open_items = f", {len(signed.open)} open" if signed and signed.open else ""
        last_signed = f"{format_local(signed.at, now=now)} {visible(signed.name)}{open_items}" if signed else "never"
        return (
            text(item.title, "strong"),
            text(item.due or "-", "dim"),
            self._state_cell(item, runs, now),
            text(last_signed, "dim"),
        )

    def _last_signature(self, item: Checklist) -> Signature | None:
        last = next(iter(reversed(self._runs().signed(item.name))), None)
        return last.signature if last else None

    def _last_signed_at(self, item: Checklist) -> float | None:
        signature = self._last_signature(item)
        return signature.at if signature else None

    def _state_cell(self, item: Checklist, runs: ChecklistRuns, now: float) -> Span:
        run = runs.current(item.name, due=item.due, now=now)
        if run is not None:
            answered = len(run.answered_items & {each.id for each in item.items})
            return text(f"open, {answered} of {len(item.items)}, {', '.join(run.people)}", "warn")
        due = item.due_at(now)
        if due is None:
            return ("", "")
        if any(each.signature for each in runs.of_period(item.name, due=item.due, now=now)):
            return ("done", "ok")
        if now < due:
            return (f"due in {format_span(due - now)}", "dim")
        return (f"overdue since {format_local(due, now=now)}", "warn")

    def _past_cells(self, run: ChecklistRun) -> tuple[Span, ...]:
        now = self.context.now if self.context else run.started_at
        signature, duration = run.signature, run.duration
        approximate = "" if duration is None or duration.measured else "~"
        return (
            text(format_local(run.started_at, now=now)),
            text(", ".join(run.people), "dim"),
            (f"{approximate}{format_span(duration.seconds)}" if duration else "", "dim"),
            text(signature.name) if signature else ("not signed", "warn"),
            (str(len(signature.open)) if signature else "-", "warn" if signature and signature.open else "dim"),
        )

    def _detail_lines(self, context: RenderContext, checklist: Checklist | None, runs: ChecklistRuns) -> Iterable[Line]:
        if checklist is None:
            return
        titles = {item.id: item.title for item in checklist.items}
        run = self._history.current
        if run is not None and self._history.has_focus:
            older = [each for each in runs.signed(checklist.name) if each.started_at < run.started_at]
            yield section(f"Run of {format_local(run.started_at, now=context.now)}, compared with the previous one", self.width)
            yield from render_past_run(run, older[-1] if older else None, titles, context.now, self.width)
            return
        recurring = find_streaks(runs, checklist)
        if recurring:
            yield section("Recurring findings", self.width)
        for streak in recurring:
            at_least = "" if streak.complete else "at least "
            sentence = f" {visible(titles.get(streak.item, streak.item))}: in {at_least}{streak.runs} runs in a row"
            yield (
                (f" {streak.verdict.word}", verdict_tone(streak.verdict)),
                (sentence, ""),
                (f", since {format_local(streak.since, now=context.now)}", "dim"),
            )
