"""How often a code was counted within the window: resets, new series, and series that were there before."""

from __future__ import annotations

from typing import Any

import pytest

from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.exposition import parse_exposition
from queries.errors import RequestRejected
from queries.model.fault import Fault
from queries.model.series import Sample, Series
from queries.prometheus.code_counts import CodeCount, RangeQuery, date_codes, exposed_codes, measure_increase
from queries.prometheus.responses import RangeResult

START, STEP = 1000.0, 300.0


@pytest.mark.parametrize(
    ("points", "born", "told"),
    [
        # There from the beginning: only what was added counts, from when it was added.
        ([(1000.0, 5.0), (1300.0, 5.0)], None, (0.0, None)),
        ([(1000.0, 5.0), (1300.0, 5.0), (1600.0, 7.0), (1900.0, 8.0)], None, (3.0, 1600.0)),
        # It appears within the window: it began at 0.
        ([(4000.0, 2.0), (4300.0, 2.0)], None, (2.0, 4000.0)),
        ([(4000.0, 2.0), (4300.0, 3.0)], 3900.0, (3.0, 3900.0)),
        # It says itself that it is older: Prometheus was away.
        ([(4000.0, 2.0), (4300.0, 3.0)], 500.0, (1.0, 4300.0)),
        # Born within the window, though it was there at its first step.
        ([(1000.0, 1.0), (1300.0, 1.0)], 1000.0, (1.0, 1000.0)),
        # A restart: it goes on from 0.
        ([(1000.0, 5.0), (1300.0, 2.0), (1600.0, 2.0)], None, (2.0, 1300.0)),
        # At a step and a half it is new; a hair before it may have been there.
        ([(1449.9, 5.0), (1749.9, 5.0)], None, (0.0, None)),
        ([(1450.0, 5.0), (1750.0, 5.0)], None, (5.0, 1450.0)),
        # Born a hair before the window it is older.
        ([(1000.0, 1.0), (1300.0, 1.0)], 999.9, (0.0, None)),
        ([], None, (0.0, None)),
    ],
)
def test_the_increase_of_one_counter(
    points: list[tuple[float, float]], born: float | None, told: tuple[float, float | None]
) -> None:
    """Totals from before the window never count, and what came within it is not missed."""
    assert measure_increase(Series((), tuple(points)), born, start=START, step=STEP, scraped_from=START) == told


class Server:
    """Answers range queries with `tracks` by the metric's name; `queries` are what was asked."""

    def __init__(self, tracks: dict[str, list[Series]], error: Exception | None = None) -> None:
        self.tracks, self.error = tracks, error
        self.queries: list[str] = []

    async def ask(self, text: str, **_times: Any) -> RangeResult:
        self.queries.append(text)
        if self.error:
            raise self.error
        if "__q__" not in text:
            return RangeResult(tuple(track for name, tracks in self.tracks.items() if name in text for track in tracks))
        return RangeResult(
            tuple(
                Series(tuple(sorted((*track.labels, ("__q__", name)))), track.points)
                for name, tracks in self.tracks.items()
                for track in tracks
            )
        )


def seen(code: str, who: str) -> Sample:
    return Sample((("code", code), ("provider", who)), 1.0)


async def test_only_unmapped_codes_are_dated() -> None:
    """Where every code maps, nothing more is asked; else one request for all of them, whatever stands in their names."""
    ocr, vision, analysis = load_taxonomy().counted
    quiet = Server({})
    asking = RangeQuery(quiet.ask, start=0.0, end=86_400.0)
    told = await date_codes(load_taxonomy(), {ocr: [seen("timeout", "a")], vision: [], analysis: []}, asking)
    assert (told, quiet.queries) == ({ocr: (CodeCount("a", "timeout"),), vision: (), analysis: ()}, [])

    labels = (("code", "a.b|c"), ("instance", "1"), ("provider", "a"))
    server = Server({"ocr_errors_total": [Series(labels, ((0.0, 1.0), (300.0, 4.0)))]})
    asking = RangeQuery(server.ask, start=0.0, end=86_400.0)
    told = await date_codes(load_taxonomy(), {ocr: [seen("a.b|c", "a")], vision: [], analysis: []}, asking)
    assert not isinstance(told, Fault)
    assert told[ocr] == (CodeCount("a", "a.b|c", 3.0, 300.0),)
    assert len(server.queries) == 1
    assert r'code=~"a\\.b\\|c"' in server.queries[0]


@pytest.mark.parametrize(
    ("scraped", "points", "expected"),
    [
        # Scraped for hours without it: it is new.
        ((0.0, 3600.0, 40_200.0), ((40_200.0, 7.0), (40_500.0, 7.0)), (7.0, 40_200.0)),
        # A fresh Prometheus, or the end of an outage: how old the total is, nobody knows.
        ((39_900.0, 40_200.0), ((40_200.0, 7.0), (40_500.0, 7.0)), (None, None)),
        ((40_200.0,), ((40_200.0, 7.0), (40_500.0, 7.0)), (None, None)),
        ((), ((40_200.0, 7.0),), (None, None)),
        # What is added afterwards is of the window all the same.
        ((40_200.0,), ((40_200.0, 7.0), (40_500.0, 9.0)), (2.0, 40_500.0)),
    ],
)
async def test_a_total_is_new_only_if_its_job_was_scraped_before(
    scraped: tuple[float, ...], points: tuple[tuple[float, float], ...], expected: tuple[float | None, float | None]
) -> None:
    """A counter without `_created` that appears within the window counts with its total only where earlier scrapes of its job
    had no such code; else its time is unknown."""
    ocr, vision, analysis = load_taxonomy().counted
    labels = (("code", "ODD"), ("instance", "1"), ("job", "api"), ("provider", "a"))
    up = [Series((("job", "api"),), tuple((at, 1.0) for at in scraped)), Series((("job", "other"),), ((0.0, 1.0),))]
    server = Server({"ocr_errors_total": [Series(labels, points)], "up": up})
    asking = RangeQuery(server.ask, start=0.0, end=86_400.0)
    found = await date_codes(load_taxonomy(), {ocr: [seen("ODD", "a")], vision: [], analysis: []}, asking)
    assert not isinstance(found, Fault)
    assert found[ocr] == (CodeCount("a", "ODD", *expected),)


