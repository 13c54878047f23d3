"""What a day of recording costs at compressed time: 500 pods, and a change a second."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

from figure import Figure
from stage import Stage

from console.recording.files import list_files
from console.recording.objects import ALERTS, CLUSTER, SILENCES, ObjectEncoder
from console.recording.reader import Recording, Unknown
from console.recording.writer import RecordingWriter
from queries.model.alert import Alert, AlertState
from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.model.workload import Condition, Container, RequestsAndLimits, Revision, Workload

_SECONDS = 86_400
_PODS, _WORKLOADS, _ALERTS = 500, 25, 20
_BEGIN = 1_764_460_800.0
_MOST_MB, _MOST_CORE, _MOST_JUMP_MS = 20.0, 0.5, 120.0


def measure(stage: Stage) -> list[Figure]:
    folder = stage.place("recorder") / "recording"
    used = write_changes(folder, about={}, begin=_BEGIN, seconds=_SECONDS)
    size = sum(path.stat().st_size for _, path in list_files(folder)) / 1e6
    jumps = sorted(_jump(folder, _BEGIN + 3600.0 * hour + 3000.5) for hour in range(1, 22, 4))
    return [
        Figure("recorder, 24 h, 500 pods, 1 change a second: size", size, "MB", _MOST_MB),
        Figure("recorder, 24 h, 500 pods, 1 change a second: CPU", 100.0 * used / _SECONDS, "%", _MOST_CORE, "of a core"),
        Figure("a recorded moment near the end of an hour, first jump", 1000.0 * jumps[len(jumps) // 2], "ms", _MOST_JUMP_MS),
    ]


def write_changes(folder: Path, *, about: dict[str, str], begin: float, seconds: int) -> float:
    """Records 500 pods with a change a second from `begin` on, Unix seconds. Returns the seconds of CPU that recording took."""
    chance = random.Random(4)
    encoder = ObjectEncoder()
    writer = RecordingWriter(
        folder, about=about, by="bench", keep_seconds=14 * 86_400.0, max_bytes=500_000_000, clock=lambda: begin
    )
    workloads = [_workload(number) for number in range(_WORKLOADS)]
    pods = [_pod(number, chance) for number in range(_PODS)]
    revisions = tuple(Revision(3, f"service-{number:02}-7d9f8c6b5", f"w{number}", _BEGIN, 20) for number in range(_WORKLOADS))
    alerts = [
        Alert(f"{number:016x}", AlertState.ACTIVE, (("alertname", f"Alert{number}"), ("severity", "warning")), starts_at=_BEGIN)
        for number in range(_ALERTS)
    ]
    used = 0.0
    for second in range(seconds):
        at = chance.randrange(_PODS)
        failing = chance.random() < 0.5
        pods[at] = replace(
            pods[at], ready=not failing, restarts=pods[at].restarts + failing, reason="CrashLoopBackOff" if failing else ""
        )
        owner = at % _WORKLOADS
        ready = workloads[owner].ready - 1 if failing else workloads[owner].desired
        workloads[owner] = replace(
            workloads[owner], ready=max(0, ready), available=max(0, ready), resource_version=str(9_000_000 + second)
        )
        cluster = Cluster("cad", tuple(workloads), revisions, tuple(pods))
        began = time.process_time()
        writer.record(begin + second, CLUSTER, encoder.encode_cluster(cluster))
        if second % 5 == 0:
            writer.record(begin + second, ALERTS, encoder.encode_alerts(alerts, peers_up=2, peers_total=2))
            writer.record(begin + second, SILENCES, encoder.encode_silences(()))
        used += time.process_time() - began
    writer.close()
    return used


def _jump(folder: Path, moment: float) -> float:
    began = time.perf_counter()
    found = Recording.of_folder(folder).states_at(CLUSTER, moment)
    taken = time.perf_counter() - began
    if isinstance(found, Unknown) or len(found) != _PODS + 2 * _WORKLOADS:
        raise ValueError(f"not what was recorded: {found}")
    return taken


def _pod(number: int, chance: random.Random) -> Pod:
    service = f"service-{number % _WORKLOADS:02}"
    suffix = "".join(chance.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
    return Pod(
        "cad", f"{service}-7d9f8c6b5-{suffix}", f"{chance.getrandbits(128):032x}", "Running", True, 0,
        _BEGIN - chance.randrange(10**6), node=f"node-{number % 20}", owner=f"ReplicaSet/{service}-7d9f8c6b5",
        labels=(("app", service), ("pod-template-hash", "7d9f8c6b5")), owner_uid=f"{chance.getrandbits(128):032x}",
    )  # fmt: skip


def _workload(number: int) -> Workload:
    container = Container(
        "main", f"registry.example.com/cad/service:{number}", (("LEVEL", "info"),), RequestsAndLimits(0.1, 1.0)
    )
    return Workload(
        "cad", f"service-{number:02}", f"w{number}", "1", 3, 3, 20, 20, 20, 20, 20, False, 3, _BEGIN,
        selector=(("app", f"service-{number:02}"),), labels=(("app", f"service-{number:02}"),), containers=(container,),
        conditions=(Condition("Available", "True", "MinimumReplicasAvailable", "", _BEGIN),),
    )  # fmt: skip
