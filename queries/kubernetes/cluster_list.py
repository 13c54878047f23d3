"""Lists a whole namespace once, every kind page by page: directly where that works, else by `watch.list_kind`."""

from __future__ import annotations

from functools import partial
from typing import Any

from queries.concurrency import run_cpu_bound, task_group
from queries.errors import RequestRejected, SourceError, TimedOut, Unreachable
from queries.kubernetes import objects as k8s
from queries.kubernetes.api import KubeApi
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_builder import ClusterBuilder, is_tolerated, nothing_is_visible
from queries.kubernetes.consistent_read import ConsistentRead, stale_error
from queries.kubernetes.direct_read import DirectReader, NotReadDirectly, open_direct
from queries.kubernetes.identity import find_absence
from queries.kubernetes.watch import DEPLOYMENTS, EXPIRED, KINDS, Kind, add_page, first_page, is_served, list_kind
from queries.model.cluster import Cluster

_LARGE_BYTES = 32 << 10
"""A larger page is decoded off the loop."""


async def list_cluster(kubernetes: Kubernetes) -> Cluster:
    """Kinds that are forbidden or missing stay empty; `faults` names those of workloads. Raises SourceError."""
    try:
        async with open_direct(kubernetes) as reader, task_group() as group:
            lists = [group.create_task(_list(kubernetes, kind, reader)) for kind in KINDS]
        listed = [item.result() for item in lists]
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


async def _list(kubernetes: Kubernetes, kind: Kind, reader: DirectReader | None) -> tuple[tuple[Any, ...], SourceError | None]:
    try:
        if reader is not None:
            try:
                return await _list_directly(kubernetes, kind, reader), None
            except NotReadDirectly:
                pass
            except RequestRejected as error:
                if error.fault.status != EXPIRED:  # it expired between two pages: `list_kind` starts again
                    raise
        if not await kubernetes.run(is_served, kubernetes.api, kind):
            return (), None
        found, _ = await kubernetes.run(list_kind, kubernetes.api, kind, kubernetes.namespace)
    except SourceError as error:
        if is_tolerated(kind, error.fault):
            return (), error
        raise
    return tuple(found[name] for name in sorted(found)), None


async def _list_directly(kubernetes: Kubernetes, kind: Kind, reader: DirectReader) -> tuple[Any, ...]:
    """Raises NotReadDirectly and SourceError."""
    if kind.custom and not await _is_served(kubernetes.api, kind, reader):
        return ()
    found: dict[str, Any] = {}
    query = first_page(kind)
    while True:
        body = await reader.get(kind.path(kubernetes.namespace), query)
        add = partial(add_page, kubernetes.api, kind, body, found)
        page = await run_cpu_bound(add) if len(body) > _LARGE_BYTES else add()
        if not page.next:
            return tuple(found[name] for name in sorted(found))
        query = [*first_page(kind), ("continue", page.next)]


async def _is_served(api: KubeApi, kind: Kind, reader: DirectReader) -> bool:
    """As `watch.is_served`, which explains a kind that the server has in another version only."""
    if kind.prefix not in api.served:
        body = await reader.find(kind.prefix)
        if body is None and await reader.find(kind.prefix.rpartition("/")[0]) is not None:
            raise NotReadDirectly("it may have another version")
        kinds = api.decode(body, k8s.ServedKinds).resources if body is not None else ()
        api.served[kind.prefix] = frozenset(item.name for item in kinds or ())
    return kind.name in api.served.get(kind.prefix, ())
