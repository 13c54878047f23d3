"""A line of a screen as spans of text and tone, before it becomes cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from queries.model.severity import Priority
from queries.model.text import visible
from queries.model.verdict import Verdict

Span: TypeAlias = tuple[str, str]
"""Text that is already visible, and its tone (a name in `widgets.styles`, or empty)."""

Line: TypeAlias = tuple[Span, ...]

VERDICT_TONES = {
    Verdict.OK: "ok",
    Verdict.WARN: "warn",
    Verdict.CRITICAL: "critical",
    Verdict.NO_DATA: "unknown",
    Verdict.IN_DOUBT: "doubt",
    Verdict.STALE: "unknown",
}


_SEVERITY_TONES = {Priority.P1: "critical", Priority.P2: "warn", Priority.P3: "warn"}


def severity_tone(priority: Priority) -> str:
    return _SEVERITY_TONES.get(priority, "accent")


def text(outside: str, tone: str = "") -> Span:
    """A span from text that came from outside: its control characters are written out, its markup stays text."""
    return (visible(outside), tone)


def width_of(line: Line) -> int:
    return sum(cell_len(span[0]) for span in line)


def fit(words: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded, or cut with an ellipsis. A wide character is never halved."""
    if width <= 0:
        return ""
    length = cell_len(words)
    if length > width:
        return set_cell_size(words, width - 1) + "…" if width > 1 else "…"
    padding = " " * (width - length)
    return padding + words if right else words + padding


def cut(line: Line, width: int) -> Line:
    """The line, cut to `width` cells with an ellipsis where it is longer."""
    if width_of(line) <= width:
        return line
    room, kept = width, []
    for words, tone in line:
        length = cell_len(words)
        if length >= room and tone == "rule":  # a rule has no words that could be missed
            kept.append((set_cell_size(words, room), tone))
            break
        if length >= room:
            kept.append((fit(words + " ", room) if length == room else fit(words, room), tone))
            break
        kept.append((words, tone))
        room -= length
    return tuple(kept)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left`, then `right` at the right edge; the left side gives way."""
    room = width - width_of(right)
    if room <= 1:
        return cut(left, width)
    shown = cut(left, room - 1)
    return (*shown, (" " * (room - width_of(shown)), ""), *right)


def wrap(words: str, width: int) -> list[str]:
    """Visible text over several lines of at most `width` cells, broken at spaces where there are some."""
    width = max(4, width)
    lines: list[str] = []
    current = ""
    for word in words.split(" "):
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if current:
            lines.append(current)
        current = word
        # Measured piece by piece: a word of thousands of characters is measured once, not once a line.
        while len(current) > 2 * width or cell_len(current) > width:
            head = set_cell_size(current[: 2 * width], width)
            taken = len(head.rstrip()) if current.startswith(head.rstrip()) else width // 2
            lines.append(current[:taken])
            current = current[taken:]
    lines.append(current)
    return lines


def to_strip(line: Line, width: int, style_of: Callable[[str], Style]) -> Strip:
    """Cells for one line: every span in its tone, filled to `width` in the base style."""
    segments = [Segment(words, style_of(tone)) for words, tone in line if words]
    return Strip(segments).adjust_cell_length(width, style_of(""))


def difference(old: Line, new: Line, width: int) -> tuple[int, int] | None:
    """The first cell that differs and how many from there to the last one; None where nothing differs."""
    if old == new:
        return None
    before, after = _cells(old, width), _cells(new, width)
    first = next((x for x in range(width) if before[x] != after[x]), None)
    if first is None:
        return None
    last = next(x for x in range(width - 1, -1, -1) if before[x] != after[x])
    return first, last - first + 1


def _cells(line: Line, width: int) -> list[Span]:
    cells: list[Span] = []
    for words, tone in line:
        for character in words:
            size = cell_len(character)
            if size == 0 and cells:
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
            elif size:
                cells.append((character, tone))
                cells.extend([(f"{character} goes on", tone)] * (size - 1))
        if len(cells) >= width:
            break
    cells.extend([(" ", "")] * (width - len(cells)))
    return cells[:width]
