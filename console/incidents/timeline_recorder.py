"""Writes an open incident's timeline: whatever differs from what the journal last said of it, once for all consoles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from console.incidents.observations import Observation, ended, sights
from console.state import incident_events
from console.state.incident import Incident, Incidents, LastRecorded
from console.state.snapshot import Snapshot

_MOST_ALERTS = 200
"""Alerts of one incident that are told one by one; a storm of thousands is no timeline."""
MANY = "alerts:many"


@dataclass(frozen=True, slots=True)
class TimelineEntryDraft:
    """One entry to be written, where nobody has written it yet."""

    subject: str
    data: dict[str, Any]


class TimelineRecorder:
    """Compares what is seen with what the journal says, not with what this console saw before: so one that opens later, or
    comes back after a crash, writes down what changed meanwhile, and several write nothing twice. Pure but for what it
    remembers of things that have yet to settle; for one thread.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        """What was seen first of a thing that the journal does not know, by incident."""
        self._since: dict[tuple[str, str], tuple[str, float]] = {}
        self._calm: tuple[object, object] | None = None
        """Alerts and incidents that were found to agree: thousands are not compared again while both are the same."""
        self._differs = False

    def look(self, snapshot: Snapshot, incidents: Incidents) -> tuple[TimelineEntryDraft, ...]:
        """What is to be written now."""
        watching = incidents.open
        if not watching:
            self._first.clear()
            self._since.clear()
            return ()
        calm = self._calm is not None and self._calm[0] is snapshot.alerts and self._calm[1] is incidents
        seen = sights(snapshot, alerts=not calm)
        self._differs = False
        found = tuple(item for incident in watching for item in self._of(incident, seen, snapshot))
        if not calm:
            self._calm = None if self._differs else (snapshot.alerts, incidents)
        return found

    def _of(self, incident: Incident, seen: tuple[Observation, ...], snapshot: Snapshot) -> Iterable[TimelineEntryDraft]:
        alerts = sum(thing.startswith("alert:") for thing in incident.seen)
        for sight in (*seen, *ended(incident, snapshot)):
            last = self._last(incident, sight)
            if last is None or not self._changed(incident, sight, last, snapshot.taken_at):
                continue
            if sight.thing.startswith("silence:") and sight.value == "active" and _told(incident, sight.thing[8:]):
                continue
            if last.count == 0 and not last.value and sight.thing.startswith("alert:"):
                alerts += 1
                if alerts > _MOST_ALERTS:
                    if MANY not in incident.seen:
                        yield self._too_many(incident, sight, snapshot)
                    continue
            at = self._since.pop((incident.id, sight.thing))[1]
            yield _observation(incident, sight, last, at)

    def _last(self, incident: Incident, sight: Observation) -> LastRecorded | None:
        """What the journal said last; of what is new since the declaration, that it was not there; None: nothing to compare."""
        known = incident.seen.get(sight.thing)
        if known is not None:
            return known
        if sight.thing.startswith("rollout:"):
            return LastRecorded("", incident.declared_at)
        if sight.began_at is not None and sight.began_at > incident.declared_at and not sight.thing.startswith("revision:"):
            return LastRecorded("", incident.declared_at)
        first = self._first.setdefault((incident.id, sight.thing), sight.value)
        return LastRecorded(first, incident.declared_at)

    def _changed(self, incident: Incident, sight: Observation, last: LastRecorded, now: float) -> bool:
        key = (incident.id, sight.thing)
        self._differs |= sight.value != last.value and sight.thing.startswith("alert:")
        if sight.value == last.value or sight.taken_at <= last.at:
            self._since.pop(key, None)
            return False
        value, since = self._since.get(key, ("", 0.0))
        if value != sight.value:
            since = sight.began_at if sight.began_at is not None and sight.began_at > last.at else sight.taken_at
            self._since[key] = (sight.value, since)
        return now - since >= sight.settle_seconds

    def _too_many(self, incident: Incident, sight: Observation, snapshot: Snapshot) -> TimelineEntryDraft:
        told = f"more than {_MOST_ALERTS} alerts: further ones are not told here one by one"
        data = incident_events.seen(MANY, "yes", count=1, at=snapshot.taken_at, source=sight.source, text=told)
        return TimelineEntryDraft(incident_events.seen_subject(incident.id, MANY, 1), data)


def _observation(incident: Incident, sight: Observation, last: LastRecorded, at: float) -> TimelineEntryDraft:
    count = last.count + 1
    text = sight.say(last.value)
    data = incident_events.seen(sight.thing, sight.value, count=count, at=at, source=sight.source, text=text)
    return TimelineEntryDraft(incident_events.seen_subject(incident.id, sight.thing, count), data)


def _told(incident: Incident, silence: str) -> bool:
    """Whether the action that made this silence says so already."""
    return any(silence in entry.text for entry in incident.entries)
