"""Second counts of a signal: when they are asked for, and from which difference on the two contradict each other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from queries.catalogue.loader import load_board
from queries.catalogue.signals import Definition, DefinitionChoice, Evidence, Signal, Witness, load_catalogue_signals
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelSpec, Unit
from queries.model.panel_result import ContradictionKind, Figure
from queries.model.series import Sample
from queries.prometheus.query_batch import BatchResult
from queries.prometheus.witnesses import FIGURE, MOST, Pair, Witnesses, build_pairs

PAIR = Pair(
    "witness/x", "failures in 5m", ("provider",), Unit.PER_SECOND, "first", "by requests", ("early", "late"), "second",
    "by errors", ratio=0.1, events=20.0, seconds=300.0,
)  # fmt: skip
GAUGE = replace(PAIR, unit=Unit.COUNT, seconds=0.0, bounds=())


def figures(*pairs: tuple[str, float], provider: str = "paddle") -> list[Sample]:
    return [Sample(tuple(sorted(((FIGURE, name), ("provider", provider), ("odd", "")))), value) for name, value in pairs]


def contradicts(pair: Pair, *pairs: tuple[str, float]) -> bool:
    return bool(pair.contradictions(figures(*pairs)))


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (100.0, 120.0, True),
        (100.0, 119.9, False),
        (120.0, 100.0, True),
        (119.9, 100.0, False),
        (180.0, 200.0, False),
        (179.9, 200.0, True),
        (200.0, 180.0, False),
        (200.0, 179.9, True),
        (100.0, 100.0, False),
        (100.0, math.nan, False),
        (math.inf, 100.0, False),
    ],
)
def test_where_the_tolerance_ends(first: float, second: float, found: bool) -> None:
    """At least 20 events apart, and by more than a tenth of the larger count; a number that is none contradicts nothing."""
    assert contradicts(GAUGE, ("first", first), ("second", second)) is found


def test_a_rate_is_compared_as_events() -> None:
    """20 events in 300 seconds are 0.0667 a second."""
    assert contradicts(PAIR, ("first", 1.0), ("second", 1.0 - 0.11)) and not contradicts(
        PAIR, ("first", 0.1), ("second", 0.0334)
    )
    assert contradicts(PAIR, ("first", 0.1), ("second", 0.0333)) and (PAIR.scale, GAUGE.scale) == (300.0, 1.0)
    assert replace(PAIR, seconds=0.0).scale == replace(PAIR, unit=Unit.COUNT).scale == 1.0


@pytest.mark.parametrize(("second", "found"), [(79.0, True), (81.0, False), (100.0, False), (119.0, False), (150.0, True)])
def test_requests_in_flight_lie_between_the_bounds(second: float, found: bool) -> None:
    """Only what lies outside the first count and both of its bounds contradicts them."""
    given = (("first", 110.0), ("0", 100.0), ("1", 120.0), ("second", second))
    assert contradicts(GAUGE, *given) is found
    assert not contradicts(GAUGE, ("first", 110.0), ("0", math.nan), ("second", second))


def test_one_figure_alone_contradicts_nothing() -> None:
    """Neither without the first nor without the second."""
    assert not contradicts(GAUGE, ("first", 100.0)) and not contradicts(GAUGE, ("second", 100.0)) and not contradicts(GAUGE)


def test_the_contradictions_of_two_providers() -> None:
    """Each with its own figures, in events for a rate, with the query that shows them; whose labels are the signal's."""
    samples = [*figures(("first", 1.0), ("second", 0.5)), *figures(("first", 2.0), ("second", 1.0), provider="deepseek")]
    one, other = PAIR.contradictions([*samples, *figures(("first", 1.0), ("second", 1.0), provider="sound")])
    assert (one.kind, one.subject, one.unit, one.whom) == (ContradictionKind.WITNESS, "failures in 5m", Unit.COUNT, "paddle")
    assert (one.first, one.second) == (
        Figure("by requests", 300.0, "(first) * 300"),
        Figure("by errors", 150.0, "(second) * 300"),
    )
    assert (other.whom, other.first.value, other.second.value) == ("deepseek", 600.0, 300.0)
    (gauge,) = GAUGE.contradictions(figures(("first", 100.5), ("second", 50.25)))
    assert (gauge.unit, gauge.first, gauge.second) == (
        Unit.COUNT, Figure("by requests", 100.5, "first"), Figure("by errors", 50.25, "second")
    )  # fmt: skip


def test_the_cheap_question() -> None:
    """It evaluates each count once, and asks for a quotient beyond the tolerance, with the smallest number of events added."""
    most = -math.log(0.95)
    assert PAIR.suspicion.key == PAIR.suspicion_key == "witness/x/suspicion"
    added = 20.0 / 300.0 / 0.1
    assert PAIR.suspicion.query == f"topk(1, abs(ln(((\nfirst\n) + {added!r}) / ((\nsecond\n) + {added!r}))) >= {most!r})"


