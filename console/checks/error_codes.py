"""Whether every error code counted lately maps to one of the nine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.checks.result import MAPPING, CheckResult, Result
from queries.catalogue.error_codes import Taxonomy
from queries.model.fault import Fault
from queries.model.text import visible
from queries.prometheus.code_counts import CodeCount, Counts
from queries.text.durations import format_duration
from queries.text.times import format_moment, format_time

_MAX_LISTED = 8


def check_mapping(taxonomy: Taxonomy, counted: Counts | Fault, *, window_seconds: float) -> tuple[CheckResult, ...]:
    """The unmapped codes by provider, with count and first time; without any, one line that names the mapped older spellings.

    Codes that were unmapped only before the window are listed in that line too.
    """
    within = f"within {format_duration(window_seconds)}"
    if isinstance(counted, Fault):
        text = f"could not read the codes counted {within}: {visible(counted.sentence())}"
        return (CheckResult("mapping", "codes", Result.FAILED, text, MAPPING),)
    gaps: dict[str, list[CodeCount]] = {}
    undated: dict[str, list[CodeCount]] = {}
    aliases, older, mapped_count = set[str](), set[str](), 0
    for source, items in counted.items():
        for item in items:
            mapped = taxonomy.map(item.code, provider=item.who)
            provider = item.who or f"({source.metric})"
            if mapped:
                mapped_count += 1
                aliases |= {f"{item.code} → {mapped}"} if mapped != item.code else set()
            elif item.count is None:
                undated.setdefault(provider, []).append(item)
            elif item.count > 0.0:
                gaps.setdefault(provider, []).append(item)
            else:
                older.add(item.code or "(empty)")
    results = [_report_gap(provider, items) for provider, items in sorted(gaps.items())]
    results += [_report_undated(provider, items) for provider, items in sorted(undated.items())]
    if gaps:
        return tuple(results)
    text = (
        f"all {mapped_count} codes counted {within} map to the nine" if mapped_count else f"no unmapped error counted {within}"
    )
    text += f"; older spellings: {visible(', '.join(sorted(aliases)))}" if aliases else ""
    text += f"; unmapped, but not counted {within}: {_list_visible(sorted(older))}" if older else ""
    return (*results, CheckResult("mapping", "codes", Result.PASSED, text, MAPPING))


def _report_gap(provider: str, items: list[CodeCount]) -> CheckResult:
    ordered = sorted(items, key=lambda item: (-(item.count or 0.0), item.code))
    listed = [f"{visible(item.code) or '(empty)'} ({item.count:.0f} × since {_moment(item.since)})" for item in ordered]
    text = f"maps to none of the nine: {_list_some(listed)}; map it with `error_codes` in config.yaml"
    return CheckResult(
        "mapping", visible(provider), Result.FAILED, text, MAPPING, items=tuple(_item(provider, item) for item in ordered)
    )


def _report_undated(provider: str, items: list[CodeCount]) -> CheckResult:
    codes = sorted(item.code or "(empty)" for item in items)
    text = f"maps to none of the nine, time unknown: {_list_visible(codes)}"
    return CheckResult(
        "mapping", visible(provider), Result.NOTED, text, MAPPING, items=tuple(_item(provider, item) for item in items)
    )


def _item(provider: str, item: CodeCount) -> Mapping[str, Any]:
    since = None if item.since is None else format_time(item.since)
    return {"provider": provider, "code": item.code, "count": None if item.count is None else round(item.count), "since": since}


def _moment(at: float | None) -> str:
    return "an unknown time" if at is None else format_moment(at)


def _list_visible(texts: Iterable[str]) -> str:
    return _list_some([visible(text) for text in texts])


def _list_some(texts: list[str]) -> str:
    return ", ".join(texts[:_MAX_LISTED]) + (f" and {len(texts) - _MAX_LISTED} more" if len(texts) > _MAX_LISTED else "")
