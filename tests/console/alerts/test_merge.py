"""Alerts that Prometheus 3.16 and Alertmanager 0.35 both had, recorded, are listed once, with the earlier beginning."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from loopback import RECORDINGS

from console.alerts.lookup import find_rule
from console.alerts.merge import MergedAlerts, find_undelivered, merge_alerts
from queries.alertmanager import Alertmanager
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertState
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
    return merge_alerts(delivered, [_as_sent(alert) for alert in rules.alerts]), rules


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


async def test_an_alert_that_began_to_fire_is_no_longer_pending() -> None:
    """Prometheus' rules are a few seconds older than Alertmanager's list: the alert stands once, as what Alertmanager says. A
    pending alert with another label is another alert.
    """
    merged, _ = await recorded("restarted")
    fires = next(alert for alert in merged.alerts if alert.name == "NoFor")
    late = replace(fires, fingerprint="rules", state=AlertState.PENDING, value=6.0)
    other = replace(late, labels=tuple((name, "b" if name == "team" else value) for name, value in late.labels))
    assert other.labels != late.labels
    found = merge_alerts((fires,), (late, other))
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
    rule = find_rule(alert, (twin, *rules.rules))
    assert rule is not None and rule is not twin and rule.name == name
