"""A pen is how a cell looks to the terminal: attributes, colours and link; from one pen to another by the fewest bytes."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.color import ColorSystem
from rich.style import Style

_ON = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53")
_OFF = ("22", "22", "23", "24", "25", "25", "27", "28", "29", "24", "54", "54", "55")
"""By the bits of Rich's styles: bold, dim, italic, underline, blink twice, reverse, conceal, strike, double underline,
frame, encircle, overline."""

_SEEN_ON_BLANKS = sum(1 << bit for bit in (3, 6, 8, 9, 10, 11, 12))
"""The attributes that show where there is no character: lines, frames, and the two colours exchanged."""

_MOST_PENS = 8192


class CellStyle:
    """Compared by identity: `pen_of` gives the same one for the same look."""

    __slots__ = ("attributes", "background", "foreground", "link", "on_blank")

    def __init__(self, attributes: int, foreground: str, background: str, link: str) -> None:
        self.attributes = attributes
        self.foreground = foreground
        self.background = background
        self.link = link
        self.on_blank = self
        """The pen that makes a space look the same; it has no foreground where nobody could see it."""

    def __repr__(self) -> str:
        return f"Pen({self.attributes:b}, {self.foreground!r}, {self.background!r}, {self.link!r})"


PLAIN = CellStyle(0, "", "", "")
"""What a terminal writes with after a reset."""


class StyleTable:
    """Finds the pen of a style, for one kind of terminal. `colours` is None where no colour is wanted (NO_COLOR)."""

    def __init__(self, colours: ColorSystem | None) -> None:
        self.colours = colours
        self._by_style: dict[Style, CellStyle] = {}
        self._by_look: dict[tuple[int, str, str, str], CellStyle] = {}

    def pen_of(self, style: Style | None) -> CellStyle:
        if style is None:
            return PLAIN
        pen = self._by_style.get(style)
        if pen is None:
            if len(self._by_style) > _MOST_PENS:
                # What is on the screen then counts as different once, and is written again when its line changes.
                self._by_style.clear()
                self._by_look.clear()
            pen = self._by_style[style] = self._make(style)
        return pen

    def _make(self, style: Style) -> CellStyle:
        foreground = background = ""
        if self.colours is not None:
            if style.color is not None and not style.color.is_default:
                foreground = ";".join(style.color.downgrade(self.colours).get_ansi_codes())
            if style.bgcolor is not None and not style.bgcolor.is_default:
                background = ";".join(style.bgcolor.downgrade(self.colours).get_ansi_codes(False))
        attributes = style._attributes & style._set_attributes
        link = "".join(character for character in style.link or "" if unicodedata.category(character)[0] not in "CZ")
        pen = self._interned(attributes, foreground, background, link)
        if not link and not attributes & _SEEN_ON_BLANKS and (attributes or foreground):
            pen.on_blank = self._interned(0, "", background, "")
        return pen

    def _interned(self, attributes: int, foreground: str, background: str, link: str) -> CellStyle:
        if not (attributes or foreground or background or link):
            return PLAIN
        look = (attributes, foreground, background, link)
        pen = self._by_look.get(look)
        if pen is None:
            pen = self._by_look[look] = CellStyle(*look)
        return pen


@lru_cache(maxsize=4096)
def change(old: CellStyle | None, new: CellStyle) -> str:
    """The shortest sequence from one pen to the other; `old` is None where nobody knows what the terminal writes with."""
    sequence = _anew(new) if old is None else min(_from(old, new), _anew(new), key=len)
    if old is None or old.link != new.link:
        sequence += f"\x1b]8;;{new.link}\x1b\\" if new.link or old is not None else ""
    return sequence


def _anew(new: CellStyle) -> str:
    codes = [_ON[bit] for bit in range(len(_ON)) if new.attributes >> bit & 1]
    codes += [code for code in (new.foreground, new.background) if code]
    return f"\x1b[0;{';'.join(codes)}m" if codes else "\x1b[m"


def _from(old: CellStyle, new: CellStyle) -> str:
    ending = {_OFF[bit] for bit in range(len(_OFF)) if old.attributes & ~new.attributes & 1 << bit}
    codes = sorted(ending)
    for bit, code in enumerate(_ON):
        # One code ends both bold and dim: what is to stay is said again.
        if new.attributes >> bit & 1 and (not old.attributes >> bit & 1 or _OFF[bit] in ending):
            codes.append(code)
    if new.foreground != old.foreground:
        codes.append(new.foreground or "39")
    if new.background != old.background:
        codes.append(new.background or "49")
    return f"\x1b[{';'.join(codes)}m" if codes else ""
