"""A Grafana dashboard's Prometheus queries, with their place and their variables filled in."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import field
from typing import Any

from queries.grafana.variables import VARIABLE, Variable, fill_variables, name_of, read_variable
from queries.model.frozen import dataclass
from queries.promql.syntax import PromqlError, parse_promql

_LABEL_VALUES = re.compile(r"^\s*label_values\(\s*(?:(?P<expression>.+),)?\s*(?P<label>[A-Za-z_]\w*)\s*\)\s*$", re.DOTALL)
_FUNCTION = re.compile(r"^\s*(?P<name>label_names|metrics|query_result)\((?P<inner>.*)\)\s*$", re.DOTALL)
_PROMETHEUS = ("prometheus", "", "grafana-amazonprometheus-datasource", "grafana-azureprometheus-datasource")
_OURS = ("prom", "mimir", "thanos", "cortex")
_OTHERS = (
    "loki", "logs", "tempo", "traces", "elasticsearch", "opensearch", "influx", "graphite", "cloudwatch", "mysql", "postgres",
    "mssql", "clickhouse", "pyroscope", "jaeger", "zipkin", "testdata", "grafana --", "mixed --", "dashboard --",
)  # fmt: skip
"""Words that identify a data source by its name alone."""
_LEGACY = "__legacyStringValue"
"""The key of a variable's plain-text query in schema version 2."""


