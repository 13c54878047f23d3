"""Lines are cut to a width, never interpreted, and compared cell by cell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from screen_samples import HOSTILE

from widgets.styled_text import cut, diff_lines, fit, spread, text, to_strip, width_of, wrap

OUTSIDE = st.text(max_size=60) | st.just(HOSTILE)


@given(OUTSIDE, st.integers(1, 40), st.booleans())
def test_a_cell_has_exactly_the_requested_width(words: str, width: int, right: bool) -> None:
    """A column keeps its width, whatever text it contains."""
    assert cell_len(fit(text(words)[0], width, right=right)) == width


@given(st.lists(OUTSIDE, max_size=4), st.integers(1, 60))
def test_a_line_never_exceeds_its_width(parts: list[str], width: int) -> None:
    """A line of hostile spans is cut; its strip has exactly the width."""
    line = tuple(text(part, "dim") for part in parts)
    assert width_of(cut(line, width)) <= width
    assert to_strip(cut(line, width), width, lambda _: Style.null()).cell_length == width


@given(OUTSIDE, st.integers(4, 40))
def test_wrapped_lines_fit_and_lose_nothing(words: str, width: int) -> None:
    """Wrapping loses only spaces."""
    shown = text(words)[0]
    lines = wrap(shown, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


def test_untrusted_text_is_escaped() -> None:
    """Escapes, newlines and bidi controls are made visible; markup stays as it is."""
    shown = text(HOSTILE)[0]
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert "\u202e" not in shown
    assert "[bold]x[/bold] [@click=app.quit]y[/]" in shown


def test_only_changed_cells_differ() -> None:
    """One changed digit is one cell; equal lines do not differ, however their spans are divided."""
    old = (("error ", "dim"), ("7.84 %", "ok"))
    assert diff_lines(old, (("error ", "dim"), ("7.94 %", "ok")), 20) == (8, 1)
    assert diff_lines(old, (("err", "dim"), ("or ", "dim"), ("7.84 %", "ok")), 20) is None
    assert diff_lines((("日本", ""),), (("日木", ""),), 10) == (2, 2)


def test_spread_never_cuts_the_right_side() -> None:
    """The text at the right edge stays complete; the left side is cut."""
    line = spread((("a long left side", ""),), (("RIGHT", ""),), 12)
    assert "".join(words for words, _ in line).endswith("RIGHT")
    assert width_of(line) == 12


def test_a_difference_begins_in_the_cell_after_a_character_of_any_width() -> None:
    """Of no cell, one or two: the quick way to cells takes only text in which each character is one cell wide."""
    width_by_character = {chr(code): cell_len(chr(code)) for code in range(0x20, 0x11000)}
    assert {*width_by_character.values()} == {0, 1, 2}
    wrong = [
        character
        for character, width in width_by_character.items()
        if diff_lines(((f"{character}x", ""),), ((f"{character}y", ""),), 4) != (width, 1)
    ]
    assert wrong == []


def test_wrapped_lines_use_the_whole_width() -> None:
    """Words that fill a line exactly stay on it, and a word as long as the line is not broken."""
    assert wrap("ab cde fg", 6) == ["ab cde", "fg"]
    assert wrap("abcdef gh", 6) == ["abcdef", "gh"]
    assert wrap("abcdefg", 6) == ["abcdef", "g"]
