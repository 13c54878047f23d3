"""A chart against a drawing of our own that goes cell by cell, and what stands below it at every height."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.model.chart import ChartData, ChartMark, ChartSeries, chart_trend
from queries.model.panel import PanelSpec, PanelState, Threshold, Unit
from queries.model.verdict import Verdict
from queries.text.axes import value_range
from queries.text.numbers import format_scaled
from widgets.plot import SERIES_TONES, Drawing, plot_columns, plot_start, render_chart
from widgets.styled_text import Line, width_of

Cells = list[list[tuple[str, str]]]
Points = tuple[tuple[float, float], ...]

DOTS = {Drawing.BRAILLE: (2, 4), Drawing.BLOCKS: (1, 2), Drawing.ASCII: (1, 3)}
BRAILLE = {(0, 0): 1, (0, 1): 2, (0, 2): 4, (1, 0): 8, (1, 1): 16, (1, 2): 32, (0, 3): 64, (1, 3): 128}
"""The bit of each dot, (across, down), in the block of Unicode from U+2800 on."""
BLOCKS = {frozenset([0]): "▀", frozenset([1]): "▄", frozenset([0, 1]): "█"}
ASCII = {"0": "'", "1": "-", "2": ".", "01": ":", "02": ":", "12": ":", "012": "|"}


def cells_of(line: Line) -> list[tuple[str, str]]:
    return [(character, tone) for words, tone in line for character in words]


def words_of(lines: Iterable[Line]) -> list[str]:
    return ["".join(words for words, _ in line) for line in lines]


def zone_of(data: ChartData, value: float) -> str:
    """The worse zone wins: a value at the threshold has reached it; where lower is worse, one below it."""
    reached = [name for name, line in data.thresholds if (value < line if data.lower_is_worse else value >= line)]
    return "critical" if "critical" in reached else "warn" if reached else ""


def glyph_of(drawing: Drawing, dots: set[tuple[int, int]]) -> str:
    if not dots:
        return " "
    if drawing is Drawing.BRAILLE:
        return chr(0x2800 + sum(BRAILLE[dot] for dot in dots))
    downs = sorted(down for _, down in dots)
    return BLOCKS[frozenset(downs)] if drawing is Drawing.BLOCKS else ASCII["".join(map(str, downs))]


def draw(data: ChartData, columns: int, rows: int, drawing: Drawing) -> Cells:
    """The cells of the plot by the rules alone: later lines lie on earlier ones, and thresholds only where nothing is."""
    across, down = DOTS[drawing]
    width, height = columns * across, rows * down
    cell = (data.end - data.start) / (columns - 1)
    end = math.ceil(data.end / cell) * cell
    start = end - cell * columns
    every = [*(each.points for each in data.series), data.best, data.ghost.points if data.ghost else ()]
    low, high = value_range(
        [value for points in every for _, value in points if math.isfinite(value)], [line for _, line in data.thresholds]
    )
    dots: dict[tuple[int, int], set[tuple[int, int]]] = {}
    tones: dict[tuple[int, int], str] = {}

    def dot_of(value: float) -> int:
        return round((high - value) / (high - low) * (height - 1))

    def put(x: int, y: int, tone: str) -> None:
        place = (x // across, y // down)
        dots.setdefault(place, set()).add((x % across, y % down))
        tones[place] = tone

    def seen(points: Points) -> list[tuple[float, float, int, int]]:
        return [
            (at, value, min(width - 1, int((at - start) / (end - start) * width)), dot_of(value))
            for at, value in points
            if math.isfinite(value) and start <= at <= end
        ]

    if data.ghost:
        for _, _, x, y in seen(data.ghost.points):
            if x % (2 * across) == 0:
                put(x, y, "dim")
    if len(data.series) == 1:
        other = dict(data.series[0].points)
        for at, _, x, y in seen(data.best):
            if math.isfinite(other.get(at, math.nan)):
                ends = sorted((y, dot_of(other[at])))
                for between in range(ends[0], ends[1] + 1):
                    if (x + between) % 2 == 0:
                        put(x, between, "dim")
    for number, series in enumerate(data.series):
        before: tuple[float, int, int] | None = None
        for at, value, x, y in seen(series.points):
            tone = SERIES_TONES[number % 6] if len(data.series) > 1 else zone_of(data, value) or "accent"
            first = y
            if before and (not data.step_seconds or at - before[0] <= 2.1 * data.step_seconds):
                first = before[2]
                for between in range(before[1] + 1, x):
                    put(between, first, tone)
            for between in range(min(first, y), max(first, y) + 1):
                put(x, between, tone)
            before = (at, x, y)
    cells = [[(glyph_of(drawing, dots.get((x, y), set())), tones.get((x, y), "")) for x in range(columns)] for y in range(rows)]
    for name, line in data.thresholds:
        if low <= line <= high:
            row = cells[dot_of(line) // down]
            row[:] = [(("╌", name) if drawn == " " else (drawn, tone)) for drawn, tone in row]
            label = f" {name} {format_scaled(line, data.unit, span=abs(line) / 10_000)} "
            for words in (label, label[1:-1]):
                at = "".join(drawn for drawn, _ in row).find("╌" * len(words))
                if at >= 0:
                    row[at : at + len(words)] = [(character, name) for character in words]
                    break
    if len(data.series) > 1:
        for number, series in enumerate(data.series):
            last = {
                min(columns - 1, int((at - start) / (end - start) * columns)): value for at, value, _, _ in seen(series.points)
            }
            for column in range(3 + number * (18 // len(data.series)), columns, 18):
                if column in last:
                    cells[dot_of(last[column]) // down][column] = (str(number + 1), SERIES_TONES[number % 6])
    return cells


VALUES = st.one_of(st.integers(-4, 12).map(float), st.sampled_from([2.0, 5.0, math.nan, math.inf]))
POINTS = st.dictionaries(st.integers(-10, 110), VALUES, max_size=40).map(
    lambda found: tuple(sorted((float(at), value) for at, value in found.items()))
)


@settings(max_examples=250)
@given(
    series=st.lists(POINTS, min_size=1, max_size=4),
    best=POINTS,
    ghost=st.none() | POINTS,
    drawing=st.sampled_from(Drawing),
    columns=st.integers(8, 60),
    rows=st.integers(4, 9),
    step=st.sampled_from([0.0, 1.0, 10.0]),
    start=st.integers(0, 40),
    cell=st.sampled_from([0.5, 1.0, 4.0]),
    thresholds=st.sampled_from([(), (("warn", 2.0), ("critical", 5.0)), (("critical", 2.0), ("warn", 5.0))]),
)
def test_every_cell_is_that_of_a_plain_drawing(
    series: list[Points],
    best: Points,
    ghost: Points | None,
    drawing: Drawing,
    columns: int,
    rows: int,
    step: float,
    start: int,
    cell: float,
    thresholds: tuple[tuple[str, float], ...],
) -> None:
    """Lines, gaps, best values, the earlier time, thresholds with their labels and the numbers of the lines, in every style:
    each cell has the glyph and the tone that the rules give it."""
    data = ChartData(
        float(start),
        start + cell * (columns - 1),
        tuple(ChartSeries("", points) for points in series),
        thresholds,
        step_seconds=step,
        lower_is_worse=bool(thresholds) and thresholds[0][0] == "critical",
        best=best,
        ghost=None if ghost is None else ChartSeries("before", ghost),
    )
    if not any(math.isfinite(value) for points in (*series, best, ghost or ()) for _, value in points):
        return
    explained = len(series) > 1 or ghost is not None or bool(best)
    below = 3 if explained else 2  # the axis, its times, and a legend
    lines = render_chart(data, columns + 11, rows + below, drawing=drawing)
    assert [cells_of(line)[11:] for line in lines[:rows]] == draw(data, columns, rows, drawing)


STEPS = ChartData(0.0, 19.0, (ChartSeries("errors", tuple((float(at), float(at // 4)) for at in range(20))),), step_seconds=1.0)
"""Twenty seconds: 0 for four of them, then 1, and so on up to 4. At 31 columns a second is a column."""

TIMES = "            00:00:00Z 00:00:10 "
AXIS = "          └────────────────────"
BUSY = replace(
    STEPS,
    series=(*STEPS.series, ChartSeries("", tuple((float(at), 1.0) for at in range(20)))),
    thresholds=(("warn", 2.0), ("critical", 3.0)),
    ghost=ChartSeries("yesterday", ((3.0, 4.0),)),
    note="peaks not kept",
    marks=(
        ChartMark(3.0, "R", "rollout", "api 42"),
        ChartMark(3.0, "S", "silence", "by ann"),
        ChartMark(7.0, "S", "silence", "by bob"),
        ChartMark(-100.0, "Q", "quiet", "long ago"),
        ChartMark(20.0, "Q", "quiet", "later"),
    ),
)


def drawn(data: ChartData, width: int, height: int, *, cursor: int | None = None) -> list[str]:
    return words_of(render_chart(data, width, height, drawing=Drawing.ASCII, cursor=cursor))


def test_a_small_chart_in_full() -> None:
    """Each value at its height, ups joined, the ends of the value axis at the ends of the plot, and from six lines on a line
    for the time axis."""
    assert drawn(STEPS, 31, 3) == ["        4 │         ....:---:''", "        0 │ ....:---:          ", TIMES]
    assert drawn(STEPS, 31, 4) == [
        "        4 │             ....|''",
        "          │         :---:      ",
        "        0 │ ....|''''          ",
        TIMES,
    ]
    steps = [
        "        4 │                 |''",
        "          │             |''''  ",
        "          │     ....|''''      ",
        "        0 │ ....|              ",
    ]
    assert drawn(STEPS, 31, 5) == [*steps, TIMES]
    assert drawn(STEPS, 31, 6) == [*steps, AXIS, TIMES]
    assert drawn(STEPS, 31, 9) == [
        "        4 │                 |''",
        "          │             ....|  ",
        "          │             |      ",
        "        2 │         :---:      ",
        "          │         |          ",
        "          │     |''''          ",
        "        0 │ ....|              ",
        AXIS,
        TIMES,
    ], "from seven rows on the middle has a label"


def test_what_stands_below_by_height() -> None:
    """The times always, the legend of two lines from four lines on, the time axis from six, the events from eight."""

    def below(height: int) -> str:
        kinds = {"00:00:00": "t", "peaks": "l", "└": "a", "events": "e"}
        found = ["".join(kind for word, kind in kinds.items() if word in line) or "p" for line in drawn(BUSY, 100, height)]
        assert len(found) == height
        return "".join(found).lstrip("p")

    assert [below(height) for height in range(3, 10)] == ["t", "tl", "tl", "atl", "atl", "atel", "atel"]
    assert [len(drawn(replace(STEPS, note="n"), 31, height)) for height in (4, 5)] == [4, 5]
    assert ["n" in drawn(replace(STEPS, note="n"), 31, height)[-1] for height in (4, 5)] == [False, True]
    assert "events" not in "".join(drawn(replace(BUSY, marks=BUSY.marks[3:]), 100, 9)), "none of them is in the window"


def test_the_worst_zone_colours_each_column_of_the_axis() -> None:
    """By the exact value: at a threshold is beyond it; of two values in a column, and of two lines, the worse one counts."""
    axis = next(line for line in drawn(replace(BUSY, marks=()), 31, 8) if "└" in line)
    assert axis == "          └─────────▲▲▲▲███████"
    worst = replace(BUSY, series=(*BUSY.series, ChartSeries("c", ((1.0, 3.0), (2.0, 2.0), (6.0, 2.0), (7.0, math.nan)))))
    axis = next(line for line in drawn(replace(worst, marks=()), 31, 8) if "└" in line)
    assert axis == "          └──█▲───▲─▲▲▲▲███████"
    both = replace(BUSY, series=(ChartSeries("", ((1.0, 3.0), (1.0, 2.0))), ChartSeries("", ((1.0, 2.0), (1.0, 0.0)))))
    assert next(line for line in drawn(replace(both, marks=()), 31, 8) if "└" in line)[11:14] == "──█"
    near = replace(STEPS, series=(ChartSeries("", ((0.0, 1.0), (5.0, 1.999), (15.0, 2.0))),), thresholds=(("warn", 2.0),))
    assert next(line for line in drawn(near, 31, 8) if "└" in line) == "          └────────────────▲───"
    outside = replace(near, series=(ChartSeries("", ((-5.0, 9.0), (5.0, 1.0), (25.0, 9.0))),))
    assert next(line for line in drawn(outside, 31, 8) if "└" in line) == AXIS


@pytest.mark.parametrize(
    ("step", "axis"),
    [(5.0, "       ▲▲▲▲▲        "), (2.0, "           ▲        "), (0.0, "       ▲▲▲▲▲        ")],
)
def test_a_step_reaches_back_to_the_one_before(step: float, axis: str) -> None:
    """With fewer steps than columns the whole step has the colour; across a gap only the column of the point has."""
    series = (ChartSeries("", ((5.0, 0.0), (10.0, 2.0), (15.0, 0.0))),)
    data = replace(STEPS, series=series, thresholds=(("warn", 2.0),), step_seconds=step)
    assert next(line for line in drawn(data, 31, 8) if "└" in line)[11:].replace("─", " ") == axis


@pytest.mark.parametrize(("apart", "joined"), [(2.0, True), (2.1, True), (2.11, False)])
def test_a_gap_is_more_than_two_steps(apart: float, joined: bool) -> None:
    """Points a little more than two steps apart are still joined: a late scrape is no gap."""
    data = replace(STEPS, series=(ChartSeries("", ((4.0, 0.0), (4.0 + apart, 4.0))),), thresholds=(("warn", 4.0),))
    lines = drawn(data, 31, 8)
    assert ("▲▲" in next(line for line in lines if "└" in line)) is joined
    assert (sum("|" in line for line in lines) > 2) is joined


def test_the_edge_of_the_plot_shows_the_zones() -> None:
    """Each row by the value in its middle, so that the zones are visible beside the curve."""
    rows = [cells_of(line)[10] for line in render_chart(BUSY, 31, 8)[:4]]
    assert rows == [("█", "critical"), ("▒", "warn"), ("│", "dim"), ("│", "dim")]
    turned = replace(STEPS, thresholds=(("critical", 1.0), ("warn", 2.0)), lower_is_worse=True)
    assert [line[10] for line in drawn(turned, 31, 5)[:4]] == ["│", "│", "▒", "█"]


def test_the_legend_names_what_is_drawn() -> None:
    """The note, each line with its last value while that fits, the earlier time, and each kind of event once. One line without
    anything beside it needs none."""
    assert drawn(BUSY, 100, 9)[-1] == "           peaks not kept  1━ errors 4  2━ value 1  · yesterday  R rollout  S silence  "
    longer = replace(BUSY, note="", ghost=None, marks=())
    assert drawn(longer, 36, 9)[-1] == "           1━ errors 4  2━ value 1  "
    assert drawn(longer, 34, 9)[-1] == "           1━ errors 4  2━ value 1"
    assert drawn(longer, 33, 9)[-1] == "           1━ errors  2━ value  "
    assert drawn(STEPS, 31, 9)[-1] == TIMES
    gone = replace(longer, series=(longer.series[0], ChartSeries("b", ((0.0, 2.0), (1.0, math.nan))), ChartSeries("c", ())))
    assert drawn(gone, 60, 9)[-1] == "           1━ errors 4  2━ b 2  3━ c NaN  "
    tones = [tone for words, tone in render_chart(gone, 60, 9)[-1] if "━" in words]
    assert tones == list(SERIES_TONES[:3])


def test_the_legend_tells_values_apart_that_differ_little() -> None:
    """Availabilities between 99.9 and 100 have the digits that tell them apart; values far apart have three."""

    def values(*ends: float) -> str:
        data = replace(STEPS, series=tuple(ChartSeries("", ((0.0, end), (1.0, end))) for end in ends), unit=Unit.PERCENT)
        return drawn(data, 80, 9)[-1].strip()

    assert values(99.964, 99.9) == "1━ value 99.964 %  2━ value 99.9 %"
    assert values(99.964, 98.9) == "1━ value 100 %  2━ value 98.9 %"
    assert values(99.964, 98.964) == "1━ value 100 %  2━ value 99 %", "a difference of one is far enough"


@pytest.mark.parametrize("lower", [False, True])
def test_the_best_values_are_explained_as_long_as_there_is_room(lower: bool) -> None:
    """Up to the best value where lower is worse, else down to it; after the note, which comes first."""
    data = replace(STEPS, best=((0.0, 0.0), (4.0, 0.0)), lower_is_worse=lower)
    full = f"░ {'up' if lower else 'down'} to the best value of a step  "
    assert drawn(data, 11 + len(full), 9)[-1] == " " * 11 + full
    assert drawn(data, 10 + len(full), 9)[-1] == " " * 11 + "░ best  "
    noted = replace(data, note="note", ghost=ChartSeries("before", ()))
    assert drawn(noted, 80, 9)[-1] == " " * 11 + "note  " + full + "· before  "
    assert drawn(replace(data, ghost=ChartSeries("before", ())), 80, 9)[-1] == " " * 11 + full + "· before  "
    two = replace(data, series=(*STEPS.series, *STEPS.series))
    assert "best" not in drawn(two, 80, 9)[-1], "of two lines no best values are drawn"


READ = replace(
    BUSY,
    end=79.0,
    series=(
        ChartSeries("errors", tuple((float(at), float(at // 16)) for at in range(80))),
        ChartSeries("", tuple((float(at), 1.0) for at in range(0, 80, 2))),
    ),
    ghost=ChartSeries("yesterday", ((3.0, 4.0), (3.5, 2.0))),
)
"""At 91 columns a second is a column, the first of them the second before the window."""


def read(data: ChartData, cursor: int) -> str:
    return drawn(data, 91, 9, cursor=cursor)[-1].strip()


@pytest.mark.parametrize(("at", "shown"), [(-1.0, True), (-1.01, False), (79.0, True), (79.01, False)])
def test_events_at_the_ends_of_the_window(at: float, shown: bool) -> None:
    """The window is eighty columns of a second, both ends included; an event outside it stands nowhere."""
    data = replace(READ, series=STEPS.series, ghost=None, note="", marks=(ChartMark(at, "R", "rollout", "api 42"),))
    lines = drawn(data, 91, 9)
    column = 0 if at < 0 else 79
    assert any("events" in line for line in lines) is shown and ("R rollout" in lines[-1]) is shown
    assert not shown or lines[-2][11:].index("R") == column
    assert ("api 42" in read(data, column)) is shown


def test_the_cursor_reads_every_line_at_its_time() -> None:
    """The time, each line with its name and the zone of its value, the earlier time, and the events of that column. What lies
    beyond an end is read as the end."""
    assert read(READ, 1) == "00:00:00Z  errors 0  1  yesterday no data"
    assert read(READ, 2) == "00:00:01Z  errors 0  no data  yesterday no data"
    assert read(READ, 4) == "00:00:03Z  errors 0  no data  yesterday 4 CRITICAL  R api 42  S by ann"
    assert read(READ, 8) == "00:00:07Z  errors 0  no data  yesterday no data  S by bob"
    assert read(READ, 33) == "00:00:32Z  errors 2 WARN  1  yesterday no data"
    assert read(READ, 79) == read(READ, 80) == read(READ, 999) == "00:01:18Z  errors 4 CRITICAL  1  yesterday no data"
    assert read(READ, 0) == read(READ, -7) == "23:59:59Z  errors no data  no data  yesterday no data"
    tones = [tone for words, tone in render_chart(READ, 91, 9, cursor=33)[-1] if words.strip()]
    assert tones == ["strong", "warn", "warn", "strong", "strong"]
    assert width_of(render_chart(READ, 40, 9, cursor=33)[-1]) == 40


def test_the_cursor_reads_the_worst_value_of_its_column() -> None:
    """Of several values the largest, or the smallest where lower is worse; a step wider than a column ends with its value. A
    line alone needs no name."""
    points = ((10.0, 1.5), (10.5, 2.5), (10.75, 0.5), (11.0, 9.0))
    alone = replace(READ, series=(ChartSeries("errors", points),), ghost=None, marks=())
    assert read(alone, 11) == "00:00:10Z  2.5 WARN"
    lower = replace(alone, lower_is_worse=True, thresholds=(("warn", 1.0), ("critical", 0.5)))
    assert read(lower, 11) == "00:00:10Z  0.5 WARN"
    wide = replace(alone, series=(ChartSeries("errors", ((10.0, 1.0), (20.0, 2.0))),), step_seconds=10.0)
    assert (read(wide, 11), read(wide, 12), read(wide, 21)) == ("00:00:10Z  1", "00:00:11Z  2 WARN", "00:00:20Z  2 WARN")
    assert read(replace(wide, ghost=ChartSeries("before", ((20.0, 1.0),))), 12) == "00:00:11Z  errors 2 WARN  before 1"


@pytest.mark.parametrize(("hours", "shown"), [(20, "00:00:00Z"), (21, "1970-01-01 00:00:00Z")])
def test_the_cursor_names_the_day_where_hours_are_not_enough(hours: int, shown: str) -> None:
    """Up to twenty hours a time of day is enough."""
    seconds = hours * 3600.0
    cell = seconds / 80
    points = tuple((at * cell, 1.0) for at in range(80))
    data = ChartData(0.0, 79 * cell, (ChartSeries("", points),), step_seconds=cell)
    assert read(data, 1) == f"{shown}  1"


def test_the_cursor_is_a_line_that_hides_nothing() -> None:
    """It goes through what is empty and through thresholds, and marks what it meets."""
    plain, shown = render_chart(BUSY, 31, 9, drawing=Drawing.ASCII), render_chart(BUSY, 31, 9, drawing=Drawing.ASCII, cursor=6)
    assert words_of(shown)[5:8] == words_of(plain)[5:8]
    for before, after in zip(plain[:5], shown[:5], strict=True):
        old, new = cells_of(before), cells_of(after)
        assert old[:17] + old[18:] == new[:17] + new[18:]
        drawn_there, tone = old[17]
        assert new[17] == (("│", "strong") if drawn_there in " ╌" else (drawn_there, f"cursor+{tone}"))
    rightmost = render_chart(BUSY, 31, 9, drawing=Drawing.ASCII, cursor=500)
    assert all(cells_of(line)[30] == ("│", "strong") or cells_of(line)[30][1].startswith("cursor+") for line in rightmost[:5])


def test_thresholds_are_labelled_where_nothing_is_drawn() -> None:
    """At the left if that is free, else further right, without its blanks where those do not fit, and not at all over a
    spike. As exact as it is configured."""

    def row(points: Points, *, columns: int = 20, line: float = 2.0, unit: Unit | None = None) -> str:
        data = ChartData(0.0, columns - 1.0, (ChartSeries("", points),), (("warn", line),), unit, step_seconds=1.0)
        lines = drawn(data, columns + 11, 4)
        return next(line for line in lines if "╌" in line or "warn" in line)[11:]

    assert row(((0.0, 0.0), (19.0, 4.0))) == " warn 2 ╌╌╌╌╌╌╌╌╌╌╌╌"
    assert row(((0.0, 0.0), (4.0, 2.0), (19.0, 4.0))) == "╌╌╌╌╌- warn 2 ╌╌╌╌╌╌"
    assert row(((0.0, 0.0), (6.0, 2.0), (13.0, 2.0), (19.0, 4.0))) == "warn 2╌-╌╌╌╌╌╌-╌╌╌╌╌"
    assert row(((0.0, 0.0), (4.0, 2.0), (8.0, 2.0), (12.0, 2.0), (16.0, 2.0), (19.0, 4.0))) == "╌╌╌╌╌-╌╌╌-╌╌╌-╌╌╌-╌╌"
    exact = ChartData(0.0, 39.0, (ChartSeries("", ((0.0, 99.9), (39.0, 100.0))),), (("warn", 99.95),), Unit.PERCENT)
    assert "warn 99.95 %" in "".join(drawn(exact, 51, 9))


@pytest.mark.parametrize(("line", "shown"), [(4.0, True), (0.0, True), (900.0, False)])
def test_a_threshold_at_an_end_of_the_axis_is_drawn(line: float, shown: bool) -> None:
    """At both ends; one that would squash the curve is beyond them, if another is nearer."""
    data = replace(STEPS, series=(ChartSeries("", ((3.0, 0.0), (17.0, 4.0))),), thresholds=(("critical", 3.0), ("warn", line)))
    assert any("warn" in words for words in drawn(data, 60, 9)[:7]) is shown


def test_a_message_takes_the_place_of_the_plot() -> None:
    """Wrapped with a blank at the left, as many lines as there are, at least one; without any point it says so."""
    told = ChartData(0.0, 1.0, message="nothing was recorded before noon")
    assert words_of(render_chart(told, 14, 9)) == [" nothing was", " recorded", " before noon"]
    assert words_of(render_chart(told, 14, 2)) == [" nothing was", " recorded"]
    assert words_of(render_chart(told, 14, 0)) == [" nothing was"]
    assert render_chart(told, 80, 9) == (((" nothing was recorded before noon", "unknown"),),)
    assert words_of(render_chart(replace(STEPS, message="no answer"), 80, 9)) == [" no answer"]
    for points in ((), ((1.0, math.nan),)):
        empty = ChartData(0.0, 1.0, (ChartSeries("", points),))
        assert words_of(render_chart(empty, 80, 9)) == [" no points in this window"]


def test_a_box_that_is_too_small_shows_the_last_value() -> None:
    """A plot needs eight columns and three lines."""
    assert drawn(STEPS, 19, 3)[0].startswith("        4 │") and len(drawn(STEPS, 19, 3)) == 3
    for width, height in ((18, 3), (19, 2), (80, 2), (18, 20)):
        assert drawn(replace(STEPS, unit=Unit.PERCENT), width, height) == [" 4 %"]


def test_where_the_plot_begins() -> None:
    """After the labels and the edge: where a click reads the chart."""
    assert (plot_start(STEPS, 31), plot_columns(STEPS, 31)) == (11, 20)


def test_the_trend_of_a_panel_as_a_chart() -> None:
    """Over the window of the trend; without one, from its first point to its last; without points the message stands there."""
    spec = PanelSpec("x", "Errors", Unit.PERCENT, lower_is_worse=True)
    points = ((10.0, 1.0), (70.0, 2.0))
    state = PanelState(
        spec, Verdict.OK, Threshold(90.0, 70.0), 2.0, trend=points, trend_window=(0.0, 120.0), trend_sampled=True
    )
    assert chart_trend(state, "no trend") == ChartData(
        0.0,
        120.0,
        (ChartSeries("Errors", points),),
        (("warn", 90.0), ("critical", 70.0)),
        Unit.PERCENT,
        step_seconds=2.0,
        lower_is_worse=True,
        note="peaks not kept",
    )
    shorter = chart_trend(replace(state, trend_window=(0.0, 0.0), trend_sampled=False), "no trend")
    assert (shorter.start, shorter.end, shorter.step_seconds, shorter.message, shorter.note) == (10.0, 70.0, 1.0, "", "")
    gone = chart_trend(replace(state, trend=(), trend_window=(0.0, 0.0)), "no trend")
    assert (gone.start, gone.end, gone.series, gone.message) == (0.0, 0.0, (), "no trend")


def test_best_values_without_their_line_are_not_drawn() -> None:
    """They belong to the values of one line."""
    data = replace(STEPS, series=(), best=((1.0, 1.0), (5.0, 4.0)))
    assert not "".join(line[11:] for line in drawn(data, 31, 9)[:7]).strip()
