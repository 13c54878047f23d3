"""What every chart as SVG has: the frame, the time axis, events, and text that stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from queries.model.chart import ChartData
from queries.model.text import visible
from queries.text.axes import format_tick, place_time_ticks
from queries.text.times import format_moment

Place = Callable[[float], float]
LEFT, RIGHT, TOP, BOTTOM = 72.0, 24.0, 34.0, 80.0
LETTER = 7.0
"""Pixels of a letter, as far as one can tell without the viewer's font."""
GREY = "#57606a"
ZONE_COLOURS = {"warn": "#b08800", "critical": "#cf222e"}


def open_picture(title: str, data: ChartData, width: float, height: float) -> list[str]:
    """The element's beginning, a white background, the title, and the time range."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape_text(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        render_text(LEFT, 20, title, size=14, weight="bold"),
    ]
    if data.end > data.start:
        span = f"{format_moment(data.start)} to {format_moment(data.end)}"
        parts.append(render_text(width - RIGHT, 20, span, anchor="end", colour=GREY))
    return parts


def close_picture(parts: Iterable[str]) -> str:
    """The whole file."""
    return "\n".join([*parts, "</svg>", ""])


def render_time_axis(data: ChartData, x: Place, bottom: float) -> list[str]:
    """The ticks of the time axis, and their labels below it."""
    parts: list[str] = []
    for at in place_time_ticks(data.start, data.end, most=8):
        parts.append(f'<line x1="{x(at):.1f}" y1="{bottom}" x2="{x(at):.1f}" y2="{bottom + 4}" stroke="{GREY}"/>')
        label = format_tick(at, data.end - data.start, mark=len(parts) == 1)  # the first one names the zone
        parts.append(render_text(x(at), bottom + 16, label, anchor="middle"))
    return parts


def render_events(data: ChartData, x: Place, bottom: float) -> list[str]:
    """A line and a letter for each event of the window; a viewer shows its text at the pointer."""
    parts: list[str] = []
    for mark in data.marks:
        if data.start <= mark.at <= data.end:
            happened = f"{format_moment(mark.at)} {mark.kind}: {mark.text}"
            parts.append(f"<g><title>{escape_text(happened)}</title>")
            parts.append(f'<line x1="{x(mark.at):.1f}" y1="{TOP}" x2="{x(mark.at):.1f}" y2="{bottom}" stroke="#8c959f"/>')
            parts.append(render_text(x(mark.at), bottom + 30, mark.letter, anchor="middle", weight="bold") + "</g>")
    return parts


def render_remarks(data: ChartData, remarks: Iterable[str], height: float) -> str:
    """The last line: the note and other remarks, and the name of each kind of event."""
    kinds = dict.fromkeys(f"{mark.letter} {mark.kind}" for mark in data.marks if data.start <= mark.at <= data.end)
    return render_text(LEFT, height - 10, " · ".join(filter(None, (data.note, *remarks, *kinds))), colour=GREY)


def render_text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, weight: str = "", colour: str = ""
) -> str:
    """A text element; `x` and `y` are pixels, `y` of the baseline."""
    style = f' font-weight="{weight}"' if weight else ""
    style += f' fill="{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{style}>{escape_text(words)}</text>'


def escape_text(words: str) -> str:
    """Text of an element: the file is printed to terminals too, and XML forbids control characters."""
    return escape(visible(words))


def cut_text(words: str, letters: int) -> str:
    """At most that many letters, with `…` for what is missing."""
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
