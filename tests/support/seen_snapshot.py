"""What of a snapshot is compared with the same moment seen later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from console.state.snapshot import Snapshot
from queries.model.alert import AlertState


@dataclass(frozen=True)
class Seen:
    at: float
    alerts: frozenset[tuple[str, str, tuple[str, ...], str]]
    workloads: frozenset[tuple[str, int, int]]
    silences: frozenset[tuple[str, str]]
    notes: int
    panels: dict[str, tuple[str, float | None]]


def read_snapshot(snapshot: Snapshot) -> Seen:
    workloads = snapshot.cluster.workloads if snapshot.cluster is not None else ()
    return Seen(
        snapshot.taken_at,
        frozenset(_describe(snapshot)),
        frozenset((item.target, item.ready, item.desired) for item in workloads if item.kind == "Deployment"),
        frozenset((item.id, item.state) for item in snapshot.silences if item.state == "active"),
        sum(change.kind == "note" for change in snapshot.changes),
        {item.spec.id: (item.verdict.value, item.value) for item in snapshot.panels if item.spec.id != "workloads"},
    )


def _describe(snapshot: Snapshot) -> Iterable[tuple[str, str, tuple[str, ...], str]]:
    """Name, state, silences and owner of each alert; an inhibited one fires, as far as any series tells."""
    for tracked in snapshot.alerts:
        alert = tracked.alert
        inhibited = alert.state is AlertState.SUPPRESSED and not alert.silenced_by
        pending = alert.state is AlertState.PENDING
        fires = AlertState.ACTIVE if inhibited or alert.state is AlertState.UNDELIVERED else alert.state
        by = () if pending else tuple(sorted(alert.silenced_by))
        yield (alert.name, fires.value, by, "" if pending else tracked.owner)
