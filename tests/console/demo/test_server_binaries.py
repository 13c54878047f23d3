"""Bringing the servers: found, brought once, checked, and said why not."""

from __future__ import annotations

import hashlib
import http.server
import io
import platform
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from limits import extend

from console.demo.apt_packages import free_of_fixed_folder
from console.demo.errors import SourceFailed
from console.demo.official_release import VERSIONS, OfficialRelease
from console.demo.server_binaries import BinaryNotFound, DownloadProgress, cache_folder, locate, provide_servers

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
WANTED = {"prometheus": ("prometheus", "promtool"), "alertmanager": ("alertmanager", "amtool")}


def archive(project: str, version: str) -> bytes:
    """A release archive with the programs, and with what an evil one might hold besides."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name in (*WANTED[project], "LICENSE", "../../escaped"):
            content = b"#!/bin/sh\necho " + name.encode() + b"\n" + b"x" * 50_000
            entry = tarfile.TarInfo(f"{project}-{version}.linux-{MACHINE}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


class Releases:
    """A local server that answers as the release host does; each test spoils what it wants spoilt."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.truncated: set[str] = set()
        self.asked: list[str] = []
        self.delay_seconds = 0.0
        for project, version in VERSIONS:
            name = f"{project}-{version}.linux-{MACHINE}.tar.gz"
            content = archive(project, version)
            base = f"/{project}/releases/download/v{version}"
            self.files[f"{base}/{name}"] = content
            other = f"{'0' * 64}  {project}-{version}.windows-{MACHINE}.zip\n"
            self.files[f"{base}/sha256sums.txt"] = f"{other}{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
        releases = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                releases.asked.append(self.path)
                time.sleep(releases.delay_seconds)
                content = releases.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if self.path in releases.truncated else content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def source(self) -> OfficialRelease:
        return OfficialRelease(base_url=f"http://127.0.0.1:{self.server.server_port}")

    def path(self, project: str, ending: str) -> str:
        return next(item for item in self.files if item.startswith(f"/{project}/") and item.endswith(ending))

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def releases() -> Iterator[Releases]:
    found = Releases()
    yield found
    found.close()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path / "nothing"), "HOME": str(tmp_path)}


class Says:
    def __init__(self) -> None:
        self.lines: list[DownloadProgress] = []

    def __call__(self, progress: DownloadProgress) -> None:
        self.lines.append(progress)


def leftovers(environ: dict[str, str]) -> list[str]:
    return sorted(path.name for path in cache_folder(environ).iterdir() if path.name != ".lock")


def test_a_good_archive_is_brought_once(releases: Releases, environ: dict[str, str], tmp_path: Path) -> None:
    """Programs of a checked archive land in the cache, executable, with bytes reported; the second time asks nobody."""
    says = Says()
    found = provide_servers(says, environ=environ, sources=[releases.source])
    assert Path(found.prometheus).stat().st_mode & 0o111 and Path(found.amtool).is_file()
    assert any(0 < line.done_bytes <= line.total_bytes for line in says.lines)
    assert leftovers(environ) == [releases.source.folder_name]
    assert not list(tmp_path.rglob("*escaped*")) and not list(tmp_path.rglob("LICENSE"))
    requested = len(releases.asked)
    assert provide_servers(says, environ=environ, sources=[releases.source]) == found
    assert len(releases.asked) == requested


def spoil_sum(releases: Releases) -> None:
    sums = releases.path("alertmanager", "sums.txt")
    right = hashlib.sha256(releases.files[releases.path("alertmanager", ".gz")]).hexdigest().encode()
    releases.files[sums] = releases.files[sums].replace(right, b"f" * 64)


def truncate(releases: Releases) -> None:
    releases.truncated.add(releases.path("prometheus", ".gz"))


def forget(releases: Releases) -> None:
    del releases.files[releases.path("alertmanager", ".gz")]


def no_sums(releases: Releases) -> None:
    del releases.files[releases.path("prometheus", "sums.txt")]


def other_sums(releases: Releases) -> None:
    releases.files[releases.path("prometheus", "sums.txt")] = b"<html>please log in</html>"


