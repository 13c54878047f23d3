"""Patterns that are compiled when they are first used, and none that cannot be."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from queries.model.later import lazy_pattern


def test_a_pattern_is_that_of_re() -> None:
    """The same matches, flags and attributes, for text and for bytes."""
    text, flags = r"(?P<word>[a-z]+)=(\d+)", re.IGNORECASE
    lazy, own = lazy_pattern(text, flags), re.compile(text, flags)
    line = "A=1, b=22 c=x"
    assert lazy.findall(line) == own.findall(line) == [("A", "1"), ("b", "22")]
    assert [item["word"] for item in lazy.finditer(line)] == ["A", "b"]
    assert lazy.sub(r"\2", line) == own.sub(r"\2", line)
    assert (lazy.fullmatch(line), lazy.flags, lazy.pattern, lazy.groups) == (None, own.flags, text, 2)
    assert lazy_pattern(rb"\d+").search(b"a12") is not None


def test_a_mistake_is_an_error_at_every_use() -> None:
    """Like that of `re.compile`."""
    broken = lazy_pattern("(")
    for _ in range(2):
        with pytest.raises(re.error, match="unterminated"):
            broken.search("a")


ALL = """
import importlib, pkgutil
import console, queries
from queries.model.later import lazy_pattern
count = 0
for package in (queries, console):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            for value in vars(importlib.import_module(found.name)).values():
                if type(value) is type(lazy_pattern("")):
                    value.groups
                    count += 1
print(count)
"""
UNUSED = """
import base64, hmac, json, re, secrets, shlex, urllib.parse
compile, seen = re.compile, []
def watch(*values):
    seen.append(values)
    return compile(*values)
re.compile = watch
from queries.text.secrets import redact_value
print(len(seen))
redact_value("name", "value")
print(len(seen))
"""


def run(code: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return [int(word) for word in done.stdout.split()]


def test_every_pattern_of_the_console_compiles() -> None:
    """Of all modules: a mistake in a pattern that is hardly ever used is found here."""
    (count,) = run(ALL)
    assert count > 40


def test_an_import_compiles_none() -> None:
    """The words of secrets are the longest patterns: they are compiled where something is to be hidden."""
    imported, used = run(UNUSED)
    assert imported == 0 < used
