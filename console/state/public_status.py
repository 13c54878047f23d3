"""An incident's status in the terms of public status pages."""

from __future__ import annotations

from enum import StrEnum

from console.journal.payloads import Step
from console.state.incident import Incident


class PublicStatus(StrEnum):
    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


def public_status(incident: Incident) -> PublicStatus:
    """From the completed steps: assessed is identified, mitigated is monitoring."""
    if incident.resolved_at is not None or not incident.open:
        return PublicStatus.RESOLVED
    if incident.mitigated_at is not None:
        return PublicStatus.MONITORING
    return PublicStatus.IDENTIFIED if incident.done_at(Step.ASSESS) is not None else PublicStatus.INVESTIGATING
