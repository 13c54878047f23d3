"""Which shared store the settings name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.config.store_settings import KUBERNETES
from queries.errors import NotConfigured, SourceError
from queries.model.fault import Fault

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.journal.event import Event
    from console.journal.shared_store import Brought, SharedStore, Take


def store_name(settings: Settings) -> str:
    """Under which name the local journal remembers what waits for the store; empty where there is none."""
    store = settings.store
    if store is None:
        return ""
    if store.kind != KUBERNETES:
        return store.where
    cluster = settings.kubernetes
    # A cluster that the environment does not name may be another one every time: what waits for one must not reach another.
    which = f" by {cluster.kubeconfig} {cluster.context}".rstrip() if cluster and not settings.cluster_named else ""
    return f"{KUBERNETES} {settings.environment}/{store.namespace}{which}"


def open_store(settings: Settings) -> SharedStore | None:
    """Connects to nothing yet."""
    store = settings.store
    if store is None:
        return None
    if store.kind == KUBERNETES:
        if settings.kubernetes is None:
            hint = "set KUBECONFIG or --kubeconfig, or share the journal elsewhere"
            return _Nowhere(store.where, NotConfigured("Kubernetes is not configured", hint=hint))
        from console.journal.config_maps import ConfigMaps  # noqa: PLC0415  # a client

        return ConfigMaps(
            settings.kubernetes, store, read_only=settings.read_only, backoff_cap_seconds=settings.backoff_cap_seconds
        )
    from console.journal.postgresql import PostgreSQL  # noqa: PLC0415  # as above

    return PostgreSQL(store, read_only=settings.read_only, backoff_cap_seconds=settings.backoff_cap_seconds)


class _Nowhere:
    """A store that cannot be there, and why."""

    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __init__(self, where: str, error: SourceError) -> None:
        self.where = where
        self._error = error

    @property
    def trouble(self) -> Fault | None:
        return self._error.fault

    def listen(self, changed: Callable[[], None]) -> None:
        return

    def read(self, cursor: str, take: Take) -> bool:
        raise self._error

    def bring(self, events: Sequence[Event]) -> Brought:
        raise self._error

    def pulse(self, *, fresh: bool = False) -> None:
        raise self._error

    def close(self) -> None:
        return
