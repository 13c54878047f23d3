"""The log of one container as a stream of lines: split, cut, timed, and continued without repeating a line.

Source: the kubelet (Kubernetes 1.36, pkg/kubelet/kuberuntime/logs) puts an RFC 3339 time with nine decimals and a blank before
each line if `timestamps` is set, and ends a followed log when its container ends. The API server passes `sinceTime` on in whole
seconds, so a log that continues from there begins with lines that were read before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from queries.concurrency import CPU_LOCK
from queries.kubernetes.api import ByteStream, KubeApi, quote_segment
from queries.model.log import LINE_BYTES, TimedLine
from queries.model.pod_log import LogRequest
from queries.text.times import utc

IDLE_SECONDS = 120.0
"""A followed log that is silent for longer is requested again: a dead connection is as silent as a quiet container."""
_SECOND = 1_000_000_000
_STAMP = 40
"""No timestamp is longer, with its zone and the blank."""


def stream_log(api: KubeApi, namespace: str, request: LogRequest, stream: ByteStream) -> Iterator[list[TimedLine]]:
    """The lines of a log in batches, as they arrive. Raises SourceError."""
    path = f"/api/v1/namespaces/{quote_segment(namespace)}/pods/{quote_segment(request.pod)}/log"
    splitter = LineSplitter()
    for piece in api.pieces(path, build_query(request), stream=stream, idle_seconds=IDLE_SECONDS):
        with CPU_LOCK:
            lines = splitter.feed(piece)
        if lines:
            yield lines
    if rest := splitter.end():
        yield rest


def build_query(request: LogRequest) -> list[tuple[str, str]]:
    """The parameters of the log subresource."""
    query = [("timestamps", "true")]
    if request.follow:
        query.append(("follow", "true"))
    if request.container:
        query.append(("container", request.container))
    if request.previous:
        query.append(("previous", "true"))
    if request.since_ns is not None:
        query.append(("sinceTime", utc(request.since_ns // _SECOND)))
    elif request.since_seconds is not None:
        query.append(("sinceSeconds", str(request.since_seconds)))
    if request.tail_lines is not None:
        query.append(("tailLines", str(request.tail_lines)))
    return query


class LineSplitter:
    """Splits pieces of a log into lines with their time; keeps only the start of a very long line, and its size."""

    def __init__(self) -> None:
        self._pending = b""
        self._size = 0
        """Bytes of the very long line that has not ended yet, 0 for none."""
        self._seconds: dict[str, int] = {}

    def feed(self, piece: bytes) -> list[TimedLine]:
        """The lines that this piece completes."""
        lines: list[TimedLine] = []
        if self._size:
            head, newline, piece = piece.partition(b"\n")
            self._size += len(head)
            if not newline:
                return lines
            lines.append(self._parse(self._pending, self._size))
            self._pending, self._size = b"", 0
        whole, newline, rest = (self._pending + piece).rpartition(b"\n")
        if newline:
            lines += [self._parse(line, len(line)) for line in whole.split(b"\n")]
        self._pending = rest
        if len(rest) > LINE_BYTES + _STAMP:
            self._pending, self._size = rest[: LINE_BYTES + _STAMP], len(rest)
        return lines

    def end(self) -> list[TimedLine]:
        """The last line, if no newline ended it."""
        return [self._parse(self._pending, self._size or len(self._pending))] if self._pending else []

    def _parse(self, line: bytes, size: int) -> TimedLine:
        stamp, blank, body = line.partition(b" ")
        at_ns = self._parse_time(stamp) if blank or len(stamp) < _STAMP else 0
        if at_ns:
            size -= len(stamp) + len(blank)
        else:
            body = line
        if size <= LINE_BYTES:
            return at_ns, body.decode("utf-8", "replace"), 0
        return at_ns, body[:LINE_BYTES].decode("utf-8", "ignore"), size

    def _parse_time(self, stamp: bytes) -> int:
        """Unix nanoseconds of `2026-11-29T16:07:10.123456789Z` or another zone; 0 if it is not a time."""
        if not 20 <= len(stamp) < _STAMP or stamp[10] != ord("T"):
            return 0
        text = stamp.decode("ascii", "replace")
        zone = "Z" if text[-1] == "Z" else text[-6:]
        fraction = text[20 : len(text) - len(zone)]
        whole = text[:19] + zone
        seconds = self._seconds.get(whole)
        if seconds is None:
            try:
                seconds = int(datetime.fromisoformat(whole).timestamp())
            except (ValueError, OverflowError):
                return 0
            self._seconds = {whole: seconds}  # the next line is most often of the same second
        if fraction and not (fraction.isascii() and fraction.isdecimal() and len(fraction) <= 9):
            return 0
        return seconds * _SECOND + (int(fraction.ljust(9, "0")) if fraction else 0)


class LogPosition:
    """How far a log was read, so that its continuation repeats no line and skips none silently."""

    def __init__(self) -> None:
        self.since_ns: int | None = None
        """The second of the last line, from which the log continues; None before the first line."""
        self._seen: Counter[tuple[int, str]] = Counter()
        """The lines since then: several may have the same time."""
        self._repeated: Counter[tuple[int, str]] = Counter()
        self._last: tuple[int, str] | None = None
        self._missing_from: tuple[int, str] | None = None

    @property
    def last_ns(self) -> int:
        """The time of the last line, 0 before the first."""
        return self._last[0] if self._last else 0

    def copy(self) -> LogPosition:
        """The same position, which changes independently."""
        other = LogPosition()
        other.since_ns, other._last, other._missing_from = self.since_ns, self._last, self._missing_from
        other._seen, other._repeated = self._seen.copy(), self._repeated.copy()
        return other

    @property
    def proven(self) -> bool:
        """Whether the line before a continuation came again, which proves that nothing was skipped."""
        return self._missing_from is None

    def resume(self) -> None:
        """The log is read again from `since_ns`."""
        self._repeated = self._seen.copy()
        self._missing_from = self._last

    def accept(self) -> None:
        """Take the next line as the continuation although nothing proves it."""
        self._missing_from = None

    def keep_new(self, lines: list[TimedLine]) -> list[TimedLine]:
        """The lines that were not read before. A line without a time gets the one of the line before it."""
        kept = []
        for at_ns, text, size in lines:
            last_ns = self._last[0] if self._last else 0
            line = (at_ns or last_ns, text, size)
            key = (line[0], text)
            if self._repeated and self._repeated[key] > 0:
                self._repeated[key] -= 1
                if key == self._missing_from:
                    self._missing_from = None
                continue
            kept.append(line)
            second = line[0] // _SECOND * _SECOND
            if self.since_ns is None or second > self.since_ns:
                self.since_ns = second
                self._seen.clear()
            self._seen[key] += 1
            self._last = key
        return kept
