"""Where each thing lies in a chart's picture, against plain computations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from queries.model.chart import ChartData, ChartMark, ChartSeries
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.panel import Unit
from queries.text.chart_svg import render_svg
from queries.text.svg import cut_text

SVG = "{http://www.w3.org/2000/svg}"
DATA = ChartData(0.0, 100.0, (ChartSeries("", ((0.0, 0.0), (50.0, 4.0), (100.0, 2.0))),), step_seconds=50.0)
"""100 seconds on 864 pixels from 72 on; 0 to 4 on 246 pixels, from 34 down to 280."""


def x(at: float) -> float:
    return round(72.0 + at * 8.64, 1)


def y(value: float) -> float:
    return round(34.0 + (4.0 - value) * 61.5, 1)


def draw(data: ChartData, **more: int) -> ElementTree.Element:
    return ElementTree.fromstring(render_svg(data, "title", **more))  # our own text


def lines(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    return [
        [(float(place.split(",")[0]), float(place.split(",")[1])) for place in item.get("points", "").split()]
        for item in root.iter(f"{SVG}polyline")
    ]


def words(root: ElementTree.Element) -> dict[str, tuple[float, float]]:
    return {item.text or "": (float(item.get("x", "0")), float(item.get("y", "0"))) for item in root.iter(f"{SVG}text")}


def test_points_and_labels_lie_where_their_values_are() -> None:
    """Five lines over the height, each with its label at its height; the line of the series through its points."""
    root = draw(DATA)
    assert lines(root) == [[(x(0), y(0)), (x(50), y(4)), (x(100), y(2))]]
    assert [words(root)[f"{value}"] for value in range(5)] == [(66.0, y(value) + 4) for value in range(5)]
    grid = [item for item in root.iter(f"{SVG}line") if item.get("stroke") == "#e1e4e8"]
    assert [(item.get("x1"), item.get("x2"), float(item.get("y1", "0"))) for item in grid] == [
        ("72.0", "936.0", y(value)) for value in range(5)
    ]
    assert "not at 0" not in words(root)
    assert (root.get("width"), root.get("height")) == ("960", "360")


@pytest.mark.parametrize(
    ("values", "said"), [((0.0, 4.0), False), ((-4.0, 0.0), False), ((3.0, 4.0), True), ((-4.0, -3.0), True)]
)
def test_an_axis_without_zero_says_so(values: tuple[float, float], said: bool) -> None:
    """One that ends at zero has it."""
    data = replace(DATA, series=(ChartSeries("", ((0.0, values[0]), (100.0, values[1]))),))
    assert ("not at 0" in words(draw(data))) is said


@pytest.mark.parametrize(("apart", "parts"), [(100.0, 1), (105.0, 1), (105.1, 2)])
def test_a_gap_is_more_than_two_steps(apart: float, parts: int) -> None:
    """A little more is still one line; a point alone is a circle."""
    data = replace(DATA, end=200.0, series=(ChartSeries("", ((0.0, 0.0), (20.0, 1.0), (20.0 + apart, 4.0))),))
    root = draw(data)
    assert len(lines(root)) == 1 and len(list(root.iter(f"{SVG}circle"))) == parts - 1
    assert [len(run) for run in lines(draw(replace(data, step_seconds=0.0)))] == [3]


def test_points_outside_the_window_are_left_out() -> None:
    """Both ends of it are inside, and so are events there."""
    points = ((-1.0, 9.0), (0.0, 0.0), (50.0, math.nan), (100.0, 4.0), (101.0, 0.0))
    marks = tuple(ChartMark(at, "R", "rollout", f"at {at:g}") for at in (-0.1, 0.0, 100.0, 100.1))
    root = draw(replace(DATA, series=(ChartSeries("", points[1:4]),), marks=marks))
    assert lines(root) == [[(x(0), y(0)), (x(100), y(4))]]
    told = [item.text or "" for item in root.iter(f"{SVG}title")][1:]
    assert [title.rpartition(" ")[2] for title in told] == ["0", "100"]
    assert len(lines(draw(replace(DATA, series=(ChartSeries("", points),))))[0]) == 2
    later = replace(DATA, marks=marks[:1])
    assert not any("rollout" in text for text in words(draw(later)))


@pytest.mark.parametrize(
    ("line", "drawn", "below"),
    [(4.0, True, True), (3.9, True, True), (3.7, True, False), (0.0, True, False), (99.0, False, False)],
)
def test_thresholds_and_their_labels(line: float, drawn: bool, below: bool) -> None:
    """Both ends of the axis are on it; a label above the picture's edge stands below its line."""
    nearer = (("critical", 4.0), ("warn", line)) if not drawn else (("warn", line),)
    found = [text for text in words(draw(replace(DATA, thresholds=nearer))).items() if text[0].startswith("warn")]
    assert bool(found) is drawn
    assert not drawn or found[0][1] == (76.0, pytest.approx(y(line) + (14 if below else -4), abs=0.11))


