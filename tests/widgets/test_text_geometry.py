"""Trends, wrapped text and columns against plain computations."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from rich.cells import cell_len
from rich.style import Style

from widgets.column_widths import Column, arrange, page_starts, split_spare
from widgets.sparkline import BLOCKS, bucket_points, render_sparkline
from widgets.styled_text import cut, cut_left, diff_lines, fit, spread, to_strip, wrap


@pytest.mark.parametrize("seed", range(40))
def test_a_column_has_the_worst_value_of_its_time(seed: int) -> None:
    """Columns of equal length over the window, both ends included; what lies outside it or is no number does not count."""
    chance = random.Random(seed)
    width, lower = chance.randint(1, 9), chance.random() < 0.5
    points = tuple(
        (float(at), chance.choice([1.0, 2.0, 3.0, math.nan, math.inf]))
        for at in range(-3, 8 * width + 4)
        if chance.random() < 0.6
    )
    found = bucket_points(points, width, start=0.0, end=8.0 * width, lower_is_worse=lower)
    for column in range(width):
        last = 8 * (column + 1) + (column == width - 1)
        inside = [value for at, value in points if 8 * column <= at < last and math.isfinite(value)]
        assert found[column] == ((min if lower else max)(inside) if inside else None)
    assert len(found) == width
    assert bucket_points(points, width, start=5.0, end=5.0) == [None] * width
    assert bucket_points(points, 0, start=0.0, end=8.0) == [] == bucket_points(points, -1, start=0.0, end=8.0)


def line(*values: float, width: int = 0, **more: object) -> str:
    points = tuple((60.0 * at, value) for at, value in enumerate(values) if not math.isnan(value))
    return render_sparkline(points, width or len(values), **more)  # type: ignore[arg-type]


def test_the_height_of_a_trend() -> None:
    """From zero to the largest value where the smallest is small, with eight steps; to the first threshold where that is
    further; from it upwards where lower is worse, up to a hundred if everything is a percentage."""
    assert line(0, 1, 2, 3, 4, 5, 6, 7) == BLOCKS
    assert line(3, 7, 4) == "▄█▅", "from zero"
    assert line(4, 7, 8) == "▁▆█", "half of the largest value is not small"
    assert line(0, 7, thresholds=(14.0,)) == "▁▅" and line(0, 7, thresholds=(3.5, 70.0)) == "▁█"
    assert line(0, 28, thresholds=(14.0, 7.0)) == "▁█" and line(0, 7, thresholds=(70.0, 14.0)) == "▁▅"
    assert line(7, 7, thresholds=(7.0,)) == "██" and line(-7, 7, thresholds=(7.0,)) == "▁█"
    assert line(30, 100, thresholds=(30.0,), lower_is_worse=True) == "▁█"
    assert line(65, thresholds=(30.0,), lower_is_worse=True) in "▅▄"
    assert (
        line(100, thresholds=(30.0, 50.0), lower_is_worse=True) == "█"
        and line(75, thresholds=(30.0, 50.0), lower_is_worse=True) in "▅▄"
    )
    assert line(10, 65, thresholds=(30.0,), lower_is_worse=True)[0] == "▁"
    assert line(110, 300, thresholds=(100.0,), lower_is_worse=True) == "▁█"
    assert line(200, 300, thresholds=(100.0,), lower_is_worse=True) == "▅█"
    assert line(50, 100, thresholds=(200.0,), lower_is_worse=True)[1] != "█", "the threshold is the top"
    assert line(1, 2, thresholds=(math.inf,)) == line(1, 2), "no threshold at all"


def test_a_value_that_hardly_moves_looks_flat() -> None:
    """A fifth of its size fills the height; without movement it is in the middle, and zero at the bottom."""
    assert line(99, 101) == "▄▅" and line(5, 5, 5) == "▄▄▄" and line(0, 0) == "▁▁"
    assert line(-5, -5) == "▄▄"
    assert set(line(-99, -101)) <= {"▄", "▅"} and line(80, 100) == "▁█"


def test_gaps_of_a_trend() -> None:
    """Columns between points as far apart as usual are filled with the value before; a longer gap stays empty, and so does what
    is before the first and after the last point."""
    every_second = tuple((120.0 * at, float(at % 2)) for at in range(6))
    assert " " not in render_sparkline(every_second, 10, window=(0.0, 600.0))
    gap = tuple((60.0 * at, 1.0 + at % 2) for at in (0, 1, 2, 3, 7, 8, 9, 10))
    assert [at for at, each in enumerate(render_sparkline(gap, 10, window=(0.0, 600.0))) if each == " "] == [4, 5, 6]
    assert render_sparkline(((300.0, 1.0), (360.0, 2.0)), 10, window=(0.0, 600.0)) == "     ▁█   "
    assert render_sparkline(((1e9, 1.0),), 5, window=(0.0, 600.0)) == "     ", "outside the window"
    assert render_sparkline((), 3) == "   " and render_sparkline(((1.0, 1.0),), 0) == ""
    assert render_sparkline(((5.0, 3.0),), 4) == "   ▄", "one point is the newest"


def test_the_trend_moves_by_whole_columns() -> None:
    """A window that ends a little later looks the same until a column is over."""
    points = tuple((10.0 * at, float(at // 10 % 5)) for at in range(200))
    shown = [render_sparkline(points, 12, window=(end - 1200.0, end)) for end in (1200.0, 1200.1, 1250.0, 1300.0, 1300.1)]
    assert shown[0] != shown[1] == shown[2] == shown[3] != shown[4]


@pytest.mark.parametrize(
    ("content", "width", "lines"),
    [
        ("abcd ef", 4, ["abcd", "ef"]),
        ("abcde", 4, ["abcd", "e"]),
        ("ab cd", 2, ["ab", "cd"]),
        ("a b c d", 5, ["a b c", "d"]),
        ("", 5, [""]),
        ("日本語日本", 5, ["日本", "語日", "本"]),
        ("日本語", 6, ["日本語"]),
        ("x " + "y" * 17, 8, ["x", "y" * 8, "y" * 8, "y"]),
        ("y" * 16 + " z", 8, ["y" * 8, "y" * 8, "z"]),
        ("y" * 14 + " z", 8, ["y" * 8, "y" * 6 + " z"]),
    ],
)
def test_where_text_is_broken(content: str, width: int, lines: list[str]) -> None:
    """At blanks, and within a word only where it is longer than a line; never within a wide character, and never below four
    cells."""
    assert wrap(content, width) == lines


@pytest.mark.parametrize("seed", range(60))
def test_lines_are_as_full_as_they_can_be(seed: int) -> None:
    """Against a plain loop: a word goes on the line if it fits, and a broken one fills its lines."""
    chance = random.Random(seed)
    width = chance.randint(4, 20)
    words = ["".join(chance.choice("ab日") for _ in range(chance.choice([1, 2, 3, 8, 30]))) for _ in range(12)]
    lines, current = [], ""
    for word in words:
        if current and cell_len(f"{current} {word}") <= width:
            current += f" {word}"
            continue
        lines += [current] if current else []
        current = word
        while cell_len(current) > width:
            size = max(at for at in range(len(current)) if cell_len(current[:at]) <= width)
            lines.append(current[:size])
            current = current[size:]
    assert wrap(" ".join(words), width) == [*lines, current]


def test_a_line_is_cut_at_its_width() -> None:
    """One that fits exactly is whole; else the last cell is an ellipsis, in the tone of the span that it cuts. A rule needs
    none."""
    two = (("abc", "x"), ("def", "y"))
    assert cut(two, 6) == two and cut(two, 5) == (("abc", "x"), ("d…", "y"))
    assert cut(two, 4) == (("abc", "x"), ("…", "y")) and cut(two, 3) == (("ab…", "x"),) and cut(two, 1) == (("…", "x"),)
    assert cut((("───", "rule"), ("──", "rule")), 4) == (("───", "rule"), ("─", "rule"))
    assert cut((("───", "rule"), ("x", "")), 3) == (("───", "rule"),)
    assert "".join(words for words, _ in cut((("日本", ""), ("x", "")), 4)) == "日 …"
    assert (fit("abc", 3), fit("abc", 2), fit("abc", 1), fit("abc", 0), fit("abc", -1)) == ("abc", "a…", "…", "", "")
    assert (fit("ab", 4), fit("ab", 4, right=True), fit("日本", 3)) == ("ab  ", "  ab", "日…")
    assert (cut_left("abc", 0), cut_left("abc", 2), cut_left("abc", 3), cut_left("日本", 1)) == ("abc", "c", "", " 本")


@pytest.mark.parametrize(
    ("width", "shown"),
    [(12, "left   right"), (10, "left right"), (9, "le… right"), (7, "… right"), (6, "left"), (3, "le…")],
)
def test_the_right_side_stays_at_the_edge(width: int, shown: str) -> None:
    """The left side is cut as far as one cell; without room for that the right side is left out."""
    found = "".join(words for words, _ in spread((("left", ""),), (("right", ""),), width))
    assert found == shown


def test_the_cells_that_differ() -> None:
    """From the first to the last one; what lies beyond the width does not count, nor does how the spans are divided."""
    assert diff_lines((("abcdef", ""),), (("aXcYef", ""),), 6) == (1, 3)
    assert diff_lines((("abcdef", ""),), (("abcdeX", ""),), 5) is None and diff_lines(
        (("abcdef", ""),), (("abcdeX", ""),), 6
    ) == (5, 1)
    assert diff_lines((("ab", ""),), (("ab", "x"),), 4) == (0, 2) and diff_lines((("ab", ""),), (("abc", ""),), 4) == (2, 1)
    assert diff_lines((("ab", ""),), (("ab ", ""),), 4) is None and diff_lines((("ab", ""),), (("ab ", "x"),), 4) is not None
    assert diff_lines((("e", ""),), (("e\u0301", ""),), 4) == (0, 1) and diff_lines((("日x", ""),), (("本x", ""),), 4) == (0, 2)
    strip = to_strip((("ab", "x"), ("", "y")), 4, lambda tone: Style(bold=tone == "x"))
    assert strip.text == "ab  " and [bool(segment.style and segment.style.bold) for segment in strip] == [True, False]


def test_columns_share_what_is_left() -> None:
    """By their shares, all of it; the highest rank is dropped first, of equal ones the last, never the only one."""
    columns = (Column("a", 4, flex=1), Column("b", 4, flex=2), Column("c", 4))
    assert arrange(columns, 15) == ((0, 4), (1, 4), (2, 4)) and arrange(columns, 21) == ((0, 6), (1, 8), (2, 4))
    assert arrange(columns, 16) == ((0, 4), (1, 5), (2, 4)) and arrange(columns, 14) == ((0, 5), (1, 7))
    assert arrange((Column("a", 4, rank=1), Column("b", 4), Column("c", 4)), 14) == ((1, 4), (2, 4))
    assert arrange((Column("a", 9),), 4) == ((0, 9),)
    assert [column.label for column in (Column("a", 1), Column("", 1, name="b"), Column("", 1), Column("a", 1, name="c"))] == [
        "a",
        "b",
        "",
        "c",
    ]


def test_spare_width_goes_to_the_narrowest_cut_column_first() -> None:
    """From the column with the most to spare; a column that just fits gives and gets nothing."""
    assert split_spare(((0, 10), (1, 10), (2, 5)), {0: 4, 1: 8, 2: 12}) == ((0, 4), (1, 9), (2, 12))
    assert split_spare(((0, 10), (1, 5), (2, 5)), {0: 7, 1: 7, 2: 6}) == ((0, 7), (1, 7), (2, 6))
    assert split_spare(((0, 10), (1, 5), (2, 5)), {0: 8, 1: 9, 2: 6}) == ((0, 8), (1, 6), (2, 6))
    assert split_spare(((0, 5), (1, 5)), {0: 5, 1: 9}) == ((0, 5), (1, 5))


def test_a_name_is_whole_before_a_summary_is() -> None:
    """It takes from columns that are cut themselves, the widest first and down to twelve cells; other columns do not."""
    sizes = ((0, 20), (1, 16), (2, 24), (3, 10))
    assert split_spare(sizes, {0: 26, 1: 30, 2: 90, 3: 10}, name=0) == ((0, 26), (1, 16), (2, 18), (3, 10))
    assert split_spare(sizes, {0: 60, 1: 30, 2: 90, 3: 10}, name=0) == ((0, 36), (1, 12), (2, 12), (3, 10))
    assert split_spare(sizes, {0: 26, 1: 30, 2: 90, 3: 10}) == sizes
    assert split_spare(sizes, {0: 26, 1: 16, 2: 24, 3: 10}, name=0) == sizes
    assert split_spare(sizes, {0: 26, 1: 30, 2: 90, 3: 10}, name=7) == sizes  # dropped, because the screen is too narrow


def test_the_last_page_ends_with_the_text() -> None:
    """Each page but the last ends with an ellipsis, and the next begins in its cell at the latest; no page is needless."""
    for length in range(1, 40):
        for room in range(2, 12):
            starts = page_starts(length, room)
            assert starts[0] == 0 and len(starts) == (1 if length <= room else 1 + math.ceil((length - room) / (room - 1)))
            assert all(0 < after - before <= room - 1 for before, after in pairwise(starts))
            assert starts[-1] == max(0, length - room)
    assert page_starts(5, -3) == (0, 1, 2, 3, 4)
