"""The key dashboards as Grafana's JSON model, from the panels of the screens."""

from __future__ import annotations

from typing import Any

from queries.catalogue.loader import DEFAULT_NAMESPACE, PROVIDER, drop_unlimited_record, load_dashboards
from queries.model.dashboard import Dashboard
from queries.model.panel import PanelSpec, Unit

SCHEMA_VERSION = 42
"""The schema version that Grafana 12 and 13 write; older ones read the parts that they know."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_UNITS = {
    Unit.PERCENT: "percent",
    Unit.SECONDS: "s",
    Unit.COUNT: "short",
    Unit.PER_SECOND: "cps",
    Unit.PER_MINUTE: "cpm",
    Unit.TIMES: "suffix:×",
    Unit.CORES: "suffix: cores",
    Unit.GIBIBYTES: "gbytes",
    Unit.HOURS: "h",
}
_COLUMNS, _WIDTH, _HEIGHT = 3, 8, 8
_TAG = "cad-ml-platform"
_CALCS = ["lastNotNull"]


def export_dashboards(*, raw: bool = False) -> dict[str, dict[str, Any]]:
    """Every key dashboard by name; with `raw` none reads a recorded series."""
    return {board.name: grafana_dashboard(board, raw=raw) for board in load_dashboards()}


def expression(spec: PanelSpec, *, raw: bool = False) -> str:
    """The query for Grafana: the recorded series if they support the variables, else the raw expression."""
    chosen = drop_unlimited_record(spec)
    return chosen.raw if raw or chosen.recorded is None else chosen.recorded


def grafana_dashboard(board: Dashboard, *, raw: bool = False) -> dict[str, Any]:
    """One board, as written in the catalogue, as Grafana's JSON model."""
    queries = [expression(spec, raw=raw) for spec in board.panels]
    panels = [_panel(at, spec, query) for at, (spec, query) in enumerate(zip(board.panels, queries, strict=True))]
    text = "\n".join(queries)
    variables = [_data_source()]
    if "$namespace" in text:
        variables.append(_namespace())
    if PROVIDER in text:
        variables.append(_provider())
    return {
        "uid": f"cad-{board.name.replace('_', '-')}",
        "title": board.title,
        "description": board.about,
        "tags": [_TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "timezone": "utc",
        "refresh": "30s",
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [_link()],
        "templating": {"list": variables},
        "panels": panels,
    }


def _panel(at: int, spec: PanelSpec, query: str) -> dict[str, Any]:
    row, column = divmod(at, _COLUMNS)
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": spec.title,
        "description": _description(spec),
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": _UNITS[spec.unit],
                "decimals": spec.decimals,
                "noValue": "NO DATA",
                "thresholds": {"mode": "absolute", "steps": _steps(spec)},
                "custom": {
                    "drawStyle": "line",
                    "lineWidth": 1,
                    "showPoints": "never",
                    "spanNulls": False,
                    "thresholdsStyle": {"mode": "dashed" if spec.threshold.warn is not None else "off"},
                },
            },
            "overrides": [],
        },
        "options": {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": bool(spec.group_by),
                "calcs": ["lastNotNull"],
            },
            "tooltip": {"mode": "multi", "sort": "asc" if spec.lower_is_worse else "desc"},
        },
        "targets": [
            {
                "refId": "A",
                "datasource": _SOURCE,
                "editorMode": "code",
                "expr": query,
                "legendFormat": f"{{{{{spec.group_by}}}}}" if spec.group_by else spec.title,
                "range": True,
            }
        ],
    }


def _description(spec: PanelSpec) -> str:
    parts = [f"No data: {spec.no_data_reason}."] if spec.no_data_reason else []
    if spec.runbook:
        parts.append(f"Runbook: {spec.runbook}.")
    return " ".join(parts)


def _steps(spec: PanelSpec) -> list[dict[str, Any]]:
    """Grafana colours values from a step upwards: if lower is worse, the base is the worst."""
    lines = [(spec.threshold.warn, "orange"), (spec.threshold.critical, "red")]
    known = [(value, colour) for value, colour in lines if value is not None]
    if not spec.lower_is_worse:
        return [{"value": None, "color": "green"}, *({"value": value, "color": colour} for value, colour in known)]
    steps: list[dict[str, Any]] = []
    beneath: float | None = None
    for value, colour in reversed(known):
        steps.append({"value": beneath, "color": colour})
        beneath = value
    return [*steps, {"value": beneath, "color": "green"}]


def _data_source() -> dict[str, Any]:
    """The choice of the environment, because each has its own Prometheus."""
    return {
        "name": "datasource",
        "label": "Environment",
        "description": "The Prometheus of the environment",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "options": [],
    }


def _namespace() -> dict[str, Any]:
    return {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(container_cpu_usage_seconds_total, namespace)", "refId": "namespace"},
        "regex": "",
        "refresh": 1,
        "sort": 1,
        "multi": False,
        "includeAll": False,
        "current": {"text": DEFAULT_NAMESPACE, "value": DEFAULT_NAMESPACE},
        "options": [],
    }


def _provider() -> dict[str, Any]:
    return {
        "name": "provider",
        "label": "Provider",
        "type": "query",
        "datasource": _SOURCE,
        "query": {
            "query": 'label_values({__name__=~"ocr_requests_total|vision_requests_total"}, provider)',
            "refId": "provider",
        },
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def _link() -> dict[str, Any]:
    return {
        "title": "Key dashboards",
        "type": "dashboards",
        "tags": [_TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
