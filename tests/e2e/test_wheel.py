"""The wheel carries everything that an installed console needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            "--wheel-dir",
            str(folder),
            str(ROOT),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_data_file(wheel: Path) -> None:
    """Runbooks, queries, rules and styles in the tree are in the wheel too, at the same places."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "console", "widgets", "queries", "runbooks"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert any(name.startswith("runbooks/") for name in tracked)
    assert [name for name in tracked if name not in packed] == []


def test_the_program_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, without the source tree, it finds its runbooks and panels."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import console, queries.catalogue.loader as loader; from console.cli.main import main;"
        f"assert console.__file__.startswith({str(tmp_path)!r}), console.__file__;"
        "assert len(loader.load_board('overview')) == 10;"
        "raise SystemExit(main(['runbook', 'high-error-rate']))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        check=False,
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "Platform error ratio is high" in done.stdout
