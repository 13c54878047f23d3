"""Cell styles (attributes, colours, link) and the shortest SGR sequence from one to another."""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rich.color import Color, ColorSystem
from rich.style import Style

from queries.text.variables import read_env

_ON = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53")
_OFF = ("22", "22", "23", "24", "25", "25", "27", "28", "29", "24", "54", "54", "55")
"""By the bits of Rich's styles: bold, dim, italic, underline, blink twice, reverse, conceal, strike, double underline,
frame, encircle, overline."""

_VISIBLE_ON_BLANKS = sum(1 << bit for bit in (3, 6, 8, 9, 10, 11, 12))
"""The attributes that are visible on a space: lines, frames, and reverse video."""

_HUES = ((35, 1), (70, 3), (165, 2), (200, 6), (265, 4), (330, 5), (360, 1))
"""Up to which degree of the colour circle a colour is red, yellow, green, cyan, blue, magenta and red again, and its number."""
_LEAST_SATURATION, _BRIGHT_FROM = 0.25, 0.5

_MONOCHROME = ("vt100", "vt102", "vt220")
_MONOCHROME_ENDS = ("-m", "-mono")
"""How terminfo ends the name of a terminal whose colours are switched off, such as `xterm-mono`."""

_MAX_STYLES = 8192


def has_colours(environ: Mapping[str, str]) -> bool:
    """Whether the terminal that TERM names may have colours."""
    name = read_env(environ, "TERM")
    return name not in _MONOCHROME and not name.endswith(_MONOCHROME_ENDS)


class CellStyle:
    """Compared by identity: `cell_style` returns the same object for the same appearance."""

    __slots__ = ("attributes", "background", "foreground", "link", "on_blank")

    def __init__(self, attributes: int, foreground: str, background: str, link: str) -> None:
        self.attributes = attributes
        self.foreground = foreground
        self.background = background
        self.link = link
        self.on_blank = self
        """The style under which a space looks the same; without a foreground when it would be invisible."""

    def __repr__(self) -> str:
        return f"CellStyle({self.attributes:b}, {self.foreground!r}, {self.background!r}, {self.link!r})"


DEFAULT_STYLE = CellStyle(0, "", "", "")
"""The terminal's style after a reset."""


class StyleTable:
    """Maps Rich styles to cell styles for one colour system; `colours` is None under NO_COLOR."""

    def __init__(self, colours: ColorSystem | None) -> None:
        self.colours = colours
        self._by_style: dict[Style, CellStyle] = {}
        self._by_attributes: dict[tuple[int, str, str, str], CellStyle] = {}

    def cell_style(self, style: Style | None) -> CellStyle:
        if style is None:
            return DEFAULT_STYLE
        cell = self._by_style.get(style)
        if cell is None:
            if len(self._by_style) > _MAX_STYLES:
                # Cells on the screen then compare as different once, and are rewritten when their line changes.
                self._by_style.clear()
                self._by_attributes.clear()
            cell = self._by_style[style] = self._build(style)
        return cell

    def _build(self, style: Style) -> CellStyle:
        foreground = background = ""
        if self.colours is not None:
            if style.color is not None and not style.color.is_default:
                code = _name_hue(style.color) if self.colours is ColorSystem.STANDARD else ""
                foreground = code or ";".join(style.color.downgrade(self.colours).get_ansi_codes())
            if style.bgcolor is not None and not style.bgcolor.is_default:
                background = ";".join(style.bgcolor.downgrade(self.colours).get_ansi_codes(False))
        attributes = style._attributes & style._set_attributes
        link = "".join(character for character in style.link or "" if unicodedata.category(character)[0] not in "CZ")
        cell = self._intern(attributes, foreground, background, link)
        if not link and not attributes & _VISIBLE_ON_BLANKS and (attributes or foreground):
            cell.on_blank = self._intern(0, "", background, "")
        return cell

    def _intern(self, attributes: int, foreground: str, background: str, link: str) -> CellStyle:
        if not (attributes or foreground or background or link):
            return DEFAULT_STYLE
        key = (attributes, foreground, background, link)
        cell = self._by_attributes.get(key)
        if cell is None:
            cell = self._by_attributes[key] = CellStyle(*key)
        return cell


def _name_hue(colour: Color) -> str:
    """The code of a colour among the sixteen, by its hue; empty for a grey, and for one that is among them.

    Rich takes the nearest colour, which is a grey for a soft green, blue or cyan alike.
    """
    if colour.triplet is None:
        return ""
    hue, lightness, saturation = colorsys.rgb_to_hls(*colour.triplet.normalized)
    if saturation < _LEAST_SATURATION:
        return ""
    number = next(number for end, number in _HUES if hue * 360 <= end)
    return str((90 if lightness >= _BRIGHT_FROM else 30) + number)


@lru_cache(maxsize=4096)
def switch_style(old: CellStyle | None, new: CellStyle) -> str:
    """The shortest sequence from one style to the other; `old` is None when the terminal's style is unknown."""
    sequence = _render_reset(new) if old is None else min(_render_delta(old, new), _render_reset(new), key=len)
    if old is None or old.link != new.link:
        sequence += f"\x1b]8;;{new.link}\x1b\\" if new.link or old is not None else ""
    return sequence


def _render_reset(new: CellStyle) -> str:
    codes = [_ON[bit] for bit in range(len(_ON)) if new.attributes >> bit & 1]
    codes += [code for code in (new.foreground, new.background) if code]
    return f"\x1b[0;{';'.join(codes)}m" if codes else "\x1b[m"


def _render_delta(old: CellStyle, new: CellStyle) -> str:
    ending = {_OFF[bit] for bit in range(len(_OFF)) if old.attributes & ~new.attributes & 1 << bit}
    codes = sorted(ending)
    for bit, code in enumerate(_ON):
        # One code ends both bold and dim: the one that stays has to be set again.
        if new.attributes >> bit & 1 and (not old.attributes >> bit & 1 or _OFF[bit] in ending):
            codes.append(code)
    if new.foreground != old.foreground:
        codes.append(new.foreground or "39")
    if new.background != old.background:
        codes.append(new.background or "49")
    return f"\x1b[{';'.join(codes)}m" if codes else ""
