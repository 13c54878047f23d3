"""Text from outside, made safe for a terminal."""

from __future__ import annotations

import re
from functools import cache

_HIDDEN = (
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: where every escape sequence begins
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"  # invisible, joining and direction marks
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"  # separators, bidi controls, selectors
    "\ufffe\uffff"  # noncharacters, forbidden in XML
    "\ud800-\udfff"  # lone surrogates, which cannot be encoded for a terminal
    "\U000e0000-\U000e0fff"  # tags
    "]"
)
_MOST = 8192
"""Characters shown of one text: laying out a megabyte would block the screen."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}


def visible(text: str) -> str:
    """The text on one line, with control, escape, bidi and invisible characters written out (`\\e`, `\\u202e`).

    A very long text is cut, with its length at the end.
    """
    if len(text) <= _MOST and text.isascii() and text.isprintable():
        return text  # the most frequent case, at a tenth of the cost
    if len(text) > _MOST:
        text = f"{text[:_MOST]}… ({len(text):,} characters)"
    return _hidden().sub(_escape, text) if _hidden().search(text) else text


@cache
def _hidden() -> re.Pattern[str]:
    return re.compile(_HIDDEN)  # not before the first frame


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
