"""What changed from one snapshot to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.model.sorted_rows import find_changes

if TYPE_CHECKING:
    from console.state.snapshot import Snapshot


def find_changed_ids(old: Snapshot | None, new: Snapshot) -> frozenset[str]:
    """The ids whose verdict or state differs; none for the first snapshot, nor for a source's first response."""
    if old is None:
        return frozenset()
    changed: set[str] = set()
    if old.panels != new.panels:
        responded = {state.name for state in old.sources if state.last_good_at is not None}
        verdicts = {item.spec.id: item.verdict for item in old.panels if item.spec.source in responded}
        changed |= {item.spec.id for item in new.panels if verdicts.get(item.spec.id, item.verdict) is not item.verdict}
    before, after = old.dashboard, new.dashboard
    if before is not None and after is not None and before.choice == after.choice:
        verdicts = {item.spec.id: item.verdict for item in before.panels}
        changed |= {
            f"dashboard/{item.spec.id}" for item in after.panels if verdicts.get(item.spec.id, item.verdict) is not item.verdict
        }
    if old.alerts_known and old.alerts is not new.alerts:
        gone, found = find_changes(old.alerts, new.alerts)
        states = {item.alert.fingerprint: item.alert.state for item in gone}
        changed |= {item.alert.fingerprint for item in found if states.get(item.alert.fingerprint) is not item.alert.state}
    return frozenset(changed)
