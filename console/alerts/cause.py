"""Which recent change may have caused an alert, or ended it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the first frame needs neither
    from queries.model.alert import TrackedAlert
    from queries.model.change import Change

BEFORE_SECONDS = 3600.0


def find_cause(tracked: TrackedAlert, changes: Iterable[Change]) -> Change | None:
    """The last change of a workload that the alert concerns, in the hour before it fired; None if there was none."""
    fired_at = tracked.alert.starts_at
    return find_last_change(tracked, changes, after=fired_at - BEFORE_SECONDS, before=fired_at)


_MARGIN_SECONDS = 60.0
"""A rule is evaluated, and its figure moves, some time after what it measures."""


def find_log_moment(tracked: TrackedAlert, changes: Iterable[Change], *, for_seconds: float = 0.0) -> tuple[float, str]:
    """The moment (Unix seconds) from which an alert's log may show what is new, and what it is: the change that may have
    caused it (`rollout`), else shortly before its condition began to hold.
    """
    cause = find_cause(tracked, changes)
    if cause is not None:
        return cause.at, cause.kind
    return tracked.alert.starts_at - for_seconds - _MARGIN_SECONDS, f"shortly before {tracked.alert.name}"


def find_log_target(tracked: TrackedAlert) -> str:
    """The workload that the alert's actions change; empty without one."""
    from queries.model.workload import names_workload  # noqa: PLC0415  # not before the first frame

    return next((item.target for item in tracked.suggestions if names_workload(item.target)), "")


def find_last_change(tracked: TrackedAlert, changes: Iterable[Change], *, after: float, before: float) -> Change | None:
    """The last change of a workload that the alert concerns between two times, Unix seconds; None if there was none."""
    from queries.model.workload import names_workload  # noqa: PLC0415  # not before the first frame

    workloads = {item.target for item in tracked.suggestions if names_workload(item.target)}
    fitting = (item for item in changes if item.subject in workloads and after <= item.at <= before)
    return max(fitting, key=lambda item: item.at, default=None)


def find_workload_change(target: str, changes: Iterable[Change], *, now: float) -> Change | None:
    """The last change of this workload in the hour before `now`, Unix seconds; None if there was none."""
    from queries.model.workload import names_workload  # noqa: PLC0415  # not before the first frame

    fitting = (item for item in changes if item.subject == target and now - BEFORE_SECONDS <= item.at < now)
    return max(fitting, key=lambda item: item.at, default=None) if names_workload(target) else None
