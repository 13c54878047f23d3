"""Lines that are JSON objects or logfmt, as a person reads them: the message first, then the fields."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

_MESSAGE = ("message", "msg", "event", "log")
_LEFT_OUT = frozenset({"time", "timestamp", "ts", "@timestamp", "level", "severity", "lvl", "levelname", *_MESSAGE})
"""Time and level stand beside the line."""
_PAIR = re.compile(r'([a-zA-Z_][\w.-]*)=("(?:\\.|[^"\\])*"|[^\x00-\x20]*)')
"""A value without quotes ends at an ASCII blank, as in Go's logfmt: a no-break or an ideographic space is part of it."""
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode


def format_fields(line: str) -> str:
    """`answered  status=200 took=0.3`; the line itself if it has no fields."""
    text = line.strip()
    if text.startswith("{"):
        try:
            found = _DECODE(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return line
        return _join(((name, _value(value)) for name, value in found.items()), line)
    pairs = _find_pairs(text)
    return _join(pairs, line) if pairs else line


def parse_logfmt(text: str) -> tuple[tuple[str, str], ...]:
    """Names and values of a logfmt line, quoted ones without their quotes; none for other text."""
    return tuple((name, _unquote(value)) for name, value in _find_pairs(text))


def _find_pairs(text: str) -> list[tuple[str, str]]:
    pairs = _PAIR.findall(text)
    if len(pairs) < 2 or sum(len(name) + len(value) + 1 for name, value in pairs) < 0.8 * len(text) - len(pairs):
        return []
    return pairs


def _unquote(value: str) -> str:
    if not (len(value) > 1 and value[0] == value[-1] == '"'):
        return value
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return value[1:-1]


def _join(pairs: Iterable[tuple[str, str]], line: str) -> str:
    fields = dict(pairs)
    name = next((name for name in _MESSAGE if fields.get(name)), "")
    message = fields[name].strip('"') if name else ""
    rest = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _LEFT_OUT)
    return "  ".join(part for part in (message, rest) if part) or line


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
