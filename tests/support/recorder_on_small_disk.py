"""Run a recorder on a disk that fills up and is emptied again; print what it said and what can be read afterwards, as JSON.

`recorder_on_small_disk.py FOLDER disk|limit write|rotation`: FOLDER is a small file system of its own, or a file may not grow.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from console.config.load import load_settings
from console.config.settings import RecorderSettings
from console.log import log_to
from console.monitor.recorded_state import read_recorded
from console.monitor.recorder import Recorder, RecorderState, probe_recorder
from console.recording.reader import Recording
from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.model.source import PollResult

BEGIN = 1_764_472_320.0
LIMIT = 24 << 10
HOUR = 3600.0


def until(found: Callable[[], object]) -> None:
    ends = time.monotonic() + 60.0
    while not found():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.01)


def main() -> None:
    folder, kind, place = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    environ = {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "USER": "ann", "ALERTMANAGER_URL": "http://127.0.0.1:9"}
    settings = replace(load_settings({}, environ, service_account="/nonexistent"), recorder=RecorderSettings())
    log_to(settings.paths.log_file)
    recorder = Recorder(settings, clock=lambda: BEGIN, retry_seconds=0.05)
    recorder.start()
    at = BEGIN

    def record(name: str, at: float) -> None:
        pods = tuple(Pod("cad", f"{name}-{os.urandom(400).hex()}", "u", "Running", True, 0, BEGIN) for _ in range(5))
        recorder.ingest(PollResult("kubernetes", at, 0.0, Cluster("cad", pods=pods)))

    def known(moment: float) -> str:
        recording = Recording.of_folder(Path(settings.recording_dir), about=settings.recorded_place)
        cluster = read_recorded(recording, moment, namespace="cad").cluster
        return cluster.pods[0].name.partition("-")[0] if cluster is not None else ""

    for at in (BEGIN, BEGIN + 10.0, BEGIN + 20.0):
        record("before", at)
    until(lambda: known(BEGIN + 15.0) == "before")
    filler = folder / "filler"
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT if place == "write" else 100, resource.RLIM_INFINITY))
    else:
        fill(filler)
    at = BEGIN + 30.0 + (HOUR if place == "rotation" else 0.0)
    while recorder.status.state is not RecorderState.FAILED:
        record("lost", at)
        time.sleep(0.02)
        at += 0.01
    error = recorder.status.error
    probed = probe_recorder(settings)
    failed_at = at
    filler.unlink(missing_ok=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while recorder.status.state is not RecorderState.ON:
        at += 1.0
        record("after", at)
        time.sleep(0.1)
    begun = at
    for at in (begun + 10.0, begun + 20.0):
        record("after", at)
    recorder.close()
    print(
        json.dumps(
            {
                "error": error,
                "doctor": probed.error,
                "before": known(BEGIN + 15.0),
                "between": known(failed_at + 0.4),
                "after": known(begun + 15.0),
                "log": Path(settings.paths.log_file).read_text(encoding="utf-8") if kind == "limit" else "",
                "files": len(list(Path(settings.recording_dir).glob("*.rec.gz"))),
            }
        )
    )


def fill(path: Path) -> None:
    """Write zeros until nothing fits."""
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


if __name__ == "__main__":
    main()
