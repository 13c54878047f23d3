"""Finds Prometheus and Alertmanager on this machine, or downloads them into the user's cache without root."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from console.config.permissions import distrust
from console.demo.apt_packages import DistributionPackages
from console.demo.errors import SourceFailed
from console.demo.official_release import OfficialRelease
from queries.model.frozen import dataclass
from queries.text.variables import home_folder, read_env

PROGRAMS = ("prometheus", "promtool", "alertmanager", "amtool")
_ALIASES = {"alertmanager": ("prometheus-alertmanager",)}


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """A progress report; `total_bytes` is 0 where it is unknown or nothing is downloaded."""

    text: str
    done_bytes: int = 0
    total_bytes: int = 0

    def __str__(self) -> str:
        if not self.total_bytes:
            return self.text
        return f"{self.text}: {self.done_bytes / 1e6:.1f} of {self.total_bytes / 1e6:.1f} MB"


Report = Callable[[DownloadProgress], None]


@dataclass(frozen=True, slots=True)
class Servers:
    """Paths of the programs. `templates` is a folder of files that Alertmanager needs in its working directory, or empty."""

    prometheus: str
    promtool: str
    alertmanager: str
    amtool: str
    templates: str = ""
    origin: str = ""


class BinaryNotFound(Exception):
    """No source provides the servers; the message has the reason of each."""


class ServerSource(Protocol):
    """A source of the servers. `fetch` fills `folder/bin` and, where needed, `folder/templates`."""

    @property
    def name(self) -> str: ...

    @property
    def folder_name(self) -> str: ...

    def fetch(self, folder: Path, report: Callable[[str, int, int], None]) -> None: ...


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/cad-console/servers`; a relative XDG_CACHE_HOME is ignored, as the specification requires."""
    given = read_env(environ, "XDG_CACHE_HOME")
    base = Path(given) if given.startswith("/") else Path(home_folder(environ)) / ".cache"
    return base / "cad-console" / "servers"


def default_sources() -> tuple[ServerSource, ...]:
    """The official release, then the distribution's packages."""
    return (OfficialRelease(), DistributionPackages())


def locate(environ: Mapping[str, str], sources: Sequence[ServerSource]) -> Servers | None:
    """The servers on PATH, else in the cache, else None; without network access."""
    path = read_env(environ, "PATH") or os.defpath
    found: dict[str, str] = {}
    for program in PROGRAMS:
        for name in (program, *_ALIASES.get(program, ())):
            where = shutil.which(name, path=path)
            if where:
                found.setdefault(program, where)
    if len(found) == len(PROGRAMS):
        return Servers(**found, origin="PATH")
    for source in sources:
        folder = cache_folder(environ) / source.folder_name
        if folder.is_dir() and not distrust(folder.parent) and not distrust(folder):
            return _in_folder(folder)
    return None


def provide_servers(
    report: Report,
    *,
    environ: Mapping[str, str] | None = None,
    sources: Sequence[ServerSource] | None = None,
) -> Servers:
    """The servers, downloaded first where they are missing. Raises BinaryNotFound.

    With two concurrent calls the second waits for the first; an incomplete folder is never visible.
    """
    environ = os.environ if environ is None else environ
    sources = default_sources() if sources is None else tuple(sources)
    known = locate(environ, sources)
    if known:
        return known
    cache = cache_folder(environ)
    try:
        if why := distrust(cache):
            raise BinaryNotFound(f"refusing to run programs from the cache: {why}")
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / ".lock").open("a") as lock:
            _lock(lock.fileno(), report)
            return locate(environ, sources) or _fetch_first(cache, sources, report)
    except OSError as error:
        raise BinaryNotFound(f"the cache {cache} cannot be written: {error.strerror or error}") from error


def _lock(descriptor: int, report: Report) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report(DownloadProgress("another console is downloading the servers; waiting"))
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _fetch_first(cache: Path, sources: Sequence[ServerSource], report: Report) -> Servers:
    reasons: list[str] = []
    for source in sources:
        staging = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=cache))
        try:
            report(DownloadProgress(f"downloading Prometheus and Alertmanager from {source.name}"))
            source.fetch(staging, lambda text, done, total: report(DownloadProgress(text, done, total)))
            _check_complete(staging)
            staging.chmod(0o755)
            target = cache / source.folder_name
            with suppress(FileNotFoundError):
                shutil.rmtree(target)
            staging.rename(target)
            return _in_folder(target)
        except SourceFailed as error:
            reasons.append(f"{source.name}: {error}")
            report(DownloadProgress(f"not from {source.name}: {error}"))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    raise BinaryNotFound("Prometheus and Alertmanager could not be downloaded\n  " + "\n  ".join(reasons))


def _check_complete(folder: Path) -> None:
    missing = [name for name in PROGRAMS if not os.access(folder / "bin" / name, os.X_OK)]
    if missing:
        raise SourceFailed(f"{', '.join(missing)} missing in the download")


def _in_folder(folder: Path) -> Servers:
    programs = {name: str(folder / "bin" / name) for name in PROGRAMS}
    templates = folder / "templates"
    return Servers(**programs, templates=str(templates) if templates.is_dir() else "", origin=str(folder))
