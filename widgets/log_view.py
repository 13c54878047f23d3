"""A window over a log that may be long, grow, and lose its oldest lines: only the lines in view are laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from queries.model.log import LogLevel, LogLine, drop_stamp, find_level
from queries.model.text import visible
from queries.text.times import format_shown
from widgets.line_view import LineView
from widgets.styled_text import Line, Span, fit, wrap

Spans = Sequence[tuple[int, int]]
_LEVEL_MARKS = {
    LogLevel.ERROR: ("E", "critical"),
    LogLevel.WARN: ("W", "warn"),
    LogLevel.INFO: (" ", ""),
    LogLevel.DEBUG: ("d", "dim"),
    LogLevel.UNKNOWN: (" ", ""),
}
_SHIFT = 20
"""Columns by which an unwrapped line is moved."""


class LogLines(Protocol):
    """The lines behind the window. A line is identified by `(at_ns, order)`, by which they are sorted."""

    def count(self) -> int: ...

    def window(self, first: int, last: int) -> list[LogLine]: ...

    def index_of(self, key: tuple[int, int]) -> int: ...


class LogView(LineView, can_focus=True):
    """Shows the end of the log and follows it until a person moves up; then the first line in view stays where it is, whatever
    arrives or falls out.

    `labels` gives each source its short name and tone; `spans` the parts of a text to mark.
    """

    DEFAULT_CSS = """
    LogView { overflow: hidden hidden; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, tooltip="One line up; the view stops following", id="log.up"),
        Binding("down,j", "move(1)", "down", show=False, tooltip="One line down", id="log.down"),
        Binding("pageup", "page(-1)", "page up", show=False, tooltip="One page up", id="log.page_up"),
        Binding("pagedown,space", "page(1)", "page down", show=False, tooltip="One page down", id="log.page_down"),
        Binding("home,g", "start", "first", show=False, tooltip="To the first line", id="log.first"),
        Binding("end,G", "end", "last", show=False, tooltip="To the last line, and follow", id="log.last"),
        Binding("left,h", "shift(-1)", "left", show=False, tooltip="Unwrapped lines: to the left", id="log.left"),
        Binding("right", "shift(1)", "right", show=False, tooltip="Unwrapped lines: to the right", id="log.right"),
    ]

    class Moved(Message):
        """A person moved the window."""

    def __init__(self, lines: LogLines, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.wraps = True
        self.shows_times = False
        self.labels: Mapping[str, Span] = {}
        self.spans: Callable[[str], Spans] | None = None
        self.format: Callable[[str], str] | None = None
        """How the text of a line is shown; None as it is."""
        self.cursor: tuple[int, int] | None = None
        """The line that a search stands on."""
        self.empty = ""
        self._log = lines
        self._top: tuple[int, int] | None = None
        """The line at the top; None to show the end."""
        self._skipped = 0
        """Rows of the top line that are above the window."""
        self._column = 0
        self._rows: list[Line] = []

    @property
    def follows(self) -> bool:
        """Whether it shows the end of the log."""
        return self._top is None

    def position(self) -> tuple[int, int]:
        """Index of the first line in view, and the number of lines."""
        count = self._log.count()
        first = max(0, count - len(self._rows)) if self._top is None else min(self._log.index_of(self._top), count)
        return first, count

    def times(self) -> tuple[int, int]:
        """The times of the first and the last line in view, Unix nanoseconds; 0 without a line."""
        first, count = self.position()
        lines = self._log.window(first, min(count, first + max(1, len(self._rows))))
        return (lines[0].at_ns, lines[-1].at_ns) if lines else (0, 0)

    def current(self) -> LogLine | None:
        """The line of the cursor, else the last one in view at the end of the log, and the first one elsewhere."""
        first, count = self.position()
        if self.cursor is not None:
            first = self._log.index_of(self.cursor)
        elif self._top is None:
            return self._nearest(count - 1, -1)
        return self._nearest(first, 1) or self._nearest(first, -1)

    def next_line(self, line: LogLine, direction: int) -> LogLine | None:
        """The line before (-1) or after (1) this one, which gets the cursor; None at the end. Notices are no lines."""
        index = self._log.index_of(line[:2])
        gone = direction > 0 and self._log.window(index, index + 1) != [line]
        found = self._nearest(index if gone else index + direction, direction)
        if found is not None:
            self.show_line(found[:2])
        return found

    def _nearest(self, index: int, direction: int) -> LogLine | None:
        while 0 <= index < self._log.count():
            found = self._log.window(index, index + 1)
            if found and not found[0].notice:
                return found[0]
            index += direction
        return None

    def update(self, *, lines: LogLines | None = None) -> None:
        """Lay out what is in view now; `lines` replaces the log."""
        if lines is not None:
            self._log, self._top, self._skipped, self.cursor = lines, None, 0, None
        self._rows = self._lay_out(max(1, self.inner_width), self.size.height)
        self.refresh_changes()

    def show_line(self, key: tuple[int, int]) -> None:
        """Put the cursor on a line, a third of the window below the top."""
        self.cursor = key
        index = max(0, self._log.index_of(key) - self.size.height // 3)
        self._show_index(index)

    # Layout

    def line_count(self, width: int) -> int:
        return len(self._rows)

    def line_at(self, index: int, width: int) -> Line:
        return self._rows[index]

    def on_resize(self) -> None:
        self.update()
        super().on_resize()

    def _lay_out(self, width: int, height: int) -> list[Line]:
        if height <= 0:
            return []
        count = self._log.count()
        rows: list[Line] = []
        if not count:
            rows = [((f" {line}", "dim"),) for line in wrap(self.empty, width - 2)] if self.empty else []
            return rows[:height]
        if self._top is not None:
            first = self._log.index_of(self._top)
            for number, line in enumerate(self._log.window(first, first + height + 1)):
                laid_out = self._lay_out_line(line, width)
                rows += laid_out[self._skipped :] if not number and line[:2] == self._top else laid_out
                if len(rows) >= height:
                    return rows[:height]
        # The end of the log, also where less than a window was left below the top.
        rows = []
        for line in reversed(self._log.window(count - height, count)):
            rows = [*self._lay_out_line(line, width), *rows]
            if len(rows) >= height:
                break
        return rows[-height:]

    def _lay_out_line(self, line: LogLine, width: int) -> list[Line]:
        if line.notice:
            return [((f" ── {part}", "accent"),) for part in wrap(visible(line.text), width - 5)]
        mark, tone = _LEVEL_MARKS[find_level(line.text)]
        on_cursor = line[:2] == self.cursor
        prefix: list[Span] = [("›" if on_cursor else " ", "key" if on_cursor else ""), (f"{mark} ", tone)]
        if self.shows_times:
            prefix.append((f"{_format_clock(line.at_ns)} ", "dim"))
        if self.labels:
            prefix.append(self.labels.get(line.source, (line.source, "")))
            prefix.append((" ", ""))
        room = max(8, width - sum(cell_len(text) for text, _ in prefix))
        own = drop_stamp(line) if self.shows_times else line.text
        content = visible(self.format(own) if self.format else own)
        if line.size_bytes:
            content += f"… (cut: the line has {line.size_bytes:,} bytes)"
        spans = self.spans(content) if self.spans else ()
        under = "cursor" if on_cursor else ""
        if not self.wraps:
            parts = [(self._column, content[self._column : self._column + 2 * room + 2])]
        else:
            parts, at = [], 0
            for part in wrap(content, room):
                at = content.find(part, at)
                parts.append((at, part))
                at += len(part)
        rows: list[Line] = []
        for number, (at, part) in enumerate(parts):
            head = prefix if not number else [(" " * (width - room), "")]
            rows.append(tuple(_lay(item, under) for item in (*head, *_mark(part, at, spans, tone))))
        return rows

    # Movement

    def _show_index(self, index: int, *, skipped: int = 0) -> None:
        found = self._log.window(max(0, index), max(0, index) + 1)
        self._top, self._skipped = (found[0][:2], skipped) if found else (None, 0)
        self.update()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        self._move_rows(by)

    def action_page(self, by: int) -> None:
        self._move_rows(by * max(1, self.size.height - 1))

    def action_start(self) -> None:
        self._show_index(0)

    def action_end(self) -> None:
        """Show the end, and follow it."""
        self._top, self._skipped = None, 0
        self.update()
        self.post_message(self.Moved())

    def hold(self) -> None:
        """Stay at the lines in view."""
        if self._top is None:
            index, skipped = self._find_top()
            self._show_index(index, skipped=skipped)

    def action_shift(self, by: int) -> None:
        if not self.wraps:
            self._column = max(0, self._column + by * _SHIFT)
            self.update()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        event.prevent_default()
        self._move_rows(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        event.prevent_default()
        self._move_rows(3)

    def _find_top(self) -> tuple[int, int]:
        """The index of the line at the top of the window, and its rows above it."""
        if self._top is not None:
            return self._log.index_of(self._top), self._skipped
        width, rows, count = max(1, self.inner_width), 0, self._log.count()
        lines = self._log.window(count - self.size.height, count)
        for back, line in enumerate(reversed(lines), start=1):
            rows += len(self._lay_out_line(line, width))
            if rows >= self.size.height:
                return count - back, rows - self.size.height
        return 0, 0

    def _move_rows(self, by: int) -> None:
        if by > 0 and self._top is None:
            return
        width = max(1, self.inner_width)
        index, skipped = self._find_top()
        skipped += by
        while skipped < 0 and index > 0:
            index -= 1
            (line,) = self._log.window(index, index + 1) or (None,)
            skipped += len(self._lay_out_line(line, width)) if line else 1
        skipped = max(0, skipped)
        lines = self._log.window(index, index + skipped + 1)
        for line in lines:
            size = len(self._lay_out_line(line, width))
            if skipped < size:
                break
            skipped -= size
            index += 1
        if by > 0 and self._is_end(index, skipped, width):
            self.action_end()
        else:
            self._show_index(index, skipped=skipped)

    def _is_end(self, index: int, skipped: int, width: int) -> bool:
        """Whether a window that begins there shows the last row."""
        rows = -skipped
        for line in self._log.window(index, index + self.size.height + skipped + 1):
            rows += len(self._lay_out_line(line, width))
            if rows > self.size.height:
                return False
        return True


def _format_clock(at_ns: int) -> str:
    clock = format_shown(at_ns // 1_000_000_000, "%H:%M:%S", mark=False, unknown="")
    return f"{clock}.{at_ns // 1_000_000 % 1000:03d}" if clock else "  no time   "


def _lay(span: Span, under: str) -> Span:
    return (span[0], f"{under}+{span[1]}") if under and "+" not in span[1] else span


def _mark(part: str, at: int, spans: Spans, tone: str) -> list[Span]:
    """The text of one row, which begins at this index of the line, with its matches marked."""
    marked: list[Span] = []
    done = 0
    for first, last in ((max(0, start - at), min(len(part), end - at)) for start, end in spans):
        if last > first >= done:
            marked += [(part[done:first], tone), (part[first:last], "match")]
            done = last
    return [*marked, (part[done:], tone)]


def shorten_names(sources: Sequence[str]) -> dict[str, str]:
    """A short name for each source: the end of a pod's name, with the container if there is one; the whole name where the end
    is not unique.
    """
    ends = {}
    for source in sources:
        pod, slash, container = source.partition("/")
        ends[source] = pod.rpartition("-")[2] + slash + container
    names = list(ends.values())
    return {source: end if names.count(end) == 1 else source for source, end in ends.items()}


def build_labels(sources: Sequence[str], width: int) -> dict[str, Span]:
    """The label of each source in one column of at most `width` cells, each in one of a few tones."""
    names = {source: visible(name) for source, name in shorten_names(sources).items()}
    size = min(width, max(map(cell_len, names.values()), default=0))
    return {
        source: (fit(name, size), f"source-{number % _SOURCE_TONES}") for number, (source, name) in enumerate(names.items())
    }


_SOURCE_TONES = 5
