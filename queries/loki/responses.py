"""Loki's JSON responses, decoded into lines and series. Its errors are plain text, which the HTTP client quotes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from queries.decoding import decode_json
from queries.errors import InvalidResponse
from queries.model.log import LINE_BYTES
from queries.model.series import Labels, Sample, Series

_Metadata = dict[str, dict[str, str]]
_HINT = "check that the URL is Loki's"


class StoredLine(NamedTuple):
    """One line that Loki keeps; they sort by time.

    `at_ns` is Unix nanoseconds; `labels` are those of its stream; `metadata` is what came with the line beside its text
    (`trace_id`, `detected_level`). `size_bytes` is the size of the whole line if it was cut, else 0.
    """

    at_ns: int
    labels: Labels
    text: str
    metadata: Labels = ()
    size_bytes: int = 0


class Page(NamedTuple):
    """Lines in the order of time. `more`: the server has further ones. `skipped_ns` is a nanosecond in which the server has
    more lines than a page holds, which cannot be requested; 0 otherwise.
    """

    lines: tuple[StoredLine, ...]
    more: bool = False
    skipped_ns: int = 0


class Tail(NamedTuple):
    """One message of a followed query: its lines in the order of time, and how many the server names as dropped, from
    `dropped_ns` on (0 for none). It may have dropped more than it names.
    """

    lines: tuple[StoredLine, ...] = ()
    dropped: int = 0
    dropped_ns: int = 0


class _Stream(msgspec.Struct):
    stream: dict[str, str] = {}
    values: list[tuple[str | _Metadata, ...]] = []
    """Time in nanoseconds, text, and with `categorize-labels` what came beside the text."""


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []


class _Streams(msgspec.Struct, tag_field="resultType", tag="streams"):
    result: list[_Stream] = []


class _Matrix(msgspec.Struct, tag_field="resultType", tag="matrix"):
    result: list[_Series] = []


class _Sample(msgspec.Struct):
    value: tuple[float, str]
    metric: dict[str, str] = {}


class _Vector(msgspec.Struct, tag_field="resultType", tag="vector"):
    result: list[_Sample] = []


class _Response(msgspec.Struct):
    data: _Streams | _Matrix | _Vector


class _Dropped(msgspec.Struct):
    timestamp: str | int = 0


class _Tail(msgspec.Struct):
    streams: list[_Stream] | None = None
    dropped_entries: list[_Dropped] | None = None


_DECODER = msgspec.json.Decoder(_Response)
_TAIL_DECODER = msgspec.json.Decoder(_Tail)


def decode_lines(body: bytes, *, where: str) -> tuple[StoredLine, ...]:
    """The lines of all streams, the oldest first. Raises InvalidResponse."""
    data = _decode(body, where)
    if not isinstance(data, _Streams):
        raise InvalidResponse("the query has numbers as its result, not lines", where=where, hint="ask for a selector: {…}")
    return _read_streams(data.result, where)


def decode_tail(body: bytes, *, where: str) -> Tail:
    """A message of the tail socket. Raises InvalidResponse."""
    data = decode_json(_TAIL_DECODER, body, where=where, whose="Loki's")
    lines = _read_streams(data.streams or (), where)
    try:
        dropped = [int(str(item.timestamp)) for item in data.dropped_entries or ()]
    except ValueError:
        raise InvalidResponse("a dropped line lacks its time in nanoseconds", where=where, hint=_HINT) from None
    return Tail(lines, len(dropped), min(dropped, default=0))


def _read_streams(streams: Iterable[_Stream], where: str) -> tuple[StoredLine, ...]:
    found: list[StoredLine] = []
    try:
        for stream in streams:
            labels = tuple(sorted(stream.stream.items()))
            for value in stream.values:
                at_ns, text, *beside = value
                metadata = _merge(*beside) if beside else ()
                kept, size = _cut(str(text))
                found.append(StoredLine(int(str(at_ns)), labels, kept, metadata, size))
    except (ValueError, TypeError, AttributeError):
        raise InvalidResponse("a line lacks its time in nanoseconds or its text", where=where, hint=_HINT) from None
    found.sort()
    return tuple(found)


def decode_series(body: bytes, *, where: str) -> tuple[Series, ...]:
    """The matrix of a metric query. Raises InvalidResponse."""
    data = _decode(body, where)
    if not isinstance(data, _Matrix):
        raise InvalidResponse("the query has lines as its result, not numbers", where=where, hint="count them: count_over_time")
    try:
        return tuple(
            Series(
                tuple(sorted(item.metric.items())),
                tuple((at, float(value)) for at, value in item.values),
            )
            for item in data.result
        )
    except ValueError:
        raise InvalidResponse("a value is not a number", where=where, hint=_HINT) from None


def decode_samples(body: bytes, *, where: str) -> tuple[Sample, ...]:
    """The samples of an instant query. Raises InvalidResponse."""
    data = _decode(body, where)
    if not isinstance(data, _Vector):
        raise InvalidResponse("the query has lines as its result, not numbers", where=where, hint="count them: count_over_time")
    try:
        return tuple(Sample(tuple(sorted(item.metric.items())), float(item.value[1])) for item in data.result)
    except ValueError:
        raise InvalidResponse("a value is not a number", where=where, hint=_HINT) from None


def decode_count(body: bytes, *, where: str) -> int:
    """The one value of an instant query; 0 for none at all. Raises InvalidResponse."""
    data = _decode(body, where)
    try:
        if isinstance(data, _Vector):
            return int(sum(float(item.value[1]) for item in data.result))
    except (ValueError, OverflowError):
        pass
    raise InvalidResponse("the count of lines is not a number", where=where, hint=_HINT)


def _decode(body: bytes, where: str) -> _Streams | _Matrix | _Vector:
    return decode_json(_DECODER, body, where=where, whose="Loki's").data


def _merge(groups: Any) -> Labels:
    """Structured metadata and parsed labels, which the server sends in two groups."""
    return tuple(sorted((name, value) for group in groups.values() for name, value in group.items()))


def _cut(text: str) -> tuple[str, int]:
    if len(text) <= LINE_BYTES // 4:
        return text, 0
    whole = text.encode("utf-8", "replace")
    if len(whole) <= LINE_BYTES:
        return text, 0
    return whole[:LINE_BYTES].decode("utf-8", "ignore"), len(whole)
