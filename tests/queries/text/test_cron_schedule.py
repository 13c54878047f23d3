"""A CronJob's schedule: the times of robfig/cron 3.0.1, which the controller uses, and how many passed without a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from queries.text.cron_schedule import MOST, InvalidScheduleError, MissedRuns, count_missed_runs

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "robfig-cron-3.0-times.json").read_text(encoding="utf-8"))
"""Schedule, time zone, a moment, and the next five times after it; or the error. Made with `ParseStandard("TZ=ZONE SCHEDULE")`
and `Next` of the Go library."""
NIGHT = 1_774_749_600.0
"""2026-03-29 02:00 UTC."""


def test_the_times_are_those_of_the_controllers_library() -> None:
    """Ranges, steps, names, `?`, either day field, leap days and every change of the clocks: each time is due, and none
    between them.
    """
    rows = [row for row in RECORDED if isinstance(row[3], list)]
    for schedule, zone, after, times in rows:
        for until, due in ((times[0] - 1, []), (times[1] + 59, times[:2]), (times[-1] + 59, times)):
            found = count_missed_runs(schedule, zone or "Etc/UTC", since=after, until=until)
            assert (found.count, found.last_due) == (len(due), max(due, default=0.0)), (schedule, zone, after)
    assert len(rows) > 150


def test_what_the_library_refuses_is_refused() -> None:
    """A schedule that the controller would not take has no times, rather than made-up ones."""
    refused = [schedule for schedule, _, _, times in RECORDED if isinstance(times, str)]
    assert len(refused) > 10
    for schedule in refused:
        with pytest.raises(InvalidScheduleError):
            count_missed_runs(schedule, "Etc/UTC", since=NIGHT, until=NIGHT + 60.0)
    with pytest.raises(InvalidScheduleError, match="not known on this machine"):
        count_missed_runs("0 0 * * *", "Mars/Olympus", since=NIGHT, until=NIGHT + 60.0)


def test_long_ago_is_counted_up_to_a_limit() -> None:
    """A year of minutes is more than a hundred, as for the controller, and the last one is known."""
    found = count_missed_runs("* * * * *", "Etc/UTC", since=NIGHT - 366 * 86_400.0, until=NIGHT + 30.0)
    assert found == MissedRuns(MOST + 1, NIGHT)


def test_without_a_time_zone_no_run_is_made_up() -> None:
    """The controller's own zone counts: UTC where the last run fits it; else the fewest runs of any zone."""
    daily = "0 2 * * *"
    assert count_missed_runs(daily, "", since=NIGHT, until=NIGHT + 2 * 86_400.0 + 60.0).count == 2
    tokyo = NIGHT - 9 * 3600.0  # 02:00 there
    assert count_missed_runs(daily, "", since=tokyo, until=tokyo + 86_340.0).count == 0
    assert count_missed_runs(daily, "", since=tokyo, until=tokyo + 3 * 86_400.0 - 60.0).count == 2
