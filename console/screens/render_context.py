"""What every screen is given to draw: the snapshot, the moment, and what is new in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.model.source import Health

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.monitor.session import Session
    from console.state.snapshot import Snapshot
    from queries.model.alert import TrackedAlert


@dataclass(frozen=True, slots=True)
class RenderContext:
    """`session` is None until it was opened; `snapshot` until something was known. `marked` are the panel ids and
    fingerprints whose verdict or state the last refresh changed. `trouble` says why the session could not be opened.
    """

    settings: Settings
    now: float
    session: Session | None = None
    snapshot: Snapshot | None = None
    marked: frozenset[str] = frozenset()
    trouble: str = ""
    note: str = ""
    """What line 2 says once, after the start, about how the cluster was chosen."""
    line: str = ""
    """What is to be said about the line to the terminal; empty where it is an ordinary one."""

    @property
    def alerts(self) -> tuple[TrackedAlert, ...]:
        return self.snapshot.alerts if self.snapshot else ()

    def waiting(self, source: str) -> bool:
        """Whether this source never gave an answer, whether or not it is known why."""
        if self.snapshot is None:
            return True
        state = self.snapshot.source(source)
        asked = state is not None and state.health not in (Health.NOT_CONFIGURED, Health.DENIED)
        return state is not None and asked and state.last_good_at is None

    def denied(self, source: str) -> bool:
        """Whether this source is there, but not for us."""
        state = self.snapshot.source(source) if self.snapshot else None
        return state is not None and state.health is Health.DENIED


def marks(old: Snapshot | None, new: Snapshot) -> frozenset[str]:
    """What differs in verdict or state; nothing at first, when everything is new."""
    if old is None:
        return frozenset()
    found: set[str] = set()
    if old.panels != new.panels:
        verdicts = {item.spec.id: item.verdict for item in old.panels}
        found |= {item.spec.id for item in new.panels if verdicts.get(item.spec.id, item.verdict) is not item.verdict}
    before, after = old.dashboard, new.dashboard
    if before is not None and after is not None and before.choice == after.choice:
        verdicts = {item.spec.id: item.verdict for item in before.panels}
        found |= {
            f"dashboard/{item.spec.id}" for item in after.panels if verdicts.get(item.spec.id, item.verdict) is not item.verdict
        }
    if old.alerts_known and old.alerts is not new.alerts:
        states = {item.alert.fingerprint: item.alert.state for item in old.alerts}
        found |= {item.alert.fingerprint for item in new.alerts if states.get(item.alert.fingerprint) is not item.alert.state}
    return frozenset(found)
