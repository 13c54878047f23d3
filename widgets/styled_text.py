"""A line of a screen as spans of text and tone, before it is rendered to cells."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import repeat
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from queries.model.severity import Priority
from queries.model.text import visible
from queries.model.verdict import Verdict

Span: TypeAlias = tuple[str, str]
"""Escaped text and its tone (a name in `widgets.styles`, or empty)."""

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
    """The tone of a priority."""
    return _SEVERITY_TONES.get(priority, "accent")


def text(outside: str, tone: str = "") -> Span:
    """A span of untrusted text: control characters are escaped, markup stays text."""
    return (visible(outside), tone)


def width_of(line: Line) -> int:
    """The width of a line in cells."""
    return sum(cell_len(span[0]) for span in line)


def fit(content: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded, or cut with an ellipsis. A wide character is never split."""
    if width <= 0:
        return ""
    length = cell_len(content)
    if length > width:
        return set_cell_size(content, width - 1) + "…" if width > 1 else "…"
    padding = " " * (width - length)
    return padding + content if right else content + padding


def cut_left(content: str, cells: int) -> str:
    """The text without its first `cells` cells; the half of a wide character is a space."""
    if cells >= cell_len(content):
        return ""
    kept = set_cell_size(content, cells)
    return content[len(kept) :] if content.startswith(kept) else " " + content[len(kept) :]


def cut(line: Line, width: int) -> Line:
    """The line, cut to `width` cells with an ellipsis if it is longer."""
    if width_of(line) <= width:
        return line
    room, kept = width, []
    for content, tone in line:
        length = cell_len(content)
        if length >= room and tone == "rule":  # a rule needs no ellipsis
            kept.append((set_cell_size(content, room), tone))
            break
        if length >= room:
            kept.append((fit(content + " ", room) if length == room else fit(content, room), tone))
            break
        kept.append((content, tone))
        room -= length
    return tuple(kept)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left`, then `right` at the right edge; the left side is cut if necessary."""
    room = width - width_of(right)
    if room <= 1:
        return cut(left, width)
    shown = cut(left, room - 1)
    return (*shown, (" " * (room - width_of(shown)), ""), *right)


def wrap(content: str, width: int) -> list[str]:
    """Escaped text over several lines of at most `width` cells, broken at spaces if possible."""
    width = max(4, width)
    lines: list[str] = []
    current = ""
    for word in content.split(" "):
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if current:
            lines.append(current)
        current = word
        # Measured piece by piece: a word of thousands of characters is measured once, not once per line.
        while len(current) > 2 * width or cell_len(current) > width:
            head = set_cell_size(current[: 2 * width], width)
            taken = len(head.rstrip()) if current.startswith(head.rstrip()) else width // 2
            lines.append(current[:taken])
            current = current[taken:]
    lines.append(current)
    return lines


def render_message(content: str, width: int, height: int) -> tuple[Line, ...]:
    """Why nothing is drawn here: escaped text over at most `height` lines."""
    return tuple(((f" {label}", "unknown"),) for label in wrap(content, width - 2)[: max(1, height)])


def to_strip(line: Line, width: int, style_of: Callable[[str], Style]) -> Strip:
    """The cells of one line: every span in its tone, padded to `width` in the base style."""
    segments = [Segment(content, style_of(tone)) for content, tone in line if content]
    return Strip(segments).adjust_cell_length(width, style_of(""))


def diff_lines(old: Line, new: Line, width: int) -> tuple[int, int] | None:
    """The first cell that differs and the number of cells up to the last one; None for equal lines."""
    if old == new:
        return None
    before, after = _cells(old, width), _cells(new, width)
    first = next((x for x in range(width) if before[x] != after[x]), None)
    if first is None:
        return None
    last = next(x for x in range(width - 1, -1, -1) if before[x] != after[x])
    return first, last - first + 1


@cache
def _single_cells() -> re.Pattern[str]:
    """Text in which every character is one cell wide, as in most text: ASCII, box drawing, blocks, braille."""
    return re.compile("[ -~·•›…─-▟⠀-⣿]*")  # not before the first frame


def _add_cells(cells: list[Span], content: str, tone: str) -> None:
    for character in content:
        size = cell_len(character)
        if size == 0 and cells:
            cells[-1] = (cells[-1][0] + character, cells[-1][1])
        elif size:
            cells.append((character, tone))
            cells.extend([(f"{character} continued", tone)] * (size - 1))


def _cells(line: Line, width: int) -> list[Span]:
    cells: list[Span] = []
    for content, tone in line:
        if _single_cells().fullmatch(content):
            cells.extend(zip(content, repeat(tone)))
        else:
            _add_cells(cells, content, tone)
        if len(cells) >= width:
            break
    cells.extend([(" ", "")] * (width - len(cells)))
    return cells[:width]
