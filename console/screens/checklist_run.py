"""A walk through one checklist: one item a page, all of them in a rail on the left, the sign-off at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from console.checklists import definition, report, run_events
from console.checklists.definition import Checklist, PanelEvidence
from console.checklists.evaluate import EvaluationInput, findings
from console.checklists.evidence_queries import CollectedEvidence, ask
from console.checklists.incidents import known_incidents
from console.checklists.result import ItemResult, NavigationTarget
from console.checklists.summary import summary
from console.journal.errors import JournalError
from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.checklist_run_view import SIGN_OFF, ChecklistRunView, item_lines, rail_line, section_lines, sign_off_lines
from console.screens.messages import ActionRequested, CopyRequested, OpenRequested
from console.screens.render_context import RenderContext
from console.state.checklist_runs import AGREE, ITEM, NOTE, OVERRULE, SIGNED, ChecklistRun
from queries.model.verdict import Verdict
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog
from widgets.rows import Rows
from widgets.styled_text import Line, text
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.state.snapshot import Snapshot


class ChecklistRunScreen(ConsoleScreen):
    """What is confirmed here is in the journal before it is shown, and everything shown of people comes from there."""

    TITLE_WORDS = "Walk"
    ABOUT = (
        "One item a page: what the data says, against its target, yesterday and the last walk. ● agreed, ▲ overruled or "
        "disputed, ○ not answered. Leave whenever you like: everything confirmed is in the journal, and 8 takes it up again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "agree",
            "agree",
            key_display="enter",
            tooltip="Agree with what the data says; yes to a question; sign",
            id="walk.agree",
        ),
        Binding("o", "overrule", "overrule", tooltip="Say otherwise, with a reason", id="walk.overrule"),
        Binding("n", "note", "note", tooltip="A note on this item", id="walk.note"),
        Binding("g", "look", "go and look", tooltip="To its panel, alert, runbook or action; esc comes back", id="walk.look"),
        Binding("u", "ask", "ask again", tooltip="Ask the evidence of all items again", id="walk.ask"),
        keys.RUNBOOK,
        keys.COPY,
        Binding("down,j,right", "step(1)", "next", show=False, tooltip="The next item", id="walk.next"),
        Binding("up,k,left", "step(-1)", "previous", show=False, tooltip="The item before", id="walk.previous"),
        Binding("home", "edge(0)", "first", show=False, tooltip="The first item", id="walk.first"),
        Binding("end", "edge(-1)", "sign-off", show=False, tooltip="The sign-off", id="walk.last"),
        Binding("pagedown,space", "scroll(8)", "down", show=False, tooltip="Further down on this page", id="walk.down"),
        Binding("pageup", "scroll(-8)", "up", show=False, tooltip="Further up on this page", id="walk.up"),
    ]

    def __init__(self, checklist: Checklist, walk_id: str, *, at: str = "") -> None:
        super().__init__()
        self.checklist = checklist
        self.walk_id = walk_id
        self.at = at or checklist.items[0].id
        self.answers: CollectedEvidence | None = None
        self._writing = False
        self._asked = False
        self._known: tuple[Snapshot, CollectedEvidence | None, tuple[ItemResult, ...]] | None = None
        self._title = TextView(classes="title")
        self._rail: Rows[str] = Rows(key=lambda key: key or "sign-off", draw=self._rail_line, id="walk-rail")
        self._rail.can_focus = False
        self._rail.always_active = True
        self._page = TextView(id="walk-page")

    def body(self) -> Iterable[Widget]:
        yield self._title
        with Horizontal(classes="walk"):
            yield self._rail
            yield self._page

    def draw(self, view: RenderContext) -> None:
        if not self._asked and view.session is not None and view.snapshot is not None:
            self.action_ask()
        sight = self._sight()
        if sight is None:
            self._page.show(((("  the journal does not have this walk any more", "warn"),),))
            return
        self._title.show((self._head(sight),))
        self._rail.show((*(item.id for item in self.checklist.items), SIGN_OFF))
        self._rail.move_to(self.at or "sign-off")
        self._rail.refresh_changes()
        # One less: where the page is longer than its height, the scrollbar takes a column.
        width = (self._page.size.width or 41) - 1
        if self.at == SIGN_OFF:
            lines = sign_off_lines(sight, width)
            sections = summary(self.checklist, sight.findings, self._facts(view)) if self.checklist.summary else ()
            lines += tuple(section_lines(sections, width))
        else:
            number = [item.id for item in self.checklist.items].index(self.at)
            lines = item_lines(sight, sight.findings[number], number + 1, width)
        self._page.show(lines)

    # what a person does

    def action_agree(self) -> None:
        if self.at == SIGN_OFF:
            self.run_worker(self._sign(), "signing the walk", "walk")
        elif (finding := self._finding()) is not None:
            if self.answers is None and not isinstance(finding.item.evidence, PanelEvidence | definition.QuestionEvidence):
                self._say("its evidence is still being asked")
                return
            self.run_worker(self._answer(finding, AGREE), "writing the answer", "walk")

    def action_overrule(self) -> None:
        finding = self._finding()
        if finding is None:
            self._say("the sign-off is not overruled; go to the item")
            return
        self.run_worker(self._overrule(finding), "overruling", "walk")

    def action_note(self) -> None:
        finding = self._finding()
        if finding is None:
            self._say("a note belongs to an item; the signature has a remark")
            return
        self.run_worker(self._note(finding), "writing the note", "walk")

    def action_look(self) -> None:
        finding = self._finding()
        places = finding.places if finding else ()
        if len(places) == 1:
            self._go(places[0])
        elif places:
            choices = tuple((str(at), place.words) for at, place in enumerate(places))
            self.app.push_screen(SelectDialog("Go and look", choices), lambda key: self._go(places[int(key)]) if key else None)
        else:
            self._say("there is nowhere to look for this")

    def action_runbook(self) -> None:
        finding = self._finding()
        place = next((item for item in (finding.places if finding else ()) if item.kind == "runbook"), None)
        if place is None:
            self._say("no runbook belongs to this; all runbooks are on 5")
        else:
            self._go(place)

    def action_copy(self) -> None:
        view, sight = self.view, self._sight()
        if view is None or view.snapshot is None or sight is None:
            return
        sections = summary(self.checklist, sight.findings, self._facts(view)) if self.checklist.summary else ()
        made = report.ChecklistReport(self.checklist, sight.findings, view.snapshot, sections, sight.walk)
        self.post_message(CopyRequested(report.as_markdown(made), "the walk as Markdown"))

    def action_ask(self) -> None:
        if not self.has_worker("evidence"):
            self._asked = True
            self.run_worker(self._ask(), "asking for the evidence", "evidence")

    def action_step(self, by: int) -> None:
        keys_ = [*(item.id for item in self.checklist.items), SIGN_OFF]
        self._move(keys_[min(max(0, keys_.index(self.at) + by), len(keys_) - 1)])

    def action_edge(self, to: int) -> None:
        self._move(self.checklist.items[0].id if to == 0 else SIGN_OFF)

    def action_scroll(self, by: int) -> None:
        self._page.scroll_relative(y=by, animate=False)

    @on(Rows.Highlighted)
    def _clicked(self, event: Rows.Highlighted) -> None:
        # The rail is also moved by drawing it: a message that is older than where it stands now must not move it back.
        if event.key == self._rail.cursor_key:
            self._move(SIGN_OFF if event.key == "sign-off" else event.key)

    def _move(self, to: str) -> None:
        if to != self.at:
            self.at = to
            self._page.scroll_home(animate=False)
            self.redraw()

    def _go(self, place: NavigationTarget) -> None:
        if place.kind == "action" and place.action is not None:
            from console.actions.plan import Request  # noqa: PLC0415  # not before the first frame

            request = Request(
                action=place.action.action,
                target=place.action.target,
                parameters=dict(place.action.parameters),
                cause=f"checklist {self.checklist.title}",
                fingerprint=place.about,
            )
            self.post_message(ActionRequested(request))
        else:
            self.post_message(OpenRequested(place.kind, place.subject, place.about))

    # writing: the journal first, the screen after it

    async def _answer(self, finding: ItemResult, answer: str, reason: str = "") -> None:
        if await self._write(ITEM, run_events.answered(finding, answer, reason=reason)) and self.at == finding.item.id:
            self.action_step(1)

    async def _overrule(self, finding: ItemResult) -> None:
        becomes = run_events.stands(finding.verdict, OVERRULE)
        asked = "no" if finding.verdict is None else f"{finding.word}, you say {'ok' if becomes is Verdict.OK else 'not ok'}"
        title = f"{finding.item.title}: {f'the data says {asked}' if finding.verdict is not None else 'you say no'}"
        dialog = FormDialog(title, (FormField("reason", "why; the next person reads it"),), verb="Overrule")
        said = await self.app.push_screen_wait(dialog)
        if said is not None:
            await self._answer(finding, OVERRULE, said["reason"])

    async def _note(self, finding: ItemResult) -> None:
        dialog = FormDialog(f"Note on {finding.item.title}", (FormField("note", "stored as typed"),), verb="Note")
        said = await self.app.push_screen_wait(dialog)
        if said is not None:
            await self._write(NOTE, run_events.noted(finding.item, said["note"]))

    async def _sign(self) -> None:
        sight, view = self._sight(), self.view
        if sight is None or view is None:
            return
        left = run_events.left_open(self.checklist, sight.walk, sight.findings)
        title = f"Sign {self.checklist.title}: {f'{len(left)} open' if left else 'nothing is open'}"
        questions = (
            FormField("name", "who signs", view.settings.user),
            FormField("remark", "what the next person should know", required=False),
        )
        said = await self.app.push_screen_wait(FormDialog(title, questions, verb="Sign"))
        sight = self._sight()
        if said is None or sight is None:
            return
        data = run_events.signed(self.checklist, sight.walk, sight.findings, name=said["name"], remark=said.get("remark", ""))
        if await self._write(SIGNED, data):
            head = view.session.snapshot().ledger.head if view.session else ""
            self._say(f"{self.checklist.title} is signed; journal head {head}")

    async def _write(self, kind: str, data: dict[str, Any]) -> bool:
        """True when the disk has it; a second key press while it is being written is not taken for another answer."""
        session = self.view.session if self.view else None
        if session is None or self._writing:
            return False
        self._writing = True
        try:
            await session.record(kind, self.walk_id, data)
        except JournalError as error:
            self._say(f"not written, so not confirmed: {error}", trouble=True)
            return False
        finally:
            self._writing = False
        self.redraw()
        return True

    def show_worker_error(self, group: str) -> None:
        self._known = None
        self.redraw()

    async def _ask(self) -> None:
        view = self.view
        if view is None or view.session is None or view.snapshot is None:
            return
        self.answers = await ask(
            self.checklist,
            view.snapshot,
            view.snapshot.ledger.walks,
            prometheus=view.session.prometheus,
            kubernetes=view.session.kubernetes,
            clock=lambda: self.view.now if self.view else 0.0,
        )
        self.redraw()

    # what is known

    def _walk(self) -> ChecklistRun | None:
        snapshot = self.view.snapshot if self.view else None
        return snapshot.ledger.walks.get(self.walk_id) if snapshot else None

    def _facts(self, view: RenderContext) -> EvaluationInput:
        snapshot = view.snapshot
        assert snapshot is not None  # noqa: S101  a walk is opened from what is known
        known = view.session is not None and view.session.journal_known
        incidents = known_incidents(snapshot.ledger, known=known)
        unanswered = self.worker_errors.get("evidence", "asking …")
        return EvaluationInput(snapshot, self.answers, view.now, incidents, unanswered)

    def _sight(self) -> ChecklistRunView | None:
        view, walk = self.view, self._walk()
        if view is None or view.snapshot is None or walk is None:
            return None
        if self._known is None or self._known[0] is not view.snapshot or self._known[1] is not self.answers:
            self._known = (view.snapshot, self.answers, findings(self.checklist, self._facts(view)))
        asked_at = self.answers.asked_at if self.answers else 0.0
        return ChecklistRunView(self.checklist, self._known[2], walk, view.snapshot.ledger.walks, view.now, asked_at)

    def _finding(self) -> ItemResult | None:
        """Of the item in view; None on the sign-off."""
        sight = self._sight()
        return next((item for item in sight.findings if item.item.id == self.at), None) if sight else None

    def _rail_line(self, key: str, width: int) -> Line:
        sight = self._sight()
        return rail_line(sight, key, width) if sight else ()

    def _head(self, sight: ChecklistRunView) -> Line:
        answered = len(sight.walk.answered & {item.id for item in self.checklist.items})
        people = ", ".join(sight.walk.people)
        state = " signed" if sight.walk.signed else ""
        return (
            text(f" {self.checklist.title}", "title"),
            (f"  {answered} of {len(self.checklist.items)}{state}", "strong"),
            text(f"  {people}", "dim"),
        )

    def _say(self, words: str, *, trouble: bool = False) -> None:
        self.app.notify(words, markup=False, severity="warning" if trouble else "information", timeout=8 if trouble else 4)
