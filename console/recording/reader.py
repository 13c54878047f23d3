"""Reads a recording: what was known of a source at a moment, when nothing was, and a part of it as one file."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from console.recording.files import LATE_SECONDS, MEMBER_SECONDS, explain_os_error, list_files
from console.recording.lines import (
    Damage,
    Line,
    MemberEncoder,
    RecordingError,
    Redact,
    StateReader,
    read_members,
)
from queries.model.frozen import dataclass

NO_RECORDER = "no recorder ran then"
_MOST_PACKED_BYTES = 128 << 20
"""Of a file that is read."""
_KEPT_FILES = 3
"""How many files stay decoded: those around the moment that is shown."""
_MILLISECOND = 0.001
_OTHER_SERVER = {"cluster": ("alertmanager",), "alerts": ("cluster", "namespace"), "silences": ("cluster", "namespace")}
"""What of `about` says nothing of a source."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The recording does not tell; `reason` is for a person: `no recorder ran then`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """From `begin` up to `end`, Unix seconds, the recording does not tell what the source was."""

    source: str
    begin: float
    end: float
    reason: str


class Member:
    """One run of a recorder: the lines of each source in order."""

    def __init__(self, lines: list[Line], damage: Damage | None) -> None:
        self.header = lines[0]
        self.damage = damage
        self.lines: dict[str, list[Line]] = {}
        for line in lines[1:]:
            self.lines.setdefault(line.source, []).append(line)
        self._read: dict[str, tuple[int, StateReader]] = {}
        """The states after the line of this index."""

    def span(self, source: str, index: int) -> float | str:
        """Until when the state of this line is known, Unix seconds; or why it is not known at all."""
        lines = self.lines[source]
        line = lines[index]
        if line.lost:
            return line.lost
        after = lines[index + 1] if index + 1 < len(lines) else None
        if after is None:
            return _unreadable(self.damage.why) if self.damage else NO_RECORDER
        if after.lost:
            return after.lost
        return after.at if after.at - line.at <= self.header.hold_seconds else "the recorder did not get to run then"

    def find(self, source: str, moment: float) -> int:
        """The index of the source's last line up to the moment, -1 if there is none."""
        return bisect_right(self.lines.get(source, ()), moment, key=lambda line: line.at) - 1

    def states(self, source: str, index: int) -> StateReader | str:
        """The states after this line, or why they cannot be read."""
        lines = self.lines[source]
        after, reader = self._read.get(source, (-1, StateReader()))
        if after > index:
            after, reader = -1, StateReader()
        begin = next((at for at in range(index, after, -1) if lines[at].state is not None), after + 1)
        for at in range(begin, index + 1):
            if why := reader.apply(lines[at]):
                self._read.pop(source, None)
                return why
        self._read[source] = index, reader
        return reader


def _unreadable(why: str) -> str:
    return f"the recording cannot be read: {why}"


_Members: TypeAlias = tuple[tuple[Member, ...], Damage | None]
"""Of one file, with what could not be read of it."""


def _read(data: bytes) -> _Members:
    members: list[Member] = []
    found = list(read_members(data))
    damage = found[-1] if found and isinstance(found[-1], Damage) else None
    whole = [item for item in found if not isinstance(item, Damage)]
    for at, lines in enumerate(whole):
        members.append(Member(lines, damage if at == len(whole) - 1 else None))
    return tuple(members), damage


@dataclass(frozen=True, slots=True)
class _Content:
    """One file as it was read."""

    members: tuple[Member, ...]
    damage: Damage | None
    identity: tuple[int, int, int] = (0, 0, 0)


