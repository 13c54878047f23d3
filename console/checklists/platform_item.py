"""The item of a checklist that asks what the platform says of itself."""

from __future__ import annotations

from console.checklists.definition import Item
from console.checklists.result import Detail, ItemResult, NavigationTarget
from console.state.snapshot import Snapshot
from queries.model.source import Health
from queries.model.text import visible
from queries.model.verdict import Verdict

_LIMIT = "ready, every service up, no breaker open"


def judge_platform_item(item: Item, snapshot: Snapshot) -> ItemResult:
    """What it said last, while it still answers; a platform that does not answer is not known, whatever it said before."""
    state, judged = snapshot.source("platform"), snapshot.platform_verdict
    places = (
        NavigationTarget("screen", "platform", "the platform's own words"),
        *((NavigationTarget("runbook", item.runbook, f"runbook {item.runbook}"),) if item.runbook else ()),
    )
    if state is None or state.health is Health.NOT_CONFIGURED:
        told = "the platform's API is not configured"
        return ItemResult(item, Verdict.NO_DATA, "not known", told, limit=_LIMIT, places=places)
    if judged is None or state.paused or not state.health.answers:
        why = visible(state.fault.sentence()) if state.fault else "nothing was asked since" if state.paused else "no answer yet"
        verdict = Verdict.NO_DATA if judged is None else Verdict.STALE
        return ItemResult(item, verdict, "not known", why, limit=_LIMIT, places=places)
    told = "not ready" if judged.not_ready else "ready" if judged.verdict is Verdict.OK else "not whole"
    details = tuple(Detail(line.sentence, line.verdict) for line in judged.problems)
    return ItemResult(item, judged.verdict, told, judged.reason, limit=_LIMIT, details=details, places=places)
