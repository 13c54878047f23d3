"""The journal shared through the cluster itself: events in ConfigMaps, appended with optimistic concurrency, and watched.

A segment is one ConfigMap, filled up to a size before the next one is created. Its keys are the events' stamps and ids, so
that an event written twice exists once. Every write names the resourceVersion it is based on: if two consoles append at the
same time, the server refuses one, which reads the segment again and appends to it. A full segment is sealed the same way
before the next one is created, so that no write that was decided earlier reaches it afterwards.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from console.config.settings import StoreSettings
from console.journal.config_map_board import ConfigMapBoard
from console.journal.event import AHEAD_SECONDS, Event
from console.journal.shared_store import EVENT_BYTES, LeftOut, OnEvents, PushResult, to_json
from queries.errors import AccessDenied, RateLimited, RequestRejected, SourceError
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.objects import Meta, ObjectList, Struct
from queries.kubernetes.watch import JOURNAL_LABEL, PAGE, Kind, Watcher
from queries.model.fault import Fault
from queries.model.managing_tools import OWN_MANAGER

SEGMENT_BYTES = 96 << 10
"""A watch delivers the whole segment with each change: large segments cost traffic, small ones objects."""
MOST_SEGMENTS = 100
"""About 10 MB in etcd, or twenty thousand events; beyond it the oldest segments are deleted, whatever their age."""
_PREFIX = "cad-console-journal-"
_ATTEMPTS = 30
_RIGHTS = "ask for the Role in deploy/shared-journal"
_SEALED = "cad-console/sealed"
_METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
_MERGE = {"Content-Type": "application/merge-patch+json"}
_JSON = {"Content-Type": "application/json"}


class _SegmentObject(Struct):
    metadata: Meta
    data: dict[str, str] | None = None


class _Touched(Struct):
    metadata: Meta


@dataclass(slots=True)
class _Segment:
    """A segment's size, the keys in it, and the texts not yet passed on."""

    name: str
    version: str
    size: int
    keys: frozenset[str]
    fresh: dict[str, str]
    sealed: bool
    """Nothing is appended to it any more: the next segment exists, or is about to be created."""

    @property
    def number(self) -> int:
        number = self.name.removeprefix(_PREFIX)
        return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0

    def newest_seconds(self, latest: float) -> float:
        """The newest event's stamp in Unix seconds; stamps beyond `latest` do not count, or the segment would never expire."""
        stamps = [int(stamp) / 1e6 for key in self.keys if (stamp := key.partition(".")[0]).isascii() and stamp.isdigit()]
        return max((stamp for stamp in stamps if stamp <= latest), default=0.0)


