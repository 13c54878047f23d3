"""What fired, resolved and flapped, from Prometheus' history of the window and the alerts that fire now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field

from console.checklists.alert_history import AlertHistory, AlertWindow, identity_labels
from console.checklists.definition import Item
from console.checklists.result import Detail, ItemResult, NavigationTarget
from console.state.snapshot import Snapshot
from queries.model.alert import TrackedAlert
from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.series import Labels, label
from queries.model.severity import BUILT_IN, Priority, Severities
from queries.model.source import Health, PollResult
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.times import format_local, local_yesterday

_TARGETS = 4

_QUIET = ("silenced", "inhibited", "muted")
"""In order of precedence: what a person did comes first."""


@dataclass(frozen=True, slots=True)
class AlertSummary:
    """One alert over the window and now. `history` is None where Prometheus has none; `alerts` fire now."""

    labels: Labels
    history: AlertHistory | None
    alerts: tuple[TrackedAlert, ...] = ()
    severities: Severities = BUILT_IN
    quiet: str = field(default="", init=False)
    """`silenced`, `inhibited` or `muted` where each of its alerts is; empty where one of them notifies."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "quiet", _find_quiet(self.alerts))  # once: there may be thousands of alerts

    @property
    def name(self) -> str:
        return visible(label(self.labels, "alertname") or "(no name)")

    @property
    def place(self) -> str:
        """What distinguishes it from others of its name: the provider, else the deployment."""
        names = ("provider", "deployment", "service", "endpoint")
        return visible(next((value for name in names if (value := label(self.labels, name))), ""))

    @property
    def priority(self) -> Priority:
        return self.severities.grade(self.labels).priority

    @property
    def firing(self) -> bool:
        return bool(self.alerts)

    @property
    def unlisted(self) -> bool:
        """Whether Prometheus said at the end of the window that it fires, while nothing lists it now."""
        return not self.alerts and self.history is not None and self.history.still_firing

    @property
    def resolved(self) -> bool:
        return not self.firing and not self.unlisted

    @property
    def flapping(self) -> bool:
        return self.history is not None and self.history.flapping

    @property
    def verdict(self) -> Verdict | None:
        """None where it is for information only: silenced, inhibited, or resolved and not a P1."""
        if self.firing and not self.quiet:
            return Verdict.CRITICAL if self.priority is Priority.P1 else Verdict.WARN
        if self.unlisted or self.flapping or (self.priority is Priority.P1 and not self.firing):
            return Verdict.WARN
        return None

    @property
    def brief(self) -> str:
        """`P3 ProviderTimeout deepseek firing`."""
        if self.unlisted:
            what = "firing in Prometheus, not listed"
        else:
            what = self.quiet or ("firing" if self.firing else "flapped" if self.flapping else "fired")
        return f"{self.priority.value} {self.name}{f' {self.place}' if self.place else ''} {what}"

    def sentence(self, now: float) -> str:
        """`P3 ProviderTimeout deepseek  firing for 12m4s, 3 times, 31m in total, owner you`."""
        head = f"{self.priority.value} {self.name}{f' {self.place}' if self.place else ''}"
        parts: list[str] = [] if self.severities.grade(self.labels).known else ["severity unknown"]
        if self.firing:
            starts = [item.alert.starts_at for item in self.alerts if item.alert.starts_at]
            since = f" for {format_span(now - min(starts))}" if starts else ""
            parts.append(f"{f'{self.quiet}, ' if self.quiet else ''}firing{since}")
        elif self.history is not None:
            at = format_local(self.history.intervals[-1].ends_at, now=now)
            parts.append(f"firing in Prometheus at {at}, not listed" if self.unlisted else f"resolved {at}")
        if self.history is not None and self.history.times > 1:
            parts.append(f"{self.history.times} times{', flapping' if self.flapping else ''}")
        if self.history is not None:
            parts.append(f"{format_span(self.history.total_seconds)} in total")
        owners = sorted({item.owner for item in self.alerts if item.owner})
        if self.firing:
            parts.append(f"owner {visible(', '.join(owners))}" if owners else "unacknowledged")
        return f"{head}  {', '.join(parts)}"


