"""Searches text: a regular expression, or the text itself where it is none."""

from __future__ import annotations

import re
from typing import Protocol

from queries.model.log import LogLevel, find_level
from queries.model.regex import RegexError, compile_search

_PLAIN = re.compile(r"[\w\s:;,/=<>@#%&!'\"~`-]*").fullmatch
"""Text without a character that means something in a regular expression."""


_WORST = (LogLevel.ERROR, LogLevel.WARN)
_LEVEL_NAMES = {LogLevel.ERROR: "errors", LogLevel.WARN: "errors and warnings"}


class LineSearch(Protocol):
    """What finds lines: `pattern` is what a person reads of it, `note` a remark about it."""

    pattern: str
    note: str

    def matches(self, line: str) -> bool: ...

    def spans(self, line: str) -> list[tuple[int, int]]: ...


class LevelSearch:
    """Finds lines that name this level or a worse one."""

    note = ""

    def __init__(self, least: LogLevel) -> None:
        self.pattern = _LEVEL_NAMES[least]
        self._levels = _WORST[: _WORST.index(least) + 1]

    def matches(self, line: str) -> bool:
        return find_level(line) in self._levels

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Nothing is marked: the whole line matches."""
        return []


class TextSearch:
    """Finds a pattern in lines. It ignores case unless the pattern has a capital.

    RE2 searches in linear time, so no pattern can stall. `note` says that the pattern is not a regular expression and is
    searched for as it stands.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.note = ""
        self._folds = pattern == pattern.lower()
        self._plain = bool(_PLAIN(pattern))
        try:
            compiled = compile_search(pattern, ignore_case=self._folds)
        except RegexError as error:
            self.note = f"not a regular expression ({error}): searched for as text"
            self._plain = True
            compiled = compile_search(re.escape(pattern), ignore_case=self._folds)
        self._search = compiled.search

    def matches(self, line: str) -> bool:
        """Whether the line contains the pattern."""
        if self._plain:
            return self.pattern in (line.lower() if self._folds else line)
        return self._search(line.encode("utf-8", "replace")) is not None

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Start and end of every match that is not empty, as indexes of characters."""
        content = line.encode("utf-8", "replace")
        found, at = [], 0
        while at <= len(content) and (match := self._search(content, at)) is not None:
            first, last = match.span()
            if last > first:
                found.append((len(content[:first].decode("utf-8", "replace")), len(content[:last].decode("utf-8", "replace"))))
            at = last if last > first else last + 1
        return found
