"""A chart keeps what lasts one evaluation: the pipeline from the request to the dots, over samples generated here."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.alerts.chart import build_chart
from console.monitor.metric_history import MetricHistory, chart_window
from console.screens.chart_choices import WINDOWS
from queries.http.endpoint import Endpoint
from queries.model.annotations import NO_ANNOTATIONS, Annotations
from queries.model.chart import ChartData, ChartSeries, Drawing
from queries.model.panel import PanelSpec, Threshold, Unit
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.series import Sample, Series
from queries.prometheus.client import Prometheus
from queries.prometheus.history import HistoryReader, Window
from queries.prometheus.settled_steps import KEPT_SECONDS, SettledSteps
from queries.text.durations import parse_duration
from widgets.plot import render_chart

NOW = 1_800_000_007.0
EVERY = 30.0
LOOKBACK = 300.0
MONTH = 30 * 86_400.0
MISSING = "IN DOUBT: partial: store x is down"


@dataclass
class SampleServer:
    """Evaluates selectors and `max_over_time`, `min_over_time` of them over samples, as Prometheus 2 and 3 define them: a range
    reaches back from its end, which belongs to it; an instant takes the newest sample of the last five minutes.
    """

    calm: float
    excursion: tuple[float, float] = (0.0, 0.0)
    """Time and value of the one sample that differs."""
    holes: tuple[tuple[float, float], ...] = ()
    asked: list[str] = field(default_factory=list)
    ranges: list[tuple[str, float, float]] = field(default_factory=list)
    """The range queries with their first and last step."""
    refuses: str = ""
    refuses_from: float = 0.0
    """Ranges that begin before it are not refused."""
    partial: str = ""
    """Answers to queries that hold this text are partial."""
    series: int = 1

    def samples(self, start: float, end: float) -> list[float]:
        """The values of those in (start, end], one each 30 s, up to now; equal ones between the ends are left out."""
        first, last = (start // EVERY + 1) * EVERY, min(end, NOW) // EVERY * EVERY
        times = {first, last, self.excursion[0], *(low // EVERY * EVERY - EVERY for low, _ in self.holes)}
        times |= {(high // EVERY + 1) * EVERY for _, high in self.holes}
        seen = sorted(at for at in times if first <= at <= last and not any(low <= at < high for low, high in self.holes))
        return [self.excursion[1] if at == self.excursion[0] else self.calm for at in seen]

    def value(self, query: str, at: float) -> float | None:
        if query == "count(\nx\n)":
            return float(self.series)
        query = re.sub(r"^(?:max|min)\((.*)\)$", r"\1", query)
        over = re.fullmatch(r"\(?(max|min)_over_time\((\w+)\[(\w+)\]\)(?: or (\w+)\))?", query)
        if over:
            found = self.samples(at - parse_duration(over[3]), at)
            if found:
                return max(found) if over[1] == "max" else min(found)
            if not over[4]:
                return None
        elif not query.isidentifier():
            raise AssertionError(f"not evaluated here: {query}")
        recent = self.samples(at - LOOKBACK, at)
        return recent[-1] if recent else None

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        query = asked["query"]
        self.asked.append(query)
        if self.refuses and self.refuses in query and float(asked.get("start", "inf")) >= self.refuses_from:
            return httpx.Response(422, json={"status": "error", "errorType": "execution", "error": "too many samples"})
        if request.url.path.endswith("/query"):
            value = self.value(query, float(asked["time"]))
            result = [{"metric": {}, "value": [float(asked["time"]), str(value)]}] if value is not None else []
            return self._respond("vector", result, query)
        at, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        self.ranges.append((query, at, end))
        points = []
        while at <= end + 1e-6:
            if (value := self.value(query, at)) is not None:
                points.append([at, str(value)])
            at += step
        return self._respond("matrix", [{"metric": {"__name__": "x"}, "values": points}] if points else [], query)

    def _respond(self, shape: str, result: list[object], query: str) -> httpx.Response:
        body = {"status": "success", "data": {"resultType": shape, "result": result}}
        if self.partial and self.partial in query:
            body["warnings"] = ["store x is down"]
        return httpx.Response(200, content=json.dumps(body), headers={"content-type": "application/json"})

    async def chart(self, spec: PanelSpec, wanted: HistoryRange) -> PanelHistory:
        source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(self.answer), clock=lambda: NOW)
        try:
            *_, last = [item async for item in MetricHistory(source, clock=lambda: NOW).fetch(spec, wanted)]
        finally:
            await source.close()
        return last


def spec(**more: object) -> PanelSpec:
    return PanelSpec("a", "A", Unit.PERCENT, raw="x", **{"threshold": Threshold(5.0), **more})  # type: ignore[arg-type]


def lines_of(history: PanelHistory, spec: PanelSpec, *, width: int = 80, height: int = 12) -> list[str]:
    data = build_chart(
        history, group_by="", unit=spec.unit, thresholds=spec.threshold.lines, lower_is_worse=spec.lower_is_worse
    )
    return ["".join(part for part, _ in line) for line in render_chart(data, width, height)]


@pytest.mark.parametrize("seconds", [seconds for _, seconds in WINDOWS], ids=[name for name, _ in WINDOWS])
@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.0, 1.0),
    st.none() | st.integers(-1, 2),
    st.none() | st.floats(0.0, 1.0),
    st.booleans(),
    st.sampled_from([80, 120, 160]),
)
def test_an_excursion_of_one_interval_crosses_the_threshold_at_every_range(
    seconds: float, place: float, edge: int | None, moved: float | None, lower_is_worse: bool, width: int
) -> None:
    """One sample beyond the threshold, anywhere in the range that ends now, or anywhere in 30 days in a range that was moved
    to it, and often beside the end of a step: the chart's series has its value, a dot lies beyond the threshold's line, and
    the time axis marks its column."""
    begin, end = (NOW - (seconds if moved is None else MONTH)) // EVERY * EVERY + EVERY, NOW // EVERY * EVERY
    at = begin + round(place * (end - begin) / EVERY) * EVERY
    if edge is not None:
        step = chart_window(HistoryRange(seconds), NOW).step
        at = min(max(begin, at // step * step // EVERY * EVERY + edge * EVERY), end)
    until = None if moved is None else min(NOW, at + EVERY + moved * (seconds - 2 * EVERY))
    calm, value = (99.0, 1.0) if lower_is_worse else (1.0, 9.0)
    server = SampleServer(calm, (at, value))
    panel = spec(lower_is_worse=lower_is_worse, threshold=Threshold(50.0 if lower_is_worse else 5.0))
    history = asyncio.run(server.chart(panel, HistoryRange(seconds, until)))
    assert history.fault is None and history.note == ""
    (series,) = history.series
    points = dict(series.points)
    reached = [when for when, found in points.items() if found == value]
    late = max(history.step_seconds, EVERY, LOOKBACK if seconds < 3600 else 0.0)
    assert reached and all(at <= when <= at + late for when in reached)
    drawn = lines_of(history, panel, width=width)
    beyond = [line for line in drawn if line[10:11] == "▒"]
    assert any("\u2801" <= character <= "\u28ff" for line in beyond for character in line)
    assert "▲" in next(line for line in drawn if "└" in line)


async def test_a_gap_is_a_gap_and_the_axis_is_time() -> None:
    """A hole of 46 minutes is empty in the chart, and a server that began 12 minutes ago fills a fifth of the hour."""
    hole = SampleServer(1.0, holes=((NOW - 3000, NOW - 240),))
    drawn = lines_of(await hole.chart(spec(), HistoryRange(3600.0)), spec())
    bottom = max(drawn, key=lambda line: sum("\u2801" <= item <= "\u28ff" for item in line))[11:]
    dots = [at for at, item in enumerate(bottom) if "\u2801" <= item <= "\u28ff"]
    apart = max(after - before for before, after in pairwise(dots))
    # 80 columns less the axis: one is 53 s. The last value counts for five minutes, as for every query.
    assert (3000 - 240 - LOOKBACK) / 53 - 2 <= apart <= (3000 - 240) / 53 + 1
    young = SampleServer(1.0, holes=((0.0, NOW - 720),))
    drawn = lines_of(await young.chart(spec(), HistoryRange(3600.0)), spec())
    bottom = max(drawn, key=lambda line: sum("\u2801" <= item <= "\u28ff" for item in line))[11:]
    assert not bottom[:50].strip("╌ warn5%") and bottom[56:].strip()


async def test_the_best_value_is_the_other_end_of_a_step() -> None:
    """One series has an envelope: the best value of each step beside the worst."""
    server = SampleServer(4.0, (NOW // EVERY * EVERY - 7200.0, 0.5))
    history = await server.chart(spec(), HistoryRange(7 * 86400.0))
    assert min(value for _, value in history.best) == 0.5
    assert {value for _, value in history.series[0].points} == {4.0}


async def test_a_long_range_is_asked_in_two_halves() -> None:
    """The server works on both at once; no step is asked twice or left out, and a half that it refuses refuses the whole."""
    server = SampleServer(1.0)
    for seconds, parts in ((86_400.0, 1), (7 * 86_400.0, 2), (30 * 86_400.0, 2)):
        server.ranges.clear()
        history = await server.chart(spec(), HistoryRange(seconds))
        spans = sorted((first, last) for query, first, last in server.ranges if query.startswith("max_over_time"))
        steps = [
            first + number * history.step_seconds
            for first, last in spans
            for number in range(241)
            if first + number * history.step_seconds <= last
        ]
        assert len(spans) == parts and {after - before for before, after in pairwise(steps)} == {history.step_seconds}
        assert history.start < steps[0] <= history.start + history.step_seconds and steps[-1] >= history.end
        assert [at for at, _ in history.series[0].points] == [*steps[:-1], history.end]
    server.refuses, server.refuses_from = "over_time", NOW - 3.6 * 86_400.0
    history = await server.chart(spec(), HistoryRange(7 * 86_400.0))
    assert history.fault is None and history.note.startswith("peaks not kept: ")


async def test_many_series_are_their_worst() -> None:
    """Of 100 series the chart shows the worst value of each step, and says how many there are; of a few it shows each."""
    server = SampleServer(1.0, (NOW // EVERY * EVERY - 86_400.0, 9.0), series=100)
    panel = spec(group_by="provider")
    history = await server.chart(panel, HistoryRange(7 * 86400.0))
    assert history.note == "the worst of 100 series"
    assert max(value for _, value in history.series[0].points) == 9.0
    assert "max(max_over_time(x[42m]))" in server.asked
    server.series, server.asked = 3, []
    assert (await server.chart(panel, HistoryRange(7 * 86400.0))).note == ""
    assert server.asked[1] == "max_over_time(x[42m])"


async def test_refused_peaks_are_named() -> None:
    """If the server refuses max_over_time the chart has samples, and says that peaks are not kept and why."""
    server = SampleServer(1.0, refuses="over_time")
    history = await server.chart(spec(), HistoryRange(7 * 86400.0))
    assert history.fault is None and history.series
    assert history.note.startswith("peaks not kept: ") and "too many samples" in history.note
    assert "peaks not kept" in lines_of(history, spec())[-1]


@pytest.mark.parametrize(
    ("refuses", "partial", "panel", "wanted", "note"),
    [
        ("", "x", spec(), HistoryRange(7 * 86400.0), MISSING),
        ("over_time", "x", spec(), HistoryRange(7 * 86400.0), f"{MISSING}; peaks not kept: "),
        ("", "min_over", spec(), HistoryRange(7 * 86400.0), MISSING),
        ("", "max((max_over", spec(), HistoryRange(300.0, back_seconds=86_400.0), MISSING),
        ("", "count(", spec(group_by="provider"), HistoryRange(7 * 86400.0), MISSING),
    ],
    ids=["peaks", "samples", "best", "earlier", "count"],
)
async def test_every_part_of_a_chart_says_that_its_answer_was_partial(
    refuses: str, partial: str, panel: PanelSpec, wanted: HistoryRange, note: str
) -> None:
    """Peaks, samples in their place, the best values, an earlier window, the number of series: each marks the chart."""
    server = SampleServer(1.0, refuses=refuses, partial=partial)
    assert (await server.chart(panel, wanted)).note.startswith(note)
    server.partial = ""
    assert MISSING not in (await server.chart(panel, wanted)).note


async def test_too_many_evaluations_are_not_asked_for() -> None:
    """An expression that would be computed 86,400 times for 30 days is sampled; nothing but the samples is fetched."""
    server = SampleServer(1.0)
    panel = PanelSpec("a", "A", Unit.PERCENT, raw="sum(x)")
    server.value = lambda query, at: 1.0  # type: ignore[method-assign]
    history = await server.chart(panel, HistoryRange(30 * 86400.0))
    assert history.note.startswith("peaks not kept: Prometheus would evaluate the expression 86,400 times")
    assert server.asked == ["sum(x)", "sum(x)"]
    server.asked.clear()
    history = await server.chart(panel, HistoryRange(86400.0))
    assert history.note == "" and "max_over_time((\nsum(x)\n)[6m:30s])" in server.asked


async def test_a_later_chart_has_the_same_steps() -> None:
    """Steps lie on multiples of their length: 20 seconds later all but the newest points are the same."""
    server = SampleServer(1.0, (NOW // EVERY * EVERY - 86_400.0, 9.0))
    source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(server.answer), clock=lambda: NOW)
    charts = []
    for now in (NOW - 20.0, NOW):
        fetched = MetricHistory(source, clock=lambda now=now: now).fetch(spec(), HistoryRange(7 * 86400.0))
        *_, last = [item async for item in fetched]
        charts.append(set(last.series[0].points))
    await source.close()
    assert len(charts[0] ^ charts[1]) <= 4


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.0, 1.0),
    st.sampled_from([6 * 3600.0, 7 * 86400.0, MONTH]),
    st.floats(0.0, 700.0),
    st.floats(0.0, 900.0),
    st.booleans(),
)
def test_a_chart_opened_again_equals_one_opened_first(
    place: float, seconds: float, apart: float, late: float, moved: bool
) -> None:
    """Opened again after up to 700 s, also after it was moved, it has the points of a chart that was never open before, also
    if the one sample that differs arrived up to 900 s late, between the two.
    """
    at = (NOW - seconds + place * (seconds - 2 * EVERY)) // EVERY * EVERY + EVERY
    server, moment = SampleServer(1.0, (0.0, 9.0)), [NOW - apart]
    if at + late <= NOW - apart:
        server.excursion = at, 9.0

    async def open_both() -> tuple[PanelHistory, PanelHistory, list[float]]:
        source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(server.answer), clock=lambda: moment[0])

        async def open_chart(until: float | None = None) -> PanelHistory:
            fetched = MetricHistory(source, clock=lambda: moment[0]).fetch(spec(), HistoryRange(seconds, until))
            *_, last = [item async for item in fetched]
            return last

        await open_chart()
        if moved:
            await open_chart(NOW - apart - seconds / 2)
        moment[0], server.excursion = NOW, (at, 9.0)
        server.ranges.clear()
        again = await open_chart()
        spans = [last - first for _, first, last in server.ranges]
        await source.close()
        return again, await server.chart(spec(), HistoryRange(seconds)), spans

    again, first, spans = asyncio.run(open_both())
    assert again == first and max(value for _, value in again.series[0].points) == 9.0
    expected = KEPT_SECONDS + (seconds / 2 if moved else 0.0) + 900.0 + 2 * again.step_seconds
    assert max(spans) <= expected if apart < KEPT_SECONDS else sum(spans) > 0.9 * seconds


async def test_a_partial_answer_is_fetched_again() -> None:
    """Nothing is kept of an answer that was partial, or refused."""
    for change in ({"partial": "x"}, {"refuses": "over_time"}):
        server = SampleServer(1.0, **change)  # type: ignore[arg-type]
        source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(server.answer), clock=lambda: NOW)
        asked = []
        for _ in range(2):
            server.asked.clear()
            async for _history in MetricHistory(source, clock=lambda: NOW).fetch(spec(), HistoryRange(7 * 86400.0)):
                pass
            asked.append(sorted(server.asked))
        assert asked[0] == asked[1] and sum(query.startswith("max_over_time") for query in asked[0]) == 2
        await source.close()


def test_few_charts_are_kept() -> None:
    """The 32 newest charts are known, and none with more than 20,000 points."""
    steps = SettledSteps(clock=lambda: NOW)
    first, last = NOW // 60 * 60 - 7200.0, NOW // 60 * 60
    points = tuple((first + 60.0 * at, 1.0) for at in range(121))
    for number in range(33):
        steps.keep(f"x{number}", 60.0, first, last, [Series((), points)])
    assert steps.find("x0", 60.0, first) == ((), first)
    known, begin = steps.find("x32", 60.0, first + 60.0)
    assert begin == (NOW - 900.0) // 60 * 60 + 60.0 and known[0].points == points[1 : points.index((begin, 1.0))]
    steps.keep("x32", 60.0, first, last, [Series((("number", str(at)),), points) for at in range(166)])
    assert steps.find("x32", 60.0, first) == ((), first)
    assert steps.find("x31", 60.0, first - 60.0) == ((), first - 60.0)
    assert steps.find("x31", 30.0, first) == ((), first)


def test_a_point_within_a_column_changes_only_that_column() -> None:
    """A newer point that crosses no column's boundary changes the cells of one column, and nothing on the axes."""
    cell = 3600.0 / (80 - 11 - 1)
    end = NOW // cell * cell + 5.0
    points = tuple((end - 3600.0 + 15.0 * at, 3.0 + (at % 7) / 10) for at in range(241))
    before = ChartData(end - 3600.0, end, (ChartSeries("", points),), (("warn", 5.0),), Unit.PERCENT, step_seconds=15.0)
    newer = (*points, (end + 15.0, 3.3))
    after = ChartData(end - 3585.0, end + 15.0, (ChartSeries("", newer),), (("warn", 5.0),), Unit.PERCENT, step_seconds=15.0)
    changed = set()
    for old, new in zip(render_chart(before, 80, 12), render_chart(after, 80, 12), strict=True):
        cells = ["".join(part for part, _ in line).ljust(80) for line in (old, new)]
        changed |= {x for x in range(80) if cells[0][x] != cells[1][x]}
    assert len(changed) <= 1


