"""Searches for the platform's cluster and servers, and tries each address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from console.config.cluster import choose_cluster
from console.config.errors import ConfigError
from console.config.load import DEFAULT_NAMESPACE, SERVICE_ACCOUNT_FILE
from console.config.servers import parse_endpoint
from console.setup.candidates import Candidate, cluster_candidates
from console.setup.config_text import NO_ACCESS, ChosenCluster, ServerAccess
from console.setup.probe import ProbeResult, probe
from queries.errors import SourceError
from queries.http.endpoint import ClusterEndpoint, HttpConfig
from queries.kubernetes.client import METADATA, Kubernetes
from queries.kubernetes.identity import find_absence
from queries.kubernetes.server_search import search_servers
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.variables import home_folder, read_env

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Probed:
    """An address and what answered there."""

    candidate: Candidate
    result: ProbeResult


@dataclass(frozen=True, slots=True)
class FoundCluster:
    """A cluster as its kubeconfig names it. `choice` is what the config file would say."""

    endpoint: ClusterEndpoint
    choice: ChosenCluster
    namespace: str


@dataclass(frozen=True, slots=True)
class ClusterProbe:
    """`summary` says what the API server returned, or why it did not; `candidates` are its Services' addresses."""

    ok: bool
    summary: str
    candidates: tuple[Candidate, ...] = ()
    search_error: str = ""


def find_cluster(flags: Mapping[str, Any], environ: Mapping[str, str], context: str = "") -> FoundCluster | None:
    """The cluster that a console without a config file would use, with another context if one is given; None without any.

    Raises ConfigError.
    """
    given = {**flags, **({"context": context} if context else {})}
    home = home_folder(environ)
    chosen = choose_cluster(
        {}, flags=given, environ=environ, home=home, file=str, line="", service_account=SERVICE_ACCOUNT_FILE
    )
    if chosen.endpoint is None:
        return None
    namespace = str(flags.get("namespace") or "") or chosen.namespace or DEFAULT_NAMESPACE
    endpoint = replace(chosen.endpoint, namespace=namespace)
    # A context alone names a cluster only in the default file.
    standard = endpoint.kubeconfig == str(Path(home) / ".kube" / "config") and not read_env(environ, "KUBECONFIG")
    file = "" if standard else endpoint.kubeconfig
    return FoundCluster(endpoint, ChosenCluster(file, endpoint.context, in_cluster=endpoint.in_cluster), namespace)


async def probe_cluster(cluster: FoundCluster) -> ClusterProbe:
    """Ask the API server for the Deployments of the namespace, and for Services that look like our servers."""
    kubernetes = Kubernetes(cluster.endpoint)
    try:
        path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments"
        found = await kubernetes.items(path, headers=METADATA)
        missing = await find_absence(kubernetes) if not found else None
        count = f"{len(found)} Deployment{'' if len(found) == 1 else 's'} in {cluster.namespace}"
        summary = visible(f"{kubernetes.where}: {missing.fault.what if missing else count}")
    except SourceError as error:
        await kubernetes.close()
        return ClusterProbe(False, visible(error.fault.sentence()))
    try:
        servers = await search_servers(kubernetes)
    except SourceError as error:
        return ClusterProbe(missing is None, summary, search_error=visible(error.fault.sentence()))
    finally:
        await kubernetes.close()
    return ClusterProbe(missing is None, summary, cluster_candidates(servers, " ".join(kubernetes.kubectl)))


async def probe_all(candidates: Iterable[Candidate], *, namespace: str) -> tuple[Probed, ...]:
    """Try every address, each once, several at a time; the results are in the given order."""
    unique = {(item.kind, item.url.rstrip("/")): item for item in reversed(tuple(candidates))}
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Candidate) -> Probed:
        async with limit:
            return Probed(item, await probe_candidate(item, namespace=namespace))

    return tuple(await asyncio.gather(*(one(item) for item in reversed(unique.values()))))


async def probe_candidate(candidate: Candidate, *, namespace: str, access: ServerAccess = NO_ACCESS) -> ProbeResult:
    """Try one address with these credentials."""
    try:
        endpoint = parse_endpoint(candidate.url, source=candidate.origin)
    except ConfigError as error:
        fault = Fault(FaultKind.REJECTED, error.expected)
        return ProbeResult(
            candidate.kind, "not a URL", f"{error.expected}, such as https://prometheus.example.com", fault=fault
        )
    if access is not NO_ACCESS:
        http = HttpConfig(
            username=access.username,
            password_file=access.password_file,
            credentials_file=access.token_file,
            ca_file=access.ca_file,
        )
        endpoint = replace(endpoint, http=http)
    return await probe(candidate.kind, endpoint, namespace=namespace)
