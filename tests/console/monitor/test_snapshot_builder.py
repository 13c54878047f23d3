"""The desk: what came in becomes snapshots, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

from console.monitor.snapshot_builder import SnapshotBuilder
from console.monitor.state_store import StateStore
from console.state.snapshot import Snapshot


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
