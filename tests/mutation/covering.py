"""Learn which fast test runs which line, one test file at a time, and keep it until the file or the lines change."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import coverage
import pytest

PRODUCT = ("console", "queries", "widgets")
QUIET = ("-q", "-n", "0", "--fast", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-r", "")


class Coverage:
    """Which tests run a line: read from, and kept in, one JSON file a test file."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self._tree = tree
        self._folder = folder
        self._lines: dict[str, dict[int, set[str]]] = {}
        self.seconds: dict[str, float] = {}

    def update(self, tests: Iterable[Path], package: str) -> None:
        """Run the test files that are new, were changed, or ran a module of `package` that was changed since."""
        files = [path.relative_to(self._tree).as_posix() for path in sorted(tests)]
        stale = [name for name in files if not self._current(name, package)]
        if stale:
            print(f"{package}: learning which lines {len(stale)} test files run …", flush=True)
            command = [sys.executable, __file__, str(self._folder), *stale]
            with (self._folder / "learning.log").open("w", encoding="utf-8") as log:
                subprocess.run(command, cwd=self._tree, check=True, stdout=log, stderr=log)
        for name in files:
            self._load(name)

    def tests_of(self, path: str, first: int, last: int) -> set[str]:
        lines = self._lines.get(path, {})
        return set().union(*(lines.get(line, set()) for line in range(first, last + 1)))

    def _current(self, name: str, package: str) -> bool:
        kept = _file_of(self._folder, name)
        if not kept.exists():
            return False
        known = json.loads(kept.read_text(encoding="utf-8"))
        paths = [path for path in known["digests"] if path == name or path.startswith(package + "/")]
        return all(known["digests"][path] == digest(self._tree / path) for path in paths)

    def _load(self, name: str) -> None:
        known = json.loads(_file_of(self._folder, name).read_text(encoding="utf-8"))
        for test, (seconds, modules) in known["tests"].items():
            self.seconds[test] = seconds
            for path, lines in modules.items():
                for line in lines:
                    self._lines.setdefault(path, {}).setdefault(line, set()).add(test)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _file_of(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '+')}.json"


class _Recorder:
    """A pytest plugin: the lines that each test runs, its set-up included, and how long it takes."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._coverage = coverage.Coverage(data_file=None, config_file=False, source=list(PRODUCT), messages=False)
        self._folder = folder
        self._tests: dict[str, dict[str, float]] = {name: {} for name in names}
        self._failed: set[str] = set()

    def pytest_sessionstart(self) -> None:
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        tests = self._tests[report.nodeid.partition("::")[0]]
        tests[report.nodeid] = tests.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._coverage.stop()
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            return
        data = self._coverage.get_data()
        root = Path.cwd()
        lines: dict[str, dict[str, list[int]]] = {}
        for measured in data.measured_files():
            path = Path(measured).relative_to(root).as_posix()
            for line, tests in data.contexts_by_lineno(measured).items():
                for test in filter(None, tests):
                    lines.setdefault(test, {}).setdefault(path, []).append(line)
        for name, seconds in self._tests.items():
            # A test that fails without any mutant says nothing about one.
            passed = {test: (taken, lines.get(test, {})) for test, taken in seconds.items() if test not in self._failed}
            paths = {name, *(path for _, modules in passed.values() for path in modules)}
            known = {"digests": {path: digest(root / path) for path in sorted(paths)}, "tests": passed}
            _file_of(self._folder, name).write_text(json.dumps(known), encoding="utf-8")


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path.cwd())
    ended = pytest.main([*QUIET, *sys.argv[2:]], plugins=[_Recorder(Path(sys.argv[1]), sys.argv[2:])])
    # Tests that fail are left out; a file that cannot be read leaves out every test.
    sys.exit(0 if ended in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED) else 1)
