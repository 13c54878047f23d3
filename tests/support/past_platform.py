"""A platform on loopback whose past is known and whose present is poisoned: nothing of now may get into a past moment."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from told_platform import Series, ToldPlatform, told_platform

from console.config.load import load_settings
from console.config.settings import Settings
from queries.prometheus.alert_series import fingerprint
from queries.text.times import format_time

NOW = float(int(time.time()))
THEN = NOW - 5 * 3600.0
LATER = NOW - 60.0
POISON = "leaked-from-now"
ALERT = {"alertname": "HighErrorRate", "severity": "critical", "component": "platform"}
FINGERPRINT = fingerprint(tuple(ALERT.items()))
POISONED_ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": POISON, "severity": "critical"},
    "annotations": {},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2026-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "receivers": [],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}
RULE = {
    "type": "alerting",
    "name": "HighErrorRate",
    "query": "platform_error_ratio > 5",
    "duration": 120,
    "labels": {"severity": "critical"},
    "annotations": {"runbook_url": "https://x/high-error-rate.md", "summary": "{{ $value }}"},
    "health": "err",
    "lastError": POISON,
    "state": "firing",
    "alerts": [
        {
            "labels": {"alertname": POISON}, "annotations": {"summary": POISON}, "state": "firing",
            "activeAt": "2026-01-01T00:00:00Z", "value": "1",
        }
    ],
}  # fmt: skip
RULES = {"status": "success", "data": {"groups": [{"name": "g", "interval": 30, "rules": [RULE]}]}}


def silence(identity: str, *, starts: float, ends: float, value: str = "HighErrorRate", comment: str = "") -> dict[str, object]:
    """As Alertmanager's API gives it."""
    return {
        "id": identity,
        "matchers": [{"name": "alertname", "value": value, "isRegex": False, "isEqual": True}],
        "startsAt": format_time(starts),
        "endsAt": format_time(ends),
        "updatedAt": format_time(starts),
        "createdBy": "ann",
        "comment": comment,
        "status": {"state": "expired" if ends <= NOW else "active"},
    }


def parts(query: str) -> dict[str, str]:
    """The expressions of a joined request by their key; a single one under the empty key."""
    found = re.findall(r'label_replace\(\n(.*?)\n, "__q__", "([^"]*)", "", ""\)', query, re.S)
    return {key: text for text, key in found} or {"": query}


def poisoned(query: str) -> list[Series]:
    """Without a time every question is about now."""
    return [({"__q__": key, "provider": POISON}, "666") for key in parts(query)]


def series_then(query: str, at: float) -> list[Series]:
    """Two hours before THEN Prometheus was down; from then on it scraped, and a minute before THEN the alert fires."""
    if at < THEN - 7200.0:
        return []
    firing = at >= THEN - 60.0
    known: dict[str, list[Series]] = {
        "error_ratio/recorded": [({"__name__": "platform_error_ratio"}, "7.8" if firing else "0.4")],
        "/evidence": [({"__name__": "ocr_requests_total", "status": "start"}, "1")],
        "then/scraped": [({}, "3")],
        "then/evaluated": [({}, "12")],
        "then/alerts": [
            ({"__name__": "ALERTS", "alertstate": "firing", **ALERT}, "1"),
            ({"__name__": "ALERTS_FOR_STATE", **ALERT}, str(THEN - 180.0)),
            ({"__name__": "ALERTS", "alertstate": "pending", "alertname": "HighLatency", "severity": "warning"}, "1"),
            ({"__name__": "ALERTS_FOR_STATE", "alertname": "HighLatency", "severity": "warning"}, str(THEN - 30.0)),
        ]
        if firing
        else [],
        "then/cluster": [
            ({"__name__": "kube_deployment_spec_replicas", "namespace": "cad-ml-platform", "deployment": "cad-ml-api"}, "3"),
            (
                {
                    "__name__": "kube_deployment_status_replicas_ready",
                    "namespace": "cad-ml-platform",
                    "deployment": "cad-ml-api",
                },
                "2",
            ),
        ],
    }
    return [({"__q__": key, **labels}, value) for key in parts(query) for labels, value in known.get(key, [])]


@contextmanager
def past_platform() -> Iterator[ToldPlatform]:
    """Answers about THEN, and poison about now."""
    silences = [
        silence("old", starts=THEN - 3600, ends=THEN + 600, comment="planned"),
        silence("new", starts=THEN + 3600, ends=NOW + 3600, comment=POISON),
    ]
    pages = {
        "/api/v2/alerts": [POISONED_ALERT],
        "/api/v2/silences": silences,
        "/api/v1/rules": RULES,
        "/health": {"status": POISON, "services": {POISON: "down"}},
        "/ready": {"status": POISON},
    }
    with told_platform(vector=poisoned, then=series_then, ranges=ranges, pages=pages) as told:
        yield told


def ranges(query: str) -> list[dict[str, Any]]:
    """The alert fires from a minute before THEN on."""
    if "ALERTS" not in query or "__q__" in query:
        return []
    times = [THEN - 60.0 + 60.0 * step for step in range(200)]
    firing = {"__name__": "ALERTS", "alertstate": "firing", **ALERT}
    return [
        {"metric": firing, "values": [[at, "1"] for at in times]},
        {"metric": {"__name__": "ALERTS_FOR_STATE", **ALERT}, "values": [[at, str(THEN - 180.0)] for at in times]},
    ]


def past_settings(platform: ToldPlatform, folder: Path) -> Settings:
    """A console that looks at this platform, whose cluster it is too."""
    config = folder / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": platform.url}}],
                "users": [{"name": "you", "user": {"token": "t"}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "you"}}],
            }
        )
    )
    environ = {**platform.environ(str(folder)), "KUBECONFIG": str(config)}
    return load_settings({"refresh": 60.0}, environ, service_account="/nonexistent")
