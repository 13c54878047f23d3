"""Escapes in matchers whose names are quoted, as Go reads them, at the ends of what is a character."""

from __future__ import annotations

import pytest

from queries.model.matcher import MatcherError, parse_matchers


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"\U0010FFFF", "\U0010ffff"),
        (r"\uD7FF", "\ud7ff"),
        (r"\uE000", "\ue000"),
        (r"\x41\101", "AA"),
        (r"\n\\\"", '\n\\"'),
    ],
)
def test_escapes(written: str, value: str) -> None:
    """The largest code point, and those beside the surrogates."""
    assert [matcher.value for matcher in parse_matchers(f'{{"é"="{written}"}}')] == [value]


@pytest.mark.parametrize("written", [r"\U00110000", r"\uD800", r"\uDFFF", r"\xff"])
def test_what_is_no_character_is_refused(written: str) -> None:
    """Beyond the largest code point, a surrogate, half a character."""
    with pytest.raises(MatcherError):
        parse_matchers(f'{{"é"="{written}"}}')
