"""The shift handover, as the next person reads it; signed here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.checklists.incidents import known_incidents
from console.checklists.loader import ChecklistNames, Checklists
from console.checklists.run_events import new_id
from console.checklists.section import ReportSection
from console.handover import report
from console.handover.sections import HandoverInput, handover, signed
from console.handover.shift import Shift, budget_over, shift_of
from console.journal.errors import JournalError
from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.checklist_run_view import section_lines
from console.screens.messages import CopyRequested
from console.screens.render_context import RenderContext
from console.state.handovers import SIGNED
from queries.model.poll_result import PollResult
from queries.model.series import Point
from widgets.dialogs.form import FormDialog, FormField
from widgets.formatting import NO_ANSWER
from widgets.sparkline import render_sparkline
from widgets.styled_text import VERDICT_TONES, Line, text
from widgets.text_view import TextView

_TREND = 40


class HandoverScreen(ConsoleScreen):
    """Everything but the budget's trend is drawn from the snapshot, and is live; the trend is asked when it opens."""

    TITLE_WORDS = "Handover"
    ABOUT = (
        "What the next shift has to know: incidents, what fires and whose it is, silences that end or match nothing, what "
        "today's checklists left open, changes, the error budget. s signs it in the journal: the next shift begins then. "
        "y copies it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sign", "sign", tooltip="Sign it; the next shift begins with that", id="handover.sign"),
        Binding("y", "copy", "copy", tooltip="Copy it as Markdown", id=keys.COPY.id),
        Binding("u", "ask", "ask again", tooltip="Ask the budget's trend again", id="handover.ask"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._page = TextView(id="handover", focusable=True)
        self._page.add_class("grow")
        self._lists: Checklists | None = None
        self._budget: PollResult[tuple[Point, ...]] | None = None
        self._asked = False

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._page

    def draw(self, view: RenderContext) -> None:
        facts = self._facts(view)
        if not self._asked and view.session is not None and view.snapshot is not None:
            self.action_ask()
        failed = self.error_lines("handover", max(20, self._page.size.width - 1))
        if facts is None:
            self._page.show(failed or (((f" {NO_ANSWER}", "dim"),),))
            return
        self._title.show((((" Shift handover", "title"), text(f"  {view.settings.user}", "dim")),))
        width = max(20, self._page.size.width - 1)
        self._page.show((*failed, *section_lines(handover(facts), width), *self._trend(width)))

    def action_ask(self) -> None:
        if not self.has_worker("handover"):
            self._asked = True
            self.run_worker(self._ask(), "reading the checklists and the trend of the error budget", "handover")

    def action_copy(self) -> None:
        made = self._made()
        if made is not None and self.view is not None and self.view.snapshot is not None:
            sections, shift = made
            whole = report.HandoverReport(sections, self.view.snapshot, shift)
            self.post_message(CopyRequested(report.as_markdown(whole), "the handover as Markdown"))

    def action_sign(self) -> None:
        self.run_worker(self._sign(), "signing the handover", "sign", exclusive=True)

    async def _sign(self) -> None:
        view = self.view
        if view is None or view.session is None:
            return
        questions = (
            FormField("name", "who hands over", view.settings.user),
            FormField("to", "who takes over", required=False),
            FormField("remark", "what else the next person should know", required=False),
        )
        said = await self.app.push_screen_wait(FormDialog("Sign the handover", questions, verb="Sign"))
        made = self._made()
        if said is None or made is None:
            return
        sections, shift = made
        data = signed(sections, shift, name=said["name"], to=said.get("to", ""), remark=said.get("remark", ""))
        try:
            await view.session.record(SIGNED, new_id(), data)
        except JournalError as error:
            self.app.notify(f"not signed: {error}", markup=False, severity="warning", timeout=8)
            return
        head = view.session.snapshot().ledger.head
        self.app.notify(f"the handover is signed; the next shift has begun; journal head {head}", markup=False, timeout=20)
        self.action_ask()
        self.redraw()

    async def _ask(self) -> None:
        """The budget over this shift, and the files of the checklists, which are read in a thread."""
        view = self.view
        if view is None or view.session is None or view.snapshot is None:
            return
        settings, session, snapshot = view.settings, view.session, view.snapshot
        vocabulary = ChecklistNames.configured(settings, session.specs, session.runbooks)
        loop = asyncio.get_running_loop()
        self._lists = await loop.run_in_executor(None, Checklists.load, settings.paths.checklists_dir, vocabulary)
        self.redraw()
        shift = shift_of(snapshot.ledger.handovers, now=view.now, hours=settings.shift_hours)
        self._budget = await budget_over(snapshot, shift, prometheus=session.prometheus, now=view.now)
        self.redraw()

    def _made(self) -> tuple[tuple[ReportSection, ...], Shift] | None:
        facts = self._facts(self.view) if self.view else None
        return (handover(facts), facts.shift) if facts else None

    def _facts(self, view: RenderContext) -> HandoverInput | None:
        """None until something is known, and the checklists were read."""
        snapshot = view.snapshot
        if snapshot is None or self._lists is None:
            return None
        known = view.session is not None and view.session.journal_known
        shift = shift_of(snapshot.ledger.handovers, now=view.now, hours=view.settings.shift_hours)
        incidents = known_incidents(snapshot.ledger, known=known)
        return HandoverInput(snapshot, shift, self._lists, incidents, self._budget, view.now)

    def _trend(self, width: int) -> Iterable[Line]:
        points = self._budget.value if self._budget else None
        state = self.view.snapshot.panel("error_budget") if self.view and self.view.snapshot else None
        if not points or len(points) < 3 or state is None:
            return
        lines = tuple(line for line in (state.threshold.warn, state.threshold.critical) if line is not None)
        drawn = render_sparkline(points, min(_TREND, width - 2), thresholds=lines, lower_is_worse=True)
        yield ((" ", ""), (drawn, VERDICT_TONES[state.verdict]))
