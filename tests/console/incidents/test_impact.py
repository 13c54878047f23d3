"""The impact of an incident over its exact window, with every value on its line, and unknown instead of zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from console.incidents.impact import AVAILABILITY, Impact, count_failed, failed_text, measure, requests_text
from queries.errors import Unreachable
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelSpec, Point, Unit
from queries.model.panel_result import Contradiction, ContradictionKind, Figure, PanelHistory
from queries.model.series import Sample, Series
from queries.prometheus.responses import InstantResult

T = 1_767_276_000.0
RATIO = PanelSpec("error_ratio", "Errors", Unit.PERCENT, raw="ratio")
OVER, ON = 0.2, 100.0 * (1.0 - AVAILABILITY)
"""A ratio over the objective, and one exactly on it, in percent."""
PRESENT = 'count({__name__=~"(ocr|vision)_requests_total"})'


@dataclass
class Metrics:
    """What Prometheus returns: values by a part of the expression, and the points of the ratio, whatever the step, or its value
    at each step.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    value_at: Callable[[float], float] | None = None
    fault: Fault | None = None
    disputed: str = "\0"
    broken: str = "\0"
    windows: list[tuple[float, float, float]] = field(default_factory=list)
    ats: list[float | None] = field(default_factory=list)

    def expand(self, text: str) -> str:
        return text

    async def query(self, text: str, *, at: float | None = None) -> InstantResult:
        self.ats.append(at)
        if self.broken in text:
            raise Unreachable("no connection")
        found = next((value for part, value in self.values.items() if part in text), None)
        return InstantResult(() if found is None else (Sample((), found),))

    async def contradictions(self, text: str, *, at: float | None = None) -> tuple[Contradiction, ...]:
        both = Figure("the counter", 12.0, "a"), Figure("the errors", 240.0, "b")
        found = Contradiction(ContradictionKind.WITNESS, "OCR failures in 5m", Unit.COUNT, *both)
        return (found,) if self.disputed in text else ()

    async def history(self, spec: PanelSpec, *, start: float, end: float, step_seconds: float) -> PanelHistory:
        self.windows.append((start, end, step_seconds))
        points = tuple(point for point in self.points if start <= point[0] <= end)
        if self.value_at is not None:
            steps = range(math.floor((end - start) / step_seconds) + 1)
            points = tuple((at, self.value_at(at)) for at in (start + number * step_seconds for number in steps))
        return PanelHistory(spec.id, start, end, step_seconds, (Series((), points),) if points else (), self.fault)


def known(**changes: object) -> Metrics:
    month = "2592000000ms"
    values = {PRESENT: 4.0, "count_over_time": 8.0, "platform_failures": 30.0, "within_2s": 1.5}
    values |= {month: 1_000_000.0, "platform_requests": 5000.0}
    return Metrics(values, **changes)  # type: ignore[arg-type]


async def measured(metrics: Metrics | None, *, ratio: PanelSpec | None = RATIO, seconds: float = 100.0) -> Impact:
    return await measure(metrics, ratio, detected_at=T, end=T + seconds)


def every_second(begin: int, end: int, value: float) -> tuple[Point, ...]:
    return tuple((T + at, value) for at in range(begin, end + 1))


def test_windows_are_written_to_the_millisecond() -> None:
    """The rate over the window times its seconds is the number in it."""
    assert failed_text(90.25) == "${platform_failures[90250ms]} * 90.25"
    assert requests_text(60.0) == "(${platform_requests[60000ms]} or vector(0)) * 60"


async def test_every_figure_at_the_end_of_the_window() -> None:
    """Counts and shares as Prometheus returned them; 30 of 1 000 000 a month with 0.1 % allowed spend 3 % of the budget."""
    metrics = known(points=every_second(0, 100, 0.0))
    found = await measured(metrics)
    assert (found.start, found.end) == (T, T + 100)
    assert (found.requests, found.failed, found.slow_percent) == (5000.0, 30.0, 1.5)
    assert found.budget_percent == pytest.approx(3.0)
    assert (found.outside_seconds, found.unseen_seconds, found.bad_since, found.why) == (0.0, 0.0, None, ())
    assert set(metrics.ats) == {T + 100}


@pytest.mark.parametrize(
    ("value", "shown", "why"), [(0.0, 0.0, ""), (-0.156, 0.0, ""), (-1.0, 0.0, ""), (-1.5, None, "IN DOUBT: -1.5 %")]
)
async def test_a_share_is_never_negative(value: float, shown: float | None, why: str) -> None:
    """What two rates differ by through their extrapolation is 0; more is a contradiction, and no figure."""
    metrics = known(points=every_second(0, 100, 0.0))
    metrics.values["within_2s"] = value
    found = await measured(metrics)
    assert (found.slow_percent, found.reason("slow_percent")) == (shown, why)


