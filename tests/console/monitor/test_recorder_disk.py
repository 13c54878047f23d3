"""A recorder whose disk is full: a file system of 96 KB, and a limit on the size of its files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from limits import extend

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tests" / "support" / "recorder_on_small_disk.py"
PATHS = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
pytestmark = pytest.mark.slow


def run(folder: Path, kind: str, place: str) -> dict[str, object]:
    """What the recorder said and what can be read afterwards."""
    command = [sys.executable, str(SCRIPT), str(folder), kind, place]
    if kind == "disk":
        prefix = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=96k none {folder} && exec "$@"', "sh"]
        try:
            allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            allowed = False
        if not allowed:
            pytest.skip("this machine lets nobody mount")
        command = [*prefix, *command]
    done = subprocess.run(command, env=PATHS, cwd=ROOT, capture_output=True, text=True, check=False, timeout=extend(120.0))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("place", ["write", "rotation"])
@pytest.mark.parametrize("kind", ["disk", "limit"])
def test_a_full_disk_loses_nothing_and_is_said(tmp_path: Path, kind: str, place: str) -> None:
    """While a line is written and while a new file begins: what was recorded stays readable, what could not be is not known,
    and with more room it goes on in a new file; nothing is printed but what the recorder says.
    """
    found = run(tmp_path, kind, place)
    assert (found["before"], found["between"], found["after"]) == ("before", "", "after")
    assert found["files"] == 2, "no empty files pile up"
    if kind == "disk":
        assert str(found["error"]).endswith("is full; free some space")
        assert found["doctor"] == found["error"], "`cad-console doctor` says it too"
    else:
        assert str(found["error"]).endswith("cannot be used: File too large")
    if kind == "limit" and place == "write":
        assert f"ERROR console.monitor.recorder: recorder: {found['error']}" in str(found["log"])
        assert "recorder: recording again" in str(found["log"])
