"""The variables of a dashboard: what each kind can be, and how each is written into a query."""

from __future__ import annotations

from typing import Any

import pytest

from queries.grafana.model import read_dashboard
from queries.grafana.variables import FilledText, Variable, fill_variables, read_variable


def read(kind: str, inputs: dict[str, str] | None = None, **item: Any) -> Variable:
    return read_variable({"name": "v", **item}, kind, inputs=inputs or {})


def current(value: Any) -> dict[str, Any]:
    return {"value": value}


@pytest.mark.parametrize(
    ("kind", "item", "variable"),
    [
        ("constant", {"query": "a"}, Variable("v", ("a",), "a")),
        ("constant", {"query": "", "current": current("saved")}, Variable("v", ("saved",), "saved")),
        ("constant", {"query": "${VAR_X}-${OTHER}"}, Variable("v", ("x-${OTHER}",), "x-${OTHER}")),
        ("custom", {"query": "a, b"}, Variable("v", ("a", "b"), "a")),
        ("custom", {"query": "A : a,B : b,a\\,c, All", "current": current("b")}, Variable("v", ("a", "b", "a,c"), "b")),
        ("custom", {"query": "a", "multi": True}, Variable("v", ("a",), "a", escaped=True)),
        ("custom", {"query": "a", "includeAll": True, "allValue": ".*"}, Variable("v", ("a",), "a", ".*", escaped=True)),
        ("custom", {"query": "a", "includeAll": False, "allValue": ".*"}, Variable("v", ("a",), "a")),
        ("custom", {"query": '[{"value": 1}, "b", null, {"text": "x"}]'}, Variable("v", ("1", "b"), "1")),
        ("custom", {"query": "[broken", "current": current(["c", "$__all"])}, Variable("v", ("c",), "c")),
        ("custom", {"options": [{"value": "a"}, 3, {"text": "b"}, {"value": "$__all"}]}, Variable("v", ("a",), "a")),
        ("custom", {}, Variable("v")),
        ("interval", {"query": "1m,10m,1h,6h"}, Variable("v", chosen="1h", every=".*")),
        ("interval", {"query": "6h, '1d'"}, Variable("v", chosen="6h", every=".*")),
        ("interval", {"query": "auto,x", "current": current("30s")}, Variable("v", chosen="30s", every=".*")),
        ("interval", {"query": "1M,auto"}, Variable("v", chosen="1M", every=".*")),
        ("interval", {}, Variable("v", chosen="5m", every=".*")),
        ("query", {"current": current(["a", "b"])}, Variable("v", chosen="a")),
        ("query", {"current": current("$__all"), "allValue": "x.*"}, Variable("v", every="x.*")),
        ("switch", {"enabledValue": "on", "disabledValue": "off"}, Variable("v", ("on", "off"), "on")),
        ("switch", {"enabledValue": 1, "current": current("off")}, Variable("v", ("1",), "off")),
        ("switch", {"current": current("off")}, Variable("v", ("off",), "off")),
        ("switch", {}, Variable("v")),
        ("textbox", {"query": "typed"}, Variable("v", chosen="typed", every=".*")),
        ("textbox", {"query": {"odd": 1}}, Variable("v", every=".*")),
        ("datasource", {"query": "prometheus"}, Variable("v", every=".*")),
        ("adhoc", {"current": 7}, Variable("v", every=".*")),
        ("textbox", {"query": "x", "hide": 2}, Variable("v", chosen="x", every=".*", hidden=True)),
        ("query", {"hide": "hideVariable"}, Variable("v", hidden=True)),
        ("query", {"hide": 1}, Variable("v")),
        ("query", {"includeAll": None, "allValue": None}, Variable("v")),
    ],
)
def test_each_kind_of_variable(kind: str, item: dict[str, Any], variable: Variable) -> None:
    """Its possible values, the saved one, the pattern of All, and whether a person can choose it."""
    assert read(kind, {"VAR_X": "x"}, **item) == variable


