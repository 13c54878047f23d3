"""Verdicts on panels: what is not known is never fine."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.checks.panels import crossed_at, evaluate_panel, grade
from queries.model.fault import Fault, FaultKind
from queries.model.panel import Aggregation, Origin, PanelSpec, PanelState, Range, Threshold, Unit
from queries.model.panel_result import Contradiction, ContradictionKind, Figure, PanelResult
from queries.model.series import Sample
from queries.model.verdict import Verdict

SPEC = PanelSpec(
    "error_ratio", "Error ratio", Unit.PERCENT, raw="up", threshold=Threshold(1.0, 5.0), no_data_reason="no requests"
)
HEALTH = PanelSpec(
    "provider_health",
    "Health",
    Unit.PERCENT,
    aggregation=Aggregation.MIN,
    group_by="provider",
    lower_is_worse=True,
    raw="up",
    threshold=Threshold(90.0, 70.0),
)

NONE = Threshold()

values = st.floats(allow_nan=True, allow_infinity=True)
samples = st.lists(st.builds(lambda value, name: Sample((("provider", name),), value), values, st.text(max_size=5)), max_size=6)
lines = st.none() | st.floats(min_value=-1e6, max_value=1e6)


def state(
    *found: float, spec: PanelSpec = SPEC, now: float = 0.0, told: Threshold = NONE, fault: Fault | None = None
) -> PanelState:
    answer = PanelResult(
        spec.id, Origin.RAW, "up", tuple(Sample((("provider", f"p{i}"),), v) for i, v in enumerate(found)), fault
    )
    return evaluate_panel(spec, told, answer, taken_at=0.0, now=now, stale_after=30.0)


@given(samples, lines, lines, st.sampled_from(list(Aggregation)), st.booleans(), st.floats(0, 1e6))
def test_ok_means_known_current_and_within(
    found: list[Sample], warn: float | None, critical: float | None, fold: Aggregation, below: bool, age: float
) -> None:
    """`ok` only where a finite value of now crosses no line; no value exactly where the verdict is no_data."""
    spec = PanelSpec("x", "X", Unit.COUNT, aggregation=fold, group_by="provider", lower_is_worse=below, raw="up")
    answer = PanelResult("x", Origin.RAW, "up", tuple(found))
    told = evaluate_panel(spec, Threshold(warn, critical), answer, taken_at=1000.0, now=1000.0 + age, stale_after=30.0)
    assert (told.value is None) == (told.verdict is Verdict.NO_DATA)
    assert told.reason
    if told.verdict is Verdict.OK:
        assert all(item.value >= -1e-6 for item in found if not math.isnan(item.value))
        assert age <= 30.0
        assert told.value is not None
        assert math.isfinite(told.value)
        assert not any(math.isinf(item.value) for item in found)
        for line in (warn, critical):
            assert line is None or (told.value >= line if below else told.value < line)
    if told.verdict is Verdict.STALE:
        assert age > 30.0


@given(values, lines, lines, st.booleans())
def test_what_is_not_finite_is_never_ok(value: float, warn: float | None, critical: float | None, below: bool) -> None:
    """NaN and infinity give no_data, whatever the thresholds."""
    verdict = grade(value, Threshold(warn, critical), below=below, allowed=Range())
    assert (verdict is Verdict.NO_DATA) == (not math.isfinite(value))


def test_a_line_is_crossed_by_reaching_it() -> None:
    """At the threshold it warns where large is bad; where small is bad, only under it."""
    assert [state(value).verdict for value in (0.99, 1.0, 4.99, 5.0)] == [
        Verdict.OK,
        Verdict.WARN,
        Verdict.WARN,
        Verdict.CRITICAL,
    ]
    assert [state(value, spec=HEALTH).verdict for value in (90.0, 89.9, 70.0, 69.9)] == [
        Verdict.OK,
        Verdict.WARN,
        Verdict.WARN,
        Verdict.CRITICAL,
    ]


def test_the_config_moves_single_lines() -> None:
    """A threshold of the config replaces only the line that it names."""
    told = state(3.0, told=Threshold(warn=4.0))
    assert (told.verdict, told.threshold) == (Verdict.OK, Threshold(4.0, 5.0))


def test_each_way_of_not_knowing_has_its_own_words() -> None:
    """No answer, no series, no traffic and a refused query read differently."""
    never = evaluate_panel(
        SPEC, Threshold(), None, taken_at=0.0, now=0.0, stale_after=30.0, unanswered="Prometheus is not configured"
    )
    assert (never.verdict, never.reason) == (Verdict.NO_DATA, "Prometheus is not configured")
    assert state().reason == "no requests"
    assert "no traffic" in state(math.nan).reason
    refused = Fault(FaultKind.REJECTED, "bad PromQL", hint="look at 1:7")
    assert state(fault=refused).reason == "bad PromQL: look at 1:7"
    assert (
        "infinite"
        in state(0.1, math.inf, spec=PanelSpec("x", "X", Unit.COUNT, aggregation=Aggregation.MIN, group_by="provider")).reason
    )


def test_an_old_value_is_kept_and_called_stale() -> None:
    """The last good value stays, with its age, and is neither ok nor critical any more."""
    told = state(0.2, now=40.0)
    assert (told.verdict, told.value, told.age_seconds) == (Verdict.STALE, 0.2, 40.0)
    assert told.reason == "the last result is too old"


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (-30.001, Verdict.STALE),
        (-30.0, Verdict.CRITICAL),
        (-5.0, Verdict.CRITICAL),
        (30.0, Verdict.CRITICAL),
        (30.001, Verdict.STALE),
    ],
)
def test_a_value_is_old_after_its_time(age: float, verdict: Verdict) -> None:
    """Of exactly that age it still counts; one of a clock that is a little ahead is of now, and of one that is far ahead,
    because somebody set it back since, nobody knows the age.
    """
    told = state(7.0, now=age)
    assert (told.verdict, told.age_seconds) == (verdict, max(0.0, age))


def test_why_the_source_does_not_answer_is_the_reason_of_an_old_value() -> None:
    """Any sentence counts, also one that reads like the one for a source that has not answered yet."""
    answer = PanelResult("error_ratio", Origin.RAW, "up", (Sample((), 0.2),))
    for why in ("Prometheus: refused", "no answer yet"):
        old = evaluate_panel(SPEC, Threshold(), answer, taken_at=0.0, now=40.0, stale_after=30.0, unanswered=why)
        never = evaluate_panel(SPEC, Threshold(), None, taken_at=0.0, now=40.0, stale_after=30.0, unanswered=why)
        assert (old.verdict, old.reason, never.reason) == (Verdict.STALE, why, why)
    first = evaluate_panel(SPEC, Threshold(), None, taken_at=0.0, now=0.0, stale_after=30.0)
    assert (first.verdict, first.reason) == (Verdict.NO_DATA, "no answer yet")


def test_the_reason_names_the_threshold_that_decided() -> None:
    """With only a critical threshold that one; without any it says so. Small values are bad under it, large ones at it."""
    critical = replace(SPEC, threshold=Threshold(critical=5.0))
    assert [state(value, spec=critical).reason for value in (4.9, 5.0)] == ["under 5 %", "5 % is at or over 5 %"]
    low = replace(HEALTH, threshold=Threshold(90.0, 70.0))
    assert [state(value, spec=low).reason for value in (90.0, 89.0, 69.0)] == [
        "not under 90 %",
        "89 % is under 90 %",
        "69 % is under 70 %",
    ]
    assert state(9.0, spec=replace(SPEC, threshold=Threshold())).reason == "no threshold is set"


def test_zero_is_zero() -> None:
    """A counted nothing is a value."""
    assert (state(0.0).verdict, state(0.0).value) == (Verdict.OK, 0.0)


def test_the_worst_series_comes_first() -> None:
    """The remark names the worst series first and cuts the rest; what comes from outside is made visible."""
    assert state(99.0, 81.2, 95.0, 97.0, spec=HEALTH).note == "p1 81.2 · p2 95 · p3 97 · +1"
    assert state(99.0, 81.2, 95.0, spec=HEALTH).note == "p1 81.2 · p2 95 · p0 99"
    answer = PanelResult(HEALTH.id, Origin.RAW, "up", (Sample((("provider", "a\x1b[31m\nb"),), 95.0),))
    note = evaluate_panel(HEALTH, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=30.0).note
    assert note == "a\\e[31m\\nb 95"


def test_that_there_may_be_more_is_said() -> None:
    """Where only the worst series were asked for, the remark claims no count of all of them."""
    samples = tuple(Sample((("provider", f"p{at}"),), 80.0 + at) for at in range(5))
    answer = PanelResult(HEALTH.id, Origin.RAW, "up", samples, truncated=True)
    told = evaluate_panel(HEALTH, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=30.0)
    assert told.note == "p0 80 · p1 81 · p2 82 · +2 or more"
    assert told.truncated


def test_since_when_a_line_is_crossed() -> None:
    """The remark tells since when, where the trend shows the crossing."""
    assert crossed_at([(0, 0.1), (60, 5.0), (120, 7.0)], 5.0, below=False) == 60
    assert crossed_at([(60, 5.0), (120, 7.0)], 5.0, below=False) is None
    assert crossed_at([(0, 0.1), (60, 0.2)], 5.0, below=False) is None
    # Where small is bad, a point exactly at the limit is not beyond it.
    assert crossed_at([(0, 95.0), (60, 90.0), (120, 89.0)], 90.0, below=True) == 120


def test_error_codes_are_told_as_one_of_the_nine() -> None:
    """A panel by code names the code of the taxonomy, with what was really said beside it where that differs."""
    spec = PanelSpec("codes", "Codes", Unit.PER_MINUTE, group_by="code", aggregation=Aggregation.SUM)
    samples = tuple(Sample((("code", said),), value) for said, value in (("provider_down", 3.0), ("PARSE_FAILED", 2.0)))
    state = evaluate_panel(
        spec, Threshold(), PanelResult("codes", Origin.RAW, "q", samples), taken_at=0.0, now=0.0, stale_after=1.0
    )
    assert "NETWORK_ERROR" in state.note and "provider_down" in state.note and "PARSE_FAILED 2" in state.note


def test_spellings_of_one_code_count_as_one() -> None:
    """Each below the limit, together over it: a panel by code judges and names the sum of what means the same."""
    spec = PanelSpec("codes", "Codes", Unit.PER_MINUTE, group_by="code", aggregation=Aggregation.MAX)
    samples = tuple(Sample((("code", said),), value) for said, value in (("provider_down", 3.0), ("PROVIDER_DOWN", 4.0)))
    answer = PanelResult("codes", Origin.RAW, "q", samples)
    state = evaluate_panel(spec, Threshold(warn=5.0), answer, taken_at=0.0, now=0.0, stale_after=1.0)
    assert (state.verdict, state.value, len(state.samples)) == (Verdict.WARN, 7.0, 1)
    assert "NETWORK_ERROR (PROVIDER_DOWN, provider" in state.note
    other = evaluate_panel(
        replace(spec, group_by="provider"), Threshold(warn=5.0), answer, taken_at=0.0, now=0.0, stale_after=1.0
    )
    assert (other.verdict, other.value) == (Verdict.OK, 4.0)


@pytest.mark.parametrize(
    ("value", "spec", "why"),
    [
        (170.0, SPEC, "170 % is not possible: it lies between 0 % and 100 %"),
        (-3.0, SPEC, "-3 % is not possible: it lies between 0 % and 100 %"),
        (3486.0, replace(SPEC, range=Range(high=100.0), lower_is_worse=True), "3486 % is not possible: it is at most 100 %"),
        (-0.5, replace(SPEC, unit=Unit.TIMES), "-0.5 × is not possible: it is at least 0 ×"),
        (-1.0, replace(SPEC, unit=Unit.SECONDS), "-1 s is not possible: it is at least 0 s"),
    ],
)
@pytest.mark.parametrize("origin", [Origin.RECORDED, Origin.RAW])
def test_a_value_that_its_unit_does_not_allow_is_in_doubt(value: float, spec: PanelSpec, why: str, origin: Origin) -> None:
    """Recorded or raw, on the good side of the thresholds or beyond them; the sentence says what would be possible."""
    told = evaluate_panel(
        spec, NONE, PanelResult(spec.id, origin, "up", (Sample((), value),)), taken_at=0.0, now=0.0, stale_after=30.0
    )
    assert (told.verdict, told.value, told.reason) == (Verdict.IN_DOUBT, value, why)


def test_what_the_catalogue_allows_beyond_the_unit_is_judged_as_usual() -> None:
    """An overspent budget is negative, and a cache holds more than was recommended; floating point is no doubt."""
    budget = replace(SPEC, range=Range(high=100.0), lower_is_worse=True, threshold=Threshold(25.0, 10.0))
    assert state(-400.0, spec=budget).verdict is Verdict.CRITICAL
    assert state(130.0, spec=replace(SPEC, range=Range(0.0), threshold=Threshold(100.0))).verdict is Verdict.WARN
    assert state(100.00000001, spec=replace(HEALTH, aggregation=Aggregation.MAX)).verdict is Verdict.OK
    assert state(-1e-9).verdict is Verdict.OK


def test_one_impossible_series_is_in_doubt_unless_another_is_known_to_be_bad() -> None:
    """A share of 130 % beside fine ones is named; beside a provider that is known to be down, that one is the verdict."""
    told = state(99.0, 130.0, spec=HEALTH)
    assert (told.verdict, told.reason) == (Verdict.IN_DOUBT, "p1: 130 % is not possible: it lies between 0 % and 100 %")
    assert state(12.0, 130.0, spec=HEALTH).verdict is Verdict.CRITICAL


@pytest.mark.parametrize("value", [0.2, 1.0, 60.0])
def test_two_counts_that_contradict_each_other_are_in_doubt(value: float) -> None:
    """Whatever the value: neither ok, nor a warning, nor critical can be believed. An old answer is still called old."""
    figures = (Figure('status="error"', 12.0, "a"), Figure("the error counter", 240.0, "b"))
    found = Contradiction(ContradictionKind.WITNESS, "OCR failures in 5m", Unit.COUNT, *figures, whom="paddle")
    answer = PanelResult("error_ratio", Origin.RAW, "up", (Sample((), value),), contradictions=(found,))
    told = evaluate_panel(SPEC, NONE, answer, taken_at=0.0, now=0.0, stale_after=30.0)
    assert (told.verdict, told.value, told.contradictions) == (Verdict.IN_DOUBT, value, (found,))
    assert told.reason == '12 or 240: OCR failures in 5m, paddle, by status="error" or by the error counter'
    assert told.note == "12 or 240 · paddle · OCR failures in 5m"
    assert evaluate_panel(SPEC, NONE, answer, taken_at=0.0, now=99.0, stale_after=30.0).verdict is Verdict.STALE


def test_a_partial_answer_is_in_doubt_whatever_its_value() -> None:
    """Fine, critical or empty: the server's own sentence is the reason, never that there was no traffic."""

    def partial(*found: float) -> PanelState:
        answer = PanelResult(SPEC.id, Origin.RAW, "up", tuple(Sample((), value) for value in found), partial="store x is down")
        return evaluate_panel(SPEC, NONE, answer, taken_at=0.0, now=0.0, stale_after=30.0)

    for value in (0.1, 9.0):
        assert (partial(value).verdict, partial(value).note, partial(value).value) == (Verdict.IN_DOUBT, "partial", value)
        assert partial(value).reason == "partial: store x is down"
    for found in ((), (math.nan,)):
        empty = partial(*found)
        assert (empty.verdict, empty.note, empty.reason) == (Verdict.NO_DATA, "partial", "partial: store x is down")


def test_a_warning_of_the_engine_doubts_the_value_and_an_info_does_not() -> None:
    """Prometheus warns where a result may be wrong; its infos are advice about the query."""

    def state_with(text: str, *found: float) -> PanelState:
        answer = PanelResult(SPEC.id, Origin.RAW, "up", tuple(Sample((), value) for value in found), annotations=(text,))
        return evaluate_panel(SPEC, NONE, answer, taken_at=0.0, now=0.0, stale_after=30.0)

    assert state_with("PromQL info: i", 0.1).verdict is Verdict.OK
    doubted = state_with("PromQL warning: a mix of histograms", 0.1)
    assert (doubted.verdict, doubted.reason) == (Verdict.IN_DOUBT, "PromQL warning: a mix of histograms")
    assert state_with("PromQL warning: no bucket").reason == "PromQL warning: no bucket"
