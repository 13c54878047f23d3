"""Whether every error code that was counted maps to one of the nine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.checks.result import MAPPING, CheckResult, Result
from queries.model.series import Sample, label
from queries.model.text import visible
from queries.taxonomy import CodeSource, Taxonomy

_MOST_TOLD = 8


def mapping(taxonomy: Taxonomy, counted: Mapping[CodeSource, Sequence[Sample]]) -> tuple[CheckResult, ...]:
    """The gaps by who said them, with how often; else one line, with the older spellings that were understood."""
    gaps: dict[str, dict[str, float]] = {}
    other: set[str] = set()
    seen = 0
    for source, samples in counted.items():
        for sample in samples:
            code, who = label(sample.labels, "code"), label(sample.labels, source.by)
            mapped = taxonomy.mapped(code, provider=who)
            seen += 1
            if not mapped:
                said = gaps.setdefault(who or f"({source.metric})", {})
                said[code] = said.get(code, 0.0) + sample.value
            elif mapped != code:
                other.add(f"{code} → {mapped}")
    if gaps:
        return tuple(
            CheckResult("mapping", visible(who), Result.FAILED, f"maps to none of the nine: {_told(said)}", MAPPING)
            for who, said in sorted(gaps.items())
        )
    if not seen:
        return (CheckResult("mapping", "codes", Result.PASSED, "no error was counted, so none is unmapped", MAPPING),)
    told = f"all {seen} map to the nine" + (f"; older spellings: {visible(', '.join(sorted(other)))}" if other else "")
    return (CheckResult("mapping", "codes", Result.PASSED, told, MAPPING),)


def _told(said: Mapping[str, float]) -> str:
    ordered = sorted(said.items(), key=lambda item: (-item[1], item[0]))
    listed = [f"{visible(code) or '(empty)'} ({count:.0f} ×)" for code, count in ordered[:_MOST_TOLD]]
    return ", ".join(listed) + (f" and {len(ordered) - _MOST_TOLD} more" if len(ordered) > _MOST_TOLD else "")
