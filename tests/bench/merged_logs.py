"""The merged log of twenty pods at five thousand lines a second: key presses, CPU, and lines that are missing uncounted."""

from __future__ import annotations

import itertools
import random
import re
import statistics
import subprocess
import time
from collections import defaultdict

from cluster_process import CHATTY
from figure import Figure, percentile
from stage import Cluster, Stage, Timed, clean, wait
from subject import PROGRAM
from work import share

LINES = 250
_PRESSES, _SECONDS = 60, 6
_LINE = re.compile(r"(chatty-\S+).* request (\d+) served")


def measure(stage: Stage) -> list[Figure]:
    crowd = Cluster(stage.place("chatty") / "kubeconfig", lines=LINES)
    try:
        missing, received = _follow(stage, crowd)
        with stage.platform() as sources, stage.console(sources.environ(KUBECONFIG=str(crowd.kubeconfig))) as terminal:
            terminal.read(6.0)
            for words in (":", "logs deployment/chatty", "\r"):
                terminal.send(words)
                terminal.settle(0.5, most=2.0)
            terminal.read(6.0)
            busy = share(terminal, 10.0)
            waits = _presses(terminal)
            terminal.draw()
            if "lines" not in terminal.text or "chatty" not in terminal.text:
                raise AssertionError(f"not the log:\n{terminal.text}")
    finally:
        crowd.close()
    note = f"median {statistics.median(waits):.1f} ms, worst {max(waits):.1f} ms"
    return [
        Figure("lines missing from a followed log of 20 pods", missing, "", 0, f"of {received:,}"),
        Figure("key press to first byte, p95, 5,000 log lines a second", percentile(waits, 0.95), "ms", 25, note),
        Figure("CPU at 5,000 log lines a second", busy * 100, "%", 100),
    ]


def _follow(stage: Stage, crowd: Cluster) -> tuple[int, int]:
    """What the command prints in some seconds: of each pod, numbers that are left out between the first and the last."""
    env = {**clean(stage.place("home")), "KUBECONFIG": str(crowd.kubeconfig)}

    command = [PROGRAM, "logs", "deployment/chatty", "--tail", "1"]

    def all_answer() -> bool:
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout.count("\n") == CHATTY

    wait(all_answer, seconds=180.0)
    following = [*command[:-2], "--follow", "--since", "1s"]
    with subprocess.Popen(following, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        shown = list(itertools.islice(process.stdout, CHATTY * LINES * _SECONDS))
        process.kill()
    numbers: dict[str, list[int]] = defaultdict(list)
    for line in shown:
        if found := _LINE.search(line):
            numbers[found[1]].append(int(found[2]))
    if len(numbers) < CHATTY:
        raise AssertionError(f"lines of {len(numbers)} pods only:\n{shown[:5]}")
    return sum(max(own) - min(own) + 1 - len(set(own)) for own in numbers.values()), sum(map(len, numbers.values()))


def _presses(terminal: Timed) -> list[float]:
    """Up and down at a person's pace; milliseconds. Bytes that the log itself brings are read before each press."""
    chance = random.Random(7)
    waits = []
    terminal.send("k")  # it no longer follows the end: what comes back is the key's
    terminal.read(1.0)
    for number in range(_PRESSES):
        terminal.read(chance.uniform(0.06, 0.16))
        started = time.perf_counter()
        terminal.send("j" if number % 6 < 3 else "k")
        if terminal.first_byte(1.0):
            waits.append((time.perf_counter() - started) * 1000)
    if len(waits) < _PRESSES * 0.9:
        raise AssertionError(f"only {len(waits)} of {_PRESSES} keys changed anything")
    return waits
