"""Text from outside stays text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.model.text import visible


@given(st.text())
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    """Whatever comes in, what goes out has no control, bidi control or separator character and can be encoded."""
    shown = visible(text)
    shown.encode()
    assert bool(shown) is bool(text)
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp"), repr(character)
        assert unicodedata.bidirectional(character) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("plain · äöü 漢字", "plain · äöü 漢字"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2J\x1b]0;x\x07", "\\e[2J\\e]0;x\\x07"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\x9b31m", "\\x9b31m"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_what_is_hidden_is_written_out(given_text: str, expected: str) -> None:
    """Hidden characters are shown by name or number; everything else is untouched."""
    assert visible(given_text) == expected


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_text_is_cut_beyond_eight_thousand_characters(letter: str) -> None:
    """One of 8,192 is whole; of a longer one the first are shown, and how many there are."""
    assert visible(letter * 8192) == letter * 8192
    assert visible(letter * 8193) == letter * 8192 + "… (8,193 characters)"
