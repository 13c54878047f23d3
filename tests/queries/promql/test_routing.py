"""Alertmanager's configuration in both of its forms: routes, inhibition rules and texts with their lines."""

from __future__ import annotations

import pytest

from queries.model.matcher import Matcher
from queries.promql.routing import Routing, Text
from queries.promql.rule_files import read_rules

NATIVE = """\
route:
  receiver: team
  routes:
  - receiver: first
    match: {severity: critical, tier: 1}
    match_re: {team: "a|b"}
    continue: true
  - matchers: ['owner="x"', 'zone!~"e.*"', 'broken"']
    continue: "true"
    routes:
    - receiver: deep
  - not a route
inhibit_rules:
- source_match: {severity: critical}
  source_match_re: {a: b.}
  target_matchers: [severity="warning"]
  equal: [alertname, 7]
- not a rule
- source_matchers: [a="b"]
  target_match: {c: d}
  target_match_re: {e: f.}
  equal: alertname
receivers:
- name: team
  webhook_configs:
  - url: http://example.com
"""


def read(text: str) -> Routing:
    (routing,) = read_rules(text, path="alertmanager.yaml").routings
    return routing


def test_alertmanagers_own_file() -> None:
    """Routes with their children, every form of matchers, inhibition rules, and each line; what has no shape is skipped."""
    routing = read(NATIVE)
    assert routing.route is not None and routing.namespace == ""
    assert (routing.route.line, routing.route.receiver, routing.route.matchers, routing.route.continues) == (
        1,
        "team",
        (),
        False,
    )
    first, second = routing.route.routes
    assert (first.line, first.receiver, first.continues, first.routes) == (4, "first", True, ())
    assert first.matchers == (Matcher("severity", "critical"), Matcher("tier", "1"), Matcher("team", "a|b", is_regex=True))
    assert (second.line, second.receiver, second.continues) == (8, "", False)
    assert second.matchers == (Matcher("owner", "x"), Matcher("zone", "e.*", is_regex=True, is_equal=False))
    assert [(item.line, item.receiver) for item in second.routes] == [(11, "deep")]
    one, other = routing.inhibitions
    assert (one.line, one.source, one.target, one.equal) == (
        14,
        (Matcher("severity", "critical"), Matcher("a", "b.", is_regex=True)),
        (Matcher("severity", "warning"),),
        ("alertname", "7"),
    )
    assert (other.line, other.source, other.target, other.equal) == (
        19,
        (Matcher("a", "b"),),
        (Matcher("c", "d"), Matcher("e", "f.", is_regex=True)),
        (),
    )
    assert Text("receiver", "team", 2) in routing.texts and Text("url", "http://example.com", 26) in routing.texts
    assert Text("severity", "critical", 5) in routing.texts and Text("equal", "alertname", 17) in routing.texts
    found = read_rules(NATIVE, path="alertmanager.yaml")
    assert found.native_routing and found.routing and found.problems == () and found.plain is None


MANIFEST = """\
kind: AlertmanagerConfig
metadata:
  namespace: team-a
spec:
  route:
    receiver: r
    matchers:
    - {name: a, value: b}
    - {name: c, value: d, regex: true}
    - {name: e, value: f, matchType: "!~"}
    - {name: g, matchType: "!="}
    - {value: nameless}
    - {name: h, value: i, matchType: "=~"}
  inhibitRules:
  - sourceMatch: [{name: s, value: t}]
    targetMatch: [{name: u, value: v}]
    equal: [alertname]
"""


def test_the_operators_form() -> None:
    """Matchers as mappings, with the older `regex` and the newer `matchType`, and the namespace that the operator adds."""
    routing = read(MANIFEST)
    assert routing.namespace == "team-a" and routing.route is not None and routing.route.line == 5
    assert routing.route.matchers == (
        Matcher("a", "b"),
        Matcher("c", "d", is_regex=True),
        Matcher("e", "f", is_regex=True, is_equal=False),
        Matcher("g", "", is_equal=False),
        Matcher("h", "i", is_regex=True),
    )
    (rule,) = routing.inhibitions
    assert (rule.line, rule.source, rule.target, rule.equal) == (15, (Matcher("s", "t"),), (Matcher("u", "v"),), ("alertname",))
    assert not read_rules(MANIFEST, path="a.yaml").native_routing


@pytest.mark.parametrize("namespace", ["", "metadata: 7\n", "metadata: {namespace: }\n"])
def test_a_manifest_without_a_namespace(namespace: str) -> None:
    """It is empty, and what has no route has none."""
    routing = read(f"kind: AlertmanagerConfig\n{namespace}spec: {{route: x, inhibitRules: y}}\n")
    assert (routing.namespace, routing.route, routing.inhibitions) == ("", None, ())


def test_a_configuration_in_a_secret_keeps_the_lines_of_the_file() -> None:
    """Alertmanager's file in a Secret's text: each line is one of the outer file, and it is no native file."""
    text = "kind: Secret\nstringData:\n  alertmanager.yaml: |\n    route:\n      receiver: a\n    receivers: []\n"
    found = read_rules(text, path="secret.yaml")
    (routing,) = found.routings
    assert routing.route is not None and routing.route.line == 4 and Text("receiver", "a", 5) in routing.texts
    assert found.routing and not found.native_routing
