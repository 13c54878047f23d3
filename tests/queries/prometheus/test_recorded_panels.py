"""When a recorded series contradicts its raw expression: each tolerance and each time exactly on its line, and beside it."""

from __future__ import annotations

import pytest

from queries.model.panel import PanelSpec, Unit
from queries.model.series import Sample
from queries.prometheus.recorded_panels import EVERY_SECONDS, RecordedValueCheck

NOW = 1_800_000_000.0
HAIR = 2.0**-10


def panel(unit: Unit = Unit.PER_MINUTE, every: float = 0.0, group_by: str = "") -> PanelSpec:
    return PanelSpec(
        "p", "P", unit, recorded="rec", recorded_names=("rec",), raw="raw", raw_every_seconds=every, group_by=group_by
    )


def values(*numbers: float) -> tuple[Sample, ...]:
    return tuple(Sample((("provider", f"p{at}"),), number) for at, number in enumerate(numbers))


@pytest.mark.parametrize(
    ("recorded", "raw", "found"),
    [
        (4.0, 5.0, True), (4.0 + HAIR, 5.0, False), (6.0, 5.0, True), (6.0 - HAIR, 5.0, False), (-4.0, -5.0, True),
        (100.0, 90.0, False), (100.0, 90.0 - HAIR, True), (90.0, 100.0, False), (90.0 - HAIR, 100.0, True), (5.0, 5.0, False),
    ],
)  # fmt: skip
def test_how_far_apart_they_may_be(recorded: float, raw: float, found: bool) -> None:
    """By less than one in a minute, or by a tenth of the larger one; both have to be passed."""
    check = RecordedValueCheck()
    check.ingest(panel(), values(recorded), values(raw), NOW)
    assert bool(check.contradictions(panel(), NOW)) is found


def test_a_unit_without_a_least_difference_has_only_the_tenth() -> None:
    """Gibibytes: any difference of more than a tenth is one."""
    check = RecordedValueCheck()
    for recorded, found in ((HAIR, True), (0.0, False)):
        check.ingest(panel(Unit.GIBIBYTES), values(recorded), values(0.0), NOW)
        assert bool(check.contradictions(panel(Unit.GIBIBYTES), NOW)) is found


@pytest.mark.parametrize(("every", "seconds"), [(0.0, 60.0), (300.0, 600.0)], ids=["usual", "rare"])
def test_a_series_that_agreed_before_has_a_time_to_catch_up(every: float, seconds: float) -> None:
    """A minute, and ten for an expression that is evaluated rarely: up to its end nothing is said, at its end it is; what
    comes exactly then still counts, and what comes later does not.
    """
    spec, changed = panel(every=every), NOW + 1000.0
    for caught_up, late in ((seconds, False), (seconds + HAIR, True)):
        check = RecordedValueCheck()
        check.ingest(spec, values(5.0), values(5.0), NOW)
        check.ingest(spec, values(5.0), values(50.0), changed)
        assert check.contradictions(spec, changed + seconds - HAIR) == ()
        assert len(check.contradictions(spec, changed + seconds)) == 1
        check.ingest(spec, values(50.0), None, changed + caught_up)
        assert bool(check.contradictions(spec, changed + 2 * seconds)) is late


def test_it_need_not_agree_at_one_moment_only() -> None:
    """What was lower and then higher has passed the raw value in between: both ends of the range are remembered."""
    check = RecordedValueCheck()
    check.ingest(panel(), values(5.0), values(50.0), NOW)
    (found,) = check.contradictions(panel(), NOW)
    assert (found.first.value, found.second.value) == (5.0, 50.0)
    check.ingest(panel(), values(30.0), None, NOW + 10.0)
    check.ingest(panel(), values(20.0), None, NOW + 20.0)
    (found,) = check.contradictions(panel(), NOW + 20.0)
    assert found.first.value == 30.0, "the nearest that it came"
    check.ingest(panel(), values(70.0), None, NOW + 30.0)
    assert check.contradictions(panel(), NOW + 30.0) == ()


@pytest.mark.parametrize(("count", "shown"), [(4, 4), (5, 5), (6, 5)])
def test_of_many_series_five_are_shown(count: int, shown: int) -> None:
    """The panel's own value first, then the series that differ most."""
    spec = panel(group_by="provider")
    check = RecordedValueCheck()
    check.ingest(spec, values(*(10.0 * at for at in range(1, count))), values(*(1000.0 for _ in range(1, count))), NOW)
    found = check.contradictions(spec, NOW)
    assert [item.whom for item in found] == ["", *(f"p{at}" for at in range(count - 1))][:shown]


def test_a_panel_is_compared_again_after_five_to_ten_minutes() -> None:
    """Exactly at its own time, which depends on its id alone; at once where nothing was compared yet."""
    check = RecordedValueCheck()
    assert check.is_due(panel(), NOW)
    check.ingest(panel(), values(1.0), values(1.0), NOW)
    due = next(at for at in range(int(EVERY_SECONDS), int(2 * EVERY_SECONDS) + 1) if check.is_due(panel(), NOW + at))
    assert EVERY_SECONDS <= due < 2 * EVERY_SECONDS
    assert not check.is_due(panel(), NOW + due - HAIR) and check.is_due(panel(), NOW + due)
    check.forget(panel())
    assert check.contradictions(panel(), NOW) == ()
