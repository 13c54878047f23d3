"""The journal shared through the cluster itself: events in ConfigMaps, appended with optimistic concurrency, and watched.

A segment is one ConfigMap that is filled up to a size, then the next one is begun. A key of its data is an event's stamp
and id, so that the same event written twice into a segment is there once. Every write names the resourceVersion that it was
made from: of two consoles that append at once one is refused, reads again, and appends to what the other wrote.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from console.config.settings import StoreSettings
from console.journal.event import AHEAD_SECONDS, Event
from console.journal.shared_store import EVENT_BYTES, LeftOut, OnEvents, PushResult, to_json
from queries.errors import AccessDenied, RateLimited, RequestRejected, SourceError
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.objects import Meta, ObjectList, Struct
from queries.kubernetes.watch import JOURNAL_LABEL, PAGE, Kind, Watcher
from queries.model.fault import Fault

SEGMENT_BYTES = 96 << 10
"""Each change of a segment comes to every console as a whole: large ones cost traffic, small ones objects."""
MOST_SEGMENTS = 100
"""About 10 MB in etcd, some twenty thousand events; older segments go, whatever their age."""
_PREFIX = "cad-console-journal-"
_ATTEMPTS = 30
_RIGHTS = "ask for the Role in deploy/shared-journal"
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
    """What is kept of one: its size, the ids in it, and the texts that were not handed over yet."""

    name: str
    version: str
    size: int
    keys: frozenset[str]
    fresh: dict[str, str]

    @property
    def number(self) -> int:
        number = self.name.removeprefix(_PREFIX)
        return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0

    def newest_seconds(self, latest: float) -> float:
        """The newest event's stamp as Unix seconds; one beyond `latest` must not keep the segment for ever."""
        stamps = [int(stamp) / 1e6 for key in self.keys if (stamp := key.partition(".")[0]).isascii() and stamp.isdigit()]
        return max((stamp for stamp in stamps if stamp <= latest), default=0.0)


