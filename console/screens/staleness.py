"""Caveats for data of a source that does not respond: an age, a label or a sentence, the same on every screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from console.screens.render_context import RenderContext
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from widgets.styled_text import text

if TYPE_CHECKING:
    from console.state.snapshot import Snapshot

TITLES = {
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "kubernetes": "Kubernetes",
    "platform": "the platform",
    "loki": "Loki",
}
PAUSED = "PAUSED"
_OVERDUE_SECONDS = 5.0
"""A snapshot arrives every second, even when no source responds."""
_COUNTED = (Verdict.CRITICAL, Verdict.WARN, Verdict.NO_DATA, Verdict.IN_DOUBT, Verdict.STALE)
_SHORT_NAMES = {"prometheus": "prom", "alertmanager": "am", "kubernetes": "k8s", "platform": "api"}


def pause_overdue(snapshot: Snapshot, now: float) -> Snapshot:
    """The snapshot as it is at `now`, Unix seconds: paused if none followed it.

    The console was stopped, or the machine slept: nothing is known about the time since then. A past moment has no age.
    """
    overdue = now - snapshot.taken_at
    if snapshot.as_of is not None or overdue <= _OVERDUE_SECONDS:
        return snapshot
    age = snapshot.alerts_age_seconds
    return replace(
        snapshot,
        sources=tuple(_pause(item, snapshot.taken_at) for item in snapshot.sources),
        alerts_age_seconds=None if age is None else age + overdue,
    )


def _pause(state: SourceState, since: float) -> SourceState:
    return state if state.paused or state.health is Health.NOT_CONFIGURED else replace(state, paused_at=since)


def unhealthy_label(context: RenderContext, name: str) -> str:
    """`DOWN`, `DENIED`, `PAUSED` or `not responding yet`; empty for a source that responds or is not configured."""
    state = context.snapshot.source(name) if context.snapshot else None
    if state is not None and state.paused:
        return PAUSED
    if state is None or state.health.serves or state.health is Health.NOT_CONFIGURED:
        return ""
    return "not responding yet" if state.health is Health.WAITING else state.health.value.upper()


def as_of_suffix(context: RenderContext, name: str) -> str:
    """` · as of 40s ago: Kubernetes DOWN`, for the title of a list from this source; empty while it is current."""
    label = unhealthy_label(context, name)
    if not label:
        return ""
    elapsed = last_response_age(context, name)
    return f" · as of {elapsed} ago: {TITLES[name]} {label}" if elapsed else f" · {TITLES[name]} {label}"


def last_response_age(context: RenderContext, name: str) -> str:
    """`40s`: the age of the last good response; empty if there was none."""
    state: SourceState | None = context.snapshot.source(name) if context.snapshot else None
    if state is None or state.last_good_at is None:
        return ""
    return format_age(max(0.0, context.now - state.last_good_at))


def alerts_are_awaited(context: RenderContext) -> bool:
    """Whether Alertmanager or Prometheus has not responded yet and neither has failed: line 2 says so, and lists wait."""
    sources = context.snapshot.sources if context.snapshot else ()
    healths = [item.health for item in sources if item.name in ("alertmanager", "prometheus") and not item.paused]
    return Health.WAITING in healths and all(health is Health.WAITING or health.serves for health in healths)


def alerts_are_stale(context: RenderContext) -> bool:
    """Whether the states of the alerts may no longer hold."""
    snapshot = context.snapshot
    if snapshot is None or snapshot.alerts_age_seconds is None:
        return False
    alertmanager = snapshot.source("alertmanager")
    basis = "prometheus" if alertmanager is None or alertmanager.last_good_at is None else "alertmanager"
    return bool(unhealthy_label(context, basis)) or snapshot.alerts_age_seconds > context.settings.stale_after_seconds


def alerts_age_suffix(context: RenderContext) -> str:
    """` 40s ago` when the alerts are stale."""
    seconds = context.snapshot.alerts_age_seconds if context.snapshot else None
    return f" {format_age(seconds)} ago" if seconds is not None and alerts_are_stale(context) else ""


def short_alerts_caveat(context: RenderContext) -> str:
    """Why `none firing` may be wrong, in a few words: ` 40s ago, prom DOWN`; empty when it is right."""
    suffix = alerts_age_suffix(context)
    for name in ("alertmanager", "prometheus"):
        label = unhealthy_label(context, name)
        if label and not (name == "alertmanager" and suffix):
            suffix += f", {_SHORT_NAMES[name]} {label}"
    if _are_rules_partial(context):
        suffix += f", {_SHORT_NAMES['prometheus']} PARTIAL"
    elif _are_rules_unknown(context):
        suffix += f", {_SHORT_NAMES['prometheus']} rules unknown"
    if context.snapshot and context.snapshot.delivery_doubt:
        suffix += f", {text(context.snapshot.heartbeat_alert)[0]} missing"
    return suffix


def _are_rules_partial(context: RenderContext) -> bool:
    """Whether Prometheus returned only some of its rules."""
    snapshot = context.snapshot
    if snapshot is None:
        return False
    answered = snapshot.rules_fault is None and not unhealthy_label(context, "prometheus")
    return bool(snapshot.alerts_partial) or (bool(snapshot.rules_partial) and answered)


def _are_rules_unknown(context: RenderContext) -> bool:
    """Whether Prometheus answers, but its rules do not show that an alert that is not listed has ended."""
    snapshot = context.snapshot
    if snapshot is None or not snapshot.rules_requested or unhealthy_label(context, "prometheus"):
        return False
    return bool(snapshot.ends_caveat)


def count_panels(context: RenderContext) -> dict[Verdict, int]:
    """How many panels have a verdict other than ok, in the order of line 1.

    It leaves out panels whose source never responded or is paused: line 1 names that source.
    """
    panels = context.snapshot.panels if context.snapshot else ()
    verdicts = [
        item.verdict for item in panels if not item.paused and not (item.value is None and context.is_waiting(item.spec.source))
    ]
    counts = {verdict: verdicts.count(verdict) for verdict in _COUNTED}
    return {verdict: count for verdict, count in counts.items() if count}


def platform_caveat(context: RenderContext) -> str:
    """`, api NOT READY`: a platform that serves nothing may raise no alert."""
    state = context.snapshot.source("platform") if context.snapshot else None
    return f", {_SHORT_NAMES['platform']} NOT READY" if state is not None and state.health is Health.NOT_READY else ""


def alerts_caveat(context: RenderContext, *, listed: bool = False) -> str:
    """The caveat as a sentence for a list: `as of 40s ago: Alertmanager DOWN; Prometheus DOWN: no rule is evaluated`.

    Of a `listed` alert it leaves out that others may be firing.
    """
    if context.as_of is not None:
        return context.as_of.caveat
    parts = []
    age = alerts_age_suffix(context)
    alertmanager = unhealthy_label(context, "alertmanager")
    prometheus = unhealthy_label(context, "prometheus")
    if age and context.snapshot and context.snapshot.alerts_from == "prometheus":
        parts.append(f"Prometheus' list as of{age}" + (f", Alertmanager {alertmanager}" if alertmanager else ""))
    elif age:
        addition = ""
        if context.snapshot and context.snapshot.alerts_from and not prometheus:
            addition = ", and what only Prometheus has"
        parts.append(f"as of{age}" + (f": Alertmanager {alertmanager}{addition}" if alertmanager else ""))
    elif alertmanager:
        note = ": Prometheus lists these; whether they notify anybody is unknown"
        parts.append(f"Alertmanager {alertmanager}{note if context.snapshot and context.snapshot.alerts_caveat else ''}")
    elif context.snapshot and context.snapshot.alerts_caveat:
        parts.append("Alertmanager is not configured: Prometheus lists these")
    if _are_rules_partial(context) and not listed:
        parts.append("Prometheus PARTIAL: other alerts may be firing")
    if prometheus == PAUSED:
        parts.append("Prometheus PAUSED")
    elif prometheus:
        parts.append(f"Prometheus {prometheus}: no rule is evaluated")
    elif _are_rules_unknown(context) and not _are_rules_partial(context) and not listed:
        parts.append("Prometheus did not return its rules: an alert that is not listed may still be firing")
    if context.snapshot and context.snapshot.delivery_doubt:
        parts.append(context.snapshot.delivery_doubt)
    return "; ".join(parts)
