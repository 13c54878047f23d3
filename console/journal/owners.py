"""Who looks after which alert: marks in the journal that end when the alert does."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from console.journal.event import Event
from console.journal.sqlite import Journal

OWNED = "alert.owned"
RELEASED = "alert.released"


def own(journal: Journal, fingerprint: str, *, author: str, environment: str, now: float, name: str = "") -> Event:
    """Marks the alert as somebody's. Raises JournalError."""
    return journal.append(Event(now, OWNED, fingerprint, author, environment, {"name": name} if name else {}))


def release(journal: Journal, fingerprint: str, *, author: str, environment: str, now: float, why: str = "") -> Event:
    """Takes the mark away. Raises JournalError."""
    return journal.append(Event(now, RELEASED, fingerprint, author, environment, {"why": why} if why else {}))


def owners(journal: Journal, *, environment: str = "") -> dict[str, str]:
    """The author by fingerprint, of one environment or of all. Raises JournalError."""
    events = journal.events(kinds=(OWNED, RELEASED))
    return folded(event for event in events if not environment or event.environment == environment)


def folded(events: Iterable[Event]) -> dict[str, str]:
    """What remains when own and release events are gone through in their order."""
    found: dict[str, str] = {}
    for event in events:
        if event.kind == OWNED:
            found[event.subject] = event.author
        elif event.kind == RELEASED:
            found.pop(event.subject, None)
    return found


def release_resolved(
    journal: Journal, owned: Iterable[str], present: Collection[str], *, author: str, environment: str, now: float
) -> tuple[str, ...]:
    """Ends the marks of alerts that are not there any more; gives their fingerprints. Raises JournalError.

    `present` must come from a whole answer: an Alertmanager that could not be asked has not resolved anything.
    """
    gone = tuple(fingerprint for fingerprint in owned if fingerprint not in present)
    for fingerprint in gone:
        release(journal, fingerprint, author=author, environment=environment, now=now, why="resolved")
    return gone
