"""A pseudo-terminal that answers as terminals do (where the cursor is, which modes it knows) and whose line can stall."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from painting import difference
from pyte import ByteStream, Screen
from terminal import Terminal

_QUESTIONS = re.compile(rb"\x1b\[6n|\x1b\[\?2026\$p")
FRAME_BEGINS = b"\x1b[?2026h"
FRAME_ENDS = b"\x1b[?2026l"


class AnsweringTerminal(Terminal):
    """Reads only while it is pumped: not pumping it is what a line does that stalls."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self._answered = 0
        super().__init__(argv, env=env, columns=columns, rows=rows)

    def pump(self, seconds: float) -> int:
        """As any terminal does, and it answers what was asked."""
        came = 0
        for _ in range(max(1, round(seconds / 0.02))):
            came += super().pump(seconds / max(1, round(seconds / 0.02)))
            for match in _QUESTIONS.finditer(self.received, self._answered):
                self._answered = match.end()
                where = f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R"
                self._reply(where if match.group() == b"\x1b[6n" else "\x1b[?2026;2$y")
            if self.exit_code is not None:
                break
        return came

    def _reply(self, words: str) -> None:
        try:
            self.send(words)
        except OSError:  # nobody reads any more
            return

    def repainted(self) -> str:
        """How the screen differs from the one that a repaint of everything gives; empty where it does not."""
        self.pump(0.2)
        before = Screen(self.screen.columns, self.screen.lines)
        stream = ByteStream(before)
        stream.feed(b"\x1b[?7l")
        start = len(self.received)
        self.send("\x12")
        self.pump(0.4)
        stream.feed(bytes(self.received[start:]))
        assert bytes(self.received[start:]).strip(), "nothing was repainted"
        return difference(self.screen, before)

    def close_line(self) -> None:
        """The terminal's window is closed."""
        os.close(self._master)
