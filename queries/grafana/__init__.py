"""Grafana: its API, and dashboards as JSON."""
