"""The alerts of a moment, from ALERTS and ALERTS_FOR_STATE; fingerprints against those that Alertmanager computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from queries.model.alert import AlertRule, AlertState
from queries.model.matcher import Matcher
from queries.model.series import Labels, Sample
from queries.model.silence import Silence, find_silences_at, known_since
from queries.prometheus.alert_series import fingerprint, read_alerts, silence_alerts
from queries.prometheus.relabel import AlertRelabeling

RECORDED = Path(__file__).parent.parent / "recordings" / "alertmanager-0.25-alerts.json"
AT = 1_800_000_000.0
LABELS = (("alertname", "HighLatency"), ("pod", "a"), ("severity", "warning"))
RULE = AlertRule("HighLatency", "x > 2", 100.0, (("severity", "warning"),), (), "firing", "ok", interval_seconds=30.0)


def sample(name: str, value: float, labels: Labels = LABELS, **more: str) -> Sample:
    return Sample(tuple(sorted((("__name__", name), *labels, *more.items()))), value)


def unchanged(labels: Labels) -> Labels:
    return labels


@pytest.mark.parametrize("alert", json.loads(RECORDED.read_text()), ids=lambda item: item["fingerprint"])
def test_fingerprints_are_alertmanagers(alert: dict[str, dict[str, str]]) -> None:
    """Of recorded alerts of a real Alertmanager: owners and links in the journal name alerts by it."""
    assert fingerprint(tuple(alert["labels"].items())) == alert["fingerprint"]


def test_a_firing_alert_fires_since_the_evaluation_after_its_for() -> None:
    """Active for 150 s with `for: 100s` and an evaluation every 30 s: it fires since the fourth evaluation."""
    samples = [sample("ALERTS", 1.0, alertstate="firing"), sample("ALERTS_FOR_STATE", AT - 150.0)]
    (alert,) = read_alerts(samples, [RULE], at=AT, send=unchanged)
    assert (alert.state, alert.starts_at, alert.labels) == (AlertState.ACTIVE, AT - 30.0, LABELS)


def test_a_pending_alert_is_pending_since_its_expression_is_true() -> None:
    """ALERTS_FOR_STATE has that time as its value."""
    samples = [sample("ALERTS", 1.0, alertstate="pending"), sample("ALERTS_FOR_STATE", AT - 20.0)]
    (alert,) = read_alerts(samples, [RULE], at=AT, send=unchanged)
    assert (alert.state, alert.starts_at, alert.firing) == (AlertState.PENDING, AT - 20.0, False)
    assert alert.fingerprint.startswith("pending:")


def test_an_alert_that_has_just_begun_to_fire_is_one_alert() -> None:
    """For one evaluation both states may have a sample: firing counts."""
    both = [sample("ALERTS", 1.0, alertstate=state) for state in ("pending", "firing", "pending")]
    (alert,) = read_alerts([*both, sample("ALERTS_FOR_STATE", AT - 150.0)], [RULE], at=AT, send=unchanged)
    assert alert.state is AlertState.ACTIVE


def test_without_a_rule_or_a_start_nothing_is_invented() -> None:
    """An alert whose rule is gone fires since its expression is true; one without ALERTS_FOR_STATE has no start."""
    samples = [sample("ALERTS", 1.0, alertstate="firing"), sample("ALERTS_FOR_STATE", AT - 150.0)]
    assert read_alerts(samples, [], at=AT, send=unchanged)[0].starts_at == AT - 150.0
    assert read_alerts(samples[:1], [RULE], at=AT, send=unchanged)[0].starts_at == 0.0


def test_labels_are_those_that_prometheus_sends() -> None:
    """With an external label the fingerprint is another one; an alert that relabelling drops reached nobody."""
    samples = [sample("ALERTS", 1.0, alertstate="firing")]
    external = AlertRelabeling((("cluster", "eu"),))
    (alert,) = read_alerts(samples, [RULE], at=AT, send=external.sent)
    assert dict(alert.labels)["cluster"] == "eu" and alert.fingerprint == fingerprint(alert.labels) != fingerprint(LABELS)
    (dropped,) = read_alerts(samples, [RULE], at=AT, send=lambda labels: None)
    assert dropped.state is AlertState.UNDELIVERED and dropped.listed_by == "prometheus"


def silence(identity: str, starts: float, ends: float, *, updated: float = 0.0, value: str = "HighLatency") -> Silence:
    return Silence(identity, (Matcher("alertname", value),), starts, ends, "ann", "", "expired", updated)


def test_silences_of_then() -> None:
    """Active, ended and not yet begun; one that began later is left out, as is one that may have been made later."""
    silences = [
        silence("active", AT - 10.0, AT + 10.0, updated=AT + 10.0),
        silence("ended", AT - 20.0, AT - 10.0),
        silence("planned", AT + 50.0, AT + 60.0, updated=AT - 5.0),
        silence("later", AT + 5.0, AT + 60.0, updated=AT + 5.0),
    ]
    found = find_silences_at(silences, AT)
    assert {item.id: item.state for item in found} == {"active": "active", "ended": "expired", "planned": "pending"}
    assert find_silences_at(silences, AT + 10.0)[0].state == "expired", "the end of a silence does not belong to it"


def test_from_when_on_silences_are_known() -> None:
    """For as long as Alertmanager keeps them by default, or as the oldest that it lists has ended."""
    assert known_since([], now=AT) == AT - 5 * 86_400.0
    assert known_since([silence("old", 0.0, AT - 9 * 86_400.0)], now=AT) == AT - 9 * 86_400.0


def test_only_active_silences_suppress_and_only_what_they_match() -> None:
    """A pending alert is not suppressed: Alertmanager does not have it yet."""
    samples = [
        sample("ALERTS", 1.0, alertstate="firing"),
        sample("ALERTS", 1.0, (("alertname", "Other"),), alertstate="firing"),
        sample("ALERTS", 1.0, (("alertname", "HighLatency"), ("pod", "b")), alertstate="pending"),
    ]
    alerts = read_alerts(samples, [], at=AT, send=unchanged)
    silences = find_silences_at([silence("s", AT - 1.0, AT + 1.0), silence("gone", AT - 9.0, AT - 1.0)], AT)
    found = {(item.name, item.state.value): item.silenced_by for item in silence_alerts(alerts, silences)}
    assert found == {("HighLatency", "suppressed"): ("s",), ("Other", "active"): (), ("HighLatency", "pending"): ()}
