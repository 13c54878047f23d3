"""The incidents of a journal: which ones the state holds whole, which as outlines, and which only the journal has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

from msgspec import structs

from console.journal.event import Event
from console.journal.payloads import (
    INCIDENT_PAYLOADS,
    ActionDeclined,
    ActionIntent,
    ActionOutcome,
    AlertAcknowledged,
    AlertReleased,
    GuardAnnounced,
    GuardEnded,
    RolloutCompleted,
    RolloutFailed,
    event_kinds,
    try_decode,
)
from console.journal.projection import Projection, Recall, Settled
from console.state.incident import Incident, Incidents
from console.state.incident_reducer import SEND_ACTION, IncidentReducer

KEPT = 400
"""Closed incidents whose outlines the state holds: thirteen a day for the 30 days that the metrics cover."""
ENTRIES, FEW = 1000, 50
"""Timeline entries that the state holds: so many of all open incidents together, and of each at least a few, up to twice as
many. An incident that people forgot to close takes part in everything that happens.
"""
INCIDENT, OUTLINE, TIMELINE = "incident", "incident.outline", "incident.timeline"
"""The kinds under which an incident settles: without the earlier part of its timeline, its outline, and that part."""
_OWN_KINDS = event_kinds(*INCIDENT_PAYLOADS)


class IncidentsProjection(Projection[Incidents]):
    """The first completion of a step counts; what people and consoles did is recorded with the incidents that it is about.

    An event about an incident that was never declared means nothing: a store that keeps only the newest events may have lost
    the declaration.
    """

    kinds = (
        *_OWN_KINDS,
        *event_kinds(ActionIntent, ActionDeclined, ActionOutcome, AlertAcknowledged, AlertReleased),
        *event_kinds(GuardAnnounced, GuardEnded, RolloutCompleted, RolloutFailed),
    )

    def initial(self) -> Incidents:
        return Incidents()

    def apply(self, state: Incidents, event: Event) -> Incidents:
        return self.fold(state, (event,))

    def fold(self, state: Incidents, events: Iterable[Event]) -> Incidents:
        reducer = IncidentReducer(state)
        for event in events:
            reducer.apply(event)
        return reducer.state()

    def settle(self, state: Incidents) -> tuple[Incidents, tuple[Settled, ...]]:
        """Keeps the newest outlines of closed incidents, and of open ones the newer part of the timeline."""
        kept, settled = [], []
        closed = sum(not item.open for item in state.all)
        share = max(FEW, ENTRIES // max(1, len(state.all) - closed))
        for item in state.all:
            incident, parts = _settle_timeline(item, share) if item.open else _settle_closed(item)
            settled += parts
            if not item.open:
                closed -= 1
                if closed >= KEPT:
                    continue
            kept.append(incident)
        return (replace(state, all=tuple(kept)) if settled or len(kept) < len(state.all) else state), tuple(settled)

    def recall(self, state: Incidents, events: Sequence[Event], recall: Recall) -> Incidents:
        held = {item.id: item for item in state.all}
        recalled = {}
        for identity in dict.fromkeys(filter(None, map(_incident_of, events))):
            if identity in held and not held[identity].outline:
                continue
            if (identity in held or state.older > 0) and (incident := recall(identity)) is not None:
                recalled[identity] = incident
        if not recalled:
            return state
        return replace(state, all=tuple(sorted({**held, **recalled}.values(), key=lambda item: item.number)))


def _incident_of(event: Event) -> str:
    """The incident that an event of its own names; empty where none does."""
    if event.kind in _OWN_KINDS:
        return event.subject.partition("/")[0]
    payload = try_decode(event)
    if isinstance(payload, ActionIntent | ActionDeclined | ActionOutcome) and payload.action == SEND_ACTION:
        parts = (payload.target or "").split("/")
        return parts[1] if len(parts) > 1 else ""
    return ""


def _settle_timeline(incident: Incident, kept: int) -> tuple[Incident, list[Settled]]:
    over = len(incident.entries) - kept
    if over <= kept:
        return incident, []
    settled = [Settled(TIMELINE, incident.id, incident.earlier, incident.entries[:over])]
    return replace(incident, entries=incident.entries[over:], earlier=incident.earlier + over), settled


def _settle_closed(incident: Incident) -> tuple[Incident, list[Settled]]:
    if incident.outline:
        return incident, []
    whole, settled = _settle_timeline(incident, ENTRIES)
    outline = replace(
        whole,
        outline=True,
        entries=(),
        earlier=whole.earlier + len(whole.entries),
        updates=(),
        alerts=tuple(structs.replace(alert, labels=()) for alert in whole.alerts),
        seen=MappingProxyType({key: value for key, value in whole.seen.items() if key.startswith("alert:")}),
    )
    settled.append(Settled(INCIDENT, whole.id, whole.number, whole))
    settled.append(Settled(OUTLINE, whole.id, whole.number, outline))
    return outline, settled
