"""What fails beside other tests runs once more alone, and only that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("support") / "suite.py"
pytestmark = pytest.mark.slow


def run(folder: Path, source: str) -> tuple[int, str, list[str]]:
    """Status and output of the suite of these tests, and the names of the tests that ran, in their order."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(
        "import pathlib\n\n\ndef note(name):\n"
        "    ran = pathlib.Path('ran')\n    before = ran.read_text().split() if ran.exists() else []\n"
        "    ran.write_text(' '.join([*before, name]))\n    return name in before\n\n\n" + source
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, str(SUITE), "-n", "0", "-p", "no:randomly"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, (folder / "ran").read_text().split()


def test_what_passes_alone_is_named(tmp_path: Path) -> None:
    """The run succeeds, says which test it was, and ran no other one twice."""
    status, said, ran = run(
        tmp_path,
        "def test_good():\n    note('good')\n\n\ndef test_disturbed():\n    assert note('disturbed')\n",
    )
    assert status == 0
    assert ran == ["good", "disturbed", "disturbed"]
    assert said.rstrip().endswith("look at what they wait for:\n  test_it.py::test_disturbed")


def test_what_fails_alone_too_fails_the_run(tmp_path: Path) -> None:
    """A fault of the product does not go away."""
    status, _, ran = run(tmp_path, "def test_bad():\n    note('bad')\n    assert False\n")
    assert status == 1
    assert ran == ["bad", "bad"]


def test_many_failures_run_only_once(tmp_path: Path) -> None:
    """Six tests do not fail by coincidence."""
    source = "".join(f"def test_{number}():\n    assert note('{number}')\n\n\n" for number in range(6))
    status, _, ran = run(tmp_path, source)
    assert status == 1
    assert ran == ["0", "1", "2", "3", "4", "5"]


def test_a_run_without_failures_ends_at_once(tmp_path: Path) -> None:
    """Nothing is said of a second run."""
    status, said, ran = run(tmp_path, "def test_good():\n    note('good')\n")
    assert (status, ran) == (0, ["good"])
    assert "alone" not in said
