"""What each journal event does to the incidents that it is about."""

from __future__ import annotations

import bisect
import math
from collections import deque
from dataclasses import replace
from types import MappingProxyType

from msgspec import structs

from console.journal.acknowledgements import MOST, Acknowledgement, acknowledgement_after
from console.journal.event import Event
from console.journal.payloads import (
    ActionDeclined,
    ActionIntent,
    ActionOutcome,
    AlertAcknowledged,
    AlertLinked,
    AlertReleased,
    ChangeSeen,
    DeliveryState,
    FollowUpRecorded,
    GuardAnnounced,
    GuardEnded,
    IncidentClosed,
    IncidentDeclared,
    IncidentNoteAdded,
    IncidentReopened,
    LinkedAlert,
    Payload,
    Role,
    RoleAssigned,
    RolloutCompleted,
    RolloutFailed,
    SeverityChanged,
    Source,
    Step,
    StepChanged,
    UpdateDelivered,
    UpdateWritten,
    decode,
)
from console.journal.projection import keep_last
from console.state.incident import (
    FIRING,
    PENDING,
    RESOLVED,
    Delivery,
    EarlierEntry,
    FollowUp,
    Incident,
    Incidents,
    LastRecorded,
    StepCompletion,
    TimelineEntry,
    Update,
    find_entry,
)
from queries.model.alert import PENDING_PREFIX
from queries.model.matcher import MatcherError, parse_matchers
from queries.text.times import to_datetime

SEND_ACTION = "notify"
"""The action that sends an update to a channel."""
_ACKNOWLEDGED, _RELEASED = "acknowledged", "released"
_MITIGATIONS = ("rollback", "scale", "restart", "pause")
_DELIVERY = {"done": DeliveryState.SENT, "unknown": DeliveryState.UNKNOWN}
_MOST_MISSED = 1000
"""Changes of one thing that a store which keeps only the newest events may have lost. A larger jump is not valid: every later
change would count as recorded already.
"""
_MOST_EARLIER = 300
"""What was done before a declaration; a busy day has fewer actions."""
_SLOW_SECONDS = 1.0
"""By how much a clock may be slow before it changes the order of entries."""
_Action = ActionIntent | ActionDeclined | ActionOutcome


class _IncidentBuilder:
    """One incident while events are folded: lists instead of tuples, so that many at once stay cheap."""

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        self.entries = list(incident.entries)
        self.completions = dict(incident.completions)
        self.updates = {item.id: item for item in incident.updates}
        self.seen = dict(incident.seen)
        self.roles = dict(incident.roles)

    def build(self) -> Incident:
        return replace(
            self.incident,
            entries=tuple(self.entries),
            completions=MappingProxyType(self.completions),
            updates=tuple(self.updates.values()),
            seen=MappingProxyType(self.seen),
            roles=tuple(self.roles.items()),
        )

    def add_entry(
        self, event: Event, source: Source, text: str, *, at: float | None = None, id: str = "", corrects: str = ""
    ) -> None:
        self.insert(_entry(event, source, text, at=at, id=id, corrects=corrects))

    def insert(self, entry: TimelineEntry) -> None:
        """At its place in time."""
        bisect.insort_right(self.entries, entry, key=lambda item: item.at)

    def complete(self, step: Step, completion: StepCompletion) -> None:
        """The first completion counts until somebody reopens the step."""
        self.completions.setdefault(step, completion)

    def watch_alert(self, alert: LinkedAlert, event: Event) -> None:
        value = PENDING if alert.fingerprint.startswith(PENDING_PREFIX) else FIRING
        self.seen.setdefault(f"alert:{alert.fingerprint}", LastRecorded(value, alert.starts_at or event.at))

    def rename_alert(self, fingerprint: str, to: str) -> None:
        """The linked alert is listed by another fingerprint; what was recorded of it goes along."""
        alerts = self.incident.alerts
        if not self.incident.links(fingerprint):
            return
        renamed = [structs.replace(item, fingerprint=to) for item in alerts if item.fingerprint == fingerprint]
        others = [item for item in alerts if item.fingerprint not in (fingerprint, to)]
        self.incident = replace(self.incident, alerts=(*others, *renamed))
        last = self.seen[f"alert:{fingerprint}"]
        self.seen.setdefault(f"alert:{to}", LastRecorded(last.value, last.at))
        self.seen[f"alert:{fingerprint}"] = replace(last, value=RESOLVED)


