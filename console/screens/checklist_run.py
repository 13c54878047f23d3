"""A run of one checklist: one item per page, a rail with all items on the left, the sign-off at the end."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from console.checklists import definition, report, run_review
from console.checklists.definition import Checklist, PanelEvidence
from console.checklists.evaluate import EvaluationInput, evaluate
from console.checklists.evidence_queries import CollectedEvidence
from console.checklists.result import ItemResult, NavigationTarget
from console.checklists.service import RunSignedError, build_report, describe_signature
from console.journal.errors import JournalError
from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.checklist_run_view import (
    SIGN_OFF,
    ChecklistRunView,
    render_item,
    render_rail_line,
    render_sections,
    render_sign_off,
)
from console.screens.messages import (
    ActionRequested,
    CopyRequested,
    OpenAlertRequested,
    OpenExploreRequested,
    OpenPanelRequested,
    OpenRequested,
    OpenRunbookRequested,
    OpenScreenRequested,
)
from console.screens.render_context import RenderContext
from console.state.checklist_runs import AGREE, OVERRULE, ChecklistRun
from queries.concurrency import MANY, run_cpu_bound
from queries.model.verdict import Verdict
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog
from widgets.rows import Rows
from widgets.styled_text import Line, text
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.checklists.service import ChecklistService
    from console.state.snapshot import Snapshot


FETCH_SECONDS = 300.0
"""How old the evidence may be while a page stays open: people answer and sign what is, not what was hours ago."""
_OPEN: dict[str, Callable[[NavigationTarget], OpenRequested]] = {
    "panel": lambda target: OpenPanelRequested(target.subject),
    "alert": lambda target: OpenAlertRequested(target.subject),
    "runbook": lambda target: OpenRunbookRequested(target.subject, target.about),
    "explore": lambda target: OpenExploreRequested(target.subject),
    "screen": lambda target: OpenScreenRequested(target.subject),
}
"""The request for each kind of navigation target; an action is run instead."""


class ChecklistRunScreen(ConsoleScreen):
    """The journal has every answer before the screen shows it; everything people did comes from there."""

    SCREEN_TITLE = "Checklist run"
    HELP_TEXT = (
        "One item per page: its result against the target, yesterday and the previous run. ● agreed, ▲ overruled or disputed, "
        "○ not answered. Leave at any time: the journal has every answer, and 8 continues the run."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "agree",
            "agree",
            key_display="enter",
            tooltip="Agree with the result; yes to a question; sign",
            id="walk.agree",
        ),
        Binding("o", "overrule", "overrule", tooltip="Overrule the result, with a reason", id="walk.overrule"),
        Binding("n", "note", "note", tooltip="Add a note to this item", id="walk.note"),
        Binding("g", "inspect", "go to", tooltip="Open its panel, alert, runbook or action; esc returns", id="walk.look"),
        Binding("u", "fetch", "fetch again", tooltip="Fetch the evidence of all items again", id="walk.ask"),
        keys.RUNBOOK,
        keys.COPY,
        Binding("down,j,right", "step(1)", "next", show=False, tooltip="Next item", id="walk.next"),
        Binding("up,k,left", "step(-1)", "previous", show=False, tooltip="Previous item", id="walk.previous"),
        Binding("home", "edge(0)", "first", show=False, tooltip="First item", id="walk.first"),
        Binding("end", "edge(-1)", "sign-off", show=False, tooltip="To the sign-off", id="walk.last"),
        Binding("pagedown,space", "scroll(8)", "down", show=False, tooltip="Scroll down", id="walk.down"),
        Binding("pageup", "scroll(-8)", "up", show=False, tooltip="Scroll up", id="walk.up"),
    ]

    def __init__(self, checklist: Checklist, run_id: str, *, at: str = "") -> None:
        super().__init__()
        self.checklist = checklist
        self.run_id = run_id
        self.at = at or checklist.items[0].id
        self.evidence: CollectedEvidence | None = None
        self._writing = False
        self._requested_at = -math.inf
        self._evaluated: tuple[Snapshot, CollectedEvidence | None, tuple[ItemResult, ...]] | None = None
        self._title = TextView(classes="title")
        self._rail: Rows[str] = Rows(key=lambda key: key or "sign-off", draw=self._render_rail_row, id="walk-rail")
        self._rail.can_focus = False
        self._rail.always_active = True
        self._page = TextView(id="walk-page")

    def body(self) -> Iterable[Widget]:
        yield self._title
        with Horizontal(classes="walk"):
            yield self._rail
            yield self._page

    def draw(self, context: RenderContext) -> None:
        self._evaluate_if_changed(context)
        view = self._current_view()
        signed = view is not None and view.run.signature is not None
        most = math.inf if signed else FETCH_SECONDS  # a signed run shows what was recorded
        old = abs(context.now - self._requested_at) >= most  # also after a step back in time
        if old and context.session is not None and context.snapshot is not None:
            self.action_fetch()
        if view is None:
            gone, evaluating = ("  this run is no longer in the journal", "warn"), ("  evaluating …", "dim")
            failure = self.error_lines("evaluation", self.width)
            self._page.show(failure or ((gone if self._run() is None else evaluating,),))
            return
        self._title.show((self._render_title(view),))
        self._rail.show((*(item.id for item in self.checklist.items), SIGN_OFF))
        self._rail.move_to(self.at or "sign-off")
        self._rail.refresh_changes()
        # One less, for the scrollbar of a page that exceeds its height.
        width = (self._page.size.width or 41) - 1
        if self.at == SIGN_OFF:
            lines = render_sign_off(view, width)
            if view.run.signature is None:  # a signed run has no live figures beside it
                lines += tuple(render_sections(self._report(context, view).sections, width))
        else:
            number = [item.id for item in self.checklist.items].index(self.at)
            lines = render_item(view, view.results[number], number + 1, width)
        self._page.show(lines)

    # actions of a person

    def action_agree(self) -> None:
        if self._refuse_signed():
            return
        if self.at == SIGN_OFF:
            self.run_worker(self._sign(), "signing the run", "run")
        elif (result := self._current_result()) is None:
            self.show_notice("the run is still being evaluated")
        elif self.evidence is None and not isinstance(result.item.evidence, PanelEvidence | definition.QuestionEvidence):
            self.show_notice("its evidence is still being fetched")
        else:
            self.run_worker(self._answer(result, AGREE), "writing the answer", "run")

    def action_overrule(self) -> None:
        if self._refuse_signed():
            return
        result = self._current_result()
        if result is None:
            self.show_notice("the sign-off cannot be overruled; go to the item")
            return
        self.run_worker(self._overrule(result), "overruling", "run")

    def _refuse_signed(self) -> bool:
        """Signed is signed: a correction is a note of its own, with its author and time."""
        run = self._run()
        if run is None or run.signature is None:
            return False
        self.show_notice(describe_signature(run.signature))
        return True

    def action_note(self) -> None:
        result = self._current_result()
        if result is None:
            self.show_notice("notes belong to items; the signature has a remark")
            return
        self.run_worker(self._note(result), "writing the note", "run")

    def action_inspect(self) -> None:
        result = self._current_result()
        targets = result.targets if result else ()
        if len(targets) == 1:
            self._navigate(targets[0])
        elif targets:
            choices = tuple((str(at), target.label) for at, target in enumerate(targets))
            dialog = SelectDialog("Go to", choices)
            self.app.push_screen(dialog, lambda key: self._navigate(targets[int(key)]) if key else None)
        else:
            self.show_notice("this item has nothing to open")

    def action_runbook(self) -> None:
        result = self._current_result()
        target = next((item for item in (result.targets if result else ()) if item.kind == "runbook"), None)
        if target is None:
            self.show_notice("this item has no runbook; 5 lists all runbooks")
        else:
            self._navigate(target)

    def action_copy(self) -> None:
        context, view = self.context, self._current_view()
        if context is None or context.snapshot is None or view is None:
            return
        self.post_message(CopyRequested(report.as_markdown(self._report(context, view)), "the run as Markdown"))

    def action_fetch(self) -> None:
        if not self.has_worker("evidence"):
            self._requested_at = self.context.now if self.context else 0.0
            self.run_worker(self._fetch_evidence(), "fetching the evidence", "evidence")

    def action_step(self, by: int) -> None:
        pages = [*(item.id for item in self.checklist.items), SIGN_OFF]
        self._move(pages[min(max(0, pages.index(self.at) + by), len(pages) - 1)])

    def action_edge(self, to: int) -> None:
        self._move(self.checklist.items[0].id if to == 0 else SIGN_OFF)

    def action_scroll(self, by: int) -> None:
        self._page.scroll_relative(y=by, animate=False)

    @on(Rows.Highlighted)
    def _page_highlighted(self, event: Rows.Highlighted) -> None:
        # Drawing moves the rail too: a message that is older than its current position must not move it back.
        if event.key == self._rail.cursor_key:
            self._move(SIGN_OFF if event.key == "sign-off" else event.key)

    def _move(self, to: str) -> None:
        if to != self.at:
            self.at = to
            self._page.scroll_home(animate=False)
            self.redraw()

    def _navigate(self, target: NavigationTarget) -> None:
        if target.kind == "action" and target.action is not None:
            from console.actions.plan import Request  # noqa: PLC0415  # not before the first frame

            request = Request(
                action=target.action.action,
                target=target.action.target,
                parameters=dict(target.action.parameters),
                cause=f"checklist {self.checklist.title}",
                fingerprint=target.about,
            )
            self.post_message(ActionRequested(request))
        else:
            self.post_message(_OPEN[target.kind](target))

    # the journal is written before the screen shows it

    async def _answer(self, result: ItemResult, answer: str, reason: str = "") -> None:
        written = await self._write(lambda service: service.answer(self.run_id, result, answer, reason=reason))
        if written and self.at == result.item.id:
            self.action_step(1)

    async def _overrule(self, result: ItemResult) -> None:
        resulting = run_review.resulting_verdict(result.verdict, OVERRULE)
        question = f"{result.item.title}: you say no"
        if result.verdict is not None:
            question = (
                f"{result.item.title}: the data says {result.label}, you say {'ok' if resulting is Verdict.OK else 'not ok'}"
            )
        dialog = FormDialog(question, (FormField("reason", "why; the next person reads it"),), verb="Overrule")
        values = await self.app.push_screen_wait(dialog)
        if values is not None:
            await self._answer(result, OVERRULE, values["reason"])

    async def _note(self, result: ItemResult) -> None:
        dialog = FormDialog(f"Note on {result.item.title}", (FormField("note", "stored as typed"),), verb="Note")
        values = await self.app.push_screen_wait(dialog)
        if values is not None:
            await self._write(lambda service: service.add_note(self.run_id, result.item, values["note"]))

    async def _sign(self) -> None:
        await self._evaluate()
        view, context = self._current_view(), self.context
        if view is None or context is None:
            return
        open_items = run_review.open_items(self.checklist, view.run, view.results)
        title = f"Sign {self.checklist.title}: {f'{len(open_items)} open' if open_items else 'nothing is open'}"
        fields = (
            FormField("name", "who signs", context.settings.user),
            FormField("remark", "what the next person should know", required=False),
        )
        values = await self.app.push_screen_wait(FormDialog(title, fields, verb="Sign"))
        await self._evaluate()
        now = self._current_view()
        if values is None or now is None:
            return
        if now.run.signature is None and self._list_open(now) != self._list_open(view):
            self.show_notice("not signed: the results changed meanwhile; look again, then sign", warning=True)
            return
        name, remark = values["name"], values.get("remark", "")
        if await self._write(lambda service: service.sign(self.checklist, view.run, view.results, name=name, remark=remark)):
            head = context.session.snapshot().ledger.head if context.session else ""
            self.show_notice(f"{self.checklist.title} is signed; journal head {head}")

    def _list_open(self, view: ChecklistRunView) -> tuple[run_review.OpenItem, ...]:
        """What is open, without the figures of items that nobody answered: those change with every poll."""
        results = [replace(result, value_text="") for result in view.results]
        return run_review.open_items(self.checklist, view.run, results)

    async def _write(self, use_case: Callable[[ChecklistService], Awaitable[None]]) -> bool:
        """True once the journal has it; a second key press while it is being written is ignored."""
        session = self.context.session if self.context else None
        if session is None or self._writing:
            return False
        self._writing = True
        try:
            await use_case(session.checklists)
        except (JournalError, RunSignedError) as error:
            self.show_notice(f"not recorded: {error}", warning=True)
            return False
        finally:
            self._writing = False
        self.redraw()
        return True

    def show_worker_error(self, group: str) -> None:
        self._evaluated = None
        self.redraw()

    async def _fetch_evidence(self) -> None:
        context = self.context
        if context is None or context.session is None or context.snapshot is None:
            return
        self.evidence = await context.session.checklists.fetch_evidence(self.checklist, context.snapshot)
        self.redraw()

    # derived from the context

    def _run(self) -> ChecklistRun | None:
        snapshot = self.context.snapshot if self.context else None
        return snapshot.ledger.checklist_runs.get(self.run_id) if snapshot else None

    def _evaluation_input(self, context: RenderContext) -> EvaluationInput:
        session, snapshot = context.session, context.snapshot
        assert session is not None and snapshot is not None  # noqa: S101  a run is opened from a snapshot
        pending = self.worker_errors.get("evidence", "fetching …")
        return session.checklists.evaluation_input(snapshot, self.evidence, now=context.now, pending=pending)

    def _report(self, context: RenderContext, view: ChecklistRunView) -> report.ChecklistReport:
        return build_report(self.checklist, self._evaluation_input(context), view.results, view.run)

    def _current_view(self) -> ChecklistRunView | None:
        context, run = self.context, self._run()
        if context is None or context.session is None or context.snapshot is None or run is None:
            return None
        if run.signature is not None:
            results = run_review.recorded_results(self.checklist, run)
            return ChecklistRunView(self.checklist, results, run, context.snapshot.ledger.checklist_runs, context.now)
        if self._evaluated is None:
            return None
        fetched_at = self.evidence.fetched_at if self.evidence else 0.0
        return ChecklistRunView(
            self.checklist, self._evaluated[2], run, context.snapshot.ledger.checklist_runs, context.now, fetched_at
        )

    def _is_evaluated(self, context: RenderContext) -> bool:
        known = self._evaluated
        return known is not None and known[0] is context.snapshot and known[1] is self.evidence

    def _evaluate_if_changed(self, context: RenderContext) -> None:
        """Evaluate a new snapshot or new evidence, large ones in a thread: until then the page shows the former results."""
        snapshot, run = context.snapshot, self._run()
        signed = run is None or run.signature is not None
        if context.session is None or snapshot is None or signed or self._is_evaluated(context):
            return
        if len(snapshot.alerts) + sum(len(panel.samples) for panel in snapshot.panels) <= MANY:
            self._evaluated = (snapshot, self.evidence, evaluate(self.checklist, self._evaluation_input(context)))
        elif not self.has_worker("evaluation"):
            self.run_worker(self._evaluate(), "evaluating the run", "evaluation")

    async def _evaluate(self) -> None:
        """Until what is shown is evaluated."""
        while (context := self.context) is not None and context.snapshot is not None and not self._is_evaluated(context):
            snapshot, evidence, given = context.snapshot, self.evidence, self._evaluation_input(context)
            results = await run_cpu_bound(partial(evaluate, self.checklist, given))
            self._evaluated = (snapshot, evidence, results)
            self.redraw()

    def _current_result(self) -> ItemResult | None:
        """The result of the item in view; None on the sign-off."""
        view = self._current_view()
        return next((item for item in view.results if item.item.id == self.at), None) if view else None

    def _render_rail_row(self, key: str, width: int) -> Line:
        view = self._current_view()
        return render_rail_line(view, key, width) if view else ()

    def _render_title(self, view: ChecklistRunView) -> Line:
        answered = len(view.run.answered_items & {item.id for item in self.checklist.items})
        people = ", ".join(view.run.people)
        state = " signed" if view.run.signature else ""
        return (
            text(f" {self.checklist.title}", "title"),
            (f"  {answered} of {len(self.checklist.items)}{state}", "strong"),
            text(f"  {people}", "dim"),
        )
