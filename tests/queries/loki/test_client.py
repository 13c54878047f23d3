"""Loki's answers as version 3.7.8 gives them, and paging against the demo's stand-in."""

from __future__ import annotations

import httpx
import pytest
from kept_lines import RECORDED, KeptLines, recorded

from console.demo.loki import Limits
from queries.errors import SourceError
from queries.loki.client import Loki
from queries.loki.responses import Page
from queries.model.fault import FaultKind

NOW = 1_767_276_000
NANO = 10**9
APP = '{app="cad-ml-api"}'


async def collect(loki: Loki, *, most: int = 10**6, forward: bool = False, start: int = NOW - 3600) -> list[Page]:
    pages = loki.pages(APP, start_ns=start * NANO, end_ns=(NOW + 60) * NANO, most=most, forward=forward)
    return [page async for page in pages]


async def test_labels_and_none_at_all() -> None:
    """Without a label Loki sends no `data` at all, which is not an error."""
    loki, requests = recorded("labels")
    assert await loki.labels() == ("app", "container", "namespace", "pod", "service_name")
    assert requests[0].url.path == "/prefix/loki/api/v1/labels"
    assert await recorded("no labels")[0].labels() == ()
    assert await recorded("no labels")[0].label_values("pod") == ()


async def test_lines_of_several_streams_in_the_order_of_time() -> None:
    """The answer is not sorted; what came beside a line is not among the labels of its stream, and its text is as sent."""
    loki, requests = recorded("categorized streams")
    (page,) = await collect(loki)
    assert requests[0].headers["x-loki-response-encoding-flags"] == "categorize-labels"
    assert [(line.at_ns - NOW * NANO, dict(line.labels)["pod"], line.text) for line in page.lines] == [
        (1_000_000_000, "api-1", "level=error broken"),
        (1_500_000_000, "api-2", "\x1b[31mraw\x00\u202e\ttext"),
        (2_000_000_000, "api-1", "level=info served"),
    ]
    assert dict(page.lines[0].metadata) == {"detected_level": "error", "trace_id": "bb", "level": "error"}
    assert page.lines[0].labels == page.lines[2].labels


async def test_a_server_that_merges_what_came_beside_a_line() -> None:
    """One that ignores the flag answers pairs: the lines are the same, only in more streams."""
    loki, _ = recorded("merged streams")
    (page,) = await collect(loki)
    assert [line.text for line in page.lines] == ["level=error broken", "level=info served"]


async def test_series_and_counts() -> None:
    """Times are seconds with or without a fraction; no sample at all is a count of 0."""
    loki, _ = recorded("matrix")
    (series,) = await loki.series("sum(count_over_time({} [1m]))", start_ns=0, end_ns=1, step_seconds=60)
    assert series.points == ((1767276002.0, 0.75), (1767276002.5, 0.75), (1767276003.0, 0.75))
    assert await recorded("vector")[0].count(APP, seconds=60, end_ns=1) == 3
    assert await recorded("empty vector")[0].count(APP, seconds=60, end_ns=1) == 0
    with pytest.raises(SourceError, match="numbers as its result, not lines"):
        await collect(recorded("matrix")[0])
    with pytest.raises(SourceError, match="not a number"):
        await recorded("matrix")[0].count(APP, seconds=60, end_ns=1)


KINDS = {
    "no tenant": (FaultKind.DENIED, "X-Scope-OrgID"),
    "several tenants": (FaultKind.UNREACHABLE, "multiple org IDs present"),
    "query timeout": (FaultKind.TIMED_OUT, "decrease the duration of the request"),
    "starting": (FaultKind.UNREACHABLE, "Ingester not ready"),
    "no patterns": (FaultKind.MALFORMED, "404"),
}


@pytest.mark.parametrize("case", [name for name, item in RECORDED.items() if item["status"] >= 400])
async def test_every_error_is_the_servers_own_sentence(case: str) -> None:
    """Loki's errors are plain text, and each tells what failed: it is quoted, and its kind is that of its status."""
    loki, _ = recorded(case)
    with pytest.raises(SourceError) as raised:
        await collect(loki)
    kind, words = KINDS.get(case, (FaultKind.REJECTED, " ".join(RECORDED[case]["body"].split()[:8])))
    assert raised.value.fault.kind is kind
    assert words in " ".join(raised.value.fault.sentence().split())


