"""Crowds at real servers: a key press with them, and panels of which each has hundreds or thousands of series."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from figure import Figure
from keys import latency, press_keys
from stage import Cluster, Sources, Stage, Timed, give_way
from wire_proxy import WireProxy
from work import share

FEW_SERIES, MANY_SERIES = 500, 5_000
_CHANGES_A_SECOND = 100
_POD_GB = 1e-4
"""Of the server of the pods, which also takes 2.5 ms of CPU to create one."""
_READY_SECONDS = 240.0
"""Fifty thousand pods are a hundred pages, and a busy machine needs its time for them."""
_SETTLE_SECONDS = 10.0
_ROUNDS, _SECONDS = 5, 10.0
_GOAL, _KEY_GOAL_MS = 1.2, 25


def measure_keys(stage: Stage, *, pods: int, alerts: int) -> list[Figure]:
    """Cursor keys while everything is there, and while pods change; not measured where so many do not fit."""
    what = f"key press to first byte, p95, {pods:,} pods, {alerts:,} alerts"
    if (room := _memory_gb()) < pods * _POD_GB:
        why = f"not measured: the pods' server needs {pods * _POD_GB:.0f} GB of memory, and {room:.0f} are free"
        return [Figure(what, math.inf, "ms", _KEY_GOAL_MS, why)]
    with stage.platform(alerts=alerts) as sources:
        crowd = Cluster(stage.place("crowd") / "kubeconfig", pods=pods)
        for pid in (crowd.pid, sources.prometheus.pid, sources.manager.pid):
            give_way(pid)
        try:
            with stage.console(sources.environ(KUBECONFIG=str(crowd.kubeconfig))) as terminal:
                _wait_for(terminal, f"P3:{alerts}", "prom ok", "kubernetes ok live")
                terminal.read(_SETTLE_SECONDS)
                quiet = press_keys(terminal)
                crowd.change(_CHANGES_A_SECOND)
                terminal.read(_SETTLE_SECONDS)
                busy = press_keys(terminal)
                now, peak = terminal.memory_mb()
        finally:
            crowd.close()
    return [
        latency(what, quiet, _KEY_GOAL_MS),
        latency(f"{what}, {_CHANGES_A_SECOND} pods a second changing", busy, _KEY_GOAL_MS),
        Figure("memory of the whole program with them", now, "MB", note=f"peak {peak:.0f} MB"),
    ]


def _memory_gb() -> float:
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) / 1e6


def _wait_for(terminal: Timed, *texts: str) -> None:
    begun = time.perf_counter()
    while not all(text in terminal.text for text in texts):
        if time.perf_counter() - begun > _READY_SECONDS:
            raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")
        terminal.read(1.0)
        terminal.draw()


@dataclass
class _Console:
    """What watches panels of many series, and what it and its server needed in each round."""

    sources: Sources
    proxy: WireProxy
    terminal: Timed
    cpu: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    body_bytes: list[float] = field(default_factory=list)

    def watch(self) -> None:
        """One round: its refreshes at Prometheus, and the CPU of the console in that time.

        Not for each refresh: where one takes longer there are fewer, and the console does other things each second too.
        """
        self.proxy.exchanges.clear()
        self.cpu.append(share(self.terminal, _SECONDS))
        found = [one for one in self.proxy.exchanges if "/query" in one.path and one.ended]
        self.seconds.append(statistics.median(one.ended - one.at for one in found))
        self.body_bytes.append(statistics.median(one.body_bytes for one in found))


def measure_series(stage: Stage) -> list[Figure]:
    """Two consoles in turn, so that a busy machine slows both: every value of every series changes every second."""
    with _watching(stage, FEW_SERIES) as few, _watching(stage, MANY_SERIES) as many:
        for console in (few, many):
            console.sources.exporter.move(True)
        for console in (few, many):
            console.terminal.read(_SETTLE_SECONDS)
        for _ in range(_ROUNDS):
            few.watch()
            many.watch()
        low, high = (console.terminal.memory_mb()[0] for console in (few, many))
    ratio = MANY_SERIES / FEW_SERIES
    what = f"{MANY_SERIES:,} ÷ {FEW_SERIES} series a panel"
    return [
        _figure(f"a refresh at Prometheus, for each series, {what}", few.seconds, many.seconds, ratio, 1000, "ms"),
        _figure(f"CPU of the console, {what}", few.cpu, many.cpu, 1, 100, "%"),
        _figure(f"bytes of a refresh, {what}", few.body_bytes, many.body_bytes, 1, 1, "B"),
        Figure(f"memory of the console, {what}", high / low, "×", _GOAL, f"{high:.0f} against {low:.0f} MB"),
    ]


def _figure(what: str, few: list[float], many: list[float], items: float, scale: float, unit: str) -> Figure:
    """The median of the rounds' ratios; `items` is how many times as many of them there are."""
    ratio = statistics.median(more / one for one, more in zip(few, many, strict=True)) / items
    note = f"{statistics.median(many) * scale:.1f} against {statistics.median(few) * scale:.1f} {unit}"
    return Figure(what, ratio, "×", _GOAL, note)


@contextmanager
def _watching(stage: Stage, series: int) -> Iterator[_Console]:
    with ExitStack() as stack:
        sources = stack.enter_context(stage.platform(providers=series))
        proxy = stack.enter_context(WireProxy(sources.prometheus.url))
        terminal = stack.enter_context(stage.console(sources.environ(PROMETHEUS_URL=proxy.url)))
        _wait_for(terminal, "prom ok")
        yield _Console(sources, proxy, terminal)
