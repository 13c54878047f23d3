"""The folder of a recording: its files by the time at which they begin, and the lock that one recorder holds."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from console.config.permissions import refuse_state
from console.recording.lines import SUFFIX, RecordingError
from queries.text.times import format_time

MEMBER_SECONDS = 3600.0
"""How long one file is written to."""
LATE_SECONDS = 120.0
"""By how much its last line may be later than that."""
_LEAST_BYTES = 4096
LOCK = "recorder.lock"
_NAME = re.compile(rf"(\d{{8}}T\d{{6}})Z(?:-\d{{1,6}})?{re.escape(SUFFIX)}", re.ASCII)
_STAMP = "%Y%m%dT%H%M%S"


def begin_of(name: str) -> float | None:
    """When the file of this name begins, Unix seconds rounded down; None if it is not one of a recording."""
    found = _NAME.fullmatch(name)
    try:
        return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC).timestamp() if found else None
    except ValueError:
        return None


def list_files(folder: Path) -> list[tuple[float, Path]]:
    """Every file of the recording and when it begins, in order; none if there is no such folder. Raises RecordingError."""
    try:
        with os.scandir(folder) as entries:
            found = [(begin_of(item.name), Path(item.path)) for item in entries if item.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise explain_os_error(error, folder) from None
    return sorted((begin, path) for begin, path in found if begin is not None)


def create_recording_folder(folder: Path) -> None:
    """Raises RecordingError where it cannot be created, or another user could have written to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from None
    for path in (folder.parent, folder):
        if why := refuse_state(path):
            raise RecordingError(f"nothing is recorded: {why}")


def create_recording_file(folder: Path, begin: float) -> tuple[int, Path]:
    """A new file for what begins at this moment, open for writing. Raises OSError."""
    stamp = format_time(begin, _STAMP, unknown="")
    if not stamp:
        raise OSError(errno.EINVAL, "the clock of this machine shows no date")
    for count in range(1_000):
        path = folder / f"{stamp}Z{f'-{count}' if count else ''}{SUFFIX}"
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), path
        except FileExistsError:
            continue
    raise OSError(errno.EEXIST, "too many recordings begin in this second")


def sync_folder(folder: Path) -> None:
    """Make the names in it durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(folder: Path) -> None:
    """Raises RecordingError where the disk has no room for one more line."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        raise explain_os_error(error, folder) from None
    if disk.f_bavail * disk.f_frsize < _LEAST_BYTES:
        raise explain_os_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder)


def explain_os_error(error: OSError, folder: Path) -> RecordingError:
    """The error that a person can act on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RecordingError(f"nothing is recorded: the disk of {folder} is full; free some space")
    return RecordingError(f"the recording in {folder} cannot be used: {error.strerror or error}")


class RecorderLock:
    """Lets one recorder write to a folder. The kernel releases it when its process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def acquire(self) -> bool:
        """Whether this process holds it now. Raises RecordingError."""
        if self._descriptor >= 0:
            return True
        create_recording_folder(self._folder)
        try:
            descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain_os_error(error, self._folder) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            os.close(descriptor)
            raise explain_os_error(error, self._folder) from None
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