@dataclass(frozen=True, slots=True)
class GrafanaQuery:
    """One query: its place, its text, and its expression with every variable replaced.

    `label` is set for a variable's `label_values(expression, label)`, `names`, a regular expression, for `metrics(names)`.
    `fills` names the variable that it fills. `used` are the dashboard's variables in it, `unknown` those that the dashboard
    lacks, `unset` those without a usable value.
    """

    place: str
    written: str
    expression: str
    label: str = ""
    names: str = ""
    fills: str = ""
    used: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrafanaQueries:
    """A dashboard's Prometheus queries; `others` counts the queries of other data sources by kind."""

    title: str
    queries: tuple[GrafanaQuery, ...]
    others: tuple[tuple[str, int], ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def refill(self, empty: Container[str], *, loose: str = "") -> tuple[GrafanaQuery, ...]:
        """The queries, given that the server has no value for the `empty` variables; the `loose` one matches everything."""
        known = {**self.variables, loose: Variable(loose, every=".*")} if loose else self.variables
        return tuple(_query(item.place, item.written, known, fills=item.fills, empty=empty) for item in self.queries)


class NotADashboard(ValueError):
    """JSON that is not a Grafana dashboard; the message states what is missing."""


def read_dashboard(document: Any) -> GrafanaQueries:
    """Read an exported dashboard, one in the API's envelope, or a resource of schema version 2. Raises NotADashboard."""
    model = document
    if isinstance(document, dict) and isinstance(document.get("dashboard"), dict):
        model = document["dashboard"]
    if isinstance(model, dict) and isinstance(model.get("spec"), dict):
        spec = model["spec"]
        if "elements" in spec:
            return _second_version(spec)
        model = spec
    if not isinstance(model, dict) or not isinstance(model.get("panels", model.get("rows")), list):
        raise NotADashboard("neither `panels` nor `spec.elements` exists: this is not a Grafana dashboard")
    inputs = _mappings(model.get("__inputs"))
    listed = [(str(item.get("type") or ""), item) for item in _mappings(_inside(model, "templating").get("list"))]
    collector = _QueryCollector(listed, inputs)
    for panel in _panels(model):
        title = str(panel.get("title") or f"panel {panel.get('id', '?')}")
        for target in _mappings(panel.get("targets")):
            place = f'"{title}" {target.get("refId", "")}'.strip()
            collector.add(place, target.get("expr"), target.get("datasource") or panel.get("datasource"))
    for kind, item in listed:
        if kind == "query":
            query = item.get("query")
            text = query.get("query") if isinstance(query, dict) else query or item.get("definition")
            collector.add(f"variable {item.get('name')}", text, item.get("datasource"), fills=str(item.get("name")))
    for item in _mappings(_inside(model, "annotations").get("list")):
        text = item.get("expr") or _inside(item, "target").get("expr")
        collector.add(f'annotation "{item.get("name", "")}"', text, item.get("datasource"))
    return collector.build(str(model.get("title", "")))


class _QueryCollector:
    """Collects the Prometheus queries of a dashboard, and counts those of other data sources."""

    def __init__(self, listed: list[tuple[str, Mapping[str, Any]]], inputs: list[Mapping[str, Any]] | None = None) -> None:
        named = [(str(item.get("name")), item) for item in inputs or []]
        constants = {name: str(item.get("value", "")) for name, item in named if item.get("type") == "constant"}
        self._kinds = {name: str(item.get("pluginId", "")) for name, item in named if item.get("type") == "datasource"}
        for kind, item in listed:
            if kind == "datasource":
                self._kinds[str(item.get("name"))] = str(item.get("query") or item.get("pluginId") or "")
        self._variables = {name: Variable(name, (value,), value) for name, value in constants.items()}
        for kind, item in listed:
            self._variables[str(item.get("name"))] = read_variable(item, kind, inputs=constants)
        self._queries: list[tuple[str, str, str]] = []
        self._others: dict[str, int] = {}

    def add(self, place: str, written: Any, source: Any, *, fills: str = "") -> None:
        """Add a query, if it is one; `source` identifies its data source."""
        if not isinstance(written, str) or not written.strip():
            return
        kind, certain = self._kind(source)
        if kind in _PROMETHEUS and (certain or _is_promql(written, self._variables)):
            self._queries.append((place, written, fills))
            return
        kind = kind or f"a data source of an unknown kind ({_name(source)})"
        self._others[kind] = self._others.get(kind, 0) + 1
        if fills:
            # Another server may have any value, or none.
            self._variables[fills] = Variable(fills, chosen=self._variables[fills].chosen, every=".*")

    def build(self, title: str) -> GrafanaQueries:
        known = self._variables
        queries = tuple(_query(place, written, known, fills=fills) for place, written, fills in self._queries)
        return GrafanaQueries(title, queries, tuple(sorted(self._others.items())), known)

    def _kind(self, source: Any) -> tuple[str, bool]:
        """The kind of a data source, empty for Grafana's default, and whether it is certain."""
        if isinstance(source, dict) and source.get("type"):
            return str(source["type"]), True
        name = _name(source)
        variable = VARIABLE.fullmatch(name)
        if variable and name_of(variable) in self._kinds:
            return self._kinds[name_of(variable)], True
        folded = name.casefold()
        if not name or any(word in folded for word in _OURS):
            return "", True
        return next((word for word in _OTHERS if word in folded), ""), False


def _name(source: Any) -> str:
    if isinstance(source, dict):
        return str(source.get("uid") or source.get("name") or "")
    return source if isinstance(source, str) else ""


def _is_promql(written: str, variables: Mapping[str, Variable]) -> bool:
    try:
        parse_promql(fill_variables(written, variables).text)
    except PromqlError:
        return False
    return True


def _query(
    place: str, written: str, variables: Mapping[str, Variable], *, fills: str = "", empty: Container[str] = ()
) -> GrafanaQuery:
    filled = fill_variables(written, variables, empty=empty)
    text, label, names = filled.text.strip(), "", ""
    if fills:
        if values := _LABEL_VALUES.match(text):
            text, label = (values["expression"] or "").strip(), values["label"]
        elif function := _FUNCTION.match(text):
            inner = function["inner"].strip()
            text, names = ("", inner) if function["name"] == "metrics" else (inner, "")
    return GrafanaQuery(place, written, text, label, names, fills, filled.used, filled.unknown, filled.unset)


def _panels(model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All panels, also those in rows and the library panels of a shared export."""
    for panel in [*_mappings(model.get("panels")), *_mappings(model.get("rows"))]:
        yield panel
        yield from _mappings(panel.get("panels"))
    for element in _mappings(list(_inside(model, "__elements").values())):
        yield _inside(element, "model")


def _second_version(spec: Mapping[str, Any]) -> GrafanaQueries:
    variables = [(_type(str(item.get("kind", ""))), _inside(item, "spec")) for item in _mappings(spec.get("variables"))]
    collector = _QueryCollector(variables)

    def add(place: str, target: Mapping[str, Any], *keys: str, fills: str = "") -> None:
        query = _inside(target, "query")
        written = next((text for key in keys if (text := _inside(query, "spec").get(key))), None)
        kind = str(query.get("group") or query.get("kind") or "")
        source = query.get("datasource") or target.get("datasource")
        collector.add(place, written, source if kind in ("", "DataQuery") else {"type": kind}, fills=fills)

    for name, element in _inside(spec, "elements").items():
        panel = _inside(element, "spec") if isinstance(element, dict) else {}
        for item in _mappings(_inside(_inside(panel, "data"), "spec").get("queries")):
            target = _inside(item, "spec")
            add(f'"{panel.get("title") or name}" {target.get("refId", "")}'.strip(), target, "expr")
    for kind, item in variables:
        if kind == "query":
            add(f"variable {item.get('name')}", item, "query", _LEGACY, fills=str(item.get("name")))
    for item in _mappings(spec.get("annotations")):
        target = _inside(item, "spec")
        add(f'annotation "{target.get("name", "")}"', target, "expr")
    return collector.build(str(spec.get("title", "")))


def _type(kind: str) -> str:
    """`CustomVariable` → `custom`, as in schema version 1."""
    name = kind.removesuffix("Variable").lower()
    return "textbox" if name == "text" else name


def _inside(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