def _entry(
    event: Event, source: Source, text: str, *, at: float | None = None, id: str = "", corrects: str = ""
) -> TimelineEntry:
    """Every console derives the same id: what an event is called does not depend on the file that it is read from."""
    old_id = "" if id else f"{event.kind}:{event.subject}:{event.author}:{event.at:.3f}"
    return TimelineEntry(
        at=event.at if at is None else at,
        source=source,
        author=event.author,
        text=text,
        id=id or event.id,
        recorded_at=event.at,
        corrects=corrects,
        old_id=old_id,
    )


class IncidentReducer:
    """Folds events into incidents; those that no event touches stay the very objects that they were.

    `apply` raises ValueError or KeyError for an event whose data does not fit, and the reducer must not be used after that.
    """

    def __init__(self, state: Incidents) -> None:
        self._before = state
        self._order = [item.id for item in state.all]
        self._count = max(state.count, len(state.all))
        self._kept = {item.id: item for item in state.all}
        self._builders: dict[str, _IncidentBuilder] = {}
        self._open = [item.id for item in state.open]
        self._acknowledgements: dict[str, Acknowledgement] = dict(state.acknowledgements)
        self._acknowledgements_changed = False
        self._earlier = deque(state.earlier, _MOST_EARLIER)
        self._earlier_changed = False

    def state(self) -> Incidents:
        if not (self._builders or self._acknowledgements_changed or self._earlier_changed):
            return self._before
        built = {identity: builder.build() for identity, builder in self._builders.items()}
        return Incidents(
            tuple(built.get(identity) or self._kept[identity] for identity in self._order),
            MappingProxyType(keep_last(self._acknowledgements, MOST))
            if self._acknowledgements_changed
            else self._before.acknowledgements,
            self._count,
            tuple(self._earlier) if self._earlier_changed else self._before.earlier,
        )

    def apply(self, event: Event) -> None:
        event = _at_its_turn(event)
        payload = decode(event)
        match payload:
            case AlertAcknowledged() | AlertReleased():
                self._acknowledge(event, payload)
            case ActionIntent() | ActionDeclined() | ActionOutcome() if payload.action == SEND_ACTION:
                self._send(event, payload)
            case ActionIntent() | ActionDeclined() | ActionOutcome():
                self._act(event, payload)
            case GuardAnnounced() | GuardEnded():
                self._guard(event, payload)
            case RolloutCompleted() | RolloutFailed():
                text = f"{payload.target.partition('/')[2] or 'a workload'}: {payload.text}"
                self._remember(EarlierEntry(_entry(event, Source.KUBERNETES, text), target=payload.target))
            case IncidentDeclared():
                self._declare(event, payload)
            case _:
                identity = event.subject.partition("/")[0]
                if identity in self._kept:
                    self._change(self._builder(identity), event, payload)

    def _builder(self, identity: str) -> _IncidentBuilder:
        if identity not in self._builders:
            self._builders[identity] = _IncidentBuilder(self._kept[identity])
        return self._builders[identity]

    def _declare(self, event: Event, payload: IncidentDeclared) -> None:
        if event.subject in self._kept:
            return
        for item in payload.alerts:
            _check_time(item.starts_at)
        stability = payload.stability_seconds
        if stability is not None and not 0.0 <= stability < math.inf:
            raise ValueError(f"stability_seconds {stability} is not a length of time")
        incident = Incident(
            id=event.subject,
            number=self._count + 1,
            title=payload.title,
            severity=payload.severity,
            declared_at=event.at,
            declared_by=event.author,
            environment=event.environment,
            detected_at=_check_time(payload.detected_at) if payload.detected_at else None,
            alerts=payload.alerts,
            panels=payload.panels,
            stability_seconds=stability,
            targets=payload.targets,
            since=_check_time(payload.since) if payload.since else None,
            seen=MappingProxyType({thing: LastRecorded(value, event.at) for thing, value in payload.seen.items()}),
        )
        self._kept[incident.id] = incident
        self._order.append(incident.id)
        self._count += 1
        self._open.append(incident.id)
        builder = self._builder(incident.id)
        for item in payload.alerts:
            builder.watch_alert(item, event)
        builder.add_entry(event, Source.PERSON, f"declared {incident.severity}: {incident.title}")
        for item in payload.alerts:
            if item.starts_at and item.starts_at < event.at:
                identity = f"{event.subject}:{item.fingerprint}"
                what = "is pending" if item.fingerprint.startswith(PENDING_PREFIX) else "started firing"
                builder.add_entry(event, Source.ALERTMANAGER, f"{item.name} {what}", at=item.starts_at, id=identity)
        self._take_over_earlier(builder, incident.began_at)
        if payload.commander:
            builder.roles[Role.COMMANDER] = payload.commander

    # Before the declaration

    def _remember(self, item: EarlierEntry) -> None:
        self._earlier.append(item)
        self._earlier_changed = True

    def _take_over_earlier(self, builder: _IncidentBuilder, since: float, before: Incident | None = None) -> None:
        """What somebody did to its alerts and targets since it began, and the steps that this completed. `before` is
        the incident without the alert that was linked: what it took note of already may have been about that one. What
        was changed before the incident began, while that alert fired already, mitigates nothing.
        """
        incident = builder.incident
        # If only the declaration dates the incident, nobody entered when it began: the linked alert's start counts.
        began_at = incident.began_at if incident.detected_at or incident.since else since
        known = {entry.id for entry in builder.entries}
        completed: list[tuple[Step, StepCompletion]] = []
        for item in self._earlier:
            entry = item.entry
            if entry.at < since or not _concerns(item, incident):
                continue
            if entry.id not in known:
                builder.insert(entry)
            elif before is None or _concerns(item, before):
                continue
            step = _step_of(item.action, item.target, incident)
            if step is not None and (step is not Step.MITIGATE or entry.at >= began_at):
                completed.append((step, StepCompletion(entry.at, entry.author, item.title)))
        for alert in incident.alerts:
            held = self._acknowledgements.get(alert.fingerprint)
            if held is not None and not (before is not None and before.links(alert.fingerprint)):
                at, author = self._first_holder(alert.fingerprint, since) or (held.at, held.author)
                completed.append((Step.ACKNOWLEDGE, StepCompletion(at, author, f"acknowledged {alert.name}")))
        for step, completion in sorted(completed, key=lambda each: each[1].at):
            builder.complete(step, completion)

    def _first_holder(self, fingerprint: str, since: float) -> tuple[float, str] | None:
        """When the alert was acknowledged and by whom, before it was handed to others or taken over; None if not remembered."""
        first: tuple[float, str] | None = None
        for item in self._earlier:
            if item.fingerprint == fingerprint and item.entry.at >= since:
                if item.action == _RELEASED:
                    first = None
                elif item.action == _ACKNOWLEDGED and first is None:
                    first = item.entry.at, item.entry.author
        return first

    # Alerts and actions

    def _acknowledge(self, event: Event, payload: AlertAcknowledged | AlertReleased) -> None:
        before = self._acknowledgements.get(event.subject)
        after = acknowledgement_after(before, event)
        if before is not None and after is before:
            return  # somebody else was first
        self._acknowledgements_changed = True
        self._acknowledgements.pop(event.subject, None)  # the newest stand last
        if after is None:
            # The console, not a person, ends the acknowledgement of an alert that resolved.
            if not isinstance(payload, AlertReleased) or payload.why != AlertReleased.RESOLVED:
                for builder in self._linked_builders(event.subject):
                    name = next((a.name for a in builder.incident.alerts if a.fingerprint == event.subject), "the alert")
                    builder.add_entry(event, Source.PERSON, f"released {name}: unacknowledged")
                text = f"released {payload.name or 'the alert'}: unacknowledged"
                self._remember(EarlierEntry(_entry(event, Source.PERSON, text), event.subject, action=_RELEASED))
            return
        self._acknowledgements[event.subject] = after
        name = payload.name or "the alert"
        over = f", taken over from {before.author}" if before is not None and before.author != after.author else ""
        what = f"handed {name} to {after.author}" if after.by else f"acknowledged {name}{over}"
        self._remember(EarlierEntry(_entry(event, Source.PERSON, what), event.subject, action=_ACKNOWLEDGED))
        for builder in self._linked_builders(event.subject):
            builder.add_entry(event, Source.PERSON, what)
            builder.complete(Step.ACKNOWLEDGE, StepCompletion(event.at, event.author, f"acknowledged {name}"))

    def _act(self, event: Event, payload: _Action) -> None:
        title = payload.title or payload.action or "an action"
        match payload:
            case ActionIntent():
                text = f"{title}: confirmed, sending{f' ({payload.cause})' if payload.cause else ''}"
            case ActionDeclined():
                text = f"{title}: not confirmed, nothing was sent"
            case ActionOutcome(outcome=outcome, text=reason):
                result = reason if reason and reason.startswith(outcome) else f"{outcome}: {reason}".rstrip(": ")
                text = f"{title}: {result}"
        # Of an action for no alert, or for one that no incident has, every open incident takes note.
        fingerprint = "" if isinstance(payload, ActionDeclined) else payload.fingerprint or ""
        builders = self._linked_builders(fingerprint) or [self._builder(identity) for identity in self._open]
        for builder in builders:
            builder.add_entry(event, Source.CONSOLE, text)
        done = isinstance(payload, ActionOutcome) and payload.outcome == "done"
        action = (payload.action or "") if done else ""
        item = EarlierEntry(_entry(event, Source.CONSOLE, text), fingerprint, payload.target or "", action, title)
        self._remember(item)
        if done:
            for builder in builders:
                # All take note, but what was done to something else mitigates nothing.
                about = _concerns(item, builder.incident) or not (fingerprint or builder.incident.targets)
                step = _step_of(action, item.target, builder.incident) if about else None
                if step is not None:
                    builder.complete(step, StepCompletion(event.at, event.author, title))

    def _guard(self, event: Event, payload: GuardAnnounced | GuardEnded) -> None:
        """The open incidents about the target take note of what its guard does."""
        text = f"guard of {payload.target or 'a change'}: {payload.text}"
        item = EarlierEntry(_entry(event, Source.CONSOLE, text), payload.fingerprint, payload.target)
        self._remember(item)
        for identity in self._open:
            if _concerns(item, self._now(identity)):
                self._builder(identity).insert(item.entry)

    def _send(self, event: Event, payload: _Action) -> None:
        """An update on its way to a channel; the target is `update/INCIDENT/UPDATE/CHANNEL`."""
        _, identity, name, channel = (payload.target or "").split("/", 3)
        if identity not in self._kept:
            return
        builder = self._builder(identity)
        title = payload.title or SEND_ACTION
        if isinstance(payload, ActionDeclined):
            builder.add_entry(event, Source.CONSOLE, f"{title}: not confirmed, nothing was sent")
            return
        update = builder.updates[name]
        if isinstance(payload, ActionIntent):
            delivery = Delivery(event.at, event.author, channel, DeliveryState.SENDING, run=event.subject)
        else:
            why = payload.text or payload.outcome
            state = _DELIVERY.get(payload.outcome, DeliveryState.NOT_SENT)
            sent = state is DeliveryState.SENT
            delivery = Delivery(event.at, event.author, channel, state, "" if sent else why, event.subject)
            builder.add_entry(event, Source.CONSOLE, f"update to {channel}: {why if sent else f'{state}: {why}'}")
        # Another run to this channel may still be on its way.
        others = (item for item in update.deliveries if item.state is not DeliveryState.SENDING or item.run != event.subject)
        builder.updates[name] = replace(update, deliveries=(*others, delivery))
        if delivery.state.out:
            builder.complete(Step.COMMUNICATE, StepCompletion(event.at, event.author, f"update sent to {channel}"))

    def _linked_builders(self, fingerprint: str) -> list[_IncidentBuilder]:
        """The open incidents with this alert."""
        linked = [identity for identity in self._open if fingerprint and self._now(identity).links(fingerprint)]
        return [self._builder(identity) for identity in linked]

    def _now(self, identity: str) -> Incident:
        return self._builders[identity].incident if identity in self._builders else self._kept[identity]

    # The incident itself

    def _change(self, builder: _IncidentBuilder, event: Event, payload: Payload) -> None:
        incident = builder.incident
        match payload:
            case SeverityChanged(severity=severity, why=why):
                builder.add_entry(event, Source.PERSON, _because(f"severity {incident.severity} → {severity}", why))
                builder.incident = replace(incident, severity=severity)
            case RoleAssigned():
                self._assign(builder, event, payload)
            case StepChanged():
                self._change_step(builder, event, payload)
            case IncidentNoteAdded(id=identity, text=text, corrects=corrects):
                corrected = find_entry(builder.entries, corrects) if corrects else None
                builder.add_entry(event, Source.PERSON, text, id=identity, corrects=corrected.id if corrected else corrects)
            case FollowUpRecorded():
                self._record_follow_up(builder, event, payload)
            case AlertLinked():
                self._link(builder, event, payload)
            case UpdateWritten(update=identity, text=text):
                if identity not in builder.updates:
                    builder.updates[identity] = Update(identity, event.at, event.author, text)
                    builder.add_entry(event, Source.PERSON, f"update written: {text.strip().partition(chr(10))[0]}")
            case UpdateDelivered():
                self._deliver(builder, event, payload)
            case ChangeSeen():
                self._see(builder, event, payload)
            case IncidentClosed() | IncidentReopened():
                self._set_open(builder, event, payload)

    def _set_open(self, builder: _IncidentBuilder, event: Event, payload: IncidentClosed | IncidentReopened) -> None:
        incident, closes = builder.incident, isinstance(payload, IncidentClosed)
        again = " again" if closes and not incident.open else ""
        builder.add_entry(event, Source.PERSON, _because(f"closed{again}" if closes else "reopened", payload.why))
        if closes and incident.open:
            builder.incident = replace(incident, closed_at=event.at, closed_by=event.author)
            self._open.remove(incident.id)
        elif not closes and not incident.open:
            builder.incident = replace(incident, closed_at=None, closed_by="")
            self._open.append(incident.id)

    def _assign(self, builder: _IncidentBuilder, event: Event, payload: RoleAssigned) -> None:
        role, person = payload.role, payload.person
        before = builder.roles.get(role, "")
        if before and payload.over is not None and payload.over != before:
            builder.add_entry(event, Source.PERSON, f"{role}: stays {before}: the change to {person or 'nobody'} came later")
            return
        builder.roles.pop(role, None)
        if person:
            builder.roles[role] = person
        builder.add_entry(event, Source.PERSON, f"{role}: {before or 'nobody'} → {person or 'nobody'}")

    def _change_step(self, builder: _IncidentBuilder, event: Event, payload: StepChanged) -> None:
        step, done = payload.step, payload.done
        again = " (already done)" if done and step in builder.completions else ""
        text = f"{step}: {'done' if done else 'reopened'}{again}"
        builder.add_entry(event, Source.PERSON, ": ".join(filter(None, (text, payload.because, payload.note))))
        if done:
            builder.complete(step, StepCompletion(event.at, event.author, payload.because, payload.note))
        else:
            builder.completions.pop(step, None)

    def _record_follow_up(self, builder: _IncidentBuilder, event: Event, payload: FollowUpRecorded) -> None:
        known = {item.id: item for item in builder.incident.follow_ups}
        before = known.get(payload.id)
        author = before.author if before else event.author
        known[payload.id] = FollowUp(payload.id, author, payload.text, payload.owner, payload.due, payload.done)
        builder.incident = replace(builder.incident, follow_ups=tuple(known.values()))
        verb = "done" if payload.done else "changed" if before else "added"
        parts = [payload.owner or "no owner", f"due {payload.due}" if payload.due else ""]
        builder.add_entry(event, Source.PERSON, f"{verb} follow-up ({', '.join(filter(None, parts))}): {payload.text}")

    def _link(self, builder: _IncidentBuilder, event: Event, payload: AlertLinked) -> None:
        incident = builder.incident
        alert = LinkedAlert(payload.fingerprint, payload.name, _check_time(payload.starts_at), payload.labels)
        others = tuple(item for item in incident.alerts if item.fingerprint != alert.fingerprint)
        builder.incident = replace(incident, alerts=(*others, alert) if payload.on else others)
        builder.add_entry(event, Source.PERSON, f"{'linked' if payload.on else 'unlinked'} {alert.name}")
        if payload.on:
            builder.watch_alert(alert, event)
            self._take_over_earlier(builder, min(incident.began_at, alert.starts_at or event.at), incident)

    def _deliver(self, builder: _IncidentBuilder, event: Event, payload: UpdateDelivered) -> None:
        update, state, where = builder.updates[payload.update], payload.how, payload.where
        if not (state.by_hand or state is DeliveryState.MARKED):
            raise ValueError(f"{state} is the outcome of an action")
        # Nobody read it before it was written, and nobody can confirm that it will go out.
        at = min(event.at, max(update.at, _check_time(event.at if payload.at is None else payload.at)))
        delivery = Delivery(at, event.author, where, state)
        builder.updates[update.id] = replace(update, deliveries=(*update.deliveries, delivery))
        text = f"{state} to {where}" if where else str(state)
        builder.add_entry(event, Source.PERSON, f"update {text}{', to be posted by hand' if state.by_hand else ''}", at=at)
        if state.out:
            builder.complete(Step.COMMUNICATE, StepCompletion(at, event.author, f"update {text}"))

    def _see(self, builder: _IncidentBuilder, event: Event, payload: ChangeSeen) -> None:
        thing, count, at = payload.thing, payload.count, _check_time(payload.at)
        last = builder.seen.get(thing)
        if last is not None and count <= last.count:
            return  # another console recorded the same change
        if count > (last.count if last else 0) + _MOST_MISSED:
            raise ValueError(f"{count} changes at once")
        builder.seen[thing] = LastRecorded(payload.value, at, count)
        builder.add_entry(event, payload.source, payload.text, at=at, id=event.subject)
        if payload.fingerprint and thing.startswith("alert:"):
            before = builder.incident
            builder.rename_alert(thing.removeprefix("alert:"), payload.fingerprint)
            self._take_over_earlier(builder, before.began_at, before)


