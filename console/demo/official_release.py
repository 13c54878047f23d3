"""Downloads the official release archives of Prometheus and Alertmanager and verifies their published checksums."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import httpx

from console.demo import http_get
from console.demo.errors import SourceFailed
from queries.errors import SourceError
from queries.model.frozen import dataclass
from queries.text.numbers import format_size

VERSIONS = (("prometheus", "3.5.0"), ("alertmanager", "0.28.1"))
BASE_URL = "https://github.com/prometheus"
_PROGRAMS = {"prometheus": ("prometheus", "promtool"), "alertmanager": ("alertmanager", "amtool")}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_TIMEOUT = httpx.Timeout(20.0, connect=4.0)
_MAX_SUMS = 1 << 20
_SUMS_SECONDS = 20.0
MAX_ARCHIVE = 1 << 30
"""Bytes; current archives have about 100 MB."""


@dataclass(frozen=True, slots=True)
class OfficialRelease:
    """`base_url` has the layout of GitHub: `<project>/releases/download/v<version>/…`."""

    base_url: str = BASE_URL
    versions: tuple[tuple[str, str], ...] = VERSIONS
    name: str = "the official release archive"

    @property
    def folder_name(self) -> str:
        return "release-" + "-".join(version for _, version in self.versions)

    def fetch(self, folder: Path, report: Callable[[str, int, int], None]) -> None:
        machine = _MACHINES.get(platform.machine().lower())
        if machine is None:
            raise SourceFailed(f"no archive for a {platform.machine()} machine")
        kind = f"{platform.system().lower()}-{machine}"
        (folder / "bin").mkdir()
        for project, version in self.versions:
            archive = f"{project}-{version}.{kind}.tar.gz"
            base = f"{self.base_url}/{project}/releases/download/v{version}"
            expected = _published_sum(f"{base}/sha256sums.txt", archive)
            path = folder / archive
            actual = _download(f"{base}/{archive}", path, report)
            if actual != expected:
                raise SourceFailed(f"{archive} has the wrong checksum: published {expected[:12]}…, got {actual[:12]}…")
            _unpack(path, _PROGRAMS[project], folder / "bin")
            path.unlink()


def _published_sum(url: str, archive: str) -> str:
    try:
        with http_get.open_response(url, timeout=_TIMEOUT) as answer:
            text = http_get.read_body(answer, limit_bytes=_MAX_SUMS, where=url, seconds=_SUMS_SECONDS)
    except SourceError as error:
        raise SourceFailed(str(error)) from error
    for line in text.decode("ascii", "replace").splitlines():
        digest, _, name = line.partition(" ")
        if name.strip().lstrip("*") == archive and len(digest) == 64:
            return digest.lower()
    raise SourceFailed(f"{url} has no checksum for {archive}")


def _download(url: str, path: Path, report: Callable[[str, int, int], None]) -> str:
    """Downloads `url` to `path` and returns its SHA-256."""
    digest = hashlib.sha256()
    try:
        with http_get.open_response(url, timeout=_TIMEOUT) as answer, path.open("wb") as file:
            total = int(answer.headers.get("content-length") or 0)
            done = 0
            for part in http_get.raw_chunks(answer):
                digest.update(part)
                file.write(part)
                done += len(part)
                if done > MAX_ARCHIVE:
                    raise SourceFailed(f"{url} is larger than {format_size(MAX_ARCHIVE)}")
                report(f"downloading {path.name}", done, total)
    except SourceError as error:
        raise SourceFailed(str(error)) from error
    return digest.hexdigest()


def _unpack(archive: Path, programs: tuple[str, ...], folder: Path) -> None:
    """Copies only these programs by their base name, and uses no path of the archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if not member.isfile() or name not in programs:
                    continue
                source = tar.extractfile(member)
                if source is None:
                    continue
                with source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                (folder / name).chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SourceFailed(f"{archive.name} cannot be unpacked: {error}") from error
