"""Charts as SVG files."""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from queries.model.chart import ChartData, ChartMark, ChartSeries
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.panel import Unit
from queries.text.chart_svg import render_svg
from queries.text.times import use_zone

SVG = "{http://www.w3.org/2000/svg}"


def chart(**more: object) -> ChartData:
    points = tuple((60.0 * at, 90.0 if at == 30 else 10.0) for at in range(61) if not 10 <= at < 20)
    data = {"series": (ChartSeries("<a> & b", points),), "unit": Unit.PERCENT, "step_seconds": 60.0, **more}
    return ChartData(0.0, 3600.0, thresholds=(("critical", 50.0),), **data)  # type: ignore[arg-type]


def test_a_spike_a_gap_the_threshold_and_units() -> None:
    """The peak lies above the threshold's line, a gap separates two lines, labels have units, and names are escaped."""
    root = ElementTree.fromstring(render_svg(chart(), "Error ratio <x>"))  # our own text
    lines = [item.get("points", "") for item in root.iter(f"{SVG}polyline")]
    assert len(lines) == 2
    threshold = next(item for item in root.iter(f"{SVG}line") if item.get("stroke-dasharray"))
    heights = [float(place.split(",")[1]) for place in lines[1].split()]
    assert min(heights) < float(threshold.get("y1", "0")) < max(heights)
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert "100 %" in words and "critical 50 %" in words and "Error ratio <x>" in words


def test_times_are_in_the_zone_that_is_shown() -> None:
    """The axis, the range and the events are on the clock of the chosen zone, which the first tick and each moment name."""
    mark = ChartMark(1800.0, "R", "rollout", "api")
    words = [item.text for item in ElementTree.fromstring(render_svg(chart(), "t")).iter(f"{SVG}text")]
    assert "00:00Z" in words and "00:10" in words and "1970-01-01 00:00:00Z to 1970-01-01 01:00:00Z" in words
    use_zone("Asia/Kolkata")  # half an hour off
    try:
        root = ElementTree.fromstring(render_svg(chart(marks=(mark,)), "t"))
    finally:
        use_zone("")
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert "05:30 IST" in words and "05:40" in words and "1970-01-01 05:30:00 IST to 1970-01-01 06:30:00 IST" in words
    assert "1970-01-01 06:00:00 IST rollout: api" in [item.text for item in root.iter(f"{SVG}title")]


def test_events_ghost_and_several_series() -> None:
    """Events have their text, an earlier time is dotted, and several series have names and patterns of their own."""
    mark = ChartMark(1800.0, "R", "rollout", "api 1→2")
    ghost = ChartSeries("yesterday", ((0.0, 20.0), (60.0, 20.0)))
    series = (ChartSeries("one", ((0.0, 1.0), (60.0, 2.0))), ChartSeries("two", ((0.0, 3.0), (60.0, 4.0))))
    text = render_svg(chart(series=series, ghost=ghost, marks=(mark,)), "t")
    ElementTree.fromstring(text)  # our own text
    assert "rollout: api 1→2" in text and "R rollout" in text and "dotted: yesterday" in text
    assert ">one<" in text and ">two<" in text and text.count('stroke-dasharray="8 3"') == 2  # its line, and the legend


def test_long_names_stay_in_the_picture() -> None:
    """Six series with names of many labels: each has a row of its own, no name runs out of the picture, nothing overlaps."""
    points = ((0.0, 1.0), (60.0, 2.0))
    short = ElementTree.fromstring(render_svg(chart(series=tuple(ChartSeries(f"{at}", points) for at in range(6))), "t"))
    names = tuple(ChartSeries(f"{at}" + "x" * (80 + 20 * at), points) for at in range(6))
    root = ElementTree.fromstring(render_svg(chart(series=names), "t"))
    shown = [item for item in root.iter(f"{SVG}text") if "xxx" in (item.text or "")]
    assert [(item.text or "")[0] for item in shown] == [*"012345"] and (shown[-1].text or "").endswith("…")
    rows = [float(item.get("y", "0")) for item in shown]
    assert [later - before for before, later in pairwise(rows)] == [16.0] * 5
    assert float(root.get("height", "0")) == float(short.get("height", "0")) + 5 * 16
    assert all(float(item.get("x", "0")) + 7 * len(item.text or "") <= 960 for item in shown)


def test_without_values_it_says_why() -> None:
    """A message stands in place of the plot."""
    assert "NO DATA in this time range" in render_svg(chart(series=(), message="NO DATA in this time range"), "t")


def test_nothing_from_outside_steers_a_terminal_or_breaks_the_xml() -> None:
    """Names, marks and titles with control characters, and with those that XML forbids, are written out as text."""
    hostile = "a\x1b[7mb\x07\x00\x9b7mc\r\n\u202ed\ufffe\ud800"
    series = tuple(ChartSeries(f"{at} {hostile}", ((0.0, 1.0), (60.0, 2.0))) for at in range(2))
    mark = ChartMark(1800.0, "N", "note", hostile)
    ghost = ChartSeries(hostile, ((0.0, 20.0), (60.0, 20.0)))
    for data in (chart(series=series, ghost=ghost, marks=(mark,), note=hostile), chart(series=(), message=hostile)):
        text = render_svg(data, hostile)
        assert not [each for each in text if unicodedata.category(each) in ("Cc", "Cs") and each != "\n"]
        root = ElementTree.fromstring(text.encode())  # our own text
        assert root.findtext(f"{SVG}title") == "a\\e[7mb\\x07\\x00\\x9b7mc\\r\\n\\u202ed\\ufffe\\ud800"


