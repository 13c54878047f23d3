"""A key press to the first byte of what it changes, on a quiet screen and with ten thousand pods changing."""

from __future__ import annotations

import random
import statistics
import time

from figure import Figure, percentile
from stage import Cluster, Stage, Timed

PODS = 10_000
_PRESSES = 60


def measure(stage: Stage) -> list[Figure]:
    with stage.platform(alerts=50) as sources:
        with stage.console(sources.environ()) as terminal:
            terminal.read(6.0)
            quiet = press_keys(terminal)
        crowd = Cluster(stage.place("crowd") / "kubeconfig", pods=PODS, rate=PODS / 20)
        try:
            with stage.console(sources.environ(KUBECONFIG=str(crowd.kubeconfig))) as terminal:
                terminal.read(12.0)
                busy = press_keys(terminal)
        finally:
            crowd.close()
    return [
        latency("key press to first byte, p95, idle", quiet, 15),
        latency("key press to first byte, p95, 10,000 pods changing", busy, 25),
    ]


def latency(what: str, waits: list[float], goal: float) -> Figure:
    """The 95th percentile of these milliseconds."""
    return Figure(
        what, percentile(waits, 0.95), "ms", goal, f"median {statistics.median(waits):.1f} ms, worst {max(waits):.1f} ms"
    )


def press_keys(terminal: Timed, *, screens: tuple[str, ...] = ("1", "2"), presses: int = _PRESSES) -> list[float]:
    """Cursor keys at a person's pace, never two at once, on the overview and the list of alerts; milliseconds.

    `screens` are the keys of others, "" for the one that is shown.
    """
    chance = random.Random(7)  # the same pace in every run
    waits = []
    for screen in screens:
        if screen:
            terminal.send(screen)
        terminal.read(1.5)
        for number in range(presses // len(screens)):
            terminal.read(chance.uniform(0.06, 0.16))
            begun = time.perf_counter()
            terminal.send("j" if number % 6 < 3 else "k")
            if terminal.first_byte(1.0):
                waits.append((time.perf_counter() - begun) * 1000)
    if len(waits) < presses * 0.9:
        raise AssertionError(f"only {len(waits)} of {presses} keys changed anything")
    return waits
