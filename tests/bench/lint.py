"""How long `rules lint` takes for many rules, of metrics that the contract knows and of others, beside pint in the same run."""

from __future__ import annotations

import math
import statistics
import subprocess
import time
from pathlib import Path

from build_peers import HOW, find
from figure import Figure
from stage import Stage
from subject import PROGRAM

_PAIRS = 5
_FEW, _MANY = 2_000, 10_000
_METRICS = {"known": ("ocr_requests_total", "provider", "status"), "unknown": ("http_requests_total", "job", "code")}


def measure(stage: Stage) -> list[Figure]:
    folder = Path(stage.place("lint"))
    pint = find("pint")
    figures: list[Figure] = []
    for kind in _METRICS:
        few, many = (write_rules(folder / f"{kind}-{count}.yaml", kind, count) for count in (_FEW, _MANY))
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(_PAIRS):  # in turn, so that both meet the same machine
            ours.append(_ours(few, folder))
            if pint:
                theirs.append(_pint(pint, few, folder))
        mine, long = statistics.median(ours), _ours(many, folder)
        figures.append(Figure(f"rules lint, {_FEW:,} rules of {kind} metrics", mine, "s"))
        share = long / (mine * _MANY / _FEW)
        figures.append(Figure(f"a rule among {_MANY:,} ÷ among {_FEW:,}, {kind} metrics", share, "×", 1.1, f"{long:.1f} s"))
        longer = _pint(pint, many, folder) if pint else None
        figures.append(beside_pint(kind, long, longer))
        if not pint:
            continue
        pairs = sorted(one / other for one, other in zip(ours, theirs, strict=True))
        figures.append(Figure(f"pint, the same {_FEW:,} rules", statistics.median(theirs), "s", control=True))
        # Of so few rules the start of the interpreter is a third: the goal is for many.
        told = f"pairs {pairs[0]:.2f}–{pairs[-1]:.2f}"
        figures.append(Figure(f"rules lint ÷ pint, {_FEW:,} rules of {kind} metrics", statistics.median(pairs), "×", note=told))
    return figures


def beside_pint(kind: str, ours: float, theirs: float | None) -> Figure:
    """The ratio for many rules, in seconds; without pint, a goal that is missed."""
    name = f"rules lint ÷ pint, {_MANY:,} rules of {kind} metrics"
    if theirs is None:
        return Figure(name, math.inf, "×", 1.0, f"not measured: pint is not on PATH: {HOW}")
    return Figure(name, ours / theirs, "×", 1.0, f"pint {theirs:.1f} s")


def write_rules(path: Path, kind: str, count: int) -> Path:
    """Recording rules of one metric, twenty a group, each with a ratio of its own."""
    metric, by, label = _METRICS[kind]
    lines = ["groups:"]
    for number in range(count):
        if number % 20 == 0:
            lines += [f"  - name: slo{number}", "    rules:"]
        picked = f'{metric}{{{by}="{number}"'
        lines += [
            f"      - record: {by}:slo_{number}:ratio_rate5m",
            f"        expr: 'sum by ({by}) (rate({picked},{label}=~\"e.*\"}}[5m])) / sum by ({by}) (rate({picked}}}[5m]))'",
            f"        labels: {{slo: s{number}}}",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _ours(file: Path, folder: Path) -> float:
    """Without any other program on PATH, whose work would count as ours."""
    return _seconds((PROGRAM, "rules", "lint", str(file)), folder)


def _pint(program: str, file: Path, folder: Path) -> float:
    return _seconds((program, "--offline", "lint", str(file)), folder)


def _seconds(command: tuple[str, ...], folder: Path) -> float:
    begun = time.perf_counter()
    answer = subprocess.run(
        command,
        env={"PATH": str(folder), "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600.0,
        check=False,
    )
    took = time.perf_counter() - begun
    if answer.returncode not in (0, 1, 3):
        raise RuntimeError(f"{command[0]} ended with {answer.returncode}: {answer.stderr.strip()[-300:]}")
    return took
