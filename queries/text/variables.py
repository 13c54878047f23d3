"""Environment variables: an empty one counts as unset, everywhere."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, MutableMapping, Sequence


def read_env(environ: Mapping[str, str], name: str) -> str:
    """The value, empty if unset, so that `NAME=` in a unit file or a manifest means nothing by itself."""
    return environ.get(name) or ""


def unset_if_empty(environ: MutableMapping[str, str], name: str) -> None:
    """Unset an empty variable for software that tests only its presence, as Textual 8.2 does with NO_COLOR."""
    if not environ.get(name):
        environ.pop(name, None)


def moves_cursor(environ: Mapping[str, str]) -> bool:
    """Whether the terminal that TERM names can show a screen; an unset TERM, as in `kubectl exec`, says nothing against it."""
    return read_env(environ, "TERM") not in ("dumb", "unknown")


def home_folder(environ: Mapping[str, str]) -> str:
    """HOME, else the home of the password database, else the root folder: never the working directory."""
    if path := read_env(environ, "HOME"):
        return path
    try:
        return pwd.getpwuid(os.getuid()).pw_dir or "/"
    except KeyError:
        return "/"


def command_name(argv: Sequence[str], environ: Mapping[str, str], name: str = "cad-console") -> str:
    """How a person calls this program in their shell: its name if PATH has it, else the path by which it was called."""
    folders = read_env(environ, "PATH").split(os.pathsep)
    called = argv[0] if argv else ""
    if called.endswith(f"/{name}") and not any(os.access(f"{folder}/{name}", os.X_OK) for folder in folders if folder):
        return called
    return name
