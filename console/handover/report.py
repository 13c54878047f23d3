"""A handover as text, Markdown and JSON."""

from __future__ import annotations

from typing import Any

from console.checklists import section
from console.checklists.section import ReportSection
from console.handover.shift import Shift
from console.state import snapshot_json
from console.state.snapshot import Snapshot
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.tables import escape_markdown
from queries.text.times import format_local


@dataclass(frozen=True, slots=True)
class HandoverReport:
    sections: tuple[ReportSection, ...]
    snapshot: Snapshot
    shift: Shift
    head: str = ""
    """The journal's newest entry, for `journal verify --head`; empty where there is no journal."""

    @property
    def headline(self) -> str:
        at = self.snapshot.taken_at
        where = f"{visible(self.snapshot.environment)} · {visible(self.snapshot.namespace)}"
        when = f"{snapshot_json.format_json_time(at)} ({format_local(at)})"
        return f"Shift handover · {where} · {when} · {visible(self.snapshot.user)}"


def as_text(report: HandoverReport) -> str:
    return f"{report.headline}\n\n{section.as_text(report.sections)}{_head(report)}"


def as_markdown(report: HandoverReport) -> str:
    return f"## {escape_markdown(report.headline)}\n\n{section.as_markdown(report.sections)}{_head(report)}"


def _head(report: HandoverReport) -> str:
    return f"\n\nJournal head {report.head}" if report.head else ""


def as_json(report: HandoverReport) -> dict[str, Any]:
    return {
        "schema": 1,
        "environment": report.snapshot.environment,
        "namespace": report.snapshot.namespace,
        "taken_at": snapshot_json.format_json_time(report.snapshot.taken_at),
        "by": report.snapshot.user,
        "since": snapshot_json.format_json_time(report.shift.since),
        "signed_by": report.shift.signed.name if report.shift.signed else None,
        "journal_head": report.head or None,
        "sections": section.as_json(report.sections),
    }
