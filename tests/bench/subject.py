"""What is measured: the families of figures, and the tree whose program they run, this one or the one that BENCH_TREE names.

The code that measures is always this tree's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FAMILIES = (
    "start", "headless", "wire", "work", "keys", "stalls", "pods", "requests_sent", "faults_told", "stalled_line",
    "slow_line", "growth", "crowds",
    "server_cost", "evidence_cost", "week_chart", "peers", "beside_k9s", "merged_logs", "journal", "lint",
    "presence",
    "recorded", "recorder", "bundle", "playing", "patterns", "log_file",
)  # fmt: skip
"""Each is a module with `measure(stage) -> list[Figure]`."""
OTHER_PROGRAMS = ("peers",)
"""Families that measure no program of this project."""
IN_PROCESS = ("server_cost", "crowds", "evidence_cost", "week_chart", "recorded", "recorder", "bundle", "patterns")
"""Families that call the tree's modules themselves: they run in that tree's interpreter, with that tree's modules."""
ROOT = Path(__file__).resolve().parents[2]
TREE = Path(os.environ.get("BENCH_TREE") or ROOT)
PYTHON = str(TREE / ".venv" / "bin" / "python") if os.environ.get("BENCH_TREE") else sys.executable
"""The interpreter with that tree's own locked dependencies."""
PROGRAM = str(Path(PYTHON).parent / "cad-console")
