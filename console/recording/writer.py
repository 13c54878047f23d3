"""Writes a recording: only what changed, in files of an hour that are readable up to any byte at which they end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from console.recording.files import (
    LATE_SECONDS,
    MEMBER_SECONDS,
    create_recording_file,
    create_recording_folder,
    explain_os_error,
    list_files,
    sync_folder,
)
from console.recording.lines import (
    FORMAT,
    LONGEST_HOLD_SECONDS,
    MOST_FILE_BYTES,
    Line,
    MemberEncoder,
    RecordingError,
    States,
    diff_states,
    encode_object,
)

HOLD_SECONDS = 60.0
"""For how long a state counts as known without another line of its source, unless its source is asked more rarely."""
_SAME_SECONDS = HOLD_SECONDS / 4.0
"""How often an unchanged source is confirmed."""
_ANSWERS = 2.5
"""A state holds for so many polls, where that is longer."""
_PARTS = 10
"""A file takes at most this part of the space."""


def choose_hold(every_seconds: float) -> float:
    """The hold for sources that are polled so often: one answer may be lost, within what the format allows."""
    return min(LONGEST_HOLD_SECONDS, max(HOLD_SECONDS, _ANSWERS * every_seconds))


class _Source:
    """What is known of one source: its states and when they were last confirmed, or why they are not known."""

    def __init__(self) -> None:
        self.states: States = {}
        self.confirmed_at = self.written_at = 0.0
        self.lost = "it was not read yet"


class RecordingWriter:
    """Writes to one folder, whose lock the caller holds; for one thread. Calls block: they write and sync files."""

    def __init__(
        self,
        folder: Path,
        *,
        about: Mapping[str, str],
        by: str,
        keep_seconds: float,
        max_bytes: int,
        sync_seconds: float = 10.0,
        hold_seconds: float = HOLD_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`sync_seconds` is how much a power failure may cost. `hold_seconds` is for how long a state counts as known without
        another line of its source.
        """
        self._hold_seconds = hold_seconds
        self._sync_seconds = sync_seconds
        self._folder = folder
        self._about = dict(about)
        self._by = by
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._descriptor = -1
        self._encoder = MemberEncoder()
        self._began_at = 0.0
        self._packed = self._full_at = 0
        self._sync_due = 0.0

    def record(self, at: float, source: str, states: States) -> None:
        """The states of a source as just read, at a moment in Unix seconds. An object that did not change should be the same
        object as before: then it costs nothing. Raises RecordingError: no source is then known until it is recorded again, in a
        new file.
        """
        known = self._sources.setdefault(source, _Source())
        before, was_lost, earlier = known.states, known.lost, known.confirmed_at
        known.states, known.lost, known.confirmed_at = states, "", at
        if self._begin_if_needed(at, earlier):
            return
        if was_lost:
            self._write(source, Line(at, source, state=_encode_states(states)))
            return
        line = diff_states(before, states, at=at, source=source)
        if line.new or line.changed or line.removed or at - known.written_at >= _SAME_SECONDS:
            self._write(source, line)
        self._rotate(at)

    def lose(self, at: float, source: str, why: str) -> None:
        """From this moment on the source is not known. Raises RecordingError."""
        known = self._sources.setdefault(source, _Source())
        if known.lost == why:
            return
        before, earlier = known.lost, known.confirmed_at
        known.lost = why
        if self._begin_if_needed(at, earlier):
            return
        if not before:
            self._confirm(source, known)
        known.states = {}
        self._write(source, Line(max(at, known.written_at), source, lost=why))
        self._rotate(at)

    def close(self) -> None:
        """Confirm what is known, and end the file. Raises RecordingError."""
        if self._descriptor >= 0:
            for name, known in self._sources.items():
                if not known.lost:
                    self._confirm(name, known)
            self._end()

    def _confirm(self, name: str, known: _Source) -> None:
        if known.confirmed_at > known.written_at:
            self._write(name, Line(known.confirmed_at, name))

    def _begin_if_needed(self, at: float, earlier: float) -> bool:
        """Whether a file has just begun, with everything that is known."""
        if self._descriptor >= 0 and at < earlier:
            self._end()  # somebody set the clock back: its lines must stay in order
        if self._descriptor >= 0:
            return False
        self._begin(at)
        return True

    def _rotate(self, at: float) -> None:
        """Go on in a new file if this one is long enough."""
        full = self._packed >= self._full_at or self._encoder.unpacked >= MOST_FILE_BYTES // 8
        if full or not 0.0 <= at - self._began_at < MEMBER_SECONDS:
            self.close()
            self._begin(at)

    def _begin(self, at: float) -> None:
        self._delete_old()
        encoder = MemberEncoder()
        header = Line(at, recording=FORMAT, hold_seconds=self._hold_seconds, about=self._about, by=self._by)
        content = encoder.add(header)
        for name, known in self._sources.items():
            if known.lost:
                line = Line(max(at, known.confirmed_at), name, lost=known.lost)
            else:
                line = Line(known.confirmed_at, name, state=_encode_states(known.states))
            content += encoder.add(line)
            known.written_at = line.at
        create_recording_folder(self._folder)
        try:
            descriptor, path = create_recording_file(self._folder, at)
        except OSError as error:
            raise self._fail(error) from None
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
            sync_folder(self._folder)
        except OSError as error:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise self._fail(error) from None
        self._descriptor, self._encoder = descriptor, encoder
        self._began_at, self._packed = at, len(content)
        self._full_at = max(self._max_bytes // _PARTS, 2 * len(content))
        self._sync_due = time.monotonic() + self._sync_seconds

    def _write(self, source: str, line: Line) -> None:
        try:
            content = self._encoder.add(line)
            _write_all(self._descriptor, content)
            if time.monotonic() >= self._sync_due:
                os.fsync(self._descriptor)
                self._sync_due = time.monotonic() + self._sync_seconds
        except (OSError, RecordingError) as error:
            self._abandon()
            raise self._fail(error) from None
        self._packed += len(content)
        self._sources[source].written_at = line.at

    def _end(self) -> None:
        try:
            _write_all(self._descriptor, self._encoder.end())
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._fail(error) from None
        finally:
            self._abandon()

    def _fail(self, error: OSError | RecordingError) -> RecordingError:
        """Nobody knows what happens until the next line can be written: from here on no source is known."""
        explained = explain_os_error(error, self._folder) if isinstance(error, OSError) else error
        for known in self._sources.values():
            known.states, known.lost = {}, str(explained)
        return explained

    def _abandon(self) -> None:
        """Write no more to this file; the next line begins another."""
        os.close(self._descriptor)
        self._descriptor = -1

    def _delete_old(self) -> None:
        """What is older than it is to be kept, and the oldest files while they take too much space. Raises RecordingError."""
        too_old = self._clock() - self._keep_seconds - MEMBER_SECONDS - LATE_SECONDS
        left = self._max_bytes - self._max_bytes // _PARTS
        for begin, path in reversed(list_files(self._folder)):
            try:
                left -= path.stat().st_size
                if left < 0 or begin < too_old:
                    path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise explain_os_error(error, self._folder) from None


def _encode_states(states: States) -> dict[str, msgspec.Raw]:
    return {key: encode_object(value) for key, value in states.items()}


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
