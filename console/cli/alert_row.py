"""An alert as a row of text, for `alerts`, which prints nothing else, and for `status`."""

from __future__ import annotations

from queries.model.alert import TrackedAlert
from queries.model.text import visible
from queries.text.durations import format_span


def alert_row(tracked: TrackedAlert, now: float) -> tuple[str, ...]:
    """Priority, severity, name, component, age, state, owner and runbook of an alert."""
    item, match = tracked.alert, tracked.runbook
    runbook = "" if match is None else "none matches: triage" if match.matched_by == "triage" else match.id
    return (
        item.priority.value,
        visible(item.severity_text),
        visible(item.name) or "(no name)",
        visible(item.component) or "-",
        format_span(now - item.starts_at) if item.starts_at else "-",
        visible(f"muted by {', '.join(item.muted_by)}") if item.suppressed_as == "muted" else item.state.value,
        visible(tracked.owner) or "-",
        runbook,
    )
