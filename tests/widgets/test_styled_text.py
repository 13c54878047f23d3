"""Lines: cut for width, never interpreted, compared cell by cell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from screen_samples import HOSTILE

from widgets.styled_text import cut, diff_lines, fit, spread, text, to_strip, width_of, wrap

OUTSIDE = st.text(max_size=60) | st.just(HOSTILE)


@given(OUTSIDE, st.integers(1, 40), st.booleans())
def test_a_cell_is_exactly_as_wide_as_asked(words: str, width: int, right: bool) -> None:
    """Whatever comes from outside, a column keeps its width."""
    assert cell_len(fit(text(words)[0], width, right=right)) == width


@given(st.lists(OUTSIDE, max_size=4), st.integers(1, 60))
def test_a_line_never_leaves_its_width(parts: list[str], width: int) -> None:
    """A line of hostile spans is cut; its strip fills the width exactly."""
    line = tuple(text(part, "dim") for part in parts)
    assert width_of(cut(line, width)) <= width
    assert to_strip(cut(line, width), width, lambda _: Style.null()).cell_length == width


@given(OUTSIDE, st.integers(4, 40))
def test_wrapped_lines_fit_and_lose_nothing(words: str, width: int) -> None:
    """Wrapping loses no character that is not a space."""
    shown = text(words)[0]
    lines = wrap(shown, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


def test_outside_text_shows_its_control_characters() -> None:
    """Escape, newline and bidi controls are written out; markup stays as it came."""
    shown = text(HOSTILE)[0]
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert "\u202e" not in shown
    assert "[bold]x[/bold] [@click=app.quit]y[/]" in shown


def test_difference_names_only_the_cells_that_changed() -> None:
    """One changed digit is one cell; equal lines differ nowhere, however their spans are cut."""
    old = (("error ", "dim"), ("7.84 %", "ok"))
    assert diff_lines(old, (("error ", "dim"), ("7.94 %", "ok")), 20) == (8, 1)
    assert diff_lines(old, (("err", "dim"), ("or ", "dim"), ("7.84 %", "ok")), 20) is None
    assert diff_lines((("日本", ""),), (("日木", ""),), 10) == (2, 2)


def test_spread_keeps_the_right_side() -> None:
    """What stands at the right edge stays whole; the left side gives way."""
    line = spread((("a long left side", ""),), (("RIGHT", ""),), 12)
    assert "".join(words for words, _ in line).endswith("RIGHT")
    assert width_of(line) == 12
