"""Dashboards as people have them: old and new forms, every way to write a variable, and what is no dashboard."""

from __future__ import annotations

from typing import Any

import pytest

from queries.grafana.model import NotADashboard, read_dashboard
from queries.grafana.variables import Variable, fill_variables

TARGET = {"refId": "A", "expr": "up"}


def expressions(document: Any) -> list[str]:
    return [query.expression for query in read_dashboard(document).queries]


@pytest.mark.parametrize(
    "document",
    [
        {"panels": [{"title": "P", "targets": [TARGET]}]},
        {"dashboard": {"panels": [{"title": "P", "targets": [TARGET]}]}, "meta": {}},
        {"panels": [{"type": "row", "panels": [{"title": "P", "targets": [TARGET]}]}]},
        {"rows": [{"panels": [{"title": "P", "targets": [TARGET]}]}]},
        {"spec": {"panels": [{"title": "P", "targets": [TARGET]}]}, "apiVersion": "dashboard.grafana.app/v1beta1"},
        {
            "apiVersion": "dashboard.grafana.app/v2",
            "spec": {
                "elements": {
                    "panel-1": {
                        "kind": "Panel",
                        "spec": {
                            "title": "P",
                            "data": {
                                "kind": "QueryGroup",
                                "spec": {
                                    "queries": [
                                        {"spec": {"refId": "A", "query": {"group": "prometheus", "spec": {"expr": "up"}}}}
                                    ]
                                },
                            },
                        },
                    }
                }
            },
        },
    ],
    ids=["plain", "envelope", "row", "rows", "resource", "second-version"],
)
def test_every_form_of_a_dashboard(document: Any) -> None:
    """The one query is found with its place, whichever way Grafana wrote it down."""
    (query,) = read_dashboard(document).queries
    assert (query.place, query.expression) == ('"P" A', "up")


@pytest.mark.parametrize("document", [None, 3, [], {}, {"panels": 3}, {"title": "x"}, {"spec": {}}])
def test_what_is_no_dashboard(document: Any) -> None:
    """Any other JSON is called so."""
    with pytest.raises(NotADashboard, match=r"spec\.elements"):
        read_dashboard(document)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a{p="$p"}', 'a{p="x"}'),
        ('a{p=~"${p}"}', 'a{p=~"x"}'),
        ('a{p=~"${p:regex}"}', 'a{p=~"x"}'),
        ('a{p=~"[[p]]"}', 'a{p=~"x"}'),
        ("rate(a[$__rate_interval])", "rate(a[5m])"),
        ("rate(a[${__range}])", "rate(a[1h])"),
        ('label_replace(a, "b", "$1", "c", "(.+)")', 'label_replace(a, "b", "$1", "c", "(.+)")'),
        ('label_replace(a, "b", "${1}xx", "c", "(.+)")', 'label_replace(a, "b", "${1}xx", "c", "(.+)")'),
        ('label_replace(a, "b", "${n}", "c", "(?P<n>.+)")', 'label_replace(a, "b", "${n}", "c", "(?P<n>.+)")'),
        ("a{p=~${p:doublequote}}", 'a{p=~"x"}'),
        ("a{p='$p'}", 'a{p="x"}'),
        ("a{p=`\\$p`}", 'a{p="\\\\x"}'),
        ('a{q="$q"}', 'a{q=~".+"}'),
        ('a{q="$q.x:$p"}', 'a{q=~".+\\\\.x:x"}'),
        ('a{q!~"$q"}', 'a{q=~".*"}'),
        ("a{e='$e'}", 'a{e=~""}'),
        ('a{m="$m"}', 'a{m=~"(a\\\\|b|c)"}'),
        ('a{m=~"$m"}', 'a{m=~"(a|b|c)"}'),
        ("topk($p, a)", "topk(x, a)"),
        ("a @ ${__to:date:seconds}", "a @ end()"),
    ],
)
def test_variables_are_filled_in(text: str, told: str) -> None:
    """Every notation of Grafana; what a regular expression calls $1 stays; what the server alone knows may be anything."""
    known = [Variable("p", ("x",), "x"), Variable("q"), Variable("e"), Variable("m", ("a|b", "c"))]
    found = fill_variables(text, {item.name: item for item in known}, empty={"e"})
    assert (found.text, found.unknown, found.unset) == (told, (), ())


def test_a_variable_that_nobody_defines() -> None:
    """It is named, once; what a backslash makes a dollar sign of its own is none."""
    assert fill_variables(r'a{p!~"\\$SYS.*"}', {}).unknown == ()
    assert fill_variables("a{p='$q'} + b{p='$q'}", {}).unknown == ("q",)


