"""ASCII instead of block characters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import widgets
from widgets.line_filters import needs_ascii, to_ascii


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Mn", "Me", "Cf")), max_size=40))
def test_every_character_becomes_ascii_of_the_same_width(words: str) -> None:
    """Nothing outside ASCII is sent, and columns keep their position."""
    shown = to_ascii(words)
    assert shown.isascii()
    assert cell_len(shown) == sum(max(cell_len(character), 0) for character in words)


def test_trends_stay_readable() -> None:
    """The eight blocks become eight different characters."""
    assert len(set(to_ascii("▁▂▃▄▅▆▇█"))) == 8
    assert to_ascii("42 → 41 …") == "42 > 41 ~"


def test_every_character_that_widgets_draw_has_a_lookalike() -> None:
    """None of what the widgets write themselves becomes `?`, the zones of a chart's axis included."""
    drawn = {each for path in Path(widgets.__file__).parent.glob("*.py") for each in path.read_text(encoding="utf-8")}
    drawn -= {"▟", "?"}  # the end of a range in a regular expression, and what is ASCII
    assert not [each for each in drawn if to_ascii(each) == "?"]
    assert to_ascii("▒") != to_ascii("█")


@pytest.mark.parametrize(
    ("encoding", "environ", "expected"),
    [
        ("utf-8", {}, False),
        ("utf-8", {"LANG": "de_DE.UTF-8"}, False),
        ("utf-8", {"LC_ALL": "C"}, True),
        ("utf-8", {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ("utf-8", {"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ("iso8859-1", {"LANG": "de_DE.ISO-8859-1"}, True),
        ("ascii", {}, True),
    ],
)
def test_the_locale_decides_about_ascii(encoding: str, environ: dict[str, str], expected: bool) -> None:
    """LC_ALL=C means ASCII although Python then uses UTF-8; a UTF-8 locale keeps the block characters."""
    assert needs_ascii(encoding, environ) is expected
