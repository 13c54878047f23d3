"""Whether every error code that was counted lately maps to one of the nine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.checks.result import MAPPING, CheckResult, Result
from queries.catalogue.error_codes import Taxonomy
from queries.model.fault import Fault
from queries.model.text import visible
from queries.prometheus.code_counts import CodeCount, Counts
from queries.text.durations import format_span
from queries.text.times import format_time

_MOST_TOLD = 8


def mapping(taxonomy: Taxonomy, counted: Counts | Fault, *, window_seconds: float) -> tuple[CheckResult, ...]:
    """The gaps by who said them, with how often and since when; else one line, with the older spellings that were understood
    and with what was a gap before the window."""
    within = (
        f"within {window_seconds / 3600.0:g}h" if window_seconds % 3600.0 == 0.0 else f"within {format_span(window_seconds)}"
    )
    if isinstance(counted, Fault):
        told = f"it is not known what was counted {within}: {visible(counted.sentence())}"
        return (CheckResult("mapping", "codes", Result.FAILED, told, MAPPING),)
    gaps: dict[str, list[CodeCount]] = {}
    undated: dict[str, list[CodeCount]] = {}
    other, older, seen = set[str](), set[str](), 0
    for source, items in counted.items():
        for item in items:
            mapped = taxonomy.map(item.code, provider=item.who)
            who = item.who or f"({source.metric})"
            if mapped:
                seen += 1
                other |= {f"{item.code} → {mapped}"} if mapped != item.code else set()
            elif item.count is None:
                undated.setdefault(who, []).append(item)
            elif item.count > 0.0:
                gaps.setdefault(who, []).append(item)
            else:
                older.add(item.code or "(empty)")
    results = [_gap(who, items) for who, items in sorted(gaps.items())]
    results += [_undated(who, items) for who, items in sorted(undated.items())]
    if gaps:
        return tuple(results)
    told = f"all {seen} that were seen {within} map to the nine" if seen else f"no error was counted {within} that maps to none"
    told += f"; older spellings: {visible(', '.join(sorted(other)))}" if other else ""
    told += f"; not counted {within}: {_some(sorted(older))}" if older else ""
    return (*results, CheckResult("mapping", "codes", Result.PASSED, told, MAPPING))


def _gap(who: str, items: list[CodeCount]) -> CheckResult:
    ordered = sorted(items, key=lambda item: (-(item.count or 0.0), item.code))
    listed = [f"{visible(item.code) or '(empty)'} ({item.count:.0f} × since {_moment(item.since)})" for item in ordered]
    told = f"maps to none of the nine: {_listed(listed)}; `error_codes` in config.yaml can map it"
    return CheckResult("mapping", visible(who), Result.FAILED, told, MAPPING, items=tuple(_item(who, item) for item in ordered))


def _undated(who: str, items: list[CodeCount]) -> CheckResult:
    words = sorted(item.code or "(empty)" for item in items)
    told = f"maps to none of the nine, and when it was counted is not known: {_some(words)}"
    return CheckResult("mapping", visible(who), Result.NOTED, told, MAPPING, items=tuple(_item(who, item) for item in items))


def _item(who: str, item: CodeCount) -> Mapping[str, Any]:
    since = None if item.since is None else _moment(item.since)
    return {"provider": who, "code": item.code, "count": None if item.count is None else round(item.count), "since": since}


def _moment(at: float | None) -> str:
    return "an unknown time" if at is None else format_time(at)


def _some(words: Iterable[str]) -> str:
    return _listed([visible(word) for word in words])


def _listed(words: list[str]) -> str:
    return ", ".join(words[:_MOST_TOLD]) + (f" and {len(words) - _MOST_TOLD} more" if len(words) > _MOST_TOLD else "")
