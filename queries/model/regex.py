"""Regular expressions as Prometheus and Alertmanager read them: RE2's syntax, anchored at both ends."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

_KEPT = 256


class RegexError(ValueError):
    """A regular expression that RE2 refuses; the message is RE2's own."""


@functools.lru_cache(maxsize=_KEPT)
def compile_regex(pattern: str, *, dot_matches_newline: bool = False) -> Callable[[str], bool]:
    """The test for whole values that a server makes of this pattern. Raises RegexError.

    Alertmanager compiles `^(?:pattern)$`; Prometheus 3 `^(?s:pattern)$`, where a dot matches a newline too. The anchors go
    around the text as they do there, so that a pattern that closes their group means here what it means to the server.
    """
    body = _encode(pattern)
    _refuse_what_go_refuses(body)
    search = _compile(b"^(?s:" + body + b")$" if dot_matches_newline else b"^(?:" + body + b")$").search
    # Bytes: the wrapper would count characters of a str for positions that nobody asks for.
    return lambda value: search(value.encode("utf-8", "surrogatepass")) is not None


def check_regex(pattern: str) -> None:
    """Whether the pattern compiles by itself, as Alertmanager asks of a silence beside the anchored form. Raises RegexError."""
    body = _encode(pattern)
    _refuse_what_go_refuses(body)
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


_TOKEN = re.compile(
    rb"\\Q.*?(?:\\E|\Z)"  # a literal
    rb"|(?P<escape>\\.)"
    rb"|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"  # a class
    rb"|\(\?P?<(?P<name>[^>]*)>",
    re.DOTALL,
)


def _refuse_what_go_refuses(pattern: bytes) -> None:
    """The servers are written in Go, whose syntax is RE2's without two things that the RE2 of C++ takes: `\\C`, a single byte,
    and names of groups in other letters than ASCII's.
    """
    for token in _TOKEN.finditer(pattern):
        if token["escape"] == rb"\C":
            raise RegexError(r"invalid escape sequence: \C")
        if token["name"] is not None and not token["name"].isascii():
            raise RegexError(f"invalid named capture group: {token[0].decode('utf-8', 'replace')}")
