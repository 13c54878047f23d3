"""The poll loop of one source: its own cadence, single-flight, with a capped back-off."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from console.log import report_error
from console.monitor.pauses import PauseDetector
from queries.errors import SourceError
from queries.model.fault import Fault, FaultKind
from queries.model.source import PollResult
from queries.text.durations import format_duration

Fetch: TypeAlias = Callable[[], Awaitable[tuple[Any, tuple[str, ...]]]]
"""One request: the value and the server's warnings. Raises SourceError."""

RETRY_AFTER_CAP_SECONDS = 600.0
LATE_SECONDS = 3.0
"""A request without a response for this long is late."""

_log = logging.getLogger(__name__)


MOST_JITTER = 0.1
"""The largest jitter, as a fraction of the wait, so that consoles do not poll in step."""


def next_delay(*, every: float, failures: int, cap: float, retry_after: float | None, jitter: float) -> float:
    """How long to wait: the cadence after a success, then doubled up to `cap`, but never less than the cadence.

    A Retry-After is honoured up to ten minutes. `jitter` is -1..1 and changes the wait by a tenth, never below Retry-After.
    """
    delay = every if failures == 0 else max(every, min(cap, every * 2.0 ** min(failures, 32)))
    delay *= 1.0 + jitter * MOST_JITTER
    return max(delay, min(retry_after or 0.0, RETRY_AFTER_CAP_SECONDS))


def no_pause() -> float:
    """The least cadence of a source that has none."""
    return 0.0


async def poll_once(
    source: str, fetch: Fetch, *, limit_seconds: float, clock: Callable[[], float] = time.time
) -> PollResult[Any]:
    """One PollResult, whatever happens: failure is data. This is the one broad catch."""
    started = time.perf_counter()
    value: Any = None
    warnings: tuple[str, ...] = ()
    fault: Fault | None = None
    try:
        async with asyncio.timeout(limit_seconds):
            value, warnings = await fetch()
    except SourceError as error:
        fault = error.fault
    except TimeoutError:
        fault = Fault(
            FaultKind.TIMED_OUT,
            f"{source} did not respond within {format_duration(limit_seconds)}",
            hint="it will be polled again",
        )
    except Exception as error:
        fault = _unexpected_error("polling", source, error)
    return PollResult(source, clock(), time.perf_counter() - started, value, fault, warnings)