KNOWN = {
    item.name: item
    for item in (
        Variable("one", ("a.b",), "a.b"),
        Variable("two", ("a.b", "c"), "c"),
        Variable("safe", ("a.b", "c"), "c", escaped=True),
        Variable("all", ("a", "b"), "a", every="x.*"),
        Variable("any", chosen="k", every=".*"),
        Variable("server", chosen="s"),
        Variable("blank"),
        Variable("span", chosen="10m", every=".*"),
    )
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('up{a="$one"}', 'up{a="a.b"}'),
        ('up{a!="${one}"}', 'up{a!="a.b"}'),
        ('up{a="x-$one"}', 'up{a="x-a.b"}'),
        ('up{a="$two"}', 'up{a=~"(a\\\\.b|c)"}'),
        ('up{a=~"$two"}', 'up{a=~"(a.b|c)"}'),
        ('up{a=~"v.$two"}', 'up{a=~"v.(a.b|c)"}'),
        ('up{a="v.$two"}', 'up{a=~"v\\\\.(a\\\\.b|c)"}'),
        ('up{a=~"$safe"}', 'up{a=~"(a\\\\.b|c)"}'),
        ('up{a=~"$all"}', 'up{a=~"(a|b|x.*)"}'),
        ('up{a="$all"}', 'up{a=~"(a|b)"}'),
        ('up{a="$any"}', 'up{a=~".*"}'),
        ('up{a="$server"}', 'up{a=~".+"}'),
        ('up{a="v.$server"}', 'up{a=~"v\\\\..+"}'),
        ('up{a!="$two"}', 'up{a=~".*"}'),
        ('up{a!~"$server"}', 'up{a=~".*"}'),
        ('up{a=~"[[two:pipe]]"}', 'up{a=~"(a.b|c)"}'),
        ('up{a=~"${two:regex}"}', 'up{a=~"(a.b|c)"}'),
        ("up{a=${one:doublequote}}", 'up{a="a.b"}'),
        ("up{a='$one'}", 'up{a="a.b"}'),
        ("up{a=`$one`}", 'up{a="a.b"}'),
        ("rate(up[$span])", "rate(up[10m])"),
        ("rate(up[$__rate_interval])", "rate(up[5m])"),
        ("rate(up[$__auto_interval_x])", "rate(up[5m])"),
        ("rate(up[$__range])", "rate(up[1h])"),
        ("up * $__interval_ms", "up * 300000"),
        ("up @ $__to", "up @ end()"),
        ("up @ ${__from:date:seconds}", "up @ end()"),
        ("time() - ${__from:date:seconds}", "time() - (time() - 3600)"),
        ("$__to / 1000", "(time() * 1000) / 1000"),
        ("sum by ($server) (up)", "sum by (s) (up)"),
        ('label_replace(up, "a", "$1", "b", "(.*)")', 'label_replace(up, "a", "$1", "b", "(.*)")'),
    ],
)
def test_each_way_to_write_a_variable(text: str, filled: str) -> None:
    """Within a matcher every value that it may have, elsewhere the saved one; literal values are escaped in a pattern."""
    assert fill_variables(text, KNOWN).text == filled


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$one + $two + $one", FilledText("a.b + c + a.b", ("one", "two"))),
        ("$nope + ${gone} + $nope", FilledText("$nope + ${gone} + $nope", (), ("nope", "gone"))),
        ("$blank", FilledText("", ("blank",), (), ("blank",))),
        ('up{a="$blank"}', FilledText('up{a=~".+"}', ("blank",))),
        ("$__user", FilledText("", (), (), ("__user",))),
        (
            'label_replace(up, "a", "$name", "b", "(?P<name>.)")',
            FilledText('label_replace(up, "a", "$name", "b", "(?P<name>.)")'),
        ),
        ('up{a="\\$one"}', None),
    ],
)
def test_what_is_used_unknown_or_unset(text: str, found: FilledText | None) -> None:
    """Each once, in order: the dashboard's own, those it lacks, and those whose value only the server knows."""
    filled = fill_variables(text, KNOWN)
    assert filled == found if found is not None else filled.unknown == ()


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('up{a="$server"}', 'up{a=~""}'),
        ('up{a!="$server"}', 'up{a!~""}'),
        ('up{a="x$server"}', 'up{a=~"x"}'),
        ('up{a=~"$any"}', 'up{a=~".*"}'),
    ],
)
def test_a_variable_that_has_no_value_on_the_server(text: str, filled: str) -> None:
    """Grafana replaces it by nothing, unless All has a pattern of its own."""
    assert fill_variables(text, KNOWN, empty={"server"}).text == filled