def summarize_alerts(
    window: AlertWindow | None, alerts: Sequence[TrackedAlert], *, severities: Severities = BUILT_IN
) -> tuple[AlertSummary, ...]:
    """Every alert of the window or of now: firing ones first, then by priority and by total duration."""
    now = dict(_by_identity(tuple(alerts) if not isinstance(alerts, tuple) else alerts))
    histories = window.histories if window else ()
    found: list[tuple[Labels, AlertHistory | None, tuple[TrackedAlert, ...]]] = [
        (item.labels, item, now.pop(item.labels, ())) for item in histories
    ]
    found += [(labels, None, tracked) for labels, tracked in now.items()]
    return tuple(sorted((AlertSummary(*item, severities) for item in found), key=_order))


def _find_quiet(alerts: Iterable[TrackedAlert]) -> str:
    states = set()
    for item in alerts:
        if not (state := item.alert.suppressed_as):
            return ""
        states.add(state)
    return next((state for state in _QUIET if state in states), "")


def _order(item: AlertSummary) -> tuple[bool, str, float, Labels]:
    total = item.history.total_seconds if item.history else 0.0
    return (item.resolved or bool(item.quiet), item.priority.value, -total, item.labels)


def _group_by_identity(alerts: tuple[TrackedAlert, ...]) -> dict[Labels, tuple[TrackedAlert, ...]]:
    found: dict[Labels, list[TrackedAlert]] = {}
    for tracked in alerts:
        if tracked.alert.firing:
            found.setdefault(identity_labels(tracked.alert.labels_to_deliver), []).append(tracked)
    return {labels: tuple(items) for labels, items in found.items()}


_by_identity: IdentityCache[tuple[TrackedAlert, ...], dict[Labels, tuple[TrackedAlert, ...]]] = IdentityCache(
    _group_by_identity
)
"""Thousands of alerts are grouped once for each list of them."""


def _group_by_name(alerts: tuple[TrackedAlert, ...]) -> dict[str, list[tuple[int, TrackedAlert]]]:
    found: dict[str, list[tuple[int, TrackedAlert]]] = {}
    for place, tracked in enumerate(alerts):
        if tracked.alert.firing:
            found.setdefault(tracked.alert.name, []).append((place, tracked))
    return found


_by_name: IdentityCache[tuple[TrackedAlert, ...], dict[str, list[tuple[int, TrackedAlert]]]] = IdentityCache(_group_by_name)
"""The alerts that fire, with their place in the list, by their names."""


def first_firing(alerts: tuple[TrackedAlert, ...], names: Iterable[str], *, most: int) -> list[TrackedAlert]:
    """The first alerts of these names that fire, in the order of the list."""
    grouped = _by_name(alerts)
    return [tracked for _, tracked in sorted(item for name in set(names) for item in grouped.get(name, ())[:most])[:most]]


def evaluate_alerts(
    item: Item, reading: PollResult[AlertWindow] | None, snapshot: Snapshot, *, now: float, pending: str
) -> ItemResult:
    """Critical while a P1 fires that is neither silenced nor inhibited; warn for any other firing alert, for one that fires by
    Prometheus and is listed nowhere, for a flapping one, and for a resolved P1. Never ok where one of the two
    servers did not answer.
    """
    window = reading.value if reading else None
    alerts = summarize_alerts(window, snapshot.alerts, severities=snapshot.severities)
    firing = [alert for alert in alerts if alert.firing and not alert.quiet]
    unlisted = [alert for alert in alerts if alert.unlisted]
    resolved = [alert for alert in alerts if alert.resolved]
    flapping = [alert for alert in alerts if alert.flapping]
    worst = max((alert.verdict for alert in alerts if alert.verdict), key=lambda each: each.rank, default=Verdict.OK)
    caveat = _caveat(reading, snapshot, now, pending)
    verdict = worst if worst is not Verdict.OK or not caveat else Verdict.NO_DATA
    counts = [(firing, "firing"), (unlisted, "not listed"), (resolved, "resolved"), (flapping, "flapping")]
    counts += [([alert for alert in alerts if alert.quiet == word], word) for word in _QUIET]
    value_text = " · ".join(f"{len(items)} {state}" for items, state in counts if items)
    notable = [alert for alert in alerts if alert.verdict is not None]
    reason = ", ".join(alert.brief for alert in notable[:3]) or ("nothing fired" if not alerts else "nothing is firing now")
    reason += f" and {len(notable) - 3} more" if len(notable) > 3 else ""
    if caveat:
        reason = f"{caveat}; {reason}" if notable else caveat
    reason += _lost_peer(snapshot)
    since = f"since {format_local(window.starts_at, now=now)} ({format_span(now - window.starts_at)})" if window else ""
    details = [Detail(alert.sentence(now), alert.verdict) for alert in alerts]
    if window is not None:
        details.append(Detail(f"from Prometheus; a break under {format_span(window.step_seconds)} is not visible"))
    return ItemResult(
        item,
        verdict,
        value_text or ("none" if not caveat else "not known"),
        reason,
        value=float(len(firing)) if snapshot.alerts_known else None,
        limit=f"nothing firing {since}" if since else "nothing firing",
        details=tuple(details),
        before=_before(window, now) if window else "",
        trend=window.counts if window else (),
        trend_period="alerts firing",
        thresholds=(1.0,),
        targets=(*alert_targets([each for alert in firing for each in alert.alerts][:_TARGETS]), _ALERTS),
    )


