"""Findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.lint.finding import Finding, Level, LintRule
from queries.model.text import visible


def as_text(findings: Sequence[Finding], traps: Sequence[LintRule], *, looked_at: str) -> Iterator[str]:
    """A line a finding, then why each trap is one and how to mend it, then the count."""
    for item in findings:
        place = f"{visible(item.file)}:{item.line}" if item.line else visible(item.file)
        subject = f"{visible(item.rule)}: " if item.rule else ""
        yield f"{place}: {item.level.value.upper()} {item.trap.id}: {subject}{visible(item.text)}"
    found = {item.trap.id for item in findings}
    for trap in traps:
        if trap.id in found:
            yield f"\n{trap.id}: {trap.title}\n  why   {trap.why}\n  mend  {trap.mend}"
    errors, warnings, notes = (sum(item.level is level for item in findings) for level in Level)
    more = f", {notes} notes" if notes else ""
    yield f"{chr(10) if findings else ''}{looked_at}: {errors} errors, {warnings} warnings{more}"


def as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [
        {
            "trap": item.trap.id,
            "level": item.level.value,
            "file": item.file,
            "line": item.line or None,
            "rule": item.rule,
            "text": item.text,
            "why": item.trap.why,
            "mend": item.trap.mend,
            "said_by": item.said_by or "cad-console",
        }
        for item in findings
    ]
