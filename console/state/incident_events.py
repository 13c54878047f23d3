"""What is written to the journal of an incident: the kinds, and the data of each.

The subject of all of them is the incident's id; that of `incident.seen` goes on with `/` and a digest of what was seen, so
that two consoles that see the same write it under the same name, and it counts once.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from console.state.incident import DeliveryState, LinkedAlert, Role, Source, Step
from queries.model.alert import Priority

DECLARED = "incident.declared"
SEVERITY = "incident.severity"
ROLE = "incident.role"
STEP = "incident.step"
NOTE = "incident.note"
ALERT = "incident.alert"
UPDATE = "incident.update"
DELIVERED = "incident.delivered"
SEEN = "incident.seen"
CLOSED = "incident.closed"
REOPENED = "incident.reopened"

KINDS = (DECLARED, SEVERITY, ROLE, STEP, NOTE, ALERT, UPDATE, DELIVERED, SEEN, CLOSED, REOPENED)


def new_id() -> str:
    """Begins with a letter, so that no id can be taken for a number."""
    return f"i{uuid.uuid4().hex[:7]}"


def part_id() -> str:
    """Of a note or an update within an incident."""
    return uuid.uuid4().hex[:8]


def declared(
    title: str,
    severity: Priority,
    *,
    alerts: Iterable[LinkedAlert] = (),
    panels: Iterable[str] = (),
    seen: Mapping[str, str] | None = None,
    commander: str = "",
    stability_seconds: float | None = None,
) -> dict[str, Any]:
    """`seen` is how the watched things stood: what later differs from it has changed during the incident."""
    linked = [_alert(item) for item in alerts]
    starts = [item["starts_at"] for item in linked if item["starts_at"]]
    return {
        "title": title,
        "severity": severity.value,
        "alerts": linked,
        "panels": list(panels),
        "detected_at": min(starts, default=None),
        "seen": dict(seen or {}),
        "commander": commander,
        **({"stability_seconds": stability_seconds} if stability_seconds is not None else {}),
    }


def severity(level: Priority, why: str = "") -> dict[str, Any]:
    return {"severity": level.value, "why": why}


def role(name: Role, person: str, *, over: str | None = None) -> dict[str, Any]:
    """`person` empty: nobody has it any more. `over` is who had it, as far as its writer knew: where it was somebody else by
    then, the event comes too late.
    """
    return {"role": name.value, "person": person, **({} if over is None else {"over": over})}


def step(name: Step, *, done: bool, note: str = "", because: str = "") -> dict[str, Any]:
    return {"step": name.value, "done": done, "note": note, "because": because}


def note(text: str, *, corrects: str = "") -> dict[str, Any]:
    return {"id": part_id(), "text": text, "corrects": corrects}


def alert(linked: LinkedAlert, *, on: bool) -> dict[str, Any]:
    return {**_alert(linked), "on": on}


def update(text: str, *, identity: str = "") -> dict[str, Any]:
    return {"update": identity or part_id(), "text": text}


def delivered(identity: str, how: DeliveryState, where: str = "", *, at: float | None = None) -> dict[str, Any]:
    """`how` is copied, written or marked as sent; what is sent is told by the action that sends it.

    `at` is when a person says that it went out, Unix seconds; without it, now.
    """
    return {"update": identity, "how": how.value, "where": where, **({} if at is None else {"at": at})}


def closed(why: str = "") -> dict[str, Any]:
    return {"why": why}


def seen(thing: str, value: str, *, count: int, at: float, source: Source, text: str) -> dict[str, Any]:
    """The `count`-th recorded change of one thing; `at` is when it happened, as far as is known."""
    return {"thing": thing, "value": value, "count": count, "at": at, "source": source.value, "text": text}


def seen_subject(incident: str, thing: str, count: int) -> str:
    return f"{incident}/{hashlib.sha256(f'{thing}#{count}'.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _alert(item: LinkedAlert) -> dict[str, Any]:
    return {
        "fingerprint": item.fingerprint,
        "name": item.name,
        "starts_at": item.starts_at,
        "labels": [list(pair) for pair in item.labels],
    }
