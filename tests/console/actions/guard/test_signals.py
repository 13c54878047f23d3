"""When a signal counts against a change: its limit by an independent computation, and every value exactly on a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.actions.guard.model import GuardVerdict
from console.actions.guard.signals import describe_limit, evaluate_signal, measure_before, overall_verdict, series_name
from console.checks.panels import evaluate_panel
from console.journal.payloads import GuardSignal
from queries.model.panel import Aggregation, Origin, PanelSpec, PanelState, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample, Series

WHOLE = st.integers(min_value=0, max_value=400).map(float)
A_BIT = 0.001


def spec(
    *, below: bool = False, unit: Unit = Unit.COUNT, warn: float | None = None, critical: float | None = None
) -> PanelSpec:
    return PanelSpec(
        "queue", "Queue", unit, aggregation=Aggregation.MIN if below else Aggregation.MAX, group_by="deployment",
        lower_is_worse=below, threshold=Threshold(warn, critical),
    )  # fmt: skip


def state(of: PanelSpec, **values: float) -> PanelState:
    """The panel with one series a Deployment."""
    samples = tuple(Sample((("deployment", name),), value) for name, value in values.items())
    result = PanelResult(of.id, Origin.RAW, "", samples)
    return evaluate_panel(of, Threshold(), result, taken_at=0.0, now=0.0, stale_after=1.0)


def history(name: str, values: list[float]) -> Series:
    return Series((("deployment", name),), tuple((float(at), value) for at, value in enumerate(values)))


@given(own=WHOLE, before=st.lists(WHOLE, max_size=45), warn=st.none() | WHOLE, below=st.booleans())
def test_the_limit_is_the_worst_before_with_a_margin(own: float, before: list[float], warn: float | None, below: bool) -> None:
    """The worst of now and of the minutes before without their worst tenth, a quarter or one whole unit worse; not stricter
    than the panel's own threshold unless that was crossed already. Another Deployment's history is none of it.
    """
    of = spec(below=below, warn=warn)
    signal = measure_before(state(of, api=own), (history("api", before), history("other", [9e6, -9e6])), target="api")
    kept = sorted(before, reverse=below)
    kept = kept[: len(kept) - len(kept) // 10]
    worst = min([own, *kept]) if below else max([own, *kept])
    apart = max(1.0, worst / 4)
    expected = worst - apart if below else worst + apart
    crossed = warn is not None and (own < warn if below else own >= warn)
    if warn is not None and not crossed:
        expected = min(expected, warn) if below else max(expected, warn)
    assert (signal.before, signal.limit, signal.bad_before, signal.below) == (own, pytest.approx(expected), crossed, below)
    assert signal.limit is not None
    for value, worse in ((signal.limit, not below), (signal.limit + 0.5, not below), (signal.limit - 0.5, below)):
        if value >= 0.0:  # a count is never negative
            reading = evaluate_signal(signal, state(of, api=value, other=0.0), target="api")
            assert (reading.verdict, reading.value) == (GuardVerdict.WORSE if worse else GuardVerdict.OK, value)


@pytest.mark.parametrize(
    ("unit", "own", "limit"),
    [
        (Unit.PERCENT, 1.0, 1.5),
        (Unit.PERCENT, 2.0, 2.5),
        (Unit.PERCENT, 4.0, 5.0),
        (Unit.SECONDS, 0.2, 0.3),
        (Unit.SECONDS, 0.4, 0.5),
        (Unit.SECONDS, 2.0, 2.5),
        (Unit.COUNT, 2.0, 3.0),
        (Unit.COUNT, 4.0, 5.0),
        (Unit.COUNT, 8.0, 10.0),
        (Unit.CORES, 8.0, 10.0),
    ],
)
def test_the_margin_is_a_quarter_and_at_least_the_floor_of_the_unit(unit: Unit, own: float, limit: float) -> None:
    """Half a percent, a tenth of a second, one whole: small values move by so much without a change."""
    assert measure_before(state(spec(unit=unit), api=own), (), target="api").limit == pytest.approx(limit)


@pytest.mark.parametrize("unit", list(Unit))
def test_a_value_that_stays_0_is_not_worse(unit: Unit) -> None:
    """No failures before and none after is as good as before, in every unit and without a threshold of the panel's own: a guard
    must not roll that back. A value that is well over 0 then is worse.
    """
    of = spec(unit=unit)
    signal = measure_before(state(of, api=0.0), (history("api", [0.0, 0.0]),), target="api")
    verdicts = [evaluate_signal(signal, state(of, api=value), target="api").verdict for value in (0.0, 2.0)]
    assert verdicts == [GuardVerdict.OK, GuardVerdict.WORSE]


def test_without_a_warning_threshold_the_critical_one_counts() -> None:
    """And of both the warning."""
    assert measure_before(state(spec(critical=50.0), api=4.0), (), target="api").limit == 50.0
    assert measure_before(state(spec(warn=20.0, critical=50.0), api=4.0), (), target="api").limit == 20.0
    assert measure_before(state(spec(critical=4.0), api=4.0), (), target="api").bad_before
    assert not measure_before(state(spec(below=True, critical=4.0), api=4.0), (), target="api").bad_before


@pytest.mark.parametrize(
    ("below", "value", "twin", "worse"),
    [
        (False, 10.0, 8.0, False),
        (False, 10.0 + A_BIT, 8.0, True),
        (False, 12.0, 12.0, False),
        (False, 12.0, 30.0, False),
        (False, 12.0, 1.0, True),
        (True, 6.0, 8.0, False),
        (True, 6.0 - A_BIT, 8.0, True),
        (True, 3.0, 3.0, False),
        (True, 3.0, 1.0, False),
        (True, 3.0, 30.0, True),
    ],
)
def test_a_twin_explains_what_is_within_its_own_margin(below: bool, value: float, twin: float, worse: bool) -> None:
    """Exactly a quarter apart it still explains a bad value; a hair further it does not. The reading has both values."""
    signal = GuardSignal("queue", "Queue", 7.0, 7.0 if below else 9.0, below)
    found = evaluate_signal(signal, state(spec(below=below), api=value, stable=twin, other=9e5), target="api", twin="stable")
    assert (found.verdict, found.value, found.twin) == (GuardVerdict.WORSE if worse else GuardVerdict.OK, value, twin)
    said = f"; stable has {twin:.0f}" if worse else f"; but stable has {twin:.0f} too"
    assert f" is {'under' if below else 'at or over'} " in found.text and found.text.endswith(said)
    assert found.text.startswith("Queue ")
    alone = evaluate_signal(signal, state(spec(below=below), api=value), target="api", twin="stable")
    assert (alone.verdict, alone.twin, "stable" in alone.text) == (GuardVerdict.WORSE, None, False)


def test_the_worst_signal_decides_and_nothing_is_known_of_none() -> None:
    """One worse of many is worse, one unknown of many good ones is unknown."""
    of = spec()
    good, bad = (evaluate_signal(GuardSignal("queue", "Queue", 1.0, 5.0), state(of, api=at), target="api") for at in (4.9, 5.0))
    lost = evaluate_signal(GuardSignal("queue"), None, target="api")
    assert lost.text == "queue: NO DATA, there is no such panel"
    verdicts = [(good, good), (good, lost), (lost, bad, good), (good, bad), ()]
    expected = [GuardVerdict.OK, GuardVerdict.UNKNOWN, GuardVerdict.WORSE, GuardVerdict.WORSE, GuardVerdict.UNKNOWN]
    assert [overall_verdict(item) for item in verdicts] == expected
    for unmeasured in (GuardSignal("queue", "Queue", None, 5.0), GuardSignal("queue", "Queue", 5.0, None)):
        reading = evaluate_signal(unmeasured, state(of, api=9.0), target="api")
        assert (reading.verdict, reading.text, reading.value) == (
            GuardVerdict.UNKNOWN, "Queue: it had no value before the change", 9.0,
        )  # fmt: skip
        assert describe_limit(unmeasured, {"queue": of}) == "Queue: no value before the change"
    assert describe_limit(GuardSignal("queue", "Queue", 1.0, 5.0), {"queue": of}) == "Queue 1, worse from 5 on"
    assert describe_limit(GuardSignal("queue", "Queue", 7.0, 5.0, below=True), {"queue": of}) == "Queue 7, worse under 5"
    assert describe_limit(GuardSignal("queue", "", 7.0, 5.0), {}) == "queue: no value before the change"


@pytest.mark.parametrize(
    ("target", "name"),
    [("deployment/api", "api"), ("rollout/api", "api"), ("statefulset/api", ""), ("node/api", ""), ("api", ""), ("", "")],
)
def test_only_what_has_series_of_its_own_is_looked_for(target: str, name: str) -> None:
    """The panels with a series for each workload show Deployments and Rollouts."""
    assert series_name(target) == name
