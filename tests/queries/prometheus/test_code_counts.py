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