def no_archive(releases: Releases) -> None:
    """An archive that is none, with a checksum that fits."""
    path, sums = releases.path("prometheus", ".gz"), releases.path("prometheus", "sums.txt")
    releases.files[path] = b"not a tar file"
    name = path.rpartition("/")[2]
    releases.files[sums] = f"{hashlib.sha256(b'not a tar file').hexdigest()}  {name}\n".encode()


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (spoil_sum, "wrong checksum"),
        (truncate, "was cut off"),
        (forget, "404"),
        (no_sums, "404"),
        (other_sums, "has no checksum"),
        (no_archive, "cannot be unpacked"),
    ],
)
def test_a_bad_download_leaves_nothing(
    releases: Releases, environ: dict[str, str], spoil: Callable[[Releases], None], reason: str
) -> None:
    """Whatever is wrong with the download, it is named, and neither a program nor an unfinished folder stays behind."""
    spoil(releases)
    with pytest.raises(BinaryNotFound, match=reason):
        provide_servers(Says(), environ=environ, sources=[releases.source])
    assert leftovers(environ) == []
    assert locate(environ, [releases.source]) is None


class Broken:
    name = "the broken shelf"
    folder_name = "broken"

    def fetch(self, folder: Path, report: Callable[[str, int, int], None]) -> None:
        (folder / "half").write_text("x")
        raise SourceFailed("the shelf fell down; try: sudo shelf up")


class Incomplete(Broken):
    name = "the half shelf"

    def fetch(self, folder: Path, report: Callable[[str, int, int], None]) -> None:
        (folder / "bin").mkdir()


def test_the_next_source_is_tried_and_each_reason_named(releases: Releases, environ: dict[str, str]) -> None:
    """A source that fails is told with its reason and the next one is tried; when all fail, all reasons are there."""
    says = Says()
    provide_servers(says, environ=environ, sources=[Broken(), releases.source])
    assert any("the broken shelf: the shelf fell down" in str(line) for line in says.lines)
    other = {**environ, "XDG_CACHE_HOME": environ["XDG_CACHE_HOME"] + "2"}
    with pytest.raises(
        BinaryNotFound, match=r"sudo shelf up\n.*half shelf: prometheus, promtool, alertmanager, amtool missing in"
    ):
        provide_servers(says, environ=other, sources=[Broken(), Incomplete()])


def test_a_host_that_is_not_there_fails_fast(environ: dict[str, str]) -> None:
    """A refused connection is a reason, within seconds, not a stack trace."""
    began = time.monotonic()
    with pytest.raises(BinaryNotFound, match="connection was refused"):
        provide_servers(Says(), environ=environ, sources=[OfficialRelease(base_url="http://127.0.0.1:9")])
    assert time.monotonic() - began < extend(5)


def test_two_consoles_bring_once(releases: Releases, environ: dict[str, str]) -> None:
    """Two at the same time: one brings, the other waits, says so, and gets the same; each archive is loaded once."""
    releases.delay_seconds = 0.15
    says, found = Says(), []
    hands = [
        threading.Thread(target=lambda: found.append(provide_servers(says, environ=environ, sources=[releases.source])))
        for _ in range(3)
    ]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert len(found) == 3 and len(set(found)) == 1
    assert len(releases.asked) == len(set(releases.asked)) == 4
    assert any("another console" in str(line) for line in says.lines)


def test_what_is_on_the_path_is_used(environ: dict[str, str], tmp_path: Path) -> None:
    """All four on PATH (Debian's name of Alertmanager too) are taken as they are; with one missing they are not mixed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("prometheus", "promtool", "prometheus-alertmanager"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    environ["PATH"] = str(folder)
    assert locate(environ, []) is None
    (folder / "amtool").write_text("#!/bin/sh\n")
    (folder / "amtool").chmod(0o755)
    found = locate(environ, [])
    assert found and found.alertmanager == str(folder / "prometheus-alertmanager") and found.origin == "PATH"


def test_a_cache_that_cannot_be_written_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    """A file where the cache should be is one sentence with its path."""
    Path(environ["XDG_CACHE_HOME"]).write_text("in the way")
    with pytest.raises(BinaryNotFound, match="cannot be written"):
        provide_servers(Says(), environ=environ, sources=[Broken()])


def test_a_relative_cache_home_is_ignored(tmp_path: Path) -> None:
    """As its specification asks: a relative XDG_CACHE_HOME counts as unset."""
    assert cache_folder({"XDG_CACHE_HOME": "cache", "HOME": str(tmp_path)}) == tmp_path / ".cache/cad-console/servers"


def test_the_fixed_folder_is_replaced_by_one_as_long() -> None:
    """The program keeps its length and nothing else in it changes; a program without the folder stays as it is."""
    program = b"\x7fELF..." + b"/usr/share/prometheus/alertmanager" + b"0123/usr/share/prometheus/other"
    changed = free_of_fixed_folder(program)
    assert len(changed) == len(program) and b"/usr/share/prometheus/alertmanager" not in changed
    assert changed.startswith(b"\x7fELF..." + b"." + b"/" * 33 + b"0123") and changed.endswith(b"/prometheus/other")
    assert free_of_fixed_folder(b"official") == b"official"
