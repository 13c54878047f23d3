"""A Prometheus that answers from what was stored: the same vectors, ranges and refusals, and no connection."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from queries.errors import RequestRejected
from queries.model.fault import FaultKind
from queries.model.panel import PanelSpec, Unit
from queries.model.panel_result import PanelHistory
from queries.model.series import Series
from queries.prometheus.history import Window
from queries.prometheus.panel_fetcher import build_queries
from queries.prometheus.query_batch import BATCH_LABEL, BatchQuery, join_queries
from queries.stored.prometheus import StoredPrometheus
from queries.stored.series import Grid, StoredQuery, encode_query, read_queries
from queries.stored.transport import NOT_STORED, StoredServers, StoredTransport

START = 1000.0
FINE, COARSE = Grid(START, 10.0, 5), Grid(960.0, 60.0, 2)
Labels = tuple[tuple[str, str], ...]


def series(job: str, *values: float, grid: Grid = FINE, name: str = "") -> Series:
    labels: Labels = ((("__name__", name),) if name else ()) + (("job", job),)
    return Series(labels, tuple((grid.start + at * grid.step, value) for at, value in enumerate(values)))


def line(query: str, *found: Series, grid: Grid = FINE, error: str = "") -> bytes:
    return encode_query(query, grid, found, error=error)


LINES = (
    line("up", series("a", 1.0, 2.0, 3.0), series("b", 5.0, math.inf, math.nan, -math.inf)),
    line("up", series("a", 70.0, 71.0, grid=COARSE), grid=COARSE),
    line("broken", error="query timed out"),
    line("empty"),
)


async def ask(stored: StoredServers, path: str, *, method: str = "GET", **params: str) -> tuple[int, Any]:
    async with httpx.AsyncClient(transport=StoredTransport(stored), base_url="http://bundle") as client:
        more: dict[str, Any] = {"data": params} if method == "POST" else {"params": params}
        answer = await client.request(method, path, **more)
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json()


SERVERS = StoredServers(read_queries(LINES))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_instant_query(method: str) -> None:
    """The vector of the last stored time up to the moment, infinities and NaN as Prometheus writes them, nothing outside."""
    status, found = await ask(SERVERS, "/api/v1/query", method=method, query="up", time="1010")
    assert (status, found["status"], found["data"]["resultType"]) == (200, "success", "vector")
    assert found["data"]["result"] == [
        {"metric": {"job": "a"}, "value": [1010.0, "2.0"]}, {"metric": {"job": "b"}, "value": [1010.0, "+Inf"]}
    ]  # fmt: skip
    _, later = await ask(SERVERS, "/api/v1/query", method=method, query="up", time="1029.9")
    assert [item["value"] for item in later["data"]["result"]] == [[1029.9, "3.0"], [1029.9, "NaN"]]
    _, last = await ask(SERVERS, "/api/v1/query", method=method, query="up", time="1030")
    assert [item["value"] for item in last["data"]["result"]] == [[1030.0, "-Inf"]]
    _, outside = await ask(SERVERS, "/api/v1/query", method=method, query="up", time="999")
    assert outside["data"]["result"] == []


async def test_joined_queries_are_told_apart() -> None:
    """Each element has the key of its query; one that was not stored, or was refused then, refuses all, with the reason."""
    both = join_queries([BatchQuery("x", "up"), BatchQuery("y", "empty")])
    _, found = await ask(SERVERS, "/api/v1/query", query=both, time="1000")
    assert [item["metric"] for item in found["data"]["result"]] == [
        {"job": "a", BATCH_LABEL: "x"},
        {"job": "b", BATCH_LABEL: "x"},
    ]
    for other, reason in (("gone", NOT_STORED), ("broken", "query timed out")):
        query = join_queries([BatchQuery("x", "up"), BatchQuery("y", other)])
        for path in ("/api/v1/query", "/api/v1/query_range"):
            status, refused = await ask(SERVERS, path, query=query, time="1000", start="1000", end="1010", step="10")
            assert (status, refused) == (422, {"status": "error", "errorType": "execution", "error": reason})


async def test_a_range_has_the_grid_of_its_step() -> None:
    """The grid that has the range's own step, else the finest; a series without a value in it is left out."""
    _, coarse = await ask(SERVERS, "/api/v1/query_range", query="up", start="960", end="1020", step="60")
    assert coarse["data"] == {
        "resultType": "matrix", "result": [{"metric": {"job": "a"}, "values": [[960.0, "70.0"], [1020.0, "71.0"]]}]
    }  # fmt: skip
    _, fine = await ask(SERVERS, "/api/v1/query_range", query="up", start="1000", end="1020", step="20")
    assert fine["data"]["result"] == [
        {"metric": {"job": "a"}, "values": [[1000.0, "1.0"], [1020.0, "3.0"]]},
        {"metric": {"job": "b"}, "values": [[1000.0, "5.0"], [1020.0, "NaN"]]},
    ]
    _, joined = await ask(
        SERVERS, "/api/v1/query_range", query=join_queries([BatchQuery("x", "up")]), start="1030", end="1030", step="7"
    )
    assert joined["data"]["result"] == [{"metric": {"job": "b", BATCH_LABEL: "x"}, "values": [[1030.0, "-Inf"]]}]


