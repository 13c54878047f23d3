"""Lists a whole namespace once: every kind by `watch.list_kind`, which reads it page by page."""

from __future__ import annotations

import asyncio
from typing import Any

from queries.errors import SourceError, TimedOut, Unreachable
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_builder import ClusterBuilder, is_tolerated, nothing_is_visible
from queries.kubernetes.consistent_read import ConsistentRead, stale_error
from queries.kubernetes.identity import find_absence
from queries.kubernetes.watch import DEPLOYMENTS, KINDS, Kind, is_served, list_kind
from queries.model.cluster import Cluster


async def list_cluster(kubernetes: Kubernetes) -> Cluster:
    """Kinds that are forbidden or missing stay empty; `faults` names those of workloads. Raises SourceError."""
    try:
        listed = await asyncio.gather(*(_list(kubernetes, kind) for kind in KINDS))
    except (TimedOut, Unreachable) as error:
        read = ConsistentRead(kubernetes)
        try:
            raise (stale_error(error.fault) if await read.cache_answers() else error) from None
        finally:
            read.cancel()
    errors = {kind: error for kind, (_, error) in zip(KINDS, listed, strict=True) if error}
    faults = {kind: error.fault for kind, error in errors.items()}
    if nothing_is_visible(faults):
        raise errors[DEPLOYMENTS]
    if not any(items for items, _ in listed) and (absent := await find_absence(kubernetes)):
        raise absent
    items = {kind.name: found for kind, (found, _) in zip(KINDS, listed, strict=True)}
    return ClusterBuilder(kubernetes).build(items, {kind: (fault, 0.0) for kind, fault in faults.items()})


async def _list(kubernetes: Kubernetes, kind: Kind) -> tuple[tuple[Any, ...], SourceError | None]:
    try:
        if not await kubernetes.run(is_served, kubernetes.api, kind):
            return (), None
        found, _ = await kubernetes.run(list_kind, kubernetes.api, kind, kubernetes.namespace)
    except SourceError as error:
        if is_tolerated(kind, error.fault):
            return (), error
        raise
    return tuple(found[name] for name in sorted(found)), None
