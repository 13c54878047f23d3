"""What a server can do, and where its rules are, as the recorded answers of real servers of several makers say."""

from __future__ import annotations

import json

import pytest
from recorded_server import RecordedServer

from queries.errors import AccessDenied, RequestRejected
from queries.http.error_mapping import from_response
from queries.model.annotations import is_warning, line_of
from queries.prometheus.capabilities import (
    ANCHORED,
    DURATION_EXPRESSIONS,
    FEATURES,
    FILL,
    INFO,
    NATIVE_HISTOGRAMS,
    PROBE_QUERIES,
    PROBES,
    SMOOTHED,
    UTF8_NAMES,
)
from queries.prometheus.responses import RulesDecoder


async def test_victoriametrics_is_probed_and_its_rules_are_elsewhere() -> None:
    """It has no list of features, calls itself 2.24.0, and lists no rule: that is not the absence of rules."""
    server = RecordedServer("victoriametrics-1.148")
    source = server.source()
    found = await source.capabilities()
    assert (found.learned_from, found.maker, found.version) == (PROBES, "VictoriaMetrics", "2.24.0")
    assert (found.extensions.get(NATIVE_HISTOGRAMS), found.extensions.get(ANCHORED), found.functions) == (False, False, None)
    assert (found.metadata, found.rules, found.limit, found.parse_query) == (False, False, True, False)
    assert "VictoriaMetrics evaluates none itself; set `ruler`" in await source.explain_missing_rules()
    server.paths.clear()
    assert await source.capabilities() is found and not server.paths, "learned once a connection"
    await source.close()


async def test_the_ruler_is_asked_for_rules_and_for_nothing_else() -> None:
    """vmalert has rules and alerts, the server beside it the series."""
    server = RecordedServer("victoriametrics-1.148", vmalert="vmalert-1.148")
    source = server.source(ruler="vmalert")
    rules = await source.rules()
    assert [rule.name for rule in rules.rules] == ["Down"] and rules.recorded == ("job:up:sum",)
    (group,) = await source.rule_groups()
    assert (group.name, group.interval_seconds) == ("g", 5.0) and group.evaluated_at
    assert (await source.capabilities()).rules is True
    assert await source.explain_missing_rules() == ""
    await source.close()


async def test_an_agent_says_where_to_ask() -> None:
    """A Prometheus in agent mode refuses every query with a 422; no probe takes that for missing features."""
    source = RecordedServer("prometheus-2.42-agent").source()
    with pytest.raises(RequestRejected, match=r"unavailable with Prometheus Agent .*: it scrapes and forwards only"):
        await source.query("sum(")
    found = await source.capabilities()
    assert (found.extensions.get(ANCHORED), found.rules, found.limit) == (None, None, None)
    await source.close()


def test_a_tenant_gateway_names_the_header() -> None:
    """A gateway's `401 no org id` is about the tenant, not about credentials."""
    error = from_response(401, {"content-type": "text/plain"}, b"no org id\n", where="http://g", now=0.0)
    assert isinstance(error, AccessDenied) and "X-Scope-OrgID" in error.fault.hint


async def test_the_newest_prometheus_lists_its_features() -> None:
    """3.16 names what its PromQL takes: that list counts, and probes agree with it where they can."""
    server = RecordedServer("prometheus-3.16")
    source = server.source()
    found = await source.capabilities()
    assert (found.learned_from, found.maker, found.version) == (FEATURES, "Prometheus", "3.16.0")
    assert {name: found.extensions.get(name) for name in PROBE_QUERIES} == {
        NATIVE_HISTOGRAMS: True, DURATION_EXPRESSIONS: True, ANCHORED: True, SMOOTHED: True, FILL: False, INFO: False,
        UTF8_NAMES: True,
    }  # fmt: skip
    assert found.functions is not None and {"histogram_quantile", "topk"} <= found.functions
    assert (found.metadata, found.rules, found.limit, found.parse_query) == (True, True, True, True)
    assert not [path for path in server.paths if path.endswith("/query")], "nothing is probed that is listed"
    await source.close()


async def test_an_answer_of_native_histograms_and_the_remarks_beside_it() -> None:
    """As 3.16 writes them: `histogram` in place of `value`, infos and warnings with their place in the query."""
    source = RecordedServer("prometheus-3.16").source()
    native = await source.query("ocr_stage_duration_seconds")
    assert not native.samples and native.annotations.infos[0].endswith("native histograms are not shown")
    quantile = await source.query("histogram_quantile(0.95, sum by (provider) (rate(ocr_processing_duration_seconds[1m])))")
    assert {sample.label("provider") for sample in quantile.samples} == {"paddle", "deepseek_hf"}
    advice = (await source.query("rate(ocr_model_loaded[1m])")).annotations
    assert not advice.warnings and not advice.partial and line_of(advice.infos[0]) == 1
    wrong = (await source.query("histogram_quantile(0.9, ocr_model_loaded)")).annotations
    assert is_warning(wrong.warnings[0]) and not wrong.partial and line_of(wrong.warnings[0]) == 1
    await source.close()


async def test_the_configuration_says_how_alerts_are_sent() -> None:
    """3.16's own configuration: an external label, and a severity that is rewritten on the way."""
    source = RecordedServer("prometheus-3.16").source()
    (alert,) = (await source.rules()).alerts
    assert dict(alert.sent_labels) == {"alertname": "Down", "cluster": "eu", "severity": "page"}
    await source.close()


async def test_victoriametrics_refuses_in_its_own_way() -> None:
    """Its `errorType` is a number: the query is refused, and the server is up."""
    source = RecordedServer("victoriametrics-1.148").source()
    with pytest.raises(RequestRejected, match="unexpected token"):
        await source.query("sum(")
    await source.close()


async def test_vmalert_labels_every_rule_and_alert() -> None:
    """Its external labels are in the rules, and `alertgroup` beside them in the alerts, which so equal Alertmanager's."""
    source = RecordedServer("victoriametrics-1.148", vmalert="vmalert-1.148").source(ruler="vmalert")
    rules = await source.rules()
    (alert,), (group,) = rules.alerts, await source.rule_groups()
    assert dict(alert.labels) == {"alertname": "Down", "alertgroup": "g", "cluster": "eu", "severity": "critical"}
    assert all(("cluster", "eu") in rule.labels for rule in group.rules) and not alert.sent_labels
    await source.close()


def test_null_is_an_empty_list() -> None:
    """Go writes an empty list as null, and Thanos does so for groups, rules, alerts and warnings."""
    for data in ({"groups": None}, {"groups": [{"name": "g", "rules": None}]}):
        body = json.dumps({"status": "success", "warnings": None, "infos": None, "data": data}).encode()
        assert RulesDecoder("http://thanos").decode(body).rules == ()
    rule = {"type": "alerting", "name": "A", "query": "x", "alerts": None}
    body = json.dumps({"status": "success", "data": {"groups": [{"name": "g", "rules": [rule]}]}}).encode()
    assert RulesDecoder("http://thanos").decode(body).alerts == ()