class ConfigMaps:
    """Segments in one namespace of one cluster; nothing is connected before `listen`."""

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
        self._kind = Kind("configmaps", "/api/v1", _SegmentObject, self._built, labels=JOURNAL_LABEL)
        self._path = self._kind.path(settings.namespace)
        self._cap = min(backoff_cap_seconds, 10.0)
        self._watcher: Watcher | None = None
        self._taken: dict[str, frozenset[str]] = {}
        """By segment, what was handed over."""
        self._behind: dict[str, str] = {}
        """By segment that the server had changed at the last pulse, the version that the watch had brought by then."""
        self._silent = False
        self._missed: dict[str, _Segment] = {}
        """What was fetched because the watch did not bring it."""
        self._left_out = LeftOut(clock)
        self._undeletable = ""

    @property
    def where(self) -> str:
        at = f" at {self._api.where}" if self._api.where else ""
        return f"{self._settings.where}{at}"

    @property
    def warnings(self) -> tuple[str, ...]:
        silent = "the watch is silent, so others' events come a few seconds late" if self._silent else ""
        return tuple(filter(None, (*self._api.warnings, silent, self._undeletable)))

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._left_out.sentences

    @property
    def fault(self) -> Fault | None:
        return self._watcher.fault if self._watcher else None

    def listen(self, changed: Callable[[], None]) -> None:
        self._watcher = Watcher(self._api, self._kind, self._settings.namespace, changed=changed, backoff_cap_seconds=self._cap)
        self._watcher.start()

    def read(self, cursor: str, on_events: OnEvents) -> bool:
        """There is no cursor: the segments are listed once and watched, and whoever takes knows what it has."""
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
        """A watch may be silent for long: whether the server still answers, and whether what it has was brought.

        A connection that a firewall on the way forgot is silent for ever. What the watch did not bring from one pulse to the
        next is fetched.
        """
        query = [*self._kind.selection, ("limit", str(PAGE))]
        page = self._api.decode(self._api.call("GET", self._path, query, None, _METADATA), ObjectList[_Touched])
        if self._watcher is None:
            return
        self._watcher.retry_now()
        if not self._listed:
            return  # the list brings them all at once, and until then every segment would look as if it were behind
        watched = {segment.name: segment.version for segment in self._watcher.items()}
        there = {item.metadata.name: item.metadata.resource_version for item in page.items or ()}
        behind = {name: watched.get(name, "") for name, version in there.items() if watched.get(name) != version}
        stuck = [name for name, version in behind.items() if self._behind.get(name) == version]
        self._silent, self._behind = bool(stuck), behind
        self._missed = {name: segment for name, segment in self._missed.items() if name in behind}
        for name in behind if fresh else stuck:
            with _rights_named():
                segment = self._fetched(name)
            if segment is not None:
                self._missed[name] = segment

    def push(self, events: Sequence[Event]) -> PushResult:
        with _rights_named():
            return self._push(events)

    def _push(self, events: Sequence[Event]) -> PushResult:
        watcher = self._watcher
        if watcher is None or not watcher.settled or watcher.fault:
            return PushResult()  # what is there already cannot be seen now: so nothing is written
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
        head, next_number = (self._fetched(_name(last)) if last else None), last + 1
        for attempt in range(_ATTEMPTS):
            if head is not None:
                stored += [texts[key][0] for key in left.keys() & head.keys]
                left = {key: text for key, text in left.items() if key not in head.keys}
                next_number = max(next_number, head.number + 1)
            if not left:
                return PushResult(tuple(stored), refused)
            batch = self._fitting(left, sizes, head.size if head else self._segment_bytes)
            try:
                if batch and head is not None:
                    head = self._appended(head, batch)
                else:
                    head = self._start_segment(next_number, self._fitting(left, sizes, 0))
                    self._tidy(segments)
            except RequestRejected as error:
                if error.fault.status not in (404, 409) or (error.fault.status == 404 and not (batch and head)):
                    raise
                # Somebody else was quicker: see what is there now, and go on from that.
                time.sleep(random.uniform(0.0, 0.02) * min(attempt, 10))  # noqa: S311 - so that two do not stay in step
                head = self._fetched(head.name if batch and head else _name(next_number))
        raise RateLimited("the shared journal changes faster than this console can append", where=self._api.where)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
        self._api.close()

    # One request each

    def _fetched(self, name: str) -> _Segment | None:
        """As it is now; None where it is not there (any more)."""
        try:
            return self._built(self._api.call_decoded(_SegmentObject, "GET", f"{self._path}/{name}"))
        except RequestRejected as error:
            if error.fault.status == 404:
                return None
            raise

    def _appended(self, head: _Segment, batch: dict[str, str]) -> _Segment:
        change = {"metadata": {"resourceVersion": head.version}, "data": batch}
        answer = self._api.call("PATCH", f"{self._path}/{head.name}", _MANAGER, change, _MERGE)
        return self._built(self._api.decode(answer, _SegmentObject))

    def _start_segment(self, number: int, batch: dict[str, str]) -> _Segment:
        label, _, value = JOURNAL_LABEL.partition("=")
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _name(number), "labels": {label: value, "app.kubernetes.io/managed-by": "cad-console"}},
            "data": batch,
        }
        return self._built(self._api.decode(self._api.call("POST", self._path, _MANAGER, body, _JSON), _SegmentObject))

    def _tidy(self, segments: Sequence[_Segment]) -> None:
        """Whoever begins a segment takes away those that are too old, or too many."""
        now = self._clock()
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

    # Within

    @property
    def _listed(self) -> bool:
        """Whether the first list was answered; one that was refused has its fault and no items."""
        watcher = self._watcher
        return watcher is not None and watcher.settled and not (watcher.fault and not watcher.items())

    def _fitting(self, left: dict[str, str], sizes: dict[str, int], size: int) -> dict[str, str]:
        """The first of what is left that a segment of this size has room for; one that is larger than any goes alone."""
        batch: dict[str, str] = {}
        for key, text in left.items():
            if size + sizes[key] > self._segment_bytes and (size or batch):
                break
            batch[key] = text
            size += sizes[key]
        return batch

    def _built(self, item: _SegmentObject) -> _Segment:
        data = item.data or {}
        taken = self._taken.get(item.metadata.name, frozenset())
        fresh = {key: text for key, text in data.items() if key not in taken}
        size = sum(len(key) + len(text.encode()) for key, text in data.items())
        return _Segment(item.metadata.name, item.metadata.resource_version, size, frozenset(data), fresh)


_MANAGER: Any = [("fieldManager", "cad-console")]


@contextmanager
def _rights_named() -> Iterator[None]:
    """What the cluster denies to a console's account is in a Role that somebody has to apply."""
    try:
        yield
    except AccessDenied as error:
        what, status = error.fault.what, error.fault.status
        raise AccessDenied(what, where=error.fault.where, hint=_RIGHTS, status=status) from None


def _key(event: Event) -> str:
    return f"{event.stamp:017d}.{event.id}"


def _name(number: int) -> str:
    return f"{_PREFIX}{number:06d}"
