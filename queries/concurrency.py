"""Work beside the event loop: a pool for decoding and files, daemon threads for slow servers, tasks that end together."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MANY = 300
"""So many items are too much for one turn of the loop."""
_CANCEL_SECONDS = 2.0
"""How long a cancelled task may take to clean up before it is cancelled again."""
_POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="cad-console-decode")
"""Our own, because asyncio's default pool is shared with name resolution, where one hung resolver would starve decoding."""

CPU_LOCK = threading.Lock()
"""Held by every thread that computes for longer than a key press may wait, so that only one does at a time.

Threads that compute compete for the interpreter. The drawing loop gets its turn within a millisecond after one of them, but
only by chance after three, and it needs a turn after every request that it sends and every byte that it writes.
"""


async def offload(work: Callable[[], T]) -> T:
    """Run `work`, which mostly waits, in the pool. Raises what it raises; cancelling stops only the waiting."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, work)


async def run_cpu_bound(work: Callable[[], T]) -> T:
    """Run `work`, which keeps the processor busy, in the pool while no other thread computes."""

    def locked() -> T:
        with CPU_LOCK:
            return work()

    return await offload(locked)


async def maybe_offload(work: Callable[[], T], size: int) -> T:
    """Run `work` here, or in the pool if it covers so many items that a key press would wait for it."""
    return await run_cpu_bound(work) if size > MANY else work()


class TaskGroup:
    """Tasks that end together, see `task_group`."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any]] = []

    def create_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Waits for its tasks at the end of the block. The first that fails cancels the others, and the block raises its error.

    No task survives the block: `asyncio.gather` would raise at once and leave the others running into the next poll. Before
    3.13 `asyncio.TaskGroup` raises a failure of its tasks instead of the cancellation that arrives with it, so that a poller
    which was cancelled goes on; this one raises the cancellation.
    """
    group = TaskGroup()
    try:
        yield group
        if group.tasks:
            await asyncio.wait(group.tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in group.tasks if task.done() and not task.cancelled() and task.exception() is not None]
    finally:
        await end_tasks(group.tasks)
    for task in failed:
        task.result()


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels the tasks until each has ended.

    Once is not enough: `asyncio.gather` raises the error of one instead of a cancellation that arrives in the same turn of the
    loop, and a poller that goes on after it never ends. A task that was cancelled before gets its time to clean up first.
    """
    left = [task for task in tasks if not task.done()]
    due = [task for task in left if not task.cancelling()]
    while left:
        for task in due:
            task.cancel()
        _, pending = await asyncio.wait(left, timeout=_CANCEL_SECONDS)
        left = due = [*pending]
    for task in tasks:
        if not task.cancelled():
            task.exception()  # it was reported where it happened


class DaemonPool:
    """A few daemon threads that run blocking calls for coroutines.

    At exit the interpreter joins the threads of a `ThreadPoolExecutor`, so one hung server would keep a closed console
    alive; it abandons daemon threads. A cancelled caller stops waiting, but its call runs to its end.
    """

    def __init__(self, name: str, *, threads: int) -> None:
        self._name = name
        self._limit = threads
        self._threads = 0
        self._idle = 0
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns. Raises what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = call(*args, **kwargs)
            except BaseException as error:  # the caller awaits it
                _settle(loop, future, future.set_exception, error)
            else:
                _settle(loop, future, future.set_result, result)

        self._submit(work)
        return await future

    def _submit(self, work: Callable[[], None]) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{self._name} is closed")
            if self._idle == 0 and self._threads < self._limit:
                self._threads += 1
                name = f"{self._name}-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
            elif self._idle:
                self._idle -= 1
        self._calls.put(work)

    def _serve(self) -> None:
        while True:
            work = self._calls.get()
            if work is None:
                return
            work()
            # Otherwise this frame would keep the arguments and the result alive until the next call.
            del work
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        """End the idle threads now and the busy ones after their call."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = self._threads
        for _ in range(threads):
            self._calls.put(None)


def _settle(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], setter: Callable[[Any], None], value: object) -> None:
    def settle() -> None:
        if not future.done():
            setter(value)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed, so no caller waits
        return
