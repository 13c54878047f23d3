"""The style of each tone on a given background, from the theme's tokens.

Computed here, not as component classes: those cost a stylesheet node per tone and widget, a third of the time to the first
frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.color import Color

from queries.model.frozen import dataclass

_OPAQUE = 100.0


@dataclass(frozen=True, slots=True)
class _Tone:
    """Theme tokens for text and background (with opacity in percent), and attributes as Rich names them."""

    text: str = ""
    background: str = ""
    opacity: float = _OPAQUE
    attributes: str = ""


_TONES = {
    "dim": _Tone("text-muted"),
    "strong": _Tone(attributes="bold"),
    "title": _Tone("primary", attributes="bold"),
    "ok": _Tone("success"),
    "warn": _Tone("warning", attributes="bold"),
    "critical": _Tone("error", attributes="bold"),
    "unknown": _Tone("secondary", attributes="italic"),
    "doubt": _Tone("secondary", attributes="bold"),
    "accent": _Tone("accent"),
    "past": _Tone("accent", background="background", attributes="bold reverse"),
    "production": _Tone("error", background="background", attributes="bold reverse"),
    "rule": _Tone("text-disabled"),
    "changed": _Tone("accent", attributes="bold"),
    "key": _Tone("accent", attributes="bold"),
    "match": _Tone(attributes="bold reverse"),
    "source-0": _Tone("accent"),
    "source-1": _Tone("success"),
    "source-2": _Tone("primary"),
    "source-3": _Tone("secondary"),
    "source-4": _Tone("foreground"),
    "cursor": _Tone(background="primary", opacity=18.0, attributes="bold"),
}

TONES = tuple(_TONES)
"""None of them carries information that the text does not."""


def tone_style(tone: str, base: Style, background: Color, tokens: Mapping[str, str]) -> Style:
    """The style of `tone` over the widget's own; `under+over` puts the second on the background of the first, and `tone@URL`
    makes the text a link.
    """
    tone, _, link = tone.partition("@")
    under, _, over = tone.partition("+")
    style = _lay_tone(_TONES[under], base, background, tokens) if under else base
    if over:
        style = _lay_tone(_TONES[over], base, background, tokens) + Style(bgcolor=style.bgcolor)
    return style + Style(link=link) if link else style


def _lay_tone(tone: _Tone, base: Style, background: Color, tokens: Mapping[str, str]) -> Style:
    behind = background
    if tone.background:
        behind = background + _color(tokens[tone.background])[0].multiply_alpha(tone.opacity / _OPAQUE)
    text = base.color
    if tone.text:
        color, automatic = _color(tokens[tone.text])
        color = behind.get_contrast_text(color.a) if automatic else color
        text = (behind + color).rich_color
    return base + Style.parse(tone.attributes) + Style(color=text, bgcolor=behind.rich_color if behind.a else None)


@lru_cache(maxsize=256)
def _color(token: str) -> tuple[Color, bool]:
    """A token's colour, and whether it is the one with the best contrast: `#5AA9E6`, `ansi_default 50%`, `auto 60%`."""
    name, _, percent = token.partition(" ")
    alpha = float(percent.rstrip("%")) / 100.0 if percent else 1.0
    if name == "auto":
        return Color(0, 0, 0, alpha), True
    return Color.parse(name).multiply_alpha(alpha), False
