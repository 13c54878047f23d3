"""The alerts of a moment, from the two series that Prometheus writes of each: ALERTS and ALERTS_FOR_STATE."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from queries.model.alert import Alert, AlertRule, AlertState, find_rule
from queries.model.matcher import MatcherError
from queries.model.series import Labels, Sample, drop_labels, label
from queries.model.silence import Silence
from queries.prometheus.responses import hash_labels

QUERY = '{__name__=~"ALERTS|ALERTS_FOR_STATE"}'
"""Both series of every alert. ALERTS is 1 and says by `alertstate` whether the alert is pending or firing; ALERTS_FOR_STATE is
since when its expression is true, Unix seconds (Prometheus 3.x, rules/alerting.go)."""
_OFFSET, _PRIME, _SEPARATOR = 14695981039346656037, 1099511628211, 255


def fingerprint(labels: Labels) -> str:
    """Alertmanager's fingerprint of a label set: FNV-1a of 64 bits over its sorted names and values, each followed by 0xFF.

    Source: prometheus/common, model/signature.go, `labelSetToFingerprint`.
    """
    total = _OFFSET
    for pair in sorted(labels):
        for text in pair:
            for byte in (*text.encode("utf-8", "surrogatepass"), _SEPARATOR):
                total = ((total ^ byte) * _PRIME) & 0xFFFF_FFFF_FFFF_FFFF
    return f"{total:016x}"


def find_firing(points: Iterable[tuple[Labels, float]], heartbeat: str) -> Iterator[float]:
    """The times of the points of QUERY at which an alert fired; one that always fires is none."""
    for labels, at in points:
        if label(labels, "alertstate") == "firing" and label(labels, "alertname") != heartbeat:
            yield at


def read_alerts(
    samples: Iterable[Sample],
    rules: Iterable[AlertRule],
    *,
    at: float,
    send: Callable[[Labels], Labels | None],
) -> tuple[Alert, ...]:
    """The pending and firing alerts of the samples of QUERY at `at`, Unix seconds, sorted by fingerprint.

    A firing one has the labels and the fingerprint that Alertmanager knows it by: `send` gives the labels that Prometheus
    sends, None for an alert that it drops. It fires since the evaluation at which its rule's `for` had passed; without a rule
    of its name, since its expression is true. The series keep no annotations: the rule's own without a template are used.
    """
    active: dict[Labels, float] = {}
    states: dict[Labels, str] = {}
    for sample in samples:
        own = drop_labels(sample.labels, "__name__", "alertstate")
        if sample.label("__name__") == "ALERTS_FOR_STATE":
            active[own] = sample.value
        elif states.get(own) != "firing":  # just after it began to fire both states have a sample
            states[own] = sample.label("alertstate")
    known = tuple(rules)
    found = (_build(own, state, active.get(own, math.nan), known, at=at, send=send) for own, state in states.items())
    return tuple(sorted(found, key=lambda item: item.fingerprint))


def _build(
    labels: Labels,
    state: str,
    since: float,
    rules: tuple[AlertRule, ...],
    *,
    at: float,
    send: Callable[[Labels], Labels | None],
) -> Alert:
    rule = find_rule(labels, rules)
    annotations = tuple(pair for pair in rule.annotations if "{{" not in pair[1]) if rule else ()
    since = since if math.isfinite(since) else 0.0
    if state == "pending":
        return Alert(f"pending:{hash_labels(labels)}", AlertState.PENDING, labels, annotations, starts_at=since)
    if rule is not None and since:
        step = rule.interval_seconds
        waits = math.ceil(rule.for_seconds / step) * step if step else rule.for_seconds
        since = min(at, since + waits)
    sent = send(labels)
    return Alert(
        f"prometheus:{hash_labels(labels)}" if sent is None else fingerprint(sent),
        AlertState.UNDELIVERED if sent is None else AlertState.ACTIVE,
        labels if sent is None else sent,
        annotations,
        starts_at=since,
        updated_at=at,
    )


def silence_alerts(alerts: Iterable[Alert], silences: Iterable[Silence]) -> tuple[Alert, ...]:
    """The alerts, those suppressed that one of the active silences matches."""
    active = tuple(item for item in silences if item.state == "active")
    return tuple(_silence(alert, active) if alert.state is AlertState.ACTIVE else alert for alert in alerts)


def _silence(alert: Alert, silences: tuple[Silence, ...]) -> Alert:
    by = tuple(item.id for item in silences if _matches(item, alert.labels))
    return replace(alert, state=AlertState.SUPPRESSED, silenced_by=by) if by else alert


def _matches(silence: Silence, labels: Labels) -> bool:
    try:
        return bool(silence.matchers) and all(item.matches(labels) for item in silence.matchers)
    except MatcherError:
        return False  # Alertmanager accepted it: it is of a newer syntax, and the screen of silences shows it