@pytest.mark.parametrize(("value", "outside"), [(ON, 0.0), (OVER, 41.0)])
async def test_exactly_on_the_objective_is_within_it(value: float, outside: float) -> None:
    """The error ratio has to be over the objective; on it, no time is lost."""
    found = await measured(known(points=(*every_second(0, 59, 0.0), *every_second(60, 100, value))))
    assert (found.outside_seconds, found.bad_since) == (outside, None)


@pytest.mark.parametrize(
    ("before", "since"),
    [
        (every_second(-30, -1, OVER), T - 30),
        ((*every_second(-30, -20, OVER), *every_second(-19, -10, ON), *every_second(-9, -1, OVER)), T - 9),
        ((*every_second(-30, -20, OVER), (T - 19, math.nan), *every_second(-18, -1, OVER)), T - 18),
        (every_second(-30, -1, ON), T),
    ],
    ids=["crossed", "recovered in between", "no value in between", "on the objective"],
)
async def test_the_window_begins_where_the_ratio_crossed_to_stay(before: tuple[Point, ...], since: float) -> None:
    """The first point from which on all are over the objective, not the first one ever."""
    found = await measured(known(points=(*before, *every_second(0, 100, OVER))))
    assert (found.bad_since, found.start) == (since, since)
    assert found.outside_seconds == found.end - since


@pytest.mark.parametrize(("gap", "since"), [(15, T - 60), (16, T - 44)])
async def test_a_gap_of_two_and_a_half_steps_is_bridged(gap: int, since: float) -> None:
    """Two missing points are a scrape that failed; more is a time that nobody saw. The look back goes in steps of 6 s."""
    before = ((T - 60, OVER), *((T - 60 + gap + at, OVER) for at in range(0, 60 - gap, 6)))
    metrics = known(points=(*before, (T, OVER)))
    await measured(metrics)
    start, end, step = metrics.windows[0]
    assert (start, end, step) == (T - 3600, T, 6)
    assert metrics.windows[1][0] == since - 6


@pytest.mark.parametrize(("last", "since"), [(-2, T - 600), (-20, None)])
async def test_a_ratio_that_nobody_saw_until_the_detection_did_not_cross_before_it(last: int, since: float | None) -> None:
    """Over the objective, then no value until the detection: whether it stayed there is not known."""
    found = await measured(known(points=every_second(-600, last, OVER)))
    assert found.bad_since == since


@pytest.mark.parametrize(("good", "since"), [(0, None), (1, None), (7, T - 30)])
async def test_a_ratio_that_is_good_by_the_detection_did_not_cross_before_it(good: int, since: float | None) -> None:
    """The point of a second after the detection still decides, as a scrape may lag; what comes later is the recovery."""
    points = (*every_second(-30, good - 1, OVER), *every_second(good, 100, 0.0))
    found = await measured(known(points=points))
    assert found.bad_since == since
    assert found.outside_seconds == good + (30.0 if since else 0.0)


@pytest.mark.parametrize("seconds", [60.0, 700.0, 7200.0, 86_400.0])
@pytest.mark.parametrize("recovers", [1.5, 2.0, 4.0, 6.0, 7.0, 1e6])
async def test_it_began_where_it_crossed_however_soon_it_recovered(recovers: float, seconds: float) -> None:
    """Within the steps of the look back or after them, and in an incident of a minute as in one of a day."""
    metrics = known(value_at=lambda at: OVER if T - 30.0 <= at < T + recovers else 0.0)
    found = await measured(metrics, seconds=seconds)
    assert found.bad_since == T - 30.0
    assert found.outside_seconds == pytest.approx(30.0 + min(recovers, seconds), abs=2.0 * seconds / 600.0 + 1.0)


@pytest.mark.parametrize("seconds", [60.0, 86_400.0])
async def test_a_ratio_that_crossed_after_the_detection_did_not_before(seconds: float) -> None:
    """Whatever the step: the window begins with the detection."""
    found = await measured(known(value_at=lambda at: OVER if at > T else 0.0), seconds=seconds)
    assert (found.bad_since, found.start) == (None, T)


