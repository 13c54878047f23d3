"""The console's commands as processes of their own, against a cluster in the test's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from steerable_cluster import SteerableCluster

ROOT = Path(__file__).parents[2]


class Shell:
    """Every command has the same home, and so the same journal and config file."""

    def __init__(self, cluster: SteerableCluster, folder: Path, *, settle_seconds: float = 0, config: str = "") -> None:
        self.cluster = cluster
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

    def writes(self) -> list[str]:
        return [item.method for item in self.cluster.requests if item.method == "PATCH" and "dryRun" not in item.query]
