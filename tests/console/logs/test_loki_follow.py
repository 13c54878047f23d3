"""A log that is followed through Loki's tail socket: what comes twice, what is dropped, and what takes its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest

from console.demo.loki import Limits, LineStore
from console.demo.loki_server import LokiApi
from console.logs.delivered_lines import DeliveredLines
from console.logs.loki_source import LokiSource
from console.logs.merged_log import MergedLog
from console.logs.query import LogQuery
from queries.errors import Unreachable
from queries.http.endpoint import Endpoint
from queries.loki import Loki
from queries.loki.responses import Page, StoredLine

LIMITS = Limits(tail_entries=5)
LABELS = {"namespace": "cad", "pod": "api-7d9c6b5f4-x2x9k"}


@pytest.fixture
def api() -> Iterator[LokiApi]:
    api = LokiApi(LineStore(LIMITS), clock=time.time)
    push(api, "first")
    api.start()
    yield api
    api.stop()


def push(api: LokiApi, *texts: str, metadata: dict[str, str] | None = None) -> None:
    at_ns = time.time_ns()
    api.store.push(LABELS, [(at_ns + number, text) for number, text in enumerate(texts)], metadata=metadata)


class Reading:
    def __init__(self, api: LokiApi) -> None:
        self.log = MergedLog()
        self.loki = Loki(Endpoint(api.url))
        query = LogQuery("deployment/api", tail_lines=100, follow=True)
        self.source = LokiSource(self.loki, query, namespace="cad", poll_seconds=0.1, retry_seconds=1.0)
        self.task = asyncio.ensure_future(self.source.read(self.log))

    def lines(self, *, notices: bool = False) -> list[str]:
        self.log.merge_pending()
        return [line.text for line in self.log.window(0, self.log.count()) if line.notice is notices]

    async def until(self, fits: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not fits():
                if self.task.done():
                    await self.task
                await asyncio.sleep(0.02)

    async def live(self, api: LokiApi) -> None:
        """Until lines come by the socket: the history of one that has just been opened came too."""
        await self.until(lambda: self.source.live)
        push(api, "probe")
        await self.until(lambda: "probe" in self.lines())

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.loki.close()


async def test_live_lines_come_once(api: LokiApi) -> None:
    """A line that the socket sent without its metadata is the same when it is read with it."""
    reading = Reading(api)
    await reading.until(lambda: reading.source.live)
    assert reading.source.describe().startswith("Loki, live {")
    push(api, "second", "third", metadata={"trace_id": "aa", "detected_level": "info"})
    await reading.until(lambda: len(reading.lines()) == 3)
    api.store.limits = replace(LIMITS, tail_seconds=0.0)
    await reading.until(lambda: not reading.source.live)
    api.store.limits = LIMITS
    await reading.until(lambda: reading.source.live)  # every line was read meanwhile
    assert reading.lines() == ["first", "second", "third"]
    await reading.end()


async def test_dropped_lines_are_said_and_read(api: LokiApi) -> None:
    """The server drops more than it names: every line comes once, and the log is complete again."""
    reading = Reading(api)
    await reading.live(api)
    push(api, *(f"line {number:02}" for number in range(50)))
    await reading.until(lambda: len(reading.lines()) == 52)
    await reading.until(lambda: len(reading.lines(notices=True)) == 2)
    assert sorted(reading.lines()) == ["first", *(f"line {number:02}" for number in range(50)), "probe"]
    missing, read = reading.lines(notices=True)
    assert missing == "lines are missing: Loki dropped at least 23 lines here, which are read again"
    assert read == "45 missing lines were read"
    await reading.until(lambda: not reading.log.status.incomplete)
    await reading.end()


async def test_a_stream_that_ends_is_polled_for_and_opened_again(api: LokiApi) -> None:
    """No line is lost meanwhile; why it is polled for is said once."""
    reading = Reading(api)
    await reading.until(lambda: reading.source.live)
    api.store.limits = replace(LIMITS, tail_seconds=0.0, tails=0)
    await reading.until(lambda: not reading.source.live)
    push(api, "while it was closed")
    await reading.until(lambda: len(reading.lines()) == 2)
    await reading.until(lambda: any("max concurrent tail requests" in text for text in reading.lines(notices=True)))
    push(api, "polled")
    await reading.until(lambda: len(reading.lines()) == 3)
    api.store.limits = LIMITS
    await reading.until(lambda: reading.source.live)
    push(api, "live again")
    await reading.until(lambda: "live again" in reading.lines())
    assert reading.lines() == ["first", "while it was closed", "polled", "live again"]
    said = reading.lines(notices=True)
    assert sum("max concurrent" in text for text in said) == 1
    await reading.end()


async def test_late_lines_that_are_no_longer_expected_end_the_doubt(api: LokiApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that is over while the server sends new lines by itself: the log is complete again."""
    for name, seconds in {"_COUNT_SECONDS": 1, "_OVERLAP_SECONDS": 1, "_OUTAGE_SECONDS": 0.1, "_LATE_SECONDS": 4}.items():
        monkeypatch.setattr(f"console.logs.loki_source.{name}", seconds)
    reading = Reading(api)
    await reading.until(lambda: reading.source.live)

    async def fail(*_: object, **__: object) -> AsyncIterator[Page]:
        raise Unreachable("connection refused", where=api.url)
        yield Page((), more=False)

    with monkeypatch.context() as outage:
        outage.setattr(reading.loki, "pages", fail)
        api.store.limits = replace(LIMITS, tail_seconds=0.0)
        await reading.until(lambda: bool(reading.log.status.waiting))
        await asyncio.sleep(0.2)
    api.store.limits = LIMITS
    await reading.until(lambda: reading.source.live and reading.log.status.incomplete)
    await reading.until(lambda: not reading.log.status.incomplete)
    await reading.end()


def line(at_ns: int, text: str, *, labels: tuple[tuple[str, str], ...] = (("pod", "a"),), trace: str = "") -> StoredLine:
    return StoredLine(at_ns, labels, text, (("trace_id", trace),) if trace else ())


def test_equal_lines_are_as_many_as_the_server_has() -> None:
    """Two lines that differ in their metadata alone are two, whichever way they came first."""
    read = [line(1, "x", trace="a"), line(1, "x", trace="b")]
    for live_first in (True, False):
        kept = DeliveredLines(("pod",))
        live = [line(1, "x"), line(1, "x")]
        found = [kept.keep_live(live), kept.keep_read(read)] if live_first else [kept.keep_read(read), kept.keep_live(live)]
        assert [len(lines) for lines in found] == [2, 0]
        kept.restart_live()
        assert not kept.keep_live(live) and not kept.keep_read(read)
        assert kept.keep_live([line(1, "x")]) == [line(1, "x")]


def test_the_labels_of_a_parser_do_not_make_another_line() -> None:
    """`| logfmt` puts what it parsed among the labels of a live line."""
    kept = DeliveredLines(("pod", "app"))
    assert kept.keep_live([line(1, "level=info x", labels=(("level", "info"), ("pod", "a")))])
    assert not kept.keep_read([line(1, "level=info x")])
    assert kept.keep_read([line(1, "level=info x", labels=(("pod", "b"),))])


def test_what_is_old_is_forgotten() -> None:
    """A day of following keeps two minutes of lines."""
    kept = DeliveredLines(())
    for second in range(1000):
        kept.keep_live([line(second * 10**9, f"line {second}")])
    assert kept.count(0, 10**18) == 151 and kept.newest_ns() == 999 * 10**9
    assert kept.oldest_of_last(10) == 990 * 10**9 and not kept.oldest_of_last(1000)
