"""The patterns of a file: all its lines grouped by template, and what is new from one of them on."""

from __future__ import annotations

import re
from collections.abc import Callable

from console.logs.file_lines import FileLines
from console.logs.pattern_report import PatternReport, note_other
from console.logs.patterns import MOST_CHARACTERS, WILD, Pattern, PatternMiner, Span, compare_patterns
from queries.concurrency import CPU_LOCK
from queries.model.regex import compile_search

_BLANK = r"[\s\pZ\x0b\x1c-\x1f\x85]"
"""What str.split takes for a blank."""


class FilePatterns:
    """The number of a line stands for its time: a file may have none."""

    def __init__(self, lines: FileLines) -> None:
        self.read = 0
        """How many lines were read so far."""
        self.total = lines.line_count
        self._lines = lines
        self._miner = PatternMiner()
        self._ended = False

    def end(self) -> None:
        """Read no more lines."""
        self._ended = True

    def read_all(self, on_progress: Callable[[], None]) -> None:
        """Read every line that the file has now, in a thread."""
        for lines in self._lines.all_lines(self.total):
            if self._ended:
                return
            with CPU_LOCK:
                self._miner.add(line._replace(at_ns=line.order) for line in lines)
            self.read += len(lines)
            on_progress()
        with CPU_LOCK:
            self._miner.sort()

    def report(self, first: int) -> PatternReport:
        """The patterns of the lines from number `first` on, compared with those before; of all lines if there are none."""
        compares = 0 < first < self.read
        before, after = (Span(0, first), Span(first, self.read)) if compares else (Span(0, 0), Span(0, self.read))
        changes = compare_patterns(self._miner.patterns, before=before, after=after)
        return PatternReport(changes, before, after, self.read, "", note_other(self._miner))


class TemplateSearch:
    """Finds the lines of a pattern: its words in their order, and anything where it has a variable part."""

    note = ""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern.template
        words = (".*".join(map(re.escape, word.split(WILD))) for word in pattern.words)
        self._search = compile_search(f"^{_BLANK}*{f'{_BLANK}+'.join(words)}{_BLANK}*$", ignore_case=False).search

    def matches(self, line: str) -> bool:
        return self._search(line[:MOST_CHARACTERS].encode("utf-8", "replace")) is not None

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Nothing is marked: the whole line matches."""
        return []
