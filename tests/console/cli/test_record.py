"""`cad-console record` as a process: one writes, the next takes over, and no secret is written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from console_shell import ClusterShell, until
from limits import extend
from steerable_cluster import SteerableCluster
from told_platform import ToldPlatform, told_platform

from console.demo.cluster import PodTimings
from console.recording.files import list_files
from console.recording.objects import ALERTS, CLUSTER, SILENCES, decode_alerts, decode_cluster, decode_silences
from console.recording.reader import NO_RECORDER, Recording, Unknown

pytestmark = [pytest.mark.slow, pytest.mark.servers]
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
CANARY = f"canary{os.urandom(6).hex()}"
ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": "HighErrorRate", "severity": "critical"},
    "annotations": {"summary": f"login failed with password={CANARY}"},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2036-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "receivers": [{"name": "pager"}],
    "status": {"state": "suppressed", "silencedBy": [], "inhibitedBy": ["def"]},
}
SILENCE = {
    "id": "s1",
    "matchers": [{"name": "alertname", "value": "X", "isRegex": False, "isEqual": True}],
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2036-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "createdBy": "ann",
    "comment": f"see https://ann:{CANARY}@example.com/",
    "status": {"state": "active"},
}


@pytest.fixture
def platform() -> Iterator[ToldPlatform]:
    with told_platform(pages={"/api/v2/alerts": [ALERT], "/api/v2/silences": [SILENCE]}) as told:
        yield told


@pytest.fixture
def shell(tmp_path: Path, platform: ToldPlatform) -> Iterator[ClusterShell]:
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made:
        found = ClusterShell(made, tmp_path, config="refresh: 0.5\nrecorder: {max_bytes: 5MB}\n")
        found.environ["ALERTMANAGER_URL"] = platform.url
        yield found


def folder(shell: ClusterShell) -> Path:
    return next((shell.journal.parent / "recording").glob("*"), shell.journal.parent / "recording" / "none")


def wait_for(child: subprocess.Popen[str], words: str) -> None:
    """Wait until it prints a line with these words."""
    assert child.stdout is not None
    for line in child.stdout:
        if words in line:
            return
    raise AssertionError(f"ended without {words}: {child.communicate()[1]}")


def stop(child: subprocess.Popen[str]) -> int:
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=extend(30.0))
    return child.returncode


def unpacked(path: Path) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(path.read_bytes())


def last_moment(shell: ClusterShell, source: str) -> float:
    """The moment of the source's last line, 0 before the first."""
    lines = [json.loads(line[9:]) for _, path in list_files(folder(shell)) for line in unpacked(path).splitlines()]
    return max([line["at"] for line in lines if line.get("source") == source], default=0.0)


def test_one_writes_and_the_next_takes_over_when_it_is_killed(shell: ClusterShell) -> None:
    """Of two recorders on one host one writes; SIGKILL ends it anywhere, the other goes on in a file of its own, and between
    them the state is not known.
    """
    first = shell.start("record")
    try:
        wait_for(first, "recording: ")
        second = shell.start("record")
        try:
            wait_for(second, "another console on this host records")
            until(lambda: all(last_moment(shell, name) for name in (CLUSTER, ALERTS, SILENCES)), "a first line of each source")
            assert len(list_files(folder(shell))) == 1
            shell.cluster.deployment("cad-ml-api")
            first.kill()
            first.communicate()
            killed_at = last_moment(shell, CLUSTER)
            wait_for(second, "recording: ")
            until(lambda: last_moment(shell, CLUSTER) > killed_at, "a line of the second one")
            assert stop(second) == 0
        finally:
            second.kill()
            second.communicate()
    finally:
        first.kill()
        first.communicate()
    assert len(list_files(folder(shell))) == 2
    recording = Recording.of_folder(folder(shell))
    gaps = recording.gaps(CLUSTER, killed_at - 0.001, last_moment(shell, CLUSTER))
    assert gaps[-1].reason == NO_RECORDER
    assert recording.states_at(CLUSTER, gaps[-1].end - 0.0005) == Unknown(NO_RECORDER)


def test_what_is_recorded_is_what_the_servers_said_without_secrets(shell: ClusterShell, platform: ToldPlatform) -> None:
    """Workloads and pods of the cluster, the inhibited alert and the silence; and no canary of a pod's environment, of an
    annotation or a comment is in any file.
    """
    container = {"name": "cad-ml-api", "env": [{"name": "DB_PASSWORD", "value": CANARY}]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    deployment = "/apis/apps/v1/namespaces/cad-ml-platform/deployments/cad-ml-api"
    headers = {"Authorization": f"Bearer {shell.cluster.token}", "Content-Type": "application/strategic-merge-patch+json"}
    found = httpx.patch(f"{shell.cluster.url}{deployment}", json=patch, headers=headers)
    assert found.status_code == 200
    assert CANARY in found.text
    child = shell.start("record")
    try:
        wait_for(child, "recording: ")
        until(lambda: all(last_moment(shell, name) for name in (CLUSTER, ALERTS, SILENCES)), "a line of each source")
        assert stop(child) == 0
    finally:
        child.kill()
        child.communicate()
    lines = [json.loads(line[9:]) for _, path in list_files(folder(shell)) for line in unpacked(path).splitlines()]
    states = {line["source"]: line["state"] for line in lines if "state" in line}
    seen = {name: {key: json.dumps(value).encode() for key, value in state.items()} for name, state in states.items()}
    cluster = decode_cluster(seen[CLUSTER], "cad-ml-platform")
    assert cluster.workload("cad-ml-api") is not None
    assert cluster.workload("cronjob/nightly-backup") is not None
    assert cluster.pods
    assert decode_alerts(seen[ALERTS]).alerts[0].suppressed_as == "inhibited"
    assert decode_silences(seen[SILENCES])[0].id == "s1"
    for _, path in list_files(folder(shell)):
        text = unpacked(path)
        assert b"DB_PASSWORD" in text
        assert CANARY.encode() not in text
        assert b"(hidden" in text


def test_nothing_to_record_is_said(shell: ClusterShell) -> None:
    """Without a cluster and an Alertmanager it exits with 2 and says why."""
    for name in ("KUBECONFIG", "ALERTMANAGER_URL"):
        shell.environ.pop(name)
    code, output, complaint = shell.run("record")
    assert (code, output) == (2, "")
    assert "neither a cluster nor an Alertmanager is configured" in complaint


def test_a_folder_that_cannot_be_written_is_said(shell: ClusterShell) -> None:
    """It says why on stderr, goes on trying, and stops with 1."""
    (shell.journal.parent).mkdir(parents=True, mode=0o700)
    (shell.journal.parent / "recording").write_text("no folder")
    child = shell.start("record")
    try:
        assert child.stderr is not None
        assert "the recording in" in child.stderr.readline()
        assert child.poll() is None
        assert stop(child) == 1
    finally:
        child.kill()
        child.communicate()
