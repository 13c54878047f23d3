"""Columns line up in the cells of a terminal, and Markdown stays what it was."""

from __future__ import annotations

from queries.text.tables import align, cell_width, escape_markdown, format_markdown_table


def test_a_cell_of_the_terminal() -> None:
    """Wide and full-width letters take two cells, combining marks none."""
    assert [cell_width(text) for text in ("", "abc", "漢字", "ｆ", "e\u0301", "é", "½")] == [0, 3, 4, 2, 1, 1, 1]


def test_columns_line_up() -> None:
    """Every column but the last is padded to its widest cell; shorter rows end early; no line ends in spaces."""
    rows = [["a", "bb", "c"], ["漢字", "b"], ["aaa", "", ""]]
    assert align(rows) == "a     bb  c\n漢字  b\naaa"
    assert align(iter(rows), indent="> ") == "> a     bb  c\n> 漢字  b\n> aaa"
    assert align([]) == "" and align([["only"]]) == "only" and align([[" "], ["x"]]) == "\nx"


def test_markdown() -> None:
    """Cells are escaped, the head is not, and there is one dash group a column."""
    assert format_markdown_table(["*a*", "b"], [["x|y", "<b>&"], ["1", "2"]]) == (
        "| *a* | b |\n| --- | --- |\n| x\\|y | &lt;b&gt;&amp; |\n| 1 | 2 |"
    )
    assert escape_markdown("\\`*_[]|#~") == "\\\\\\`\\*\\_\\[\\]\\|\\#\\~"
    assert escape_markdown("plain (1)") == "plain (1)"
