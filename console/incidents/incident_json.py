"""Incidents in the published JSON shape of `cad-console incident`."""

from __future__ import annotations

from typing import Any

from console.incidents.response_timers import response_timers
from console.incidents.severity_policy import SeverityPolicies
from console.journal.payloads import Role
from console.state.incident import Incident
from console.state.public_status import public_status
from console.state.snapshot_json import format_json_time


def brief_json(incident: Incident, policies: SeverityPolicies, now: float) -> dict[str, Any]:
    """As `incident list` prints it."""
    return {
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity.value,
        "phase": public_status(incident).value,
        "open": incident.open,
        "began_at": format_json_time(incident.began_at),
        "declared_at": format_json_time(incident.declared_at),
        "closed_at": None if incident.closed_at is None else format_json_time(incident.closed_at),
        "steps": [
            {
                "step": timer.step.value,
                "state": timer.state.value,
                "due_at": None if timer.due_at is None else format_json_time(timer.due_at),
                "done_at": format_json_time(timer.completion.at) if timer.completion else None,
                "by": timer.completion.author if timer.completion else None,
            }
            for timer in response_timers(incident, policies.for_severity(incident.severity), now)
        ],
        "roles": {role.value: incident.person(role) or None for role in Role},
    }


def incident_json(incident: Incident, policies: SeverityPolicies, now: float) -> dict[str, Any]:
    """As `incident show` prints it, with alerts, updates and timeline."""
    return {
        **brief_json(incident, policies, now),
        "alerts": [{"fingerprint": item.fingerprint, "name": item.name} for item in incident.alerts],
        "updates": [
            {
                "id": item.id,
                "at": format_json_time(item.at),
                "author": item.author,
                "text": item.text,
                "sendings": [
                    {"where": one.where, "state": one.state.value, "at": format_json_time(one.at), "why": one.why}
                    for one in item.deliveries
                ],
            }
            for item in incident.updates
        ],
        "follow_ups": [
            {"id": item.id, "text": item.text, "owner": item.owner or None, "due": item.due or None, "done": item.done}
            for item in incident.follow_ups
        ],
        "timeline": [
            {
                "id": item.id,
                "at": format_json_time(item.at),
                "recorded_at": format_json_time(item.recorded_at),
                "source": item.source.value,
                "author": item.author,
                "text": item.text,
                "corrects": item.corrects or None,
            }
            for item in incident.entries
        ],
    }
