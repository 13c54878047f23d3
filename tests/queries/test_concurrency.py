"""Requests that belong together end together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from limits import extend
from loopback import http_answer

from queries.alertmanager import Alertmanager
from queries.concurrency import DaemonPool, end_tasks, task_group
from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.platform.client import Platform


@pytest.mark.parametrize("kind", ["alertmanager", "platform"])
async def test_nothing_goes_on_after_a_failure(serve, kind: str) -> None:
    """One path fails at once, the others never answer: the failure comes at once, and no task of it is left behind."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b" /api/v2/alerts" in head or b" /health " in head:
            writer.write(http_answer("502 Bad Gateway", b"no", "text/plain"))
        else:
            await asyncio.sleep(30)

    server = await serve(behave)
    endpoint = Endpoint(server.url, timeout_seconds=20.0)
    begun, before = time.monotonic(), asyncio.all_tasks()
    with pytest.raises(SourceError, match="502"):
        if kind == "platform":
            source = Platform(endpoint)
            await source.health()
        else:
            peers = Alertmanager((endpoint,))
            await peers.state()
    assert time.monotonic() - begun < extend(5)
    ours = [task for task in asyncio.all_tasks() - before if "serve" not in repr(task.get_coro())]
    assert ours == []
    await (source if kind == "platform" else peers).close()


async def fail() -> None:
    raise ValueError("rejected")


class FailingPoll:
    """Polls again after every failure; a request appends the task of it that fails to `failing`."""

    def __init__(self, request: Callable[[list[asyncio.Task[None]]], Awaitable[None]]) -> None:
        self.failing: list[asyncio.Task[None]] = []
        self._request = request

    async def run(self) -> None:
        while True:
            with contextlib.suppress(ValueError):
                await self._request(self.failing)
            await asyncio.sleep(0.01)

    async def start(self) -> asyncio.Task[None]:
        """Returns in the very turn of the loop in which the first request fails."""
        polled = asyncio.create_task(self.run())
        for _ in range(100):
            if self.failing and self.failing[0].done():
                break
            await asyncio.sleep(0)
        return polled


async def test_what_fails_while_it_is_cancelled_ends_all_the_same() -> None:
    """A poll whose request fails at the moment in which it is cancelled goes on polling, and is cancelled again."""

    async def request(failing: list[asyncio.Task[None]]) -> None:
        failing.append(asyncio.create_task(fail()))
        await asyncio.gather(failing[-1], asyncio.sleep(30.0))

    poll = FailingPoll(request)
    polled = await poll.start()
    async with asyncio.timeout(extend(10.0)):
        await end_tasks([polled])
    assert polled.cancelled() and len(poll.failing) > 1


async def test_the_clean_up_of_a_task_that_was_cancelled_before_is_not_cut_short() -> None:
    """Whoever cancels it first and ends it then waits until it has cleaned up."""
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(30.0)
        finally:
            await asyncio.sleep(0.05)
            cleaned.append("all")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await end_tasks([task])
    assert task.cancelled() and cleaned == ["all"]


async def test_a_group_that_fails_while_it_is_cancelled_is_cancelled() -> None:
    """One cancellation is enough: the error of a task does not hide it. The other task of the group has ended by then."""
    others: list[asyncio.Task[None]] = []

    async def request(failing: list[asyncio.Task[None]]) -> None:
        async with task_group() as group:
            failing.append(group.create_task(fail()))
            others.append(group.create_task(asyncio.sleep(30.0)))

    poll = FailingPoll(request)
    polled = await poll.start()
    polled.cancel()
    await asyncio.wait([polled], timeout=extend(5.0))
    assert polled.cancelled() and len(poll.failing) == 1 and others[0].cancelled()


async def test_a_group_raises_the_error_that_came_first() -> None:
    """Not what another task makes of being cancelled for it. What the block itself raises comes through as it is, and a group
    without a task ends at once.
    """

    async def turn_into_error() -> None:
        try:
            await asyncio.sleep(30.0)
        except asyncio.CancelledError:
            raise OSError("cancelled") from None

    with pytest.raises(ValueError, match="rejected"):
        async with task_group() as group:
            group.create_task(turn_into_error())
            group.create_task(fail())
    with pytest.raises(KeyError):
        async with task_group() as group:
            waits = group.create_task(asyncio.sleep(30.0))
            raise KeyError("of the block")
    assert waits.cancelled()
    async with task_group():
        pass


@pytest.mark.parametrize("calls", [1, 2, 3])
async def test_a_pool_has_at_most_so_many_threads(calls: int) -> None:
    """Further calls wait for one of them, and an idle thread is used again."""
    pool, goes_on = DaemonPool(f"pool-of-two-{calls}", threads=2), threading.Event()
    running = [asyncio.create_task(pool.run(goes_on.wait, extend(10.0))) for _ in range(calls)]
    await asyncio.sleep(0)
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith(f"pool-of-two-{calls}-")]
    assert len(names) == min(calls, 2)
    goes_on.set()
    assert await asyncio.gather(*running) == [True] * calls
    pool.close()
