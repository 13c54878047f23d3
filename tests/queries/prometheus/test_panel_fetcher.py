"""One refresh of a board: as few requests as can be, an honest origin, and one bad query that harms nobody else."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace

import httpx
import pytest
from fake_prometheus import NOW, FakePrometheus
from stopwatch import turns

from queries.catalogue.loader import expand_spec, load_board
from queries.catalogue.signals import expand_signals
from queries.errors import RequestRejected, SourceError, TimedOut, Unreachable
from queries.http.endpoint import Endpoint
from queries.model.fault import FaultKind
from queries.model.panel import MOST_SERIES, Aggregation, Origin, PanelSpec, Unit, aggregate
from queries.model.panel_result import PanelResult
from queries.model.rule import RecordedSeries, RuleMatch
from queries.model.series import Sample
from queries.prometheus.client import Prometheus
from queries.prometheus.evidence import UNDECIDED_SECONDS, Decisions
from queries.prometheus.panel_fetcher import PanelResults
from queries.prometheus.query_batch import BATCH_LABEL, BatchQuery, join_queries


def spec(name: str, **more: object) -> PanelSpec:
    return PanelSpec(name, name.title(), Unit.PERCENT, raw=f"raw_{name}", **more)  # type: ignore[arg-type]


def recorded(name: str, **more: object) -> PanelSpec:
    return spec(name, recorded=f"rec_{name}", recorded_names=(f"rec_{name}",), **more)


@pytest.fixture
def fake() -> FakePrometheus:
    return FakePrometheus()


def test_joined_keeps_a_comment_to_its_part() -> None:
    """A comment at the end of an expression does not swallow the rest of the request."""
    lines = join_queries([BatchQuery("a", "up # mine"), BatchQuery("b", "down")]).splitlines()
    assert "up # mine" in lines and f', "{BATCH_LABEL}", "a", "", "")' in lines


async def test_recorded_series_are_preferred(fake: FakePrometheus) -> None:
    """With every recorded series there a refresh is one request; the first one asks the trends' hour, too."""
    fake.series = {"rec_a": [({"__name__": "rec_a", "p": "x"}, "1.5")], "raw_a": [({}, "9")], "raw_b": [({}, "2")]}
    source = fake.source()
    answers = (await source.panels([recorded("a"), spec("b")])).results
    assert fake.take() == [("query", "joined"), ("query_range", "joined")]
    assert [(item.id, item.origin, item.query) for item in answers] == [
        ("a", Origin.RECORDED, "rec_a"),
        ("b", Origin.RAW, "raw_b"),
    ]
    assert answers[0].samples[0].labels == (("p", "x"),) and answers[0].samples[0].value == 1.5
    await source.panels([recorded("a"), spec("b")])
    assert fake.take() == [("query", "joined")]
    await source.close()


async def test_trends_are_fetched_for_the_panels_that_want_one(fake: FakePrometheus) -> None:
    """Where a single snapshot limits them, the window of a wanted panel is fetched alone, and none where no panel wants one."""
    fake.series = {"raw_a": [({}, "9")], "raw_b": [({}, "2")], "raw_c": []}
    specs = [spec("a"), spec("b"), spec("c")]
    source = fake.source()
    source.limit_trends(lambda panel, value: value > 100.0)
    await source.panels(specs)
    assert fake.take() == [("query", "joined")]
    source.limit_trends(lambda panel, value: value > 5.0)
    await source.panels(specs)
    (_, kind, query), (_, other, window) = fake.asked
    assert (kind, other) == ("query", "query_range") and "raw_b" in query
    assert "raw_a" in window and "raw_b" not in window
    await source.close()


async def test_a_missing_recording_falls_back_and_a_new_one_is_noticed(fake: FakePrometheus) -> None:
    """Absent: raw, in the same request. A rule that appears or vanishes counts at once."""
    specs = [recorded("a"), spec("b")]
    fake.series = {"raw_a": [({}, "9")], "raw_b": [({}, "2")]}
    source = fake.source()
    (first, _) = (await source.panels(specs)).results
    assert (first.origin, first.query, first.samples[0].value) == (Origin.RAW, "raw_a", 9.0)
    assert fake.take() == [("query", "joined"), ("query_range", "joined")]
    assert (await source.panels(specs)).results[0].origin is Origin.RAW
    assert fake.take() == [("query", "joined")]
    fake.series["rec_a"] = [({"__name__": "rec_a"}, "1")]
    (first, _) = (await source.panels(specs)).results
    assert (first.origin, first.samples[0].value) == (Origin.RECORDED, 1.0)
    del fake.series["rec_a"]
    (first, _) = (await source.panels(specs)).results
    assert (first.origin, first.samples[0].value) == (Origin.RAW, 9.0)
    await source.close()


