"""From one cell style to another: the fewest bytes, and always the requested appearance."""

from __future__ import annotations

from itertools import product

import pyte
import pytest
from painting import styles
from rich.color import ColorSystem
from rich.style import Style
from textual.theme import Theme

from widgets.terminal.sgr import DEFAULT_STYLE, StyleTable, switch_style
from widgets.theme import THEMES


def test_every_switch_ends_on_the_requested_style() -> None:
    """Between any two styles, or from an unknown one: the next character has exactly the new attributes and colours."""
    table = StyleTable(ColorSystem.TRUECOLOR)
    known = [table.cell_style(style) for style in styles("pens")]
    assert known
    for old, new in product([None, *known], known):
        shown = []
        for sequence in (switch_style(None, old or DEFAULT_STYLE) + switch_style(old, new), switch_style(None, new)):
            screen = pyte.Screen(4, 1)
            pyte.Stream(screen).feed(sequence + "x")
            shown.append(screen.buffer[0][0])
        assert shown[0] == shown[1], (old, new)


def test_a_switch_is_never_longer_than_a_reset() -> None:
    """The delta is used where it is shorter, the reset where that is."""
    table = StyleTable(ColorSystem.TRUECOLOR)
    known = [table.cell_style(style) for style in styles("lengths")]
    for old, new in product(known, known):
        assert len(switch_style(old, new)) <= len(switch_style(None, new)) + len("\x1b]8;;\x1b\\") * (old.link != new.link)
    assert switch_style(known[1], known[2]) == "\x1b[22m"


def test_a_link_cannot_terminate_its_sequence() -> None:
    """Control characters and blanks in a link are dropped."""
    style = StyleTable(None).cell_style(Style(link="https://x/\x1b\\\x07 \u202ey"))
    assert style.link == "https://x/\\y"


@pytest.mark.parametrize("theme", THEMES, ids=[theme.name for theme in THEMES])
def test_sixteen_colours_keep_what_the_theme_tells_apart(theme: Theme) -> None:
    """Red or yellow for what is wrong, never a grey for a colour, and as many colours as the theme has; greys stay greys."""
    table = StyleTable(ColorSystem.STANDARD)

    def code(colour: str | None) -> str:
        return table.cell_style(Style(color=colour)).foreground

    tones = (theme.error, theme.warning, theme.success, theme.accent, theme.primary)
    assert len({code(tone) for tone in tones}) == len(set(tones))
    assert code(theme.error) in ("31", "91") and code(theme.warning) in ("33", "93")
    greys = ("30", "37", "90", "97")
    assert not [tone for tone in tones if code(tone) in greys]
    assert code(theme.foreground) in greys and code("#9fa1a2") in greys
    assert code("red") == "31", "a colour of the sixteen is itself"
