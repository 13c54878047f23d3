"""The variables of the programs of a service or token: a few of the console's own, and those of its files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from console.actions.plan import ActionRefused
from console.config.services import Programs
from queries.text.secrets import is_secret_name

_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|SSH_AUTH_SOCK|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS"
)
"""Everything else stays with the console: its own variables may hold passwords."""
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_PLAIN = re.compile(r"[a-z]{1,12}|[\d.]+|/[\w./-]{0,200}|https?://[\w.:\[\]-]+(/[\w./-]*)?")
"""Values that are no secrets: a word, a number, a path, a URL; hiding them would make every output unreadable."""
_SHORTEST = 4
_MOST_BYTES = 1 << 20


def read_variables(programs: Programs) -> dict[str, str]:
    """The variables of all its files, a later file over an earlier one. Raises ActionRefused, without a value in its text."""
    values: dict[str, str] = {}
    for name in programs.env_files:
        try:
            with Path(name).open(encoding="utf-8") as file:
                text = file.read(_MOST_BYTES)
        except (OSError, UnicodeDecodeError):
            raise ActionRefused(f"the file {name} cannot be read as text: check `env_files` and its permissions") from None
        for number, line in enumerate(text.splitlines(), start=1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            match = _LINE.fullmatch(stripped)
            if match is None or "\0" in stripped:
                raise ActionRefused(f"{name}, line {number}: expected NAME=value")
            values[match[1]] = _unquote(match[2])
    return values


def build_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What a program's process gets."""
    return {**{name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}, **variables}


def secret_values(variables: Mapping[str, str]) -> frozenset[str]:
    """The values that nothing may show."""
    return frozenset(
        value
        for name, value in variables.items()
        if len(value) >= _SHORTEST and (is_secret_name(name) or not _PLAIN.fullmatch(value))
    )


def _unquote(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
