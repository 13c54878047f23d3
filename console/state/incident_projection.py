"""The incidents, derived from the journal's events."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from console.journal.acknowledgements import MOST, OWNED, RELEASED, Acknowledgement, mark_after
from console.journal.event import Event
from console.journal.projection import Projection, Recalled, Settled, newest
from console.state import incident_events as kinds
from console.state.incident import (
    FIRING,
    Delivery,
    DeliveryState,
    Incident,
    Incidents,
    LastRecorded,
    LinkedAlert,
    Role,
    Source,
    Step,
    StepCompletion,
    TimelineEntry,
    Update,
)
from queries.model.alert import Priority
from queries.model.matcher import MatcherError, parse_matchers
from queries.text.times import to_datetime

INTENT, DECLINED, OUTCOME = "action.intent", "action.declined", "action.outcome"
SENDS = "notify"
"""The action that brings an update to a channel."""
KEPT = 400
"""Closed incidents whose outlines are at hand: thirteen a day for the 30 days that the figures are of."""
ENTRIES, FEW = 1000, 50
"""The newest of the timelines that stay at hand while their incidents are open: so many of all together, and of each a few, up
to twice as many. What people forgot to close takes part in everything that happens.
"""
INCIDENT, OUTLINE, TIMELINE = "incident", "incident.outline", "incident.timeline"
"""The kinds under which an incident settles: whole but for the timeline's earlier part, its outline, and that part."""
_MITIGATES = ("rollback", "scale", "restart", "pause")
_DELIVERY = {"done": DeliveryState.SENT, "unknown": DeliveryState.UNKNOWN}


class IncidentsProjection(Projection[Incidents]):
    """Every step's first tick counts; what people and consoles did meanwhile belongs to the incidents that it is about.

    What is about an incident that was never declared means nothing: a store that keeps the newest may have lost its beginning.
    """

    kinds = (*kinds.KINDS, INTENT, DECLINED, OUTCOME, OWNED, RELEASED)

    def initial(self) -> Incidents:
        return Incidents()

    def apply(self, state: Incidents, event: Event) -> Incidents:
        return self.fold(state, (event,))

    def settle(self, state: Incidents) -> tuple[Incidents, tuple[Settled, ...]]:
        """Of those that are closed the outlines stay, the newest; of those that are open the newer part of the timeline."""
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

    def recall(self, state: Incidents, events: Sequence[Event], recalled: Recalled) -> Incidents:
        held = {item.id: item for item in state.all}
        wanted = dict.fromkeys(filter(None, map(_about, events)))
        found = {}
        for identity in wanted:
            if identity in held and not held[identity].outline:
                continue
            if (identity in held or state.older > 0) and (incident := recalled(identity)) is not None:
                found[identity] = incident
        if not found:
            return state
        return replace(state, all=tuple(sorted({**held, **found}.values(), key=lambda item: item.number)))

    def fold(self, state: Incidents, events: Iterable[Event]) -> Incidents:
        desk = _IncidentReducer(state)
        for event in events:
            desk.take(event)
        return desk.state()


def _about(event: Event) -> str:
    """The incident that an event of its own names; empty where none does."""
    if event.kind in kinds.KINDS:
        return event.subject.partition("/")[0]
    if event.kind in (INTENT, DECLINED, OUTCOME) and event.data.get("action") == SENDS:
        parts = str(event.data.get("target")).split("/")
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
        alerts=tuple(replace(alert, labels=()) for alert in whole.alerts),
        seen=MappingProxyType({key: value for key, value in whole.seen.items() if key.startswith("alert:")}),
    )
    settled.append(Settled(INCIDENT, whole.id, whole.number, whole))
    settled.append(Settled(OUTLINE, whole.id, whole.number, outline))
    return outline, settled


class _IncidentBuilder:
    """One incident while events are taken in: lists instead of tuples, so that many at once stay cheap."""

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        self.entries = list(incident.entries)
        self.ticks = dict(incident.ticks)
        self.updates = {item.id: item for item in incident.updates}
        self.seen = dict(incident.seen)
        self.roles = dict(incident.roles)

    def frozen(self) -> Incident:
        return replace(
            self.incident,
            entries=tuple(self.entries),
            ticks=MappingProxyType(self.ticks),
            updates=tuple(self.updates.values()),
            seen=MappingProxyType(self.seen),
            roles=tuple(self.roles.items()),
        )

    def tell(
        self, event: Event, source: Source, text: str, *, at: float | None = None, id: str = "", corrects: str = ""
    ) -> None:
        """An entry, where it belongs in time; the id is the same in every console."""
        entry = TimelineEntry(
            at=event.at if at is None else at,
            source=source,
            author=event.author,
            text=text,
            id=id or f"{event.kind}:{event.subject}:{event.author}:{event.at:.3f}:{event.sequence}",
            recorded_at=event.at,
            corrects=corrects,
        )
        bisect.insort_right(self.entries, entry, key=lambda item: item.at)

    def tick(self, step: Step, tick: StepCompletion) -> None:
        """The first one counts, until it is taken back."""
        self.ticks.setdefault(step, tick)


