"""The shift handover as the next person reads it; signed here."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.checklists.alert_history import AlertWindow
from console.checklists.loader import Checklists
from console.handover import report
from console.handover.report import HandoverReport
from console.journal.errors import JournalError
from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.checklist_run import FETCH_SECONDS
from console.screens.checklist_run_view import render_sections
from console.screens.messages import CopyRequested
from console.screens.render_context import RenderContext
from queries.model.series import Point
from queries.model.source import PollResult
from widgets.dialogs.form import FormDialog, FormField
from widgets.formatting import NO_ANSWER
from widgets.sparkline import render_sparkline
from widgets.styled_text import VERDICT_TONES, Line, text
from widgets.text_view import TextView

_TREND = 40


class HandoverScreen(ConsoleScreen):
    """Drawn live from the snapshot; the alerts of the shift and the trend of the error budget are fetched when it opens."""

    SCREEN_TITLE = "Handover"
    HELP_TEXT = (
        "What the next shift needs to know: incidents, firing alerts and their owners, alerts that fired and resolved, "
        "silences that end or match nothing, open items of today's checklists, overrides and notes, changes, error budget. "
        "s signs it in the journal, which starts the next shift; y copies it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sign", "sign", tooltip="Sign it, which starts the next shift", id="handover.sign"),
        Binding("y", "copy", "copy", tooltip="Copy it as Markdown", id=keys.COPY.id),
        Binding("u", "fetch", "fetch again", tooltip="Fetch the error budget's trend again", id="handover.ask"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._page = TextView(id="handover", focusable=True)
        self._page.add_class("grow")
        self._checklists: Checklists | None = None
        self._budget: PollResult[tuple[Point, ...]] | None = None
        self._alerts: PollResult[AlertWindow] | None = None
        self._requested_at = -math.inf

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._page

    def draw(self, context: RenderContext) -> None:
        handover = self._build(context)
        old = abs(context.now - self._requested_at) >= FETCH_SECONDS  # also after a step back in time
        if old and context.session is not None and context.snapshot is not None:
            self.action_fetch()
        error = self.error_lines("handover", max(20, self._page.size.width - 1))
        if handover is None:
            self._page.show(error or (((f" {NO_ANSWER}", "dim"),),))
            return
        self._title.show((((" Shift handover", "title"), text(f"  {context.settings.user}", "dim")),))
        width = max(20, self._page.size.width - 1)
        self._page.show((*error, *render_sections(handover.sections, width), *self._render_trend(width)))

    def action_fetch(self) -> None:
        if not self.has_worker("handover"):
            self._requested_at = self.context.now if self.context else 0.0
            self.run_worker(self._fetch(), "loading the checklists and the trend of the error budget", "handover")

    def action_copy(self) -> None:
        handover = self._build(self.context)
        if handover is not None:
            self.post_message(CopyRequested(report.as_markdown(handover), "the handover as Markdown"))

    def action_sign(self) -> None:
        if not self.has_worker("sign"):
            self.run_worker(self._sign(), "signing the handover", "sign")

    async def _sign(self) -> None:
        context = self.context
        if context is None or context.session is None:
            return
        fields = (
            FormField("name", "who hands over", context.settings.user),
            FormField("to", "who takes over", required=False),
            FormField("remark", "what else the next person should know", required=False),
        )
        values = await self.app.push_screen_wait(FormDialog("Sign the handover", fields, verb="Sign"))
        if values is None:
            return
        # The next shift begins with the signature: what fired and resolved since the last answer belongs to this one.
        self.show_notice("loading the alerts up to now before signing")
        try:
            await self._fetch()
        except asyncio.CancelledError:
            self.show_notice("not signed: the page was closed before the alerts were loaded", warning=True)
            raise
        handover = self._build(self.context)
        if handover is None:
            self.show_notice("not signed: the checklists have not loaded yet", warning=True)
            return
        name, to, remark = values["name"], values.get("to", ""), values.get("remark", "")
        try:
            head = await context.session.handovers.sign(handover, name=name, to=to, remark=remark)
        except JournalError as error:
            self.show_notice(f"not signed: {error}", warning=True)
            return
        self.show_notice(f"handover signed; the next shift has started; journal head {head}", seconds=20)
        self.action_fetch()
        self.redraw()

    async def _fetch(self) -> None:
        """Load the checklists in a thread, and fetch the error budget over this shift."""
        context = self.context
        if context is None or context.session is None or context.snapshot is None:
            return
        session, snapshot, now = context.session, context.snapshot, context.now
        self._checklists = await session.checklists.load()
        self.redraw()
        budget = session.handovers.fetch_budget(snapshot, now=now)
        self._budget, self._alerts = await asyncio.gather(budget, session.handovers.fetch_alerts(snapshot, now=now))
        self.redraw()

    def _build(self, context: RenderContext | None) -> HandoverReport | None:
        """None until there is a snapshot and the checklists are loaded."""
        if context is None or context.session is None or context.snapshot is None or self._checklists is None:
            return None
        return context.session.handovers.build(context.snapshot, self._checklists, self._budget, self._alerts, now=context.now)

    def _render_trend(self, width: int) -> Iterable[Line]:
        points = self._budget.value if self._budget else None
        state = self.context.snapshot.panel("error_budget") if self.context and self.context.snapshot else None
        if not points or len(points) < 3 or state is None:
            return
        thresholds = tuple(line for line in (state.threshold.warn, state.threshold.critical) if line is not None)
        trend = render_sparkline(points, min(_TREND, width - 2), thresholds=thresholds, lower_is_worse=True)
        yield ((" ", ""), (trend, VERDICT_TONES[state.verdict]))
