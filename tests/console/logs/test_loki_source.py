"""The lines that Loki keeps as a source of the log screen, against the demo's stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from kept_lines import KeptLines

from console.logs.loki_source import LokiSource
from console.logs.merged_log import MergedLog
from console.logs.query import LogOrigin, LogQuery
from queries.errors import SourceError

NOW = 1_767_276_000
NANO = 10**9
SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
API = {"namespace": "cad", "pod": "api-7d9c6b5f4-x2x9k", "container": "web"}
GONE = {"namespace": "cad", "pod": "api-7d9c6b5f4-zzzzz", "container": "web"}
OTHER = {"namespace": "cad", "pod": "api-canary-7d9c6b5f4-aaaaa", "container": "web"}


class Reading:
    """A source that is read in a task, and its log."""

    def __init__(self, kept: KeptLines, query: LogQuery) -> None:
        self.kept = kept
        self.log = MergedLog()
        self.source = LokiSource(kept.client(), query, namespace="cad", clock=lambda: kept.now, poll_seconds=0.02)
        self.task = asyncio.ensure_future(self.source.read(self.log))

    def texts(self) -> list[str]:
        self.log.merge_pending()
        return [f"# {line.text}" if line.notice else line.text for line in self.log.window(0, self.log.count())]

    async def until(self, fits: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not fits():
                if self.task.done():
                    await self.task
                await asyncio.sleep(0.005)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> KeptLines:
    return KeptLines(NOW)


def push(kept: KeptLines, at: float, text: str, stream: dict[str, str] = API) -> None:
    kept.store.push(stream, [(int(at * NANO), text)])


async def test_the_lines_of_a_workload_with_those_of_a_pod_that_is_gone(kept: KeptLines) -> None:
    """By the labels that the server has; sources are named as those of the pods' own logs."""
    push(kept, NOW - 3000, "gone", GONE)
    push(kept, NOW - 10, "here")
    push(kept, NOW - 5, "not this one", OTHER)
    reading = Reading(kept, LogQuery("deployment/api", since_seconds=3600, origin=LogOrigin.LOKI))
    await reading.task
    assert reading.texts() == ["gone", "here"]
    assert reading.log.sources() == (API["pod"], GONE["pod"]) or reading.log.sources() == (GONE["pod"], API["pod"])
    assert reading.source.describe() == f'Loki {{namespace="cad", pod=~"api-{SAFE}+-{SAFE}{{5}}"}}'


async def test_a_query_of_ones_own_and_an_end(kept: KeptLines) -> None:
    """It is sent as it stands; `until` ends the time, and nothing is followed."""
    for at in range(100):
        push(kept, NOW - 100 + at, f"line {at}{' timeout' * (at % 10 == 5)}")
    query = LogQuery('{pod=~".+"} |= "timeout"', since_seconds=50, until=NOW - 20, follow=True)
    reading = Reading(kept, query)
    await reading.task
    assert reading.texts() == ["line 35 timeout", "line 45 timeout", "line 55 timeout", "line 65 timeout", "line 75 timeout"]


async def test_the_last_lines_and_that_there_are_more(kept: KeptLines) -> None:
    """The newest ones, with a notice where the server has older ones; none where these are all."""
    for at in range(100):
        push(kept, NOW - 100 + at, f"line {at}")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=3))
    await reading.task
    assert reading.texts() == ["# Loki has older lines than these", "line 97", "line 98", "line 99"]
    every = Reading(kept, LogQuery("deployment/api", tail_lines=100))
    await every.task
    assert every.texts()[0] == "line 0"


async def test_following(kept: KeptLines) -> None:
    """New lines come once, also late ones and those of a time when the server failed, which the status tells."""
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    push(kept, NOW + 1, "second")
    await reading.until(lambda: "second" in reading.texts())
    push(kept, NOW - 4, "late")
    await reading.until(lambda: reading.texts() == ["late", "before", "second"])
    kept.fails = lambda _: httpx.Response(504, text="request timed out, decrease the duration of the request")
    await reading.until(lambda: bool(reading.log.status.waiting))
    assert "decrease the duration" in reading.log.status.waiting[0]
    push(kept, NOW + 2, "while it failed")
    kept.fails = lambda _: None
    await reading.until(lambda: "while it failed" in reading.texts())
    await reading.until(lambda: not reading.log.status.waiting)
    assert reading.texts() == ["late", "before", "second", "while it failed"]
    reading.task.cancel()


async def test_lines_that_come_later_than_what_is_read_again(kept: KeptLines) -> None:
    """The server counts more than were delivered: they are read, and a notice says how many came late."""
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    for at in range(1, 100):
        push(kept, NOW + at, f"line {at}")
    kept.now = NOW + 50
    await reading.until(lambda: "line 99" in reading.texts())
    push(kept, NOW + 80.5, "very late")
    kept.now = NOW + 140
    await reading.until(lambda: any(text.startswith("# a line before") for text in reading.texts()))
    assert reading.texts().count("very late") == 1 and len(reading.texts()) == 102
    reading.task.cancel()


