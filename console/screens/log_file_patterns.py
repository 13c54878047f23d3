"""The patterns of a log file, and what is new among them from a line on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual import on
from textual.message import Message

from console.logs.file_lines import FileLines
from console.logs.file_patterns import FilePatterns
from console.logs.pattern_report import PatternReport, count_lines
from console.logs.patterns import Pattern, PatternChange
from console.screens.log_patterns import PatternsScreen
from queries.model.log import LogLine

_SHIFTS = 20
"""How often a person moves the line from one end of the file to the other."""


class LinesRead(Message):
    """More lines of the file were grouped."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, LinesRead)


class LogFilePatternsScreen(PatternsScreen):
    """All lines are grouped once; another line to compare around needs no reading."""

    HELP_TEXT = (
        "All lines of the file by pattern: equal but for numbers, times and identifiers, errors first. If you were not at the "
        "end of the file, each shows what became of it from the line in the title on, compared with the lines before: new, "
        "several times as many, gone. [ and ] move this line by a twentieth of the file; enter shows only the lines of a "
        "pattern; u reads the lines that were written since."
    )

    def __init__(self, lines: FileLines, first: int | None, *, show: Callable[[Pattern], None]) -> None:
        """`first` is the number of the line to compare around, None for the end; `show` gets a chosen pattern."""
        super().__init__(str(lines.path))
        self._lines = lines
        self._first = first
        self._show = show
        self._reading: FilePatterns | None = None
        self._patterns: FilePatterns | None = None

    def on_unmount(self) -> None:
        if self._reading is not None:
            self._reading.end()

    async def read(self) -> bool:
        reading = self._reading = FilePatterns(self._lines)
        await asyncio.to_thread(reading.read_all, self._report_progress)
        self._patterns, self._report = reading, reading.report(self._first or 0)
        return True

    def _report_progress(self) -> None:
        """From a thread."""
        self.post_message(LinesRead())

    def describe_reading(self) -> str:
        return "grouping the lines of the file"

    @on(LinesRead)
    def _lines_read(self, event: LinesRead) -> None:
        event.stop()
        if self.is_current:
            self.redraw()

    def describe_moment(self) -> str:
        return f"from line {self._first + 1:,} on" if self._first else ""

    def describe_spans(self, report: PatternReport) -> str:
        return f"{count_lines(report.after.length_ns)} against the {report.before.length_ns:,} before"

    def describe_change(self, change: PatternChange) -> str:
        return super().describe_change(change) if self._first else count_lines(change.after)

    def describe_nothing(self, report: PatternReport | None) -> str:
        if report is not None:
            return "the file is empty"
        if self._reading is None:
            return "reading …"
        return f"{self._reading.read:,} of {count_lines(self._reading.total)} read …"

    def describe_place(self, line: LogLine) -> str:
        return f"{line.order + 1:,}:"

    def action_lines(self) -> None:
        change = self._rows.current
        if change is not None:
            self.app.pop_screen()
            self._show(change.pattern)

    def action_shift(self, direction: int) -> None:
        if self._patterns is None:
            return
        total = self._patterns.total
        at = (total if self._first is None else self._first) + direction * max(1, total // _SHIFTS)
        self._first = max(0, at) if at < total else None
        self._report = self._patterns.report(self._first or 0)
        self.redraw()