@pytest.mark.parametrize(
    ("value", "unit", "label"),
    [
        (99.95, Unit.PERCENT, " warn 99.95 % "),
        (14.4, Unit.TIMES, " warn 14.4 × "),
        (0.0025, Unit.SECONDS, " warn 2.5 ms "),
        (7_850_000.0, Unit.COUNT, " warn 7.85 M "),
        (0.0, Unit.PERCENT, " warn 0 % "),
    ],
)
def test_a_threshold_is_labelled_as_it_is_configured(value: float, unit: Unit, label: str) -> None:
    """99.95 % is not `100 %`: its label has every digit, beside an axis that leaves some out."""
    points = ((0.0, value), (3600.0, value * 1.2 + 0.1))
    data = ChartData(0.0, 3600.0, (ChartSeries("", points),), (("warn", value),), unit, step_seconds=60.0)
    assert any(label in "".join(part for part, _ in line) for line in render_chart(data, 80, 12))


@pytest.mark.parametrize("drawing", list(Drawing))
def test_every_drawing_shows_the_excursion(drawing: Drawing) -> None:
    """Braille, blocks and ASCII draw the same curve; ASCII uses no other character in the plot's line."""
    points = tuple((60.0 * at, 9.0 if at == 30 else 1.0) for at in range(61))
    data = ChartData(0.0, 3600.0, (ChartSeries("", points),), (("warn", 5.0),), Unit.PERCENT, step_seconds=60.0)
    top = render_chart(data, 80, 12, drawing=drawing)
    drawn = ["".join(part for part, _ in line)[11:] for line in top]
    assert any(line[30:40].strip("╌ ") for line in drawn[:3])
    if drawing is Drawing.ASCII:
        assert set("".join(drawn[:8])) <= set(" '-.:|╌warn5%0123456789")