async def test_late_lines_whose_read_fails(kept: KeptLines) -> None:
    """The server counts them and then fails once: they are counted and read again, not lost without a notice."""
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    for at in range(1, 100):
        push(kept, NOW + at, f"line {at}")
    kept.now = NOW + 50
    await reading.until(lambda: "line 99" in reading.texts())
    push(kept, NOW + 80.5, "very late")
    counted, failed = [], []

    def fail_after_count(request: httpx.Request) -> httpx.Response | None:
        if request.url.path == "/loki/api/v1/query":
            counted.append(request)
        elif counted and not failed:
            failed.append(request)
            return httpx.Response(504, text="request timed out, decrease the duration of the request")
        return None

    kept.fails = fail_after_count
    kept.now = NOW + 140
    await reading.until(lambda: any(text.startswith("# a line before") for text in reading.texts()))
    assert failed and len(counted) == 2 and reading.texts().count("very late") == 1
    reading.task.cancel()


async def test_lines_of_an_outage_that_arrive_after_it(kept: KeptLines) -> None:
    """Agents keep what Loki did not take for minutes. A notice says that lines may be missing, they are read once they have
    arrived, each once, and the notice of the status ends when none is expected any more.
    """
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    kept.fails = lambda _: httpx.Response(503, text="Ingester is shutting down")
    await reading.until(lambda: bool(reading.log.status.waiting))
    kept.now = NOW + 300
    push(kept, NOW + 299, "first after it")
    kept.fails = lambda _: None
    await reading.until(lambda: "first after it" in reading.texts() and not reading.log.status.waiting)
    assert any(text.startswith("# lines may be missing: Loki did not answer for 5m") for text in reading.texts())
    assert reading.log.status.incomplete
    for minutes in range(1, 8):
        push(kept, NOW + 20 * minutes, f"late {minutes}")
        kept.now = NOW + 300 + 61 * minutes
        push(kept, kept.now - 1, f"new {minutes}")
        await reading.until(lambda minutes=minutes: f"late {minutes}" in reading.texts())  # type: ignore[misc]
    kept.now = NOW + 300 + 620
    await reading.until(lambda: not reading.log.status.incomplete)
    lines = [text for text in reading.texts() if not text.startswith("#")]
    assert sorted(lines) == sorted({*lines}) and len(lines) == 16
    reading.task.cancel()


async def test_late_lines_that_cannot_be_counted_leave_the_log_incomplete(kept: KeptLines) -> None:
    """After an outage Loki refuses every count: whether lines came later is never known, which a notice says once."""
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    kept.fails = lambda _: httpx.Response(503, text="Ingester is shutting down")
    await reading.until(lambda: bool(reading.log.status.waiting))
    kept.now = NOW + 300
    refusal = "pipeline error: 'JSONParserErr' for series"
    kept.fails = lambda request: httpx.Response(400, text=refusal) if request.url.path == "/loki/api/v1/query" else None
    for at in (300, 400, 920, 1000):  # the third is past the time for which late lines are expected
        kept.now = NOW + at
        push(kept, kept.now - 1, f"new {at}")
        await reading.until(lambda at=at: f"new {at}" in reading.texts() and not reading.log.status.waiting)  # type: ignore[misc]
    assert reading.log.status.incomplete
    said = [text for text in reading.texts() if text.startswith("# lines may be missing: late arrivals")]
    assert len(said) == 1 and "cannot be counted" in said[0] and "JSONParserErr" in said[0]
    reading.task.cancel()


async def test_what_is_not_counted_any_more_leaves_the_log_incomplete(kept: KeptLines) -> None:
    """A console that slept for hours counts the last hour only: the notice of it and the status agree."""
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    kept.now = NOW + 9000
    await reading.until(lambda: any(text.startswith("# lines are missing: late arrivals") for text in reading.texts()))
    push(kept, kept.now - 1, "after")
    await reading.until(lambda: "after" in reading.texts())
    await reading.until(lambda: reading.log.status.incomplete)
    reading.task.cancel()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "no org id", "X-Scope-OrgID"),
        (400, "parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,", "syntax error"),
    ],
)
async def test_what_another_attempt_would_not_mend(kept: KeptLines, status: int, body: str, words: str) -> None:
    """It ends the reading with the server's own sentence, also while following."""
    push(kept, NOW - 1, "before")
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: reading.texts() == ["before"])
    kept.fails = lambda _: httpx.Response(status, text=body, headers={"content-type": "text/plain"})
    with pytest.raises(SourceError, match=words):
        await reading.task


