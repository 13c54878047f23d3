"""What fired over a window: how often, how long, what flapped, and of when Prometheus knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from console.checklists.alert_history import AlertWindow, build_window, fired_query, scraped_query, step_for
from queries.model.series import Labels, Series, label

END = 1_767_276_000.0
STEP = 60.0
LABELS = (("alertname", "ProviderTimeout"), ("provider", "deepseek"), ("severity", "warning"))


def track(*fired: tuple[int, float], labels: tuple[tuple[str, str], ...] = LABELS) -> Series:
    """Points by how many steps they lie before the end, with how many evaluations it fired in that step."""
    return Series(labels, tuple((END - STEP * back, value) for back, value in sorted(fired, reverse=True)))


def seen(hours: float = 2.0, *, without: Sequence[int] = ()) -> Series:
    return Series((), tuple((END - STEP * back, 1.0) for back in range(int(hours * 60), -1, -1) if back not in without))


def fold(*fired: Series, watched: Series | None = None, interval: float = 15.0, since: float = 3600.0) -> AlertWindow:
    return build_window(
        fired,
        [watched] if watched else [],
        starts_at=END - since,
        queried_from=END - 7200.0,
        ends_at=END,
        step_seconds=STEP,
        intervals={"ProviderTimeout": interval} if interval else {},
    )


def test_it_counts_times_and_seconds_to_one_evaluation() -> None:
    """Two spells: the first began in the middle of a step and ended in the middle of another, the second still goes on."""
    window = fold(track((30, 2), (29, 4), (28, 1), (1, 4), (0, 4)), watched=seen())
    (record,) = window.histories
    assert (record.name, record.times, record.total_seconds, record.still_firing) == ("ProviderTimeout", 2, 225.0, True)
    first, second = record.intervals
    assert (END - first.starts_at, END - first.ends_at) == (30 * 60 + 30, 28 * 60 + 45)
    assert (END - second.starts_at, second.ends_at) == (120.0, END)
    assert window.gaps == () and not record.flapping


def test_one_that_was_shorter_than_a_step_is_seen() -> None:
    """A single evaluation in which it fired is a spell of one interval."""
    (record,) = fold(track((10, 1)), watched=seen()).histories
    assert (record.times, record.total_seconds, record.still_firing) == (1, 15.0, False)
    assert record.intervals[0].ends_at - record.intervals[0].starts_at == 15.0


def test_without_the_rules_interval_a_step_is_what_is_known() -> None:
    """An alert whose rule is gone is as long as the steps in which it fired."""
    assert fold(track((10, 2), (9, 1)), watched=seen(), interval=0.0).histories[0].total_seconds == 120.0


def test_three_times_is_flapping() -> None:
    """An alert that came and went three times in one window flaps."""
    assert fold(track((40, 4), (30, 4), (20, 4)), watched=seen()).histories[0].flapping
    assert not fold(track((40, 4), (30, 4)), watched=seen()).histories[0].flapping


def test_what_fired_before_the_window_is_only_in_the_counts() -> None:
    """The hour before it was asked for to compare with: it is no record, and what is known of it is counted."""
    window = fold(track((100, 4), (99, 4)), watched=seen())
    assert window.histories == ()
    counts = dict(window.counts)
    assert (counts[END - 100 * STEP], counts[END - 98 * STEP], len(counts)) == (1.0, 0.0, 121)


@pytest.mark.parametrize(
    ("without", "minutes"),
    [(range(10, 40), (40, 9)), (range(50, 200), (60, 49)), (range(10), (10, 0)), (range(20, 21), None)],
)
def test_where_prometheus_did_not_look_is_a_gap(without: range, minutes: tuple[int, int] | None) -> None:
    """Down in between, not yet up, or gone: each is named, from the last scrape to the next one; one step is none."""
    window = fold(watched=seen(without=without))
    if minutes is None:
        assert window.gaps == ()
        return
    (gap,) = window.gaps
    assert ((END - gap.starts_at) / STEP, (END - gap.ends_at) / STEP) == minutes
    assert all(value == 0.0 for _, value in window.counts)


def test_nothing_seen_at_all_is_one_gap() -> None:
    """A server without `up` cannot tell whether it looked."""
    window = fold()
    assert window.unknown_seconds == 3600.0 and window.counts == ()


def test_alike_alerts_of_pods_are_asked_as_one() -> None:
    """The query leaves the pod out, and the resolution is 15 s to six hours, a minute for a day."""
    query = fired_query(60.0, "Watchdog")
    assert "pod" not in query and "provider" in query and "[60s]" in query
    assert 'alertname!="Watchdog"' in query, "what always fires is no trouble of the night"
    assert [step_for(hours * 3600) for hours in (0.1, 6, 15, 24, 96)] == [15.0, 15.0, 45.0, 60.0, 240.0]


@pytest.mark.parametrize(("since", "gaps"), [(3630.0, 0), (3630.5, 1)])
def test_two_and_a_half_steps_without_an_answer_are_no_gap(since: float, gaps: int) -> None:
    """Two missed answers and a window that begins between two steps; more is a time that nobody saw."""
    assert len(fold(watched=seen(without=range(59, 200)), since=since).gaps) == gaps


@pytest.mark.parametrize(("end", "firing"), [(89.9, True), (90.0, False)])
def test_one_and_a_half_steps_after_the_last_point_it_is_over(end: float, firing: bool) -> None:
    """The last point may be a step old and still be the newest."""
    window = build_window(
        [track((0, 4))],
        [],
        starts_at=END - 3600.0,
        queried_from=END - 7200.0,
        ends_at=END + end,
        step_seconds=STEP,
        intervals={},
    )
    assert window.histories[0].still_firing is firing


def test_two_runs_are_two_only_with_a_step_between_them() -> None:
    """Neighbouring steps are one run, to a thousandth of a step; a point on the window's start is not in it."""

    def times(*moments: float) -> int:
        (record,) = fold(Series(LABELS, tuple((END - STEP * back, 4.0) for back in moments))).histories
        return record.times

    assert (times(2.0, 1.0), times(2.0, 0.9995), times(2.0, 0.99), times(3.0, 1.0)) == (1, 1, 2, 2)
    assert fold(track((60, 1))).histories == () and len(fold(track((59, 1))).histories) == 1


