"""A bundle as a file: a ZIP archive of plain parts and a manifest that names them; nothing of it is ever extracted to disk.

The format is documented in docs/bundle.md; `VERSION` changes where an older console could no longer read one.
"""

from __future__ import annotations

import errno
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from queries.model.text import visible
from queries.text.times import format_time

FORMAT = "cad-console-bundle"
VERSION = 1
MANIFEST = "manifest.json"
TIMELINE = "timeline"
"""The source that the manifest names where marks of the timeline may be missing."""
MOST_FILE_BYTES = 64 << 20
"""Of a bundle, as it lies on disk."""
MOST_BYTES = 256 << 20
"""Of all its parts together, decompressed: an archive of zeros must not fill the memory."""
MOST_PARTS = 100
_MANIFEST_BYTES = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGED = "copy it again, or ask whoever wrote it"


class BundleError(ValueError):
    """A file that is not a bundle, or one that cannot be used; the message says why."""


class BundlePart(msgspec.Struct, frozen=True):
    """A file within the bundle, its size in bytes and its SHA-256 in hexadecimal digits."""

    name: str
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: str


class SourceNote(msgspec.Struct, frozen=True):
    """A source and what the bundle has of it: `state` is `read`, `partial`, `not read` or `not configured`."""

    name: str
    state: str
    detail: str = ""


class IncidentNote(msgspec.Struct, frozen=True):
    number: int
    id: str
    title: str


class Manifest(msgspec.Struct, frozen=True):
    """What the bundle is about and what is in it. Times are Unix seconds; `step_seconds` is the distance of stored samples."""

    format: str
    version: int
    made_by: str
    made_at: float
    environment: str
    namespace: str
    incident: IncidentNote
    start: float
    end: float
    began_at: float
    step_seconds: float
    sources: tuple[SourceNote, ...] = ()
    parts: tuple[BundlePart, ...] = ()

    def describe(self) -> str:
        """`incident 4 of production, 2026-11-29T03:00:00Z to …, by cad-console 0.5.0`."""
        times = f"{format_time(self.start)} to {format_time(self.end)}"
        return f"incident {self.incident.number} of {visible(self.environment)}, {times}, by {visible(self.made_by)}"

    def source(self, name: str) -> SourceNote:
        return next((item for item in self.sources if item.name == name), SourceNote(name, "not read", "not in the bundle"))


class Bundle:
    """The manifest, and each part's content by name, which is unpacked and compared with its hash when it is first read."""

    def __init__(
        self, manifest: Manifest, parts: Mapping[str, bytes], *, name: str = "", archive: zipfile.ZipFile | None = None
    ) -> None:
        self.manifest = manifest
        self.name = name
        self._parts = dict(parts)
        self._archive = archive
        self._packed = {part.name: part for part in manifest.parts} if archive is not None else {}

    def read(self, name: str) -> bytes:
        """The content of a part, empty for none of this name. Raises BundleError where it is not what was written."""
        if name not in self._parts and name in self._packed:
            assert self._archive is not None  # noqa: S101  # else nothing is packed
            self._parts[name] = _unpack(self._archive, self._packed[name])
        return self._parts.get(name, b"")

    def has(self, name: str) -> bool:
        return name in self._parts or name in self._packed

    def check(self) -> None:
        """Read every part. Raises BundleError."""
        for name in self._packed:
            self.read(name)


