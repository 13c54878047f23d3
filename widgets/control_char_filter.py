"""The last guard before the terminal: no control character in any text, whichever widget drew it."""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color

from widgets.text_filter import TextFilter

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class ControlCharFilter(TextFilter):
    """Our own widgets write such characters out; in an input or a Markdown text they are left out here."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [
            segment if segment.control or segment.text.isprintable() else Segment(_CONTROL.sub("", segment.text), segment.style)
            for segment in segments
        ]
