"""The console beside k9s on one real API server with ten thousand pods: first data, memory, CPU and a key press."""

from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import control_plane
import httpx
from build_peers import HOW, find
from cluster_process import pod
from figure import Figure, percentile
from keys import press_keys
from stage import Stage, Timed, clean, give_way
from subject import PROGRAM
from work import share

PODS, DEPLOYMENTS, CHANGES = 10_000, 500, 100
_NAMESPACE = "cad-ml-platform"
_PINNED = "v0.50."
_RUNS = 5
_FIRST, _MEMORY, _BUSY, _REST, _KEY = (
    "first data ÷ k9s, 10,000 pods",
    "memory ÷ k9s, 10,000 pods",
    f"CPU at {CHANGES} pod changes a second ÷ k9s, 10,000 pods",
    "CPU at rest, 10,000 pods",
    f"key press to first byte, p95, 10,000 pods, {CHANGES} pod changes a second",
)
_GOALS = {_FIRST: (0.25, "×"), _MEMORY: (0.09, "×"), _BUSY: (0.4, "×"), _REST: (0.6, "%"), _KEY: (25.0, "ms")}
_SCREENS = {"console": "3", "k9s": ""}
"""The key of the list of pods' workloads; k9s starts in its list of pods."""
_RESTARTS = itertools.count(1000, 100)
"""Each time another restart count to begin with: a status that a pod has already is no change."""
_FIRST_DATA = {"console": "kubernetes ok", "k9s": "crowd-0"}


def measure(stage: Stage) -> list[Figure]:
    program, binaries = find("k9s"), control_plane.assets()
    if program is None or binaries is None:
        return _not_measured(
            f"k9s is not on PATH: {HOW}" if program is None else "KUBEBUILDER_ASSETS is unset: make cluster-assets"
        )
    version = subprocess.run([program, "version", "-s"], capture_output=True, text=True, check=False).stdout.split()
    if not any(word.startswith((_PINNED, "dev")) for word in version):
        return _not_measured(f"only k9s {_PINNED}x is compared: {HOW}")
    with control_plane.ControlPlane(binaries) as plane:
        kubeconfig = stage.place("crowd") / "kubeconfig"
        plane.kubeconfig(kubeconfig)
        _fill(plane)
        commands = {
            "k9s": (program, "-n", _NAMESPACE, "-c", "pods", "--splashless"),
            "console": (PROGRAM, "--refresh", "1", "--namespace", _NAMESPACE),
        }
        first: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_RUNS):
            for name, command in commands.items():
                with Timed(*command, env=_environ(stage, kubeconfig)) as terminal:
                    first[name].append(_seconds_until(terminal, _FIRST_DATA[name]))
        for pid in plane.pids():
            give_way(pid)
        found = {name: _measure(stage, plane, kubeconfig, name, command) for name, command in commands.items()}
    ours, theirs = found["console"], found["k9s"]
    ratios = [own / other for own, other in zip(first["console"], first["k9s"], strict=True)]
    note = f"{statistics.median(first['console']):.2f} s against {statistics.median(first['k9s']):.2f} s, {_RUNS} pairs"
    return [
        _figure(_FIRST, statistics.median(ratios), note),
        *(
            _figure(what, ours[what] / theirs[what], f"{ours[what]:.3g} against {theirs[what]:.3g}")
            for what in (_MEMORY, _BUSY)
        ),
        _figure(_REST, ours[_REST] * 100, f"k9s {theirs[_REST] * 100:.3g} %"),
        _figure(_KEY, ours[_KEY], f"k9s {theirs[_KEY]:.3g} ms"),
    ]


def _figure(what: str, value: float, note: str) -> Figure:
    goal, unit = _GOALS[what]
    return Figure(what, value, unit, goal, note)


def _not_measured(why: str) -> list[Figure]:
    return [_figure(what, math.inf, f"not measured: {why}") for what in _GOALS]


def _measure(
    stage: Stage, plane: control_plane.ControlPlane, kubeconfig: Path, name: str, command: tuple[str, ...]
) -> dict[str, float]:
    """MB, the share of one core, and milliseconds."""
    with Timed(*command, env=_environ(stage, kubeconfig)) as terminal:
        _seconds_until(terminal, _FIRST_DATA[name])
        terminal.read(10.0)
        memory, _ = terminal.memory_mb()
        rest = share(terminal, 15.0)
        with _changing(plane):
            terminal.read(3.0)
            cpu = share(terminal, 15.0)
            key = percentile(press_keys(terminal, screens=(_SCREENS[name],), presses=60), 0.95)
    return {_MEMORY: memory, _BUSY: cpu, _REST: rest, _KEY: key}


def _environ(stage: Stage, kubeconfig: Path) -> dict[str, str]:
    home = str(stage.place("home"))
    return {**clean(stage.place("state")), "HOME": home, "K9S_CONFIG_DIR": home, "KUBECONFIG": str(kubeconfig)}


def _seconds_until(terminal: Timed, words: str) -> float:
    while words not in terminal.text:
        terminal.read(0.1)
        at = time.perf_counter() - terminal.begun
        terminal.draw()
        if at > 90.0:
            raise AssertionError(f"{words!r} did not appear:\n{terminal.text}")
    return at


def _fill(plane: control_plane.ControlPlane) -> None:
    with plane.client() as client, ThreadPoolExecutor(16) as pool:
        client.post("/api/v1/namespaces", json={"metadata": {"name": _NAMESPACE}}).raise_for_status()
        for made in pool.map(lambda number: _add_deployment(client, number), range(DEPLOYMENTS)):
            made.raise_for_status()
        for made in pool.map(lambda number: _add_pod(client, number), range(PODS)):
            made.raise_for_status()


def _add_deployment(client: httpx.Client, number: int) -> httpx.Response:
    labels = {"app": f"shop-{number}"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "registry.example/shop:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"shop-{number}"}, "spec": spec}
    return client.post(f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments", json=body)


def _add_pod(client: httpx.Client, number: int) -> httpx.Response:
    """Without an owner: the garbage collector ends a pod whose owner does not exist."""
    body = pod(number)
    for key in ("ownerReferences", "managedFields", "generateName"):
        body["metadata"].pop(key)
    client.post(f"/api/v1/namespaces/{_NAMESPACE}/pods", json=body).raise_for_status()
    return _set_status(client, number, body["status"])


def _set_status(client: httpx.Client, number: int, status: Mapping[str, Any]) -> httpx.Response:
    path = f"/api/v1/namespaces/{_NAMESPACE}/pods/crowd-{number:05d}/status"
    return client.patch(path, json={"status": status}, headers={"Content-Type": "application/merge-patch+json"})


@contextmanager
def _changing(plane: control_plane.ControlPlane) -> Iterator[None]:
    """A hundred pods a second get another restart count."""
    ended, before = threading.Event(), next(_RESTARTS)

    def change() -> None:
        with plane.client() as client, ThreadPoolExecutor(4) as pool:
            number = 0
            while not ended.wait(0.1):
                due = [(number + at) % PODS for at in range(CHANGES // 10)]
                restarts = before + number // PODS
                list(pool.map(lambda at, count=restarts: _set_status(client, at, pod(at, count)["status"]), due))
                number += len(due)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