async def test_what_did_not_change_is_the_same_result(fake: FakePrometheus) -> None:
    """An answer that differs only in its time gives the same objects, so nothing is drawn again; what changed is a new one."""
    fake.series = {"rec_a": [({"__name__": "rec_a", "p": "x"}, "1.5")], "raw_b": [({}, "2")], "raw_c": []}
    specs = (recorded("a"), spec("b"), spec("c"))
    source = fake.source()
    source.recorded.update({"rec_a": RecordedSeries("rec_a", RuleMatch.SAME, "rec_a")})
    await source.panels(specs)

    async def later() -> tuple[PanelResult, ...]:
        fake.now += 1.0
        return (await source.panels(specs)).results

    first, again = await later(), await later()
    assert [one is other for one, other in zip(again, first, strict=True)] == [True, True, True]
    fake.series["raw_b"] = [({}, "3")]
    moved = await later()
    assert [one is other for one, other in zip(moved, first, strict=True)] == [True, False, True]
    assert moved[1].samples[0].value == 3.0
    fake.extra = {"isPartial": True}
    assert all(item.partial for item in await later())
    fake.extra = {}
    assert not any(item.partial for item in await later())
    del fake.series["rec_a"]
    gone = await later()
    assert (gone[0].origin, gone[0].samples) == (Origin.RAW, ())
    await source.close()


async def test_part_of_the_recorded_names_is_not_enough(fake: FakePrometheus) -> None:
    """A panel over two recorded names whose second is missing reads raw, unless that rule is known to be silent."""
    both = spec("a", recorded="rec", recorded_names=("one", "two"))
    fake.series = {"rec": [({"__name__": "one"}, "1")], "raw_a": [({}, "9")]}
    source = fake.source()
    assert (await source.panels([both])).results[0].origin is Origin.RAW
    fake.groups = [{"name": "g", "file": "f", "interval": 30, "rules": [{"type": "recording", "name": "two", "query": "x"}]}]
    await source.rules()
    assert (await source.panels([both])).results[0].origin is Origin.RECORDED
    await source.close()


async def test_nothing_anywhere_is_an_empty_answer(fake: FakePrometheus) -> None:
    """No series is no fault: the panel is told 'nothing', which is not zero."""
    source = fake.source()
    (answer,) = (await source.panels([recorded("a")])).results
    assert (answer.samples, answer.fault, answer.trend) == ((), None, ())
    await source.close()


@pytest.mark.parametrize(("status", "error_type"), [(400, "bad_data"), (422, "execution"), (503, "timeout")])
async def test_one_bad_query_harms_nobody(fake: FakePrometheus, status: int, error_type: str) -> None:
    """The refused part has its own fault with Prometheus' position; the others live; it is not asked again at once."""
    specs = [spec(name) for name in "abcd"]
    fake.series = {f"raw_{name}": [({}, "1")] for name in "abcd"}
    fake.refuses = {"raw_c": (status, error_type)}
    source = fake.source()
    answers = (await source.panels(specs)).results
    assert [item.id for item in answers if item.fault] == ["c"]
    assert answers[2].fault is not None and "1:3" in answers[2].fault.what and answers[2].query == "raw_c"
    assert [len(item.samples) for item in answers] == [1, 1, 0, 1]
    fake.take()
    again = (await source.panels(specs)).results
    assert fake.take() == [("query", "joined")] and again[2].fault == answers[2].fault
    fake.now += 2.1
    fake.refuses.clear()
    assert (await source.panels(specs)).results[2].fault is None
    assert sorted(fake.take()) == [("query", "alone"), ("query", "joined")]
    await source.panels(specs)
    assert fake.take() == [("query", "joined")]
    await source.close()


