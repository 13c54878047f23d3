"""The servers that a cluster's Services and Ingresses lead to: Prometheus, Alertmanager, Grafana, Loki and the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from queries.errors import SourceError
from queries.kubernetes.api import quote_segment
from queries.kubernetes.client import Kubernetes
from queries.model.frozen import dataclass
from queries.model.text import visible

_WORDS: Mapping[str, tuple[str, ...]] = {
    "alertmanager": ("alertmanager",),
    "grafana": ("grafana",),
    "loki": ("loki",),
    "platform": ("cad-ml-api", "cad-ml-platform", "cad-api"),
    "prometheus": ("prometheus", "thanos-query", "vmsingle", "vmselect", "victoria-metrics", "mimir"),
}
"""What the name or a label of a Service contains; the first kind that fits counts, so `prometheus-alertmanager` is one."""
_OTHERS = (
    "operator",
    "exporter",
    "pushgateway",
    "adapter",
    "kube-state-metrics",
    "memberlist",
    "headless",
    "webhook",
    "canary",
)
_PORTS: Mapping[str, tuple[int, ...]] = {
    "alertmanager": (9093,),
    "grafana": (3000, 80),
    "loki": (3100, 80),
    "platform": (8000, 80),
    "prometheus": (9090, 10902, 8428, 8481, 8080, 80),
}
_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/component", "app")
_COMMON_NAMESPACES = ("monitoring", "observability", "prometheus")
"""Where Prometheus usually runs, for credentials that may not list the Services of all namespaces."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A Service that looks like a server of this kind. `urls` are the addresses to try, those from outside first; the last is
    its name inside the cluster."""

    kind: str
    namespace: str
    name: str
    port: int
    urls: tuple[str, ...]

    @property
    def origin(self) -> str:
        return visible(f"service {self.namespace}/{self.name}")


async def search_servers(kubernetes: Kubernetes) -> tuple[FoundServer, ...]:
    """The servers of the cluster by kind. Raises SourceError if not one list of Services can be read."""
    services = await _list(kubernetes, "/api/v1", "services")
    try:
        ingresses = await _list(kubernetes, "/apis/networking.k8s.io/v1", "ingresses")
    except SourceError:
        ingresses = []  # without the permission the names inside the cluster remain
    return match_servers(services, ingresses)


async def _list(kubernetes: Kubernetes, api: str, resource: str) -> list[dict[str, Any]]:
    """The objects of all namespaces; without that permission those of our own and the usual namespaces."""
    try:
        return await kubernetes.items(f"{api}/{resource}")
    except SourceError as error:
        if error.fault.status != 403:
            raise
        refused = error
    namespaces = dict.fromkeys((kubernetes.namespace, *_COMMON_NAMESPACES))
    pages = await asyncio.gather(
        *(kubernetes.items(f"{api}/namespaces/{quote_segment(name)}/{resource}") for name in namespaces), return_exceptions=True
    )
    found = [page for page in pages if isinstance(page, list)]
    if not found:
        raise refused
    return [item for page in found for item in page]


def match_servers(services: Iterable[Mapping[str, Any]], ingresses: Iterable[Mapping[str, Any]]) -> tuple[FoundServer, ...]:
    """The servers among these objects, in the order of the kinds; the operator's own Services only if nothing else fits."""
    hosts = _hosts(ingresses)
    found = []
    for service in services:
        metadata, spec = service.get("metadata") or {}, service.get("spec") or {}
        namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
        kind = _kind(name, metadata.get("labels") or {})
        port = _port(kind, spec.get("ports") or ()) if kind else 0
        if port:
            urls = (*hosts.get((namespace, name), ()), *_balancers(service, port), f"http://{name}.{namespace}.svc:{port}")
            found.append(FoundServer(kind, namespace, name, port, tuple(dict.fromkeys(urls))))
    own = {item.kind for item in found if not item.name.endswith("-operated")}
    kept = [item for item in found if not (item.name.endswith("-operated") and item.kind in own)]
    return tuple(sorted(kept, key=lambda item: (list(_WORDS).index(item.kind), item.namespace, item.name)))


def _kind(name: str, labels: Mapping[str, Any]) -> str:
    texts = (name, *(str(labels.get(label) or "") for label in _LABELS))
    if any(word in text for word in _OTHERS for text in (name, str(labels.get(_LABELS[0]) or ""))):
        return ""
    return next((kind for kind, words in _WORDS.items() if any(word in text for word in words for text in texts)), "")


def _port(kind: str, ports: Iterable[Mapping[str, Any]]) -> int:
    """The kind's usual port, else one that is named for the web; 0 without either."""
    numbers = {int(item.get("port") or 0): str(item.get("name") or "") for item in ports}
    usual = next((port for port in _PORTS[kind] if port in numbers), 0)
    return usual or next((port for port, name in numbers.items() if "web" in name or "http" in name), 0)


def _hosts(ingresses: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """By namespace and Service the URLs that lead to it."""
    found: dict[tuple[str, str], list[str]] = {}
    for ingress in ingresses:
        namespace = str((ingress.get("metadata") or {}).get("namespace") or "")
        spec = ingress.get("spec") or {}
        secure = {host for item in spec.get("tls") or () for host in item.get("hosts") or ()}
        for rule in spec.get("rules") or ():
            host = str(rule.get("host") or "")
            for path in (rule.get("http") or {}).get("paths") or ():
                service = ((path.get("backend") or {}).get("service") or {}).get("name")
                if host and service and "*" not in host:
                    prefix = str(path.get("path") or "").rstrip("/")
                    plain = prefix if prefix.replace("/", "").replace("-", "").replace("_", "").isalnum() else ""
                    url = f"{'https' if host in secure else 'http'}://{host}{plain}"
                    found.setdefault((namespace, str(service)), []).append(url)
    return found


def _balancers(service: Mapping[str, Any], port: int) -> list[str]:
    points = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [f"http://{host}:{port}" for item in points if (host := item.get("hostname") or item.get("ip"))]
