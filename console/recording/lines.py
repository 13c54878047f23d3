"""The format of a recording: gzip members of checksummed JSON lines, each a difference to the one before (docs/recording.md).

A member is readable up to any byte at which it ends: every line is flushed, and carries its own checksum.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

FORMAT = 1
"""Raised where a reader of the format before would misread; a new optional field does not need it."""
SUFFIX = ".rec.gz"
LONGEST_HOLD_SECONDS = 600.0
MOST_LINE_BYTES = 8 << 20
"""The states of ten thousand pods."""
MOST_FILE_BYTES = 256 << 20
"""Of one file, unpacked."""
MOST_ENTRIES = 1_000_000
"""Objects and changed fields of one file: each of them costs memory, however short it is."""
_GZIP = 31
"""zlib's number for a gzip member."""
_PIECE = 1 << 20
_FIRST, _LAST = 0.0, 1e11
"""Moments are Unix seconds; beyond these, a date is not one."""

Object: TypeAlias = Mapping[str, Any]
"""One object: its fields, whose values JSON can hold."""
States: TypeAlias = Mapping[str, Object]
"""Every object of one source by its key: `pod/cad-ml-api-7d9f8-x2x4v`."""
Fields: TypeAlias = dict[str, msgspec.Raw]


class RecordingError(Exception):
    """A recording that cannot be written or read; the message is for a person."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. The first of a member has `recording`; every other one a source.

    Of a source: `state` is all of it, `new` are objects that appeared or are to be replaced, `changed` the fields that changed,
    `removed` the keys that went. None of them: it is still the same. `lost`: why it is not known from here on.
    """

    at: float
    source: str = ""
    state: Fields | None = None
    new: Fields = {}
    changed: dict[str, Fields] = {}
    removed: list[str] = []
    lost: str = ""

    # Of a header
    recording: int = 0
    hold_seconds: float = 0.0
    about: dict[str, str] = {}
    by: str = ""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Line)
_FIELDS = msgspec.json.Decoder(Fields)


Redact: TypeAlias = Callable[[bytes], bytes]
"""Takes secrets out of a JSON document, which stays one."""


def encode_line(line: Line, redact: Redact | None = None) -> bytes:
    """The line with its checksum and its end. Raises RecordingError for one that is too long to be read again."""
    text = _ENCODER.encode(line)
    text = redact(text) if redact is not None else text
    if len(text) > MOST_LINE_BYTES:
        raise RecordingError(f"{line.source or 'a line'} is too large to be recorded: {len(text):,} bytes")
    return b"%08x %b\n" % (binascii.crc32(text), text)


class MemberEncoder:
    """Packs the lines of one member; whatever it returned is readable without what follows."""

    def __init__(self, level: int = 6, redact: Redact | None = None) -> None:
        self._redact = redact
        self._packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
        self.unpacked = 0

    def add(self, line: Line) -> bytes:
        """The packed bytes of the line. Raises RecordingError."""
        text = encode_line(line, self._redact)
        self.unpacked += len(text)
        return self._packer.compress(text) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._packer.flush()


class Damage(msgspec.Struct, frozen=True):
    """From where on a file could not be read, and why; `at` is the moment of the last line before, 0 without one."""

    at: float
    why: str


def read_members(data: bytes) -> Iterator[list[Line] | Damage]:
    """The lines of each member of a file, the first of them its header. Never raises.

    A member that ends early is its lines up to there: so it looks after a crash. Anything else that is not as written is
    Damage, which is the last thing returned.
    """
    limits = _Limits()
    while data:
        lines: list[Line] = []
        unpacker = zlib.decompressobj(_GZIP)
        why = _read_member(unpacker, data, lines, limits)
        if lines:
            yield lines
        if why:
            yield Damage(lines[-1].at if lines else 0.0, why)
            return
        data = unpacker.unused_data


class _Limits:
    """What a file has used of its limits."""

    def __init__(self) -> None:
        self._bytes = self._entries = 0

    def unpack(self, count: int) -> str:
        self._bytes += count
        return f"it is larger than {MOST_FILE_BYTES:,} bytes unpacked" if self._bytes > MOST_FILE_BYTES else ""

    def enter(self, line: Line) -> str:
        self._entries += 1 + _count_entries(line)
        return f"it has more than {MOST_ENTRIES:,} objects" if self._entries > MOST_ENTRIES else ""