BOUNDS = (0.0, 0.5, 2.0, 10.0, math.inf)
NAMES = ("≤ 500 ms", "≤ 2 s", "≤ 10 s", "> 10 s")


def heat_map(*rows: tuple[float | None, ...], **more: object) -> ChartData:
    """Buckets from the bottom, a value a minute; None for a minute without one. The thresholds are 2 s and 6 s."""
    buckets = tuple(
        HeatRow(name, tuple((60.0 * at, value) for at, value in enumerate(row, start=1) if value is not None), *ends)
        for name, row, ends in zip(NAMES, rows, pairwise(BOUNDS), strict=False)
    )
    heat = HeatMap("requests by duration", Unit.PER_SECOND, buckets, buckets=True)
    end = 60.0 * max(len(row) for row in rows)
    lines = (("warn", 2.0), ("critical", 6.0))
    data = {"thresholds": lines, "unit": Unit.SECONDS, "step_seconds": 60.0, "heat_map": heat, **more}
    return ChartData(0.0, end, **data)  # type: ignore[arg-type]


def cells(root: ElementTree.Element) -> list[tuple[float, float, float, str]]:
    """(x, y, width, fill) of every cell; neither the background, the frame, nor the legend."""
    found = [item.attrib for item in root.iter(f"{SVG}rect")]
    return [
        (float(item["x"]), float(item["y"]), float(item["width"]), item["fill"])
        for item in found
        if "stroke" not in item and "x" in item
    ]


def test_a_heat_map_draws_each_amount_where_it_was() -> None:
    """Four minutes of 0, a little, nothing known and a lot: grey, light, white and dark, each as wide as its minutes; the
    slowest bucket is the highest row, and the legend says beyond which value each shade begins.
    """
    root = ElementTree.fromstring(render_svg(heat_map((0.0, 0.1, None, 16.0), (5.0, 5.0, 5.0, 5.0)), "P95 <latency>"))
    slow, quick = (sorted(item for item in cells(root) if item[1] == row) for row in sorted({y for _, y, _, _ in cells(root)}))
    assert len(slow) == 1, "four equal minutes are one rectangle"
    (zero_x, _, minute, grey), (little_x, _, _, light), (much_x, _, width, dark) = quick
    assert len({grey, light, dark, slow[0][3]}) == 4
    assert (little_x - zero_x, much_x - little_x, width) == pytest.approx((minute, 2 * minute, minute), abs=0.3)
    assert slow[0][2] == pytest.approx(4 * minute, abs=0.3)
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert words.index("≤ 2 s") < words.index("≤ 500 ms"), "from the top"
    legend = [word for word in words if word and word.startswith((">", "/s"))]
    assert legend == [">0", ">0.312", ">1.25", ">5", "/s   white: no data"]
    assert "P95 <latency>" in words and any(word and "requests by duration" in word for word in words)


def test_the_thresholds_of_a_heat_map_lie_within_their_buckets() -> None:
    """2 s is the upper end of its bucket, and 6 s half way through that of 2 s to 10 s."""
    root = ElementTree.fromstring(render_svg(heat_map((1.0,), (1.0,), (1.0,), (1.0,)), "t"))
    rows = sorted({y for _, y, _, _ in cells(root)})
    tall = rows[1] - rows[0]
    places = [float(item.get("y1", "0")) for item in root.iter(f"{SVG}line") if item.get("stroke-dasharray")]
    assert places == pytest.approx([rows[2], rows[1] + tall / 2], abs=0.2)
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert "warn 2 s" in words and "critical 6 s" in words


def test_a_heat_map_of_many_rows_grows_and_keeps_text_as_text() -> None:
    """Forty hostile names: each row has its name, no name begins outside of the picture, events have their text."""
    rows = tuple(HeatRow(f"{at} \x1b[7m<b>\u202e" + "x" * 90, ((60.0, 1.0),)) for at in range(40))
    mark = ChartMark(30.0, "R", "rollout", "api 1→2")
    data = heat_map((1.0,), heat_map=HeatMap("errors \x1b", Unit.PER_MINUTE, rows), thresholds=(), marks=(mark,))
    text = render_svg(data, "t\x07")
    assert not [each for each in text if unicodedata.category(each) in ("Cc", "Cs") and each != "\n"]
    root = ElementTree.fromstring(text)
    names = [item for item in root.iter(f"{SVG}text") if "\\e[7m<b>" in (item.text or "")]
    assert len(names) == 40 and "errors \\e" in text and float(root.get("height", "0")) > 40 * 14
    assert all(float(item.get("x", "0")) - 8 * len(item.text or "") >= 0 for item in names if item.get("text-anchor") == "end")
    assert "rollout: api 1→2" in text and "R rollout" in text
