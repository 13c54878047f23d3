"""One session that runs until its input ends, and tells every second what its process holds: one line of JSON each.

Arguments: a folder, and the URLs of the sources as JSON. It is alone in its process, so that nothing else is measured.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from sitting import settings_for

from console.journal.event import Event
from console.monitor.session import Session
from console.state.snapshot import Snapshot

EVENTS_A_SECOND = 10
MOST_EVENTS = 20_000


async def run(folder: Path, urls: dict[str, str], every: float, cap: float) -> None:
    settings = settings_for(folder, urls, refresh_seconds=every, backoff_cap_seconds=cap)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    before = len(asyncio.all_tasks())
    session = await asyncio.to_thread(Session.open, settings)
    snapshots: list[Snapshot] = []
    counted = 0

    def take(snapshot: Snapshot) -> None:
        nonlocal counted
        counted += 1
        snapshots[:] = [snapshot]

    session.start(take)
    began = time.monotonic()
    number = 0
    journal = asyncio.create_task(_write(session))
    while not ended.is_set():
        number += 1
        with suppress(TimeoutError):
            async with asyncio.timeout_at(loop.time() + max(0.0, began + number - time.monotonic())):
                await ended.wait()
        late = time.monotonic() - (began + number)
        states = {item.name: item.health.value for item in snapshots[0].sources} if snapshots else {}
        good = {item.name: item.last_good_at is not None for item in snapshots[0].sources} if snapshots else {}
        _tell(
            at=round(time.monotonic() - began, 2),
            resident=_resident(),
            descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - a path for each would be allocated
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            late=round(late, 3),
            snapshots=counted,
            alerts=len(snapshots[0].alerts) if snapshots else 0,
            states=states,
            good=good,
        )
    journal.cancel()
    await asyncio.gather(journal, return_exceptions=True)
    snapshots.clear()
    await session.close()
    await asyncio.sleep(0.2)
    _tell(left_tasks=len(asyncio.all_tasks()) - before)


async def _write(session: Session) -> None:
    """Another console of this user writes into the same journal, all the time."""
    assert session.journal is not None
    for number in range(MOST_EVENTS):
        event = Event(time.time(), "action.outcome", f"action-{number}", "other", "faults", {"text": "done " * 20})
        await asyncio.to_thread(session.journal.append, event)
        await asyncio.sleep(1.0 / EVENTS_A_SECOND)


def _resident() -> int:
    """What is really in use: garbage is collected and free pages are given back first."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _tell(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
