"""The addresses to try for a first configuration, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.config.text_formats import is_url
from queries.http.endpoint import parse_credentials
from queries.kubernetes.server_search import FoundServer
from queries.model.frozen import dataclass
from queries.text.variables import read_env

PROMETHEUS, ALERTMANAGER, PLATFORM, GRAFANA, LOKI = "prometheus", "alertmanager", "platform", "grafana", "loki"
KINDS: Mapping[str, str] = {
    PROMETHEUS: "Prometheus",
    ALERTMANAGER: "Alertmanager",
    PLATFORM: "platform API",
    GRAFANA: "Grafana",
    LOKI: "Loki",
}
"""The servers that a config file can name, by their key in it."""
_GIVEN = {
    PROMETHEUS: ("prometheus_url", "PROMETHEUS_URL"),
    ALERTMANAGER: ("alertmanager_url", "ALERTMANAGER_URL"),
    PLATFORM: ("api_url", "CAD_ML_API_URL"),
    GRAFANA: ("", "GRAFANA_URL"),
    LOKI: ("", "LOKI_URL"),
}
_LOCAL_PORTS = {PROMETHEUS: 9090, ALERTMANAGER: 9093, PLATFORM: 8000, GRAFANA: 3000, LOKI: 3100}
THIS_MACHINE = "this machine"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address to try. `given`: a person named it, so it is worth a report even if nothing answers. `forward` is the kubectl
    command that makes a Service reachable from here."""

    kind: str
    url: str
    origin: str
    given: bool = False
    forward: str = ""

    @property
    def has_credentials(self) -> bool:
        return parse_credentials(self.url) != ("", "")


def given_candidates(flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Candidate, ...]:
    """The addresses of flags and environment variables; a flag replaces the variable of its kind, as everywhere."""
    found = []
    for kind, (flag, variable) in _GIVEN.items():
        value = flags.get(flag) if flag else None
        origin = f"--{flag.replace('_', '-')}" if value else variable
        urls = [value] if isinstance(value, str) else list(value or read_env(environ, variable).split(","))
        found += [Candidate(kind, url.strip(), origin, given=True) for url in urls if url.strip()]
    return tuple(found)


def local_candidates() -> tuple[Candidate, ...]:
    """The usual ports on this machine, which is where `kubectl port-forward` leads too."""
    return tuple(Candidate(kind, f"http://127.0.0.1:{port}", THIS_MACHINE) for kind, port in _LOCAL_PORTS.items())


def cluster_candidates(found: Iterable[FoundServer], kubectl: str = "kubectl") -> tuple[Candidate, ...]:
    """The addresses of the cluster's Services."""
    return tuple(
        Candidate(
            item.kind,
            url,
            item.origin,
            forward=f"{kubectl} -n {item.namespace} port-forward svc/{item.name} {_LOCAL_PORTS[item.kind]}:{item.port}",
        )
        for item in found
        for url in item.urls
        if is_url(url)
    )
