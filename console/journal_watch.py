"""What the journal says, kept on the board: who owns which alert, and what people did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from console.board import Board
from console.config.settings import Settings
from console.journal.event import Event
from queries.model.reading import Reading

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

_EVERY_SECONDS = 5.0
_EVENTS = 200


class JournalWatch:
    """Reads the journal every few seconds, because other consoles of this user write into it too."""

    def __init__(self, journal: Journal, board: Board, settings: Settings, *, clock: Callable[[], float]) -> None:
        self.fault = ""
        """Why it could not be read the last time, empty where it could."""
        self._journal = journal
        self._board = board
        self._author = settings.user
        self._environment = settings.environment
        self._clock = clock
        self._present: tuple[float, frozenset[str]] | None = None
        self._told: tuple[dict[str, str], tuple[Event, ...]] | None = None
        self._woken = asyncio.Event()
        # One thread: an fsync that hangs must not take the threads that answers are decoded in.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")

    def heard(self, reading: Reading[Any]) -> None:
        """What Alertmanager has; only a whole answer can tell that an alert is not there any more."""
        state = reading.value
        if state is None or state.peer_faults:
            self._present = None
        else:
            self._present = (reading.taken_at, frozenset(item.fingerprint for item in state.alerts))

    def own(self, fingerprint: str, *, on: bool, name: str) -> None:
        """Mark or release, and show it at once. Raises JournalError."""
        from console.journal import owners  # noqa: PLC0415

        told = (self._journal, fingerprint)
        now = self._clock()
        if on:
            owners.own(*told, author=self._author, environment=self._environment, now=now, name=name)
        else:
            owners.release(*told, author=self._author, environment=self._environment, now=now)
        self._told = None
        self._board.set_owners(owners.owners(self._journal, environment=self._environment))

    def wake(self) -> None:
        """Read again now."""
        self._woken.set()

    async def run(self, changed: Callable[[], None]) -> None:
        """Read again and again until cancelled; `changed` is called where that brought something new."""
        while True:
            self._woken.clear()
            if await self.read():
                changed()
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def read(self) -> bool:
        """Once; gives whether something is new. A journal that cannot be read leaves what was known, and its fault."""
        from console.journal.sqlite import JournalError  # noqa: PLC0415

        before, self.fault = self.fault, ""
        new = False
        try:
            new = await asyncio.get_running_loop().run_in_executor(self._disk, self._look, self._present)
        except JournalError as error:
            self.fault = str(error)
        return new or self.fault != before

    async def close(self) -> None:
        """Waits a moment for what is being read, so that the journal is not closed under it."""
        try:
            async with asyncio.timeout(1.0):
                await asyncio.to_thread(self._disk.shutdown, wait=True, cancel_futures=True)
        except TimeoutError:
            pass

    def _look(self, present: tuple[float, frozenset[str]] | None) -> bool:
        """In a thread: read, and tell the board, which may be busy in its own, what is new; gives whether something is."""
        from console.journal import owners  # noqa: PLC0415

        journal, environment = self._journal, self._environment
        marks = owners.owners(journal, environment=environment)
        if marks and present:
            taken_at, listed = present
            since = {event.subject: event.at for event in journal.events(kinds=(owners.OWNED,))}
            # A mark younger than the answer may be of an alert that the answer could not have yet.
            gone = [item for item in marks if since[item] < taken_at and item not in listed and ":" not in item]
            author, now = self._author, self._clock()
            owners.release_resolved(journal, gone, listed, author=author, environment=environment, now=now)
            marks = {fingerprint: owner for fingerprint, owner in marks.items() if fingerprint not in gone}
        listed_events = journal.events(kinds=("action.outcome", "note"), limit=_EVENTS)
        events = tuple(item for item in listed_events if item.environment in ("", environment))
        if (marks, events) == self._told:
            return False
        self._told = (marks, events)
        self._board.set_owners(marks)
        self._board.set_events(events)
        return True
