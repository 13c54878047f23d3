"""Whether the rules are loaded, evaluate without error and in time, and keep their series fresh."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from console.checks.result import METRICS, CheckResult, Result
from queries.model.fault import Fault
from queries.model.rule import RecordedBook, RuleGroup, RuleKind, RuleMatch
from queries.model.text import visible
from queries.prometheus.recorded_series import SLACK_SECONDS, find_duplicate_records, is_on_time
from queries.text.durations import format_span

_MOST_TOLD = 5
_FRESH_INTERVALS = 3.0


def rules(groups: Sequence[RuleGroup], wanted: Collection[str], *, now: float, strict: bool) -> tuple[CheckResult, ...]:
    """`wanted` are the names of the rules that come with the console; `now` is the server's, in Unix seconds."""
    names = {rule.name for group in groups for rule in group.rules}
    if not names:
        kind = Result.FAILED if strict else Result.NOTED
        return (CheckResult("rules", "loaded", kind, "no rule is loaded: nothing will ever fire", METRICS),)
    missing = sorted(set(wanted) - names)
    ill = [rule for group in groups for rule in group.rules if rule.health == "err" or rule.last_error]
    late = [group for group in groups if not is_on_time(group, now)]
    slow = [group for group in groups if 0 < group.interval_seconds < group.evaluation_seconds]
    return (
        listed_result(
            "loaded",
            f"{len(names)} rules",
            Result.FAILED if strict else Result.NOTED,
            f"{len(missing)} of {len(set(wanted))} rules of the console are not loaded",
            missing,
        ),
        listed_result(
            "without error",
            "every rule evaluates",
            Result.FAILED,
            f"{len(ill)} rules fail",
            [f"{rule.name} ({rule.last_error or 'no reason told'})" for rule in ill],
        ),
        listed_result(
            "in time",
            "every group was evaluated when it was due",
            Result.FAILED,
            f"{len(late) + len(slow)} groups are late or slower than their interval",
            [*(f"{group.name} ({_age(group, now)})" for group in late), *(_slow(group) for group in slow if group not in late)],
        ),
    )


def meanings(
    groups: Sequence[RuleGroup], book: RecordedBook, ours: Collection[str], *, strict: bool
) -> tuple[CheckResult, ...]:
    """Whether every recorded name is recorded once, and means what the console means by it. `ours` are the names of our rules;
    `book` is what each that is loaded is worth."""
    twice = [(name, places) for name, places in find_duplicate_records(groups)]
    own = any(name in ours for name, _ in twice)
    other = [item for item in book.values() if item.worth is RuleMatch.DIFFERENT]
    renamed = sum(item.read != item.name for item in book.values())
    same = sum(item.worth not in (RuleMatch.DIFFERENT, RuleMatch.TWICE, RuleMatch.UNVERIFIED) for item in book.values())
    return (
        listed_result(
            "recorded once",
            "no name is recorded by two rules",
            Result.FAILED if own or strict else Result.NOTED,
            f"{len(twice)} names are recorded twice, and flip at every evaluation",
            [f"{name} ({' and '.join(places)})" for name, places in twice],
        ),
        listed_result(
            "recorded meaning",
            f"{same} recorded series mean what the console means"
            + (f", {renamed} of them under other names" if renamed else ""),
            Result.FAILED if strict else Result.NOTED,
            f"{len(other)} recorded series mean something else than the console, whose panels read raw instead",
            [f"{item.name} ({', '.join(item.differs)})" for item in other],
        ),
    )


def recording(
    groups: Sequence[RuleGroup], stamps: Mapping[str, float], fault: Fault | None, *, now: float
) -> tuple[CheckResult, ...]:
    """Whether recorded series are as young as their interval has it. `stamps` are Unix seconds of each series' last sample,
    by name; a name without one has no series, as it is without traffic."""
    intervals = {rule.name: group.interval_seconds for group in groups for rule in group.rules if rule.kind is RuleKind.RECORD}
    if not intervals:
        return (CheckResult("recording", "fresh", Result.SKIPPED, "no recording rule is loaded", METRICS),)
    if fault is not None:
        return (CheckResult("recording", "fresh", Result.FAILED, visible(fault.sentence()), METRICS),)
    ages = {name: now - stamps[name] for name in intervals if name in stamps}
    if not ages:
        told = f"none of {len(intervals)} recorded series is there: no traffic, or the rules read what nobody exports"
        return (CheckResult("recording", "fresh", Result.FAILED, told, METRICS),)
    old = [f"{name} ({format_span(age)} old)" for name, age in ages.items() if age > _fresh_for(intervals[name])]
    without = len(intervals) - len(ages)
    told = f"{len(ages)} recorded series, the oldest sample {format_span(max(0.0, *ages.values()))} old"
    told += f"; {without} have no series now, as rules over what did not happen have none" if without else ""
    return (listed_result("fresh", told, Result.FAILED, f"{len(old)} recorded series are stale", old, area="recording"),)


def listed_result(name: str, well: str, kind: Result, ill: str, listed: Sequence[str], *, area: str = "rules") -> CheckResult:
    """Passed where nothing is listed; else what is wrong with the first few of them."""
    if not listed:
        return CheckResult(area, name, Result.PASSED, well, METRICS)
    more = f" and {len(listed) - _MOST_TOLD} more" if len(listed) > _MOST_TOLD else ""
    return CheckResult(area, name, kind, f"{ill}: {visible(', '.join(listed[:_MOST_TOLD]))}{more}", METRICS)


def _fresh_for(interval_seconds: float) -> float:
    return _FRESH_INTERVALS * interval_seconds + SLACK_SECONDS


def _age(group: RuleGroup, now: float) -> str:
    if group.evaluated_at is None:
        return "never evaluated"
    return f"{format_span(now - group.evaluated_at)} ago, every {group.interval_seconds:g} s"


def _slow(group: RuleGroup) -> str:
    return f"{group.name} (takes {group.evaluation_seconds:.1f} s, every {group.interval_seconds:g} s)"
