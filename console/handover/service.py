"""What people do with the shift handover; the screen and the command line call the same functions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Protocol

from console.checklists.alert_history import AlertWindow
from console.checklists.evidence_queries import fetch_alert_window
from console.checklists.incidents import known_incidents
from console.checklists.loader import Checklists
from console.handover.report import HandoverReport
from console.handover.sections import HandoverInput, build_sections
from console.handover.shift import current_shift, fetch_budget
from console.journal.elapsed import boot_timestamp
from console.journal.payloads import HandoverSigned, Payload
from console.state.snapshot import Snapshot
from queries.model.series import Point
from queries.model.source import PollResult
from queries.model.text import visible

if TYPE_CHECKING:
    from console.checklists.evidence_queries import MetricsSource
    from console.config.settings import Settings
    from console.journal.event import Event
    from console.state.journal_state import JournalState


class HandoverSession(Protocol):
    """What the service needs of a session."""

    @property
    def settings(self) -> Settings: ...

    @property
    def prometheus(self) -> MetricsSource | None: ...

    @property
    def journal_known(self) -> bool: ...

    @property
    def journal_error(self) -> str: ...

    @property
    def others_unknown(self) -> str: ...

    async def record(self, subject: str, payload: Payload) -> Event: ...

    async def ledger(self) -> JournalState: ...


class HandoverService:
    def __init__(self, session: HandoverSession) -> None:
        self._session = session

    async def fetch_budget(self, snapshot: Snapshot, *, now: float) -> PollResult[tuple[Point, ...]]:
        """The error budget over the present shift."""
        shift = current_shift(snapshot.ledger.handovers, now=now, hours=self._session.settings.shift_hours)
        return await fetch_budget(snapshot, shift, prometheus=self._session.prometheus, now=now)

    async def fetch_alerts(self, snapshot: Snapshot, *, now: float) -> PollResult[AlertWindow]:
        """What fired over the present shift, also if it is over."""
        shift = current_shift(snapshot.ledger.handovers, now=now, hours=self._session.settings.shift_hours)
        return await fetch_alert_window(snapshot, since=shift.since, prometheus=self._session.prometheus, now=now)

    def build(
        self,
        snapshot: Snapshot,
        checklists: Checklists,
        budget: PollResult[tuple[Point, ...]] | None,
        alerts: PollResult[AlertWindow] | None,
        *,
        now: float,
    ) -> HandoverReport:
        """The handover as of `now`, Unix seconds; `budget` and `alerts` are None while nobody has fetched them."""
        shift = current_shift(snapshot.ledger.handovers, now=now, hours=self._session.settings.shift_hours)
        # The snapshot may be older than what the session knows by now.
        incidents = known_incidents(snapshot.ledger, known=self._session.journal_known and snapshot.ledger.known)
        fault = visible(self._session.journal_error or snapshot.ledger.error)
        others = visible(self._session.others_unknown)
        facts = HandoverInput(
            snapshot, shift, checklists, incidents, budget, now, alerts, journal_fault=fault, others_unknown=others
        )
        return HandoverReport(build_sections(facts), snapshot, shift, snapshot.ledger.head)

    async def sign(self, report: HandoverReport, *, name: str, to: str = "", remark: str = "") -> str:
        """Signs a handover: the next shift starts. Returns the journal's new head. Raises JournalError."""
        handed_over = {
            section.title: tuple(line.text for line in section.lines) or (section.empty,) for section in report.sections
        }
        payload = HandoverSigned(name, report.shift.since, handed_over, boot_timestamp(), to or None, remark or None)
        await self._session.record(uuid.uuid4().hex[:12], payload)
        return (await self._session.ledger()).head
