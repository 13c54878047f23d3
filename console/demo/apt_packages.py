"""Unpacks the packages of Debian or Ubuntu into a folder, without root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from console.demo.errors import SourceFailed
from queries.model.frozen import dataclass
from queries.text.durations import format_duration

_PROGRAMS = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
}
_FIXED_FOLDER = b"/usr/share/prometheus/alertmanager"
"""The template folder compiled into Debian's Alertmanager; the official build embeds the templates."""

_OWN_APT = "apt.conf"
"""An apt configuration beside the packages that points apt at separate lists."""

_LIMIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class DistributionPackages:
    """`apt-get download` needs no root, nor do separate lists where the machine has none."""

    name: str = "the distribution's packages"
    folder_name: str = "packages"

    def fetch(self, folder: Path, report: Callable[[str, int, int], None]) -> None:
        for tool in ("apt-get", "apt-cache", "dpkg-deb"):
            if not shutil.which(tool):
                raise SourceFailed(f"no {tool} on this machine: it is neither Debian nor Ubuntu")
        loads, unpacked = folder / "load", folder / "unpacked"
        loads.mkdir()
        names = ["prometheus", "prometheus-alertmanager"]
        if _run(["apt-cache", "show", "prometheus"], loads).returncode != 0:
            _refresh_lists(loads, report)
        if _run(["apt-cache", "show", "promtool"], loads).returncode == 0:
            names.append("promtool")  # its own package since Debian 13
        answer = _load(names, loads, report)
        if answer.returncode != 0 and not (loads / _OWN_APT).exists():
            _refresh_lists(loads, report)
            answer = _load(names, loads, report)
        if answer.returncode != 0:
            raise SourceFailed(f"apt-get download failed: {_last_line(answer)}; try: sudo apt-get update")
        for package in sorted(loads.glob("*.deb")):
            unpack = _run(["dpkg-deb", "-x", str(package), str(unpacked)], loads)
            if unpack.returncode != 0:
                raise SourceFailed(f"{package.name} cannot be unpacked: {_last_line(unpack)}")
        _arrange(unpacked, folder)
        shutil.rmtree(loads)
        shutil.rmtree(unpacked)


def free_of_fixed_folder(program: bytes) -> bytes:
    """The same program with its templates in the working directory.

    The compiled-in path has a fixed length, so the new one is a dot and slashes, which is the working directory. This needs
    neither root nor user namespaces, which some machines forbid.
    """
    return program.replace(_FIXED_FOLDER, b".".ljust(len(_FIXED_FOLDER), b"/"))


def _arrange(unpacked: Path, folder: Path) -> None:
    (folder / "bin").mkdir()
    for program, names in _PROGRAMS.items():
        for name in names:
            source = unpacked / "usr" / "bin" / name
            if source.is_file():
                target = folder / "bin" / program
                target.write_bytes(
                    free_of_fixed_folder(source.read_bytes()) if program == "alertmanager" else source.read_bytes()
                )
                target.chmod(0o755)
    templates = unpacked / _FIXED_FOLDER.decode().lstrip("/")
    (folder / "templates").mkdir()
    for template in templates.glob("*.tmpl"):
        shutil.copyfile(template, folder / "templates" / template.name)


def _refresh_lists(folder: Path, report: Callable[[str, int, int], None]) -> None:
    """Refreshes the machine's lists as root, else separate lists in `folder`; apt verifies both."""
    if os.geteuid() != 0:
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        (folder / _OWN_APT).write_text(f'Dir::State::Lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n')
    report("refreshing the package lists (apt-get update)", 0, 0)
    answer = _run(["apt-get", "update"], folder)
    if answer.returncode != 0:
        raise SourceFailed(f"apt-get update failed: {_last_line(answer)}; try: sudo apt-get update")


def _load(names: list[str], folder: Path, report: Callable[[str, int, int], None]) -> subprocess.CompletedProcess[str]:
    """Runs `apt-get download`, which verifies each package against the signed lists; reads the progress from the folder."""
    listed = _run(["apt-get", "download", "--print-uris", *names], folder)
    total = sum(int(size) for size in re.findall(r"^'\S+' \S+ (\d+) ", listed.stdout, re.MULTILINE))
    command = ["apt-get", "download", *names]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(  # noqa: S603  # fixed arguments
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(folder),
            start_new_session=True,
        )
        started = time.monotonic()
        try:
            while process.poll() is None:
                if time.monotonic() - started > _LIMIT_SECONDS:
                    raise SourceFailed(f"apt-get download took more than {format_duration(_LIMIT_SECONDS)}")
                report("downloading packages", sum(file.stat().st_size for file in folder.glob("*.deb")), total)
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        report("downloading packages", total, total)
        log.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, "", log.read())


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # fixed arguments
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(folder),
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"{command[0]} took more than {format_duration(_LIMIT_SECONDS)}") from error


def _environment(folder: Path) -> Mapping[str, str]:
    own = {"APT_CONFIG": str(folder / _OWN_APT)} if (folder / _OWN_APT).exists() else {}
    return {**os.environ, **own, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def _last_line(answer: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (answer.stderr or answer.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E:")]
    return (errors or lines or ["no output"])[-1]
