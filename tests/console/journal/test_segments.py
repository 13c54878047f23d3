"""Segments of the journal in ConfigMaps on the cluster in the process: what fits, what is too old, and what is one too many."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from shared_host import NAMESPACE, until
from steerable_cluster import SteerableCluster

from console.config.settings import KUBERNETES, StoreSettings
from console.journal.config_maps import ConfigMaps
from console.journal.event import Event
from console.journal.shared_store import EVENT_BYTES, to_json
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes import api

NOW = 2_000_000_000.0
DAY = 86_400.0
KEEP_DAYS = 30
SIZE = 4000
"""Bytes of a segment."""


@contextlib.contextmanager
def open_store(
    folder: Path, *, segment_bytes: int = SIZE, most: int = 100, clock: Callable[[], float] = lambda: NOW
) -> Iterator[ConfigMaps]:
    endpoint = ClusterEndpoint(NAMESPACE, str(folder / "kubeconfig"), timeout_seconds=5.0)
    settings = StoreSettings(KUBERNETES, NAMESPACE, keep_days=KEEP_DAYS)
    store = ConfigMaps(endpoint, settings, read_only=False, segment_bytes=segment_bytes, most_segments=most, clock=clock)
    store.listen(lambda: None)
    try:
        until(lambda: store.read("", lambda *_: None))
        yield store
    finally:
        store.close()


def event(number: int, size: int = 0, at: float = NOW) -> Event:
    """Whose key and text together have `size` bytes, if that is given."""
    made = Event(at, "note", f"s{number}", "ann", "prod", {"text": ""}, 0, f"{number:032x}", int(at * 1e6))
    room = size - len(f"{made.stamp:017d}.{made.id}") - len(to_json(made))
    return Event(at, "note", f"s{number}", "ann", "prod", {"text": "x" * max(0, room)}, 0, made.id, made.stamp)


def held(cluster: SteerableCluster) -> dict[str, int]:
    """By the number of the segment, how many events it has."""
    found: list[dict[str, Any]] = sorted(cluster.objects("configmaps"), key=lambda item: str(item["metadata"]["name"]))
    return {item["metadata"]["name"].rpartition("-")[2].lstrip("0"): len(item.get("data") or {}) for item in found}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("size", "segments"), [(1999, [2]), (2000, [2]), (2001, [1, 1])])
def test_a_segment_is_filled_to_its_last_byte(
    cluster: SteerableCluster, tmp_path: Path, size: int, segments: list[int], apart: bool
) -> None:
    """Two events of half its size fit, together or one after the other; a byte more begins the next one."""
    both = [event(1, SIZE - 2000), event(2, size)]
    with open_store(tmp_path) as store:
        for made in [[item] for item in both] if apart else [both]:
            assert len(store.push(made).stored) == len(made)
        assert list(held(cluster).values()) == segments


@pytest.mark.parametrize(("over", "stored"), [(0, True), (1, False)])
def test_an_event_is_at_most_a_quarter_of_a_megabyte(
    cluster: SteerableCluster, tmp_path: Path, over: int, stored: bool
) -> None:
    """Alone in its segment, whatever that holds; a byte more is refused, and the others are stored all the same."""
    with open_store(tmp_path) as store:
        found = store.push([event(1, 100), event(2, EVENT_BYTES + over), event(3, 100)])
        assert {item.subject for item in found.stored} == ({"s1", "s2", "s3"} if stored else {"s1", "s3"})
        assert [(item.subject, why) for item, why in found.refused] == (
            [] if stored else [("s2", "it is too large for the cluster")]
        )


def push(store: ConfigMaps, *events: Event) -> None:
    """Each in a segment of its own, and the watch has delivered it before the next one."""
    for made in events:
        assert store.push([made]).stored == (made,)
        seen: set[str] = set()

        def delivered(made: Event = made, seen: set[str] = seen) -> bool:
            store.read("", lambda found, _: seen.update(item.id for item in found))
            return made.id in seen or made.at > NOW + DAY

        until(delivered)


@pytest.mark.parametrize(
    ("age", "kept"), [(KEEP_DAYS * DAY - 1.0, True), (KEEP_DAYS * DAY, True), (KEEP_DAYS * DAY + 1.0, False)]
)
def test_a_segment_goes_when_its_newest_event_is_too_old(
    cluster: SteerableCluster, tmp_path: Path, age: float, kept: bool
) -> None:
    """Of the age of the limit it stays; the newest segment always does, and the others are looked at when one begins."""
    with open_store(tmp_path) as store:
        push(store, event(1, SIZE, NOW - age), event(2, SIZE), event(3, SIZE))
        assert list(held(cluster)) == (["1", "2", "3"] if kept else ["2", "3"])


def test_a_clock_that_is_months_ahead_deletes_nothing(
    cluster: SteerableCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock was set wrong begins a segment: by the server's clock the others are not old, and they stay."""
    ahead = 100 * DAY
    wrong = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr(api, "time", wrong)
    with open_store(tmp_path, clock=lambda: NOW + ahead) as store:
        push(store, event(1, SIZE, NOW - DAY), event(2, SIZE), event(3, SIZE))
        assert list(held(cluster)) == ["1", "2", "3"]


@pytest.mark.parametrize(("ahead", "kept"), [(DAY, True), (DAY + 1.0, False)])
def test_a_stamp_of_a_wild_clock_keeps_no_segment(cluster: SteerableCluster, tmp_path: Path, ahead: float, kept: bool) -> None:
    """A day ahead is a clock that is off; beyond it the stamp says nothing, and the segment is as old as nothing in it."""
    with open_store(tmp_path) as store:
        push(store, event(1, SIZE, NOW + ahead))
        until(lambda: store.read("", lambda *_: None) and (store.left_out or kept))
        push(store, event(2, SIZE), event(3, SIZE))
        assert list(held(cluster)) == (["1", "2", "3"] if kept else ["2", "3"])


@pytest.mark.parametrize(("most", "left"), [(3, ["3", "4", "5"]), (4, ["2", "3", "4", "5"]), (5, ["1", "2", "3", "4", "5"])])
def test_the_oldest_segments_go_when_there_are_too_many(
    cluster: SteerableCluster, tmp_path: Path, most: int, left: list[str]
) -> None:
    """Whatever their age, down to the limit with the one that just began."""
    with open_store(tmp_path, most=most) as store:
        push(store, *(event(number, SIZE) for number in range(1, 6)))
        assert list(held(cluster)) == left
        assert store.warnings == ()