class ConfigMaps:
    """The segments in one namespace of one cluster; connects in `listen`."""

    def __init__(
        self,
        endpoint: ClusterEndpoint,
        settings: StoreSettings,
        *,
        read_only: bool,
        backoff_cap_seconds: float = 10.0,
        segment_bytes: int = SEGMENT_BYTES,
        most_segments: int = MOST_SEGMENTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._read_only = read_only
        self._api = KubeApi(KubeAccess(endpoint), read_only=read_only, timeout_seconds=endpoint.timeout_seconds)
        self._segment_bytes = segment_bytes
        self._most = most_segments
        self._clock = clock
        self._kind = Kind("configmaps", "/api/v1", _SegmentObject, self._segment, labels=JOURNAL_LABEL)
        self._path = self._kind.path(settings.namespace)
        self._cap = min(backoff_cap_seconds, 10.0)
        self._watcher: Watcher | None = None
        self._taken: dict[str, frozenset[str]] = {}
        """By segment, the keys passed on."""
        self._behind: dict[str, str] = {}
        """By segment that was ahead of the watch at the last ping, the version that the watch had delivered."""
        self._silent = False
        self._missed: dict[str, _Segment] = {}
        """Segments fetched because the watch did not deliver them."""
        self._left_out = LeftOut(clock)
        self._undeletable = ""

    @property
    def where(self) -> str:
        at = f" at {self._api.where}" if self._api.where else ""
        return f"{self._settings.where}{at}"

    @property
    def warnings(self) -> tuple[str, ...]:
        silent = "the watch is silent: other consoles' events arrive a few seconds late" if self._silent else ""
        return tuple(filter(None, (*self._api.warnings, silent, self._undeletable)))

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._left_out.sentences

    @property
    def fault(self) -> Fault | None:
        return self._watcher.fault if self._watcher else None

    def board(self) -> ConfigMapBoard:
        return ConfigMapBoard(self._api, self._settings.namespace, backoff_cap_seconds=self._cap)

    def listen(self, changed: Callable[[], None]) -> None:
        self._watcher = Watcher(self._api, self._kind, self._settings.namespace, changed=changed, backoff_cap_seconds=self._cap)
        self._watcher.start()

    def read(self, cursor: str, on_events: OnEvents) -> bool:
        """Passes on the events of new or changed segments. There is no cursor: segments are listed once, then watched."""
        if (watcher := self._watcher) is None or not self._listed:
            return False
        segments: tuple[_Segment, ...] = watcher.items()
        for segment in (*segments, *self._missed.values()):
            if not segment.fresh:
                continue
            on_events(self._left_out.read({f"{segment.name}/{key}": text for key, text in segment.fresh.items()}), cursor)
            self._taken[segment.name] = segment.keys
            segment.fresh = {}
        if again := self._left_out.read_again():
            on_events(again, cursor)
        there = {segment.name: segment.keys for segment in (*self._missed.values(), *segments)}
        for name in self._taken.keys() - there.keys():
            del self._taken[name]
        self._left_out.forget(lambda place: place.partition("/")[2] in there.get(place.partition("/")[0], ()))
        return True

    def ping(self, *, fresh: bool = False) -> None:
        """Checks that the server answers, and that the watch has delivered what the server has.

        A connection that a firewall dropped stays silent for ever. What the watch does not deliver from one ping to the next
        is fetched.
        """
        query = [*self._kind.selection, ("limit", str(PAGE))]
        page = self._api.decode(self._api.call("GET", self._path, query, None, _METADATA), ObjectList[_Touched])
        if self._watcher is None:
            return
        self._watcher.retry_now()
        if not self._listed:
            return  # the first list delivers all segments; before it every segment would look behind
        watched = {segment.name: segment.version for segment in self._watcher.items()}
        there = {item.metadata.name: item.metadata.resource_version for item in page.items or ()}
        behind = {name: watched.get(name, "") for name, version in there.items() if watched.get(name) != version}
        stuck = [name for name, version in behind.items() if self._behind.get(name) == version]
        self._silent, self._behind = bool(stuck), behind
        self._missed = {name: segment for name, segment in self._missed.items() if name in behind}
        for name in behind if fresh else stuck:
            with _name_role():
                segment = self._fetch(name)
            if segment is not None:
                self._missed[name] = segment

    def push(self, events: Sequence[Event]) -> PushResult:
        with _name_role():
            return self._push(events)

    def _push(self, events: Sequence[Event]) -> PushResult:
        watcher = self._watcher
        if watcher is None or not watcher.settled or watcher.fault:
            return PushResult()  # without the present contents, duplicates could not be avoided
        texts = {_key(event): (event, to_json(event)) for event in events}
        sizes = {key: len(key) + len(text.encode()) for key, (_, text) in texts.items()}
        refused = tuple(
            (event, "it is too large for the cluster") for key, (event, _) in texts.items() if sizes[key] > EVENT_BYTES
        )
        for event, _ in refused:
            del texts[_key(event)]
        segments: list[_Segment] = list(watcher.items())
        there = frozenset().union(*(segment.keys for segment in segments))
        stored = [event for key, (event, _) in texts.items() if key in there]
        left = {key: text for key, (_, text) in texts.items() if key not in there}
        last = max((segment.number for segment in segments), default=0)
        head, next_number = (self._fetch(_name(last)) if last else None), last + 1
        for attempt in range(_ATTEMPTS):
            if head is not None:
                stored += [texts[key][0] for key in left.keys() & head.keys]
                left = {key: text for key, text in left.items() if key not in head.keys}
                next_number = max(next_number, head.number + 1)
            if not left:
                return PushResult(tuple(stored), refused)
            writable = head is not None and not head.sealed
            batch = self._take_fitting(left, sizes, head.size if head and writable else self._segment_bytes)
            try:
                if batch and head is not None:
                    head = self._append(head, batch)
                elif head is not None and writable:
                    head = self._seal(head)
                else:
                    head = self._start_segment(next_number, self._take_fitting(left, sizes, 0))
                    self._tidy(segments)
            except RequestRejected as error:
                if error.fault.status not in (404, 409) or (error.fault.status == 404 and not writable):
                    raise
                # Another console was faster: read the segment again and continue from there.
                time.sleep(random.uniform(0.0, 0.02) * min(attempt, 10))  # noqa: S311 - keeps two consoles from colliding again
                head = self._fetch(head.name if head and writable else _name(next_number))
        raise RateLimited("the shared journal changes faster than this console can append", where=self._api.where)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
        self._api.close()

    # One request a method

    def _fetch(self, name: str) -> _Segment | None:
        """The segment as it is now; None if it does not exist."""
        try:
            return self._segment(self._api.call_decoded(_SegmentObject, "GET", f"{self._path}/{name}"))
        except RequestRejected as error:
            if error.fault.status == 404:
                return None
            raise

    def _append(self, head: _Segment, batch: dict[str, str]) -> _Segment:
        change = {"metadata": {"resourceVersion": head.version}, "data": batch}
        answer = self._api.call("PATCH", f"{self._path}/{head.name}", _MANAGER, change, _MERGE)
        return self._segment(self._api.decode(answer, _SegmentObject))

    def _seal(self, head: _Segment) -> _Segment:
        """Without this, an event could be appended to a full segment while another console puts it into the next one."""
        change = {"metadata": {"resourceVersion": head.version, "annotations": {_SEALED: "true"}}}
        answer = self._api.call("PATCH", f"{self._path}/{head.name}", _MANAGER, change, _MERGE)
        return self._segment(self._api.decode(answer, _SegmentObject))

    def _start_segment(self, number: int, batch: dict[str, str]) -> _Segment:
        label, _, value = JOURNAL_LABEL.partition("=")
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _name(number), "labels": {label: value, "app.kubernetes.io/managed-by": "cad-console"}},
            "data": batch,
        }
        return self._segment(self._api.decode(self._api.call("POST", self._path, _MANAGER, body, _JSON), _SegmentObject))

    def _tidy(self, segments: Sequence[_Segment]) -> None:
        """Deletes segments that are too old or too many; runs when a segment is created.

        The server's clock decides: one of this machine that is months ahead would delete what all others still share.
        """
        now = self._clock() + self._api.clock.ahead_seconds
        oldest, latest = now - self._settings.keep_days * 86_400.0, now + AHEAD_SECONDS
        ordered = sorted(segments, key=lambda item: item.number)
        many = len(ordered) + 1 - self._most
        for at, segment in enumerate(ordered[:-1]):
            if at >= many and segment.newest_seconds(latest) >= oldest:
                continue
            body = {"preconditions": {"resourceVersion": segment.version}}
            try:
                self._api.call("DELETE", f"{self._path}/{segment.name}", (), body, _JSON)
                self._undeletable = ""
            except SourceError as error:
                if error.fault.status not in (404, 409):
                    self._undeletable = f"old segments cannot be deleted: {error.fault.what}"

    # Helpers

    @property
    def _listed(self) -> bool:
        """Whether the first list succeeded."""
        watcher = self._watcher
        return watcher is not None and watcher.settled and not (watcher.fault and not watcher.items())

    def _take_fitting(self, left: dict[str, str], sizes: dict[str, int], size: int) -> dict[str, str]:
        """The first events that fit into a segment of this size; an event larger than a segment goes alone."""
        batch: dict[str, str] = {}
        for key, text in left.items():
            if size + sizes[key] > self._segment_bytes and (size or batch):
                break
            batch[key] = text
            size += sizes[key]
        return batch

    def _segment(self, item: _SegmentObject) -> _Segment:
        data = item.data or {}
        taken = self._taken.get(item.metadata.name, frozenset())
        fresh = {key: text for key, text in data.items() if key not in taken}
        size = sum(len(key) + len(text.encode()) for key, text in data.items())
        sealed = _SEALED in (item.metadata.annotations or {})
        return _Segment(item.metadata.name, item.metadata.resource_version, size, frozenset(data), fresh, sealed)


_MANAGER: Any = [("fieldManager", OWN_MANAGER)]


@contextmanager
def _name_role() -> Iterator[None]:
    """Adds the Role to apply to every error about missing permissions."""
    try:
        yield
    except AccessDenied as error:
        what, status = error.fault.what, error.fault.status
        raise AccessDenied(what, where=error.fault.where, hint=_RIGHTS, status=status) from None


def _key(event: Event) -> str:
    return f"{event.stamp:017d}.{event.id}"


def _name(number: int) -> str:
    return f"{_PREFIX}{number:06d}"
