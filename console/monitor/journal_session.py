"""What screens and commands do with a session's journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from console.config.settings import Settings
from console.journal.acknowledgements import Acknowledgement, AcknowledgeResult
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.presence import Presence, PresenceWorker
from console.journal.sync import describe_unread
from console.journal.unfinished import STEP, unknown_outcome
from console.monitor.journal_service import JournalService
from console.monitor.snapshot_builder import SnapshotBuilder
from console.monitor.state_store import StateStore
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot

if TYPE_CHECKING:
    from console.journal.payloads import Payload
    from console.journal.shared_store import SharedStore
    from console.journal.sqlite import Journal
    from console.journal.sync import SyncStatus
    from console.state.incident import Incident


class JournalSession:
    """The journal's half of a session. Without a journal every write raises JournalError, and `journal_known` is False."""

    beat_seconds = 1.0
    """How often something is due, about a second: ages, and polls where there are any."""

    def __init__(
        self,
        settings: Settings,
        state: StateStore,
        *,
        journal: Journal | None,
        journal_fault: str,
        shared: SharedStore | None,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.journal_fault = journal_fault
        self._clock = clock
        self._store = state
        self._snapshots = SnapshotBuilder(state, self._build_snapshot, clock=clock)
        self._journal_service = JournalService(journal, state, settings, clock=clock, store=shared) if journal else None
        self._shared = shared
        self._presence: PresenceWorker | None = None
        state.presence = Presence(error=journal_fault)

    def _start_presence(self) -> None:
        """Before the journal's store listens: a database then delivers heartbeats too."""
        if self.journal is None or self._presence is not None:
            return
        from console.journal.local_board import FILE, LocalBoard  # noqa: PLC0415  # SQLite, after the first frame

        loop = asyncio.get_running_loop()
        watch = self._journal_service.watch_files if self._journal_service is not None else None

        def changed() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._on_presence)

        self._presence = PresenceWorker(
            self._shared.board() if self._shared is not None else LocalBoard(self.journal.path.with_name(FILE), watch),
            user=self.settings.user,
            environment=self.settings.environment,
            writes=not self.settings.read_only,
            changed=changed,
            clock=self._clock,
        )
        self._presence.start()

    def announce(self, *, screen: str | None = None, preview: str | None = None, target: str | None = None) -> None:
        """What the other consoles see of this one from now on; None leaves it as it is. Never waits."""
        if self._presence is not None:
            self._presence.announce(screen=screen, preview=preview, target=target)

    def clock_ahead_seconds(self, author: str, console: str) -> float:
        """How far the clock of this person's console is ahead of this machine's; 0 where that is not known."""
        return self._store.presence.clock_ahead_seconds(author, console)

    def _on_presence(self) -> None:
        if self._presence is not None:
            self._store.presence = self._presence.view
            self._snapshots.schedule()

    async def _stop_presence(self) -> None:
        if self._presence is not None:
            await asyncio.to_thread(self._presence.close, 1.0)

    def snapshot(self) -> Snapshot:
        """The latest one; before polling starts, a new one."""
        return self._snapshots.latest or self._build_snapshot()

    def _build_snapshot(self) -> Snapshot:
        return self._store.snapshot(self._clock())

    @property
    def sharing(self) -> SyncStatus | None:
        """The state of the shared journal; None if the journal stays on this machine."""
        return self._journal_service.sharing if self._journal_service is not None else None

    @property
    def others_unknown(self) -> str:
        """Why what other consoles journalled is not known up to now, in one sentence; empty if it is, or nobody shares it."""
        status = self.sharing
        if status is None or (status.fault is None and status.last_good_at is not None):
            return ""
        return describe_unread(status.fault.sentence() if status.fault is not None else status.sentence())

    async def record(self, subject: str, payload: Payload) -> Event:
        """Journals what a person did. When this returns it is on disk and in `snapshot().ledger`. Raises JournalError."""
        if self.journal is None or self._journal_service is None:
            raise JournalError(self.journal_fault or "there is no journal")
        event = await self._journal_service.record(subject, payload)
        await self._snapshots.build_now()
        return event

    async def ledger(self) -> JournalState:
        """The state that the journal adds up to now; the last known one if the journal cannot be read.

        A command waits until the whole journal is read, a console does not: `ledger.known` says whether it is.
        """
        if self._journal_service is not None:
            await self._journal_service.read_all()
        return self._store.ledger

    def report_to(self, report: Callable[[str], None]) -> None:
        """Where a command reports what it waits for."""
        if self._journal_service is not None:
            self._journal_service.report = report

    @property
    def journal_error(self) -> str:
        """Why the journal's state is incomplete; empty if it is complete."""
        return self.journal_fault if self._journal_service is None else self._journal_service.fault or self._store.ledger.error

    @property
    def journal_known(self) -> bool:
        """Whether `snapshot().ledger` is the complete state of the journal."""
        fault = self._journal_service.fault if self._journal_service is not None else ""
        return self.journal is not None and not fault and self._store.ledger.known

    async def incident(self, name: str) -> Incident | None:
        """By number, id or the start of an id, with its whole timeline, however old it is. Raises JournalError."""
        await self.ledger()
        return await self._journal_service.incident(name) if self._journal_service is not None else None

    async def find_beginning(self, name: str) -> float | None:
        """When the incident of this name began, Unix seconds; None if there is none. Raises JournalError."""
        found = await self.incident(name) if name else None
        return found.began_at if found is not None else None

    async def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        """Outlines of the incidents that `snapshot().ledger` does not contain, the newest first. Raises JournalError."""
        return (
            await self._journal_service.older_incidents(before=before, limit=limit) if self._journal_service is not None else ()
        )

    async def newest_ledger(self, *, after_write: bool = False) -> tuple[JournalState, str]:
        """The journal's state with the current events of the shared store; and why those are unknown, or an empty text.

        `after_write` also waits for what others wrote at the same time as this console.
        """
        service = self._journal_service
        if service is None:
            return self._store.ledger, self.journal_fault or "there is no journal"
        caveat = await (service.fetch_after_write() if after_write else service.fetch())
        return self._store.ledger, caveat

    async def action_steps(self, target: str) -> tuple[Event, ...]:
        """The newest steps of actions on this target, newest first; none if the journal cannot be read."""
        return await self._newest_about(target, STEP)

    async def action_outcomes(self, target: str) -> tuple[Event, ...]:
        """The newest ends of actions on this target, newest first; none if the journal cannot be read."""
        return await self._newest_about(target, "action.outcome")

    @property
    def own_environments(self) -> tuple[str, ...]:
        """Whose events are of what is shown, in a journal of several: those of its environment, and those without one."""
        return ("", self.settings.environment)

    async def _newest_about(self, target: str, kind: str) -> tuple[Event, ...]:
        if self.journal is None:
            return ()
        from console.journal.search import SearchQuery, search  # noqa: PLC0415  # as above

        try:
            query = SearchQuery(kinds=(kind,), words=(target,), environments=self.own_environments)
            page = await asyncio.to_thread(search, self.journal, query)
        except JournalError:
            return ()  # an action then asks for what it would have found
        return tuple(hit.event for hit in page.entries if hit.event.data.get("target") == target)

    async def unfinished_actions(self, target: str) -> tuple[tuple[Event, ...], str]:
        """The intents for this target without an outcome; and why there may be more, or an empty text."""
        ledger, caveat = await self.newest_ledger()
        found = tuple(event for event in ledger.unfinished.values() if event.data.get("target") == target)
        return found, caveat or ledger.error

    async def settle_action(self, intent: Event) -> None:
        """Journals that the outcome of this action is unknown, so that it is no longer listed. Raises JournalError."""
        text = f"unknown: its end was not observed; settled by {self.settings.user}"
        await self.record(intent.subject, unknown_outcome(intent, text))

    async def acknowledge(
        self, fingerprint: str, *, on: bool = True, over: Acknowledgement | None = None, to: str = "", console: str = ""
    ) -> AcknowledgeResult:
        """Acknowledges an alert, or releases it; `over` is an acknowledgement to take over, `to` and `console` who gets the
        alert instead of this person. Raises JournalError.
        """
        if self.journal is None or self._journal_service is None:
            raise JournalError(self.journal_fault or "there is no journal")
        tracked = self.snapshot().alert(fingerprint)
        name = tracked.alert.name if tracked else ""
        result = await self._journal_service.acknowledge(fingerprint, name, on=on, over=over, to=to, console=console)
        await self._snapshots.build_now()
        return result
