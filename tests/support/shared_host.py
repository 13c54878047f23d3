"""One host of several that share a journal: its own file, its own sharer, as a console has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from limits import extend

from console.config.settings import KUBERNETES, StoreSettings
from console.journal.config_maps import ConfigMaps
from console.journal.event import Event
from console.journal.shared_store import READ_ONLY, SharedStore
from console.journal.sqlite import Journal
from console.journal.sync import SyncStatus, SyncWorker
from queries.http.endpoint import ClusterEndpoint

NAMESPACE = "cad-ml-platform"
NAME = "shared"


def cluster_store(
    kubeconfig: Path, *, namespace: str = NAMESPACE, read_only: bool = False, segment_bytes: int = 8 << 10, **more: int
) -> ConfigMaps:
    """Small segments, so that a thousand events take many."""
    endpoint = ClusterEndpoint(namespace, str(kubeconfig), timeout_seconds=2.0)
    settings = StoreSettings(KUBERNETES, namespace)
    return ConfigMaps(endpoint, settings, read_only=read_only, backoff_cap_seconds=1.0, segment_bytes=segment_bytes, **more)


class Host:
    """A context manager; `changed` is set whenever the sharer says that something is new."""

    def __init__(
        self,
        folder: Path,
        name: str,
        store: SharedStore,
        *,
        read_only: bool = False,
        busy_seconds: float = 2.0,
        ping_seconds: float = 5.0,
    ) -> None:
        self.name = name
        self.changed = threading.Event()
        kept = READ_ONLY if read_only else ""
        self.journal = Journal.open(folder / f"{name}.sqlite3", store=NAME, kept=kept, busy_seconds=busy_seconds)
        self.sharer = SyncWorker(self.journal, store, writes=not read_only, changed=self.changed.set, ping_seconds=ping_seconds)

    def __enter__(self) -> Host:
        self.sharer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.sharer.close(1.0)
        self.journal.close()

    @property
    def sharing(self) -> SyncStatus:
        return self.sharer.status()

    def write(self, subject: str, *, kind: str = "note", **data: object) -> Event:
        event = self.journal.append(Event(time.time(), kind, subject, f"{self.name}@host", "prod", dict(data)))
        self.sharer.wake()
        return event

    def subjects(self) -> list[str]:
        """In the order that every console sorts by."""
        return [event.subject for event in sorted(self.journal.events(), key=lambda event: event.order)]


def until(what: Callable[[], object], *, seconds: float = 10.0) -> float:
    """Waits until it is so; gives the seconds that it took."""
    began, seconds = time.monotonic(), extend(seconds)
    while not what():
        assert time.monotonic() - began < seconds, f"not so within {seconds:g} s"
        time.sleep(0.01)
    return time.monotonic() - began