def test_data_sources_decide_what_is_a_query() -> None:
    """By type, by a variable, by an input of a shared export, or by a name; of an unknown kind what is no PromQL is counted."""
    sources: list[Any] = [
        {"type": "prometheus"}, {"type": "loki"}, "$ds", "${DS_X}", "Prometheus main", "My Loki", {"uid": "abc"},
        {"uid": "abc"}, None,
    ]  # fmt: skip
    texts = ["a", "b", "c", "d", "e", "f", "g", "{} |= odd", "h"]
    targets = [{"expr": text, "datasource": source} for text, source in zip(texts, sources, strict=True)]
    found = read_dashboard(
        {
            "title": "T",
            "panels": [{"id": 7, "targets": targets}, {"targets": [{"refId": "Z", "expr": " "}, {"expr": 7}]}],
            "templating": {"list": [{"name": "ds", "type": "datasource", "query": "influxdb"}]},
            "__inputs": [{"name": "DS_X", "type": "datasource", "pluginId": "prometheus"}],
        }
    )
    assert [query.expression for query in found.queries] == ["a", "d", "e", "g", "h"]
    assert dict(found.others) == {"loki": 2, "influxdb": 1, "a data source of an unknown kind (abc)": 1}
    assert (found.title, found.queries[0].place) == ("T", '"panel 7"')


def test_annotations_and_variables_are_queries_too() -> None:
    """In both versions of the model; each with its place, what it fills, and the label or names that it asks for."""
    listed = [
        {"name": "a", "type": "query", "query": "label_values(up{x='1'}, job)"},
        {"name": "b", "type": "query", "query": {"query": "label_values(zone)"}},
        {"name": "c", "type": "query", "definition": "metrics(ocr.*)"},
        {"name": "d", "type": "query", "query": "query_result(up)"},
    ]
    annotations = {"list": [{"name": "deploys", "expr": "changes(up[1m])"}, {"target": {"expr": "b"}}]}
    found = read_dashboard({"panels": [], "templating": {"list": listed}, "annotations": annotations})
    assert [(item.place, item.expression, item.label, item.names, item.fills) for item in found.queries] == [
        ("variable a", "up{x='1'}", "job", "", "a"),
        ("variable b", "", "zone", "", "b"),
        ("variable c", "", "", "ocr.*", "c"),
        ("variable d", "up", "", "", "d"),
        ('annotation "deploys"', "changes(up[1m])", "", "", ""),
        ('annotation ""', "b", "", "", ""),
    ]


def test_the_second_version_of_the_model() -> None:
    """Queries by their group or data source, variables by their kind, annotations by their name."""

    def query(ref: str, expr: str, **more: Any) -> dict[str, Any]:
        return {"spec": {"refId": ref, "query": {"spec": {"expr": expr}, **more}}}

    queries = [
        query("A", "a", group="prometheus"), query("B", "b", group="loki"),
        query("C", "c", kind="DataQuery", datasource={"name": "p"}),
        query("D", "d", kind="loki"), query("E", "e", kind="DataQuery", datasource={"type": "loki"}),
    ]  # fmt: skip
    panel = {"spec": {"title": "P", "data": {"spec": {"queries": queries}}}}
    spec = {
        "title": "T",
        "elements": {"panel-1": panel, "panel-2": 7},
        "variables": [{"kind": "QueryVariable", "spec": {"name": "v", "query": {"spec": {"query": "label_values(job)"}}}},
                      {"kind": "TextVariable", "spec": {"name": "t", "query": "x"}}],
        "annotations": [{"spec": {"name": "n", "query": {"group": "prometheus", "spec": {"expr": "f"}}}}],
    }  # fmt: skip
    found = read_dashboard({"apiVersion": "dashboard.grafana.app/v2", "spec": spec})
    assert [(item.place, item.expression) for item in found.queries] == [
        ('"P" A', "a"), ('"P" C', "c"), ("variable v", ""), ('annotation "n"', "f")
    ]  # fmt: skip
    assert found.others == (("loki", 3),) and found.variables["t"].chosen == "x"
