"""Two whole pictures, part by part as they were looked at: places, colours, dashes, anchors, sizes and words."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from queries.model.chart import ChartData, ChartMark, ChartSeries
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.panel import Unit
from queries.text.chart_svg import render_svg

PICTURES = Path(__file__).with_name("pictures")
MARKS = (
    ChartMark(300.0, "R", "rollout", "api <1.9>"), ChartMark(600.0, "I", "incident declared", "errors"),
    ChartMark(601.0, "R", "rollout", "back"), ChartMark(1200.0, "E", "ended", "at the end"),
    ChartMark(0.0, "B", "began", "at the start"), ChartMark(1200.1, "X", "later", "not shown"),
)  # fmt: skip
SERIES = tuple(
    ChartSeries(name, tuple((60.0 * step, 10.0 * at + step % 5) for step in range(21) if not 6 <= step < 9 or at))
    for at, name in enumerate(("first", "second & more", "", "f" * 150, "fifth", "sixth", "seventh"))
)
LIMITS = (("warn", 20.0), ("critical", 65.0), ("critical high", 900.0))
EARLIER = ChartSeries("a day earlier", ((0.0, 5.0), (1200.0, 9.0)))
CHART = ChartData(
    0.0, 1200.0, SERIES, LIMITS, Unit.PERCENT, step_seconds=60.0, best=((0.0, 1.0), (60.0, 2.0)), ghost=EARLIER, marks=MARKS,
    note="peaks not kept",
)  # fmt: skip
ONLY = ChartSeries("only", ((60.0, 1000.0), (120.0, 1500.0), (600.0, 1250.0)))
ONE = ChartData(0.0, 1200.0, (ONLY,), (("critical", 1480.0),), Unit.SECONDS, step_seconds=60.0, lower_is_worse=True)
ROWS = (
    HeatRow("≤ 500 ms", ((60.0, 0.0), (120.0, 3.0), (180.0, 3.0), (300.0, 9.0)), 0.0, 0.5),
    HeatRow("≤ 2 s", ((60.0, 1.0), (120.0, math.nan), (180.0, 5.0), (1200.0, 7.0), (1260.0, 9.0)), 0.5, 2.0),
    HeatRow("> 2 s", ((60.0, 0.5),), 2.0, math.inf),
)
HEAT = HeatMap("requests by how long they took", Unit.PER_SECOND, ROWS, buckets=True)
BOUNDS = (("warn", 1.25), ("critical", 2.0))
MAP = ChartData(0.0, 1200.0, thresholds=BOUNDS, unit=Unit.SECONDS, step_seconds=60.0, marks=MARKS, heat_map=HEAT)
LONG = HeatRow("A_VERY_LONG_ERROR_CODE_THAT_IS_CUT", ((60.0, 0.0),))
CODES = ChartData(
    0.0, 1200.0, step_seconds=60.0, note="top 2", heat_map=HeatMap("failures", Unit.COUNT, (LONG, HeatRow("B", ())))
)
FIFTY = tuple(ChartSeries(letter * 50, ((0.0, 1.0), (50.0, 2.0))) for letter in "abc")
DRAWN = {
    "names": (ChartData(0.0, 100.0, FIFTY, step_seconds=50.0), {"width": 868}),
    "chart": (CHART, {}),
    "one": (ONE, {"width": 480, "height": 240}),
    "message": (ChartData(0.0, 0.0, message="Prometheus returned no series", note="n"), {}),
    "map": (MAP, {}),
    "codes": (CODES, {"width": 480, "height": 160}),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_what_it_was(name: str) -> None:
    """Several series with everything, one without zero, none, buckets with thresholds, and error codes."""
    data, size = DRAWN[name]
    expected = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert render_svg(data, f"Latency <{name}>", **size).splitlines() == expected.splitlines()
