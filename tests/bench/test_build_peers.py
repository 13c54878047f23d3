"""The script that builds the peers of the benchmarks, and what the benchmarks make of a peer that is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import beside_k9s
import build_peers
import lint
import pytest
from stage import Stage

SCRIPT = Path(__file__).with_name("build_peers.py")


def run(target: Path, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--into", str(target)]
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_without_go_each_peer_is_named_with_its_reason(tmp_path: Path) -> None:
    """It exits 1, and its last line names both programs and what would build them."""
    done = run(tmp_path / "peers", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert "k9s could not be built: go is not on PATH" in last
    assert "pint could not be built: go is not on PATH" in last


def test_a_peer_that_was_built_is_kept(tmp_path: Path) -> None:
    """With both in the folder nothing is fetched, and the folder is printed."""
    for peer in build_peers.PEERS:
        (tmp_path / peer.name).write_text("already here")
    done = run(tmp_path, tmp_path / "empty")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}\n")


def test_a_peer_is_found_on_path_first_and_then_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was built is used only where PATH has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert build_peers.find("pint") is None
    built, installed = build_peers.folder() / "pint", tmp_path / "bin" / "pint"
    for program in (built, installed):
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    assert build_peers.find("pint") == str(installed)
    installed.unlink()
    assert build_peers.find("pint") == str(built)


def test_what_cannot_be_measured_beside_a_peer_misses_its_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without k9s and pint every goal beside them is a miss with its reason, and none is left out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with Stage() as stage:
        figures = [*beside_k9s.measure(stage), lint.beside_pint("known", 1.0, None)]
    assert len(figures) == 6
    for figure in figures:
        assert figure.met is False and "not measured" in figure.note and "make bench-peers" in figure.note