def _at_its_turn(event: Event) -> Event:
    """The event no earlier than what its console had seen, by its stamp: a slow clock does not answer before it was asked."""
    turn = event.stamp / 1e6
    return replace(event, at=turn) if turn > event.at + _SLOW_SECONDS else event


def _concerns(item: EarlierEntry, incident: Incident) -> bool:
    """Whether an incident is about what was done; one that names neither alert nor target is about all of it."""
    return incident.is_about(item.target, item.fingerprint) or _silences(item.target, incident)


def _silences(target: str, incident: Incident) -> bool:
    """Whether a silence with these matchers hides one of the incident's alerts."""
    try:
        matchers = parse_matchers(target) if "=" in target else ()
    except MatcherError:
        return False
    return bool(matchers) and any(all(one.matches(item.labels) for one in matchers) for item in incident.alerts)


def _because(text: str, why: str) -> str:
    return f"{text}: {why}" if why else text


def _step_of(action: str, target: str, incident: Incident) -> Step | None:
    """The step that a successful action completes."""
    if action in _MITIGATIONS:
        return Step.MITIGATE
    return Step.ACKNOWLEDGE if action == "silence" and _silences(target, incident) else None


def _check_time(at: float) -> float:
    """Unix seconds. Raises ValueError for what has no place in a calendar, and so none in the timeline."""
    if to_datetime(at) is None or at < 0.0:
        raise ValueError(f"{at} is not a time")
    return at
