"""Tell which tests belong to the fast set, those that start neither a server nor a pseudo-terminal, and hold them to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Generator
from pathlib import Path

import pytest
from control_plane import PARTS

LEFT_OUT = ("servers", "slow")
"""The markers of tests that are not in the fast set; `slow` is given by hand to what takes seconds or starts the program."""
PROCESS_FIXTURES = frozenset({"servers", "postgresql", "open_console", "target"})
"""Whoever asks for one of these, directly or through another fixture, has a server or a terminal started for it."""
PROCESS_FOLDERS = frozenset({"e2e", "faults", "soak", "cluster"})
"""Every test below these runs the whole program or a whole server."""
SERVERS = frozenset(
    {"prometheus", "alertmanager", "prometheus-alertmanager", "postgres", "initdb", *PARTS, "redis-server", "screen"}
)
"""Programs that no fast test starts; `cad-console demo` starts them itself."""


def starts_processes(*, fixtures: Collection[str], folders: Collection[str], markers: Collection[str]) -> bool:
    """Whether a test with these fixtures (the whole closure), folders above it and markers is left out of the fast set."""
    return bool(
        PROCESS_FIXTURES.intersection(fixtures)
        or PROCESS_FOLDERS.intersection(folders)
        or {"servers", "control_plane"}.intersection(markers)
    )


def mark(items: list[pytest.Item]) -> None:
    """Give the marker `servers` to every test that starts processes, so that no list of them is kept by hand."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        # A parameter that is called as one of the fixtures is what the test asks `getfixturevalue` for.
        fixtures = (*getattr(item, "fixturenames", ()), *(value for value in parameters if isinstance(value, str)))
        markers = [marker.name for marker in item.iter_markers()]
        if "servers" not in markers and starts_processes(fixtures=fixtures, folders=item.path.parts, markers=markers):
            item.add_marker(pytest.mark.servers)


class StartedProcess(Exception):
    """A test of the fast set started a server or a pseudo-terminal."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"a test of the fast set starts {what}; ask for a fixture of {', '.join(sorted(PROCESS_FIXTURES))}, "
            "or mark the test with pytest.mark.servers"
        )


class Guard:
    """A pytest plugin: a test of the fast set that starts a server or a terminal after all fails, and says what to do."""

    def __init__(self) -> None:
        self._armed = False
        self._refused: list[str] = []
        # An audit hook sees every way in which Python starts a program; it can never be taken away again.
        sys.addaudithook(self._refuse)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._armed = True
        try:
            return (yield)
        finally:
            self._armed = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """What the code under test caught is a failure all the same."""
        self._refused.clear()
        yield
        if self._refused:
            raise StartedProcess(self._refused[0])

    def _refuse(self, event: str, values: tuple[object, ...]) -> None:
        if not self._armed or event not in ("subprocess.Popen", "os.forkpty"):
            return
        words = [event] if event == "os.forkpty" else [os.fsdecode(word) for word in (values[0], *values[1])]  # type: ignore
        if event == "os.forkpty" or Path(words[0]).name in SERVERS or "demo" in words:
            self._refused.append(Path(words[0]).name)
            raise StartedProcess(Path(words[0]).name)