def test_a_variable_without_a_value_where_no_pattern_can_stand() -> None:
    """A name, a number or a range that only the server knows is named, once."""
    assert fill_variables('$q{a="$q"} / $q', {"q": Variable("q")}).unset == ("q",)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ({"type": "query", "current": {"value": ["$__all"]}}, ".+"),
        ({"type": "query", "current": {"value": "$__all"}, "allValue": "x.*"}, "x.*"),
        ({"type": "custom", "current": {"value": ["a", "b"]}}, "(a|b)"),
        ({"type": "custom", "current": {"value": "a"}}, "a"),
        ({"type": "constant", "query": "c"}, "c"),
        ({"type": "query"}, ".+"),
        ({"type": "query", "current": {"value": "saved"}}, ".+"),
        ({"type": "custom", "query": "One : a, b\\,c", "current": {}}, "(a|b,c)"),
        ({"type": "custom", "query": '[{"text": "One", "value": "a"}]', "current": {}}, "a"),
        ({"type": "custom", "query": "a.b", "multi": True, "includeAll": True, "allValue": "a.*"}, "(a\\\\.b|a.*)"),
        ({"type": "textbox", "query": "x"}, ".*"),
        ({"type": "adhoc"}, ".*"),
    ],
)
def test_what_a_variable_stands_for(variable: dict[str, Any], told: str) -> None:
    """Whatever can be chosen: all values that the dashboard spells out, else what the server has, or the pattern of All."""
    document = {
        "templating": {"list": [{"name": "v", **variable}]},
        "panels": [{"targets": [{"refId": "A", "expr": 'a{b=~"$v"}'}]}],
    }
    assert f'a{{b=~"{told}"}}' in expressions(document)


def test_other_data_sources_are_counted_not_checked() -> None:
    """A Loki query has an `expr` too; by its data source, or by the variable that holds it, it is none of ours."""
    document = {
        "templating": {"list": [{"name": "logs", "type": "datasource", "query": "loki"}]},
        "panels": [
            {"targets": [{"refId": "A", "expr": "{}", "datasource": {"type": "loki", "uid": "x"}}]},
            {"datasource": {"uid": "${logs}"}, "targets": [{"refId": "A", "expr": "{}"}]},
            {"datasource": None, "targets": [{"refId": "A", "expr": "up"}]},
        ],
    }
    found = read_dashboard(document)
    assert [item.expression for item in found.queries] == ["up"]
    assert found.others == (("loki", 2),)


def test_variables_and_annotations_ask_too() -> None:
    """`label_values` is taken apart into its series and its label."""
    document = {
        "templating": {
            "list": [
                {"name": "a", "type": "query", "query": 'label_values(up{job="x"}, instance)'},
                {"name": "b", "type": "query", "query": {"query": "label_values(job)", "refId": "b"}},
            ]
        },
        "annotations": {"list": [{"name": "deploys", "expr": "changes(up[1m])"}]},
        "panels": [],
    }
    found = read_dashboard(document).queries
    assert [(item.expression, item.label) for item in found] == [
        ('up{job="x"}', "instance"), ("", "job"), ("changes(up[1m])", ""),
    ]  # fmt: skip


def test_the_second_version_has_variables_and_sources_too() -> None:
    """Its variables are read as those of the first, a query by its group, a variable's old text by its name."""

    def panel(group: str, text: str) -> dict[str, Any]:
        query = {"spec": {"refId": "A", "query": {"kind": "DataQuery", "group": group, "spec": {"expr": text}}}}
        return {"kind": "Panel", "spec": {"title": "P", "data": {"spec": {"queries": [query]}}}}

    old = {"kind": "DataQuery", "group": "prometheus", "spec": {"__legacyStringValue": "label_values(up, job)"}}
    variables = [
        {"kind": "QueryVariable", "spec": {"name": "job", "query": old, "hide": "hideVariable"}},
        {"kind": "CustomVariable", "spec": {"name": "code", "query": "a,b"}},
        {"kind": "TextVariable", "spec": {"name": "text", "query": ""}},
    ]
    elements = {
        "1": panel("prometheus", 'up{job="$job",code=~"$code",text=~"$text"}'),
        "2": panel("loki", '{app="x"} |= "y"'),
    }
    found = read_dashboard({"spec": {"elements": elements, "variables": variables}})
    assert [(item.place, item.expression, item.label) for item in found.queries] == [
        ('"P" A', 'up{job=~".+",code=~"(a|b)",text=~".*"}', ""),
        ("variable job", "up", "job"),
    ]
    assert found.others == (("loki", 1),) and found.variables["job"].hidden


def test_panels_of_the_library_come_with_a_shared_export() -> None:
    """What a panel of the library asks stands in the export's elements."""
    element = {"name": "L", "kind": 1, "model": {"title": "L", "targets": [TARGET]}}
    document = {"panels": [{"libraryPanel": {"uid": "x"}}], "__elements": {"x": element}}
    assert [item.place for item in read_dashboard(document).queries] == ['"L" A']
