"""Whether alerts arrive at all, told by the one that always fires: the dead-man's switch of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from console.checks.result import FAILED_GENERALLY, CheckResult, Result
from queries.model.alert import Alert, AlertRule
from queries.model.text import visible
from queries.text.durations import format_span

ARRIVES_WITHIN_SECONDS = 90.0
"""Prometheus sends an alert again every minute: one that was lost on the way, or by a restart, is there by then."""
_AREA, _NAME = "alertmanager", "heartbeat"


@dataclass(frozen=True, slots=True)
class WatchdogState:
    """What both servers have of it. `fires_since` is Unix seconds, None where no instance fires; `broken` says that its rule
    was evaluated and should have fired all the same.
    """

    name: str
    fires_since: float | None = None
    arrived: bool = False
    broken: bool = False

    def doubt(self, now: float) -> str:
        """Why the absence of alerts proves nothing, in one sentence; empty where it proves something, or nobody can tell."""
        name = visible(self.name)
        if self.fires_since is not None and not self.arrived and now - self.fires_since > ARRIVES_WITHIN_SECONDS:
            return (
                f"{name} does not reach Alertmanager, so that no alert is listed proves nothing: "
                "see `alerting` in Prometheus' configuration"
            )
        if self.broken:
            return f"{name} does not fire in Prometheus, so that no alert is listed proves nothing: see its rule"
        return ""


def apart(name: str, alerts: Iterable[Alert]) -> tuple[tuple[Alert, ...], tuple[Alert, ...]]:
    """The instances of the heartbeat, and all other alerts: it is no trouble, so nobody lists or counts it."""
    own: list[Alert] = []
    others: list[Alert] = []
    for alert in alerts:
        (own if name and alert.name == name else others).append(alert)
    return tuple(own), tuple(others)


def heartbeat(
    name: str, rules: Iterable[AlertRule], evaluated: Iterable[Alert], delivered: Iterable[Alert]
) -> WatchdogState | None:
    """`evaluated` and `delivered` are its instances in Prometheus and in Alertmanager; None where no rule has its name."""
    own = [rule for rule in rules if rule.name == name]
    if not own:
        return None
    firing = [alert for alert in evaluated if alert.firing]
    since = min((alert.starts_at for alert in firing), default=None)
    judged = all(rule.health in ("ok", "err") for rule in own)
    return WatchdogState(name, since, arrived=any(True for _ in delivered), broken=judged and not firing and not any(evaluated))


def check(name: str, found: WatchdogState | None, *, now: float) -> CheckResult:
    """The line of the self-check; `now` is Unix seconds."""
    if found is None:
        told = f"no rule {visible(name)} is loaded, so nothing proves that alerts arrive"
        return CheckResult(_AREA, _NAME, Result.NOTED, told, FAILED_GENERALLY)
    doubt = found.doubt(now)
    if doubt:
        return CheckResult(_AREA, _NAME, Result.FAILED, doubt, FAILED_GENERALLY)
    if not found.arrived:
        since = f"fires for {format_span(max(0.0, now - found.fires_since))}" if found.fires_since else "was not evaluated yet"
        told = f"{visible(name)} {since}, and has not arrived yet"
        return CheckResult(_AREA, _NAME, Result.NOTED, told, FAILED_GENERALLY)
    return CheckResult(_AREA, _NAME, Result.PASSED, f"{visible(name)} arrives from Prometheus", FAILED_GENERALLY)


def skipped(told: str) -> CheckResult:
    """Where one of the two could not be asked."""
    return CheckResult(_AREA, _NAME, Result.SKIPPED, told, FAILED_GENERALLY)
