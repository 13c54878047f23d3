"""The console beside k9s on one real API server with ten thousand pods: first data, memory and CPU; skipped where either is
missing.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import control_plane
import httpx
from cluster_process import pod
from figure import Figure
from stage import Stage, Timed, clean
from subject import PROGRAM
from work import share

PODS, DEPLOYMENTS, CHANGES = 10_000, 500, 100
_NAMESPACE = "cad-ml-platform"
_PINNED = "v0.50."
_RUNS = 5
_FIRST_GOAL = 0.25
_GOALS = {"memory": 0.09, "CPU at 100 pod changes a second": 0.4}
_REST_GOAL = 0.6
_RESTARTS = itertools.count(1000, 100)
"""Each time another restart count to begin with: a status that a pod has already is no change."""
_REST = "CPU at rest"
_FIRST_DATA = {"console": "kubernetes ok", "k9s": "crowd-0"}


def measure(stage: Stage) -> list[Figure]:
    program, binaries = shutil.which("k9s"), control_plane.assets()
    if program is None or binaries is None:
        what = "k9s is not on PATH" if program is None else "KUBEBUILDER_ASSETS is unset: make cluster-assets"
        return _skipped(f"{what} (Go builds github.com/derailed/k9s from its module)")
    version = subprocess.run([program, "version", "-s"], capture_output=True, text=True, check=False).stdout.split()
    if not any(word.startswith((_PINNED, "dev")) for word in version):
        return _skipped(f"only {_PINNED}x is compared")
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
        found = {name: _measure(stage, plane, kubeconfig, name, command) for name, command in commands.items()}
    ours, theirs = found["console"], found["k9s"]
    ratios = [own / other for own, other in zip(first["console"], first["k9s"], strict=True)]
    note = f"{statistics.median(first['console']):.2f} s against {statistics.median(first['k9s']):.2f} s, {_RUNS} pairs"
    return [
        Figure("first data ÷ k9s, 10,000 pods", statistics.median(ratios), "×", _FIRST_GOAL, note),
        *(
            Figure(f"{name} ÷ k9s, 10,000 pods", own / other, "×", _GOALS[name], f"{own:.3g} against {other:.3g}")
            for name, own, other in ((name, ours[name], theirs[name]) for name in _GOALS)
        ),
        Figure("CPU at rest, 10,000 pods", ours[_REST] * 100, "%", _REST_GOAL, f"k9s {theirs[_REST] * 100:.3g} %"),
    ]  # fmt: skip


def _skipped(why: str) -> list[Figure]:
    print(f"      beside k9s: skipped, {why}", file=sys.stderr)
    return []


def _measure(
    stage: Stage, plane: control_plane.ControlPlane, kubeconfig: Path, name: str, command: tuple[str, ...]
) -> dict[str, float]:
    """MB and the share of one core."""
    with Timed(*command, env=_environ(stage, kubeconfig)) as terminal:
        _seconds_until(terminal, _FIRST_DATA[name])
        terminal.read(10.0)
        memory, _ = terminal.memory_mb()
        rest = share(terminal, 15.0)
        with _changing(plane):
            terminal.read(3.0)
            cpu = share(terminal, 15.0)
    return dict(zip((*_GOALS, _REST), (memory, cpu, rest), strict=True))


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
