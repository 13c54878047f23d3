"""Which Services of a cluster are our servers, and their addresses; the objects are as a Kubernetes 1.36.3 API server
listed them for Services and an Ingress in the shape of kube-prometheus-stack's.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from queries.kubernetes.server_search import match_servers

RECORDED = json.loads((Path(__file__).parent / "recordings" / "servers.json").read_text(encoding="utf-8"))


def test_services_of_our_servers_and_no_others() -> None:
    """The operator, exporters, kube-state-metrics, headless twins and Redis are left out; each server is there once."""
    found = match_servers(RECORDED["services"], RECORDED["ingresses"])
    assert [(item.kind, item.namespace, item.name, item.port) for item in found] == [
        ("alertmanager", "monitoring", "kps-alertmanager", 9093),
        ("grafana", "monitoring", "kps-grafana", 80),
        ("loki", "logging", "loki", 3100),
        ("platform", "cad-ml-platform", "cad-ml-api", 80),
        ("prometheus", "monitoring", "kps-prometheus", 9090),
    ]


def test_addresses_from_outside_come_first() -> None:
    """An Ingress's host, with https where it has a certificate, or the load balancer's address; then the name inside."""
    urls = {item.kind: item.urls for item in match_servers(RECORDED["services"], RECORDED["ingresses"])}
    assert urls["prometheus"] == ("https://prometheus.example.com", "http://kps-prometheus.monitoring.svc:9090")
    assert urls["grafana"] == ("http://ops.example.com/grafana", "http://kps-grafana.monitoring.svc:80")
    assert urls["alertmanager"] == ("http://192.0.2.7:9093", "http://kps-alertmanager.monitoring.svc:9093")


def test_the_operators_own_service_counts_where_it_is_the_only_one() -> None:
    """Without another Service for Prometheus `prometheus-operated` is found."""
    only = [item for item in RECORDED["services"] if item["metadata"]["name"] == "prometheus-operated"]
    assert [item.urls for item in match_servers(only, ())] == [("http://prometheus-operated.monitoring.svc:9090",)]


@pytest.mark.parametrize("broken", [{}, {"metadata": None, "spec": None}, {"metadata": {"name": "prometheus"}, "spec": {}}])
def test_an_object_without_its_parts_is_no_server(broken: dict[str, object]) -> None:
    """Missing metadata, spec or ports give no server and no exception."""
    assert match_servers([broken, *RECORDED["services"][:1]], [broken]) == match_servers(RECORDED["services"][:1], ())
