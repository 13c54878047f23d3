"""The poll loop: its waits, its patience, and that nothing ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick_clock import run_quickly

from console.monitor import poller as poller_module
from console.monitor.poller import Poller, keep_watching, next_delay, poll_once, wait_for_event
from queries.errors import AccessDenied, RateLimited
from queries.model.fault import FaultKind
from queries.model.source import PollResult


@given(
    every=st.floats(0.1, 600),
    failures=st.integers(0, 10_000),
    cap=st.floats(0.1, 600),
    retry_after=st.none() | st.floats(0, 1e9),
    jitter=st.floats(-1, 1),
)
def test_a_wait_is_bounded(every: float, failures: int, cap: float, retry_after: float | None, jitter: float) -> None:
    """Never shorter than nine tenths of the cadence, never longer than cap or cadence by a tenth, or what was asked for."""
    delay = next_delay(every=every, failures=failures, cap=cap, retry_after=retry_after, jitter=jitter)
    assert delay >= every * 0.9 - 1e-9
    assert delay <= max(max(every, cap) * 1.1, min(retry_after or 0.0, 600.0)) + 1e-9
    assert delay >= min(retry_after or 0.0, 600.0)


def test_the_back_off_doubles_up_to_its_cap() -> None:
    """5, 10, 20, then 30 seconds, and 30 for ever."""
    waits = [next_delay(every=5, failures=n, cap=30, retry_after=None, jitter=0) for n in range(6)]
    assert waits == [5, 10, 20, 30, 30, 30]


class Source:
    """Gives what a test wants, one answer a question."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.within = 0
        self.most = 0

    async def __call__(self) -> tuple[Any, tuple[str, ...]]:
        self.asked += 1
        self.within += 1
        self.most = max(self.most, self.within)
        try:
            answer = self.answers.pop(0) if self.answers else "later"
            await asyncio.sleep(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer, ("a warning",)
        finally:
            self.within -= 1


def poller(source: Source, taken: list[PollResult[Any]], waits: list[float]) -> Poller:
    async def wait(event: asyncio.Event, seconds: float) -> bool:
        waits.append(seconds)
        await asyncio.sleep(0)
        return True

    return Poller("prometheus", source, taken.append, every=5, timeout=1, cap=30, clock=lambda: 100.0, jitter=0.0, wait=wait)


async def until(met: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)


async def rounds(source: Source, count: int) -> tuple[list[PollResult[Any]], list[float]]:
    taken: list[PollResult[Any]] = []
    waits: list[float] = []
    task = asyncio.create_task(poller(source, taken, waits).run())
    await until(lambda: len(waits) >= count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return taken, waits


async def test_failures_are_readings_and_recovery_needs_no_restart() -> None:
    """Errors, also those that nobody foresaw, become readings; the next good answer ends the back-off."""
    source = Source(AccessDenied("no right", status=403), ValueError("secret"), TypeError(), "good")
    taken, waits = await rounds(source, 5)
    assert [item.fault.kind if item.fault else None for item in taken[:4]] == [
        FaultKind.DENIED,
        FaultKind.MALFORMED,
        FaultKind.MALFORMED,
        None,
    ]
    assert taken[1].fault is not None
    assert "secret" not in taken[1].fault.sentence()
    assert (taken[3].value, taken[3].warnings, taken[3].taken_at) == ("good", ("a warning",), 100.0)
    assert [round(wait, 1) for wait in waits[:5]] == [10, 20, 30, 5, 5]


async def test_what_the_server_asks_for_is_honoured() -> None:
    """Retry-After is waited for."""
    _, waits = await rounds(Source(RateLimited("slow down", retry_after_seconds=120)), 1)
    assert waits == [120]


async def test_a_consumer_that_fails_does_not_end_the_poll() -> None:
    """A defect in what takes the reading is logged; the source is asked on."""
    source = Source()

    def broken(reading: PollResult[Any]) -> None:
        raise RuntimeError("a defect")

    made = Poller("x", source, broken, every=0.001, timeout=1, cap=1)
    task = asyncio.create_task(made.run())
    await until(lambda: source.asked >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_waking_asks_at_once_and_never_twice_at_a_time() -> None:
    """Refresh now ends the wait; while an answer is under way a second one is not asked for."""
    source = Source()
    taken: list[PollResult[Any]] = []
    made = Poller("x", source, taken.append, every=3600, timeout=1, cap=3600)
    task = asyncio.create_task(made.run())
    for expected in (1, 2, 3):
        while len(taken) < expected:
            made.wake()
            await asyncio.sleep(0)
    assert source.most == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_sources_keep_step_for_hours() -> None:
    """A source whose every wait ends 4 ms late asks its thousandth question 4 ms late, and not four seconds."""
    asked: list[float] = []

    async def ask() -> tuple[str, tuple[str, ...]]:
        asked.append(asyncio.get_running_loop().time())
        return "value", ()

    async def wait_late(event: asyncio.Event, seconds: float) -> bool:
        return await wait_for_event(event, seconds) or await asyncio.sleep(0.004, False)

    made = Poller("late", ask, lambda reading: None, every=5.0, timeout=1, cap=30, jitter=0.0, wait=wait_late)

    async def hours() -> None:
        task = asyncio.create_task(made.run())
        await asyncio.sleep(5.0 * 1000 + 1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_quickly(hours())
    assert len(asked) == 1001
    assert asked[1000] == pytest.approx(5.0 * 1000, abs=0.01)


def test_sources_are_in_step_again_after_a_slow_first_answer() -> None:
    """A source whose first answer takes 0.7 s, as while it waits for the rules, soon asks at the same moments as the others."""
    asked: list[float] = []

    async def ask() -> tuple[str, tuple[str, ...]]:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            await asyncio.sleep(0.7)
        return "value", ()

    made = Poller("slow at first", ask, lambda reading: None, every=1.0, timeout=5, cap=30, jitter=0.0)

    async def seconds() -> None:
        task = asyncio.create_task(made.run())
        await asyncio.sleep(20.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_quickly(seconds())
    assert all(0.899 <= later - sooner <= 1.5 for sooner, later in pairwise(asked))
    assert [at % 1.0 for at in asked[10:]] == pytest.approx([0.0] * len(asked[10:]), abs=0.001)


async def test_an_answer_that_never_ends_is_given_up() -> None:
    """The limit becomes a fault that says how long was waited."""

    async def never() -> tuple[Any, tuple[str, ...]]:
        await asyncio.Event().wait()
        raise AssertionError

    reading = await poll_once("prometheus", never, limit_seconds=0.01)
    assert reading.fault is not None
    assert reading.fault.kind is FaultKind.TIMED_OUT
    assert "10ms" in reading.fault.what


async def test_a_watch_that_ends_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that returns or raises is reported, and started anew after a wait."""
    begun = 0
    taken: list[PollResult[Any]] = []

    async def watch(deliver: Any) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise KeyError("defect")

    monkeypatch.setattr("console.monitor.poller.next_delay", lambda **_: 0.0)
    task = asyncio.create_task(keep_watching("kubernetes", watch, taken.append, cap=1))
    await until(lambda: len(taken) >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert begun >= 2
    assert all(item.fault for item in taken)


async def test_a_source_that_says_nothing_is_named_before_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was asked and does not answer is called late, once for each asking; who answers in time never is."""
    monkeypatch.setattr(poller_module, "LATE_SECONDS", 0.05)
    told: list[tuple[str, float]] = []

    async def slow() -> tuple[Any, tuple[str, ...]]:
        await asyncio.sleep(0.2)
        return "good", ()

    def late(source: str, since: float) -> None:
        told.append((source, since))

    taken: list[PollResult[Any]] = []
    made = Poller("x", slow, taken.append, every=5, timeout=1, cap=1, on_late=late, clock=lambda: 100.0)
    task = asyncio.create_task(made.run())
    await until(lambda: bool(taken))
    task.cancel()
    assert told == [("x", 100.0)] and taken[0].value == "good"

    told.clear()
    prompt = Poller("x", Source("good"), taken.append, every=5, timeout=1, cap=1, on_late=late)
    task = asyncio.create_task(prompt.run())
    await asyncio.sleep(0.12)
    task.cancel()
    assert not told


async def test_waiting_for_an_event_ends_with_it_or_in_time() -> None:
    """Whether the event came is told, and one that did not is not set afterwards: the next wait waits again."""
    event = asyncio.Event()
    for _ in range(2):
        assert not await wait_for_event(event, 0.001)
        assert not event.is_set()
    waiting = asyncio.create_task(wait_for_event(event, 60.0))
    await asyncio.sleep(0)
    event.set()
    assert await waiting and await wait_for_event(event, 60.0)
