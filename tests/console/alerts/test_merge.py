"""Alerts that Prometheus 3.16 and Alertmanager 0.35 both had, recorded, are listed once, with the earlier beginning."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import RECORDINGS

from console.alerts.merge import AlertMerger, MergedAlerts, find_undelivered
from queries.alertmanager import Alertmanager
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertRule, AlertState, find_rule
from queries.prometheus.responses import RulesDecoder, RulesResult
from queries.text.times import parse_rfc3339

EXTERNAL = (("cluster", "eu"),)


async def recorded(name: str) -> tuple[MergedAlerts, RulesResult]:
    """The alerts of both servers, merged, and the rules."""
    body = (RECORDINGS / f"alertmanager-0.35-{name}-alerts.json").read_bytes()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body if request.url.path.endswith("/alerts") else b"[]")

    source = Alertmanager([Endpoint("http://am")], transport=httpx.MockTransport(answer))
    delivered = (await source.state()).alerts
    await source.close()
    rules = RulesDecoder("http://p").decode((RECORDINGS / f"prometheus-3.16-{name}-rules.json").read_bytes())
    return AlertMerger().merge(delivered, tuple(_as_sent(alert) for alert in rules.alerts)), rules


def _as_sent(alert: Alert) -> Alert:
    return replace(alert, sent_labels=tuple(sorted((*alert.labels, *EXTERNAL))))


async def test_an_alert_that_outlived_a_restart_began_when_alertmanager_heard_of_it() -> None:
    """Prometheus says that all three began with its restart, 11 s after they did; Alertmanager keeps the first beginning."""
    merged, rules = await recorded("restarted")
    restarted = parse_rfc3339("2026-11-29T16:18:17.543Z")
    assert {round(alert.starts_at, 2) for alert in rules.alerts} == {round(restarted, 2)}
    assert {alert.name: round(restarted - alert.starts_at) for alert in merged.alerts} == {
        "Queue": 5,
        "NoFor": 11,
        "ZeroFor": 11,
    }
    assert all(alert.value == 7.0 for alert in merged.alerts) and not merged.missing


async def test_an_alert_with_type_and_unit_is_the_same_on_both_sides() -> None:
    """With `type-and-unit-labels` each alert has `__type__`: matched by it, and beside the alert of before the change."""
    merged, rules = await recorded("typed")
    assert len(merged.alerts) == len(rules.alerts) == 6
    assert sorted(dict(alert.labels).get("__type__", "") for alert in merged.alerts) == ["", "", "", "gauge", "gauge", "gauge"]
    assert all(alert.value == 7.0 for alert in merged.alerts)
    assert not find_undelivered(merged.missing, rules.rules, now=2e9)


@pytest.mark.parametrize(
    ("severity", "elapsed", "told"),
    [("critical", 150.0, False), ("critical", 151.0, True), ("warning", 3630.0, False), ("warning", 3631.0, True),
     ("page", 150.0, False), ("page", 151.0, True), ("page", 3630.0, True)],
)  # fmt: skip
def test_an_alert_of_the_quicker_of_two_rules_is_undelivered_as_soon(severity: str, elapsed: float, told: bool) -> None:
    """Burn rates share one name: each alert is given the `for` of its own rule and half a minute. One whose labels were
    changed on the way, so that neither fits, is given the shorter one: it is not hidden.
    """
    rules = [
        AlertRule("Burn", "x", seconds, (("severity", name),), (), "firing", "ok")
        for name, seconds in (("critical", 120.0), ("warning", 3600.0))
    ]
    alert = Alert("rules", AlertState.ACTIVE, (("alertname", "Burn"), ("severity", severity)), starts_at=1e9)
    found = find_undelivered((alert,), rules, now=1e9 + elapsed)
    assert [item.state for item in found] == ([AlertState.UNDELIVERED] if told else [])


def test_the_same_alert_of_another_cluster_is_not_ours() -> None:
    """Clusters that share an Alertmanager differ in their external labels: theirs does not show that ours was delivered."""
    labels = (("alertname", "Disk"), ("pod", "a"))
    ours = Alert("rules", AlertState.ACTIVE, labels, sent_labels=(labels[0], ("cluster", "prod"), labels[1]))
    theirs = Alert("f", AlertState.ACTIVE, (labels[0], ("cluster", "staging"), labels[1]))
    assert AlertMerger().merge((theirs,), (ours,)).missing == (ours,)
    assert AlertMerger().merge((replace(theirs, labels=ours.sent_labels),), (ours,)).missing == ()


async def test_an_alert_that_began_to_fire_is_no_longer_pending() -> None:
    """Prometheus' rules are a few seconds older than Alertmanager's list: the alert stands once, as what Alertmanager says. A
    pending alert with another label is another alert.
    """
    merged, _ = await recorded("restarted")
    fires = next(alert for alert in merged.alerts if alert.name == "NoFor")
    late = replace(fires, fingerprint="rules", state=AlertState.PENDING, value=6.0)
    other = replace(late, labels=tuple((name, "b" if name == "team" else value) for name, value in late.labels))
    assert other.labels != late.labels
    found = AlertMerger().merge((fires,), (late, other))
    assert [(alert.state, alert.fingerprint) for alert in found.alerts] == [
        (fires.state, fires.fingerprint),
        (AlertState.PENDING, "rules"),
    ]
    assert found.alerts[0].value == 6.0 and found.alerts[1].labels == other.labels and not found.missing


@pytest.mark.parametrize("name", ["Queue", "NoFor", "ZeroFor"])
async def test_a_rule_with_a_template_in_its_labels_is_found(name: str) -> None:
    """`where: "{{ $labels.job }}"` in the rule is `where: ocr` in its alert."""
    merged, rules = await recorded("restarted")
    alert = next(alert for alert in merged.alerts if alert.name == name)
    twin = replace(rules.rules[0], name=name, labels=(("severity", "info"),))
    rule = find_rule(alert.labels, (twin, *rules.rules))
    assert rule is not None and rule is not twin and rule.name == name
    # Of two that both do not fit, neither is named as the one behind the alert; a single one is, whatever was relabelled.
    assert find_rule(alert.labels, (twin, replace(twin, labels=(("severity", "x"),)))) is None
    assert find_rule(alert.labels, (twin,)) is twin


_STATES = (AlertState.ACTIVE, AlertState.SUPPRESSED)
_DELIVERED = st.tuples(st.integers(0, 4), st.sampled_from(_STATES), st.integers(0, 1))
_EVALUATED = st.tuples(
    st.integers(0, 4), st.sampled_from((AlertState.ACTIVE, AlertState.PENDING)), st.sampled_from((1.0, 2.0)), st.booleans()
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(_DELIVERED, max_size=5), st.lists(_EVALUATED, max_size=5)), min_size=2, max_size=6))
def test_results_one_after_the_other_are_merged_like_each_alone(
    results: list[tuple[list[tuple[int, AlertState, int]], list[tuple[int, AlertState, float, bool]]]],
) -> None:
    """Alerts that come, go, change their state, value or place, or are sent with other labels; equal ones are one object."""
    merger = AlertMerger()
    known: dict[object, Alert] = {}
    found, alone = [], []
    for listed, rated in results:
        delivered = tuple(
            known.setdefault(
                ("am", *item), Alert(f"am{item[0]}", item[1], _labels(item[0], *EXTERNAL), starts_at=1.0, updated_at=item[2])
            )
            for item in listed
        )
        evaluated = tuple(
            known.setdefault(("prom", *item), _evaluated(*item)) for item in rated
        )  # fmt: skip
        found.append(merger.merge(delivered, evaluated))
        alone.append(AlertMerger().merge(delivered, evaluated))
    assert found == alone


def _labels(number: int, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((("alertname", f"A{number % 2}"), ("pod", f"p{number}"), *more)))


def _evaluated(number: int, state: AlertState, value: float, rewritten: bool) -> Alert:
    prefix = "pending" if state is AlertState.PENDING else "prometheus"
    sent = _labels(number, ("zone", "b")) if rewritten else ()
    return Alert(f"{prefix}:{number}", state, _labels(number), starts_at=1.0, value=value, sent_labels=sent)


def test_an_alert_that_does_not_differ_stays_the_same_object() -> None:
    """So nothing that was derived from it is derived again, also where another alert comes or goes."""
    delivered = tuple(Alert(f"am{number}", AlertState.ACTIVE, _labels(number)) for number in range(4))
    evaluated = tuple(_evaluated(number, AlertState.ACTIVE, 1.0, False) for number in range(4))
    merger = AlertMerger()
    first = merger.merge(delivered, evaluated).alerts
    moved = merger.merge((replace(delivered[0], updated_at=5.0), *delivered[1:]), evaluated).alerts
    valued = merger.merge(delivered, (*evaluated[:3], replace(evaluated[3], value=2.0))).alerts
    fewer = merger.merge(delivered[1:], evaluated[1:]).alerts
    assert [item.value for item in first] == [1.0] * 4 and moved[0].updated_at == 5.0 and valued[3].value == 2.0
    assert [one is other for one, other in zip(first, moved, strict=True)] == [False, True, True, True]
    assert [one is other for one, other in zip(moved, valued, strict=True)] == [False, True, True, False]
    assert [one is other for one, other in zip(valued[1:], fewer, strict=True)] == [True, True, False]
