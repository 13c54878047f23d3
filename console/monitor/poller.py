"""The poll loop of one source: its own cadence, single-flight, with a back-off that is capped."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from console.log import report_error
from console.monitor.pauses import PauseDetector
from queries.errors import SourceError
from queries.model.fault import Fault, FaultKind
from queries.model.source import PollResult

Ask: TypeAlias = Callable[[], Awaitable[tuple[Any, tuple[str, ...]]]]
"""Asks once: the value and the server's own warnings, or a SourceError."""

RETRY_AFTER_CAP_SECONDS = 600.0
LATE_SECONDS = 3.0
"""A source that was asked so long ago and has not answered is called late."""

_log = logging.getLogger(__name__)


def next_delay(*, every: float, failures: int, cap: float, retry_after: float | None, jitter: float) -> float:
    """How long to wait: the cadence while it is well, then doubled up to `cap` (never less than the cadence).

    What the server asked for is honoured up to ten minutes. `jitter` is -1..1 and moves the wait by a tenth, never under
    what the server asked for.
    """
    delay = every if failures == 0 else max(every, min(cap, every * 2.0 ** min(failures, 32)))
    delay *= 1.0 + jitter / 10.0
    return max(delay, min(retry_after or 0.0, RETRY_AFTER_CAP_SECONDS))


async def read(source: str, ask: Ask, *, limit_seconds: float, clock: Callable[[], float] = time.time) -> PollResult[Any]:
    """Ask once and give a Reading, whatever happens: failure is data. This is the one broad catch."""
    begun = time.perf_counter()
    value: Any = None
    warnings: tuple[str, ...] = ()
    fault: Fault | None = None
    try:
        async with asyncio.timeout(limit_seconds):
            value, warnings = await ask()
    except SourceError as error:
        fault = error.fault
    except TimeoutError:
        fault = Fault(FaultKind.TIMED_OUT, f"{source} gave no answer within {limit_seconds:g} s", hint="it will be asked again")
    except Exception as error:
        _log.exception("asking %s failed in a way that nobody foresaw", source)
        told = f"asking {source} failed with {type(error).__name__}"
        fault = Fault(FaultKind.MALFORMED, told, hint="this is a defect of the console; the log file has more")
    return PollResult(source, clock(), time.perf_counter() - begun, value, fault, warnings)


class Poller:
    """Asks one source again and again until it is cancelled; it never ends by itself.

    `late` is called with the source and the moment of asking where an answer does not come; the next reading ends that.
    """

    def __init__(
        self,
        source: str,
        ask: Ask,
        deliver: Callable[[PollResult[Any]], None],
        *,
        every: float,
        timeout: float,
        cap: float,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = lambda: random.uniform(-1.0, 1.0),  # noqa: S311  # no secret depends on it
        late: Callable[[str, float], None] = lambda source, since: None,
        heartbeat: PauseDetector | None = None,
    ) -> None:
        self.source = source
        self._late = late
        self._ask = ask
        self._deliver = deliver
        self._every = every
        self._timeout = timeout
        self._cap = cap
        self._clock = clock
        self._jitter = jitter
        self._heartbeat = heartbeat or PauseDetector()
        self._question: asyncio.Timeout | None = None
        self._woken = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()

    def wake(self) -> None:
        """Ask as soon as the request that is under way has ended, or at once where none is."""
        self._woken.set()

    def pause(self, on: bool) -> None:
        """Ask nothing until it is called off; then ask at once."""
        if on:
            self._wanted.clear()
        else:
            self._wanted.set()
            self.wake()

    def start_over(self) -> None:
        """The process stood still: what is under way is given up, and asked again at once."""
        if self._question is not None:
            self._question.reschedule(0.0)
        self.wake()

    async def run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._wanted.wait()
            self._woken.clear()
            # Who gives no answer for seconds is named before the time limit is over.
            began, asked_at = loop.time(), self._heartbeat.clock()
            waiting = loop.call_later(LATE_SECONDS, self._late, self.source, self._clock())
            try:
                async with asyncio.timeout(None) as self._question:
                    reading = await read(self.source, self._ask, limit_seconds=self._timeout, clock=self._clock)
            except TimeoutError:
                due = loop.time()
                continue
            finally:
                self._question = None
                waiting.cancel()
            if reading.fault and self._heartbeat.missed_since(asked_at):
                # The time limit passed while this process stood still: that says nothing of the source.
                due = loop.time()
                continue
            failures = failures + 1 if reading.fault else 0
            try:
                self._deliver(reading)
            except Exception as error:
                report_error(f"reading the response of {self.source}", error)
            delay = next_delay(
                every=self._every,
                failures=failures,
                cap=self._cap,
                retry_after=reading.fault.retry_after_seconds if reading.fault else None,
                jitter=self._jitter(),
            )
            now = loop.time()
            # Counted from when it was due, not from when it was done: the sources keep step for hours, and one frame shows
            # what all of them said. What a busy machine made late is caught up by a tenth at a time, a slow server has its
            # pause all the same, and one that fails the whole of it.
            due = now + delay if reading.fault else max(due + delay, began + 0.9 * delay, now + min(delay, now - began))
            if await self._woken_within(due - now):
                due = loop.time()

    async def _woken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True


async def follow(
    source: str,
    watch: Callable[[Callable[[PollResult[Any]], None]], Awaitable[None]],
    deliver: Callable[[PollResult[Any]], None],
    *,
    cap: float,
    clock: Callable[[], float] = time.time,
) -> None:
    """Keep a watch running that is not meant to end; where it ends all the same, say so and begin again."""
    failures = 0
    while True:
        begun = clock()
        try:
            await watch(deliver)
            fault = Fault(FaultKind.UNREACHABLE, f"watching {source} ended", hint="it will be started again")
        except SourceError as error:
            fault = error.fault
        except Exception as error:
            _log.exception("watching %s failed in a way that nobody foresaw", source)
            told = f"watching {source} failed with {type(error).__name__}"
            fault = Fault(FaultKind.MALFORMED, told, hint="this is a defect of the console; the log file has more")
        failures = 1 if clock() - begun > 60.0 else failures + 1
        deliver(PollResult(source, clock(), 0.0, fault=fault))
        await asyncio.sleep(next_delay(every=1.0, failures=failures, cap=cap, retry_after=None, jitter=0.0))
