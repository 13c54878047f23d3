"""A titled list of lines, the building block of summaries and handovers: for screen, terminal, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.checklists.result import Detail
from queries.model.frozen import dataclass
from queries.text.tables import escape_markdown


@dataclass(frozen=True, slots=True)
class ReportSection:
    """`empty` is the text without lines: that there is nothing, or that it is not known."""

    title: str
    lines: tuple[Detail, ...] = ()
    empty: str = "none"
    known: bool = True


def as_text(sections: Iterable[ReportSection]) -> str:
    blocks = []
    for section in sections:
        lines = [f"  {_line_text(line)}" for line in section.lines] or [f"  {section.empty}"]
        blocks.append("\n".join([section.title, *lines]))
    return "\n\n".join(blocks)


def as_markdown(sections: Iterable[ReportSection]) -> str:
    blocks = []
    for section in sections:
        lines = [f"- {escape_markdown(_line_text(line))}" for line in section.lines] or [escape_markdown(section.empty)]
        blocks.append("\n".join([f"### {escape_markdown(section.title)}", "", *lines]))
    return "\n\n".join(blocks)


def as_json(sections: Iterable[ReportSection]) -> list[dict[str, Any]]:
    return [
        {
            "title": section.title,
            "known": section.known,
            "lines": [{"text": line.text, "verdict": line.verdict.value if line.verdict else None} for line in section.lines],
            **({} if section.lines else {"empty": section.empty}),
        }
        for section in sections
    ]


def _line_text(line: Detail) -> str:
    return f"{line.verdict.word}: {line.text}" if line.verdict else line.text
