"""What a Grafana dashboard asks of Prometheus: every query with its place, its variables filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_VARIABLE = re.compile(r"\$(?P<bare>[A-Za-z_]\w*)|\$\{(?P<braced>\w+)(?:[.:][^}]*)?\}|\[\[(?P<old>\w+)(?::[^\]]*)?\]\]")
_LABEL_VALUES = re.compile(r"^\s*label_values\(\s*(?:(?P<expression>.+),)?\s*(?P<label>[A-Za-z_]\w*)\s*\)\s*$", re.DOTALL)
_BUILT_IN = {
    "__rate_interval": "5m", "__interval": "1m", "__range": "1h", "__interval_ms": "60000", "__range_s": "3600",
    "__range_ms": "3600000", "__from": "0", "__to": "0", "__name": "name", "__dashboard": "dashboard", "timeFilter": "",
}  # fmt: skip
_OURS = ("prometheus", "")
_ALL = "$__all"


@dataclass(frozen=True, slots=True)
class GrafanaQuery:
    """One query: where it stands, what it says, and the expression with a value for every variable.

    `label` is set for `label_values(expression, label)` of a variable. `unknown` are variables that the dashboard lacks.
    """

    place: str
    written: str
    expression: str
    label: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrafanaQueries:
    """All that a dashboard asks of Prometheus; `others` counts the queries of other data sources, by their kind."""

    title: str
    queries: tuple[GrafanaQuery, ...]
    others: tuple[tuple[str, int], ...] = ()


class NoDashboard(ValueError):
    """JSON that is no Grafana dashboard; the message says what is missing."""


def read_dashboard(document: Any) -> GrafanaQueries:
    """A dashboard as Grafana exports it, in its API's envelope, or in the second version's resource. Raises NoDashboard."""
    model = document
    if isinstance(document, dict) and isinstance(document.get("dashboard"), dict):
        model = document["dashboard"]
    if isinstance(model, dict) and isinstance(model.get("spec"), dict):
        spec = model["spec"]
        if "elements" in spec:
            return _second_version(spec)
        model = spec
    if not isinstance(model, dict) or not isinstance(model.get("panels", model.get("rows")), list):
        raise NoDashboard("neither `panels` nor `spec.elements` is there: this is no Grafana dashboard")
    variables = _mappings(_inside(model, "templating").get("list"))
    known = {str(item.get("name")): _value(item, str(item.get("allValue") or "")) for item in variables}
    kinds = {str(item.get("name")): str(item.get("query")) for item in variables if item.get("type") == "datasource"}
    found: list[GrafanaQuery] = []
    others: dict[str, int] = {}

    def take(place: str, written: str, source: Any) -> None:
        kind = _kind(source, kinds)
        if kind in _OURS:
            found.append(_query(place, written, known))
        else:
            others[kind] = others.get(kind, 0) + 1

    for panel in _panels(model):
        title = str(panel.get("title") or f"panel {panel.get('id', '?')}")
        for target in _mappings(panel.get("targets")):
            if isinstance(target.get("expr"), str) and target["expr"].strip():
                take(
                    f'"{title}" {target.get("refId", "")}'.strip(),
                    target["expr"],
                    target.get("datasource", panel.get("datasource")),
                )
    for item in variables:
        if item.get("type") == "query":
            asked = item.get("query")
            text = str(asked.get("query", "")) if isinstance(asked, dict) else str(asked or item.get("definition", ""))
            if text.strip():
                take(f"variable {item.get('name')}", text, item.get("datasource"))
    for item in _mappings(_inside(model, "annotations").get("list")):
        if isinstance(item.get("expr"), str) and item["expr"].strip():
            take(f'annotation "{item.get("name", "")}"', item["expr"], item.get("datasource"))
    return GrafanaQueries(str(model.get("title", "")), tuple(found), tuple(sorted(others.items())))


def filled(text: str, known: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with a value in the place of every variable, and the variables that nobody defines."""
    unknown: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match["bare"] or match["braced"] or match["old"]
        if name in known:
            return known[name]
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        unknown.append(name)
        return match[0]

    return _VARIABLE.sub(value, text), tuple(dict.fromkeys(unknown))


def _query(place: str, written: str, known: Mapping[str, str]) -> GrafanaQuery:
    text, unknown = filled(written, known)
    values = _LABEL_VALUES.match(text)
    if values:
        return GrafanaQuery(place, written, (values["expression"] or "").strip(), values["label"], unknown)
    return GrafanaQuery(place, written, text.strip(), "", unknown)


def _value(variable: Mapping[str, Any], every: str) -> str:
    """What stands in a query for the variable as it was saved; several values are the alternatives of a pattern."""
    if variable.get("type") == "constant" and isinstance(variable.get("query"), str):
        return str(variable["query"])
    current = variable.get("current")
    value = current.get("value") if isinstance(current, dict) else None
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else f"({'|'.join(map(str, value))})" if value else None
    if value in (None, "", _ALL):
        return every or ".*"
    return str(value)


def _kind(source: Any, variables: Mapping[str, str]) -> str:
    """The kind of a data source: of a reference, of a variable that holds one; unknown ones are taken for Prometheus."""
    if isinstance(source, dict):
        return str(source.get("type") or variables.get(_bare(str(source.get("uid", ""))), ""))
    return variables.get(_bare(source), "") if isinstance(source, str) else ""


def _bare(name: str) -> str:
    return name.removeprefix("$").removeprefix("{").removesuffix("}")


def _panels(model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All panels, those inside of rows too."""
    for panel in [*_mappings(model.get("panels")), *_mappings(model.get("rows"))]:
        yield panel
        yield from _mappings(panel.get("panels"))


def _second_version(spec: Mapping[str, Any]) -> GrafanaQueries:
    variables = [(str(item.get("kind", "")), _inside(item, "spec")) for item in _mappings(spec.get("variables"))]
    known = {str(item.get("name")): _value(item, str(item.get("allValue") or "")) for _, item in variables}
    found: list[GrafanaQuery] = []
    others: dict[str, int] = {}

    def take(place: str, query: Mapping[str, Any], key: str) -> None:
        written, kind = _inside(query, "spec").get(key), str(query.get("group") or query.get("kind") or "")
        if not isinstance(written, str) or not written.strip():
            return
        if kind in ("prometheus", "", "DataQuery"):
            found.append(_query(place, written, known))
        else:
            others[kind] = others.get(kind, 0) + 1

    for name, element in _inside(spec, "elements").items():
        panel = _inside(element, "spec") if isinstance(element, dict) else {}
        for item in _mappings(_inside(_inside(panel, "data"), "spec").get("queries")):
            asked = _inside(item, "spec")
            take(f'"{panel.get("title") or name}" {asked.get("refId", "")}'.strip(), _inside(asked, "query"), "expr")
    for kind, item in variables:
        if kind == "QueryVariable":
            take(f"variable {item.get('name')}", _inside(item, "query"), "query")
    return GrafanaQueries(str(spec.get("title", "")), tuple(found), tuple(sorted(others.items())))


def _inside(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
