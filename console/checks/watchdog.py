"""Whether alerts reach Alertmanager at all, by the alert that always fires: the dead man's switch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import is_not

from console.checks.result import FAILED_GENERALLY, CheckResult, Result
from queries.model.alert import Alert, AlertRule, find_rule, labels_agree
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.durations import format_span

ARRIVES_WITHIN_SECONDS = 90.0
"""Prometheus resends an alert every minute, so one lost in transit or by a restart has arrived by then."""
_AREA, _NAME = "alertmanager", "heartbeat"


@dataclass(frozen=True, slots=True)
class WatchdogState:
    """The watchdog in both servers. `fires_since` is Unix seconds, None if no instance fires; `broken`: its rule was
    evaluated and did not fire.
    """

    name: str
    fires_since: float | None = None
    arrived: bool = False
    broken: bool = False

    def warning(self, now: float) -> str:
        """Why an empty alert list is not reliable, in one sentence; empty if it is reliable, or unknown."""
        name = visible(self.name)
        if self.fires_since is not None and not self.arrived and now - self.fires_since > ARRIVES_WITHIN_SECONDS:
            return (
                f"{name} does not reach Alertmanager, so an empty alert list is not reliable: "
                "check `alerting` in the Prometheus configuration"
            )
        if self.broken:
            return f"{name} does not fire in Prometheus, so an empty alert list is not reliable: check its rule"
        return ""


class Partition:
    """Tells the watchdog's instances, by its name, from all other alerts: it is not a problem, so it is neither listed nor
    counted. Of a list only the alerts are looked at that differ from those of the last one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._alerts: tuple[Alert, ...] = ()
        self._places: Sequence[int] = ()
        self._found: tuple[tuple[Alert, ...], tuple[Alert, ...]] = ((), ())

    def __call__(self, alerts: tuple[Alert, ...]) -> tuple[tuple[Alert, ...], tuple[Alert, ...]]:
        """The watchdog's instances, and the others."""
        if alerts is self._alerts:
            return self._found
        before = self._alerts
        differ = compress(zip(before, alerts, strict=False), map(is_not, before, alerts))
        if len(before) != len(alerts) or any(self._name in (old.name, new.name) for old, new in differ):
            self._places = [at for at, item in enumerate(alerts) if item.name == self._name] if self._name else ()
        others = [*alerts]
        for at in reversed(self._places):
            del others[at]
        self._alerts, self._found = alerts, (tuple([alerts[at] for at in self._places]), tuple(others))
        return self._found


def watchdog_state(
    name: str, rules: Iterable[AlertRule], evaluated: Iterable[Alert], delivered: Iterable[Alert]
) -> WatchdogState | None:
    """`evaluated` and `delivered` are its instances in Prometheus and in Alertmanager; None if no rule has its name.

    Several clusters may share an Alertmanager: the instance of another one does not prove that ours arrives.
    """
    named = [rule for rule in rules if rule.name == name]
    if not named:
        return None
    firing = [alert for alert in evaluated if alert.firing]
    # Prometheus counts from the moment on that the expression is true, and sends nothing before `for` has passed.
    since = min((alert.starts_at + _pending_seconds(alert, named) for alert in firing), default=None)
    was_evaluated = all(rule.health in ("ok", "err") for rule in named)
    listed = tuple(delivered)
    ours = [item for item in listed if any(labels_agree(own.labels_to_deliver, item.labels) for own in firing)]
    arrived = bool(ours if firing else listed)
    return WatchdogState(name, since, arrived=arrived, broken=was_evaluated and not firing and not any(evaluated))


def _pending_seconds(alert: Alert, rules: Sequence[AlertRule]) -> float:
    rule = find_rule(alert.labels, rules)
    return rule.for_seconds if rule is not None else 0.0


def check(name: str, state: WatchdogState | None, *, now: float) -> CheckResult:
    """The line of the self-check; `now` is Unix seconds."""
    if state is None:
        text = f"no rule {visible(name)} is loaded, so the delivery of alerts is unverified"
        return CheckResult(_AREA, _NAME, Result.NOTED, text, FAILED_GENERALLY)
    warning = state.warning(now)
    if warning:
        return CheckResult(_AREA, _NAME, Result.FAILED, warning, FAILED_GENERALLY)
    if not state.arrived:
        firing = (
            f"has been firing for {format_span(max(0.0, now - state.fires_since))}"
            if state.fires_since
            else "is not evaluated yet"
        )
        return CheckResult(_AREA, _NAME, Result.NOTED, f"{visible(name)} {firing} and has not arrived yet", FAILED_GENERALLY)
    return CheckResult(_AREA, _NAME, Result.PASSED, f"{visible(name)} arrives from Prometheus", FAILED_GENERALLY)


def skip(reason: str) -> CheckResult:
    """If one of the two servers could not be queried."""
    return CheckResult(_AREA, _NAME, Result.SKIPPED, reason, FAILED_GENERALLY)