async def test_pages_bring_every_line_once() -> None:
    """Backwards and forwards, also where a page ends between lines of one nanosecond."""
    kept = KeptLines(NOW, limits=Limits(entries=2000))
    at = [(NOW - 5000 + 2 * (number // 3)) * NANO for number in range(5001)]
    kept.store.push({"app": "cad-ml-api", "pod": "a"}, [(when, f"line {number}") for number, when in enumerate(at)])
    loki = kept.client()
    backward = await collect(loki, start=NOW - 6000)
    assert len(kept.requests) == len(backward) == 3
    lines = [line for page in reversed(backward) for line in page.lines]
    assert len(lines) == len(set(lines)) == 5001
    assert [line.at_ns for line in lines] == at
    forward = [line for page in await collect(loki, forward=True, start=NOW - 6000) for line in page.lines]
    assert sorted(forward) == forward and set(forward) == set(lines)
    newest = [line for page in reversed(await collect(loki, most=2500, start=NOW - 6000)) for line in page.lines]
    assert newest == lines[-2500:]


async def test_more_lines_in_one_nanosecond_than_a_page_holds() -> None:
    """They cannot be requested: the page says so, and the lines before and after are read."""
    kept = KeptLines(NOW)
    stream = {"app": "cad-ml-api", "pod": "a"}
    kept.store.push(stream, [((NOW - 10) * NANO, "before"), ((NOW + 10) * NANO, "after")])
    kept.store.push(stream, [(NOW * NANO, f"line {number:05}") for number in range(4500)])
    for forward in (False, True):
        pages = await collect(kept.client(), forward=forward)
        assert [page.skipped_ns for page in pages if page.skipped_ns] == [NOW * NANO]
        texts = [line.text for page in pages for line in page.lines]
        assert "before" in texts and "after" in texts and len(texts) == len(set(texts))


async def test_a_tenants_smaller_limit_is_learned_from_its_refusal() -> None:
    """`max_entries_limit_per_query` is per tenant and in no API: the refusal names it, and pages are that small then."""
    kept = KeptLines(NOW, limits=Limits(entries=500))
    kept.store.push({"app": "cad-ml-api"}, [((NOW - 1200 + number) * NANO, f"line {number}") for number in range(1200)])
    loki = kept.client()
    assert sum(len(page.lines) for page in await collect(loki)) == 1200
    limits = [request.url.params["limit"] for request in kept.requests]
    assert limits == ["2000", "500", "500", "500"]


async def test_a_line_of_a_megabyte_is_cut_and_its_size_kept() -> None:
    """As with the pods' own logs."""
    kept = KeptLines(NOW)
    kept.store.push({"app": "cad-ml-api"}, [(NOW * NANO, "\u00e9" * (1 << 19))])
    ((line,),) = [page.lines for page in await collect(kept.client())]
    assert len(line.text.encode()) == 8192 and line.size_bytes == 1 << 20


async def test_very_long_lines_come_in_smaller_pages() -> None:
    """A page of the usual number would be larger than what is read of an answer: fewer are requested, until they fit."""
    kept = KeptLines(NOW)
    for number in range(300):
        kept.store.push({"app": "cad-ml-api"}, [((NOW - 300 + number) * NANO, f"{number} " + "x" * (1 << 18))])
    for forward in (False, True):
        pages = await collect(kept.client(), forward=forward, start=NOW - 6000)
        found = sorted(line for page in pages for line in page.lines)
        assert [line.text.partition(" ")[0] for line in found] == [str(number) for number in range(300)]
        assert {line.size_bytes for line in found} == {len(f"{number} ") + (1 << 18) for number in (1, 11, 111)}
    assert {request.url.params["limit"] for request in kept.requests} == {"2000", "250"}


async def test_the_size_of_pages_that_fit_is_remembered() -> None:
    """Otherwise every poll would read up to the limit in vain. Once lines are short again, pages grow, as often as a person
    reads on; many of one nanosecond, which fit in a larger page, are not given up.
    """
    kept = KeptLines(NOW)
    for number in range(300):
        kept.store.push({"app": "cad-ml-api"}, [((NOW - 5000 + number) * NANO, f"{number} " + "x" * (1 << 18))])
    loki = kept.client()
    await collect(loki, start=NOW - 6000)
    assert [request.url.params["limit"] for request in kept.requests] == ["2000", "250", "250"]
    kept.requests.clear()
    await collect(loki, start=NOW - 6000)
    assert [request.url.params["limit"] for request in kept.requests] == ["250", "250"]
    kept.requests.clear()
    kept.store.push({"app": "cad-ml-api"}, [(NOW * NANO, f"line {number:05}") for number in range(1500)])
    pages = await collect(loki, start=NOW - 10)
    assert len({line.text for page in pages for line in page.lines}) == 1500 and not any(page.skipped_ns for page in pages)
    assert [request.url.params["limit"] for request in kept.requests] == ["250", "500", "1000", "2000"]


async def test_a_line_that_is_too_large_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error with a hint, never an empty log, and not requested for ever."""
    monkeypatch.setattr("queries.http.client.LIMIT_BYTES", 1 << 16)
    kept = KeptLines(NOW)
    kept.store.push({"app": "cad-ml-api"}, [(NOW * NANO, "x" * (1 << 17))])
    with pytest.raises(SourceError, match="the answer is larger than 64"):
        await collect(kept.client())
    assert [request.url.params["limit"] for request in kept.requests] == ["2000", "250", "31", "3", "2"]


@pytest.mark.parametrize(("size", "kept_bytes"), [(8191, 0), (8192, 0), (8193, 8193)])
async def test_a_line_of_8_kib_is_whole(size: int, kept_bytes: int) -> None:
    """One byte more, and it is cut and its size kept."""
    kept = KeptLines(NOW)
    kept.store.push({"app": "cad-ml-api"}, [(NOW * NANO, "x" * size)])
    ((line,),) = [page.lines for page in await collect(kept.client())]
    assert (len(line.text), line.size_bytes) == (min(size, 8192), kept_bytes)


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize(("most", "requests", "more"), [(1999, 1, True), (2000, 1, True), (2001, 2, True), (2500, 2, True)])
async def test_no_more_pages_are_requested_than_lines_are_wanted(most: int, requests: int, more: bool, forward: bool) -> None:
    """A full page that holds as many as are wanted is the last one; there may be more behind it."""
    kept = KeptLines(NOW)
    kept.store.push({"app": "cad-ml-api"}, [((NOW - 1) * NANO + number, f"line {number}") for number in range(4000)])
    pages = await collect(kept.client(), most=most, forward=forward)
    assert sum(len(page.lines) for page in pages) == most and len(kept.requests) == requests
    assert pages[-1].more is more


async def test_a_page_that_is_not_full_is_the_last() -> None:
    """Of a time without length nothing is requested at all."""
    kept = KeptLines(NOW)
    kept.store.push({"app": "cad-ml-api"}, [((NOW - 1) * NANO, "one")])
    assert [(len(page.lines), page.more) for page in await collect(kept.client())] == [(1, False)]
    kept.requests.clear()
    assert await collect(kept.client(), start=NOW + 60) == [] == kept.requests


@pytest.mark.parametrize("allowed", [0, 2000, 2001])
async def test_a_refusal_that_allows_no_fewer_lines_is_an_error(allowed: int) -> None:
    """Nothing would be gained by requesting it again."""
    kept = KeptLines(NOW)
    kept.fails = lambda _: httpx.Response(
        400, text=f"max entries limit per query exceeded, limit > max_entries (2000 > {allowed})"
    )
    with pytest.raises(SourceError, match="max entries limit"):
        await collect(kept.client())
    assert len(kept.requests) == 1
