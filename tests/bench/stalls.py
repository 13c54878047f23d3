"""The longest turn of the event loop, with as much data as there can be, and with every screen opened for the first time; and
the program's memory.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from figure import Figure
from stage import Cluster, Stage, Timed
from subject import PYTHON

PODS, ALERTS, PROVIDERS = 10_000, 5_000, 1_000
_GOAL_MS = 16
_READY_SECONDS = 90.0
"""On a busy machine the first answers take long; the turns are measured all the same."""
_ESCAPE, _ENTER, _F2 = "\x1b", "\r", "\x1bOQ"
_SCREENS = (
    *("2", "/", _ESCAPE, _ENTER, "b", _ESCAPE, "z", _ESCAPE, "x", _ESCAPE, _ESCAPE),
    *("3", "j", _ENTER, "l", _ESCAPE, "y", _ESCAPE, "d", _ESCAPE, "S", _ESCAPE, _ESCAPE),
    *("4", "n", _ESCAPE, "5", _ENTER, _ESCAPE, "6", _ENTER, _ESCAPE, "7", "8", _ENTER, _ESCAPE, "9", "0", _F2),
    *("?", _ESCAPE, ":", _ESCAPE, "1", _ENTER, "Q", _ESCAPE, _ESCAPE),
)
"""Keys that open every screen, page and dialog that one key opens; each screen twice, because the loop goes on with the data
that arrives."""
_NAMES = {_ESCAPE: "esc", _ENTER: "enter", _F2: "f2"}


def measure(stage: Stage) -> list[Figure]:
    with stage.platform(providers=PROVIDERS, alerts=ALERTS) as sources:
        crowd = Cluster(stage.place("crowd") / "kubeconfig", pods=PODS, rate=PODS / 20)
        try:
            environ = sources.environ(KUBECONFIG=str(crowd.kubeconfig))
            quiet = _turns(stage, environ, keys=())
            sources.exporter.move(True)
            moving = _turns(stage, environ, keys=(*_SCREENS, *_SCREENS))
        finally:
            crowd.close()
    found = (("much data", quiet), ("all of it changing, every screen opened", moving))
    return [figure for what, report in found for figure in _figures(what, report)]


def _figures(what: str, report: dict[str, Any]) -> list[Figure]:
    waited = report["waiting"] / max(1e-9, report["waiting"] + report["running"])
    return [
        Figure(f"CPU of the longest turn, {what}", report["cpu"][0]["cpu"] * 1000, "ms", _GOAL_MS, _describe(report, "cpu")),
        Figure(
            f"longest turn while scheduled, {what}",
            report["stall"][0]["stall"] * 1000,
            "ms",
            _GOAL_MS,
            f"the loop waited {waited:.0%} of its time for a processor; {_describe(report, 'stall')}",
        ),
    ]


def _turns(stage: Stage, environ: dict[str, str], *, keys: tuple[str, ...]) -> dict[str, Any]:
    """What the probe wrote, each turn with the `key` that was pressed last."""
    path = stage.place("probe") / "turns.json"
    program = (PYTHON, str(Path(__file__).with_name("probed.py")))
    pressed = [(0.0, "start")]
    with stage.console({**environ, "BENCH_PROBE": str(path)}, program=program) as terminal:
        _wait_for_data(terminal)
        terminal.read(6.0)
        pressed.append((time.perf_counter(), "rest"))
        screen = "1"
        for key in keys:
            screen = key if key.isdigit() else screen
            pressed.append((time.perf_counter(), f"{_NAMES.get(key, key)} in {screen}"))
            terminal.send(key)
            terminal.read(0.8)
        if not keys:
            terminal.read(6.0)
        terminal.read(1.5)  # the probe writes once a second
        report: dict[str, Any] = json.loads(path.read_text())
    for by in ("cpu", "stall"):
        for turn in report[by]:
            turn["key"] = max(item for item in pressed if item[0] <= turn["at"])[1]
    return report


def _wait_for_data(terminal: Timed) -> None:
    begun = time.perf_counter()
    while not ("prom ok" in terminal.text and "kubernetes ok" in terminal.text):
        if time.perf_counter() - begun > _READY_SECONDS:
            raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")
        terminal.read(1.0)
        terminal.draw()


def _describe(report: dict[str, Any], by: str) -> str:
    """The longest turns by the key before them, and whether they were longer for the clock on the wall."""
    longest = (f"{turn[by] * 1000:.1f} after {turn['key']} ({turn['wall'] * 1000:.0f} wall)" for turn in report[by][:5])
    return "longest five: " + ", ".join(longest)