def test_names_fill_rows() -> None:
    """A name goes on the row if it ends with the picture's edge at the latest; each further row makes the picture higher."""

    def rows(*lengths: int) -> list[float]:
        data = replace(DATA, series=tuple(ChartSeries(f"{at}" * length, ((0.0, 1.0),)) for at, length in enumerate(lengths)))
        root = draw(data)
        last = words(root)
        return [last[f"{at}" * length][1] for at, length in enumerate(lengths)] + [float(root.get("height", "0"))]

    # 864 pixels: each name takes 28 and 7 a letter, and 16 lie between two.
    assert rows(56, 57)[0] == rows(56, 57)[1] and rows(56, 57)[-1] == 360.0
    assert rows(56, 58)[1] == rows(56, 58)[0] + 16 and rows(56, 58)[-1] == 376.0
    assert rows(60, 60, 60)[-1] == 392.0
    long = words(draw(replace(DATA, series=(ChartSeries("x" * 119, ((0.0, 1.0),)), ChartSeries("y" * 120, ((0.0, 1.0),))))))
    assert "x" * 119 in long and "y" * 118 + "…" in long
    assert words(draw(replace(DATA, series=(ChartSeries("alone", ((0.0, 1.0),)),)))).get("alone") is None
    assert (cut_text("abc", 3), cut_text("abcd", 3)) == ("abc", "ab…")


@pytest.mark.parametrize("end", [0.0, -1.0])
def test_a_window_without_length_is_a_message(end: float) -> None:
    """Lines or a heat map."""
    heat = HeatMap("requests", Unit.PER_SECOND, (HeatRow("a", ((0.0, 1.0),)),))
    for data in (replace(DATA, end=end), replace(DATA, end=end, heat_map=heat)):
        assert "no points in this window" in words(draw(data)) and not any(" to " in text for text in words(draw(data)))
    assert "why" in words(draw(replace(DATA, message="why")))


def rectangles(root: ElementTree.Element) -> Iterable[tuple[float, float, float, float, str]]:
    for item in root.iter(f"{SVG}rect"):
        if item.get("fill") not in ("#ffffff", "none") and not item.get("stroke"):
            x_, y_, width, height = (float(item.get(name, "0")) for name in ("x", "y", "width", "height"))
            yield x_, y_, width, height, item.get("fill", "")


def test_the_cells_of_a_heat_map() -> None:
    """A step reaches from the end of the one before to its own; neighbours of one shade are one rectangle; 0 is light grey,
    what is unknown white, and a step that begins before the window is cut there."""
    row = ((0.0, 64.0), (10.0, 64.0), (20.0, 0.0), (40.0, 1.0), (100.0, 64.0), (110.0, 64.0))
    heat = HeatMap("requests", Unit.PER_SECOND, (HeatRow("all", row), HeatRow("none", ())))
    root = draw(replace(DATA, series=(), step_seconds=10.0, heat_map=heat))
    left = 16 + 8.5 * 4
    across = (960 - left - 24) / 100
    found = list(rectangles(root))
    expected = [(0.0, 10.0, "#08306b"), (10.0, 20.0, "#f0f2f4"), (30.0, 40.0, "#c6dbef"), (90.0, 100.0, "#08306b")]
    assert [(each[0], each[2], each[4]) for each in found] == [
        (pytest.approx(left + start * across, abs=0.06), pytest.approx((end - start) * across, abs=0.06), fill)
        for start, end, fill in expected
    ]
    assert {(each[1], each[3]) for each in found} == {(34.0 + 123.0, 123.0)}, "the first row is the lowest"


@pytest.mark.parametrize(("value", "place"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 1.5), (3.0, 2.0), (9.0, 2.0)])
def test_a_threshold_lies_within_its_bucket(value: float, place: float) -> None:
    """In proportion; in the last one, which has no end, at its beginning."""
    rows = tuple(
        HeatRow(name, ((50.0, 1.0),), low, high) for name, low, high in (("a", 0.0, 1.0), ("b", 1.0, 3.0), ("c", 3.0, math.inf))
    )
    heat = HeatMap("requests", Unit.PER_SECOND, rows, buckets=True)
    root = draw(replace(DATA, series=(), thresholds=(("warn", value),), heat_map=heat))
    line = next(item for item in root.iter(f"{SVG}line") if item.get("stroke-dasharray"))
    assert float(line.get("y1", "0")) == pytest.approx(280.0 - 82.0 * place, abs=0.06)
    bare = HeatMap("requests", Unit.PER_SECOND, (HeatRow("a", ((50.0, 1.0),), 1.0, 2.0),), buckets=True)
    outside = draw(replace(DATA, series=(), thresholds=(("warn", 0.9), ("critical", 2.1)), heat_map=bare))
    assert not [item for item in outside.iter(f"{SVG}line") if item.get("stroke-dasharray")]


def test_rows_are_never_too_low_to_read() -> None:
    """Fourteen pixels at least; many rows make the picture higher."""
    rows = tuple(HeatRow(f"{at}", ((50.0, 1.0),)) for at in range(20))
    root = draw(replace(DATA, series=(), heat_map=HeatMap("requests", Unit.PER_SECOND, rows)))
    assert float(root.get("height", "0")) == 34 + 80 + 20 * 14
    assert {each[3] for each in rectangles(root)} == {14.0}
