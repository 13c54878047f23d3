"""What fired, resolved and flapped, from Prometheus' record of the window and from what fires now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from console.checklists.alert_history import AlertHistory, AlertWindow, identity
from console.checklists.definition import Item
from console.checklists.result import Detail, ItemResult, NavigationTarget
from console.state.snapshot import Snapshot
from queries.model.alert import Priority, TrackedAlert
from queries.model.identity_cache import IdentityCache
from queries.model.series import Labels, label
from queries.model.severity import BUILT_IN, Severities
from queries.model.source import PollResult
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.times import format_local, local_yesterday

_MUCH = 0.02
"""What part of a window may be unknown before the whole is not called known: a restart of Prometheus is not a night."""
_PLACES = 4

_QUIET = ("silenced", "inhibited", "muted")
"""Of several words for one line, what a person did comes first."""


@dataclass(frozen=True, slots=True)
class AlertSummary:
    """One alert over the window and now. `record` is None where Prometheus' record has none; `alerts` fire now."""

    labels: Labels
    record: AlertHistory | None
    alerts: tuple[TrackedAlert, ...] = ()
    severities: Severities = BUILT_IN

    @property
    def name(self) -> str:
        return visible(label(self.labels, "alertname") or "(no name)")

    @property
    def place(self) -> str:
        """What tells it apart from others of its name: the provider, else the deployment."""
        names = ("provider", "deployment", "service", "endpoint")
        return visible(next((value for name in names if (value := label(self.labels, name))), ""))

    @property
    def priority(self) -> Priority:
        return self.severities.grade(self.labels).priority

    @property
    def quiet(self) -> str:
        """`silenced`, `inhibited` or `muted` where each of its alerts is; empty where one of them notifies."""
        words = {item.alert.suppressed_as for item in self.alerts}
        return "" if "" in words else next((word for word in _QUIET if word in words), "")

    @property
    def firing(self) -> bool:
        return bool(self.alerts)

    @property
    def flapping(self) -> bool:
        return self.record is not None and self.record.flapping

    @property
    def verdict(self) -> Verdict | None:
        """None where it only tells: one that is over and was no P1, or one that is silenced or inhibited."""
        if self.firing and not self.quiet:
            return Verdict.CRITICAL if self.priority is Priority.P1 else Verdict.WARN
        if self.flapping or (self.priority is Priority.P1 and not self.firing):
            return Verdict.WARN
        return None

    @property
    def brief(self) -> str:
        """`P3 ProviderTimeout deepseek fires`."""
        what = self.quiet or ("fires" if self.firing else "flapped" if self.flapping else "fired")
        return f"{self.priority.value} {self.name}{f' {self.place}' if self.place else ''} {what}"

    def sentence(self, now: float) -> str:
        """`P3 ProviderTimeout deepseek  firing for 12m 4s, 3 times, 31m in all, owner you`."""
        head = f"{self.priority.value} {self.name}{f' {self.place}' if self.place else ''}"
        parts: list[str] = [] if self.severities.grade(self.labels).known else ["severity unknown"]
        if self.firing:
            began = [item.alert.starts_at for item in self.alerts if item.alert.starts_at]
            since = f" for {format_span(now - min(began))}" if began else ""
            parts.append(f"{f'{self.quiet}, ' if self.quiet else ''}firing{since}")
        elif self.record is not None:
            parts.append(f"resolved {format_local(self.record.spells[-1].ends_at, now=now)}")
        if self.record is not None and self.record.times > 1:
            parts.append(f"{self.record.times} times{', flapping' if self.flapping else ''}")
        if self.record is not None:
            parts.append(f"{format_span(self.record.total_seconds)} in all")
        owners = sorted({item.owner for item in self.alerts if item.owner})
        if self.firing:
            parts.append(f"owner {visible(', '.join(owners))}" if owners else "nobody owns it")
        return f"{head}  {', '.join(parts)}"


def nights(
    window: AlertWindow | None, alerts: Sequence[TrackedAlert], *, severities: Severities = BUILT_IN
) -> tuple[AlertSummary, ...]:
    """Every alert of the window or of now, what fires first, then by priority and by how long it fired."""
    now = dict(_by_identity(tuple(alerts) if not isinstance(alerts, tuple) else alerts))
    records = window.records if window else ()
    found = [AlertSummary(record.labels, record, now.pop(record.labels, ()), severities) for record in records]
    found += [AlertSummary(labels, None, tracked, severities) for labels, tracked in now.items()]
    return tuple(sorted(found, key=_order))


def _order(night: AlertSummary) -> tuple[bool, str, float, Labels]:
    total = night.record.total_seconds if night.record else 0.0
    return (not night.firing or bool(night.quiet), night.priority.value, -total, night.labels)


def _grouped(alerts: tuple[TrackedAlert, ...]) -> dict[Labels, tuple[TrackedAlert, ...]]:
    found: dict[Labels, list[TrackedAlert]] = {}
    for tracked in alerts:
        if tracked.alert.firing:
            found.setdefault(identity(tracked.alert.labels), []).append(tracked)
    return {labels: tuple(items) for labels, items in found.items()}


