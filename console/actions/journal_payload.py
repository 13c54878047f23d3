"""What the journal records about an action: facts without secrets."""

from __future__ import annotations

import re
from typing import Any

from console.actions.plan import Difference, Outcome, Plan
from console.journal import process
from console.journal.unfinished import PROCESS

_SECRET = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|DSN|URL|CONNECTION", re.IGNORECASE)


def intent_data(plan: Plan, cluster: str) -> dict[str, Any]:
    """Everything the person confirmed; environment values that look like secrets are left out."""
    return {
        **_common(plan, cluster),
        PROCESS: process.this().text(),
        "differences": [_redacted(item) for item in plan.differences],
        "notes": list(plan.notes),
        "command": plan.command,
        "digest": plan.digest,
        "resource_version": plan.resource_version,
        "cause": plan.request.cause,
        "panel_id": plan.request.panel_id,
        "fingerprint": plan.request.fingerprint,
    }


def declined_data(plan: Plan, cluster: str) -> dict[str, Any]:
    """What the person declined."""
    return {**_common(plan, cluster), "command": plan.command, "cause": plan.request.cause}


def outcome_data(
    plan: Plan, cluster: str, outcome: Outcome, text: str, elapsed_seconds: float, *, accepted: bool, rolled_out: bool
) -> dict[str, Any]:
    """`accepted`: the server is known to have accepted the write; `rolled_out`: every new pod was ready."""
    revisions = {"revisions": {**plan.record, "taken": accepted, "rolled_out": rolled_out}} if plan.record else {}
    return {
        **_common(plan, cluster),
        "outcome": outcome.value,
        "text": text,
        "elapsed_seconds": round(max(0.0, elapsed_seconds), 1),
        "command": plan.command,
        "cause": plan.request.cause,
        "fingerprint": plan.request.fingerprint,
        **revisions,
    }


def _common(plan: Plan, cluster: str) -> dict[str, Any]:
    where = {"cluster": cluster} if cluster else {}
    return {"action": plan.request.action, "title": plan.title, "target": plan.subject, **where}


def _redacted(item: Difference) -> list[str]:
    if item.name.startswith("env ") and _SECRET.search(item.name):
        return [item.name, _hidden(item.before), _hidden(item.after)]
    return [item.name, item.before, item.after]


def _hidden(value: str) -> str:
    # References (`<secret name/key>`) and absence contain no secret.
    return value if value == "-" or (value.startswith("<") and value.endswith(">")) else "(not kept)"
