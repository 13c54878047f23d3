"""Finds what an open incident's timeline lacks: every value that differs from the last recorded one, once for all consoles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from console.incidents.observations import Observation, observe_minor, observe_renamed, observe_resolved, observe_sources
from console.journal.payloads import ChangeSeen
from console.state.incident import Incident, Incidents, LastRecorded
from console.state.snapshot import Snapshot

_MOST_ALERTS = 200
"""Alerts of one incident that the timeline lists one by one; a storm of thousands is no timeline."""
MANY = "alerts:many"
TimelineEntryDraft = tuple[str, ChangeSeen]
"""Subject and payload of an entry that the journal does not have yet."""


class TimelineRecorder:
    """Compares what the sources say with what the journal says, not with what this console saw before: a console that opens
    later, or restarts after a crash, records what changed meanwhile, and several record nothing twice. For one thread; its
    only memory are the values that have yet to settle.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        """By incident and thing, the first value seen of a thing that the journal does not know."""
        self._since: dict[tuple[str, str], tuple[str, float]] = {}
        self._agreeing: tuple[object, object] | None = None
        """Alerts and incidents that agree: thousands are not compared again while both stay the same."""
        self._differs = False

    def find_changes(self, snapshot: Snapshot, incidents: Incidents) -> tuple[TimelineEntryDraft, ...]:
        """What the journal lacks now."""
        watching = incidents.open
        if not watching:
            self._first.clear()
            self._since.clear()
            return ()
        agree = self._agreeing is not None and self._agreeing[0] is snapshot.alerts and self._agreeing[1] is incidents
        observations = observe_sources(snapshot, alerts=not agree)
        self._differs = False
        drafts = tuple(item for incident in watching for item in self._changes(incident, observations, snapshot))
        if not agree:
            self._agreeing = None if self._differs else (snapshot.alerts, incidents)
        return drafts

    def _changes(
        self, incident: Incident, observations: tuple[Observation, ...], snapshot: Snapshot
    ) -> Iterable[TimelineEntryDraft]:
        alerts = sum(thing.startswith("alert:") for thing in incident.seen)
        renamed = observe_renamed(incident, snapshot)
        known = {f"alert:{item.fingerprint or item.alias}" for item in renamed}
        for item in (*renamed, *observations, *observe_minor(incident, snapshot), *observe_resolved(incident, snapshot)):
            if item.thing in known:
                continue  # the same alert
            last = self._last(incident, item)
            if not self._changed(incident, item, last, snapshot.taken_at):
                continue
            if item.thing.startswith("silence:") and item.value == "active" and _is_mentioned(incident, item.thing[8:]):
                continue
            if last.count == 0 and not last.value and item.thing.startswith("alert:"):
                alerts += 1
                if alerts > _MOST_ALERTS:
                    if MANY not in incident.seen:
                        text = f"more than {_MOST_ALERTS} alerts: further alerts are not listed one by one"
                        many = ChangeSeen(MANY, "yes", 1, snapshot.taken_at, item.source, text)
                        yield change_subject(incident.id, MANY, 1), many
                    continue
            at = self._since.pop((incident.id, item.thing))[1]
            count = last.count + 1
            text = item.describe(last.value)
            change = ChangeSeen(item.thing, item.value, count, at, item.source, text, item.fingerprint or None)
            yield change_subject(incident.id, item.thing, count), change

    def _last(self, incident: Incident, item: Observation) -> LastRecorded:
        """The last recorded value; empty for what did not exist when the incident was declared."""
        known = incident.seen.get(item.thing)
        if known is not None:
            return known
        if item.thing.startswith("rollout:"):
            return LastRecorded("", incident.declared_at)
        if item.began_at is not None and item.began_at > incident.declared_at and not item.thing.startswith("revision:"):
            return LastRecorded("", incident.declared_at)
        first = self._first.setdefault((incident.id, item.thing), item.value)
        return LastRecorded(first, incident.declared_at)

    def _changed(self, incident: Incident, item: Observation, last: LastRecorded, now: float) -> bool:
        key = (incident.id, item.thing)
        self._differs |= item.value != last.value and item.thing.startswith("alert:")
        if (item.value == last.value and not item.fingerprint) or item.taken_at <= last.at:
            self._since.pop(key, None)
            return False
        value, since = self._since.get(key, ("", 0.0))
        if value != item.value:
            since = item.began_at if item.began_at is not None and item.began_at > last.at else item.taken_at
            self._since[key] = (item.value, since)
        return now - since >= item.settle_seconds


def change_subject(incident: str, thing: str, count: int) -> str:
    """The subject of `incident.seen`: the same for two consoles that see the same change."""
    return f"{incident}/{hashlib.sha256(f'{thing}#{count}'.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _is_mentioned(incident: Incident, silence: str) -> bool:
    """Whether the action that created this silence is in the timeline already."""
    return any(silence in entry.text for entry in incident.entries)
