"""The console's commands as processes of their own, against a cluster of the test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from limits import extend
from steerable_cluster import SteerableCluster

ROOT = Path(__file__).parents[2]


class HasKubeconfig(Protocol):
    def kubeconfig(self, path: Path) -> object:
        """Writes one that leads to it."""


class Shell:
    """Every command has the same home, and so the same journal and config file."""

    def __init__(self, cluster: HasKubeconfig, folder: Path, *, settle_seconds: float = 0, config: str = "") -> None:
        self.journal = folder / "state" / "cad-console" / "journal.sqlite3"
        cluster.kubeconfig(folder / "kubeconfig")
        (folder / "config" / "cad-console").mkdir(parents=True)
        # The platform's API has an HPA: what it does afterwards is another test's business.
        text = config or f"refresh: {{settle: {{hpa: {settle_seconds}}}}}\n"
        (folder / "config" / "cad-console" / "config.yaml").write_text(text)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "USER": "tester",
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "console", *words],
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        with self.start(*words) as child:
            output, complaint = child.communicate(timeout=60)
        return child.returncode, output, complaint


class ClusterShell(Shell):
    """Against a cluster in the test's process, which knows what it was sent."""

    def __init__(self, cluster: SteerableCluster, folder: Path, *, settle_seconds: float = 0, config: str = "") -> None:
        super().__init__(cluster, folder, settle_seconds=settle_seconds, config=config)
        self.cluster = cluster

    def writes(self) -> list[str]:
        return [item.method for item in self.cluster.requests if item.method == "PATCH" and "dryRun" not in item.query]


def until(found: Callable[[], object], what: str, *, seconds: float = 40.0) -> None:
    ends = time.monotonic() + extend(seconds)
    while not found():
        assert time.monotonic() < ends, f"did not happen: {what}"
        time.sleep(0.05)


def kill_at(child: subprocess.Popen[str], *words: str, meanwhile: Callable[[str], None] = lambda line: None) -> list[str]:
    """Kills it as soon as it prints a line with these words; returns what it had printed."""
    assert child.stdout is not None
    lines: list[str] = []
    for line in child.stdout:
        lines.append(line)
        if all(word in line for word in words):
            child.kill()
            child.communicate()
            return lines
        meanwhile(line)
    raise AssertionError(f"ended without {words}:\n{''.join(lines)}\n{child.communicate()[1]}")
