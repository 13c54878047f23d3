"""Checks and their results: passed, failed, or not run with the reason."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Checks: TypeAlias = tuple[tuple[str, Callable[[], str]], ...]


class Failed(Exception):
    """A check failed; the message says where and why."""


class NotRun(Exception):
    """A check could not be run here; the message says what is missing."""


@dataclass(frozen=True)
class Result:
    name: str
    status: str
    text: str = ""


def run(command: list[str], *, text: str = "", environ: Mapping[str, str] | None = None, codes: Iterable[int] = (0,)) -> str:
    """Run a program and return its output. Raises NotRun if it is missing, and Failed if its exit code is not one of `codes`
    or if it is not 0 and nothing was printed: then the program crashed, whatever the code means.
    """
    if shutil.which(command[0]) is None:
        raise NotRun(f"{command[0]} is not installed")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False, env=environ)
    if done.returncode not in codes or (done.returncode and not done.stdout.strip()):
        raise Failed(f"{' '.join(command[:4])} …: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def results(checks: Checks) -> Iterator[Result]:
    """Run the checks in order."""
    for name, check in checks:
        try:
            yield Result(name, "ok", check())
        except NotRun as reason:
            yield Result(name, "NOT RUN", str(reason))
        except Exception as error:  # a check that crashes has not passed
            yield Result(name, "FAILED", str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")


def report(checks: Checks) -> int:
    """Print each result as it arrives; return 1 if one failed."""
    counts = {"ok": 0, "NOT RUN": 0, "FAILED": 0}
    for result in results(checks):
        counts[result.status] += 1
        print(f"{result.status:<8} {result.name:<16} {result.text}", flush=True)
    print(f"{counts['ok']} ok, {counts['FAILED']} failed, {counts['NOT RUN']} not run")
    return 1 if counts["FAILED"] else 0
