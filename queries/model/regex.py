"""Regular expressions as Prometheus and Alertmanager read them: RE2's syntax, anchored at both ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_KEPT = 256
_INVALID_BYTE = rb"\C"


class RegexError(ValueError):
    """A regular expression that RE2 refuses; the message is RE2's own."""


@functools.lru_cache(maxsize=_KEPT)
def compile_regex(pattern: str, *, dot_matches_newline: bool = False) -> Callable[[str], bool]:
    """The test for whole values that a server makes of this pattern. Raises RegexError.

    Alertmanager compiles `^(?:pattern)$`; Prometheus 3 `^(?s:pattern)$`, where a dot matches a newline too. The anchors go
    around the text as they do there, so that a pattern that closes their group means here what it means to the server.
    """
    body = _encode(pattern)
    _refuse_single_bytes(body)
    search = _compile(b"^(?s:" + body + b")$" if dot_matches_newline else b"^(?:" + body + b")$").search
    # Bytes: the wrapper would count characters of a str for positions that nobody asks for.
    return lambda value: search(value.encode("utf-8", "surrogatepass")) is not None


def check_regex(pattern: str) -> None:
    """Whether the pattern compiles by itself, as Alertmanager asks of a silence beside the anchored form. Raises RegexError."""
    body = _encode(pattern)
    _refuse_single_bytes(body)
    _compile(body)


def _compile(pattern: bytes) -> Any:
    import re2  # noqa: PLC0415  # an extension module: only where somebody matches by a regular expression

    options = re2.Options()
    options.log_errors = False  # they would be written over the screen
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        raise RegexError(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)) from None


def _encode(pattern: str) -> bytes:
    try:
        return pattern.encode()
    except UnicodeEncodeError:
        raise RegexError("invalid UTF-8") from None


def _refuse_single_bytes(pattern: bytes) -> None:
    """Go refuses `\\C`, a single byte, which the RE2 of C++ takes: the only escape that they disagree about."""
    position = 0
    while (position := pattern.find(b"\\", position)) >= 0:
        escape = pattern[position : position + 2]
        if escape == _INVALID_BYTE:
            raise RegexError(r"invalid escape sequence: \C")
        end = pattern.find(rb"\E", position) if escape == rb"\Q" else position
        if end < 0:
            return
        position = end + 2
