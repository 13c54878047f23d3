"""An app under test counts as idle when its loop has nothing left to run, not when the processor happens to rest."""

from __future__ import annotations

import asyncio
import time

import pytest
from idle import WatchedLoop, wait_until_idle


async def test_what_is_on_its_way_ends_before_it_returns() -> None:
    """Callbacks that call the next one, a timer due soon, what the timer starts, and a job in a thread of an executor."""
    loop = asyncio.get_running_loop()
    done: list[str] = []

    def call(left: int) -> None:
        if left:
            loop.call_soon(call, left - 1)
        else:
            done.append("callbacks")

    def job() -> None:
        time.sleep(0.01)
        loop.call_soon_threadsafe(done.append, "job")

    loop.call_soon(call, 50)
    loop.call_later(0.03, loop.call_soon, done.append, "timer")
    running = asyncio.ensure_future(asyncio.to_thread(job))
    await wait_until_idle(max_sleep=120.0)
    assert sorted(done) == ["callbacks", "job", "timer"]
    await running


async def test_what_is_due_later_is_not_waited_for() -> None:
    """A timer in a minute, and a task that waits for it, leave the app idle at once."""
    later = asyncio.ensure_future(asyncio.sleep(60.0))
    await asyncio.sleep(0)
    before = time.process_time()
    await wait_until_idle(max_sleep=30.0)
    assert not later.done() and time.process_time() - before < 1.0
    later.cancel()


async def test_a_socket_leaves_it_to_the_processor() -> None:
    """What a server may still send is in no loop; without a server the loop knows all."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WatchedLoop) and loop.knows_all()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        assert not loop.knows_all()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
async def test_the_next_timer_is_known(seconds: float) -> None:
    """The seconds until it runs something, cancelled timers aside; infinite without one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WatchedLoop) and loop.next_seconds() == float("inf")
    loop.call_later(0.1, print).cancel()
    timer = loop.call_later(seconds, print) if seconds else loop.call_soon(print)
    assert seconds - 30.0 < loop.next_seconds() <= seconds
    timer.cancel()