def test_the_question_for_figures() -> None:
    """Both counts and the bounds, of the worst label sets, with the least number of events."""
    assert PAIR.figures.key == "witness/x"
    text = PAIR.figures.query
    least = repr(20.0 / 300.0)
    for name, query in (("first", "first"), ("0", "early"), ("1", "late"), ("second", "second")):
        assert f'label_replace(\n{query}\n, "{FIGURE}", "{name}", "", "")' in text
    assert f"topk({MOST}, (min by (provider) (" in text and text.count(f">= {least}") == 2
    assert "max by (provider) (" in text and "and on (provider)" in text


@pytest.mark.parametrize(("seconds", "every"), [(0.0, 60.0), (300.0, 60.0), (301.0, 60.2), (3600.0, 720.0)])
def test_how_often_a_pair_is_checked(seconds: float, every: float) -> None:
    """Five times in its window, at most once a minute."""
    assert replace(PAIR, seconds=seconds).every_seconds == pytest.approx(every)


def signal(*definitions: Definition) -> Signal:
    second = Witness("w", "by errors", "sum(errors[$window])", Evidence("errors"), ratio=0.2, events=30.0)
    other = Witness("v", "by time", "timed[$window]", Evidence("timed"))
    return Signal("fails", "failures; of all", Unit.PER_SECOND, ("provider",), definitions, (second, other))


PLAIN = Definition("a", "by requests", "rate(requests[$window])")
STARTED = Definition("b", "by starts", "rate(starts[$begun]) - rate(ends[$window])")


def spec(name: str, window: str, *, provider: str = "") -> PanelSpec:
    return PanelSpec(name, name, Unit.COUNT, raw="x", template=f"${{fails[{window}]}}", provider=provider)


def choice(*definitions: Definition, chosen: Definition | None = None) -> DefinitionChoice:
    found = {"fails": signal(*definitions)}
    return DefinitionChoice({"fails": chosen} if chosen else {}, signals=found)


def test_panels_of_one_window_share_their_pairs() -> None:
    """Each witness is a pair; another window or provider is another one; a panel without signals has none."""
    specs = [
        spec("p", "5m"),
        spec("q", "5m"),
        spec("r", "10m"),
        spec("s", "5m", provider="paddle"),
        PanelSpec("t", "t", Unit.COUNT, raw="x"),
    ]
    found = build_pairs(specs, choice(PLAIN))
    assert {name: [pair.key for pair in pairs] for name, pairs in found.items()} == {
        "p": ["witness/fails/5m//w", "witness/fails/5m//v"],
        "q": ["witness/fails/5m//w", "witness/fails/5m//v"],
        "r": ["witness/fails/10m//w", "witness/fails/10m//v"],
        "s": ["witness/fails/5m/paddle/w", "witness/fails/5m/paddle/v"],
    }
    assert found["p"][0] is found["q"][0]
    pair, other = found["p"]
    assert (pair.subject, pair.by, pair.unit, pair.seconds) == ("failures in 5m", ("provider",), Unit.PER_SECOND, 300.0)
    assert (pair.ratio, pair.events, other.ratio, other.events) == (0.2, 30.0, 0.1, 20.0)
    assert (pair.first, pair.second) == ("(rate(requests[5m]))", "sum(errors[5m])")
    assert (pair.first_source, pair.second_source, pair.bounds) == ("the panel's expression", "by errors", ())


def test_a_count_of_starts_has_bounds() -> None:
    """Shifted to before and after the requests in flight; the chosen definition is named."""
    pair, _ = build_pairs([spec("p", "5m")], choice(STARTED, chosen=STARTED))["p"]
    assert pair.first_source == "by starts" and pair.first == "(rate(starts[5m]) - rate(ends[5m]))"
    assert pair.bounds == (
        "(rate(starts[5m] offset 1m) - rate(ends[5m]))", "(rate(starts[5m] offset 1m) - rate(ends[5m] offset 1m))"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("windows", "compared"),
    [
        (["1h"], ["1h"]),
        (["61m"], ["1h"]),
        (["1d", "30m", "10m"], ["10m", "30m", "10m"]),
        (["1d", "60m"], ["60m", "60m"]),
        (["60m", "30m"], ["60m", "30m"]),
        (["3601s", "30m"], ["30m", "30m"]),
        (["$__range"], ["1h"]),
        (["90000ms"], ["90000ms"]),
    ],
)
def test_a_long_window_is_checked_with_a_short_one(windows: list[str], compared: list[str]) -> None:
    """The shortest of the same signal on the board, else an hour; what is no duration is long; milliseconds are readable."""
    specs = [spec(str(at), window) for at, window in enumerate(windows)]
    found = build_pairs(specs, choice(PLAIN))
    assert [found[item.id][0].key.split("/")[2] for item in specs] == compared
    if compared == ["90000ms"]:
        assert found["0"][0].subject == "failures in 1m30s"