async def test_a_refusal_is_told() -> None:
    """A server that takes no such range leaves a fault, never a clean mapping."""
    ocr = load_taxonomy().counted[0]
    server = Server({}, RequestRejected("the range is too long"))
    told = await date_codes(load_taxonomy(), {ocr: [seen("ODD", "a")]}, RangeQuery(server.ask, start=0.0, end=86_400.0))
    assert isinstance(told, Fault) and told.what == "the range is too long"


def test_the_last_step_is_the_end() -> None:
    """A code that came a moment ago must not fall behind the last step."""
    for window in (20.0, 1000.0, 3600.0, 86_400.0, 604_800.0):
        asking = RangeQuery(Server({}).ask, start=1.5e9 - window, end=1.5e9)
        steps = (asking.end - asking.start) / asking.step
        assert steps == pytest.approx(round(steps), abs=1e-6)


def test_the_exporter_alone_tells_totals() -> None:
    """Only a counter that began within the window has a date; of an older one it is not known when it counted."""
    text = (
        "# TYPE ocr_errors_total counter\n"
        'ocr_errors_total{provider="a",code="NEW",stage="x"} 2\nocr_errors_total{provider="a",code="OLD",stage="x"} 9\n'
        "# TYPE ocr_errors_created gauge\n"
        'ocr_errors_created{provider="a",code="NEW",stage="x"} 2000\nocr_errors_created{provider="a",code="OLD",stage="x"} 10\n'
    )
    told = exposed_codes(load_taxonomy(), parse_exposition(text.encode(), where="x"), start=1000.0)
    assert told[load_taxonomy().counted[0]] == (CodeCount("a", "NEW", 2.0, 2000.0), CodeCount("a", "OLD"))


@pytest.mark.parametrize(("scraped_from", "expected"), [(3550.0, (2.0, 4000.0)), (3550.1, (None, None))])
def test_a_job_has_to_be_scraped_a_step_and_a_half_before(
    scraped_from: float, expected: tuple[float | None, float | None]
) -> None:
    """Exactly so long before the counter appeared is enough to know that it is new."""
    points = ((4000.0, 2.0), (4300.0, 2.0))
    assert measure_increase(Series((), points), None, start=START, step=STEP, scraped_from=scraped_from) == expected


@pytest.mark.parametrize(("first", "asked"), [(449.9, False), (450.0, True)])
async def test_a_job_is_looked_for_only_where_a_counter_appears_within_the_window(first: float, asked: bool) -> None:
    """From a step and a half on; one that was there before needs no look at its job."""
    ocr = load_taxonomy().counted[0]
    labels = (("code", "ODD"), ("instance", "1"), ("job", "api"), ("provider", "a"))
    server = Server({"ocr_errors_total": [Series(labels, ((first, 7.0),))], "up": []})
    await date_codes(load_taxonomy(), {ocr: [seen("ODD", "a")]}, RangeQuery(server.ask, start=0.0, end=86_400.0))
    assert any("max_over_time(up{" in query for query in server.queries) is asked


@pytest.mark.parametrize(("born", "dated"), [(999.0, False), (1000.0, True), (1001.0, True)])
def test_a_counter_that_began_with_the_window_is_dated(born: float, dated: bool) -> None:
    """Exactly at its start already."""
    labels = 'provider="a",code="NEW",stage="x"'
    text = f"# TYPE ocr_errors_total counter\nocr_errors_total{{{labels}}} 2\n"
    text += f"# TYPE ocr_errors_created gauge\nocr_errors_created{{{labels}}} {born}\n"
    told = exposed_codes(load_taxonomy(), parse_exposition(text.encode(), where="x"), start=1000.0)
    assert told[load_taxonomy().counted[0]] == (CodeCount("a", "NEW", 2.0, born) if dated else CodeCount("a", "NEW"),)


@pytest.mark.parametrize(("count", "undated"), [(100, 0), (101, 1)])
async def test_of_one_metric_a_hundred_codes_are_dated(count: int, undated: int) -> None:
    """The rest is listed without a time."""
    ocr = load_taxonomy().counted[0]
    codes = [f"ODD{at:03}" for at in range(count)]
    tracks = [Series((("code", code), ("provider", "a")), ((0.0, 1.0), (300.0, 2.0))) for code in codes[:100]]
    server = Server({"ocr_errors_total": tracks})
    asking = RangeQuery(server.ask, start=0.0, end=86_400.0)
    told = await date_codes(load_taxonomy(), {ocr: [seen(code, "a") for code in codes]}, asking)
    assert not isinstance(told, Fault)
    assert [item.since for item in told[ocr]].count(300.0) == 100
    assert [(item.who, item.count) for item in told[ocr] if item.since is None] == [("", None)] * undated
