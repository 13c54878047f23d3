"""The script that brings a control plane: what it says where nothing can be brought, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("build_assets.py")
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")


def run(target: Path, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(path)}
    command = [sys.executable, str(SCRIPT), "--into", str(target)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_what_is_missing_is_named_in_the_last_line(tmp_path: Path) -> None:
    """Without Go and without a package manager it exits 1, and its last line names the parts and what would bring them."""
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "assets", tmp_path / "empty")
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("cluster-assets: etcd, kube-apiserver, kube-controller-manager could not be brought: ")
    assert "go is not on PATH" in last
    assert "etcd from the distribution: apt-get is not on PATH" in done.stderr


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    """With all three in the folder nothing is fetched, and the line to export is printed."""
    (tmp_path / "empty").mkdir()
    for part in PARTS:
        (tmp_path / part).write_text("already here")
    done = run(tmp_path, tmp_path / "empty")
    assert (done.returncode, done.stdout) == (0, f"export KUBEBUILDER_ASSETS={tmp_path}\n")
    assert (tmp_path / "etcd").read_text() == "already here"
