"""Regular expressions as Prometheus and Alertmanager read them: RE2's syntax, anchored at both ends."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from queries.model.later import lazy_pattern

_CACHED = 256


class RegexError(ValueError):
    """A regular expression that RE2 refuses; the message is RE2's own."""


@functools.lru_cache(maxsize=_CACHED)
def compile_regex(pattern: str, *, dot_matches_newline: bool = False) -> Callable[[str], bool]:
    """A predicate for whole values, as the servers compile this pattern. Raises RegexError.

    Alertmanager compiles `^(?:pattern)$`; Prometheus 3 `^(?s:pattern)$`, where a dot matches a newline too. The anchors
    are put around the text as the servers do, so that a pattern that closes their group behaves the same.
    """
    body = _encode(pattern)
    _refuse_what_go_refuses(body)
    search = _compile(b"^(?s:" + body + b")$" if dot_matches_newline else b"^(?:" + body + b")$").search
    # Bytes: for a str the wrapper would count characters for positions that nobody reads.
    return lambda value: search(value.encode("utf-8", "surrogatepass")) is not None


def check_regex(pattern: str) -> None:
    """Compile the pattern without anchors, as Alertmanager also requires of a silence. Raises RegexError."""
    body = _encode(pattern)
    _refuse_what_go_refuses(body)
    _compile(body)


def compile_search(pattern: str, *, ignore_case: bool) -> Any:
    """The pattern without anchors, to search bytes of UTF-8. Raises RegexError."""
    return _compile((b"(?i)" if ignore_case else b"") + _encode(pattern))


@functools.lru_cache(maxsize=_CACHED)
def compile_groups(pattern: str) -> Any:
    """The pattern with its groups, for `fullmatch` of a text; a dot matches a newline, as in Prometheus 3. Raises
    RegexError.
    """
    _refuse_what_go_refuses(_encode(pattern))
    return _compile(f"(?s:{pattern})", groups=True)


def _compile(pattern: bytes | str, *, groups: bool = False) -> Any:
    import re2  # noqa: PLC0415  # an extension module: loaded with the first regular expression

    options = re2.Options()
    options.log_errors = False  # RE2 would write them over the screen
    options.never_capture = not groups
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0] if error.args else b""
        raise RegexError(message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)) from None


def _encode(pattern: str) -> bytes:
    try:
        return pattern.encode()
    except UnicodeEncodeError:
        raise RegexError("invalid UTF-8") from None


_TOKEN = lazy_pattern(
    rb"\\Q.*?(?:\\E|\Z)"  # a literal
    rb"|(?P<escape>\\.)"
    rb"|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"  # a class
    rb"|\(\?P?<(?P<name>[^>]*)>",
    re.DOTALL,
)


def _refuse_what_go_refuses(pattern: bytes) -> None:
    """Raise RegexError for the two features of C++ RE2 that Go lacks: `\\C` (a single byte) and non-ASCII group names."""
    for token in _TOKEN.finditer(pattern):
        if token["escape"] == rb"\C":
            raise RegexError(r"invalid escape sequence: \C")
        if token["name"] is not None and not token["name"].isascii():
            raise RegexError(f"invalid named capture group: {token[0].decode('utf-8', 'replace')}")
