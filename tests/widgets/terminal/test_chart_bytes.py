"""What a chart that goes on costs the line to the terminal."""

from __future__ import annotations

import math

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from queries.model.chart import ChartData, ChartSeries
from queries.model.panel import Unit
from widgets.plot import render_chart
from widgets.terminal.frame_renderer import FrameRenderer

WIDTH, HEIGHT = 120, 30
STEP = 15.0
COLOURS = {"accent": "#7fd1e8", "warn": "#f0b429", "critical": "#ff6b6b", "ok": "#6cc588", "title": "#5aa9e6", "dim": "#9aa8b8"}


def chart(end: float, count: int) -> ChartData:
    """The hour before `end`: a sample every 15 s of each series, with thresholds."""
    times = [end - STEP * at for at in range(241, -1, -1)]
    series = tuple(
        ChartSeries(f"p{number}", tuple((at, 1.0 + number + 0.5 * math.sin(at / 500.0)) for at in times))
        for number in range(count)
    )
    return ChartData(end - 3600.0, end, series, (("warn", 2.0), ("critical", 5.0)), Unit.SECONDS, step_seconds=STEP)


def update(data: ChartData) -> LayoutUpdate:
    lines = render_chart(data, WIDTH, HEIGHT)
    strips = [
        Strip([Segment(content, Style(color=COLOURS.get(tone))) for content, tone in line]).adjust_cell_length(WIDTH)
        for line in lines
    ]
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, WIDTH, len(strips)))


@pytest.mark.parametrize("count", [1, 3])
def test_a_new_point_within_a_column_sends_at_most_two_hundred_bytes(count: int) -> None:
    """Of forty points in a row, those that begin no new column; the first ones begin some, and move the whole chart."""
    renderer = FrameRenderer(ColorSystem.TRUECOLOR)
    sizes: list[int] = []
    for number in range(40):
        renderer.ingest(update(chart(1_800_000_000.0 + STEP * number, count)))
        sizes.append(len(renderer.render((0, 0)).encode()))
    cell = 3600.0 / (WIDTH - 12)
    ends = [math.ceil((1_800_000_000.0 + STEP * number) / cell) for number in range(40)]
    within = [size for size, before, after in zip(sizes[1:], ends, ends[1:], strict=False) if before == after]
    assert len(within) > 12 and max(within) <= 200, sorted(within)[-5:]
    assert max(sizes[1:]) > 200, "a column that begins moves the others"
