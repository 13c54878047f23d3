"""Whether the rules are loaded, evaluate without error and in time, and keep their series fresh."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from console.checks.result import METRICS, CheckResult, Result
from queries.model.fault import Fault
from queries.model.rule import RecordedBook, RuleGroup, RuleKind, RuleMatch
from queries.model.text import visible
from queries.prometheus.recorded_series import SLACK_SECONDS, find_duplicate_records, is_on_time
from queries.text.durations import format_duration, format_elapsed, format_span

_MAX_LISTED = 5
_FRESH_INTERVALS = 3.0
NOTHING_BEFORE: Mapping[str, float] = MappingProxyType({})


def check_rules(
    groups: Sequence[RuleGroup], expected: Collection[str], *, now: float, strict: bool, elsewhere: str = ""
) -> tuple[CheckResult, ...]:
    """`expected` are the names of the console's own rules; `now` is the server's time, in Unix seconds.

    `elsewhere` says why a server that lists no rules may still have some.
    """
    names = {rule.name for group in groups for rule in group.rules}
    if not names:
        kind = Result.FAILED if strict else Result.NOTED
        text = visible(elsewhere) or "no rules are loaded: no alert can fire"
        return (CheckResult("rules", "loaded", kind, text, METRICS),)
    missing = sorted(set(expected) - names)
    failing = [rule for group in groups for rule in group.rules if rule.health == "err" or rule.last_error]
    late = [group for group in groups if not is_on_time(group, now)]
    slow = [group for group in groups if 0 < group.interval_seconds < group.evaluation_seconds]
    return (
        summarize(
            "loaded",
            f"{len(names)} rules",
            Result.FAILED if strict else Result.NOTED,
            f"{len(missing)} of {len(set(expected))} rules of the console are not loaded",
            missing,
        ),
        summarize(
            "without error",
            "every rule evaluates",
            Result.FAILED,
            f"{len(failing)} rules fail",
            [f"{rule.name} ({rule.last_error or 'no error given'})" for rule in failing],
        ),
        summarize(
            "in time",
            "every group is evaluated on time",
            Result.FAILED,
            f"{len(late) + len(slow)} groups are late or slower than their interval",
            [*(f"{group.name} ({_age(group, now)})" for group in late), *(_slow(group) for group in slow if group not in late)],
        ),
    )


def check_meanings(
    groups: Sequence[RuleGroup], book: RecordedBook, ours: Collection[str], *, strict: bool
) -> tuple[CheckResult, ...]:
    """Whether every name is recorded by one rule, with the meaning that the console expects.

    `ours` are the names of our rules; `book` compares each loaded rule with them.
    """
    duplicates = [(name, places) for name, places in find_duplicate_records(groups)]
    own = any(name in ours for name, _ in duplicates)
    different = [item for item in book.values() if item.match is RuleMatch.DIFFERENT]
    renamed = sum(item.read != item.name for item in book.values())
    same = sum(item.match not in (RuleMatch.DIFFERENT, RuleMatch.TWICE, RuleMatch.UNVERIFIED) for item in book.values())
    return (
        summarize(
            "recorded once",
            "no name is recorded by two rules",
            Result.FAILED if own or strict else Result.NOTED,
            f"{len(duplicates)} names are recorded twice and alternate at every evaluation",
            [f"{name} ({' and '.join(places)})" for name, places in duplicates],
        ),
        summarize(
            "recorded meaning",
            f"{same} recorded series have the expected meaning" + (f", {renamed} of them under other names" if renamed else ""),
            Result.FAILED if strict else Result.NOTED,
            f"{len(different)} recorded series have another meaning; the panels query raw metrics instead",
            [f"{item.name} ({', '.join(item.differs)})" for item in different],
        ),
    )


def old_series(groups: Sequence[RuleGroup], stamps: Mapping[str, float], *, now: float) -> dict[str, float]:
    """The recorded series whose last sample is older than their interval allows, and how far back to query each, in
    seconds: a group with a `query_offset` (or vmalert with its delay) writes all of its samples that far in the past, and
    no server reports that. Such a series still gets a newer sample with each evaluation.
    """
    intervals = _record_intervals(groups)
    return {
        name: _FRESH_INTERVALS * intervals[name]
        for name, at in stamps.items()
        if name in intervals and now - at > _fresh_for(intervals[name])
    }


def _record_intervals(groups: Sequence[RuleGroup]) -> dict[str, float]:
    return {rule.name: group.interval_seconds for group in groups for rule in group.rules if rule.kind is RuleKind.RECORD}


def check_recorded_series(
    groups: Sequence[RuleGroup],
    stamps: Mapping[str, float],
    fault: Fault | None,
    *,
    now: float,
    before: Mapping[str, float] = NOTHING_BEFORE,
) -> tuple[CheckResult, ...]:
    """Whether recorded series are as fresh as their group's evaluation requires.

    `stamps` are Unix seconds of each series' last sample, by name; a name without one has no series, such as without traffic.
    `before` are the same, at the times that `old_series` returns.
    """
    intervals = _record_intervals(groups)
    if not intervals:
        return (CheckResult("recording", "fresh", Result.SKIPPED, "no recording rule is loaded", METRICS),)
    if fault is not None:
        return (CheckResult("recording", "fresh", Result.FAILED, visible(fault.sentence()), METRICS),)
    ages = {name: now - stamps[name] for name in intervals if name in stamps}
    if not ages:
        text = f"none of {len(intervals)} recorded series exists: no traffic, or the rules' metrics are not exported"
        return (CheckResult("recording", "fresh", Result.FAILED, text, METRICS),)
    late = old_series(groups, stamps, now=now)
    moving = {name for name in late if name in before and stamps[name] - before[name] >= intervals[name]}
    old = [f"{name} ({format_span(ages[name])} old)" for name in late if name not in moving]
    without = len(intervals) - len(ages)
    text = f"{len(ages)} recorded series, the oldest sample {format_span(max(0.0, *ages.values()))} old"
    text += (
        f"; {len(moving)} are written with an offset, up to {format_span(max(ages[name] for name in moving))}" if moving else ""
    )
    text += f"; {without} have no series now, like rules over events that did not occur" if without else ""
    return (summarize("fresh", text, Result.FAILED, f"{len(old)} recorded series are stale", old, area="recording"),)


def summarize(name: str, passed: str, kind: Result, failed: str, listed: Sequence[str], *, area: str = "rules") -> CheckResult:
    """Passed if the list is empty; else the failure with its first few items."""
    if not listed:
        return CheckResult(area, name, Result.PASSED, passed, METRICS)
    more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
    return CheckResult(area, name, kind, f"{failed}: {visible(', '.join(listed[:_MAX_LISTED]))}{more}", METRICS)


def _fresh_for(interval_seconds: float) -> float:
    return _FRESH_INTERVALS * interval_seconds + SLACK_SECONDS


def _age(group: RuleGroup, now: float) -> str:
    if group.evaluated_at is None:
        return "never evaluated"
    return f"{format_span(now - group.evaluated_at)} ago, every {format_duration(group.interval_seconds)}"


def _slow(group: RuleGroup) -> str:
    return f"{group.name} (takes {format_elapsed(group.evaluation_seconds)}, every {format_duration(group.interval_seconds)})"