def test_alerts_are_sorted_by_how_long_they_fired() -> None:
    """The longest first, equal ones by their labels; each has its rule's own interval."""
    other = (("alertname", "Other"), ("severity", "warning"))
    more = (*LABELS, ("team", "x"))
    window = fold(
        track((20, 4)),
        track((20, 2), (19, 2), labels=more),
        track((9, 1), labels=other),
        track((9, 1), labels=(("alertname", "More"),)),
    )
    assert [(item.name, item.total_seconds) for item in window.histories] == [
        ("More", 60.0), ("Other", 60.0), ("ProviderTimeout", 60.0), ("ProviderTimeout", 60.0)
    ]  # fmt: skip
    assert [item.total_seconds for item in fold(track((20, 1)), track((20, 4), labels=other)).histories] == [60.0, 15.0]


def steps(first: int, last: int) -> list[tuple[int, float]]:
    """It fires in each evaluation of these steps before the end, both included."""
    return [(back, 4.0) for back in range(first, last - 1, -1)]


def test_a_time_in_which_prometheus_was_down_ends_no_alert() -> None:
    """Two outages of ten minutes in one alert are one time, not three that flap; what nobody saw adds nothing to the total."""
    window = fold(track(*steps(50, 40), *steps(30, 20), *steps(10, 0)), watched=seen(without=(*range(31, 40), *range(11, 20))))
    (record,) = window.histories
    assert (record.times, record.flapping, record.total_seconds) == (1, False, 33 * 60.0)
    assert [(END - gap.starts_at, END - gap.ends_at) for gap in window.gaps] == [(2400.0, 1800.0), (1200.0, 600.0)]


@pytest.mark.parametrize(
    ("down", "again", "times"),
    [
        (range(30, 32), 29, 1), (range(30, 31), 29, 1), (range(30, 32), 28, 1), (range(30, 32), 27, 2), (range(0), 30, 2),
        (range(28, 30), 27, 2),
    ],
)  # fmt: skip
def test_an_alert_goes_on_after_a_restart(down: range, again: int, times: int) -> None:
    """A hole of one or two steps that begins within a step of its last time; it fires again a step later, for the first
    evaluation makes it pending. One that was over before, or begins later, is another time.
    """
    (record,) = fold(track(*steps(40, 32), *steps(again, 20)), watched=seen(without=down)).histories
    assert record.times == times


def test_rare_scrapes_and_evaluations_are_no_holes() -> None:
    """Where Prometheus scrapes and evaluates every five minutes, a minute without either is nothing unknown and no end."""
    watched = Series((), tuple((END - STEP * back, 1.0) for back in range(120, -1, -5)))
    window = fold(track(*((back, 1.0) for back in (40, 35, 30, 5, 0))), watched=watched, interval=300.0)
    assert window.gaps == () and window.histories[0].times == 2


def test_the_heartbeat_of_scrapes_counts_samples() -> None:
    """The value of `up` would last five minutes longer than Prometheus."""
    assert scraped_query(60.0) == "group(count_over_time(up[60s]))"


def test_an_alert_has_the_labels_with_which_it_is_sent() -> None:
    """So it is the one that Alertmanager lists; two that are sent alike are one, and one that is not sent keeps its labels."""

    def send(given: Labels) -> Labels | None:
        if label(given, "alertname") == "Dropped":
            return None
        return tuple((name, "page" if name == "severity" else value) for name, value in given if name != "provider")

    other = (("alertname", "ProviderTimeout"), ("provider", "paddle"), ("severity", "critical"))
    dropped = (("alertname", "Dropped"),)
    window = build_window(
        [track((20, 4), (19, 1)), track((19, 4), (18, 4), labels=other), track((5, 4), labels=dropped)],
        [seen()],
        starts_at=END - 3600.0,
        queried_from=END - 7200.0,
        ends_at=END,
        step_seconds=STEP,
        intervals={"ProviderTimeout": 15.0},
        sent=send,
    )
    sent = (("alertname", "ProviderTimeout"), ("severity", "page"))
    assert [(item.labels, item.times, item.total_seconds) for item in window.histories] == [
        (sent, 1, 180.0),
        (dropped, 1, 60.0),
    ]


def test_a_bad_regular_expression_of_a_relabelling_leaves_the_labels() -> None:
    """As for the alerts that fire now."""

    def send(given: Labels) -> Labels | None:
        raise ValueError(given)

    window = build_window(
        [track((20, 4))], [seen()], starts_at=END - 3600.0, queried_from=END - 7200.0, ends_at=END, step_seconds=STEP,
        intervals={}, sent=send,
    )  # fmt: skip
    assert window.histories[0].labels == LABELS