@pytest.mark.parametrize(("series", "note"), [(24, ""), (25, "the worst of 25 series")])
async def test_up_to_24_series_are_drawn_one_by_one(series: int, note: str) -> None:
    """One more, and the chart shows the worst of them."""
    server = SampleServer(1.0, series=series)
    assert (await server.chart(spec(group_by="provider"), HistoryRange(7 * 86400.0))).note == note


class Ranges:
    """Answers every query with one series of ones; `asked` has the range queries with their first and last step."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float, float]] = []
        self.reader = HistoryReader(lambda at: self._instant, self._range, clock=lambda: NOW)

    async def _instant(self, text: str) -> tuple[tuple[Sample, ...], Annotations]:
        return (Sample((), 1.0),), NO_ANNOTATIONS

    async def _range(self, text: str, start: float, end: float, step: float) -> tuple[tuple[Series, ...], Annotations]:
        self.asked.append((text, start, end))
        return (Series((), ((start, 1.0), (end, 1.0))),), NO_ANNOTATIONS

    async def read(self, query: str, window: Window) -> PanelHistory:
        *_, last = [item async for item in self.reader.read(spec(), [query], window, evaluation_seconds=EVERY)]
        return last


FIRST = 1_799_000_400.0
"""A multiple of five minutes."""


@pytest.mark.parametrize(("steps", "refused"), [(2499, False), (2500, False), (2501, True)])
async def test_up_to_25_000_evaluations_are_asked_for(steps: int, refused: bool) -> None:
    """Ten of a step of five minutes; one step more, and the chart has samples."""
    server = Ranges()
    history = await server.read("sum(x)", Window(FIRST, FIRST + 300.0 * steps, 300.0))
    why = "peaks not kept: Prometheus would evaluate the expression 25,010 times; record it with a rule"
    assert history.note == (why if refused else "")
    assert any("max_over_time" in query for query, _, _ in server.asked) is not refused


@pytest.mark.parametrize(
    ("step", "steps", "parts"),
    [
        (300.0, 1, [(1, 1)]), (300.0, 289, [(1, 289)]), (300.0, 290, [(1, 145), (146, 290)]),
        (172_800.0, 1, [(1, 1)]), (172_800.0, 2, [(1, 1), (2, 2)]), (172_800.0, 3, [(1, 2), (3, 3)]),
    ],
)  # fmt: skip
async def test_a_range_of_more_than_a_day_is_halved(step: float, steps: int, parts: list[tuple[int, int]]) -> None:
    """From its first step to its last; one of exactly a day is one request, and so is a single step of any length."""
    start = FIRST // step * step
    server = Ranges()
    await server.read("x", Window(start, start + step * steps, step))
    asked = [(round((first - start) / step), round((last - start) / step)) for text, first, last in server.asked
             if text.startswith(("max_over", "(max_over"))]  # fmt: skip
    assert asked == parts


@pytest.mark.parametrize(("step", "best"), [(30.0, False), (60.0, True)])
async def test_the_best_value_of_a_step_differs_only_beyond_an_evaluation(step: float, best: bool) -> None:
    """A step of one evaluation has one value."""
    server = Ranges()
    history = await server.read("x", Window(FIRST, FIRST + 10 * step, step))
    assert (any("min_over" in text for text, _, _ in server.asked), bool(history.best)) == (best, best)
