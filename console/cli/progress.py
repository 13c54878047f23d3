"""What a command is doing: one line that changes on a terminal, elsewhere one line for each kind of work."""

from __future__ import annotations

import os
import re
from typing import TextIO

from queries.model.text import visible
from queries.text.variables import moves_cursor


class ProgressLine:
    """`show` may be called often; nothing is left on a terminal after `end`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._updates = stream.isatty() and moves_cursor(os.environ)
        self._last = ""

    def show(self, text: str) -> None:
        if self._updates:
            print(f"\r{visible(text)} …\x1b[K", end="", file=self._stream, flush=True)
            return
        kind = re.sub(r"[\d,]+", "", text)
        if kind != self._last:
            self._last = kind
            print(f"{visible(text)} …", file=self._stream, flush=True)

    def end(self) -> None:
        if self._updates:
            print("\r\x1b[K", end="", file=self._stream, flush=True)