def test_every_pair_of_the_catalogue_compares_two_expressions() -> None:
    """On the overview: each has both counts, a subject and the labels of its signal."""
    signals = load_catalogue_signals()
    pairs = {pair for pairs in build_pairs(load_board("overview"), None).values() for pair in pairs}
    assert len(pairs) > 2
    for pair in pairs:
        known = signals[pair.key.split("/")[1]]
        assert pair.first and pair.second and pair.subject.startswith(known.about.partition(";")[0])
        assert (pair.by, pair.unit) == (known.by, known.unit)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


SPECS = (spec("p", "5m"), spec("r", "10m"))
CHOICE = choice(PLAIN)
FIVE, FIVE_OTHER, TEN, TEN_OTHER = (f"witness/fails/{window}//{name}" for window in ("5m", "10m") for name in "wv")


def keys(tracker: Witnesses, specs: tuple[PanelSpec, ...] = SPECS, known: DefinitionChoice = CHOICE) -> list[str]:
    return [item.key for item in tracker.due_queries(specs, known)]


def suspicion(key: str) -> str:
    return f"{key}/suspicion"


ALL = [suspicion(key) for key in (FIVE, FIVE_OTHER, TEN, TEN_OTHER)]


def test_from_suspicion_to_contradiction_and_back() -> None:
    """A new suspicion asks for figures at once; a suspected pair is asked for figures until it is none any more."""
    clock = Clock()
    tracker = Witnesses(clock=clock)
    assert keys(tracker) == ALL
    suspects = tracker.ingest(BatchResult({**{key: [] for key in ALL}, suspicion(FIVE): [Sample((), 1.0)]}))
    assert [item.key for item in suspects] == [FIVE] and tracker.contradictions("p") == ()
    assert tracker.ingest(BatchResult({FIVE: figures(("first", 1.0), ("second", 0.5))})) == []
    (found,) = tracker.contradictions("p")
    assert found.whom == "paddle" and tracker.contradictions("r") == tracker.contradictions("gone") == ()
    assert keys(tracker) == [], "all of them were checked this very moment"
    clock.now += 59.9
    assert keys(tracker) == []
    clock.now += 0.1
    assert keys(tracker) == [FIVE, suspicion(FIVE_OTHER)]
    tracker.ingest(BatchResult({FIVE: figures(("first", 1.0), ("second", 1.0)), suspicion(FIVE_OTHER): []}))
    assert tracker.contradictions("p") == ()
    clock.now += 60.0
    assert keys(tracker) == [FIVE, suspicion(FIVE_OTHER), suspicion(TEN), suspicion(TEN_OTHER)]
    tracker.ingest(BatchResult({FIVE: []}))
    clock.now += 60.0
    assert FIVE not in keys(tracker) and suspicion(FIVE) in keys(tracker)


def test_a_clock_that_is_set_back_checks_again() -> None:
    """A check in the future is none."""
    clock = Clock()
    tracker = Witnesses(clock=clock)
    keys(tracker)
    tracker.ingest(BatchResult({key: [] for key in ALL}))
    assert keys(tracker) == []
    clock.now -= 1.0
    assert keys(tracker) == ALL


def test_a_refused_count_is_named_and_forgotten() -> None:
    """What was known of it no longer counts, and the sentence says what cannot be compared with what, and why."""
    tracker = Witnesses(clock=Clock())
    keys(tracker)
    tracker.ingest(BatchResult({FIVE: figures(("first", 1.0), ("second", 0.5))}))
    assert tracker.contradictions("p")
    fault = Fault(FaultKind.REJECTED, "too many samples", "http://p")
    answer: BatchResult[Sample] = BatchResult(faults={FIVE: fault, suspicion(TEN_OTHER): fault})
    assert tracker.ingest(answer) == [] and tracker.contradictions("p") == ()
    assert tracker.refusals(answer) == [
        "failures in 5m cannot be compared with by errors: too many samples at http://p",
        "failures in 10m cannot be compared with by time: too many samples at http://p",
    ]
    assert keys(tracker) == ALL and tracker.refusals(BatchResult()) == []


def test_another_choice_forgets_only_what_changed() -> None:
    """Pairs that stay the same keep their checks; those of another definition, or that come back, start anew."""
    tracker = Witnesses(clock=Clock())
    keys(tracker)
    tracker.ingest(BatchResult({key: [] for key in ALL}))
    assert keys(tracker, SPECS, choice(PLAIN)) == []
    assert keys(tracker, SPECS[:1]) == [] and keys(tracker) == ALL[2:]
    other = Definition("c", "otherwise", "rate(others[$window])")
    assert keys(tracker, SPECS, choice(other)) == ALL
