"""A configuration that cannot be understood, as one line."""

from __future__ import annotations

from queries.model.text import visible


class ConfigError(Exception):
    """`source` is a file, a flag or an environment variable; `line` is 0 where there is none; no value is ever quoted."""

    def __init__(self, *, source: str, expected: str, key: str = "", line: int = 0) -> None:
        self.source = source
        self.line = line
        self.key = key
        self.expected = expected
        place = f"{source}:{line}" if line else source
        super().__init__(visible(f"{place}: {key}: {expected}" if key else f"{place}: {expected}"))
