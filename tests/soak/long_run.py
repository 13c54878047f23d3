"""The long run: a session at twenty times its speed on sources that churn and break, and what it holds all along."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from sys import executable
from typing import Any

import wire_faults
from fault_proxy import FaultProxy, ProxyHouse

HERE = Path(__file__).parent
SPEED = 20.0
EVERY_SECONDS = 5.0 / SPEED
CAP_SECONDS = 30.0 / SPEED
ALERTS = 5000
CHURNED = 50
CALM_SECONDS, FAULT_SECONDS = (2.0, 8.0), (0.5, 3.0)
"""How long a source is left alone, and how long it is broken; drawn anew each time."""
GROWTH_LIMIT_BYTES, SHORT_GROWTH_LIMIT_BYTES = 2 << 20, 6 << 20
"""Of a run of at least half an hour, and of a shorter one, in which the allocator's arenas still fill (its Python objects grow
by half a megabyte); an answer kept at each look is 20 MB and more in five minutes."""
WARM_UP_SECONDS = 80.0
MOST_DESCRIPTORS = 48
"""Sixteen of its own, six watches, and what four pools of eight may keep open: a hanging request costs one more for a while.
One descriptor lost at each fault is more than that in five minutes."""


@dataclass
class Told:
    """What a run showed; each measure is as `measured_session` tells it, and whether all sources were well then."""

    seconds: float
    measures: list[dict[str, Any]] = field(default_factory=list)
    faults: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    left_tasks: int = -1
    complaints: str = ""

    @property
    def growth_limit_bytes(self) -> int:
        return GROWTH_LIMIT_BYTES if self.seconds >= 1800 else SHORT_GROWTH_LIMIT_BYTES

    @property
    def settled(self) -> list[dict[str, Any]]:
        """After the warm-up, which is a sixth of the run, as ten minutes are of an hour; a short run warms up as slowly."""
        return [item for item in self.measures if item["at"] >= max(self.seconds / 6.0, WARM_UP_SECONDS)]

    def thirds(self, name: str) -> tuple[float, float]:
        """The median of the first and of the last third of the settled time; of the memory the least.

        An answer of three megabytes is on its way at some of the measures and not at others: the least is what is held besides,
        and a leak raises that too.
        """
        values = [float(item[name]) for item in self.settled]
        third = max(1, len(values) // 3)
        of = min if name == "resident" else _median
        return of(values[:third]), of(values[-third:])

    def most(self, name: str) -> float:
        return max(float(item[name]) for item in self.settled)

    def table(self) -> str:
        growth = f"+{self.growth_limit_bytes >> 20} MB"
        rows = [("figure", "after warm-up", "at the end", "limit")]
        for name, limit in (("resident", growth), ("descriptors", f"{MOST_DESCRIPTORS}"), ("tasks", "+2"), ("threads", "+2")):
            first, last = self.thirds(name)
            unit = (1 << 20) if name == "resident" else 1
            rows.append((f"{name}{' MB' if unit > 1 else ''}", f"{first / unit:.1f}", f"{last / unit:.1f}", limit))
        first, last = self.thirds("late")
        rows.append(("cadence late by, s", f"{first:.3f}", f"{last:.3f}", "0.25"))
        last_told = self.measures[-1]
        rows.append(("snapshots", "", str(last_told["snapshots"]), ""))
        rows.append(("alerts on the board", "", str(last_told["alerts"]), str(ALERTS)))
        rows.append(("faults injected", "", str(self.faults), ""))
        rows += [(f"requests to {name}", "", str(count), "") for name, count in self.asked.items()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)

    def failures(self) -> list[str]:
        """What is beyond its limit, in words."""
        found = []
        first, last = self.thirds("resident")
        if last - first >= self.growth_limit_bytes:
            found.append(f"memory grew by {(last - first) / (1 << 20):.1f} MB")
        if self.most("descriptors") > MOST_DESCRIPTORS:
            found.append(f"{self.most('descriptors'):.0f} descriptors are open at once")
        for name in ("tasks", "threads"):
            first, last = self.thirds(name)
            if last - first > 2:
                found.append(f"{name} grew from {first:.0f} to {last:.0f}")
        if self.thirds("late")[1] > 0.25:
            found.append(f"the loop wakes {self.thirds('late')[1]:.2f} s late")
        never = [name for name, good in self.measures[-1]["good"].items() if not good]
        if never:
            found.append(f"never a good answer of {', '.join(never)}")
        if self.measures[-1]["alerts"] < ALERTS:
            found.append(f"only {self.measures[-1]['alerts']} alerts are there")
        if self.left_tasks:
            found.append(f"{self.left_tasks} tasks are left after the end")
        return found + ([self.complaints] if self.complaints else [])


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def environ() -> dict[str, str]:
    root = HERE.parents[1]
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'support'}"}


@contextmanager
def churning() -> Iterator[dict[str, str]]:
    process = Popen(
        [executable, str(HERE / "churning_platform.py"), str(ALERTS), str(CHURNED)],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,  # its server tells of every connection that a fault breaks
        text=True,
        env=environ(),
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()  # its sign to end
        process.wait(20)
        process.stdout.close()


def soak(folder: Path, seconds: float, *, seed: int = 7) -> Told:
    """Run for this long: the clock counts as it is, what is compressed is the cadence."""
    output = Told(seconds)
    with ExitStack() as held:
        urls = held.enter_context(churning())
        house = held.enter_context(ProxyHouse())
        proxies = {name: house.proxy(urls["platform"]) for name in ("prometheus", "alertmanager", "platform")}
        proxies["kubernetes"] = house.proxy(urls["kubernetes"])
        given = {name: proxy.url for name, proxy in proxies.items()} | {
            "kubernetes": _kubeconfig(folder, proxies["kubernetes"])
        }
        words = [str(HERE / "measured_session.py"), str(folder), json.dumps(given), str(EVERY_SECONDS), str(CAP_SECONDS)]
        process = Popen(
            [executable, *words],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            text=True,
            env=environ(),
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        over = threading.Event()
        hands = [
            threading.Thread(target=_break, args=(proxy, random.Random(f"{seed}{name}"), over, output))
            for name, proxy in proxies.items()
        ]
        ends = time.monotonic() + seconds
        try:
            for line in process.stdout:
                facts = json.loads(line)
                output.measures.append(facts)
                if len(output.measures) == 3:
                    for hand in hands:
                        hand.start()
                if not over.is_set() and time.monotonic() > ends - 6.0:
                    over.set()  # the last moments are calm: then everything has to be there
                if time.monotonic() > ends:
                    break
            process.stdin.close()
            for line in process.stdout:
                output.left_tasks = json.loads(line).get("left_tasks", output.left_tasks)
            process.wait(20)
            output.complaints = process.stderr.read().strip()[-2000:]
        finally:
            over.set()
            for hand in hands:
                if hand.ident is not None:
                    hand.join(10)
            if process.poll() is None:
                process.kill()
                process.wait(10)
            process.stdout.close()
            process.stderr.close()
        output.asked = {name: len(proxy.asked) for name, proxy in proxies.items()}
    return output


def _break(proxy: FaultProxy, chance: random.Random, over: threading.Event, output: Told) -> None:
    """Good and broken by turns, each for a random while, each time in another way."""
    faults = [wire_faults.dying(item) for item in wire_faults.WIRE if item.name not in ("1 GB body", "endless body")]
    while not over.wait(chance.uniform(*CALM_SECONDS)):
        proxy.use(chance.choice(faults))
        output.faults += 1
        over.wait(chance.uniform(*FAULT_SECONDS))
        proxy.use(None)


def _kubeconfig(folder: Path, proxy: FaultProxy) -> str:
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": proxy.url}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document))
    return str(path)
