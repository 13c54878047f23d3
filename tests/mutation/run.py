"""Mutate a seeded sample of each package, run the fast tests that cover each mutant, and print who noticed."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from covering import PRODUCT, QUIET, Coverage
from mutants import Mutant, sample
from score import Outcome, Result, describe, table

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
TREE = WORK / "tree"
PACKAGES = (
    "console/incidents", "console/actions", "console/journal", "console/checks", "queries", "console/checklists", "widgets",
)  # fmt: skip
BUDGET_SECONDS = 40.0
"""How long the tests of one mutant may take together, by their times without it; the rest is left out."""
_PRELOADED = "ignore::pytest.PytestAssertRewriteWarning"
_NOT_FOUND, _CRASHED = int(pytest.ExitCode.USAGE_ERROR), 70
PATIENCE = 10.0
"""A mutant that takes this many times as long as its tests without it loops, and counts as killed."""


class _FirstFailure:
    """A pytest plugin of the child: writes down the test that noticed the mutant."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self._path.exists():
            self._path.write_text(report.nodeid, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Run:
    code: int | None
    test: str


def _copy() -> None:
    """A copy of the working tree that the mutants may change; unchanged files keep their times, and thereby their bytecode."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    wanted = {name for name in names if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for folder in (*PRODUCT, "tests"):
        for path in (TREE / folder).rglob("*.py"):
            if path.relative_to(TREE).as_posix() not in wanted:
                path.unlink()


def _warm_up() -> None:
    """Import what the product and its tests import from elsewhere, once; children import only the product."""
    listing = "import sys, console.screens.app, console.cli.main, console.demo.stack; print(*sys.modules)"
    command = [sys.executable, "-c", listing]
    names = subprocess.run(command, cwd=TREE, check=True, capture_output=True, text=True).stdout.split()
    for name in names:
        if name.partition(".")[0] not in (*PRODUCT, "runbooks", "__main__") and not name.startswith("_"):
            with contextlib.suppress(ImportError):  # names that only a compiled module gave itself
                importlib.import_module(name)
    gc.freeze()


def _run_tests(tests: Sequence[str], limit: float) -> _Run:
    """Run the tests in a forked child, in a process group of its own; `code` is None if it did not end in time."""
    noticed = WORK / "noticed"
    noticed.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.chdir(TREE)
        output = os.open(WORK / "child.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = _CRASHED
        try:
            code = int(pytest.main([*QUIET, "-x", "-W", _PRELOADED, *tests], plugins=[_FirstFailure(noticed)]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + limit
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            test = noticed.read_text(encoding="utf-8") if noticed.exists() else ""
            return _Run(os.waitstatus_to_exitcode(status), test)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _Run(None, "")


def _choose(mutant: Mutant, covering: Coverage) -> list[str]:
    """The tests that run the mutated line, those of the mirrored folder first, quick ones first, until the budget is spent;
    then those that run any other line of the function. Python 3.11 does not trace a coroutine that goes on after an exception
    was thrown into it, as at the end of a timeout: who runs its next lines is not known.
    """
    mirrored, seconds = f"tests/{Path(mutant.path).parent.as_posix()}", covering.seconds
    tests = covering.tests_of(mutant.path, mutant.first, mutant.last)
    around = covering.tests_of(mutant.path, *mutant.around)
    chosen: list[str] = []
    spent = 0.0
    for test in sorted(around, key=lambda name: (name not in tests, not name.startswith(mirrored), seconds[name], name)):
        spent += seconds[test]
        if spent > BUDGET_SECONDS and chosen:
            break
        chosen.append(test)
    return chosen


def _try(mutant: Mutant, covering: Coverage) -> Result:
    tests = _choose(mutant, covering)
    if not tests:
        return Result(mutant.boundary, Outcome.SURVIVED, describe(mutant, "no fast test runs it"))
    path = TREE / mutant.path
    original = path.read_bytes()
    # Bytecode is trusted by time and size; a mutant may keep both.
    cached = Path(importlib.util.cache_from_source(str(path)))
    cached.unlink(missing_ok=True)
    path.write_text(mutant.source, encoding="utf-8")
    limit = 20.0 + PATIENCE * sum(covering.seconds[test] for test in tests)
    try:
        run = _run_tests(tests, limit)
        if run.code == _NOT_FOUND:  # the mutant changes the ids of parametrized tests, or nothing can be imported
            run = _run_tests(sorted({test.partition("::")[0] for test in tests}), limit)
    finally:
        path.write_bytes(original)
        cached.unlink(missing_ok=True)
    if run.code == 0:
        return Result(mutant.boundary, Outcome.SURVIVED, describe(mutant, f"{len(tests)} tests run it"))
    if run.code not in (None, 1, 2, _NOT_FOUND):
        return Result(mutant.boundary, Outcome.SURVIVED, describe(mutant, f"not known: pytest ended with {run.code}"))
    why = run.test or ("no test can be imported" if run.code else "it never ends")
    return Result(mutant.boundary, Outcome.KILLED, describe(mutant, why), run.test)


def _distrust(results: list[Result]) -> None:
    """A test that fails without a mutant as well, alone or after others, noticed nothing."""
    while noticed := sorted({result.test for result in results if result.test}):
        run = _run_tests(noticed, 600.0)
        if run.code == 0:
            return
        print(f"{run.test or 'a test'} fails without a mutant as well", flush=True)
        for at, result in enumerate(results):
            if result.test and run.test in (result.test, ""):
                results[at] = replace(result, outcome=Outcome.SURVIVED, test="")


def _equivalent() -> dict[tuple[str, str, str, str], str]:
    listed = tomllib.loads((Path(__file__).with_name("equivalent.toml")).read_text(encoding="utf-8"))
    return {(item["path"], item["function"], item["before"], item["after"]): item["why"] for item in listed["mutant"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", default=PACKAGES, help="folders of the product (default: all)")
    parser.add_argument("--sample", type=int, default=60, help="mutants a package (default: %(default)s)")
    parser.add_argument("--boundaries", type=int, default=10, help="moved boundaries a package (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="draws the sample (default: %(default)s)")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="folders of tests that may notice (default: all)")
    arguments = parser.parse_args()
    os.environ |= {"PYTHONPATH": str(TREE), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    coverage_folder = WORK / "coverage"
    coverage_folder.mkdir(parents=True, exist_ok=True)
    _copy()
    os.chdir(TREE)  # mutmut reads its settings there
    subprocess.run([sys.executable, "-m", "compileall", "-q", *PRODUCT, "tests"], cwd=TREE, check=True)
    _warm_up()
    equivalent = _equivalent()
    rows: dict[str, list[Result]] = {}
    for package in arguments.packages:
        covering = Coverage(TREE, coverage_folder)
        covering.update((path for folder in arguments.tests for path in (TREE / folder).rglob("test_*.py")), package)
        drawn = sample(
            (TREE / package).rglob("*.py"),
            root=TREE,
            size=arguments.sample,
            boundaries=arguments.boundaries,
            seed=arguments.seed,
        )
        results = rows[package] = []
        for mutant in drawn:
            why = equivalent.get(mutant.key)
            if why:
                results.append(Result(mutant.boundary, Outcome.EQUIVALENT, describe(mutant, why)))
            else:
                results.append(_try(mutant, covering))
            print(results[-1].outcome.value, results[-1].text, flush=True)
        _distrust(results)
    print(table(rows))
    (WORK / "result.json").write_text(json.dumps({name: [r.text for r in rows[name]] for name in rows}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
