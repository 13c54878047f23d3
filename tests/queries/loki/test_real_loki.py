"""A real Loki as the judge of the recorded answers, of the demo's stand-in, and of following a log."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx
import pytest
from kept_lines import RECORDED
from limits import extend
from real_loki import LABELS, LINES, NANO, NOW, SKIP, TENANT, ask, binary, push, real_loki

from console.demo.loki import Limits, LineStore
from console.demo.loki_server import LokiApi
from console.logs.line_fields import LineFilter, add_filters, build_fields
from console.logs.loki_source import LokiSource
from console.logs.merged_log import MergedLog
from console.logs.query import LogQuery
from console.replay.stored_queries import BundleWindow, collect_log_queries
from queries.errors import SourceError
from queries.http.endpoint import Endpoint, HttpConfig
from queries.loki import Loki
from queries.loki.panels import LogPanels
from queries.loki.responses import StoredLine
from queries.model.panel import PanelSpec, Unit
from queries.prometheus.history import Window
from queries.stored.series import read_queries

pytestmark = [pytest.mark.servers, pytest.mark.skipif(binary() is None, reason=SKIP)]
QUESTIONS = {name: item for name, item in RECORDED.items() if "question" in item}
ADDED = ("service_name", "detected_level")
"""What the server adds to every line, and the stand-in does not."""
NOT_PLAYED = {
    "matrix": "rate", "categorized streams": "| logfmt without a field", "unwrapped text": "unwrap", "too many points": "rate",
    "too many series": "count_over_time without sum", "bad tenant": "tenants", "several tenants": "tenants",
    "no labels": "tenants",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with real_loki(tmp_path_factory.mktemp("loki")) as found:
        yield found


@pytest.fixture
def stand_in() -> Iterator[str]:
    store = LineStore(Limits(entries=500, range_seconds=30 * 86_400, needs_tenant=True))
    for pod, after, text, metadata in LINES:
        store.push({**LABELS, "pod": pod}, [(int((NOW + after) * NANO), text)], metadata=metadata)
    api = LokiApi(store, clock=lambda: NOW + 60.0)
    api.start()
    yield api.url
    api.stop()


def client(url: str) -> Loki:
    return Loki(Endpoint(url, HttpConfig(http_headers=(("X-Scope-OrgID", TENANT),))))


def plain(body: str, *, bare: bool = False) -> Any:
    """An answer without its statistics, streams in their order of names; `bare` also without what the server adds."""
    if not body.startswith("{"):
        return body
    leaves_out = ADDED if bare else ()
    found = json.loads(body, object_hook=lambda item: {key: item[key] for key in item if key not in leaves_out})
    data = found.get("data")
    if isinstance(data, list):
        found["data"] = [name for name in data if name not in leaves_out]
    elif data:
        data.pop("stats")
        if data["resultType"] == "streams":
            data["result"].sort(key=lambda item: json.dumps(item, sort_keys=True))
    return found


@pytest.mark.parametrize("case", QUESTIONS)
def test_the_recorded_answers(server: tuple[str, int], case: str) -> None:
    """Each question gets the answer that was recorded, to the letter but for statistics."""
    url, now = server
    item = QUESTIONS[case]
    status, kind, body = ask(url, item["question"], shift_seconds=now - NOW)
    assert (status, kind, plain(body)) == (item["status"], item["type"], plain(item["body"]))


@pytest.mark.parametrize("case", [name for name in QUESTIONS if name not in NOT_PLAYED])
def test_the_stand_in_answers_alike(stand_in: str, case: str) -> None:
    """Status, kind and content; it leaves out only what the server adds to every line."""
    item = QUESTIONS[case]
    status, kind, body = ask(stand_in, item["question"], shift_seconds=0)
    assert (status, kind, plain(body, bare=True)) == (item["status"], item["type"], plain(item["body"], bare=True))


async def test_every_filter_finds_its_line(server: tuple[str, int]) -> None:
    """By a label, metadata, and a field of JSON, nested or oddly named, or of logfmt; and without it the others."""
    url, _ = server
    at_ns = time.time_ns() - NANO
    texts = ('{"http": {"code": 500}, "http-code": 7, "msg": "a \\"b\\""}', 'level=error status=500 msg="a b"', "plain")
    stream = {"app": "filtered", "pod": "x"}
    for number, text in enumerate(texts):
        push(url, stream, [(at_ns + number, text)], {"trace_id": f"{number:032x}"})
    loki, tried = client(url), 0

    async def read(query: str) -> list[StoredLine]:
        pages = loki.pages(query, start_ns=at_ns, end_ns=at_ns + NANO, most=100)
        return [line async for page in pages for line in page.lines]

    for line in await read('{app="filtered"}'):
        for field in build_fields(line.labels, line.metadata, line.text):
            found = await read(add_filters('{app="filtered"}', [LineFilter(field)]))
            assert line in [item._replace(metadata=line.metadata) for item in found], field
            others = await read(add_filters('{app="filtered"}', [LineFilter(field, without=True)]))
            assert line.text not in [item.text for item in others], field
            tried += 1
    assert tried > 15
    await loki.close()


async def tail(url: str, query: str, *, start_ns: int) -> None:
    messages = client(url).tail(query, start_ns=start_ns)
    assert messages is not None
    async with asyncio.timeout(10), aclosing(messages):
        async for _ in messages:
            pass


async def test_what_a_tail_is_refused_for(server: tuple[str, int]) -> None:
    """Before and after the upgrade, in the words that the stand-in uses too."""
    url, _ = server
    now = time.time_ns()
    for query, start_ns, words in (
        ("{app=", now, "parse error at line 1"),
        ('rate({app="x"}[1m])', now, "only log selector is supported"),
        ('{app="x"}', now + 600 * NANO, "this data is no longer available"),
    ):
        with pytest.raises(SourceError, match=words):
            await tail(url, query, start_ns=start_ns)


@pytest.mark.parametrize("count", [1, 3000])
async def test_a_followed_log_has_every_line_once(server: tuple[str, int], count: int) -> None:
    """Lines come by the socket; more than it sends are read."""
    url, _ = server
    stream = {"app": f"followed-{count}", "pod": "x"}
    loki, log = client(url), MergedLog()
    query = LogQuery(f'{{app="followed-{count}"}}', tail_lines=10, follow=True)
    source = LokiSource(loki, query, namespace="cad", poll_seconds=0.3)
    push(url, stream, [(time.time_ns(), "first")], {})
    reading = asyncio.ensure_future(source.read(log))

    def texts() -> list[str]:
        log.merge_pending()
        return [line.text for line in log.window(0, log.count()) if not line.notice]

    async def until(fits: Callable[[], bool]) -> None:
        while not fits():
            if reading.done():
                await reading
            await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        await until(lambda: source.live and bool(texts()))
        await asyncio.sleep(1.5)
        at_ns = time.time_ns()
        for first in range(0, count, 500):
            lines = [(at_ns + number, f"line {number:05}") for number in range(first, min(count, first + 500))]
            await asyncio.to_thread(push, url, stream, lines, {"trace_id": "aa"})
        await until(lambda: len(texts()) > count)
        await asyncio.sleep(2.0)
    assert texts() == ["first", *(f"line {number:05}" for number in range(count))]
    assert source.live
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await loki.close()


async def test_stored_counts_are_those_of_every_moment(server: tuple[str, int]) -> None:
    """What a bundle stores with one request for a range is what Loki counts at each of its times, also where it counts none."""
    url, _ = server
    at = (int(time.time()) // 15 - 40) * 15
    for pod in ("a", "b"):
        times = [at + number * (7 if pod == "a" else 11) + 0.25 for number in range(30)]
        push(url, {"app": "stored", "pod": pod}, [(int(moment * NANO), f"line {moment}") for moment in times], {})
    query = 'sum by (pod) (count_over_time({app="stored"} [1m]))'
    loki = client(url)
    window = BundleWindow(at - 60.0, at + 540.0, 15.0)
    stored = await collect_log_queries(loki, {query: 0.0}, window, report=lambda text: None)
    (found,) = read_queries(stored.content.splitlines())[query]
    compared = 0
    for moment in range(at - 60, at + 541, 15):
        samples = await loki.samples(query, at_ns=moment * NANO)
        assert sorted(found.at(moment)) == sorted((item.labels, item.value) for item in samples), moment
        compared += len(samples)
    assert compared > 30
    await loki.close()


async def test_panels_as_loki_counts(server: tuple[str, int]) -> None:
    """Value, trend and chart of a panel, and its own refusals: a selector of lines, and more series than it allows."""
    url, now = server
    loki = client(url)
    app = '{app="cad-ml-api"}'
    spec = PanelSpec("lines", "Lines", Unit.COUNT, source="loki", raw=f"sum(count_over_time({app} [5m]))")
    broken = {"selected": app, "crowd": 'count_over_time({app="many"} [5m])', "none": 'sum(count_over_time({app="gone"} [5m]))'}
    others = [replace(spec, id=name, raw=query) for name, query in broken.items()]
    panels = LogPanels(lambda: loki, clock=lambda: now + 90.0)
    value, selected, crowd, none = (await panels.refresh((spec, *others))).results
    assert [sample.value for sample in value.samples] == [3.0] and value.fault is None
    assert value.trend and {number for _, number in value.trend} == {3.0}
    assert selected.fault is not None and "log queries are not supported" in selected.fault.what
    assert crowd.fault is not None and "maximum number of series (5) reached" in crowd.fault.what
    assert (none.samples, none.fault) == ((), None)
    *_, history = [item async for item in panels.history(spec, Window(now - 600.0, now + 60.0, 15.0), back_seconds=60.0)]
    assert history.fault is None and {number for _, number in history.series[0].points} <= {1.0, 2.0, 3.0}
    assert all(at % 15.0 == 0.0 for at, _ in history.series[0].points), "steps begin where they were asked for"
    zero = replace(spec, id="zero", raw='sum(count_over_time({app="gone"} [5m])) or vector(0)')
    (result,) = (await panels.refresh((zero,))).results
    assert [sample.value for sample in result.samples] == [0.0]
    await panels.close()
    await loki.close()


async def test_lines_that_a_parser_cannot_read_are_counted(server: tuple[str, int]) -> None:
    """Loki refuses the count of lines with the error of a parser, in the words of the stand-in, unless the error is dropped."""
    url, _ = server
    at_ns = time.time_ns() - NANO
    lines = [(at_ns, "no JSON"), (at_ns + 1, '{"level": "info"}'), (at_ns + 2, '{"level": "debug"}')]
    push(url, {"app": "mixed", "pod": "x"}, lines, {})
    loki, query = client(url), '{app="mixed"} | json level="level" | level!="debug"'
    with pytest.raises(SourceError, match="pipeline error: 'JSONParserErr' for series: "):
        await loki.samples(f"sum(count_over_time({query} [60s]))", at_ns=at_ns + 59 * NANO)
    assert await loki.count(query, seconds=60, end_ns=at_ns + 59 * NANO) == 2
    assert await loki.count(query, seconds=0.5, end_ns=at_ns + NANO // 4) == 2
    assert await loki.count('{app="mixed"} |= "| x"', seconds=60, end_ns=at_ns + 59 * NANO) == 0
    await loki.close()


async def test_labels_of_a_time(server: tuple[str, int]) -> None:
    """Also of lines that are in the store alone, where Loki looks for the last six hours unless it is asked for others."""
    url, _ = server
    at_ns = time.time_ns() - 60 * 3600 * NANO
    push(url, {"old_app": "gone", "old_pod": "x"}, [(at_ns, "old")], {})
    await asyncio.to_thread(httpx.post, f"{url}/flush", timeout=30)  # of so old lines it reads the store alone
    loki = client(url)
    assert {"app", "pod"} <= set(await loki.labels())
    found: set[str] = set()
    async with asyncio.timeout(extend(60.0)):
        while "old_pod" not in found:
            await asyncio.sleep(0.2)
            found = set(await loki.labels(start_ns=at_ns - NANO, end_ns=at_ns + NANO))
    values = await loki.label_values("old_pod", query='{old_app="gone"}', start_ns=at_ns - NANO, end_ns=at_ns + NANO)
    assert values == ("x",)
    await loki.close()
