"""A snapshot as the JSON that `status` and `alerts` print."""

from __future__ import annotations

import json
import math
from typing import Any

from console.state.platform_json import platform_document
from console.state.snapshot import Snapshot
from queries.model.alert import TrackedAlert
from queries.model.panel import PanelState
from queries.model.source import SourceState
from queries.text.times import format_time

SCHEMA = 1


def dumps(value: Any) -> str:
    """JSON in ASCII: whatever a label holds, nothing in it can steer a terminal."""
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)


def format_json_time(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the second."""
    return format_time(at, unknown="unknown")


def document(snapshot: Snapshot) -> dict[str, Any]:
    """The whole snapshot in the published shape."""
    cluster = snapshot.cluster
    return {
        "schema": SCHEMA,
        "environment": snapshot.environment,
        "taken_at": format_json_time(snapshot.as_of.queried_at if snapshot.as_of else snapshot.taken_at),
        "as_of": format_json_time(snapshot.as_of.moment) if snapshot.as_of else None,
        "sources": {item.name: _source(item, snapshot.taken_at) for item in snapshot.sources},
        "panels": [_panel(item) for item in snapshot.panels],
        "alerts_from": snapshot.alerts_from or None,
        "alerts_caveat": snapshot.alerts_caveat or None,
        "alerts": [alert(item) for item in snapshot.alerts],
        "workloads": [
            {
                "kind": item.kind,
                "namespace": item.namespace,
                "name": item.name,
                "ready": item.ready,
                "wanted": item.desired,
                "revision": item.revision,
                "verdict": found.verdict.value,
                "reason": found.reason or None,
            }
            for found in snapshot.workloads
            for item in (found.workload,)
        ],
        "workloads_not_visible": [item.plural for item in (cluster.faults if cluster else ()) if item.forbidden],
        "platform": platform_document(snapshot.platform, snapshot.platform_verdict),
    }


def alert(tracked: TrackedAlert) -> dict[str, Any]:
    """One alert in the published shape."""
    item, match = tracked.alert, tracked.runbook
    return {
        "fingerprint": item.fingerprint,
        "name": item.name,
        "severity": item.severity,
        "severity_known": item.severity_known,
        "priority": item.priority.value,
        "state": item.state.value,
        "listed_by": item.listed_by,
        "muted_by": list(item.muted_by),
        "starts_at": format_json_time(item.starts_at),
        "labels": dict(item.labels),
        "annotations": dict(item.annotations),
        "runbook": {"id": match.id, "path": match.path, "matched_by": match.matched_by} if match else None,
        "actions": [{"action": each.action, "target": each.target, "command": each.command} for each in tracked.suggestions],
        "elsewhere": {"reason": away.reason, "command": away.command} if (away := tracked.elsewhere) else None,
    }


def _source(state: SourceState, now: float) -> dict[str, Any]:
    latency, last = state.latency_seconds, state.last_good_at
    return {
        "state": state.health.value,
        "latency_ms": None if latency is None else round(latency * 1000.0, 1),
        "age_seconds": None if last is None else round(max(0.0, now - last), 1),
        "error": state.fault.sentence() if state.fault else None,
        "warnings": list(state.warnings),
    }


def _panel(state: PanelState) -> dict[str, Any]:
    return {
        "id": state.spec.id,
        "title": state.spec.title,
        "value": finite_or_none(state.value),
        "unit": state.spec.unit.value,
        "verdict": state.verdict.value,
        "reason": state.reason or None,
        "warn": finite_or_none(state.threshold.warn),
        "critical": finite_or_none(state.threshold.critical),
        "from": state.origin.value,
        "query": state.query,
        "basis": list(state.basis),
        "annotations": list(state.annotations),
        "partial": state.partial,
        "caveat": state.caveat.text if state.caveat else "",
        "series": [{"labels": dict(item.labels), "value": finite_or_none(item.value)} for item in state.samples],
        "more_series": state.truncated,
        "contradictions": [
            {
                "kind": item.kind.value,
                "subject": item.subject,
                "whom": item.whom or None,
                "unit": item.unit.value,
                "figures": [
                    {"says": one.source, "value": finite_or_none(one.value), "query": one.query}
                    for one in (item.first, item.second)
                ],
            }
            for item in state.contradictions
        ],
    }


def finite_or_none(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity: both are not known here."""
    return value if value is not None and math.isfinite(value) else None
