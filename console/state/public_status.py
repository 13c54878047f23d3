"""How far an incident is, in the words that status pages use."""

from __future__ import annotations

from enum import StrEnum

from console.state.incident import Incident, Step


class Phase(StrEnum):
    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


def phase(incident: Incident) -> Phase:
    """From the steps that are done: assessed is identified, mitigated is monitoring."""
    if incident.resolved_at is not None or not incident.open:
        return Phase.RESOLVED
    if incident.mitigated_at is not None:
        return Phase.MONITORING
    return Phase.IDENTIFIED if incident.done_at(Step.ASSESS) is not None else Phase.INVESTIGATING