@pytest.mark.parametrize("given", [{"step": "0"}, {"step": "-1"}, {"end": "inf"}, {"start": "nan"}])
async def test_what_is_no_range(given: dict[str, str]) -> None:
    """No step, or no end: refused as bad data."""
    status, found = await ask(SERVERS, "/api/v1/query_range", query="up", **{"start": "1", "end": "2", "step": "1", **given})
    assert (status, found["errorType"], found["error"]) == (400, "bad_data", "no range")
    status, found = await ask(SERVERS, "/api/v1/query_range", query="up")
    assert status == 400


async def test_everything_else_that_was_stored() -> None:
    """Rules, silences, the part of the configuration, retention and metadata; what was not stored is not found."""
    up = {"up": [{"type": "gauge"}]}
    stored = StoredServers({}, rules=b'{"groups":[]}', silences=b"[]", alerting="alerting: {}", metadata=up, kept="15d")
    for path, expected in (
        ("/api/v1/rules", {"groups": []}),
        ("/api/v2/silences", []),
        ("/api/v1/status/config", {"status": "success", "data": {"yaml": "alerting: {}"}}),
        ("/api/v1/status/runtimeinfo", {"status": "success", "data": {"storageRetention": "15d"}}),
        ("/api/v1/metadata", {"status": "success", "data": {}}),
    ):
        assert await ask(stored, path) == (200, expected)
    assert (await ask(stored, "/api/v1/metadata", metric="up"))[1]["data"] == {"up": [{"type": "gauge"}]}
    assert (await ask(stored, "/api/v1/metadata", metric="gone"))[1]["data"] == {}
    for path in ("/api/v1/rules", "/api/v2/silences", "/api/v1/alerts"):
        status, found = await ask(SERVERS, path)
        assert (status, found["error"]) == (404, "not in the bundle")


SPEC = PanelSpec("p", "P", Unit.COUNT, raw="mine")
WINDOW = Window(1000.0, 1040.0, 20.0)


async def history(spec: PanelSpec, *lines: bytes, back: float = 0.0) -> PanelHistory:
    source = StoredPrometheus(StoredServers(read_queries(lines)), clock=lambda: 1040.0)
    (found,) = [item async for item in source.peak_history(spec, WINDOW, back_seconds=back)]
    await source.close()
    return found


async def test_a_chart_of_stored_values() -> None:
    """The worst value of each step, the worst series first, without metric names, and how often it was stored."""
    (query, *_) = build_queries(SPEC)
    more = (series("a", 9.0, 4.0, 2.0, name="up"), series("b", 1.0, 9.0), series("c", 1.0, math.nan), series("d", 8.0))
    found = await history(SPEC, line(query, *more))
    assert [item.labels for item in found.series] == [(("job", "b"),), (("job", "a"),), (("job", "c"),)]
    assert [item.points for item in found.series[:2]] == [((1020.0, 9.0),), ((1020.0, 4.0),)]
    assert (found.note, found.fault, found.earlier_fault) == ("stored every 10s", None, None)
    assert (found.start, found.end, found.step_seconds) == (1000.0, 1040.0, 20.0)


async def test_the_lowest_is_the_worst_where_lower_is_worse() -> None:
    """Of a step's values and of the series."""
    spec = PanelSpec("p", "P", Unit.PERCENT, raw="mine", lower_is_worse=True)
    (query, *_) = build_queries(spec)
    found = await history(spec, line(query, series("a", 9.0, 5.0), series("b", 7.0, 2.0)))
    assert [item.labels for item in found.series] == [(("job", "b"),), (("job", "a"),)]
    assert min(value for item in found.series for _, value in item.points) == 2.0


