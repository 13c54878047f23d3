"""A list of checks and how they ended: passed, failed, or named as not run with the reason."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Checks: TypeAlias = tuple[tuple[str, Callable[[], str]], ...]


class Failed(Exception):
    """A check did not pass; the message says where and why."""


class NotRun(Exception):
    """A check could not be run here; the message says what is missing."""


@dataclass(frozen=True)
class Result:
    name: str
    word: str
    told: str = ""


def run(command: list[str], *, text: str = "", environ: Mapping[str, str] | None = None, codes: Iterable[int] = (0,)) -> str:
    """The output of a program. Raises NotRun where it is missing, Failed where its exit code is none of `codes`,
    or not 0 and it printed nothing: then it broke, whatever the code means when it reports.
    """
    if shutil.which(command[0]) is None:
        raise NotRun(f"{command[0]} is not installed")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False, env=environ)
    if done.returncode not in codes or (done.returncode and not done.stdout.strip()):
        raise Failed(f"{' '.join(command[:4])} …: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def results(checks: Checks) -> Iterator[Result]:
    for name, check in checks:
        try:
            yield Result(name, "ok", check())
        except NotRun as reason:
            yield Result(name, "NOT RUN", str(reason))
        except Exception as error:  # a check that breaks has not passed
            yield Result(name, "FAILED", str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")


def report(checks: Checks) -> int:
    """Print every result as it comes; 1 where one failed."""
    counts = {"ok": 0, "NOT RUN": 0, "FAILED": 0}
    for result in results(checks):
        counts[result.word] += 1
        print(f"{result.word:<8} {result.name:<16} {result.told}", flush=True)
    print(f"{counts['ok']} ok, {counts['FAILED']} failed, {counts['NOT RUN']} not run")
    return 1 if counts["FAILED"] else 0
