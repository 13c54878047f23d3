"""Merges the alerts of Alertmanager and Prometheus: delivered, pending, and undelivered ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, islice
from operator import is_not
from typing import NamedTuple

from queries.model.alert import Alert, AlertRule, AlertState, Priority, find_rule, labels_agree
from queries.model.frozen import dataclass
from queries.model.series import Labels, label

UNDELIVERED_SECONDS = 30.0
"""How long an alert may fire in Prometheus before its absence from Alertmanager counts as a delivery failure."""
_MAX_LOOSE_MATCHES = 50
"""How many unmatched alerts of one name are compared label by label; more would cost too much."""


@dataclass(frozen=True, slots=True)
class MergedAlerts:
    """`alerts` are Alertmanager's, with their current value, then the pending ones; `missing` fire in Prometheus only."""

    alerts: tuple[Alert, ...]
    missing: tuple[Alert, ...]


class AlertMerger:
    """Merges one result after the other: while the same alerts fire, only those that differ are looked at, and the others stay
    the same objects.
    """

    def __init__(self) -> None:
        self._delivered: tuple[Alert, ...] = ()
        self._evaluated: tuple[Alert, ...] = ()
        self._matching = _Matching((), (), ())
        self._merged = MergedAlerts((), ())

    def merge(self, delivered: tuple[Alert, ...], evaluated: tuple[Alert, ...]) -> MergedAlerts:
        """Matches by the labels that Prometheus sends: Alertmanager's may have more (`external_labels`), but no different ones.

        One that Alertmanager lists is not pending any more: Prometheus' rules were fetched before.
        """
        listed = _find_differing(self._delivered, delivered)
        valued = _find_differing(self._evaluated, evaluated)
        if listed is None or valued is None:
            known = {old.fingerprint: (old, now) for old, now in zip(self._delivered, self._merged.alerts, strict=False)}
            self._matching = _match(delivered, evaluated)
            twins = self._matching.twins
            alerts = [
                _reuse(known.get(item.fingerprint), item, at, evaluated) for item, at in zip(delivered, twins, strict=True)
            ]
        else:
            twins = self._matching.twins
            alerts = list(self._merged.alerts[: len(delivered)])
            changed = {at for at in valued if evaluated[at].value != self._evaluated[at].value}
            if changed:
                listed = [*listed, *(at for at, twin in enumerate(twins) if twin in changed)]
            for at in listed:
                alerts[at] = _with_value(delivered[at], twins[at], evaluated)
        self._delivered, self._evaluated = delivered, evaluated
        self._merged = _collect(self._matching, alerts, evaluated)
        return self._merged


class _Matching(NamedTuple):
    """Places in the list of evaluated alerts."""

    twins: Sequence[int]
    """For each delivered alert, the evaluated one that gives its value; -1 for none."""
    pending: Sequence[int]
    missing: Sequence[int]


def _match(delivered: Sequence[Alert], evaluated: Sequence[Alert]) -> _Matching:
    listed = _Listed(delivered)
    twins: dict[str, int] = {}
    pending: list[int] = []
    missing: list[int] = []
    for at, alert in enumerate(evaluated):
        found = listed.find(alert)
        if not found:
            (pending if alert.state is AlertState.PENDING else missing).append(at)
        for twin in found:
            twins[twin.fingerprint] = at
    missing = [at for at in missing if not listed.find_agreeing(evaluated[at], twins)]
    return _Matching([twins.get(item.fingerprint, -1) for item in delivered], pending, missing)