async def test_what_was_not_stored_is_not_known() -> None:
    """Not an empty chart: a fault; a query that was stored without series is known and empty; there is no earlier time."""
    (query, *_) = build_queries(SPEC)
    gone = await history(SPEC, back=60.0)
    assert gone.fault is not None and (gone.fault.kind, gone.fault.what) == (FaultKind.NOT_KNOWN_THEN, NOT_STORED)
    assert gone.earlier_fault is not None and gone.earlier_fault.what == "the bundle has no earlier time to compare with"
    empty = await history(SPEC, line(query))
    assert (empty.fault, empty.series, empty.note) == (None, (), "")


async def test_it_names_no_address() -> None:
    """An error of a bundle says what is missing, and not where."""
    source = StoredPrometheus(SERVERS, clock=lambda: 1040.0)
    with pytest.raises(RequestRejected) as refused:
        await source.query("gone")
    assert refused.value.fault.sentence() == NOT_STORED
    await source.close()


def test_the_ends_of_a_grid() -> None:
    """Its last time, the place of a moment to half a millisecond, and a grid between two moments on multiples of the step."""
    assert (FINE.end, Grid(0.0, 5.0, 1).end) == (1040.0, 0.0)
    assert [FINE.place(at) for at in (999.0, 999.9995, 1000.0, 1009.9994, 1009.9995, 1049.9, 1050.0)] == [
        None,
        0,
        0,
        0,
        1,
        4,
        None,
    ]
    assert Grid.between(1001.0, 1029.0, 10.0) == Grid(1000.0, 10.0, 3)
    assert Grid.between(1000.0, 1030.0, 10.0) == Grid(1000.0, 10.0, 4) and Grid.between(5.0, 1.0, 10.0) == Grid(0.0, 10.0, 1)


def stored(*found: Series, grid: Grid = FINE) -> StoredQuery:
    return read_queries([line("q", *found, grid=grid)])["q"][0]


def test_each_value_has_its_time() -> None:
    """Every stored value of both series, gaps left out; a point outside the grid is not stored."""
    early = Series((("job", "x"),), ((990.0, 7.0), (1000.0, 8.0), (1050.0, 9.0)))
    given = stored(Series((("job", "a"),), ((1000.0, 1.0), (1020.0, 3.0))), early)
    assert list(given.points()) == [((("job", "a"),), 1000.0), ((("job", "a"),), 1020.0), ((("job", "x"),), 1000.0)]


def test_numbers_are_short_and_exact() -> None:
    """Whole numbers below 10^15 without a fraction, a negative zero as such; an error beside them."""
    text = line("q", series("a", 5.0, -0.0, 1e15, 0.5), error="e").decode()
    assert json.loads(text)["error"] == "e" and '"values":[5,-0.0,1000000000000000.0,0.5,null]' in text
    assert "error" not in json.loads(line("q"))


def test_a_series_with_too_few_or_too_many_values() -> None:
    """Missing ones are gaps, further ones are left out; a word that is none is a gap; blank lines are none."""
    raw = b'{"query":"q","start":1000,"step":10,"count":3,"series":[{"labels":{},"values":[1]},{"values":[1,"x","+Inf",4]}]}'
    (found,) = read_queries([b"", b"  \n", raw])["q"]
    assert [values for _, values in found.series] == [[1, None, None], [1, None, math.inf]]


def test_the_edges_of_the_worst() -> None:
    """A value at the step's end belongs to it, one a moment after to the next; the last step ends with the window."""
    given = stored(series("a", 1.0, 2.0, 3.0, 4.0, 5.0))
    assert given.worst(1010.0, 1035.0, 10.0, lowest=False)[0].points == ((1010.0, 2.0), (1020.0, 3.0), (1030.0, 4.0))
    assert given.worst(1020.0, 1040.0, 20.0, lowest=True)[0].points == ((1020.0, 2.0), (1040.0, 4.0))
    assert given.worst(1015.0, 1040.0, 15.0, lowest=False)[0].points == ((1015.0, 2.0), (1030.0, 4.0), (1040.0, 5.0))
    nan = stored(series("a", math.nan, 2.0, math.nan))
    assert nan.worst(1020.0, 1020.0, 40.0, lowest=False)[0].points == ((1020.0, 2.0),)
    assert stored(series("a")).worst(1000.0, 1040.0, 10.0, lowest=True) == []
