"""What a screen was drawn from: where a newer snapshot would draw the same, nothing is drawn."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter, is_
from typing import NamedTuple

from console.screens.header import describe_header_times
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_are_stale
from console.state.snapshot import Snapshot
from queries.model.verdict import Verdict

_LARGE = ("alerts", "cluster", "ledger")
"""Compared by identity: the same object as long as nothing in it differs."""
_PASSING = ("taken_at", "alerts_age_seconds", "sources")
"""They differ with every snapshot; what is drawn of them is among the times."""
_large = attrgetter(*_LARGE)
_rest = attrgetter(*(item.name for item in fields(Snapshot) if item.name not in (*_LARGE, *_PASSING)))


class Drawn(NamedTuple):
    """All that a screen draws from. Two of them that are `alike` draw the same."""

    large: tuple[object, ...]
    values: tuple[object, ...]

    def is_alike(self, other: Drawn | None) -> bool:
        return other is not None and all(map(is_, self.large, other.large)) and self.values == other.values


def describe_drawn(context: RenderContext, *more: object) -> Drawn | None:
    """Of header and screen; `more` is what else the screen draws, such as ages. None while something counts seconds that is not
    among that: an old list, an open incident, an action without an outcome.
    """
    snapshot = context.snapshot
    if snapshot is None or snapshot.as_of is not None or context.marks:
        return None
    if snapshot.ledger.incidents.open or snapshot.unfinished or alerts_are_stale(context):
        return None
    if any(item.verdict is Verdict.STALE for item in snapshot.panels):
        return None
    return Drawn(
        (context.settings, context.session, context.charts, *_large(snapshot)),
        (
            *_rest(snapshot),
            context.changed_ids,
            context.error,
            context.note,
            context.terminal_status,
            context.session.journal_error if context.session is not None else "",
            context.jumps,
            describe_header_times(context),
            *more,
        ),
    )
