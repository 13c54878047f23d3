"""Who the API server takes a client for: the cluster's UIDs, the user, and the namespaces there are."""

from __future__ import annotations

import asyncio

import msgspec

from queries.errors import RequestRejected, SourceError
from queries.http.endpoint import ClusterIdentity
from queries.kubernetes.api import SELF_REVIEWS, quote_segment
from queries.kubernetes.client import METADATA, Kubernetes


class _UserInfo(msgspec.Struct):
    username: str = ""
    groups: list[str] | None = None


class _SelfStatus(msgspec.Struct, rename="camel"):
    user_info: _UserInfo = msgspec.field(default_factory=_UserInfo)


class _SelfReview(msgspec.Struct):
    status: _SelfStatus = msgspec.field(default_factory=_SelfStatus)


async def fetch_identity(kubernetes: Kubernetes) -> ClusterIdentity:
    """The cluster's UIDs and the identity that it sees; what it does not reveal stays empty. Raises SourceError."""
    cluster, namespace, user = await asyncio.gather(
        _fetch_namespace_uid(kubernetes, "kube-system"),
        _fetch_namespace_uid(kubernetes, kubernetes.namespace),
        _review_self(kubernetes),
    )
    kubernetes.known_identity = ClusterIdentity(cluster, namespace, user.username, tuple(user.groups or ()))
    return kubernetes.known_identity


async def _fetch_namespace_uid(kubernetes: Kubernetes, name: str) -> str:
    try:
        found = await kubernetes.call_object("GET", _namespace_path(name))
    except SourceError as error:
        if error.fault.status in (403, 404):
            return ""
        raise
    return str((found.get("metadata") or {}).get("uid") or "")


async def _review_self(kubernetes: Kubernetes) -> _UserInfo:
    """The user after authentication and impersonation. Kubernetes before 1.28 does not serve this version."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        content = await kubernetes.call("POST", SELF_REVIEWS, (), body)
    except SourceError as error:
        if error.fault.status in (403, 404):
            return _UserInfo()
        raise
    return kubernetes.decode(content, _SelfReview).status.user_info


async def list_namespaces(kubernetes: Kubernetes) -> tuple[str, ...]:
    """The names of all namespaces, sorted; only metadata is fetched. Raises SourceError."""
    found = await kubernetes.items("/api/v1/namespaces", headers=METADATA)
    return tuple(sorted(str(item["metadata"]["name"]) for item in found))


async def has_namespace(kubernetes: Kubernetes, name: str) -> bool | None:
    """None if the server does not say, because these rights do not suffice or it does not answer."""
    try:
        await kubernetes.get_raw(_namespace_path(name))
    except SourceError as error:
        return False if error.fault.status == 404 else None
    return True


async def find_absence(kubernetes: Kubernetes) -> SourceError | None:
    """The error for a client's namespace that does not exist: the server lists it as empty, without an error. None if it
    exists, or if its existence is unknown.
    """
    if await has_namespace(kubernetes, kubernetes.namespace) is not False:
        return None
    hint = "set `namespace` in the config, --namespace, or the context's namespace"
    what = f"there is no namespace {kubernetes.namespace}"
    return RequestRejected(what, where=kubernetes.where, hint=hint, status=404)


def _namespace_path(name: str) -> str:
    return f"/api/v1/namespaces/{quote_segment(name)}"