_by_identity: IdentityCache[tuple[TrackedAlert, ...], dict[Labels, tuple[TrackedAlert, ...]]] = IdentityCache(_grouped)
"""With thousands of alerts, grouped once for each list of them."""


def judge_alerts(
    item: Item, reading: PollResult[AlertWindow] | None, snapshot: Snapshot, *, now: float, unanswered: str
) -> ItemResult:
    """Critical while a P1 fires that is not silenced or inhibited; warn for any other that fires, for what flapped, and for a
    P1 that is over. What one of the two servers could not tell is not called fine.
    """
    window = reading.value if reading else None
    found = nights(window, snapshot.alerts, severities=snapshot.severities)
    firing = [night for night in found if night.firing and not night.quiet]
    resolved = [night for night in found if not night.firing]
    flapping = [night for night in found if night.flapping]
    worst = max((night.verdict for night in found if night.verdict), key=lambda each: each.rank, default=Verdict.OK)
    doubt = _doubt(reading, snapshot, now, unanswered)
    verdict = worst if worst is not Verdict.OK or not doubt else Verdict.NO_DATA
    counts = [(firing, "firing"), (resolved, "resolved"), (flapping, "flapping")]
    counts += [([night for night in found if night.quiet == word], word) for word in _QUIET]
    told = " · ".join(f"{len(nights_)} {word}" for nights_, word in counts if nights_)
    notable = [night for night in found if night.verdict is not None]
    reason = ", ".join(night.brief for night in notable[:3]) or ("nothing fired" if not found else "nothing fires now")
    reason += f" and {len(notable) - 3} more" if len(notable) > 3 else ""
    if doubt:
        reason = f"{doubt}; {reason}" if notable else doubt
    since = f"since {format_local(window.starts_at, now=now)} ({format_span(now - window.starts_at)})" if window else ""
    details = [Detail(night.sentence(now), night.verdict) for night in found]
    if window is not None:
        details.append(Detail(f"as Prometheus recorded it; a break under {format_span(window.step_seconds)} is not seen"))
    return ItemResult(
        item,
        verdict,
        told or ("none" if not doubt else "not known"),
        reason,
        value=float(len(firing)) if snapshot.alerts_known else None,
        limit=f"nothing that fires, {since}" if since else "nothing that fires",
        details=tuple(details),
        before=_before(window, now) if window else "",
        trend=window.counts if window else (),
        trend_words="how many fired",
        lines=(1.0,),
        places=(*places_of([each for night in firing for each in night.alerts][:_PLACES]), _ALERTS),
    )


_ALERTS = NavigationTarget("screen", "alerts", "all alerts")


def _doubt(reading: PollResult[AlertWindow] | None, snapshot: Snapshot, now: float, unanswered: str) -> str:
    """Why it is not known what fired; empty where it is."""
    parts: list[str] = []
    if not snapshot.alerts_known:
        parts.append("what fires now is not known: neither Alertmanager nor Prometheus told")
    else:
        manager = snapshot.source("alertmanager")
        if manager is not None and manager.fault is not None and manager.last_good_at is not None:
            age = format_span(now - manager.last_good_at)
            parts.append(f"Alertmanager answered last {age} ago: {visible(manager.fault.what)}")
        if snapshot.delivery_doubt:
            parts.append(snapshot.delivery_doubt)
    if reading is None:
        parts.append(f"what fired before: {unanswered}")
    elif reading.value is None:
        why = visible(reading.fault.sentence()) if reading.fault else "no answer"
        parts.append(f"what fired and resolved before is not known: {why}")
    else:
        window = reading.value
        length = window.ends_at - window.starts_at
        if window.unknown_seconds > max(_MUCH * length, 2.5 * window.step_seconds):
            gap = max(window.gaps, key=lambda each: each.ends_at - each.starts_at)
            when = f"{format_local(gap.starts_at, now=now)} to {format_local(gap.ends_at, now=now)}"
            parts.append(f"Prometheus knows nothing of {format_span(window.unknown_seconds)} of it ({when})")
    return "; ".join(parts)


def _before(window: AlertWindow, now: float) -> str:
    at = local_yesterday(now)
    near = [point for point in window.counts if abs(point[0] - at) <= window.step_seconds * 1.5]
    return f"{min(near, key=lambda point: abs(point[0] - at))[1]:.0f} firing" if near else "no data then"


def places_of(alerts: Iterable[TrackedAlert]) -> list[NavigationTarget]:
    """The alert, its runbook, and the first action that fits it."""
    found: list[NavigationTarget] = []
    for tracked in alerts:
        alert = tracked.alert
        where = visible(label(alert.labels, "provider") or alert.component)
        name = f"{visible(alert.name)}{f' {where}' if where else ''}"
        found.append(NavigationTarget("alert", alert.fingerprint, f"alert {name}"))
        if tracked.runbook is not None:
            found.append(NavigationTarget("runbook", tracked.runbook.id, f"runbook {tracked.runbook.id}", alert.fingerprint))
        for suggestion in tracked.suggestions[:1]:
            found.append(NavigationTarget("action", suggestion.target, suggestion.sentence, alert.fingerprint, suggestion))
    return found
