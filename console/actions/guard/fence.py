"""Whether a guard is still this process' own, read again before it acts."""

from __future__ import annotations

import asyncio

from console.actions.guard.source import GuardSource
from console.journal import process
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.state.guards import Guards, GuardsProjection
from queries.errors import SourceError

_PROJECTION = GuardsProjection()


class GuardFence:
    """Reads the record of one guard in the journal of this host, which has what the shared store delivered as well."""

    def __init__(self, identity: str, journal: Journal | None, source: GuardSource) -> None:
        self._identity = identity
        self._journal = journal
        self._source = source
        self._own = process.current().text()
        self._before = 0
        """The sequence before the guard's start, from which on the file is read."""

    async def find_loss(self, newest: bool) -> tuple[str, str]:
        """Why the guard is not this process' own any more, and why that is not known; both empty while it is. `newest` asks the
        shared store first.
        """
        if self._journal is None:
            return "", "there is no journal"
        caveat = ""
        try:
            if newest:
                _, caveat = await self._source.fetch_guards()
            events = await asyncio.to_thread(self._read, self._journal)
        except (JournalError, SourceError) as error:
            return "", str(error)
        guards = _PROJECTION.fold(Guards(), events)
        if found := guards.find(self._identity):
            return ("", caveat) if found.process == self._own else (f"{found.author} took the guard over", "")
        ended = [item for item in guards.ended if item.id == self._identity]
        return (
            (f"somebody ended the guard: {ended[-1].result}", "") if ended else ("", "the journal has no start of this guard")
        )

    def _read(self, journal: Journal) -> tuple[Event, ...]:
        events = tuple(event for event, _ in journal.written(self._identity, _PROJECTION.kinds, after=self._before))
        if events and not self._before:
            self._before = events[0].sequence - 1
        return events
