"""Server binaries out of the Go module proxy: what the scripts behind `make …-assets` share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path


class Missing(Exception):
    """A way that is not open here; the message says in one line what it lacks."""


def tool(name: str, *, brings: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not on PATH ({brings})")
    return found


def run(command: Sequence[str], *, where: Path, seconds: float, environment: dict[str, str] | None = None) -> str:
    """The command's output; Missing with the last line of its complaint."""
    try:
        done = subprocess.run(
            command,
            cwd=where,
            timeout=seconds,
            capture_output=True,
            text=True,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"`{' '.join(command[:3])}` took longer than {seconds:.0f} s") from None
    if done.returncode:
        complaint = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Missing(f"`{' '.join(command[:3])}` failed: {complaint[-1] if complaint else f'exit code {done.returncode}'}")
    return done.stdout


def go(*arguments: str, where: Path, seconds: float = 3600) -> str:
    command = tool("go", brings="the Go toolchain builds servers from the module proxy: https://go.dev/dl")
    plain = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    return run([command, *arguments], where=where, seconds=seconds, environment=plain)


def module_folder(module: str, *, where: Path) -> Path:
    told = json.loads(go("mod", "download", "-json", module, where=where, seconds=600))
    return Path(told["Dir"])


def install(source: Path, target: Path) -> None:
    """Copies under another name first, so that no half a binary is ever found."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.chmod(0o755)
    part.replace(target)


def attempt(way: Callable[[Path, Path], None], target: Path, name: str, say: Callable[[str], None]) -> str:
    """Tries one way in a folder of its own; gives what it lacks, empty when it worked."""
    with tempfile.TemporaryDirectory(prefix="cad-console-assets-") as folder:
        try:
            way(target, Path(folder))
        except Missing as missing:
            say(f"{name}: {missing}")
            return str(missing)
    return ""


def cache_folder(*parts: str) -> Path:
    """A folder below the console's part of the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache, "cad-console", *parts)
