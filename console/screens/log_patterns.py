"""What is new in a log after a moment: patterns that appeared, multiplied or vanished."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.logs.pattern_report import PatternReport, count_lines, describe_change
from console.logs.patterns import Novelty, PatternChange
from console.screens.base import section
from console.screens.messages import OpenLogsRequested
from console.screens.reading_screen import ReadingScreen
from console.screens.render_context import RenderContext
from queries.model.log import LogLevel, LogLine, drop_stamp
from queries.model.series import quote
from queries.text.durations import format_duration
from queries.text.times import format_shown
from widgets.rows import Rows
from widgets.styled_text import Line, fit, spread, text, width_of, wrap
from widgets.text_view import TextView

_NANO = 1_000_000_000
_SHIFT_SECONDS = 300.0
_WIDE = 110
_LEVELS = {LogLevel.ERROR: ("E", "critical"), LogLevel.WARN: ("W", "warn")}
_TONES = {Novelty.NEW: "critical", Novelty.MORE: "warn", Novelty.GONE: "accent", Novelty.SAME: "dim"}


class PatternsScreen(ReadingScreen):
    """Patterns with what became of them after a moment, the most telling first, and that of the cursor in full."""

    SCREEN_TITLE = "Log patterns"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "lines", "lines", key_display="enter", tooltip="The lines of this pattern", id="patterns.lines"),
        Binding(
            "left_square_bracket",
            "shift(-1)",
            "earlier",
            key_display="[",
            tooltip="Compare around an earlier moment: five minutes, or a twentieth of a file",
            id="patterns.earlier",
        ),
        Binding(
            "right_square_bracket",
            "shift(1)",
            "later",
            key_display="]",
            tooltip="Compare around a later moment: five minutes, or a twentieth of a file",
            id="patterns.later",
        ),
    ]

    def __init__(self, subject: str) -> None:
        super().__init__()
        self._subject = subject
        self._report: PatternReport | None = None
        self._title = TextView(classes="title")
        self._note = TextView(id="patterns-note", classes="hidden")
        self._rows: Rows[PatternChange] = Rows(key=_name, draw=self._render_row, empty="", id="patterns")
        self._rows.add_class("grow")
        self._pattern = TextView(id="pattern")

    def describe_moment(self) -> str:
        """Around what the patterns are compared; empty if they are not."""
        raise NotImplementedError

    def describe_spans(self, report: PatternReport) -> str:
        """What is compared: `1m38s against the 15m before`."""
        raise NotImplementedError

    def describe_nothing(self, report: PatternReport | None) -> str:
        """Why there is no pattern, or not yet."""
        raise NotImplementedError

    def describe_place(self, line: LogLine) -> str:
        """Where in the log a line is."""
        raise NotImplementedError

    def describe_change(self, change: PatternChange) -> str:
        return describe_change(change)

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._note
        yield self._rows
        yield self._pattern

    def on_mount(self) -> None:
        super().on_mount()
        self._rows.focus()

    def draw(self, context: RenderContext) -> None:
        self.read_if_due()
        width = max(20, self.size.width)
        report = self._report
        moment = self.describe_moment()
        spans = f", {self.describe_spans(report)}" if report and moment and width >= _WIDE else ""
        found: Line = ((f"  {moment}" if moment else "", "accent"), (spans, "dim"))
        right: Line = (*self.state_of_reading(), (f" {count_lines(report.lines)} " if report else "", "dim"))
        room = max(8, width - len(" Log patterns   ") - width_of((*found, *right)))
        subject = text(self._subject, "strong")
        subject = subject if width_of((subject,)) <= room else (fit(subject[0], room), "strong")
        left: Line = ((" Log patterns ", "title"), subject, *found)
        self._title.show((spread(left, right, width),))
        notes = tuple((text(f" {part}", "warn"),) for part in wrap(report.note if report else "", width - 2) if part)
        self._note.show((*self.render_failure(width), *notes))
        self._note.set_class(not self._note.lines, "hidden")
        self._rows.show(report.changes if report else (), empty=self._describe_nothing())
        self._draw_pattern()

    @on(Rows.Highlighted)
    def _row_highlighted(self) -> None:
        self._draw_pattern()

    def _draw_pattern(self) -> None:
        """The pattern of the cursor in full, its first line, and the pods that wrote it."""
        change, width = self._rows.current, max(20, self.size.width)
        if change is None:
            self._pattern.show(())
            return
        pattern = change.pattern
        lines: list[Line] = [section("Pattern", width)]
        sample = f"{self.describe_place(pattern.sample)} {drop_stamp(pattern.sample)}"
        pods = ", ".join(dict.fromkeys(source.partition("/")[0] for source in pattern.sources))
        for name, value, most in (("all lines", pattern.template, 3), ("first line", sample, 4), ("pods", pods, 2)):
            for at, part in enumerate(wrap(text(value)[0], width - 14)[:most] if value else ()):
                lines.append(((f" {name if at == 0 else '':<11}", "dim"), (part, "")))
        self._pattern.show(tuple(lines))

    def _describe_nothing(self) -> str:
        if self.read_error or self.worker_errors.get("read"):
            return "unknown"
        return self.describe_nothing(self._report)

    @on(Rows.Selected)
    def _selected(self, event: Rows.Selected) -> None:
        event.stop()
        self.action_lines()

    def action_lines(self) -> None:
        """Show the lines of the pattern of the cursor."""
        raise NotImplementedError

    def action_shift(self, direction: int) -> None:
        """Compare around another moment."""
        raise NotImplementedError

    def _render_row(self, change: PatternChange, width: int) -> Line:
        mark, tone = _LEVELS.get(change.pattern.level, (" ", ""))
        return (
            (f"{mark} ", tone),
            text(f"{self.describe_change(change):<{32 if self.describe_moment() else 14}}  ", _TONES[change.novelty]),
            text(change.pattern.sample.text if change.pattern.count == 1 else change.pattern.template, tone),
        )


def _name(change: PatternChange) -> str:
    return change.pattern.template


class LogPatternsScreen(PatternsScreen):
    """The lines of Loki around a moment."""

    HELP_TEXT = (
        "The lines of a log by pattern: equal but for numbers, times and identifiers. Each shows what became of it after the "
        "moment in the title, compared with the time before: new, several times as many, gone. Errors come first. Enter shows "
        "the lines of a pattern; [ and ] move the moment by five minutes. An hour after the moment is compared at most."
    )

    def __init__(self, target: str, moment: float) -> None:
        super().__init__(target)
        self._moment = moment

    async def read(self) -> bool:
        session = self.context.session if self.context else None
        if session is None:
            return False
        moment = float("nan")
        while moment != self._moment:  # a person may move it meanwhile
            moment = self._moment
            self._report = await session.read_pattern_report(self._subject, moment=moment)
            self.redraw()
        return True

    def describe_reading(self) -> str:
        return "comparing the log before and after"

    def describe_moment(self) -> str:
        return f"after {format_shown(self._moment, '%m-%d %H:%M:%S')}"

    def describe_spans(self, report: PatternReport) -> str:
        before, after = (format_duration(span.seconds) for span in (report.before, report.after))
        return f"{after} against the {before} before"

    def describe_nothing(self, report: PatternReport | None) -> str:
        if report is None:
            return "comparing …"
        before, after = (format_duration(span.seconds) for span in (report.before, report.after))
        return f"Loki has no lines of it in the {before} before and {after} after"

    def describe_place(self, line: LogLine) -> str:
        return format_shown(line.at_ns / _NANO, "%H:%M:%S")

    def action_shift(self, direction: int) -> None:
        now = self.context.now if self.context else self._moment
        self._moment = min(now - 1.0, self._moment + direction * _SHIFT_SECONDS)
        self._report = None
        self.action_read()
        self.redraw()

    def action_lines(self) -> None:
        change, session = self._rows.current, self.context.session if self.context else None
        if change is None or session is None or self._report is None:
            return
        if not change.pattern.times:  # of a bundle, whose excerpts are not selected by a query
            self.post_message(OpenLogsRequested(self._subject, at=self._moment))
            return
        filters = "".join(f" |= {quote(part)}" for part in change.pattern.literals())
        self.post_message(OpenLogsRequested(f"{self._report.selector}{filters}", at=change.pattern.times[-1] / _NANO))
