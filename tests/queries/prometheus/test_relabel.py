"""What Prometheus makes of an alert's labels before it sends it, by the configuration that the server shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.alerts.merge import AlertMerger
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertState
from queries.model.series import Labels
from queries.prometheus.client import Prometheus
from queries.prometheus.relabel import AlertRelabeling, RelabelStep, decode_config

CONFIG = """
global:
  external_labels: {cluster: eu, replica: a}
alerting:
  alert_relabel_configs:
    - {source_labels: [severity], regex: critical, target_label: severity, replacement: page}
    - {action: labeldrop, regex: replica}
  alertmanagers: [{static_configs: [{targets: [am]}]}]
"""


@pytest.mark.parametrize(
    ("step", "labels", "sent"),
    [
        (RelabelStep("replace", ("a",), ";", "(.)-x", 0, "b", "${1}$$"), {"a": "1-x"}, {"a": "1-x", "b": "1$"}),
        (RelabelStep("replace", ("a", "b"), ";", "1;2", 0, "a", ""), {"a": "1", "b": "2"}, {"b": "2"}),
        (RelabelStep("replace", ("a",), regex="1", target_label="c"), {"a": "12"}, {"a": "12"}),
        (RelabelStep(action="drop", source_labels=("a",), regex="1.*"), {"a": "12"}, None),
        (RelabelStep(action="keep", source_labels=("a",), regex="1"), {"a": "12"}, None),
        (RelabelStep(action="labelmap", regex="k8s_(.+)"), {"k8s_pod": "p"}, {"k8s_pod": "p", "pod": "p"}),
        (RelabelStep(action="labelmap", regex="x(.+)"), {"xxa": "1", "xa": "2"}, {"xxa": "1", "xa": "1", "a": "2"}),
        (RelabelStep("replace", ("a",), target_label="k8s.pod", replacement="eu"), {"a": "1"}, {"a": "1", "k8s.pod": "eu"}),
        (RelabelStep(action="labelkeep", regex="a|b"), {"a": "1", "c": "2"}, {"a": "1"}),
        (RelabelStep(action="lowercase", source_labels=("a",), target_label="a"), {"a": "Page"}, {"a": "page"}),
        (RelabelStep(action="hashmod", source_labels=("a",), modulus=8, target_label="m"), {"a": "x"}, {"a": "x", "m": "6"}),
        (RelabelStep(action="dropequal", source_labels=("a",), target_label="b"), {"a": "1", "b": "1"}, None),
    ],
)  # fmt: skip
def test_each_action_of_a_relabel_config(step: RelabelStep, labels: dict[str, str], sent: dict[str, str] | None) -> None:
    """As Prometheus documents them: whole values match, `$1` expands, an empty result removes the label."""
    found = AlertRelabeling(steps=(step,)).sent(tuple(sorted(labels.items())))
    assert (None if found is None else dict(found)) == sent


RELABELLED = json.loads(
    (Path(__file__).parents[1] / "recordings" / "prometheus-3.16-relabelled.json").read_text(encoding="utf-8")
)
"""The configuration as the server shows it, an alert's labels, and what it sends. Made with `config.Load`, its `String` and
`relabel.ProcessBuilder` of the server's module, v0.316.0."""


@pytest.mark.parametrize("row", RELABELLED, ids=lambda row: str(row["labels"]))
def test_prometheus_sends_the_same_labels(row: dict[str, Any]) -> None:
    """`=` and `<<` in the file, chains and clashes of `labelmap`, names in UTF-8, values with a line break, empty results."""
    config = decode_config(json.dumps({"data": {"yaml": row["yaml"]}}).encode(), where="p")
    found = config.sent(tuple(sorted(row["labels"].items())))
    assert (None if found is None else dict(found)) == row["sent"]


def test_prometheus_2_sets_no_name_that_it_would_refuse() -> None:
    """Its configuration does not say how names are validated; a template that makes another name there is passed over."""
    rows = [row for row in RELABELLED if row["labels"] == {"a": "Région 1"}]
    text = rows[0]["yaml"].replace("  metric_name_validation_scheme: utf8\n", "", 1)
    config = decode_config(json.dumps({"data": {"yaml": text}}).encode(), where="p")
    assert dict(config.sent((("a", "Région 1"),)) or ()) == {"a": "Région 1"}


def test_a_regex_that_re2_refuses_writes_nothing_over_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    """Go accepts `\\p{Letter}`, the RE2 of C++ does not, and writes to the terminal unless it is told not to."""
    with pytest.raises(ValueError, match="character class"):
        AlertRelabeling(steps=(RelabelStep(source_labels=("a",), regex=r"\p{Letter}+", target_label="b"),)).sent((("a", "x"),))
    assert capfd.readouterr() == ("", "")


