"""Configuration errors, each one line."""

from __future__ import annotations

from queries.model.text import visible


class ConfigError(Exception):
    """`source` is a file, a flag or an environment variable; `line` is 0 without a file. The message quotes no value."""

    def __init__(self, *, source: str, expected: str, key: str = "", line: int = 0) -> None:
        self.source = source
        self.line = line
        self.key = key
        self.expected = expected
        place = f"{source}:{line}" if line else source
        super().__init__(visible(f"{place}: {key}: {expected}" if key else f"{place}: {expected}"))


class InvalidSetting(ValueError):
    """A value of the right kind that cannot be used; `path` leads to it from the key being read."""

    def __init__(self, expected: str, *path: str | int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.path = path
