"""Rows as aligned columns of text, or as a Markdown table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence


def width(text: str) -> int:
    """How many cells a terminal needs for it."""
    return sum(0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def aligned(rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Every column as wide as its widest cell; the last one is not padded. The texts must be visible ones already."""
    listed = [list(row) for row in rows]
    if not listed:
        return ""
    widths = [max(width(row[index]) for row in listed if index < len(row)) for index in range(max(map(len, listed)))]
    lines = []
    for row in listed:
        cells = [cell + " " * (widths[index] - width(cell)) for index, cell in enumerate(row)]
        lines.append(indent + "  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what Markdown or HTML would take for markup is escaped."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row([escaped(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_[]|#~":
        text = text.replace(mark, "\\" + mark)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
