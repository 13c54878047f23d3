"""A checklist's results as JUnit XML, for build servers."""

from __future__ import annotations

from console.checklists.report import ChecklistReport
from console.checklists.result import OPEN, ItemResult
from queries.model.text import visible
from queries.model.verdict import UNKNOWN
from queries.text.junit import Case, CaseResult, format_junit


def as_junit(report: ChecklistReport) -> str:
    """An item that is not ok is a failure, one that could not be evaluated an error; a question for a person is skipped."""
    cases = [_case(item, report.checklist.name) for item in report.results]
    return format_junit(f"cad-console checklist {report.checklist.name}", cases, errors=True)


def _case(item: ItemResult, checklist: str) -> Case:
    title = visible(item.item.title)
    if item.verdict in OPEN:
        return Case(checklist, title, CaseResult.FAILURE, item.reason, type=item.label)
    if item.verdict in UNKNOWN:
        return Case(checklist, title, CaseResult.ERROR, item.reason, type=item.label)
    if item.verdict is None:
        return Case(checklist, title, CaseResult.SKIPPED, item.reason)
    return Case(checklist, title, CaseResult.PASSED, item.value_text)
