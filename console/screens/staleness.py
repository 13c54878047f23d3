"""What cannot be called fine now, because the source that would know it does not answer: in words, for every screen."""

from __future__ import annotations

from console.screens.render_context import RenderContext
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from widgets.formatting import format_age
from widgets.styled_text import text

TITLES = {"prometheus": "Prometheus", "alertmanager": "Alertmanager", "kubernetes": "Kubernetes", "platform": "the platform"}
PAUSED = "PAUSED"
_SHORT = {"prometheus": "prom", "alertmanager": "am", "kubernetes": "k8s", "platform": "api"}


def unwell(view: RenderContext, name: str) -> str:
    """`DOWN`, `DENIED`, `PAUSED` or `not answering yet`; empty while the source answers, or where it is not configured."""
    state = view.snapshot.source(name) if view.snapshot else None
    if state is not None and state.paused:
        return PAUSED
    if state is None or state.health in (Health.UP, Health.DEGRADED, Health.NOT_CONFIGURED):
        return ""
    return "not answering yet" if state.health is Health.WAITING else state.health.value.upper()


def as_of(view: RenderContext, name: str) -> str:
    """` · as of 40s ago: Kubernetes DOWN`, for the title of a list that this source filled; empty while it is current."""
    word = unwell(view, name)
    if not word:
        return ""
    elapsed = last_answer(view, name)
    return f" · as of {elapsed} ago: {TITLES[name]} {word}" if elapsed else f" · {TITLES[name]} {word}"


def last_answer(view: RenderContext, name: str) -> str:
    """`40s`: the age of the last good answer; empty where there never was one."""
    state: SourceState | None = view.snapshot.source(name) if view.snapshot else None
    if state is None or state.last_good_at is None:
        return ""
    return format_age(max(0.0, view.now - state.last_good_at))


def alerts_are_old(view: RenderContext) -> bool:
    """Whether the states of the alerts are those of an earlier moment."""
    snapshot = view.snapshot
    if snapshot is None or snapshot.alerts_age_seconds is None:
        return False
    manager = snapshot.source("alertmanager")
    basis = "prometheus" if manager is None or manager.last_good_at is None else "alertmanager"
    return bool(unwell(view, basis)) or snapshot.alerts_age_seconds > view.settings.stale_after_seconds


def alerts_age(view: RenderContext) -> str:
    """` 40s ago` where the alerts are those of an earlier moment."""
    seconds = view.snapshot.alerts_age_seconds if view.snapshot else None
    return f" {format_age(seconds)} ago" if seconds is not None and alerts_are_old(view) else ""


def alerts_doubt(view: RenderContext) -> str:
    """Why `none firing` is not the whole truth, in a few words: ` 40s ago, prom DOWN`; empty where it is."""
    told = alerts_age(view)
    for name in ("alertmanager", "prometheus"):
        word = unwell(view, name)
        if word and not (name == "alertmanager" and told):
            told += f", {_SHORT[name]} {word}"
    if view.snapshot and view.snapshot.delivery_doubt:
        told += f", {text(view.snapshot.heartbeat_alert)[0]} missing"
    return told


def panels_doubt(view: RenderContext) -> str:
    """`, 1 IN DOUBT`: how many panels have a value that cannot be believed, else how many have none, of sources that answer;
    empty where all of them are known. What a source that does not answer keeps from us is said of that source.
    """
    panels = view.snapshot.panels if view.snapshot else ()
    for verdict in (Verdict.IN_DOUBT, Verdict.NO_DATA):
        found = [item for item in panels if item.verdict is verdict and not unwell(view, item.spec.source)]
        if found:
            return f", {len(found)} {verdict.word}"
    return ""


def platform_doubt(view: RenderContext) -> str:
    """`, api NOT READY`: what serves nothing may well raise no alert."""
    state = view.snapshot.source("platform") if view.snapshot else None
    return f", {_SHORT['platform']} NOT READY" if state is not None and state.health is Health.NOT_READY else ""


def alerts_reservation(view: RenderContext) -> str:
    """The same as a sentence for a list: `as Alertmanager said 40s ago; Prometheus DOWN: nothing new can fire`."""
    parts = []
    when = alerts_age(view)
    manager = unwell(view, "alertmanager")
    prometheus = unwell(view, "prometheus")
    if when and view.snapshot and view.snapshot.alerts_from == "prometheus":
        parts.append(f"Prometheus' list as of{when}" + (f", Alertmanager {manager}" if manager else ""))
    elif when:
        added = ", and what only Prometheus has" if view.snapshot and view.snapshot.alerts_from and not prometheus else ""
        parts.append(f"as of{when}" + (f": Alertmanager {manager}{added}" if manager else ""))
    elif manager:
        whose = ": Prometheus lists these, whether they notify is not known"
        parts.append(f"Alertmanager {manager}{whose if view.snapshot and view.snapshot.alerts_caveat else ''}")
    elif view.snapshot and view.snapshot.alerts_caveat:
        parts.append("Alertmanager is not configured: Prometheus lists these")
    if prometheus == PAUSED:
        parts.append("Prometheus PAUSED")
    elif prometheus:
        parts.append(f"Prometheus {prometheus}: no rule is evaluated")
    if view.snapshot and view.snapshot.delivery_doubt:
        parts.append(view.snapshot.delivery_doubt)
    return "; ".join(parts)
