"""Which alerts started together, and the actions that they offer for a P1 that names no workload."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import replace

from queries.model.alert import Suggestion, TrackedAlert
from queries.model.severity import Priority
from queries.model.text import visible

WINDOW_SECONDS = 900.0
"""The longest time between the starts of two alerts of one cause: rules wait up to ten minutes (`for`) before they fire."""
_MOST_ALERTS, _MOST_ACTIONS = 8, 4


def find_correlated(tracked: TrackedAlert, alerts: Iterable[TrackedAlert]) -> tuple[TrackedAlert, ...]:
    """The firing alerts of this place that started within `WINDOW_SECONDS` of it and name a workload, the nearest first."""
    started_at = tracked.alert.starts_at
    near = [
        item
        for item in alerts
        if item is not tracked
        and item.alert.firing
        and item.elsewhere is None
        and abs(item.alert.starts_at - started_at) <= WINDOW_SECONDS
        and list_acting_suggestions(item)
    ]
    return tuple(sorted(near, key=lambda item: abs(item.alert.starts_at - started_at))[:_MOST_ALERTS])


def list_acting_suggestions(tracked: TrackedAlert) -> tuple[Suggestion, ...]:
    """Its actions on a workload: neither the silence nor a call of the platform's administration."""
    return tuple(item for item in tracked.suggestions if item.action not in ("silence", "admin"))


def add_correlated(alerts: tuple[TrackedAlert, ...]) -> tuple[TrackedAlert, ...]:
    """The same alerts; each P1 of this place also offers the actions of those that started with it, after its own and before
    the silence.
    """
    acting = sorted(filter(acts, alerts), key=lambda item: item.alert.starts_at)
    replaced = offer_correlated(filter(takes, alerts), acting)
    return tuple(replaced.get(id(item), item) for item in alerts) if replaced else alerts


def offer_correlated(takers: Iterable[TrackedAlert], acting: Sequence[TrackedAlert]) -> dict[int, TrackedAlert]:
    """Those of the takers that get actions, with them, by the identity of what they were; `acting` by their starts."""
    if not acting:
        return {}
    starts = [item.alert.starts_at for item in acting]
    replaced: dict[int, TrackedAlert] = {}
    for item in takers:
        # Of thousands only the neighbours in time can be the nearest.
        at = bisect.bisect_left(starts, item.alert.starts_at)
        found = _with_correlated(item, acting[max(0, at - _MOST_ALERTS) : at + _MOST_ALERTS])
        if found is not item:
            replaced[id(item)] = found
    return replaced


def acts(tracked: TrackedAlert) -> bool:
    """Whether it fires in this place and has an action on a workload."""
    return tracked.alert.firing and tracked.elsewhere is None and bool(list_acting_suggestions(tracked))


def takes(tracked: TrackedAlert) -> bool:
    """Whether it is a P1 of this place without an action of its own."""
    alert = tracked.alert
    return alert.priority is Priority.P1 and alert.firing and tracked.elsewhere is None and not list_acting_suggestions(tracked)


def _with_correlated(tracked: TrackedAlert, acting: Sequence[TrackedAlert]) -> TrackedAlert:
    added: dict[tuple[str, str], Suggestion] = {}
    for item in find_correlated(tracked, acting):
        for suggestion in list_acting_suggestions(item):
            reason = f"{suggestion.sentence}  (for {visible(item.alert.name)})"
            added.setdefault((suggestion.action, suggestion.target), replace(suggestion, sentence=reason))
    if not added:
        return tracked
    return replace(tracked, suggestions=(*list(added.values())[:_MOST_ACTIONS], *tracked.suggestions))