def _read_member(unpacker: Any, data: bytes, lines: list[Line], limits: _Limits) -> str:
    """Appends the lines; returns why they end before the member does, empty if they do not."""
    rest = b""
    latest: dict[str, float] = {}
    while data and not unpacker.eof:
        try:
            piece = unpacker.decompress(data, _PIECE)
        except zlib.error:
            return "it is not compressed as it was written"
        data = unpacker.unconsumed_tail
        *whole, rest = (rest + piece).split(b"\n")
        if why := limits.unpack(len(piece)) or ("a line is too long" if len(rest) > MOST_LINE_BYTES + 10 else ""):
            return why
        for text in whole:
            found = _read_line(text, latest if lines else None)
            if isinstance(found, str):
                return found
            lines.append(found)
            if why := limits.enter(found):
                return why
    return "a line has no end" if unpacker.eof and rest else ""


def _read_line(text: bytes, latest: dict[str, float] | None) -> Line | str:
    """The line, or what is wrong with it. `latest` are the moments of the sources before it; None before the header."""
    checksum, space, document = text[:8], text[8:9], text[9:]
    if space != b" " or checksum != b"%08x" % binascii.crc32(document):
        return "a line does not have its checksum"
    try:
        line = _DECODER.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return f"a line is not what the format says: {str(error)[:200]}"
    if not _FIRST < line.at < _LAST:
        return "a line has no moment"
    if latest is None:
        return _check_header(line) or line
    if not line.source or line.recording:
        return "a line has no source"
    if line.at < latest.get(line.source, 0.0):
        return "a line is older than the one before it"
    latest[line.source] = line.at
    return line


def _check_header(line: Line) -> str:
    if line.recording < 1:
        return "it does not begin as a recording does"
    if line.recording > FORMAT:
        return f"it is of a newer version (format {line.recording}); this console reads up to format {FORMAT}"
    if not 0.0 < line.hold_seconds <= LONGEST_HOLD_SECONDS:
        return f"its hold_seconds are not between 0 and {LONGEST_HOLD_SECONDS:g}"
    return ""


def _count_entries(line: Line) -> int:
    return len(line.state or ()) + len(line.new) + len(line.removed) + sum(map(len, line.changed.values()))


def encode_object(value: Object) -> msgspec.Raw:
    """Raises RecordingError for what JSON cannot hold."""
    return _encode(value)


def _encode(value: Any) -> msgspec.Raw:
    try:
        return msgspec.Raw(_ENCODER.encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordingError(f"an object cannot be recorded: {error}") from None


def diff_states(before: States, after: States, *, at: float, source: str) -> Line:
    """The line that makes `after` of `before`. Raises RecordingError."""
    new: Fields = {}
    changed: dict[str, Fields] = {}
    for key, value in after.items() if before is not after else ():
        old = before.get(key)
        if old is value:
            continue
        if old is None or not old.keys() <= value.keys():
            new[key] = encode_object(value)
        elif fields := {name: _encode(item) for name, item in value.items() if name not in old or old[name] != item}:
            changed[key] = fields
    removed = [key for key in before if key not in after] if before is not after else []
    return Line(at, source, new=new, changed=changed, removed=removed)


class StateReader:
    """The states of one source, made of its lines in order."""

    def __init__(self) -> None:
        self._objects: dict[str, msgspec.Raw | Fields] = {}
        self._began = False

    def apply(self, line: Line) -> str:
        """Returns why the line does not fit those before it, empty if it does."""
        if line.lost:
            self._objects, self._began = {}, False
            return ""
        if line.state is not None:
            self._objects, self._began = dict(line.state), True
        if not self._began:
            return "a change has no state before it"
        for key in line.removed:
            if self._objects.pop(key, None) is None:
                return f"it removes {key[:80]!r}, which is not there"
        self._objects |= line.new
        for key, fields in line.changed.items():
            held = self._objects.get(key)
            if held is None:
                return f"it changes {key[:80]!r}, which is not there"
            if isinstance(held, msgspec.Raw):
                try:
                    held = _FIELDS.decode(held)
                except (msgspec.DecodeError, RecursionError):
                    return f"{key[:80]!r} is no object"
            self._objects[key] = held | fields
        return ""

    def objects(self) -> dict[str, bytes]:
        """Every object by its key, as JSON."""
        return {
            key: bytes(held) if isinstance(held, msgspec.Raw) else _ENCODER.encode(held) for key, held in self._objects.items()
        }
