"""Rows as aligned columns of text, or as a Markdown table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence


def cell_width(text: str) -> int:
    """The number of terminal cells that the text occupies."""
    return sum(0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def align(rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Pad every column but the last to its widest cell. The texts must be passed through `visible` first."""
    table = [list(row) for row in rows]
    if not table:
        return ""
    widths = [max(cell_width(row[index]) for row in table if index < len(row)) for index in range(max(map(len, table)))]
    lines = []
    for row in table:
        cells = [cell + " " * (widths[index] - cell_width(cell)) for index, cell in enumerate(row)]
        lines.append(indent + "  ".join(cells).rstrip())
    return "\n".join(lines)


def format_markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped, the head is not."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row([escape_markdown(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Escape Markdown and HTML markup."""
    for mark in "\\`*_[]|#~":
        text = text.replace(mark, "\\" + mark)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