@dataclass
class Server:
    """Two alerts fire; /status/config has CONFIG, or `config_status`."""

    config_status: int = 200
    config: str = CONFIG
    configs: int = 0
    hour: float = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/config"):
            self.configs += 1
            return httpx.Response(self.config_status, json={"status": "success", "data": {"yaml": self.config}})
        common = {"alertname": "A", "severity": "critical"}
        state = {"state": "firing", "value": "7", "activeAt": "2026-01-01T00:00:00Z"}
        instances = [{"labels": {**common, "instance": name}, **state} for name in ("one", "two")]
        rule = {"type": "alerting", "name": "A", "query": "x", "alerts": instances}
        return httpx.Response(200, json={"status": "success", "data": {"groups": [{"name": "g", "rules": [rule]}]}})

    def client(self) -> Prometheus:
        return Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(self.answer), clock=lambda: self.hour)


async def test_a_configuration_that_cannot_be_read_for_a_moment_changes_nothing() -> None:
    """The last one applies and is asked for again with the next rules; a server that shows none is asked after ten minutes."""
    server = Server()
    source = server.client()
    sent = [item.sent_labels for item in (await source.rules()).alerts]
    server.hour, server.config_status = 601.0, 502
    for count in (2, 3):
        assert all(sent) and [item.sent_labels for item in (await source.rules()).alerts] == sent
        assert server.configs == count
    server.config_status = 403
    for _ in range(2):
        assert not any(item.sent_labels for item in (await source.rules()).alerts)
        assert server.configs == 4
    await source.close()


async def test_an_unchanged_alert_is_relabelled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next poll runs no regular expression, and gives the same objects: nothing behind it is derived again."""
    calls: list[Labels] = []
    apply = AlertRelabeling.sent
    monkeypatch.setattr(AlertRelabeling, "sent", lambda self, labels: (calls.append(labels), apply(self, labels))[1])
    source = Server().client()
    first, second = (await source.rules()).alerts, (await source.rules()).alerts
    await source.close()
    assert len(calls) == 2
    assert all(one is other for one, other in zip(first, second, strict=True))


async def test_an_alert_whose_labels_prometheus_rewrites_stands_once() -> None:
    """Joined by what Prometheus sends: one alert, delivered, with the value of the rule; a lost one is still missing."""
    source = Server().client()
    rules = await source.rules()
    await source.close()
    labels = (("alertname", "A"), ("cluster", "eu"), ("instance", "one"), ("severity", "page"))
    merged = AlertMerger().merge((Alert("am", AlertState.ACTIVE, labels),), rules.alerts)
    assert [(item.fingerprint, item.value) for item in merged.alerts] == [("am", 7.0)]
    assert [dict(item.labels)["instance"] for item in merged.missing] == ["two"]


def test_a_server_that_shows_no_configuration_changes_nothing() -> None:
    """Most configurations rewrite no alert: then nothing is parsed."""
    for text in ("", "global: {scrape_interval: 15s}\n"):
        body = json.dumps({"status": "success", "data": {"yaml": text}}).encode()
        assert decode_config(body, where="http://p") == AlertRelabeling()


def test_external_labels_without_any_relabelling_are_read_too() -> None:
    """A past alert needs them for its fingerprint: Alertmanager knew it with them."""
    yaml = "global:\n  external_labels:\n    cluster: eu\n    replica: 1\nrule_files: []\n"
    body = json.dumps({"status": "success", "data": {"yaml": yaml}}).encode()
    found = decode_config(body, where="http://p")
    assert found.external_labels == (("cluster", "eu"), ("replica", "1")) and not found.steps
    assert found.sent((("alertname", "X"),)) == (("alertname", "X"), ("cluster", "eu"), ("replica", "1"))


async def test_external_labels_alone_are_sent_too() -> None:
    """Without a relabelling step an alert still gets the external labels, as Alertmanager lists it."""
    server = Server()
    server.config = "global: {external_labels: {cluster: eu}}\n"
    sent = [dict(item.sent_labels) for item in (await server.client().rules()).alerts]
    assert [item.get("cluster") for item in sent] == ["eu", "eu"] and all(item["severity"] == "critical" for item in sent)


@pytest.mark.parametrize(("passed", "asked"), [(0.0, 1), (599.9, 1), (600.0, 2), (-0.1, 2)])
async def test_the_configuration_is_read_again_after_ten_minutes(passed: float, asked: int) -> None:
    """Exactly then, and not before; also once the clock was set back."""
    server = Server()
    source = server.client()
    await source.rules()
    server.hour += passed
    await source.rules()
    assert server.configs == asked
    await source.close()
