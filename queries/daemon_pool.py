"""Threads that wait on slow servers and never hold up the exit."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonPool:
    """A few daemon threads that run blocking calls for coroutines.

    The interpreter joins the threads of a `ThreadPoolExecutor` at its exit, so that one hung server would keep a closed
    console alive; daemon threads are simply left behind. A cancelled caller stops waiting; its call runs out by itself.
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
        """The call's result, or the exception that it raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = call(*args, **kwargs)
            except BaseException as error:  # whatever it is, it belongs to the caller
                _tell(loop, future, future.set_exception, error)
            else:
                _tell(loop, future, future.set_result, result)

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
            # Its frame would keep the call's arguments and answer alive until the next call.
            del work
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        """Ends the idle threads; busy ones end after their call."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = self._threads
        for _ in range(threads):
            self._calls.put(None)


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], setter: Callable[[Any], None], value: object) -> None:
    def settle() -> None:
        if not future.done():
            setter(value)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: nobody waits for this any more
        return