_ALERTS = NavigationTarget("screen", "alerts", "all alerts")


def _caveat(reading: PollResult[AlertWindow] | None, snapshot: Snapshot, now: float, pending: str) -> str:
    """Why it is not known what fired; empty where it is known."""
    parts: list[str] = []
    if not snapshot.alerts_known:
        parts.append("what fires now is not known: neither Alertmanager nor Prometheus answered")
    else:
        manager = snapshot.source("alertmanager")
        expected = manager is not None and (manager.last_good_at is not None or snapshot.as_of is None)
        if manager is not None and expected and manager.health is not Health.NOT_CONFIGURED and not manager.answers:
            why = f": {visible(manager.fault.what)}" if manager.fault else ""
            ago = f"last answered {format_span(now - manager.last_good_at)} ago" if manager.last_good_at else "has not answered"
            parts.append(f"Alertmanager {ago}{why}")
        if snapshot.alerts_partial:
            parts.append(f"Prometheus' list of alerts is partial: {visible(snapshot.alerts_partial)}")
        if snapshot.delivery_doubt:
            parts.append(snapshot.delivery_doubt)
    if reading is None:
        parts.append(f"what fired before: {pending}")
    elif reading.value is None:
        why = visible(reading.fault.sentence()) if reading.fault else "no answer"
        parts.append(f"what fired and resolved before is not known: {why}")
    else:
        window = reading.value
        if not window.complete:
            gap = max(window.gaps, key=lambda each: each.ends_at - each.starts_at)
            when = f"{format_local(gap.starts_at, now=now)} to {format_local(gap.ends_at, now=now)}"
            parts.append(f"Prometheus has no data for {format_span(window.unknown_seconds)} of it ({when})")
    return "; ".join(parts)


def _lost_peer(snapshot: Snapshot) -> str:
    """What is wrong with an Alertmanager that answers; empty if nothing is."""
    manager = snapshot.source("alertmanager")
    if manager is None or manager.fault is None or not manager.answers:
        return ""
    peers = f" ({visible(manager.detail)})" if manager.detail else ""
    return f"; Alertmanager responds only in part{peers}: {visible(manager.fault.sentence())}"


def _before(window: AlertWindow, now: float) -> str:
    at = local_yesterday(now)
    near = [point for point in window.counts if abs(point[0] - at) <= window.step_seconds * 1.5]
    return f"{min(near, key=lambda point: abs(point[0] - at))[1]:.0f} firing" if near else "no data then"


def alert_targets(alerts: Iterable[TrackedAlert]) -> list[NavigationTarget]:
    """The alert, its runbook, and the first suggested action."""
    targets: list[NavigationTarget] = []
    for tracked in alerts:
        alert = tracked.alert
        where = visible(label(alert.labels, "provider") or alert.component)
        name = f"{visible(alert.name)}{f' {where}' if where else ''}"
        targets.append(NavigationTarget("alert", alert.fingerprint, f"alert {name}"))
        if tracked.runbook is not None:
            targets.append(NavigationTarget("runbook", tracked.runbook.id, f"runbook {tracked.runbook.id}", alert.fingerprint))
        for suggestion in tracked.suggestions[:1]:
            targets.append(NavigationTarget("action", suggestion.target, suggestion.sentence, alert.fingerprint, suggestion))
    return targets
