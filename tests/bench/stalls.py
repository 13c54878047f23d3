"""The longest time the event loop does not come round, with as much data as there can be; and the program's memory."""

from __future__ import annotations

import json
from pathlib import Path

from figure import Figure
from stage import Cluster, Stage, Timed
from subject import PYTHON

PODS, ALERTS, PROVIDERS = 10_000, 5_000, 1_000


def measure(stage: Stage) -> list[Figure]:
    with stage.platform(providers=PROVIDERS, alerts=ALERTS) as sources:
        crowd = Cluster(stage.place("crowd") / "kubeconfig", pods=PODS, rate=PODS / 20)
        try:
            environ = sources.environ(KUBECONFIG=str(crowd.kubeconfig))
            quiet = _gaps(stage, environ, keys="")
            sources.exporter.move(True)
            moving = _gaps(stage, environ, keys="123jjk4567jk1")
        finally:
            crowd.close()
    return [
        Figure("longest stall of the UI loop, much data", quiet[0][0] * 1000, "ms", 16, _told(quiet)),
        Figure("longest stall of the UI loop, all of it changing, keys pressed", moving[0][0] * 1000, "ms", 16, _told(moving)),
    ]


def _gaps(stage: Stage, environ: dict[str, str], *, keys: str) -> list[tuple[float, float]]:
    """Each gap in seconds, and how long after the start it was."""
    report = stage.place("probe") / "gaps.json"
    program = (PYTHON, str(Path(__file__).with_name("probed.py")))
    with stage.console({**environ, "BENCH_PROBE": str(report)}, program=program) as terminal:
        terminal.read(14.0)
        for key in keys:
            terminal.send(key)
            terminal.read(0.8)
        if not keys:
            terminal.read(6.0)
        _check(terminal)
        found = json.loads(report.read_text())
    if found["beats"] < 500:
        raise AssertionError(f"only {found['beats']} beats")
    return [(stall, at) for stall, _, at in found["gaps"]]


def _check(terminal: Timed) -> None:
    terminal.draw()
    if "prom ok" not in terminal.text or "kubernetes ok" not in terminal.text:
        raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")


def _told(gaps: list[tuple[float, float]]) -> str:
    return "longest five: " + ", ".join(f"{gap * 1000:.1f} at {at:.1f} s" for gap, at in gaps[:5])
