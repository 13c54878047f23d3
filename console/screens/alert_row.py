"""An alert as cells of a table, the same on every screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from queries.model.series import label
from queries.text.durations import format_age, format_span
from widgets.column_widths import Column
from widgets.formatting import severity_label
from widgets.styled_text import Span, severity_tone, text

if TYPE_CHECKING:
    from console.state.snapshot import Snapshot
    from queries.model.alert import TrackedAlert
    from queries.model.change import Change

_PLACE = 14


def _started(tracked: TrackedAlert) -> float:
    """The newest first; without a start last."""
    return -tracked.alert.starts_at


SHORT_COLUMNS = (
    Column("", 1),
    Column("Firing", 7, name="priority"),
    Column("", 19, flex=3, name="alert"),
    Column("", _PLACE, flex=2, name="component"),
    Column("since", 7, rank=1, key=_started),
    Column("owner", 7, flex=1, rank=2),
    Column("runbook", 17, flex=1, rank=3),
    Column("why", 30, flex=9, rank=4),
)
COLUMNS = (
    Column("", 1),
    Column("sev", 4),
    Column("pri", 3),
    Column("alert", 21, flex=3),
    Column("component", 12, flex=2),
    Column("since", 6, key=_started),
    Column("state", 13, flex=2, rank=1),
    Column("owner", 5, flex=1, rank=2),
    Column("runbook", 20, flex=1, rank=4),
    Column("summary", 24, flex=6, rank=6),
)


def affected_component(tracked: TrackedAlert) -> str:
    """`ocr/deepseek`, `cad-ml-api`: the provider, else the workload, else the component."""
    labels = tracked.alert.labels
    component = tracked.alert.component
    provider = label(labels, "provider")
    if provider:
        full = f"{component}/{provider}" if component else provider
        return full if len(full) <= _PLACE else provider  # `performance/deepseek` says no more than `deepseek`
    workload = label(labels, "deployment") or label(labels, "app") or label(labels, "pod")
    return workload or component or label(labels, "instance")


def render_since(tracked: TrackedAlert, now: float) -> str:
    """For how long it fires: the only cell that passes with time."""
    alert = tracked.alert
    return format_age(now - alert.starts_at) if alert.starts_at else "-"


def runbook_cell(tracked: TrackedAlert) -> Span:
    """The runbook of an alert; dim if it is the triage page or missing."""
    match = tracked.runbook
    if match is None:
        return ("-", "dim")
    return text(match.id, "dim" if match.matched_by == "triage" else "")


def state_label(tracked: TrackedAlert, snapshot: Snapshot | None = None) -> str:
    """`active`, `pending`, `silenced: ops@…, cache is being rebuilt`, `inhibited by …`, `muted by …`, `undelivered`."""
    alert = tracked.alert
    if alert.muted_by and alert.state == "active":
        return f"active, muted by {', '.join(alert.muted_by)} on some routes"
    if alert.state != "suppressed":
        return alert.state.value
    if alert.silenced_by:
        known = {item.id: item for item in snapshot.silences} if snapshot else {}
        silence = known.get(alert.silenced_by[0])
        return f"silenced: {silence.created_by}, {silence.comment}" if silence else f"silenced by {alert.silenced_by[0]}"
    if alert.inhibited_by:
        source = snapshot.alert(alert.inhibited_by[0]) if snapshot else None
        return f"inhibited by {source.alert.name if source else alert.inhibited_by[0]}"
    if alert.muted_by:
        return f"muted by {', '.join(alert.muted_by)}"
    return alert.state.value


def render_why(tracked: TrackedAlert, changes: Iterable[Change]) -> Span:
    """The change that may have caused the alert, else the alert's own summary."""
    from console.alerts.cause import find_cause  # noqa: PLC0415  # not before the first frame

    cause = find_cause(tracked, changes)
    if cause is not None:
        return text(f"{format_span(tracked.alert.starts_at - cause.at)} after {cause.kind} {cause.text}", "accent")
    annotations = tracked.alert.annotations
    return text(label(annotations, "summary") or label(annotations, "description"), "dim")


def render_short_cells(
    tracked: TrackedAlert, now: float, marked: frozenset[str], changes: Iterable[Change] = ()
) -> tuple[Span, ...]:
    """The cells of an alert on the overview."""
    alert = tracked.alert
    tone = severity_tone(alert.priority)
    return (
        ("•" if alert.fingerprint in marked else "", "changed"),
        text(f"{alert.priority} {severity_label(alert)}", tone),
        text(alert.name, "strong"),
        text(affected_component(tracked)),
        (render_since(tracked, now), ""),
        text(tracked.owner or "-", "" if tracked.owner else "dim"),
        runbook_cell(tracked),
        render_why(tracked, changes),
    )


def render_cells(
    tracked: TrackedAlert, now: float, marked: frozenset[str], snapshot: Snapshot | None, *, stale: bool = False
) -> tuple[Span, ...]:
    """With `stale`, the state becomes `was active`."""
    alert = tracked.alert
    active = alert.state in ("active", "undelivered")
    state = state_label(tracked, snapshot)
    tone = severity_tone(alert.priority) if active else "dim"
    summary = label(alert.annotations, "summary") or label(alert.annotations, "description")
    return (
        ("•" if alert.fingerprint in marked else "", "changed"),
        text(severity_label(alert), tone),
        (alert.priority.value, tone),
        text(alert.name, "strong" if active else "dim"),
        text(affected_component(tracked), "" if active else "dim"),
        (render_since(tracked, now), ""),
        text(f"was {state}" if stale else state, "" if active and not stale else "unknown"),
        text(tracked.owner or "-", "" if tracked.owner else "dim"),
        runbook_cell(tracked),
        text(summary, "dim"),
    )
