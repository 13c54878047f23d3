"""The checklist item on the platform's own health report."""

from __future__ import annotations

from console.checklists.definition import Item
from console.checklists.result import Detail, ItemResult, NavigationTarget
from console.state.snapshot import Snapshot
from queries.model.source import Health
from queries.model.text import visible
from queries.model.verdict import Verdict

_LIMIT = "ready, every service up, no breaker open"


def evaluate_platform_item(item: Item, snapshot: Snapshot) -> ItemResult:
    """The platform's last report while it answers; without an answer the item is unknown, whatever the last report said."""
    state, platform = snapshot.source("platform"), snapshot.platform_verdict
    targets = (
        NavigationTarget("screen", "platform", "the platform's report"),
        *((NavigationTarget("runbook", item.runbook, f"runbook {item.runbook}"),) if item.runbook else ()),
    )
    if state is None or state.health is Health.NOT_CONFIGURED:
        reason = "the platform's API is not configured"
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=_LIMIT, targets=targets)
    if platform is None or not state.answers:
        why = visible(state.fault.sentence()) if state.fault else "polling is paused" if state.paused else "no answer yet"
        verdict = Verdict.NO_DATA if platform is None else Verdict.STALE
        return ItemResult(item, verdict, "not known", why, limit=_LIMIT, targets=targets)
    value = "not ready" if platform.not_ready else "ready" if platform.verdict is Verdict.OK else "degraded"
    details = tuple(Detail(line.sentence, line.verdict) for line in platform.problems)
    return ItemResult(item, platform.verdict, value, platform.reason, limit=_LIMIT, details=details, targets=targets)