async def test_time_without_a_value_is_told_apart() -> None:
    """A minute without a ratio is neither inside nor outside; up to two steps are none."""
    found = await measured(known(points=(*every_second(0, 39, 0.0), *every_second(60, 99, OVER))))
    assert (found.outside_seconds, found.unseen_seconds) == (40.0, 20.0)
    assert (await measured(known(points=(*every_second(0, 48, 0.0), *every_second(51, 99, 0.0))))).unseen_seconds == 0.0
    assert (await measured(known(points=(*every_second(0, 48, 0.0), *every_second(52, 99, 0.0))))).unseen_seconds == 3.0


async def test_without_prometheus_everything_is_unknown() -> None:
    """Five figures, each with the reason."""
    found = await measured(None)
    assert (found.start, found.end) == (T, T + 100)
    assert {name for name, _ in found.why} == {"requests", "failed", "slow_percent", "budget_percent", "outside_seconds"}
    assert {why for _, why in found.why} == {"Prometheus is not configured"}
    assert (found.requests, found.outside_seconds) == (None, None)


async def test_without_the_exporters_no_count_is_claimed() -> None:
    """No series of requests at the end of the window: their number is unknown, not 0."""
    found = await measured(Metrics({"platform_requests": 0.0}, every_second(0, 100, 0.0)))
    assert (found.requests, found.failed, found.slow_percent, found.budget_percent) == (None,) * 4
    reasons = {found.reason(name) for name in ("requests", "failed", "slow_percent", "budget_percent")}
    assert reasons == {"nobody exported ocr_requests_total or vision_requests_total at the end of the window"}
    assert found.outside_seconds == 0.0 and found.reason("outside_seconds") == ""


async def test_one_figure_that_fails_leaves_the_others() -> None:
    """A refused query, a contradiction and a NaN each make one figure unknown, with the reason."""
    found = await measured(known(broken="within_2s", disputed="platform_failures", points=every_second(0, 100, 0.0)))
    assert (found.requests, found.failed, found.slow_percent, found.budget_percent) == (5000.0, None, None, None)
    assert "no connection" in found.reason("slow_percent")
    assert found.reason("failed").startswith("IN DOUBT: 12 or 240: OCR failures in 5m")
    assert found.reason("budget_percent") == "the number of requests in 30 days is not known"
    metrics = known(points=every_second(0, 100, 0.0))
    metrics.values |= {"within_2s": math.nan, "2592000000ms": 0.0}
    silent = await measured(metrics)
    assert (silent.slow_percent, silent.reason("slow_percent")) == (None, "no request was timed")
    assert (silent.failed, silent.budget_percent) == (30.0, None)


async def test_a_ratio_that_nobody_has_is_unknown() -> None:
    """No panel, no series, a fault, and only impossible values: the time outside the objective is unknown."""
    assert (await measured(known(), ratio=None)).reason("outside_seconds") == "there is no panel error_ratio"
    silent = await measured(known())
    assert (silent.outside_seconds, silent.unseen_seconds, silent.bad_since) == (None, None, None)
    assert silent.reason("outside_seconds") == "Prometheus returned no series of the error ratio"
    broken = await measured(known(fault=Fault(kind=FaultKind.TIMED_OUT, what="no answer within 5s")))
    assert "no answer within 5s" in broken.reason("outside_seconds")
    impossible = await measured(known(points=every_second(0, 100, 120.0)))
    assert impossible.outside_seconds is None
    assert impossible.reason("outside_seconds") == "IN DOUBT: every value of the error ratio is outside its range"


async def test_an_impossible_value_is_left_out_and_an_incident_has_a_second_at_least() -> None:
    """100 % is possible, 100.5 % is not; an incident that ends as it begins has a window of a second."""
    found = await measured(known(points=(*every_second(0, 49, 100.0), *every_second(50, 100, 100.5))))
    assert found.outside_seconds == 50.0 and found.unseen_seconds == 50.0
    assert (await measured(known(), seconds=0.0)).end == T + 1.0


@pytest.mark.parametrize(("samples", "failed"), [(None, None), (1.0, None), (2.0, 30.0)])
async def test_a_window_within_one_scrape_interval_has_no_count(samples: float | None, failed: float | None) -> None:
    """An increase needs two samples: with fewer the expression is 0, and nobody knows how many requests failed."""
    metrics = known()
    metrics.values["count_over_time"] = samples
    count, why = await count_failed(metrics, start=T, end=T + 2.0)
    assert count == failed
    assert why == ("" if failed else "Prometheus has fewer than two samples in these 2s")
    impact = await measured(metrics, seconds=2.0)
    short = "" if failed else "Prometheus has fewer than two samples in these 2s"
    assert (impact.requests, impact.failed) == ((5000.0, 30.0) if failed else (None, None))
    assert {impact.reason(name) for name in ("requests", "failed", "slow_percent", "budget_percent")} == {short}