async def test_the_volume_over_time(kept: KeptLines) -> None:
    """Each line is counted once, in the part of the time in which it was written."""
    for at in range(0, 600, 2):
        push(kept, NOW - 600 + at + 0.5, f"line {at}")
    reading = Reading(kept, LogQuery("deployment/api", since_seconds=600))
    await reading.task
    volume = await reading.source.volume(61)
    assert volume.step_ns == 10 * NANO and volume.start_ns == (NOW - 600) * NANO
    assert volume.counts == (5,) * 60


async def test_what_is_still_being_read_is_not_missing(kept: KeptLines) -> None:
    """While the first page is on its way nobody knows whether there is a line; afterwards it is said where none is."""
    push(kept, NOW - 3000, "of long ago")
    seen: list[str] = []

    def look(request: httpx.Request) -> None:
        if request.url.path == "/loki/api/v1/query_range":
            seen.append(reading.source.describe_time())

    kept.fails = look
    reading = Reading(kept, LogQuery("deployment/api", since_seconds=300))
    await reading.task
    assert seen == [""] and reading.source.describe_time() == "in the last 5m" and reading.texts() == []


@pytest.mark.parametrize("target", ["deployment/api", f"pod/{API['pod']}"])
async def test_the_labels_are_those_of_the_time(kept: KeptLines, target: str) -> None:
    """The agents died yesterday, and Loki names the labels of the last six hours unless it is asked for others."""
    for container in ("web", "sidecar"):
        push(kept, NOW - 86_400, f"of {container}", {**API, "container": container})
    query = LogQuery(target, since_seconds=3600, until=NOW - 86_000)
    reading = Reading(kept, query)
    await reading.task
    assert sorted(reading.texts()) == ["of sidecar", "of web"]
    assert sorted(reading.log.sources()) == [f"{API['pod']}/sidecar", f"{API['pod']}/web"]
    assert reading.source.parts() == ("", "sidecar", "web")
    whole = Reading(kept, LogQuery(target))
    await whole.task
    assert sorted(whole.texts()) == ["of sidecar", "of web"]


async def test_lines_that_a_parser_cannot_read_are_counted_and_followed(kept: KeptLines) -> None:
    """Loki refuses to count lines with the error of a parser unless it is dropped; following never ends for a count."""
    push(kept, NOW - 100, "no JSON")
    push(kept, NOW - 1, '{"level": "info"}')
    query = LogQuery('{pod=~".+"} | json level="level" | level!="debug"', tail_lines=10, follow=True)
    reading = Reading(kept, query)
    await reading.until(lambda: len(reading.texts()) == 2)
    assert sum((await reading.source.volume(60)).counts) == 2
    kept.now = NOW + 100
    push(kept, NOW + 99, "still no JSON")
    await reading.until(lambda: len(reading.texts()) == 3)
    assert [request for request in kept.requests if request.url.path == "/loki/api/v1/query"]
    refusal = "pipeline error: 'JSONParserErr' for series"
    kept.fails = lambda request: httpx.Response(400, text=refusal) if request.url.path == "/loki/api/v1/query" else None
    kept.now = NOW + 200
    push(kept, NOW + 199, "nor this")
    await reading.until(lambda: len(reading.texts()) == 4)
    counts = len([request for request in kept.requests if request.url.path == "/loki/api/v1/query"])
    assert counts >= 2 and not reading.task.done()
    reading.task.cancel()


async def test_a_pod_whose_clock_is_ahead(kept: KeptLines) -> None:
    """Its lines are of the future, as Loki takes them: those of the others are read as they come, once, and none is called
    late.
    """
    push(kept, NOW - 1, "before")
    push(kept, NOW + 400, "of a clock that is ahead", GONE)
    reading = Reading(kept, LogQuery("deployment/api", tail_lines=10, follow=True))
    await reading.until(lambda: len(reading.texts()) == 2)
    for at in range(1, 200):
        push(kept, NOW + at, f"line {at}")
        if at % 20 == 0:
            kept.now = NOW + at
            count = at + 2
            await reading.until(lambda count=count: len(reading.texts()) >= count)  # type: ignore[misc]
    assert len(reading.texts()) == len(set(reading.texts())) and not [text for text in reading.texts() if "#" in text]
    reading.task.cancel()


@pytest.mark.parametrize("end", [NOW - 300, NOW - 299.5, NOW - 293.0001])
async def test_the_volume_of_a_past_moment_counts_nothing_later(kept: KeptLines, end: float) -> None:
    """Its last part ends with the moment, wherever the step would."""
    for at in range(0, 600, 2):
        push(kept, NOW - 600 + at + 0.25, f"line {at}")
    reading = Reading(kept, LogQuery("deployment/api", since_seconds=300, until=end))
    await reading.task
    volume = await reading.source.volume(31)
    read = len(reading.texts())
    earlier = sum(NOW - 600 + at + 0.25 >= volume.start_ns / NANO for at in range(0, 600, 2) if NOW - 600 + at + 0.25 < end)
    assert sum(volume.counts) == earlier >= read > 140