class Poller:
    """Polls one source until it is cancelled; it never ends by itself.

    `on_late` is called with the source and the time of a request without a response; the next result ends that. `wait` waits
    for an event with a timeout. `jitter` is -1..1, the same for every wait; None draws one. `least_pause` is the least cadence
    of the moment, in seconds.
    """

    def __init__(
        self,
        source: str,
        fetch: Fetch,
        deliver: Callable[[PollResult[Any]], None],
        *,
        every: float,
        timeout: float,
        cap: float,
        clock: Callable[[], float] = time.time,
        jitter: float | None = None,
        on_late: Callable[[str, float], None] = lambda source, since: None,
        detector: PauseDetector | None = None,
        wait: Callable[[asyncio.Event, float], Awaitable[bool]] | None = None,
        least_pause: Callable[[], float] = no_pause,
    ) -> None:
        self.source = source
        self._on_late = on_late
        self._fetch = fetch
        self._deliver = deliver
        self._every = every
        self._least_pause = least_pause
        self._timeout = timeout
        self._cap = cap
        self._clock = clock
        if jitter is None:
            import random  # noqa: PLC0415  # a command polls once

            jitter = random.uniform(-1.0, 1.0)  # noqa: S311  # no secret depends on it
        self._jitter = jitter
        self._detector = detector or PauseDetector()
        self._wait = wait or wait_for_event
        self._request: asyncio.Timeout | None = None
        self._woken = asyncio.Event()
        self._enabled = asyncio.Event()
        self._enabled.set()

    def wake(self) -> None:
        """Poll as soon as the current request ends, or at once."""
        self._woken.set()

    def pause(self, on: bool) -> None:
        """Stop polling until called with False; then poll at once."""
        if on:
            self._enabled.clear()
        else:
            self._enabled.set()
            self.wake()

    def start_over(self) -> None:
        """The process stood still: abandon the current request and send a new one at once."""
        if self._request is not None:
            self._request.reschedule(0.0)
        self.wake()

    async def run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        start = due = loop.time()
        while True:
            await self._enabled.wait()
            self._woken.clear()
            # Report a missing response before the request times out.
            began, sent_at = loop.time(), self._detector.clock()
            late = loop.call_later(LATE_SECONDS, self._on_late, self.source, self._clock())
            try:
                async with asyncio.timeout(None) as self._request:
                    result = await poll_once(self.source, self._fetch, limit_seconds=self._timeout, clock=self._clock)
            except TimeoutError:
                due = loop.time()
                continue
            finally:
                self._request = None
                late.cancel()
            if result.fault and self._detector.missed_since(sent_at):
                # It timed out while this process stood still: that says nothing about the source.
                due = loop.time()
                continue
            failures = failures + 1 if result.fault else 0
            try:
                self._deliver(result)
            except Exception as error:
                report_error(f"reading the response of {self.source}", error)
            delay = next_delay(
                every=max(self._every, self._least_pause()),
                failures=failures,
                cap=self._cap,
                retry_after=result.fault.retry_after_seconds if result.fault else None,
                jitter=self._jitter,
            )
            now = loop.time()
            if result.fault:
                due = now + delay
            else:
                # A slow server still gets its pause.
                earliest = max(began + 0.9 * delay, now + min(delay, now - began))
                due = max(_approach_step(max(due + delay, earliest), start=start, delay=delay), earliest)
            if await self._wait(self._woken, due - now):
                due = loop.time()


def _approach_step(due: float, *, start: float, delay: float) -> float:
    """`due`, moved by at most a tenth of the delay towards the nearest whole number of delays after the start.

    Sources that start together stay in step for hours, even if single polls are delayed, so that one frame shows all of their
    results.
    """
    behind = due - start - round((due - start) / delay) * delay
    return due - max(-0.1 * delay, min(behind, 0.1 * delay))


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set within this time; if not, it is not set afterwards.

    A timer that sets the event wakes a task once; `asyncio.timeout` cancels it, and wakes it twice.
    """
    ended = False

    def end() -> None:
        nonlocal ended
        ended = not event.is_set()
        event.set()

    timer = asyncio.get_running_loop().call_later(max(0.0, seconds), end)
    try:
        await event.wait()
    finally:
        timer.cancel()
    if ended:
        event.clear()
    return not ended


async def keep_watching(
    source: str,
    watch: Callable[[Callable[[PollResult[Any]], None]], Awaitable[None]],
    deliver: Callable[[PollResult[Any]], None],
    *,
    cap: float,
    clock: Callable[[], float] = time.time,
) -> None:
    """Runs a watch that is not meant to end; if it ends, reports that and starts it again."""
    failures = 0
    while True:
        started = clock()
        try:
            await watch(deliver)
            fault = Fault(FaultKind.UNREACHABLE, f"watching {source} ended", hint="it will be restarted")
        except SourceError as error:
            fault = error.fault
        except Exception as error:
            fault = _unexpected_error("watching", source, error)
        failures = 1 if clock() - started > 60.0 else failures + 1
        deliver(PollResult(source, clock(), 0.0, fault=fault))
        await asyncio.sleep(next_delay(every=1.0, failures=failures, cap=cap, retry_after=None, jitter=0.0))


def _unexpected_error(what: str, source: str, error: Exception) -> Fault:
    """Called while the exception is handled, so that the log has its frames."""
    _log.exception("unexpected error while %s %s", what, source)
    text = f"{what} {source} failed with an unexpected {type(error).__name__}"
    return Fault(FaultKind.MALFORMED, text, hint="this is a defect of the console; see the log file")
