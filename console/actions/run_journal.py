"""What one run of an action writes to the journal, and what it reads there about others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from console.actions.journal_payload import declined_payload
from console.actions.plan import ClusterTarget, Plan
from console.config.settings import Settings
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import ActionIntent, ActionOutcome, Payload, create_event, event_kinds
from console.journal.sqlite import Journal
from console.state.news import describe_action, find_console
from queries.text.durations import format_span

_ACTION_KINDS = event_kinds(ActionIntent, ActionOutcome)


class RunJournal:
    """The journal as one run uses it; `identity` is the run's id, the subject of its events."""

    def __init__(
        self,
        journal: Journal | None,
        identity: str,
        *,
        error: str,
        settings: Settings,
        clock: Callable[[], float],
        fetch: Callable[[], Awaitable[object]] | None,
        clock_ahead_seconds: Callable[[str, str], float],
    ) -> None:
        """`error` is why there is no journal; `fetch` reads what other consoles wrote, `clock_ahead_seconds` returns how far
        the clock of an author's console is ahead of this one.
        """
        self.journal = journal
        self.error = error or "there is no journal"
        self.fetch = fetch
        self.clock_ahead_seconds = clock_ahead_seconds
        self._identity = identity
        self._settings = settings
        self._clock = clock
        self._before: int | None = None
        """The journal's last sequence when the run began."""

    def append(self, payload: Payload, subject: str = "") -> Event:
        """About the run, or about another subject. May block; raises JournalError."""
        if self.journal is None:
            raise JournalError(self.error)
        author, environment = self._settings.user, self._settings.environment
        about = subject or self._identity
        return self.journal.append(
            create_event(payload, at=self._clock(), subject=about, author=author, environment=environment)
        )

    async def write(self, payload: Payload) -> Event:
        """As `append`, in a thread."""
        return await asyncio.to_thread(self.append, payload)

    async def write_declined(self, plan: Plan, target: ClusterTarget) -> None:
        try:
            await self.write(declined_payload(plan, target))
        except JournalError:
            return  # nothing happened, so nothing has to be on record

    async def begin(self) -> None:
        """From now on `describe_meanwhile` counts."""
        try:
            self._before = await asyncio.to_thread(self.journal.last_sequence) if self.journal is not None else None
        except JournalError:
            self._before = None  # the preflight names what is wrong with it

    async def describe_meanwhile(self, target: str) -> str:
        """`bob@vm: Roll back deployment/x, image 1.9.0 → 1.8.2, 1s ago: …`; empty where nobody else did anything."""
        journal, before = self.journal, self._before
        if journal is None or before is None:
            return ""
        try:
            if self.fetch is not None:
                await self.fetch()
            events = await asyncio.to_thread(journal.events, after=before, kinds=_ACTION_KINDS)
        except JournalError:
            return ""
        others = [event for event in events if event.subject != self._identity and event.data.get("target") == target]
        if not others:
            return ""
        ahead = self.clock_ahead_seconds(others[-1].author, find_console(others))
        seconds = self._clock() - others[-1].at + ahead
        return describe_action(others, format_span(seconds))
