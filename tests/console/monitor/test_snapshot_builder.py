"""The desk: what came in becomes snapshots, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from screen_samples import snapshot, tracked

from console.monitor.snapshot_builder import SnapshotBuilder
from console.monitor.state_store import StateStore
from console.state.changed_ids import find_changed_ids
from console.state.snapshot import Snapshot
from queries.model.source import PollResult


async def test_closing_leaves_no_task_behind_a_slow_snapshot() -> None:
    """Under load a snapshot takes longer than `close` waits for it; its task ends all the same."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Snapshot:
        begun.set()
        go_on.wait(10.0)
        return cast(Snapshot, None)

    desk = SnapshotBuilder(cast(StateStore, None), slow)
    before = asyncio.all_tasks()
    shown: list[Any] = []
    desk.open(shown.append)
    desk.schedule()
    await asyncio.to_thread(begun.wait, 10.0)
    try:
        await desk.close()
        assert asyncio.all_tasks() == before
    finally:
        go_on.set()
    assert shown == []


async def test_what_changed_is_found_in_the_builders_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of alerts are not compared in the event loop, but for a snapshot that was built after another one."""
    found_in: list[str] = []

    def record(before: Snapshot | None, after: Snapshot) -> frozenset[str]:
        if after in (first, second, third):  # a thread of the test before may still build
            found_in.append(threading.current_thread().name.partition("_")[0])
        return find_changed_ids(before, after)

    monkeypatch.setattr("console.monitor.snapshot_builder.find_changed_ids", record)
    one, two = tracked("One", "critical"), tracked("Two", "critical")
    first, second, third = (snapshot(alerts=alerts) for alerts in ((one,), (one, two), (two,)))
    built = iter((first, second, third))
    desk = SnapshotBuilder(cast(StateStore, None), lambda: next(built))
    desk.open(lambda _: None)
    try:
        for _ in range(2):
            desk.schedule()
            await desk.build_now()
        assert desk.find_changed_ids(first, second) == {two.alert.fingerprint}
        desk.schedule()
        await desk.build_now()
        assert found_in == ["snapshots"] * 3
        assert desk.find_changed_ids(first, third) == {two.alert.fingerprint}
        assert found_in == [*["snapshots"] * 3, "MainThread"]
    finally:
        await desk.close()


async def test_a_build_that_fails_in_the_event_loop_is_not_repeated_there() -> None:
    """Its results are ingested once, and the next snapshot is built in the thread, where a failure keeps nobody."""
    given, loop = list[int](), asyncio.get_running_loop()
    shown, reported, told = snapshot(), list[str](), asyncio.Event()

    class Failing:
        def rebuild(self, results: list[Any], build: Any, *, now: float) -> Snapshot:
            given.append(len(results))
            raise ValueError("damaged")

        def apply(self, result: Any) -> None:
            given.append(-1)

    desk = SnapshotBuilder(cast(StateStore, Failing()), lambda: shown)
    desk.open(lambda _: told.set())
    loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
    try:
        await desk.build_now()
        told.clear()
        desk.ingest(PollResult("prometheus", 0.0, 0.0, None))
        await desk.build_now()
        assert (given, reported, told.is_set()) == ([1], ["building the snapshot"], False)
        await desk.build_now()
        assert (given, reported, told.is_set()) == ([1], ["building the snapshot"], True)
    finally:
        loop.set_exception_handler(None)
        await desk.close()