async def test_a_query_that_stays_bad_is_asked_ever_less_often(fake: FakePrometheus) -> None:
    """After twice 2, then 4, 8, 16 and 32 seconds, then once a minute."""
    fake.series = {f"raw_{name}": [({}, "1")] for name in "abc"}
    fake.refuses = {"raw_b": (422, "execution")}
    source = fake.source()
    begun, tried = fake.now, []
    while fake.now < begun + 200:
        fake.take()
        await source.panels([spec(name) for name in "abc"])
        if ("query", "alone") in fake.take():
            tried.append(fake.now - begun)
        fake.now += 1
    assert tried == [0, 2, 4, 8, 16, 32, 64, 124, 184]
    await source.close()


async def test_a_clock_that_is_set_back_holds_up_nothing(fake: FakePrometheus) -> None:
    """An hour back: what was refused a moment ago is asked again, and not only once the old time has come again; so is the hour
    of the trends.
    """
    fake.series = {f"raw_{name}": [({}, "1")] for name in "abc"}
    fake.refuses = {"raw_b": (422, "execution")}
    source = fake.source()
    for _ in range(2):
        refused = (await source.panels([spec(name) for name in "abc"])).results[1]
        assert refused.fault is not None and not refused.samples
        fake.now += 1.0
    fake.refuses = {}
    fake.now -= 3600.0
    fake.take()
    answers = (await source.panels([spec(name) for name in "abc"])).results
    assert [answer.fault for answer in answers] == [None] * 3
    assert ("query_range", "joined") in fake.take()
    await source.close()


async def test_a_refused_recording_has_raw_to_stand_in(fake: FakePrometheus) -> None:
    """A recorded expression that is refused is told as a warning, and the raw one answers."""
    fake.series = {"raw_a": [({}, "9")], "raw_b": [({}, "2")]}
    fake.refuses = {"rec_a": (422, "execution")}
    source = fake.source()
    answer = await source.panels([recorded("a"), spec("b")])
    assert answer.results[0].origin is Origin.RAW and answer.results[0].fault is None
    assert "A: 1:3: cannot evaluate rec_a" in answer.warnings[0]
    await source.close()


async def test_only_the_sum_is_too_much(fake: FakePrometheus) -> None:
    """Where every part is fine and their sum is refused, they are asked alone for a minute, without a try each time."""
    specs = [spec(name) for name in "abc"]
    fake.series = {f"raw_{name}": [({}, "1")] for name in "abc"}
    fake.refuses_joined = True
    source = fake.source()
    answers = (await source.panels(specs)).results
    assert all(item.samples and not item.fault for item in answers)
    fake.take()
    await source.panels(specs)
    assert fake.take() == [("query", "alone")] * 3
    await source.close()


async def test_a_dead_server_is_the_source_s_fault() -> None:
    """No answer at all is raised, not spread over the panels."""

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    source = Prometheus(Endpoint("http://prometheus"), transport=httpx.MockTransport(broken))
    with pytest.raises(Unreachable):
        await source.panels([spec("a"), spec("b")])
    await source.close()


@pytest.mark.parametrize(("status", "error_type", "kind"), [(503, "timeout", TimedOut), (400, "bad_data", RequestRejected)])
async def test_a_server_that_refuses_everything(
    fake: FakePrometheus, status: int, error_type: str, kind: type[SourceError]
) -> None:
    """When each part alone fails as well, it is the server: that is said once, for the source, and forgotten at once."""
    fake.refuses = {"": (status, error_type)}
    fake.series = {"raw_a": [({}, "1")], "raw_b": [({}, "1")]}
    source = fake.source()
    with pytest.raises(kind):
        await source.panels([spec("a"), spec("b")])
    fake.refuses.clear()
    assert all(item.samples for item in (await source.panels([spec("a"), spec("b")])).results)
    await source.close()


async def test_two_bad_queries_stay_their_own_fault(fake: FakePrometheus) -> None:
    """Several refused parts among good ones never become the source's fault, also when they are tried again."""
    fake.series = {"raw_a": [({}, "1")]}
    fake.refuses = {"raw_b": (400, "bad_data"), "raw_c": (422, "execution")}
    source = fake.source()
    for _ in range(3):
        answers = (await source.panels([spec(name) for name in "abc"])).results
        assert [bool(item.fault) for item in answers] == [False, True, True]
        fake.now += 61
    await source.close()


