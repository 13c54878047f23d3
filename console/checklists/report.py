"""A checklist's results as text, Markdown and JSON (`report_junit.py`: as XML), with a person's run where there is one."""

from __future__ import annotations

import math
from typing import Any

from console.checklists import section
from console.checklists.definition import Checklist
from console.checklists.result import OPEN, ItemResult, exit_code
from console.checklists.run_review import answer_text, open_items
from console.checklists.section import ReportSection
from console.state import snapshot_json
from console.state.checklist_runs import ChecklistRun
from console.state.snapshot import Snapshot
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.model.verdict import UNKNOWN
from queries.text.durations import format_span
from queries.text.tables import align, escape_markdown, format_markdown_table
from queries.text.times import format_local

_MEANING = {0: "all ok", 1: "something is critical or warns", 2: "something could not be evaluated"}


@dataclass(frozen=True, slots=True)
class ChecklistReport:
    """The results of one checklist; `sections` are the daily summary where it has one, `run` a person's run."""

    checklist: Checklist
    results: tuple[ItemResult, ...]
    snapshot: Snapshot
    sections: tuple[ReportSection, ...] = ()
    run: ChecklistRun | None = None

    @property
    def code(self) -> int:
        return exit_code(self.results)

    @property
    def headline(self) -> str:
        at = self.snapshot.taken_at
        where = f"{visible(self.snapshot.environment)} · {visible(self.snapshot.namespace)}"
        as_of = "AS OF " if self.snapshot.as_of is not None else ""
        return f"{visible(self.checklist.title)} · {where} · {as_of}{snapshot_json.format_json_time(at)} ({format_local(at)})"


def as_text(report: ChecklistReport) -> str:
    rows = [(item.label, visible(item.item.title), item.value_text, item.limit, _then(item)) for item in report.results]
    blocks = [report.headline, align(rows)]
    blocks += ["\n".join(_lines(result, report)) for result in report.results if result.verdict in (*OPEN, *UNKNOWN, None)]
    if report.sections:
        blocks.append(section.as_text(report.sections))
    blocks.append(f"exit code {report.code}: {_MEANING[report.code]}{_questions(report)}")
    return "\n\n".join(blocks)


def as_markdown(report: ChecklistReport) -> str:
    rows = [(item.label, visible(item.item.title), item.value_text, item.limit, item.before) for item in report.results]
    blocks = [
        f"## {escape_markdown(report.headline)}",
        format_markdown_table(("verdict", "item", "value", "target", "yesterday"), rows),
    ]
    for result in report.results:
        if result.verdict in (*OPEN, *UNKNOWN, None):
            head, *more = _lines(result, report)
            blocks.append(
                "\n".join([f"**{escape_markdown(head)}**", "", *(f"- {escape_markdown(line.strip())}" for line in more)])
            )
    if report.run is not None:
        blocks.append(_run_markdown(report, report.run))
    if report.sections:
        blocks.append(section.as_markdown(report.sections))
    return "\n\n".join(blocks)


def as_json(report: ChecklistReport) -> dict[str, Any]:
    snapshot = report.snapshot
    return {
        "schema": 1,
        "checklist": report.checklist.name,
        "title": report.checklist.title,
        "environment": snapshot.environment,
        "namespace": snapshot.namespace,
        "taken_at": snapshot_json.format_json_time(snapshot.taken_at),
        "exit_code": report.code,
        "items": [_item_json(item) for item in report.results],
        **({"summary": section.as_json(report.sections)} if report.sections else {}),
    }


def _lines(result: ItemResult, report: ChecklistReport) -> list[str]:
    """One line on what is wrong; below it the details, unless the summary has them."""
    head = f"{result.label} {visible(result.item.title)}: {result.reason}"
    if result.verdict is None:
        head = f"ASK {visible(result.item.asks)} ({result.value_text})"
    details = () if report.sections else result.details
    return [head, *(f"  {f'{item.verdict.word} ' if item.verdict else ''}{item.text}" for item in details)]


def _then(result: ItemResult) -> str:
    return f"yesterday {result.before}" if result.before else ""


def _questions(report: ChecklistReport) -> str:
    count = sum(item.verdict is None for item in report.results)
    return f"; {count} {'question' if count == 1 else 'questions'} for a person" if count else ""


def _item_json(item: ItemResult) -> dict[str, Any]:
    return {
        "id": item.item.id,
        "title": item.item.title,
        "asks": item.item.asks,
        "verdict": item.verdict.value if item.verdict is not None else "question",
        "value": snapshot_json.finite_or_none(item.value),
        "told": item.value_text,
        "target": item.limit,
        "reason": item.reason,
        "yesterday": item.before,
        "trend": _trend_json(item),
        "details": [
            {"text": detail.text, "verdict": detail.verdict.value if detail.verdict else None} for detail in item.details
        ],
    }


def _trend_json(item: ItemResult) -> dict[str, Any] | None:
    values = [value for _, value in item.trend if math.isfinite(value)]
    if not values:
        return None
    ends = {"first": values[0], "last": values[-1], "lowest": min(values), "highest": max(values)}
    return {"covers": item.trend_period, **ends}


def _run_markdown(report: ChecklistReport, run: ChecklistRun) -> str:
    """Answers, notes, signature and open items."""
    lines = [
        f"### Run, started {format_local(run.started_at, now=report.snapshot.taken_at)} "
        f"by {escape_markdown(visible(run.started_by))}",
        "",
    ]
    for item in report.checklist.items:
        for answer in run.answers_to(item.id):
            text = f"{item.title}: {visible(answer.author)} {answer_text(answer)} ({visible(answer.value_text)})"
            lines.append(f"- {escape_markdown(text)}")
        for note in run.notes_on(item.id):
            lines.append(f"- {escape_markdown(f'{item.title}: note by {visible(note.author)}: {visible(note.text)}')}")
    signature = run.signature
    if signature is None:
        left = open_items(report.checklist, run, report.results)
        lines += ["", f"Not signed; open: {escape_markdown('; '.join(item.sentence for item in left) or 'nothing')}"]
    else:
        after = f", after {format_span(run.duration.seconds)}" if run.duration else ""
        remark = f" ({escape_markdown(visible(signature.remark))})" if signature.remark else ""
        when = format_local(signature.at, now=report.snapshot.taken_at)
        lines += ["", f"Signed {when} by {escape_markdown(visible(signature.name))}{after}{remark}"]
        lines += (
            ["Open items:", "", *(f"- {escape_markdown(visible(each))}" for each in signature.open)]
            if signature.open
            else ["Nothing was open."]
        )
    return "\n".join(lines)
