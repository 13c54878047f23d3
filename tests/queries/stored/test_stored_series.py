"""Stored queries: a grid of values, read as Prometheus would answer."""

from __future__ import annotations

import math

import pytest

from queries.errors import InvalidResponse
from queries.model.series import Series
from queries.prometheus.query_batch import BatchQuery, join_queries, split_queries
from queries.stored.series import Grid, StoredQuery, encode_query, read_queries

GRID = Grid(1000.0, 15.0, 5)


def store(*points: tuple[float, float]) -> StoredQuery:
    line = encode_query("up", GRID, [Series((("job", "a"),), points)])
    return read_queries([line])["up"][0]


def test_a_moment_has_the_last_stored_value_up_to_then() -> None:
    """Exactly at a stored time it is that one's value, just before it the one before; a gap is a gap; outside is nothing."""
    stored = store((1000.0, 1.0), (1015.0, 2.0), (1045.0, 4.0))
    assert [stored.at(at) for at in (1014.9, 1015.0, 1030.0, 1045.0)] == [
        [((("job", "a"),), 1.0)],
        [((("job", "a"),), 2.0)],
        [],
        [((("job", "a"),), 4.0)],
    ]
    assert stored.at(999.9) == stored.at(1075.0) == []


def test_every_float_comes_back_as_it_was() -> None:
    """Whole numbers, a negative zero, the smallest and largest, infinities and NaN."""
    values = [5.0, -0.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308]
    stored = store(*((1000.0 + 15.0 * at, value) for at, value in enumerate(values)))
    found = stored.series[0][1]
    assert [repr(value) for value in found] == [repr(value) for value in values]
    odd = store((1000.0, math.inf), (1015.0, -math.inf), (1030.0, math.nan)).series[0][1]
    assert odd[:2] == [math.inf, -math.inf]
    assert odd[2] is not None and math.isnan(odd[2])


def test_a_range_repeats_stored_values_and_a_chart_takes_the_worst() -> None:
    """A finer step repeats; a coarser one in a chart has the worst value of each step, at its end."""
    stored = store((1000.0, 1.0), (1015.0, 9.0), (1030.0, 3.0), (1045.0, 2.0))
    assert stored.between(1000.0, 1020.0, 10.0)[0][1] == [(1000.0, 1.0), (1010.0, 1.0), (1020.0, 9.0)]
    assert stored.worst(1000.0, 1045.0, 30.0, lowest=False)[0].points == ((1000.0, 1.0), (1030.0, 9.0), (1045.0, 2.0))
    assert stored.worst(1000.0, 1045.0, 30.0, lowest=True)[0].points == ((1000.0, 1.0), (1030.0, 3.0), (1045.0, 2.0))


def test_the_finest_grid_of_a_query_is_first() -> None:
    """A query that was stored as an instant one and as a range."""
    lines = [encode_query("up", Grid(960.0, 60.0, 2), []), encode_query("up", GRID, [])]
    assert [item.grid.step for item in read_queries(lines)["up"]] == [15.0, 60.0]


@pytest.mark.parametrize("line", [b"[]", b"{", b'{"query": 1}', b'{"query":"up","start":"x","step":1,"count":1}', b"[" * 5000])
def test_a_line_that_is_not_one_is_an_error(line: bytes) -> None:
    """Never a crash, never skipped silently."""
    with pytest.raises(InvalidResponse):
        read_queries([line])


def test_impossible_grids_are_left_out() -> None:
    """No step or one of no length, no times, more times than any range has, times of no calendar: such a query is as unknown
    as one that is not there.
    """
    grids = [
        (1000.0, 0.0, 5),
        (1000.0, 15.0, 0),
        (1000.0, 15.0, 10**9),
        (1000.0, 1e-320, 5),
        (-1e308, 15.0, 5),
        (1e308, 15.0, 5),
    ]
    plain = encode_query("up", Grid(1.0, 1.0, 1), [])
    lines = [plain.replace(_head((1.0, 1.0, 1)), _head(grid)) for grid in grids]
    assert all(line != plain for line in lines)
    assert read_queries(lines) == {}


def _head(grid: tuple[float, float, int]) -> bytes:
    return f'"start":{grid[0]},"step":{grid[1]},"count":{grid[2]}'.encode()


def test_joined_queries_split_into_the_same_ones() -> None:
    """Whatever they contain: quotes, line breaks, comments, `or`; a single query has no key."""
    parts = (
        BatchQuery("a/raw", 'sum(up{x="\\"or \\n"}) # label_replace(\nor vector(0)'),
        BatchQuery('odd "key" \\', 'label_replace(up, "a", "b", "", "")\nor up'),
    )
    assert split_queries(join_queries(parts)) == parts
    assert split_queries("up\nor down") == (BatchQuery("", "up\nor down"),)


@pytest.mark.parametrize(
    ("grid", "known"),
    [
        (Grid(0.0, 15.0, 1), True), (Grid(-0.001, 15.0, 1), False), (Grid(0.0, 0.001, 1), True), (Grid(0.0, 0.0009, 1), False),
        (Grid(0.0, 15.0, 20_000), True), (Grid(0.0, 15.0, 20_001), False),
        (Grid(253_402_300_724.0, 15.0, 5), True), (Grid(253_402_300_725.0, 15.0, 5), False),
    ],
)  # fmt: skip
def test_which_grids_there_may_be(grid: Grid, known: bool) -> None:
    """From 1970 up to the end of the year 9999, at least a millisecond apart, at most 20,000 times."""
    assert bool(read_queries([encode_query("up", grid, [])])) is known
