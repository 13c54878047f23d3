"""Environment variables, read at this one place: an empty variable counts as one that is not set, whichever it is."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, MutableMapping


def variable(environ: Mapping[str, str], name: str) -> str:
    """Its value; empty where it is empty or not set. So `NAME=` in a unit file or a manifest never means anything by itself."""
    return environ.get(name) or ""


def unset_if_empty(environ: MutableMapping[str, str], name: str) -> None:
    """For software that asks whether a variable is there at all, as Textual 8.2 does with NO_COLOR."""
    if not environ.get(name):
        environ.pop(name, None)


def home(environ: Mapping[str, str]) -> str:
    """HOME, else what the password database has, else the root folder: never the working directory."""
    found = variable(environ, "HOME")
    if found:
        return found
    try:
        return pwd.getpwuid(os.getuid()).pw_dir or "/"
    except KeyError:
        return "/"
