"""Textual line filters that change text, never a style: no control characters, and ASCII for terminals without UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip
from textual.widget import Widget

from queries.text.variables import read_env

_CONTROL = "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_ASCII = {"▁": "_", "▂": ".", "▃": ",", "▄": "-", "▅": "=", "▆": "+", "▇": "*", "█": "#", "·": ",", "•": "*", "→": ">"}
_ASCII |= dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+")
_ASCII |= {"▔": "-", "▌": "|", "▶": ">", "↑": "^", "↓": "v", "←": "<", "⏎": "^", "⠒": "-"}
_ASCII |= {"▀": "'", "░": ":", "▒": "!", "▓": "%"}
_ASCII |= {"±": "#", "‹": "<"}
_ASCII |= {"●": "o", "▲": "!", "✗": "x", "○": "."}
_ASCII |= {"…": "~", "─": "-", "━": "-", "│": "|", "└": "`", "╌": "-", "›": ">", "–": "-", "×": "x", "≤": "<", "≥": ">"}


class TextFilter(LineFilter):
    """Changes text, never a style or the number of cells."""


def restyle(style: Style, widget: Widget, background: Color) -> Style:
    """The style on this background after the style filters: without colour, or with the theme's ANSI colours."""
    segments = [Segment(" ", style)]
    for each in widget.get_line_filters():
        if not isinstance(each, TextFilter):
            segments = each.apply(segments, background)
    return segments[0].style or style


def filter_strips(strips: Iterable[Strip], widget: Widget) -> list[Strip]:
    """The strips after the text filters; the same objects when nothing changed."""
    filters = [each for each in widget.get_line_filters() if isinstance(each, TextFilter)]
    background = widget.background_colors[1]
    return [_filter_strip(strip, filters, background) for strip in strips]


def _filter_strip(strip: Strip, filters: Sequence[TextFilter], background: Color) -> Strip:
    before = after = list(strip)
    for each in filters:
        after = each.apply(after, background)
    return strip if after is before else Strip(after, strip.cell_length)


class ControlCharFilter(TextFilter):
    """Our own widgets escape control characters; inputs and Markdown do not, so they are dropped here."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [
            segment
            if segment.control or segment.text.isprintable()
            else Segment(re.sub(_CONTROL, "", segment.text), segment.style)
            for segment in segments
        ]


class AsciiFilter(TextFilter):
    """Replaces each character outside ASCII by a similar one of the same width; unknown ones become `?`."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.control or segment.text.isascii() else Segment(to_ascii(segment.text), segment.style)
            for segment in segments
        ]


def needs_ascii(encoding: str, environ: Mapping[str, str]) -> bool:
    """Whether the locale in the environment cannot represent more than ASCII.

    `encoding` is the terminal's according to Python, which reports UTF-8 even under LC_ALL=C.
    """
    locale = next(filter(None, (read_env(environ, name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return not _is_utf8(encoding) or bool(locale and not _is_utf8(locale))


def _is_utf8(name: str) -> bool:
    return "utf8" in name.lower().replace("-", "")


def to_ascii(text: str) -> str:
    """Replace every character outside ASCII by a similar one."""
    return "".join(character if character.isascii() else _lookalike(character) for character in text)


def _lookalike(character: str) -> str:
    if "\u2800" <= character <= "\u28ff":
        return "*"
    return _ASCII.get(character, "?" * cell_len(character))