async def test_rare_expressions_are_asked_rarely(fake: FakePrometheus) -> None:
    """An expression over 30 days is evaluated once a minute; between, its answer counts; its hour is never asked for."""
    specs = [spec("a"), spec("budget", raw_every_seconds=60.0)]
    fake.series = {"raw_a": [({}, "1")], "raw_budget": [({}, "80")]}
    source = fake.source()
    seen = []
    for _ in range(5):
        seen.append((await source.panels(specs)).results[1].samples[0].value)
        fake.now += 20
    assert seen == [80.0] * 5
    asked = ["raw_budget" in query for _, kind, query in fake.asked if kind == "query"]
    assert asked == [True, False, False, True, False]
    assert not any("raw_budget" in query for _, kind, query in fake.asked if kind == "query_range")
    await source.close()


async def test_a_refused_rare_expression_is_asked_again_as_soon_as_any_other(fake: FakePrometheus) -> None:
    """A refusal does not count for minutes as an answer does: after two seconds the expression is tried again."""
    specs = [spec("a"), spec("budget", raw_every_seconds=300.0)]
    fake.series = {"raw_a": [({}, "1")], "raw_budget": [({}, "80")]}
    fake.refuses = {"raw_budget": (503, "timeout")}
    source = fake.source()
    (_, refused) = (await source.panels(specs)).results
    assert refused.fault is not None and not refused.samples
    fake.refuses.clear()
    fake.take()
    assert (await source.panels(specs)).results[1].fault is not None
    assert fake.take() == [("query", "alone")]  # that of `a`: the refused one is not sent yet
    fake.now += 2.1
    (_, answered) = (await source.panels(specs)).results
    assert answered.fault is None and answered.samples[0].value == 80.0
    await source.close()


async def test_a_dashboard_asks_once_for_the_window_of_a_rare_expression(fake: FakePrometheus) -> None:
    """Its trend begins with samples of the window, alone in a request of its own, and is then extended; a refusal or a partial
    answer of one leaves the others their trends.
    """
    fake.now = NOW // 60 * 60 + 5
    rare = [spec(name, raw_every_seconds=60.0) for name in ("burn", "slow", "bad")]
    fake.series = {f"raw_{name}": [({}, "1")] for name in ("a", "burn", "slow", "bad")}
    fake.hours = {f"raw_{name}": [(fake.now - 65.0, "5")] for name in ("burn", "slow")}
    fake.refuses = {"max(\nraw_bad": (422, "execution")}
    source = fake.source()
    board = source.board(3600.0, seed_rare={"burn", "slow", "bad"})
    found: dict[str, PanelResult] = {}

    async def refresh() -> bool:
        found.update({item.id: item for item in (await board.refresh([spec("a"), *rare])).results})
        return all(found[name].trend and found[name].trend[0][1] == 5.0 for name in ("burn", "slow"))

    for _ in range(1000):
        if await refresh():
            break
        await asyncio.sleep(0)
    for _ in range(3):
        fake.now += 20
        await refresh()
    asked = [query for _, kind, query in fake.asked if kind == "query_range"]
    assert [sum(name in query for query in asked) for name in ("raw_burn", "raw_slow", "raw_bad")] == [1, 1, 1]
    assert not any("over_time" in query for query in asked if "raw_a" not in query)
    assert found["burn"].trend_sampled and found["burn"].trend[0] == (fake.now - 60 - 125.0, 5.0)
    assert [value for _, value in found["bad"].trend] == [1.0, 1.0]
    await board.close()
    await source.close()


