"""The script that brings a new Alertmanager: what it says where it cannot, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("build_assets.py")


def run(target: Path, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--into", str(target)]
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_what_is_missing_is_named_with_its_reason(tmp_path: Path) -> None:
    """Without Go it exits 1, and its last line names both programs and what would bring them."""
    done = run(tmp_path / "assets", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("alertmanager-assets: alertmanager, amtool could not be brought: go is not on PATH")


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    """With both in the folder nothing is fetched, and the line to export is printed."""
    for part in ("alertmanager", "amtool"):
        (tmp_path / part).write_text("already here")
    done = run(tmp_path, tmp_path / "empty")
    assert (done.returncode, done.stdout) == (0, f"export ALERTMANAGER_ASSETS={tmp_path}\n")
