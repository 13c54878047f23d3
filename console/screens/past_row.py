"""The time machine's two lines below a past moment: marks on a time axis, and what the nearest ones are."""

from __future__ import annotations

from queries.model.chart import ChartMark
from queries.model.frozen import dataclass
from queries.text.durations import format_brief_age
from queries.text.times import format_shown
from widgets.styled_text import Line, Span, cut, text, width_of

_TONES = {"alert": "critical", "rollout": "accent", "action": "warn", "incident": "critical", "note": "strong"}
_LABEL = 7


@dataclass(frozen=True, slots=True)
class Timeline:
    """The marks between two times, Unix seconds, oldest first; `loading` while they are read. `missing` names the sources that
    did not answer: there may be other marks.
    """

    start: float = 0.0
    end: float = 0.0
    marks: tuple[ChartMark, ...] = ()
    loading: bool = False
    missing: str = ""

    def before(self, moment: float) -> ChartMark | None:
        return next((item for item in reversed(self.marks) if item.at < moment - 0.5), None)

    def after(self, moment: float) -> ChartMark | None:
        return next((item for item in self.marks if item.at > moment + 0.5), None)


def render_timeline(timeline: Timeline, moment: float, *, speed: int, playing: bool, width: int) -> tuple[Line, Line]:
    """The axis with its marks and the moment, and the marks around the moment in words; `speed` is how fast it plays."""
    return _axis(timeline, moment, width), _words(timeline, moment, speed=speed, playing=playing, width=width)


def _axis(timeline: Timeline, moment: float, width: int) -> Line:
    room = width - 2 * _LABEL
    seconds = timeline.end - timeline.start
    if room < 8 or seconds <= 0:
        return ((" reading what happened around this moment …" if timeline.loading else "", "dim"),)

    def column(at: float) -> int:
        return min(room - 1, max(0, int((at - timeline.start) / seconds * room)))

    cells: list[Span] = [("─", "dim")] * room
    counts: dict[int, int] = {}
    for mark in timeline.marks:
        at = column(mark.at)
        counts[at] = counts.get(at, 0) + 1
        letter = str(min(9, counts[at])) if counts[at] > 1 else mark.letter
        cells[at] = (letter, _TONES.get(mark.kind, "strong") if counts[at] == 1 else cells[at][1])
    here = column(moment)
    cells[here] = (cells[here][0] if here in counts else "┃", "past")
    spans: list[Span] = []
    for cell in cells:
        if spans and spans[-1][1] == cell[1]:
            spans[-1] = (spans[-1][0] + cell[0], cell[1])
        else:
            spans.append(cell)
    first, last = (format_shown(at, "%H:%M", mark=False) for at in (timeline.start, timeline.end))
    return ((f" {first} ", "dim"), *spans, (f" {last} ", "dim"))


def _words(timeline: Timeline, moment: float, *, speed: int, playing: bool, width: int) -> Line:
    spans: list[Span] = [(f" playing {speed}× " if playing else f" paused {speed}× ", "strong")]
    if timeline.loading:
        return cut((*spans, (" reading what happened around this moment …", "dim")), width)
    if timeline.missing:
        spans.append(text(f" marks may be missing: {timeline.missing} ", "warn"))
    here = next((item for item in timeline.marks if abs(item.at - moment) <= 0.5), None)
    before, after = timeline.before(moment), timeline.after(moment)
    if here is not None:
        spans += [(" now here: ", "dim"), text(f"{here.kind} {here.text}", _TONES.get(here.kind, "strong"))]
    known = "known " if timeline.missing else ""
    named = [
        _name_mark(before, moment, missing=f"no {known}earlier mark "),
        _name_mark(after, moment, missing=f"no {known}later mark "),
    ]
    room = max(24, width - width_of(tuple(spans)) - 2)
    for at, (key, name) in enumerate(zip("()", named, strict=True)):
        # Half of the room, and what the other one does not need of its half.
        most = max(room // 2, room - width_of((named[1 - at],)) - 3)
        spans += [(f" {key} ", "key"), *cut((name,), most - 3)]
    return cut(tuple(spans), width)


def _name_mark(mark: ChartMark | None, moment: float, *, missing: str) -> Span:
    if mark is None:
        return (missing, "dim")
    gap = format_brief_age(abs(mark.at - moment))
    words = f"{format_shown(mark.at, '%H:%M:%S', mark=False)} {mark.kind} {mark.text} ({gap})"
    return text(words, _TONES.get(mark.kind, ""))
