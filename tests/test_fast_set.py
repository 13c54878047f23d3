"""The fast set: what belongs to it follows from fixtures and folders, and a test that starts a server all the same fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fast_set import starts_processes

ROOT = Path(__file__).parents[1]
STARTING = """\
import contextlib, pty, subprocess, sys

def test_forks_a_terminal():
    pty.fork()

def test_starts_a_server():
    subprocess.run(["/nowhere/etcd"])

def test_starts_the_embedded_stack():
    subprocess.run([sys.executable, "-c", "pass", "demo"])

def test_swallows_the_refusal():
    with contextlib.suppress(Exception):
        subprocess.run(["postgres"])
"""
LEFT_OUT = """\
import subprocess, sys
import pytest

@pytest.fixture
def stack(servers):
    return servers

def test_left_out(stack):
    raise AssertionError

@pytest.mark.parametrize("kind", ["kubernetes", "postgresql"])
def test_the_half(kind):
    assert kind == "kubernetes"

@pytest.mark.slow
def test_that_takes_long():
    raise AssertionError

def test_child():
    subprocess.run([sys.executable, "-c", "pass"], check=True)
"""


@pytest.mark.parametrize(
    ("fixtures", "folders", "markers", "expected"),
    [
        (("tmp_path",), ("tests", "queries"), (), False),
        (("calm_stack", "servers"), ("tests", "queries"), (), True),
        ((), ("tests", "e2e"), (), True),
        ((), ("tests", "queries"), ("control_plane",), True),
        ((), ("tests", "queries"), ("parametrize",), False),
    ],
)
def test_fixtures_folder_and_marker_decide(
    fixtures: tuple[str, ...], folders: tuple[str, ...], markers: tuple[str, ...], expected: bool
) -> None:
    """Nobody keeps a list: a fixture anywhere in the closure is enough."""
    assert starts_processes(fixtures=fixtures, folders=folders, markers=markers) is expected


@pytest.mark.slow
def test_a_fast_test_that_starts_a_server_fails_and_is_told_why(tmp_path: Path) -> None:
    """So `make test-fast` started no server and no pseudo-terminal wherever it passed; caught or not."""
    result = run(tmp_path, STARTING)
    assert result.returncode == 1 and "4 failed" in result.stdout, result.stdout
    assert result.stdout.count("StartedProcess: a test of the fast set starts") >= 4


@pytest.mark.slow
def test_what_starts_a_server_is_left_out_and_a_plain_program_may_run(tmp_path: Path) -> None:
    """A server by a fixture of its own fixture, or by a parameter of its name, and what is marked slow are left out; a child
    interpreter is allowed.
    """
    result = run(tmp_path, LEFT_OUT)
    assert result.returncode == 0 and "2 passed, 3 deselected" in result.stdout, result.stdout


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The fast set of a project that has this one file and our conftest."""
    (folder / "test_it.py").write_text(text)
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "--fast", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(ROOT), str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
