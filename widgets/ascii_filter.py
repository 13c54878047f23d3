"""A filter that writes the screen in ASCII, for terminals and locales without UTF-8."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from queries.text.variables import variable
from widgets.text_filter import TextFilter

_PLAIN = {"▁": "_", "▂": ".", "▃": ",", "▄": "-", "▅": "=", "▆": "+", "▇": "*", "█": "#", "·": ",", "•": "*", "→": ">"}
_PLAIN |= dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+") | {"▔": "-", "▌": "|", "▶": ">", "↑": "^", "↓": "v", "←": "<", "⏎": "^", "⠒": "-"}
_PLAIN |= {"●": "o", "▲": "!", "✗": "x", "○": "."}
_PLAIN |= {"…": "~", "─": "-", "━": "-", "│": "|", "└": "`", "╌": "-", "›": ">", "–": "-", "×": "x", "≤": "<", "≥": ">"}


def needs_plain(encoding: str, environ: Mapping[str, str]) -> bool:
    """Whether the locale that a person asked for cannot carry more than ASCII.

    `encoding` is the terminal's as Python sees it; with LC_ALL=C Python says UTF-8 all the same, the person did not.
    """
    told = next(filter(None, (variable(environ, name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return not _is_utf8(encoding) or bool(told and not _is_utf8(told))


def _is_utf8(name: str) -> bool:
    return "utf8" in name.lower().replace("-", "")


class AsciiFilter(TextFilter):
    """Every character outside ASCII becomes one that looks alike, of the same width; unknown ones become `?`."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.control or segment.text.isascii() else Segment(plain(segment.text), segment.style)
            for segment in segments
        ]


def plain(words: str) -> str:
    return "".join(character if character.isascii() else _alike(character) for character in words)


def _alike(character: str) -> str:
    if "\u2800" <= character <= "\u28ff":
        return "*"
    return _PLAIN.get(character, "?" * cell_len(character))
