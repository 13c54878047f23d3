"""From one cell style to another: the fewest bytes, and always the requested appearance."""

from __future__ import annotations

from itertools import product

import pyte
from painting import styles
from rich.color import ColorSystem
from rich.style import Style

from widgets.terminal.sgr import DEFAULT_STYLE, StyleTable, switch_style


def test_every_switch_ends_on_the_requested_style() -> None:
    """Between any two styles, or from an unknown one: the next character has exactly the new attributes and colours."""
    table = StyleTable(ColorSystem.TRUECOLOR)
    known = [table.cell_style(style) for style in styles("pens")]
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
