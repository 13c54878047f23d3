"""What to say of a server that no flag, variable or file names: what is missing, and how to give it."""

from __future__ import annotations

from queries.errors import NotConfigured

NO_SERVER = "no server is configured: `cad-console init` finds your servers and writes the config file"
ADMINISTRATION_HINT = "name platform and administration.api_key_file in the environment of the config file"
_VARIABLES = {
    "Prometheus": "PROMETHEUS_URL or --prometheus-url",
    "Alertmanager": "ALERTMANAGER_URL or --alertmanager-url",
    "Kubernetes": "KUBECONFIG or --kubeconfig",
    "the platform's API": "CAD_ML_API_URL or --api-url",
    "Loki": "LOKI_URL",
}


def missing_server(name: str) -> NotConfigured:
    """`name` is Prometheus, Alertmanager, Kubernetes, Loki or the platform's API."""
    return NotConfigured(f"{name} is not configured", hint=f"set {_VARIABLES[name]}, or run `cad-console init`")
