"""The line in which a command says what it is doing."""

from __future__ import annotations

import io

import pytest

from console.cli.progress import ProgressLine


class Typewriter(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("xterm-256color", "\rreading 1 of 2 …\x1b[K\rreading 2 of 2 …\x1b[K\rdrawing …\x1b[K\r\x1b[K"),
        ("dumb", "reading 1 of 2 …\ndrawing …\n"),
    ],
)
def test_a_terminal_that_cannot_erase_gets_lines(name: str, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that changes where the cursor moves; where it does not, a line for each kind of work and no control sequence."""
    monkeypatch.setenv("TERM", name)
    stream = Typewriter()
    line = ProgressLine(stream)
    for text in ("reading 1 of 2", "reading 2 of 2", "drawing"):
        line.show(text)
    line.end()
    assert stream.getvalue() == written
