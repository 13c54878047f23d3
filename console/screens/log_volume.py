"""The number of lines over time above a log: one column for each part of the time, with the lines in view marked."""

from __future__ import annotations

from queries.model.log import LogCounts
from queries.text.durations import format_duration
from queries.text.times import format_shown
from widgets.sparkline import BLOCKS
from widgets.styled_text import Line, spread

_NANO = 1_000_000_000


class LogVolume:
    """What the chart shows; times are Unix nanoseconds."""

    def __init__(self, counts: LogCounts) -> None:
        self._counts = counts

    def column_of(self, at_ns: int) -> int:
        """The column of a time; the first or last one for a time outside of the chart."""
        return min(len(self._counts.counts) - 1, max(0, (at_ns - self._counts.start_ns) // self._counts.step_ns))

    def start_of(self, column: int) -> int:
        """The time at which a column begins."""
        return self._counts.start_ns + column * self._counts.step_ns

    def next_column(self, at_ns: int, direction: int) -> int | None:
        """The nearest column with lines before (-1) or after (1) that of this time; None without one."""
        column = self.column_of(at_ns) + direction
        while 0 <= column < len(self._counts.counts):
            if self._counts.counts[column]:
                return column
            column += direction
        return None

    def lines(self, width: int, *, first_ns: int, last_ns: int) -> tuple[Line, ...]:
        """The chart and its axis; the columns between two times are marked."""
        counts, step_ns = self._counts.counts, self._counts.step_ns
        most = max(counts, default=0)
        blocks = [BLOCKS[round(count / most * (len(BLOCKS) - 1))] if count else " " for count in counts]
        first, last = self.column_of(first_ns), self.column_of(last_ns)
        seen = "".join(blocks[first : last + 1]).replace(" ", "▁")
        chart: Line = (
            (" ", ""),
            ("".join(blocks[:first]), "dim"),
            (seen, "key"),
            ("".join(blocks[last + 1 :]), "dim"),
        )
        start, end = (format_shown(at // _NANO, "%m-%d %H:%M:%S") for at in (self.start_of(0), self.start_of(len(counts))))
        count = sum(counts)
        total = f"{count:,} {'line' if count == 1 else 'lines'}, at most {most:,} in {format_duration(step_ns / _NANO)}"
        return chart, spread(((f" {start}  {total}", "dim"),), ((f"{end} ", "dim"),), width)
