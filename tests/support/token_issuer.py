"""What accepts and makes the tokens of a rotation, and what nobody else may see of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

OLD, NEW = "old-canary-93bf2c51", "new-canary-7de1a0f4"
LIST = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' ' >> processes"
"""What any process of this user can read of all others: their arguments and environment."""


class Issuer:
    """What accepts tokens: a file with the valid ones. Its programs read a token from standard input alone."""

    def __init__(self, folder: Path, *, registers: bool = False) -> None:
        self.folder = folder
        self.commands: dict[str, tuple[str, ...]] = {}
        (folder / "valid").write_text(f"{OLD}\n")
        (folder / "consumer").write_text(f"{OLD}\n")
        (folder / "source").write_text(f"{NEW}\n")
        self.program("make", f"cat source >> valid; {LIST}; cat source; echo made it >&2")
        if registers:
            self.program("register", "cat >> seen")
        self.program("smoke", f'read token; {LIST}; test "$(cat consumer)" = "$token" && grep -qx "$token" valid')
        self.program("withdraw", 'read token; grep -vx "$token" valid > left; test -s left && cp left valid')

    def program(self, step: str, text: str) -> None:
        path = self.folder / step
        path.write_text(f"#!/bin/sh\necho {step} >> calls\n{text}\n")
        path.chmod(0o755)
        self.commands[step] = (f"./{step}",)

    def fail(self, step: str, *, once: bool = True) -> None:
        """The program fails, by default the first time only; it prints what it read."""
        path = self.folder / step
        first = f"test $(grep -cx {step} calls) -gt 1 || " if once else ""
        lines = path.read_text().splitlines()
        lines.insert(2, f"{first}{{ read token; echo it fails with $token; env >&2; exit 4; }}")
        path.write_text("\n".join(lines) + "\n")

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []

    @property
    def valid(self) -> list[str]:
        return (self.folder / "valid").read_text().split()

    def assert_nothing_leaked(self, shown: Iterable[object], state: Path) -> None:
        """No value in what was shown, in a file of the console, or in the arguments and environment of any process."""
        forms = [form for value in (OLD, NEW) for form in (value, encode(value).rstrip("="), value[3:])]
        texts = [repr(item) for item in shown]
        written = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
        processes = self.folder / "processes"
        listed = processes.read_text() if processes.exists() else ""
        for form in forms:
            assert form.encode() not in written and form not in listed
            assert not [text for text in texts if form in text]


def encode(text: str) -> str:
    """As a Secret has it."""
    return base64.b64encode(text.encode()).decode()
