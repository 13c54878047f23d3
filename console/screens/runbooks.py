"""The list of all runbooks, broken ones included."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget

from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import OpenRunbookRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_caveat
from queries.model.alert import TrackedAlert
from queries.model.identity_cache import IdentityCache
from queries.model.severity import BUILT_IN
from widgets.column_widths import Column
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Span, severity_tone, text
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.runbooks.index import RunbookIndex
    from console.runbooks.page import Runbook
    from queries.model.alert import AlertRule

COLUMNS = (
    Column("fires", 5, right=True),
    Column("runbook", 20, flex=2),
    Column("title", 24, flex=4),
    Column("severity", 8, rank=1),
    Column("serves", 24, flex=3, rank=2),
)


def _count(alerts: tuple[TrackedAlert, ...]) -> Mapping[str, int]:
    return Counter(item.runbook.id for item in alerts if item.runbook is not None and item.alert.firing)


_count_firing: IdentityCache[tuple[TrackedAlert, ...], Mapping[str, int]] = IdentityCache(_count)
"""How many alerts fire for each runbook, counted once for each list of them."""


class RunbooksScreen(FilterableScreen):
    """Shows how many alerts are firing for each runbook."""

    SCREEN_TITLE = "Runbooks"
    HELP_TEXT = (
        "Every runbook, a team's own included, and how many of its alerts are firing. GUIDE marks those that cover a whole "
        "class of problems. / filters by words. Enter opens one with its live results."
    )

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._table: Table[Runbook] = Table(
            COLUMNS, key=lambda item: item.id, cells=self._cells, empty=NO_ANSWER, id="runbooks"
        )
        self._table.add_class("grow")
        self._firing: Mapping[str, int] = {}
        self._rules: tuple[AlertRule, ...] | None = None
        self._served: Mapping[str, tuple[str, ...]] = {}

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._field

    def draw(self, context: RenderContext) -> None:
        self._firing = _count_firing(context.alerts)
        index = context.session.runbooks if context.session else None
        if index is not None and context.snapshot is not None and context.snapshot.rules is not self._rules:
            self._rules = context.snapshot.rules
            self.run_worker(self._match_rules(index), "matching rules and runbooks", "served", exclusive=True)
        runbooks = index.runbooks if index else ()
        broken = sum(1 for item in runbooks if item.broken)
        note: Span = (f"  {broken} broken: cad-console runbook --lint says where", "warn") if broken else ("", "")
        caveat = "unknown" if context.snapshot and not context.snapshot.alerts_known else alerts_caveat(context)
        caveat_span: Span = (f"  fires: {caveat}" if caveat else "", "unknown")
        self._title.show((((" Runbooks ", "title"), (f" {len(runbooks)}", "strong"), note, caveat_span),))
        self._table.show(runbooks, empty=(index.fault or "no runbook found") if index else NO_ANSWER)

    async def _match_rules(self, index: RunbookIndex) -> None:
        """Match the loaded rules with the runbooks in a thread; called when the rules changed."""
        self._served = await asyncio.to_thread(index.alerts_by_page, self._rules or ())
        self.redraw()

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        self.post_message(OpenRunbookRequested(event.key))

    def _cells(self, item: Runbook) -> tuple[Span, ...]:
        count = self._firing.get(item.id, 0)
        # Without the folder, which the sources screen shows: it would hide what is wrong.
        broken = (item.broken or "").removeprefix(f"{Path(item.path).parent}/")
        title = text(f"BROKEN {broken}", "warn") if broken else text(item.headline)
        return (
            (str(count) if count else "", "critical"),
            text(item.id, "strong"),
            title,
            text(item.severity, severity_tone(BUILT_IN.grade((("severity", item.severity),)).priority)),
            text(", ".join(self._served.get(item.id, item.alerts)), "dim"),
        )
