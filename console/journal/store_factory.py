"""Creates the shared store that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from console.config.settings import KUBERNETES
from queries.errors import NotConfigured, SourceError
from queries.model.fault import Fault

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.journal.event import Event
    from console.journal.presence import PresenceBoard
    from console.journal.shared_store import OnEvents, PushResult, SharedStore

_LOCAL = ("localhost", "127.0.0.1", "::1")


def store_name(settings: Settings) -> str:
    """The name under which the outbox keeps events for the store; empty without a store."""
    store = settings.store
    if store is None:
        return ""
    if store.kind != KUBERNETES:
        return store.where
    place = settings.kubernetes.place if settings.kubernetes else None
    if place is None or not place.server:
        return _unplaced(settings)
    # The name identifies the cluster itself: events pending for one cluster must not reach another. A server on this host is a
    # tunnel, which may reach another cluster tomorrow; the cluster's name identifies it better.
    local = urlsplit(place.server).hostname in _LOCAL
    return f"{_unplaced(settings)} at {f'{place.cluster} by ' if local and place.cluster else ''}{place.server}"


def former_names(settings: Settings) -> tuple[str, ...]:
    """The names that an older console, or one without a readable kubeconfig, used for this store."""
    store, cluster = settings.store, settings.kubernetes
    if store is None or store.kind != KUBERNETES or cluster is None:
        return ()
    name = _unplaced(settings)
    found = [f"{name} by {cluster.kubeconfig} {cluster.context}".rstrip()]
    # Without a flag or `:ctx` such a console used the same cluster; with one it may have used any.
    if settings.cluster_named or not dict(settings.origins).get("kubernetes", "").startswith(("flag ", ":")):
        found.append(name)
    return tuple(item for item in found if item != store_name(settings))


def _unplaced(settings: Settings) -> str:
    """The store's name without its cluster, as older consoles always used it."""
    return f"{KUBERNETES} {settings.environment}/{settings.store.namespace if settings.store else ''}"


def open_store(settings: Settings) -> SharedStore | None:
    """The store, not connected yet; None without one."""
    store = settings.store
    if store is None:
        return None
    if store.kind == KUBERNETES:
        if settings.kubernetes is None:
            hint = "set KUBECONFIG or --kubeconfig, or share the journal elsewhere"
            return _UnavailableStore(store.where, NotConfigured("Kubernetes is not configured", hint=hint))
        from console.journal.config_maps import ConfigMaps  # noqa: PLC0415  # a client

        return ConfigMaps(
            settings.kubernetes, store, read_only=settings.read_only, backoff_cap_seconds=settings.backoff_cap_seconds
        )
    from console.journal.postgresql import PostgreSQL  # noqa: PLC0415  # as above

    return PostgreSQL(store, read_only=settings.read_only, backoff_cap_seconds=settings.backoff_cap_seconds)


class _UnavailableStore:
    """A store that is not configured; every call raises the reason."""

    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __init__(self, where: str, error: SourceError) -> None:
        self.where = where
        self._error = error

    @property
    def fault(self) -> Fault | None:
        return self._error.fault

    def listen(self, changed: Callable[[], None]) -> None:
        return

    def read(self, cursor: str, on_events: OnEvents) -> bool:
        raise self._error

    def push(self, events: Sequence[Event]) -> PushResult:
        raise self._error

    def ping(self, *, fresh: bool = False) -> None:
        raise self._error

    def board(self) -> PresenceBoard:
        return _UnavailableBoard(self._error)

    def close(self) -> None:
        return


class _UnavailableBoard:
    """The board of a store that is not configured."""

    poll_seconds = 60.0
    live = True

    def __init__(self, error: SourceError) -> None:
        self.fault: Fault | None = error.fault

    def open(self, changed: Callable[[], None]) -> None:
        return

    def entries(self) -> Mapping[str, str] | None:
        return None

    def write(self, identity: str, text: str) -> None:
        return

    def remove(self, identity: str) -> None:
        return

    def close(self) -> None:
        return
