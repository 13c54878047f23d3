"""The official release archives of Prometheus and Alertmanager, checked against the checksums published beside them."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from console.demo.failure import SourceFailed

VERSIONS = (("prometheus", "3.5.0"), ("alertmanager", "0.28.1"))
BASE_URL = "https://github.com/prometheus"
_WANTED = {"prometheus": ("prometheus", "promtool"), "alertmanager": ("alertmanager", "amtool")}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_TIMEOUT = httpx.Timeout(20.0, connect=4.0)
_LARGEST_SUMS = 1 << 20


@dataclass(frozen=True, slots=True)
class OfficialRelease:
    """`base_url` holds `<project>/releases/download/v<version>/…`, as GitHub does."""

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
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            for project, version in self.versions:
                archive = f"{project}-{version}.{kind}.tar.gz"
                base = f"{self.base_url}/{project}/releases/download/v{version}"
                expected = _published_sum(client, f"{base}/sha256sums.txt", archive)
                path = folder / archive
                actual = _download(client, f"{base}/{archive}", path, report)
                if actual != expected:
                    raise SourceFailed(f"{archive} has the wrong checksum: published {expected[:12]}…, got {actual[:12]}…")
                _unpack(path, _WANTED[project], folder / "bin")
                path.unlink()


def _published_sum(client: httpx.Client, url: str, archive: str) -> str:
    try:
        with client.stream("GET", url) as answer:
            _accept(answer)
            text = b""
            for part in answer.iter_bytes():
                text += part
                if len(text) > _LARGEST_SUMS:
                    raise SourceFailed(f"{url} is too large to be a list of checksums")
    except httpx.HTTPError as error:
        raise SourceFailed(_reason(url, error)) from error
    for line in text.decode("ascii", "replace").splitlines():
        digest, _, name = line.partition(" ")
        if name.strip().lstrip("*") == archive and len(digest) == 64:
            return digest.lower()
    raise SourceFailed(f"{url} names no checksum for {archive}")


def _download(client: httpx.Client, url: str, path: Path, report: Callable[[str, int, int], None]) -> str:
    """Writes what `url` gives to `path` and returns its SHA-256."""
    digest = hashlib.sha256()
    try:
        with client.stream("GET", url) as answer, path.open("wb") as file:
            _accept(answer)
            total = int(answer.headers.get("content-length") or 0)
            done = 0
            for part in answer.iter_raw(1 << 18):
                digest.update(part)
                file.write(part)
                done += len(part)
                report(f"loading {path.name}", done, total)
    except httpx.HTTPError as error:
        raise SourceFailed(_reason(url, error)) from error
    return digest.hexdigest()


def _accept(answer: httpx.Response) -> None:
    if answer.status_code != 200:
        raise SourceFailed(f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}")


def _reason(url: str, error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"{url} did not answer in time"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"{url} ended too early: {error}"
    return f"{url} cannot be reached: {error}"


def _unpack(archive: Path, wanted: tuple[str, ...], folder: Path) -> None:
    """Copies only the wanted programs, by their last name: no path of the archive is ever used."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if not member.isfile() or name not in wanted:
                    continue
                source = tar.extractfile(member)
                if source is None:
                    continue
                with source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                (folder / name).chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SourceFailed(f"{archive.name} cannot be unpacked: {error}") from error