def write_bundle(file: Path, manifest: Manifest, parts: Mapping[str, bytes]) -> str:
    """Writes it (0600) completely or not at all, and returns the SHA-256 of the file. Raises OSError, also for a bundle that
    `open_bundle` would refuse as too large.
    """
    listed = tuple(_describe_part(name, content) for name, content in sorted(parts.items()))
    manifest = msgspec.structs.replace(manifest, parts=listed)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(_entry(MANIFEST), msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        for name, content in sorted(parts.items()):
            archive.writestr(_entry(name), content)
    content, unpacked = buffer.getvalue(), sum(part.bytes for part in listed)
    for size, most, form in ((unpacked, MOST_BYTES, "bytes unpacked"), (len(content), MOST_FILE_BYTES, "bytes")):
        if size > most:
            largest = max(listed, key=lambda part: part.bytes)
            text = f"not written: it has {size:,} {form}, and the limit is {most:,}; the largest part is {largest.name}"
            raise OSError(errno.EFBIG, text, str(file))
    digest = _digest(content)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as target:
            target.write(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def _describe_part(name: str, content: bytes) -> BundlePart:
    return BundlePart(name, len(content), _digest(content))


def _digest(content: bytes) -> str:
    import hashlib  # noqa: PLC0415  # after the first frame of a replay

    return hashlib.sha256(content).hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    """Of a fixed time: the same parts give the same file."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def open_bundle(path: str | Path) -> Bundle:
    """The manifest, and every part that it names still packed; other files of the archive are ignored.

    Raises BundleError: not a bundle, of a newer version, cut off, or larger than any bundle is. Whether a part is what was
    written is found when it is read: `Bundle.check` reads all.
    """
    archive = _open(path)
    manifest = _read_manifest(archive)
    if len(manifest.parts) > MOST_PARTS or sum(part.bytes for part in manifest.parts) > MOST_BYTES:
        raise BundleError(f"its parts have more than {MOST_BYTES >> 20} MiB: no bundle is that large")
    names = set(archive.namelist())
    for part in manifest.parts:
        if part.name not in names:
            raise BundleError(f"{visible(part.name)} is missing: the bundle is not complete")
    return Bundle(manifest, {}, name=Path(path).name, archive=archive)


def _unpack(archive: zipfile.ZipFile, part: BundlePart) -> bytes:
    content = _read(archive, archive.getinfo(part.name), part.bytes)
    if len(content) != part.bytes or _digest(content) != part.sha256:
        raise BundleError(f"{visible(part.name)} is not what was written: somebody or something changed the bundle")
    return content


def _open(path: str | Path) -> zipfile.ZipFile:
    file = Path(path).expanduser()
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise BundleError(f"{file} is not a file")
        if size > MOST_FILE_BYTES:
            raise BundleError(f"{file} has {size >> 20} MiB: no bundle is larger than {MOST_FILE_BYTES >> 20} MiB")
        # Read in one piece: another process may go on writing it.
        archive = zipfile.ZipFile(io.BytesIO(file.read_bytes()))
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{file} is not a bundle, or it was cut off: {_DAMAGED}") from None
    if len(archive.infolist()) > MOST_PARTS + 1:
        raise BundleError(f"{file} has {len(archive.infolist())} files: it is not a bundle")
    return archive


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        entry = archive.getinfo(MANIFEST)
    except KeyError:
        raise BundleError(f"there is no {MANIFEST} in it: it is not a bundle") from None
    content = _read(archive, entry, _MANIFEST_BYTES)
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format != FORMAT:
            raise BundleError(f"it is not a bundle: its format is {visible(head.format)}")
        if head.version > VERSION:
            raise BundleError(f"a newer cad-console wrote it (format {head.version}, this one reads {VERSION}): update it")
        manifest = msgspec.json.decode(content, type=Manifest)
    except BundleError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"its {MANIFEST} cannot be read: {visible(str(error))}") from None
    if not 0.0 < manifest.start <= manifest.began_at <= manifest.end < _LATEST or not manifest.step_seconds > 0:
        raise BundleError(f"its {MANIFEST} has impossible times")
    return manifest


_LATEST = 253_402_300_800.0
"""The year 10000: no calendar goes further."""


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The content of an entry of at most so many bytes, whatever its header promises."""
    if entry.compress_type not in _METHODS or entry.flag_bits & _ENCRYPTED:
        raise BundleError(f"{visible(entry.filename)} is encrypted or compressed in a way that no bundle is")
    try:
        with archive.open(entry) as stream:
            content = stream.read(most + 1)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, zlib.error):
        raise BundleError(f"{visible(entry.filename)} is damaged: {_DAMAGED}") from None
    if len(content) > most:
        raise BundleError(f"{visible(entry.filename)} is larger than the bundle says: it is not used")
    return content


def encode_lines(rows: Iterable[object]) -> bytes:
    """JSON objects, one a line."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