class _IncidentReducer:
    """The incidents that events touch, as drafts; the others stay the very objects that they were."""

    def __init__(self, state: Incidents) -> None:
        self._before = state
        self._order = [item.id for item in state.all]
        self._count = max(state.count, len(state.all))
        self._kept = {item.id: item for item in state.all}
        self._drafts: dict[str, _IncidentBuilder] = {}
        self._open = [item.id for item in state.open]
        self._marks: dict[str, Acknowledgement] = dict(state.marks)
        self._marked = False

    def state(self) -> Incidents:
        if not self._drafts and not self._marked:
            return self._before
        found = {identity: draft.frozen() for identity, draft in self._drafts.items()}
        return Incidents(
            tuple(found.get(identity) or self._kept[identity] for identity in self._order),
            MappingProxyType(newest(self._marks, MOST)) if self._marked else self._before.marks,
            self._count,
        )

    def take(self, event: Event) -> None:
        if event.kind in (OWNED, RELEASED):
            self._mark(event)
        elif event.kind in (INTENT, DECLINED, OUTCOME):
            self._act(event)
        elif event.kind == kinds.DECLARED:
            self._declare(event)
        else:
            identity = event.subject.partition("/")[0]
            if identity in self._kept:
                _TAKERS[event.kind](self, self._draft(identity), event, event.data)

    def _draft(self, identity: str) -> _IncidentBuilder:
        if identity not in self._drafts:
            self._drafts[identity] = _IncidentBuilder(self._kept[identity])
        return self._drafts[identity]

    def _declare(self, event: Event) -> None:
        if event.subject in self._kept:
            return
        data = event.data
        linked = tuple(_linked(item) for item in data.get("alerts") or ())
        detected, stability = data.get("detected_at"), data.get("stability_seconds")
        incident = Incident(
            id=event.subject,
            number=self._count + 1,
            title=str(data["title"]),
            severity=Priority(data["severity"]),
            declared_at=event.at,
            declared_by=event.author,
            environment=event.environment,
            detected_at=_time(detected) if detected else None,
            alerts=linked,
            panels=tuple(str(item) for item in data.get("panels") or ()),
            stability_seconds=None if stability is None else _seconds(stability),
            seen=MappingProxyType(
                {str(key): LastRecorded(str(value), event.at) for key, value in (data.get("seen") or {}).items()}
            ),
        )
        self._kept[incident.id] = incident
        self._order.append(incident.id)
        self._count += 1
        self._open.append(incident.id)
        draft = self._draft(incident.id)
        for item in linked:
            draft.seen.setdefault(f"alert:{item.fingerprint}", LastRecorded(FIRING, item.starts_at or event.at))
        draft.tell(event, Source.PERSON, f"declared {incident.severity}: {incident.title}")
        for item in linked:
            if item.starts_at and item.starts_at < event.at:
                draft.tell(
                    event,
                    Source.ALERTMANAGER,
                    f"{item.name} began to fire",
                    at=item.starts_at,
                    id=f"{event.subject}:{item.fingerprint}",
                )
            mark = self._marks.get(item.fingerprint)
            if mark is not None:
                draft.tick(Step.ACKNOWLEDGE, StepCompletion(mark.at, mark.author, f"{item.name} was marked as theirs"))
        if data.get("commander"):
            draft.roles[Role.COMMANDER] = str(data["commander"])

    # What happened to alerts and by actions

    def _mark(self, event: Event) -> None:
        name = str(event.data.get("name") or "the alert")
        before = self._marks.get(event.subject)
        mark = mark_after(before, event)
        if before is not None and mark is before:
            return  # somebody else had taken it first
        self._marked = True
        if mark is None:
            self._marks.pop(event.subject, None)
            if event.data.get("why") != RESOLVED_WHY:
                for draft in self._about(event.subject, only_linked=True):
                    draft.tell(event, Source.PERSON, f"gave {_name_of(draft, event.subject)} back: nobody owns it")
            return
        self._marks.pop(event.subject, None)  # the newest stand last
        self._marks[event.subject] = mark
        over = f" over from {before.author}" if before is not None and before.author != mark.author else ""
        for draft in self._about(event.subject, only_linked=True):
            draft.tell(event, Source.PERSON, f"took {name}{over}")
            draft.tick(Step.ACKNOWLEDGE, StepCompletion(event.at, event.author, f"took {name}"))

    def _act(self, event: Event) -> None:
        data = event.data
        title, outcome = str(data.get("title") or data.get("action") or "an action"), str(data.get("outcome") or "")
        if data.get("action") == SENDS:
            self._send(event, title, outcome)
            return
        if event.kind == INTENT:
            cause = f" ({data['cause']})" if data.get("cause") else ""
            told = f"{title}: confirmed, being sent{cause}"
        elif event.kind == DECLINED:
            told = f"{title}: not confirmed, nothing was sent"
        else:
            text = str(data.get("text") or "")
            told = f"{title}: {text if text.startswith(outcome) and text else f'{outcome}: {text}'.rstrip(': ')}"
        drafts = self._about(str(data.get("fingerprint") or ""))
        for draft in drafts:
            draft.tell(event, Source.CONSOLE, told)
        if event.kind == OUTCOME and outcome == "done":
            for draft in drafts:
                step = _step_of(str(data.get("action")), str(data.get("target") or ""), draft.incident)
                if step is not None:
                    draft.tick(step, StepCompletion(event.at, event.author, title))

    def _send(self, event: Event, title: str, outcome: str) -> None:
        """An update on its way to a channel; its target is `update/INCIDENT/UPDATE/CHANNEL`."""
        _, identity, name, channel = str(event.data["target"]).split("/", 3)
        if identity not in self._kept:
            return
        draft = self._draft(identity)
        if event.kind == DECLINED:
            draft.tell(event, Source.CONSOLE, f"{title}: not confirmed, nothing was sent")
            return
        update = draft.updates[name]
        others = tuple(item for item in update.sendings if item.state is not DeliveryState.SENDING or item.where != channel)
        if event.kind == INTENT:
            sending = Delivery(event.at, event.author, channel, DeliveryState.SENDING)
        else:
            why = str(event.data.get("text") or outcome)
            state = _DELIVERY.get(outcome, DeliveryState.NOT_SENT)
            sending = Delivery(event.at, event.author, channel, state, "" if state is DeliveryState.SENT else why)
            draft.tell(
                event, Source.CONSOLE, f"update to {channel}: {why if state is DeliveryState.SENT else f'{state}: {why}'}"
            )
        draft.updates[name] = replace(update, sendings=(*others, sending))
        if sending.state.out:
            draft.tick(Step.COMMUNICATE, StepCompletion(event.at, event.author, f"update sent to {channel}"))

    def _about(self, fingerprint: str, *, only_linked: bool = False) -> list[_IncidentBuilder]:
        """The open incidents that something is about: those with this alert; without any such, all, unless told otherwise."""
        linked = [item for item in self._open if self._now(item).links(fingerprint)] if fingerprint else []
        wanted = linked if linked or only_linked else self._open
        return [self._draft(item) for item in wanted]

    def _now(self, identity: str) -> Incident:
        return self._drafts[identity].incident if identity in self._drafts else self._kept[identity]

    # What is said of the incident itself

    def _severity(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        level = Priority(data["severity"])
        why = f": {data['why']}" if data.get("why") else ""
        draft.tell(event, Source.PERSON, f"severity {draft.incident.severity} → {level}{why}")
        draft.incident = replace(draft.incident, severity=level)

    def _role(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        name, person = Role(data["role"]), str(data.get("person") or "")
        before, over = draft.roles.get(name, ""), data.get("over")
        if before and isinstance(over, str) and over != before:
            draft.tell(event, Source.PERSON, f"{name}: stays {before}; {person or 'nobody'} came too late")
            return
        draft.roles.pop(name, None)
        if person:
            draft.roles[name] = person
        draft.tell(event, Source.PERSON, f"{name}: {before or 'nobody'} → {person or 'nobody'}")

    def _step(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        step, done, note = Step(data["step"]), bool(data["done"]), str(data.get("note") or "")
        because = str(data.get("because") or "")
        again = " (it was done already)" if done and step in draft.ticks else ""
        words = f"{step}: {'done' if done else 'not done after all'}{again}"
        draft.tell(event, Source.PERSON, ": ".join(part for part in (words, because, note) if part))
        if done:
            draft.tick(step, StepCompletion(event.at, event.author, because, note))
        else:
            draft.ticks.pop(step, None)

    def _note(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        draft.tell(event, Source.PERSON, str(data["text"]), id=str(data["id"]), corrects=str(data.get("corrects") or ""))

    def _alert(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        item, incident = _linked(data), draft.incident
        others = tuple(one for one in incident.alerts if one.fingerprint != item.fingerprint)
        if data.get("on", True):
            draft.incident = replace(incident, alerts=(*others, item))
            draft.seen.setdefault(f"alert:{item.fingerprint}", LastRecorded(FIRING, item.starts_at or event.at))
            draft.tell(event, Source.PERSON, f"{item.name} belongs to this incident")
        else:
            draft.incident = replace(incident, alerts=others)
            draft.tell(event, Source.PERSON, f"{item.name} does not belong to this incident")

    def _update(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        identity = str(data["update"])
        if identity in draft.updates:
            return
        text = str(data["text"])
        draft.updates[identity] = Update(identity, event.at, event.author, text)
        draft.tell(event, Source.PERSON, f"update written: {text.strip().partition(chr(10))[0]}")

    def _delivered(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        update = draft.updates[str(data["update"])]
        state, where = DeliveryState(data["how"]), str(data.get("where") or "")
        if not (state.by_hand or state is DeliveryState.MARKED):
            raise ValueError(f"{state} is told by the action that sends")
        # Nobody read it before it was written, and nobody can say that it will go out.
        at = min(event.at, max(update.at, _time(data.get("at", event.at))))
        draft.updates[update.id] = replace(update, sendings=(*update.sendings, Delivery(at, event.author, where, state)))
        told = f"{state} to {where}" if where else str(state)
        draft.tell(event, Source.PERSON, f"update {told}{', to be pasted by hand' if state.by_hand else ''}", at=at)
        if state.out:
            draft.tick(Step.COMMUNICATE, StepCompletion(at, event.author, f"update {told}"))

    def _seen(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        thing, count, at = str(data["thing"]), int(data["count"]), _time(data["at"])
        last = draft.seen.get(thing)
        if last is not None and count <= last.count:
            return  # another console saw the same
        if count > (last.count if last else 0) + _JUMP:
            raise ValueError(f"{count} changes at once")  # every later one would be taken for seen
        draft.seen[thing] = LastRecorded(str(data["value"]), at, count)
        draft.tell(event, Source(data["source"]), str(data["text"]), at=at, id=event.subject)

    def _closed(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        why = f": {data['why']}" if data.get("why") else ""
        again = "" if draft.incident.open else " again"
        draft.tell(event, Source.PERSON, f"closed{again}{why}")
        if draft.incident.open:
            draft.incident = replace(draft.incident, closed_at=event.at, closed_by=event.author)
            self._open.remove(draft.incident.id)

    def _reopened(self, draft: _IncidentBuilder, event: Event, data: Mapping[str, Any]) -> None:
        why = f": {data['why']}" if data.get("why") else ""
        draft.tell(event, Source.PERSON, f"opened again{why}")
        if not draft.incident.open:
            draft.incident = replace(draft.incident, closed_at=None, closed_by="")
            self._open.append(draft.incident.id)


_JUMP = 1000
"""Changes of one thing of which no more can be missing: a store that keeps the newest forgets a few."""
RESOLVED_WHY = "resolved"
"""The mark of an alert that ended is taken away by the console, not by a person."""

_TAKERS: dict[str, Callable[[_IncidentReducer, _IncidentBuilder, Event, Mapping[str, Any]], None]] = {
    kinds.SEVERITY: _IncidentReducer._severity,
    kinds.ROLE: _IncidentReducer._role,
    kinds.STEP: _IncidentReducer._step,
    kinds.NOTE: _IncidentReducer._note,
    kinds.ALERT: _IncidentReducer._alert,
    kinds.UPDATE: _IncidentReducer._update,
    kinds.DELIVERED: _IncidentReducer._delivered,
    kinds.SEEN: _IncidentReducer._seen,
    kinds.CLOSED: _IncidentReducer._closed,
    kinds.REOPENED: _IncidentReducer._reopened,
}


def _step_of(action: str, target: str, incident: Incident) -> Step | None:
    """Which step an action that was done has done."""
    if action in _MITIGATES:
        return Step.MITIGATE
    if action != "silence":
        return None
    try:
        matchers = parse_matchers(target)
    except MatcherError:
        return None
    hidden = matchers and any(all(one.matches(item.labels) for one in matchers) for item in incident.alerts)
    return Step.ACKNOWLEDGE if hidden else None


def _linked(data: Mapping[str, Any]) -> LinkedAlert:
    labels = tuple((str(name), str(value)) for name, value in data.get("labels") or ())
    return LinkedAlert(str(data["fingerprint"]), str(data["name"]), _time(data.get("starts_at") or 0.0), labels)


def _seconds(value: Any) -> float:
    """A length of time. Raises ValueError for what is none."""
    seconds = float(value)
    if not 0.0 <= seconds < math.inf:
        raise ValueError(value)
    return seconds


def _time(value: Any) -> float:
    """Unix seconds. Raises ValueError for what is no moment: it would have no place among the others."""
    at = float(value)
    if to_datetime(at) is None or at < 0.0:
        raise ValueError(value)
    return at


def _name_of(draft: _IncidentBuilder, fingerprint: str) -> str:
    return next((item.name for item in draft.incident.alerts if item.fingerprint == fingerprint), "the alert")
