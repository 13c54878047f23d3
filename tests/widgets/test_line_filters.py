"""ASCII instead of block characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

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
