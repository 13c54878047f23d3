"""The journal's events of walks and handovers, in one line each."""

from __future__ import annotations

from typing import Any

from console.journal.event import Event
from queries.model.verdict import Verdict


def event_words(event: Event) -> str:
    """`Error ratio: overrule CRIT, 7.84 %: known since Monday`; empty for an event of another kind."""
    data = event.data
    name = str(data.get("title") or data.get("item") or data.get("checklist") or "")
    if event.kind == "walk.begun":
        return f"{name}: walk begun"
    if event.kind == "walk.item":
        found = data.get("verdict")
        word = f" {Verdict(found).word}" if found in tuple(Verdict) else ""
        return _joined(f"{name}: {data.get('answer', '')}{word}", data.get("told"), data.get("reason"))
    if event.kind == "walk.note":
        return _joined(name, data.get("text"))
    if event.kind in ("walk.signed", "handover.signed"):
        what = "handover" if event.kind.startswith("handover") else name
        count = len(data["open"]) if isinstance(data.get("open"), list) else 0
        left = f", {count} open" if count else ""
        to = f" to {data['to']}" if data.get("to") else ""
        return _joined(f"{what}: signed by {data.get('name') or event.author}{to}{left}", data.get("remark"))
    return ""


def _joined(*parts: Any) -> str:
    return ": ".join(str(part) for part in parts if part)