async def test_trends_are_asked_once_then_extended(fake: FakePrometheus) -> None:
    """The hour comes once; then every minute gets one point, the worst, and the ring stays bounded."""
    fake.now = NOW // 60 * 60 + 5
    fake.series = {"raw_a": [({"p": "x"}, "7"), ({"p": "y"}, "NaN")]}
    fake.hours = {"raw_a": [(NOW // 60 * 60 - 60 * i, "NaN" if i == 3 else str(i)) for i in range(60, -1, -1)]}
    source = fake.source()
    (answer,) = (await source.panels([spec("a")])).results
    assert len(answer.trend) == 59 and answer.trend[-1] == (fake.now - 5, 7.0)
    assert answer.trend_window == (fake.now - 5 - 3540, fake.now - 5 + 60)
    assert not any(math.isnan(value) for _, value in answer.trend)
    fake.asked.clear()
    for _ in range(200):
        fake.now += 20
        (answer,) = (await source.panels([spec("a")])).results
    assert not any(kind == "query_range" for _, kind, _ in fake.asked)
    assert len(answer.trend) == 60
    times = [at for at, _ in answer.trend]
    assert times == sorted(times) and times[0] >= fake.now - 3660 and answer.trend[-1] == (fake.now // 60 * 60, 7.0)
    await source.close()


async def test_trends_are_asked_again_after_a_gap(fake: FakePrometheus) -> None:
    """After a sleep the hour is asked for in whole."""
    fake.series = {"raw_a": [({}, "7")]}
    source = fake.source()
    await source.panels([spec("a")])
    fake.now += 600
    fake.take()
    await source.panels([spec("a")])
    assert ("query_range", "alone") in fake.take()
    await source.close()


async def test_a_slow_hour_does_not_hold_up_the_values(fake: FakePrometheus) -> None:
    """The values come at once; the trend follows when the server has it."""
    fake.series = {"raw_a": [({}, "7")]}
    gate = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("query_range"):
            await gate.wait()
        return fake.answer(request)

    fake.hours = {"raw_a": [(NOW - 120, "3")]}
    source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(answer), clock=lambda: fake.now)
    (first,) = (await source.panels([spec("a")])).results
    assert len(first.trend) == 1
    gate.set()
    await asyncio.sleep(0.05)
    (second,) = (await source.panels([spec("a")])).results
    assert second.trend[0] == (NOW - 180, 3.0)
    await source.close()


@pytest.mark.parametrize(("lower_is_worse", "spike", "worst"), [(False, "9", 9.0), (True, "9", 1.0)])
async def test_a_minute_keeps_its_worst_value(fake: FakePrometheus, lower_is_worse: bool, spike: str, worst: float) -> None:
    """A spike of one poll stays in its minute when later polls are calm, and when the hour arrives after it."""
    panel = spec("a", lower_is_worse=lower_is_worse)
    fake.now = NOW // 60 * 60
    fake.hours = {"raw_a": [(fake.now + 60, "2")]}
    fake.series = {"raw_a": [({}, "1")]}
    source = fake.source()
    for value in ("1", spike, "1"):
        fake.now += 10
        fake.series = {"raw_a": [({}, value)]}
        (answer,) = (await source.panels([panel])).results
    assert answer.trend[-1] == (fake.now // 60 * 60, worst)
    await source.close()


async def test_the_hour_is_fetched_as_the_worst_of_each_minute(fake: FakePrometheus) -> None:
    """After a restart a 40 s spike between two minutes is in the trend: recorded series are read with max_over_time, or
    min_over_time if lower is worse; another expression is computed at the evaluation interval.
    """
    health = recorded("c", lower_is_worse=True, aggregation=Aggregation.MIN)
    fake.series = {"rec_a": [({"__name__": "rec_a"}, "1")], "raw_b": [({}, "2")], "rec_c": [({"__name__": "rec_c"}, "3")]}
    source = fake.source()
    await source.panels([recorded("a"), spec("b"), health])
    (query,) = [query for _, kind, query in fake.asked if kind == "query_range"]
    assert "max((max_over_time(rec_a[1m]) or rec_a))" in query
    assert "min((min_over_time(rec_c[1m]) or rec_c))" in query
    await source.close()


async def test_a_trend_without_peaks_says_so(fake: FakePrometheus) -> None:
    """If the server refuses to compute a minute's worst value, the trend is sampled and marked."""
    panel = replace(spec("a"), raw="sum(raw_a)", aggregation=Aggregation.SUM)
    fake.series = {"sum(raw_a)": [({}, "1")]}
    fake.hours = {"sum(raw_a)": [(NOW - 60, "5")]}
    fake.refuses = {"over_time": (422, "execution")}
    source = fake.source()
    (answer,) = (await source.panels([panel])).results
    assert answer.trend_sampled and answer.trend[0] == (NOW - 120, 5.0)
    await source.close()


async def test_long_queries_travel_in_a_form_unless_refused(fake: FakePrometheus) -> None:
    """A long expression is POSTed; a proxy that forbids POST gets it in the URL from then on."""
    methods: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        return httpx.Response(405, text="no") if request.method == "POST" else fake.answer(request)

    source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(answer))
    await source.query("up")
    await source.query("up or " * 400 + "up")
    await source.query("up or " * 400 + "up")
    assert methods == ["GET", "POST", "GET", "GET"]
    await source.close()


async def test_history(fake: FakePrometheus) -> None:
    """The detail's tracks come from the recorded series, else from the raw one; a failure is data."""
    fake.hours = {"raw_a": [(NOW - 60, "1"), (NOW, "2")]}
    source = fake.source()
    history = await source.history(recorded("a"), start=NOW - 60, end=NOW, step_seconds=60)
    assert history.series[0].points == ((NOW - 60, 1.0), (NOW, 2.0)) and history.fault is None
    fake.refuses = {"raw_a": (400, "bad_data")}
    history = await source.history(spec("a"), start=NOW - 60, end=NOW, step_seconds=60)
    assert history.fault is not None and history.fault.kind is FaultKind.REJECTED
    await source.close()


@pytest.mark.parametrize(
    ("fold", "values", "expected"),
    [
        (Aggregation.MAX, [1.0, math.nan, 3.0], 3.0),
        (Aggregation.MIN, [1.0, 3.0], 1.0),
        (Aggregation.SUM, [1.0, math.nan, 3.0], 4.0),
        (Aggregation.MAX, [math.inf, 1.0], math.inf),
        (Aggregation.SUM, [], None),
        (Aggregation.MAX, [math.nan], None),
    ],
)
def test_fold(fold: Aggregation, values: list[float], expected: float | None) -> None:
    """NaN is 'no data' of one series, and nothing at all is None, never 0."""
    assert aggregate(fold, values) == expected


async def test_forty_thousand_series_leave_the_loop_free() -> None:
    """40,000 series are decoded beside the event loop, which goes on turning."""
    items = [{"metric": {"__name__": "x", "pod": f"pod-{i}"}, "value": [1, "1"]} for i in range(40_000)]
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": items}}).encode()
    answer = httpx.Response(200, content=body, headers={"content-type": "application/json"})

    async def ask() -> None:
        source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(lambda _: answer))
        try:
            assert len((await source.query("x")).samples) == 40_000
        finally:
            await source.close()

    beside, on_the_loop = await turns(ask)
    assert beside >= 2 * on_the_loop


async def test_a_month_is_read_once_as_decided(fake: FakePrometheus) -> None:
    """The evidence is in the first request, and what reads a month waits for it: it is asked in one form only."""
    month = next(item for item in load_board("slo_tracking") if item.id == "requests_30d")
    decisions = Decisions()
    part = decisions.evidence_query(0.0)
    assert part is not None
    labels = {"__name__": "ocr_requests_total", "status": "start"}
    fake.series = {part.query: [(labels, "1")], "raw_a": [({}, "1")]}
    decisions.ingest([Sample(tuple(labels.items()), 1.0)], 0.0)
    fake.series[expand_spec(month, decisions.choice).raw] = [({}, "7")]
    source = fake.source()
    answers = {item.id: item for item in (await source.panels([spec("a"), month])).results}
    assert [item.value for item in answers["requests_30d"].samples] == [7.0] and answers["a"].samples
    assert answers["requests_30d"].basis[0] == "ocr requests: starts and cached answers; 2 of 3 definitions apply"
    asked = [text for _, kind, text in fake.asked if kind == "query" and "30d" in text]
    assert len(asked) == 1 and month.raw not in asked[0]
    await source.panels([spec("a"), month])
    assert len([text for _, kind, text in fake.asked if kind == "query" and "30d" in text]) == 1
    await source.close()


@pytest.mark.parametrize(
    ("worth", "basis"),
    [(RuleMatch.SAME, "ocr requests: starts and cached answers; 2 of 3 definitions apply"), (RuleMatch.UNVERIFIED, "")],
)
async def test_a_rule_that_means_the_same_says_how_it_counts(fake: FakePrometheus, worth: RuleMatch, basis: str) -> None:
    """A panel says how a verified rule counts, as it does for a raw expression; of an unverified rule it says nothing."""
    month = next(item for item in load_board("slo_tracking") if item.id == "requests_30d")
    panel = replace(month, recorded="requests:30d", recorded_names=("requests:30d",))
    fake.series = {"requests:30d": [({"__name__": "requests:30d"}, "7")]}
    source = fake.source()
    source.recorded.update({"requests:30d": RecordedSeries("requests:30d", worth, "requests:30d", reason="it is so")})
    await source.panels([panel])
    source.decisions.ingest([Sample((("__name__", "ocr_requests_total"), ("status", "start")), 1.0)], NOW)
    answer = (await source.panels([panel])).results[0]
    assert answer.origin is Origin.RECORDED
    assert (answer.basis[0] if answer.basis else "") == basis
    await source.close()


async def test_an_info_belongs_to_the_panel_that_caused_it(fake: FakePrometheus) -> None:
    """The position in the joined request names the panel; advice makes no server degraded, a warning is not said twice."""
    fake.series = {"raw_a": [({}, "9")], "raw_b": [({}, "2")]}
    source = fake.source()
    await source.panels([spec("a"), spec("b")])
    line = next(text for _, _, text in fake.asked if "raw_b" in text).split("\n").index("raw_b") + 1
    fake.extra = {"infos": [f"PromQL info: not a counter ({line}:1)"], "warnings": [f"PromQL warning: mixed ({line}:3)"]}
    answer = await source.panels([spec("a"), spec("b")])
    assert [item.annotations for item in answer.results] == [(), ("PromQL warning: mixed", "PromQL info: not a counter")]
    assert (answer.warnings, answer.infos, answer.partial) == ((), (), "")
    await source.close()


async def test_nothing_is_concluded_from_what_a_partial_answer_lacks(fake: FakePrometheus) -> None:
    """Its panels carry the server's sentence, its values stay out of the trend, and it decides on no definition."""
    fake.series = {"raw_a": [({}, "9")]}
    fake.hours = {"raw_a": [(NOW - 60.0, "3")]}
    fake.extra = {"warnings": ["store x: unavailable"]}
    source = fake.source()
    answer = await source.panels([spec("a"), spec("b")])
    assert answer.partial == "store x: unavailable"
    assert [(item.partial, item.trend) for item in answer.results] == [("store x: unavailable", ())] * 2
    assert source.decisions.undecided
    evidence = source.decisions.evidence_query(NOW + 60.0)
    assert evidence is not None
    fake.series[evidence.query] = [({"__name__": "ocr_processing_duration_seconds"}, "1")]
    fake.now += 120.0
    await source.panels([spec("a"), spec("b")])
    assert source.decisions.choice.definitions["ocr_p95"].id == "native", "what a partial answer has is there"
    assert source.decisions.evidence_query(fake.now + UNDECIDED_SECONDS), "and it is asked again soon"
    fake.extra = {}
    answer = await source.panels([spec("a"), spec("b")])
    assert (answer.partial, [item.partial for item in answer.results]) == ("", ["", ""])
    await source.close()


async def test_the_first_refresh_asks_the_form_that_the_evidence_shows(fake: FakePrometheus) -> None:
    """A server that stores histograms natively has its latency at once, also in a one-time snapshot."""
    decisions, template = Decisions(), "${ocr_p95[5m]}"
    decisions.ingest([Sample((("__name__", "ocr_processing_duration_seconds"),), 1.0)], NOW)
    latency = PanelSpec("p95", "P95", Unit.SECONDS, raw=expand_signals(template), template=template)
    fake.series = {expand_spec(latency, decisions.choice).raw: [({"provider": "p"}, "1.7")], "raw_b": [({}, "2")]}
    query = Decisions().evidence_query(NOW)
    assert query is not None
    fake.series[query.query] = [({"__name__": "ocr_processing_duration_seconds"}, "1")]
    source = fake.source()
    results = (await source.panels([latency, spec("b")])).results
    assert [[sample.value for sample in item.samples] for item in results] == [[1.7], [2.0]]
    assert [kind for kind, _ in fake.take()][:2] == ["query", "query"]
    await source.close()


async def test_a_refresh_that_brings_nothing_new_is_the_last_one(fake: FakePrometheus) -> None:
    """As a whole, while nothing that it follows from differs: an answer, a step of the trends, what was learned, the rules."""
    fake.series = {"rec_a": [({"__name__": "rec_a", "p": "x"}, "1.5")], "raw_b": [({}, "2")]}
    specs = (recorded("a"), spec("b"))
    source = fake.source()
    source.recorded.update({"rec_a": RecordedSeries("rec_a", RuleMatch.SAME, "rec_a")})
    fake.now = fake.now // 60 * 60 + 60

    async def refresh() -> PanelResults:
        fake.now += 1.0
        return await source.panels(specs)

    async def settle() -> PanelResults:
        await refresh()
        found = await refresh()
        assert await refresh() is found
        return found

    await refresh()
    first = await settle()
    fake.series["raw_b"] = [({}, "3")]
    moved = await settle()
    assert [one is other for one, other in zip(first.results, moved.results, strict=True)] == [True, False]
    fake.now += 60.0
    stepped = await settle()
    assert stepped.results[0].trend_window[1] == moved.results[0].trend_window[1] + 60.0
    assert len(stepped.results[1].trend) == len(moved.results[1].trend) + 1
    source.decisions.ingest_help("ocr_circuit_state", ["gauge"], ["0=closed, 1=open"])
    assert await refresh() is not stepped
    learned = await settle()
    source.recorded.update({"rec_a": RecordedSeries("rec_a", RuleMatch.UNVERIFIED, "rec_a", "no rule")})
    assert (await refresh()).results[0].caveat is not None and learned.results[0].caveat is None
    fake.extra = {"isPartial": True}
    assert (await refresh()).partial
    fake.extra = {}
    assert not (await refresh()).partial
    await source.close()


async def test_what_passes_with_time_is_not_kept(fake: FakePrometheus) -> None:
    """A recorded series that no rule verifies is compared with its raw expression, however long its answer stays the same."""
    fake.series = {"rec_a": [({"__name__": "rec_a"}, "1.5")], "raw_a": [({}, "9")]}
    source = fake.source()
    specs = (recorded("a"),)
    await source.panels(specs)
    for _ in range(20):
        fake.now += 61.0
        found = (await source.panels(specs)).results[0]
    assert found.contradictions
    await source.close()


@pytest.mark.parametrize(("count", "truncated"), [(MOST_SERIES - 1, False), (MOST_SERIES, True)])
@pytest.mark.parametrize("aggregation", [Aggregation.MAX, Aggregation.SUM])
async def test_fifty_series_may_be_some_of_more(
    fake: FakePrometheus, count: int, truncated: bool, aggregation: Aggregation
) -> None:
    """As many as the query returns at most; a sum asks for all of them."""
    fake.series = {"raw_a": [({"provider": f"p{at}"}, "1") for at in range(count)]}
    source = fake.source()
    (found,) = (await source.panels([spec("a", group_by="provider", aggregation=aggregation)])).results
    assert (len(found.samples), found.truncated) == (count, truncated and aggregation is Aggregation.MAX)
    await source.close()


@pytest.mark.parametrize(("passed", "asked"), [(0.0, False), (59.0, False), (60.0, True), (-1.0, True)])
async def test_a_rare_expression_is_asked_when_its_time_is_up(fake: FakePrometheus, passed: float, asked: bool) -> None:
    """Exactly then, and not twice at one moment; also after the clock was set back."""
    fake.series = {"raw_budget": [({}, "80")], "raw_a": [({}, "1")]}
    source, specs = fake.source(), [spec("a"), spec("budget", raw_every_seconds=60.0)]
    await source.panels(specs)
    fake.now += passed
    fake.asked.clear()
    (_, found) = (await source.panels(specs)).results
    assert found.samples[0].value == 80.0
    assert any("raw_budget" in query for _, kind, query in fake.asked if kind == "query") is asked
    await source.close()


@pytest.mark.parametrize(
    ("query", "aggregation", "future"), [("raw_a", Aggregation.MAX, True), ("sum(raw_a)", Aggregation.SUM, False)]
)
async def test_only_stored_samples_fill_the_step_that_has_not_ended(
    fake: FakePrometheus, query: str, aggregation: Aggregation, future: bool
) -> None:
    """The worst stored value so far is known; an expression that is computed at a later moment has no sample to support it. At
    this very moment it has.
    """
    fake.now = NOW // 60 * 60
    panel = replace(spec("a"), raw=query, aggregation=aggregation)
    fake.series = {query: [({}, "1")]}
    fake.hours = {query: [(fake.now - 60.0, "7"), (fake.now, "8"), (fake.now + 60.0, "9")]}
    source = fake.source()
    (found,) = (await source.panels([panel])).results
    worst = dict(found.trend)
    assert (worst[fake.now - 120.0], worst[fake.now - 60.0]) == (7.0, 8.0)
    assert worst[fake.now] == (9.0 if future else 1.0)
    await source.close()