class _Listed:
    """Alertmanager's alerts, to be found by the labels that Prometheus sends: theirs may have more of them."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self._by_name: dict[str, list[Alert]] = defaultdict(list)
        for alert in alerts:
            self._by_name[alert.name].append(alert)
        self._projected: dict[tuple[str, tuple[str, ...]], Mapping[Labels, list[Alert]]] = {}
        self._unmatched: dict[str, list[Alert]] = {}

    def find(self, evaluated: Alert) -> Sequence[Alert]:
        """Those that have every label that Prometheus sends."""
        sent = evaluated.labels_to_deliver
        names = tuple([name for name, _ in sent])
        key = (label(sent, "alertname"), names)
        if key not in self._projected:
            self._projected[key] = _group_by_labels(self._by_name.get(key[0], ()), names)
        return self._projected[key].get(sent, ())

    def find_agreeing(self, evaluated: Alert, matched: Collection[str]) -> Sequence[Alert]:
        """Of those that matched no other alert, by fingerprint, the ones without a contradicting label: relabelling may have
        dropped or renamed one. Give it the same `matched` each time.
        """
        name = evaluated.name
        if name not in self._unmatched:
            others = (item for item in self._by_name.get(name, ()) if item.fingerprint not in matched)
            self._unmatched[name] = list(islice(others, _MAX_LOOSE_MATCHES))
        return [item for item in self._unmatched[name] if labels_agree(evaluated.labels_to_deliver, item.labels)]


def find_same(evaluated: Iterable[Alert], listed: Iterable[Alert]) -> list[tuple[Alert, Alert]]:
    """Pairs of an alert of Prometheus and the one of Alertmanager that it can be: first by every label that Prometheus sends,
    then the rest by labels that do not contradict each other.
    """
    found = _Listed(listed)
    pairs: list[tuple[Alert, Alert]] = []
    rest: list[Alert] = []
    for alert in evaluated:
        same = found.find(alert)
        pairs += [(alert, twin) for twin in same]
        if not same:
            rest.append(alert)
    matched = {twin.fingerprint for _, twin in pairs}
    return [*pairs, *((alert, twin) for alert in rest for twin in found.find_agreeing(alert, matched))]


def _collect(matching: _Matching, alerts: Iterable[Alert], evaluated: Sequence[Alert]) -> MergedAlerts:
    pending = (evaluated[at] for at in matching.pending)
    return MergedAlerts((*alerts, *pending), tuple([evaluated[at] for at in matching.missing]))


def _with_value(alert: Alert, twin: int, evaluated: Sequence[Alert]) -> Alert:
    return alert if twin < 0 else replace(alert, value=evaluated[twin].value)


def _reuse(known: tuple[Alert, Alert] | None, alert: Alert, twin: int, evaluated: Sequence[Alert]) -> Alert:
    """The alert with its value: the object of before, `known` with the one that it was made of, if it is the same."""
    if known is not None and known[0] is alert and twin >= 0 and known[1].value == evaluated[twin].value:
        return known[1]
    return _with_value(alert, twin, evaluated)


def _find_differing(before: Sequence[Alert], now: Sequence[Alert]) -> list[int] | None:
    """The places of the alerts that differ in anything but what they are matched by; None if others are listed."""
    if before is now:
        return []
    if len(before) != len(now):
        return None
    places = [*compress(range(len(now)), map(is_not, before, now))]
    return places if all(_is_matched_alike(before[at], now[at]) for at in places) else None


def _is_matched_alike(one: Alert, other: Alert) -> bool:
    return (
        one.fingerprint == other.fingerprint
        and one.labels == other.labels
        and one.sent_labels == other.sent_labels
        and (one.state is AlertState.PENDING) is (other.state is AlertState.PENDING)
    )


def find_undelivered(missing: Iterable[Alert], rules: Iterable[AlertRule], *, now: float) -> tuple[Alert, ...]:
    """The missing alerts that have been firing long enough to have reached every Alertmanager."""
    by_name: dict[str, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        by_name[rule.name].append(rule)
    return tuple(
        replace(alert, state=AlertState.UNDELIVERED)
        for alert in missing
        if now - alert.starts_at - _pending_seconds(alert, by_name[alert.name]) > UNDELIVERED_SECONDS
    )


def _pending_seconds(alert: Alert, rules: Sequence[AlertRule]) -> float:
    """How long the alert was pending before it fired; of several rules with its name that do not fit its labels, the least."""
    rule = find_rule(alert.labels, rules)
    return rule.for_seconds if rule is not None else min((item.for_seconds for item in rules), default=0.0)


def urgency(alert: Alert) -> tuple[int, bool, float, str, str]:
    """The sort key of the table: worst priority first, then alerts that are not suppressed, then the oldest."""
    hidden = alert.state is AlertState.SUPPRESSED
    return (_PRIORITIES[alert.priority], hidden, alert.starts_at, alert.name, alert.fingerprint)


_PRIORITIES = {priority: rank for rank, priority in enumerate(Priority)}


def _group_by_labels(alerts: Iterable[Alert], names: tuple[str, ...]) -> Mapping[Labels, list[Alert]]:
    kept = set(names)
    groups: dict[Labels, list[Alert]] = defaultdict(list)
    for alert in alerts:
        groups[tuple(pair for pair in alert.labels if pair[0] in kept)].append(alert)
    return groups
