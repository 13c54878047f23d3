"""What a command costs that prints and ends: `status` beside the tools that it replaces, others beside their libraries."""

from __future__ import annotations

import math
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence

from figure import Figure
from served_platform import serve_platform
from servers import servers
from stage import Stage, clean
from subject import PROGRAM, PYTHON

_PAIRS = 7
# Without the command line of httpx, which is imported where click is installed: users of the console do not have it.
_LIBRARIES = (PYTHON, "-c", "import sys; sys.modules['httpx._main'] = None; import httpx, msgspec, yaml")
_VERBS = (("alerts",), ("checklist", "hourly"), ("journal",))
_MOST_STATUS, _MOST_VERB = 2.0, 1.6


def measure(stage: Stage) -> list[Figure]:
    kubectl = shutil.which("kubectl")
    with stage.platform(alerts=10) as sources, serve_platform() as platform:
        env = {**clean(stage.place("headless")), **sources.environ(CAD_ML_API_URL=platform.url)}
        status = (PROGRAM, "status")
        _run(status, env)  # compiles, and creates the journal
        figures: list[Figure] = []
        name = "status ÷ promtool, amtool and kubectl, wall"
        if kubectl is None:
            figures.append(Figure(name, math.inf, "×", _MOST_STATUS, "not measured: kubectl is not on PATH"))
        else:
            peers = (
                (servers().promtool, "query", "instant", sources.prometheus.url, "up"),
                (servers().amtool, "alert", "query", f"--alertmanager.url={sources.manager.url}"),
                (kubectl, "get", "deploy,pods", "-n", "cad-ml-platform"),
            )
            pairs = [(_run(status, env)[0], sum(_run(peer, env)[0] for peer in peers)) for _ in range(_PAIRS)]
            figures.append(_ratio(name, pairs, _MOST_STATUS))
            figures.append(Figure("promtool, amtool and kubectl one after another", _median(pairs, 1), "ms", control=True))
        for verb in _VERBS:
            pairs = [(_run((PROGRAM, *verb), env)[1], _run(_LIBRARIES, env)[1]) for _ in range(_PAIRS)]
            figures.append(_ratio(f"{' '.join(verb)} ÷ import httpx, msgspec, yaml, CPU", pairs, _MOST_VERB))
        return figures


def _run(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds until it ended, and of CPU, user and system."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime


def _ratio(name: str, pairs: Sequence[tuple[float, float]], goal: float) -> Figure:
    ratios = sorted(one / other for one, other in pairs)
    note = f"pairs {ratios[0]:.2f}–{ratios[-1]:.2f}; {_median(pairs, 0):.0f} ms"
    return Figure(name, statistics.median(ratios), "×", goal, note)


def _median(pairs: Sequence[tuple[float, float]], at: int) -> float:
    """In milliseconds."""
    return statistics.median(pair[at] for pair in pairs) * 1000
