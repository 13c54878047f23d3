"""Which cluster the console reaches and as whom, with the origin of each answer: for `doctor` and the Sources screen."""

from __future__ import annotations

from collections.abc import Iterator

from console.config.settings import Settings
from queries.http.endpoint import ClusterIdentity
from queries.model.frozen import dataclass

_UNREAD = "not readable with these permissions"
_REVIEW = "the API server (SelfSubjectReview)"


@dataclass(frozen=True, slots=True)
class IdentityFact:
    """One line: its name, its value, and where that came from."""

    name: str
    value: str
    origin: str


def list_identity_facts(settings: Settings, found: ClusterIdentity | None, error: str = "") -> tuple[IdentityFact, ...]:
    """What the configuration chose, then what the API server answered: None before its answer, or because of `error`."""
    return (*_chosen(settings), *_seen(settings, found, error))


def _chosen(settings: Settings) -> Iterator[IdentityFact]:
    cluster = settings.kubernetes
    if cluster is None:
        return
    origins, place = dict(settings.origins), cluster.place
    unread = "the kubeconfig cannot be read"
    context = "in-cluster" if cluster.in_cluster else cluster.context or unread
    yield IdentityFact("context", context, origins.get("kubernetes", ""))
    server = f"cluster {place.cluster}" if place and place.cluster else "KUBERNETES_SERVICE_HOST" if cluster.in_cluster else ""
    yield IdentityFact("server", place.server if place else unread, server)
    yield IdentityFact("namespace", settings.namespace, origins.get("namespace", "default"))
    user = f"user {place.user}" if place and place.user else "the pod's service account" if cluster.in_cluster else ""
    yield IdentityFact("logs in as", user or unread, place.credential if place else "")
    impersonates = (place.impersonates or "nobody") if place else unread
    yield IdentityFact("impersonates", impersonates, f"`as` of {user}" if place and place.impersonates else "")


def _seen(settings: Settings, found: ClusterIdentity | None, error: str) -> Iterator[IdentityFact]:
    if found is None:
        yield IdentityFact("seen as", error or "fetching …", "the API server")
        return
    yield IdentityFact("seen as", found.username or _UNREAD, _REVIEW)
    yield IdentityFact("groups", ", ".join(found.groups) or _UNREAD, _REVIEW)
    yield IdentityFact("cluster uid", found.cluster_uid or _UNREAD, "UID of kube-system")
    yield IdentityFact("namespace uid", found.namespace_uid or _UNREAD, f"UID of {settings.namespace}")
