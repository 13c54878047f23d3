"""What people do with checklists, one function a use-case; the screens and the command line call the same ones."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from console.checklists.definition import Checklist, Item
from console.checklists.evaluate import EvaluationInput, evaluate
from console.checklists.evidence_queries import ClusterSource, CollectedEvidence, MetricsSource, fetch_evidence
from console.checklists.incidents import known_incidents
from console.checklists.loader import Checklists
from console.checklists.report import ChecklistReport
from console.checklists.result import ItemResult
from console.checklists.run_review import open_items, resulting_verdict
from console.checklists.summary import build_summary
from console.journal.elapsed import boot_timestamp
from console.journal.payloads import ItemAnswered, Payload, RunNoteAdded, RunSigned, RunStarted
from console.state.checklist_runs import ChecklistRun, Signature
from console.state.snapshot import Snapshot
from queries.model.text import visible
from queries.text.times import format_timestamp

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.journal.event import Event
    from console.state.journal_state import JournalState


class ChecklistSession(Protocol):
    """What the service needs of a session."""

    @property
    def settings(self) -> Settings: ...

    def load_checklists(self) -> Checklists: ...

    @property
    def prometheus(self) -> MetricsSource | None: ...

    @property
    def kubernetes(self) -> ClusterSource | None: ...

    @property
    def journal_known(self) -> bool: ...

    @property
    def others_unknown(self) -> str: ...

    async def record(self, subject: str, payload: Payload) -> Event: ...

    async def ledger(self) -> JournalState: ...

    async def newest_ledger(self) -> tuple[JournalState, str]: ...


class RunSignedError(Exception):
    """A signed run takes no further answer and no second signature; the message says who signed it and what to do."""


class ChecklistService:
    """Every method that writes raises JournalError; when it returns, the disk has the event."""

    def __init__(self, session: ChecklistSession, *, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock

    async def load(self) -> Checklists:
        """The shipped checklists and the team's own; reads files in a thread."""
        return await asyncio.to_thread(self._session.load_checklists)

    # Evidence

    async def fetch_evidence(self, checklist: Checklist, snapshot: Snapshot) -> CollectedEvidence:
        """What the items need beyond the snapshot."""
        return await fetch_evidence(
            checklist,
            snapshot,
            snapshot.ledger.checklist_runs,
            prometheus=self._session.prometheus,
            kubernetes=self._session.kubernetes,
            clock=self._clock,
        )

    def evaluation_input(
        self, snapshot: Snapshot, evidence: CollectedEvidence | None, *, now: float, pending: str = "fetching …"
    ) -> EvaluationInput:
        """`pending` is the reason of every item whose evidence is not there yet."""
        incidents = known_incidents(snapshot.ledger, known=self._session.journal_known)
        return EvaluationInput(snapshot, evidence, now, incidents, pending, visible(self._session.others_unknown))

    async def run_once(self, checklist: Checklist, snapshot: Snapshot) -> ChecklistReport:
        """Fetches the evidence and evaluates the checklist; writes nothing."""
        evidence = await self.fetch_evidence(checklist, snapshot)
        return build_report(checklist, self.evaluation_input(snapshot, evidence, now=snapshot.taken_at))

    # Runs

    async def start(self, checklist: Checklist) -> str:
        """Starts a run; returns its id, which no other console takes."""
        run_id = uuid.uuid4().hex[:12]
        await self._session.record(run_id, RunStarted(checklist.name, checklist.title, boot_timestamp()))
        return run_id

    async def answer(self, run_id: str, result: ItemResult, answer: str, *, reason: str = "") -> None:
        """Records an answer with what the evidence says at this moment. Raises RunSignedError."""
        _require_unsigned(await self._session.ledger(), run_id)
        payload = ItemAnswered(
            item=result.item.id,
            title=result.item.title,
            answer=answer,
            resulting_verdict=resulting_verdict(result.verdict, answer).value,
            value_text=result.value_text,
            why=result.reason,
            verdict=result.verdict.value if result.verdict is not None else None,
            value=result.value,
            reason=reason or None,
        )
        await self._session.record(run_id, payload)

    async def add_note(self, run_id: str, item: Item, text: str) -> None:
        await self._session.record(run_id, RunNoteAdded(item.id, item.title, text))

    async def sign(
        self, checklist: Checklist, run: ChecklistRun, results: Iterable[ItemResult], *, name: str, remark: str = ""
    ) -> None:
        """Signs a run; the signature names everything that is not ok. Raises RunSignedError, also where somebody signed it on
        another host, as far as the shared journal can be read.
        """
        _require_unsigned((await self._session.newest_ledger())[0], run.id)
        sentences = tuple(item.sentence for item in open_items(checklist, run, results))
        payload = RunSigned(checklist.name, checklist.title, name, sentences, boot_timestamp(), remark or None)
        await self._session.record(run.id, payload)


def _require_unsigned(ledger: JournalState, run_id: str) -> None:
    run = ledger.checklist_runs.get(run_id)
    if run is not None and run.signature is not None:
        raise RunSignedError(describe_signature(run.signature))


def describe_signature(signature: Signature) -> str:
    """Who signed a run, and what one can still do."""
    when = format_timestamp(signature.at)
    return f"{visible(signature.name)} signed this run at {when}: it can no longer be changed; n adds a correction as a note"


def build_report(
    checklist: Checklist,
    facts: EvaluationInput,
    results: tuple[ItemResult, ...] | None = None,
    run: ChecklistRun | None = None,
) -> ChecklistReport:
    """The report, with the daily summary where the checklist has one; `results` where somebody evaluated them already."""
    if results is None:
        results = evaluate(checklist, facts)
    sections = build_summary(checklist, results, facts) if checklist.summary else ()
    return ChecklistReport(checklist, results, facts.snapshot, sections, run)
