"""What a person did at another console, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.journal import payloads as p
from console.journal import process
from console.journal.event import Event
from console.journal.sqlite_tables import decode_row
from console.state.journal_text import event_text

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

KEPT = 50
_AT_ONCE = 500
_VERBS: dict[type[p.Payload], str] = {
    p.ActionIntent: "sends",
    p.ActionOutcome: "",
    p.GuardTakenOver: "",
    p.GuardEnded: "",
    p.NoteWritten: "noted",
    p.IncidentDeclared: "declared an incident",
    p.SeverityChanged: "changed the severity",
    p.RoleAssigned: "assigned a role",
    p.StepChanged: "changed a step",
    p.IncidentNoteAdded: "noted",
    p.AlertLinked: "",
    p.UpdateWritten: "wrote an update",
    p.UpdateDelivered: "",
    p.IncidentClosed: "closed the incident",
    p.IncidentReopened: "reopened the incident",
    p.RunStarted: "",
    p.RunSigned: "",
    p.HandoverSigned: "",
}
"""What people do, apart from acknowledgements. Answers to single checklist items would be a notice every few seconds."""
_KINDS = frozenset(p.event_kinds(*_VERBS, p.AlertAcknowledged, p.AlertReleased))


def read_news(journal: Journal, *, after: int, until: int, environment: str, user: str) -> tuple[Event, ...]:
    """The events of people at other consoles than this one of `user`, with a sequence in (`after`, `until`], oldest first.

    Raises JournalError.
    """
    statement = f"SELECT {journal.columns}, writer FROM events WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"  # noqa: S608 - no input
    own, found = process.current().text(), []
    for *columns, writer in journal.select(statement, (max(after, until - _AT_ONCE), until, _AT_ONCE)):
        event = decode_row(columns)
        if (writer, event.author) != (own, user) and event.kind in _KINDS and event.environment in ("", environment):
            found.append(event)
    return tuple(found)


def describe_news(event: Event) -> str:
    """`bob@vm took over HighErrorRate`; empty for an event that is no news, such as an alert that resolved."""
    payload = p.try_decode(event)
    match payload:
        case None:
            return ""
        case p.AlertAcknowledged(name=name, over=over, to=to):
            name = name or event.subject
            if to:
                return f"{event.author} handed {name} to {to}"
            return f"{event.author} {'took over' if over else 'acknowledged'} {name}"
        case p.AlertReleased(name=name, why=why):
            return "" if why else f"{event.author} released {name or event.subject}"
    verb = _VERBS.get(type(payload))
    if verb is None:
        return ""
    return f"{event.author} {verb}: {event_text(event)}" if verb else f"{event.author}: {event_text(event)}"


def describe_action(events: Sequence[Event], elapsed: str) -> str:
    """What the newest of these intents and outcomes of one target did: `bob@vm: Roll back deployment/x, image 1.9.0 → 1.8.2,
    1s ago: done in 3s`; empty without one.
    """
    decoded = [(event, payload) for event in events if (payload := p.try_decode(event)) is not None]
    intents = {event.subject: payload for event, payload in decoded if isinstance(payload, p.ActionIntent)}
    for event, payload in reversed(decoded):
        if not isinstance(payload, p.ActionIntent | p.ActionOutcome):
            continue
        intent = intents.get(event.subject)
        title = payload.title or " ".join(filter(None, (payload.action, payload.target)))
        what = ", ".join(filter(None, (title, _main_difference(intent))))
        end = payload.text or payload.outcome if isinstance(payload, p.ActionOutcome) else "no outcome yet"
        return f"{event.author}: {what}, {elapsed} ago: {end}"
    return ""


def find_console(events: Sequence[Event]) -> str:
    """The process that wrote the newest of these intents and outcomes, as its run's intent names it; empty where none does."""
    newest = events[-1]
    for event in reversed(events):
        same = (event.subject, event.author) == (newest.subject, newest.author)
        if same and isinstance(payload := p.try_decode(event), p.ActionIntent):
            return payload.process or ""
    return ""


def _main_difference(intent: p.ActionIntent | None) -> str:
    """`image 1.9.0 → 1.8.2`: the image, else the first value that changes."""
    changed = [row for row in (intent.differences if intent else ()) if len(row) == 3 and row[1] != row[2]]
    changed.sort(key=lambda row: not row[0].startswith("image"))
    if not changed:
        return ""
    name, before, after = changed[0]
    if name.startswith("image"):
        name, before, after = "image", before.rpartition(":")[2] or before, after.rpartition(":")[2] or after
    return f"{name} {before} → {after}"