class Recording:
    """A folder of a recorder, or one file that was exported from it. For one thread at a time; its calls block.

    `about` names what the caller shows (cluster, namespace, Alertmanager): what was recorded of something else is not known.
    None takes whatever is recorded.
    """

    def __init__(self, folder: Path | None, *, exported: bytes = b"", about: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._about = about
        self._exported = _Content(*_read(exported)) if folder is None else None
        self._kept: OrderedDict[Path, _Content] = OrderedDict()

    @classmethod
    def of_folder(cls, folder: Path, *, about: Mapping[str, str] | None = None) -> Recording:
        """What a recorder wrote, and may still be writing. Nothing is read before it is asked for."""
        return cls(folder, about=about)

    @classmethod
    def of_bytes(cls, exported: bytes, *, about: Mapping[str, str] | None = None) -> Recording:
        """What `export` returned. Raises RecordingError if nothing of it can be read."""
        found = cls(None, exported=exported, about=about)
        assert found._exported is not None  # noqa: S101  # without a folder
        if not found._exported.members:
            damage = found._exported.damage
            raise RecordingError(f"this is no recording: {damage.why if damage else 'it is empty'}")
        return found

    def states_at(self, source: str, moment: float) -> dict[str, bytes] | Unknown:
        """Every object of the source at the moment, Unix seconds, as JSON by its key; or why that is not known.

        Known is what one line says and the next one of the same recorder confirms or changes: never the last state before a
        recorder ended, lost the server, or stood still. Raises RecordingError where the folder cannot be read.
        """
        reason = ""
        for content in self._around(moment):
            for member in reversed(content.members):
                found = self._states(member, source, moment)
                if not isinstance(found, str):
                    return found
                reason = reason or found.removeprefix(NO_RECORDER)
            if content.damage:
                reason = reason or _unreadable(content.damage.why)
        return Unknown(reason or NO_RECORDER)

    def gaps(self, source: str, begin: float, end: float) -> tuple[Gap, ...]:
        """When, from `begin` up to `end` (Unix seconds), the source is not known, in order. Raises RecordingError."""
        known: list[tuple[float, float]] = []
        explained: list[tuple[float, float, str]] = []
        for member in self._members(begin, end):
            lines = member.lines.get(source, [])
            foreign = self._foreign(member, source)
            for index, line in enumerate(lines):
                after = lines[index + 1].at if index + 1 < len(lines) else line.at + MEMBER_SECONDS
                until = foreign or member.span(source, index)
                if isinstance(until, str):
                    explained += [(line.at, after, until)] if until != NO_RECORDER else []
                else:
                    known.append((line.at, until))
        gaps: list[Gap] = []
        at = begin
        for start, until in [*sorted(known), (end, end)]:
            if start > at and at < end:
                gaps += _explain_gap(explained, source, at, min(start, end))
            at = max(at, until)
        return tuple(gaps)

    def sources(self, begin: float, end: float) -> tuple[str, ...]:
        """The sources that were recorded at any time between two moments, by name. Raises RecordingError."""
        return tuple(sorted({name for member in self._members(begin, end) for name in member.lines}))

    def export(self, begin: float, end: float, *, redact: Redact | None = None) -> bytes:
        """What is known from `begin` up to and including `end`, Unix seconds, as one file of the same format; `of_bytes` reads
        it. Its gaps are those of the recording. Empty if nothing is known. `redact` changes each line. Raises RecordingError.
        """
        return b"".join(
            _export(member, begin, end + _MILLISECOND, redact)
            for member in self._members(begin, end)
            if not self._foreign(member)
        )

    def _states(self, member: Member, source: str, moment: float) -> dict[str, bytes] | str:
        """The states, or why they are not known; empty if the member is not about the moment."""
        index = member.find(source, moment)
        if index < 0:
            return ""
        if foreign := self._foreign(member, source):
            return foreign
        until = member.span(source, index)
        found = until if isinstance(until, str) else member.states(source, index)
        if isinstance(found, str):
            return found if isinstance(until, str) else _unreadable(found)
        return found.objects()

    def _foreign(self, member: Member, source: str = "") -> str:
        """Why what it recorded of the source, or of any, is not about what the caller shows; empty if it is."""
        about = member.header.about
        other = _OTHER_SERVER.get(source, ())
        names = [name for name in self._about or () if name not in other and about.get(name) != (self._about or {})[name]]
        return f"what was recorded then is of another {' and '.join(names)}" if names else ""

    def _members(self, begin: float, end: float) -> Iterator[Member]:
        """The members that may tell of a time between the moments, in order."""
        if self._exported is not None:
            yield from self._exported.members
            return
        for path in self._paths(begin, end):
            yield from self._load(path).members

    def _around(self, moment: float) -> Iterable[_Content]:
        """The files that may tell of the moment, the newest first."""
        if self._exported is not None:
            return (self._exported,)
        return (self._load(path) for path in reversed(self._paths(moment, moment)))

    def _paths(self, begin: float, end: float) -> list[Path]:
        assert self._folder is not None  # noqa: S101  # else everything is read already
        earliest = begin - MEMBER_SECONDS - LATE_SECONDS
        return [path for start, path in list_files(self._folder) if earliest <= start <= end + LATE_SECONDS]

    def _load(self, path: Path) -> _Content:
        """A file that vanished is empty; one that cannot be read is damaged."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return _Content((), None)
        except OSError as error:
            return _Content((), Damage(0.0, error.strerror or str(error)))
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            identity = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            kept = self._kept.get(path)
            if kept is not None and kept.identity == identity:
                self._kept.move_to_end(path)
                return kept
            if facts.st_size > _MOST_PACKED_BYTES:
                return _Content((), Damage(0.0, f"{path.name} is larger than {_MOST_PACKED_BYTES:,} bytes"))
            try:
                members, damage = _read(file.read(_MOST_PACKED_BYTES))
            except OSError as error:
                raise explain_os_error(error, path.parent) from None
        self._kept[path] = content = _Content(members, damage, identity)
        while len(self._kept) > _KEPT_FILES:
            self._kept.popitem(last=False)
        return content


def _explain_gap(explained: list[tuple[float, float, str]], source: str, begin: float, end: float) -> Iterator[Gap]:
    """The gap in parts, each with its reason."""
    reasons = [item for item in explained if item[0] < end and item[1] > begin]
    edges = sorted({begin, end, *(edge for item in reasons for edge in item[:2] if begin < edge < end)})
    parts = [(at, next((why for start, until, why in reasons if start <= at < until), NO_RECORDER)) for at in edges[:-1]]
    starts = [part for before, part in zip([(0.0, ""), *parts], parts, strict=False) if before[1] != part[1]]
    for (at, why), until in zip(starts, [*(at for at, _ in starts[1:]), end], strict=True):
        yield Gap(source, at, until, why)


def _export(member: Member, begin: float, until: float, redact: Redact | None) -> bytes:
    """The lines of one member between two moments as a member of its own; empty if none is known."""
    exported: list[Line] = []
    for source, lines in member.lines.items():
        exported += _cut(member, source, lines, begin, until)
    if not exported:
        return b""
    exported.sort(key=lambda line: line.at)
    encoder = MemberEncoder(level=9, redact=redact)
    header = member.header
    head = Line(exported[0].at, recording=header.recording, hold_seconds=header.hold_seconds, about=header.about, by=header.by)
    return b"".join([*map(encoder.add, (head, *exported)), encoder.end()])


def _cut(member: Member, source: str, lines: list[Line], begin: float, until: float) -> Iterator[Line]:
    """The lines of a source from `begin` to `until`, the first of them with its whole state, and the reasons of its gaps."""
    began = False
    for index in range(max(0, member.find(source, begin)), len(lines)):
        line, span = lines[index], member.span(source, index)
        if line.at >= until:
            return
        known = isinstance(span, float)
        if line.at < begin and not known:
            began = False
        elif not began and not line.lost:
            states = member.states(source, index)
            if isinstance(states, str):
                yield Line(max(line.at, begin), source, lost=_unreadable(states))
                return
            objects = {key: msgspec.Raw(value) for key, value in states.objects().items()}
            yield Line(max(line.at, begin), source, state=objects)
            began = True
        else:
            yield line
            began = not line.lost
        if isinstance(span, float) and span >= until:
            yield Line(until, source)
        elif (
            isinstance(span, str)
            and span != NO_RECORDER
            and (not began or index + 1 == len(lines) or lines[index + 1].at >= until)
        ):
            yield Line(max(line.at, begin), source, lost=span)
            began = False
