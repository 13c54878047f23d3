"""Findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.lint.finding import Finding, Level, LintRule
from queries.model.text import visible


def as_text(findings: Sequence[Finding], lint_rules: Sequence[LintRule], *, scope: str) -> Iterator[str]:
    """One line per finding, then why each violated rule matters and how to fix it, then the count."""
    for item in findings:
        place = f"{visible(item.file)}:{item.line}" if item.line else visible(item.file)
        subject = f"{visible(item.rule)}: " if item.rule else ""
        yield f"{place}: {item.level.value.upper()} {item.lint_rule.id}: {subject}{visible(item.text)}"
    violated = {item.lint_rule.id for item in findings}
    for lint_rule in lint_rules:
        if lint_rule.id in violated:
            yield f"\n{lint_rule.id}: {lint_rule.title}\n  why   {lint_rule.why}\n  fix   {lint_rule.fix}"
    errors, warnings, notes = (sum(item.level is level for item in findings) for level in Level)
    more = f", {notes} {'note' if notes == 1 else 'notes'}" if notes else ""
    yield f"{chr(10) if findings else ''}{scope}: {errors} errors, {warnings} warnings{more}"


def as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [
        {
            "trap": item.lint_rule.id,
            "level": item.level.value,
            "file": item.file,
            "line": item.line or None,
            "rule": item.rule,
            "text": item.text,
            "why": item.lint_rule.why,
            "mend": item.lint_rule.fix,
            "said_by": item.source or "cad-console",
        }
        for item in findings
    ]
