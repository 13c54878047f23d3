"""The recorder's thread: what it records, what it says when it cannot, and that it holds up nobody."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from limits import extend
from past_platform import past_platform, past_settings
from screen_samples import snapshot

from console.config.settings import RecorderSettings, Settings
from console.monitor.recorded_state import read_recorded
from console.monitor.recorder import Recorder, RecorderState
from console.recording.reader import Recording
from console.screens.header import render_header
from console.screens.render_context import RenderContext
from queries.alertmanager import AlertmanagerState
from queries.model.alert import Alert, AlertState
from queries.model.cluster import Cluster
from queries.model.fault import Fault, FaultKind
from queries.model.pod import Pod
from queries.model.source import PollResult

BEGIN = 1_764_472_320.0
CLUSTER = Cluster("cad", pods=(Pod("cad", "a", "u", "Running", True, 0, BEGIN),))
MANAGER = AlertmanagerState((Alert("f1", AlertState.ACTIVE, (("alertname", "A"),)),), (), (), 2, 2, "0.28")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with past_platform() as platform:
        return replace(past_settings(platform, tmp_path), recorder=RecorderSettings())


def until(found: Callable[[], object], what: str) -> None:
    ends = time.monotonic() + extend(20.0)
    while not found():
        assert time.monotonic() < ends, f"did not happen: {what}"
        time.sleep(0.01)


def line_two(settings: Settings, recorder: Recorder) -> str:
    session: Any = SimpleNamespace(recorder=recorder.status, sharing=None)
    context = RenderContext(settings, BEGIN, session, snapshot())
    return "".join(text for text, _ in render_header(context, 300)[1])


def test_what_is_polled_is_recorded(settings: Settings) -> None:
    """The states of both sources at the times of their answers; from a fault on, a source is not known, with its reason."""
    recorder = Recorder(settings)
    recorder.start()
    for at in (0.0, 10.0, 20.0):
        recorder.ingest(PollResult("kubernetes", BEGIN + at, 0.0, CLUSTER))
        recorder.ingest(PollResult("alertmanager", BEGIN + at, 0.0, MANAGER))
        recorder.ingest(PollResult("prometheus", BEGIN + at, 0.0, object()))
    fault = Fault(FaultKind.TIMED_OUT, "Kubernetes did not respond: token=hunter2hunter2")
    recorder.ingest(PollResult("kubernetes", BEGIN + 25.0, 0.0, fault=fault))
    recorder.ingest(PollResult("alertmanager", BEGIN + 40.0, 0.0, MANAGER))
    recorder.close()
    assert recorder.status.state is RecorderState.ON
    assert "recorder" not in line_two(settings, recorder)
    recording = Recording.of_folder(Path(settings.recording_dir), about=settings.recorded_place)
    then = read_recorded(recording, BEGIN + 15.0, namespace="cad")
    assert then.cluster == CLUSTER
    assert then.manager is not None
    assert [item.fingerprint for item in then.manager.alerts] == ["f1"]
    later = read_recorded(recording, BEGIN + 30.0, namespace="cad")
    assert later.cluster is None
    assert later.cluster_unknown.startswith("Kubernetes did not respond: token=(hidden")
    assert later.manager is not None


@pytest.mark.parametrize(("every", "note"), [(120.0, ""), (540.0, ""), (900.0, "polled every 15m")])
def test_alerts_are_known_between_rare_polls(settings: Settings, every: float, note: str) -> None:
    """With a poll every two minutes too; where polls are too rare for the format, the recorder says so and is no failure."""
    recorder = Recorder(replace(settings, refresh_seconds=every))
    recorder.start()
    for at in (0.0, every, 2 * every):
        recorder.ingest(PollResult("alertmanager", BEGIN + at, 0.0, MANAGER))
    recorder.close()
    assert recorder.status.state is RecorderState.ON
    assert note in recorder.status.note and bool(note) == bool(recorder.status.note)
    recording = Recording.of_folder(Path(settings.recording_dir), about=settings.recorded_place)
    then = read_recorded(recording, BEGIN + 1.5 * every, namespace="cad")
    assert (then.manager is None) == bool(note)


def test_a_second_console_waits_until_the_first_has_ended(settings: Settings) -> None:
    """It says that another one records, and goes on when that one has ended."""
    first, second = Recorder(settings), Recorder(settings)
    first.start()
    first.ingest(PollResult("kubernetes", BEGIN, 0.0, CLUSTER))
    until(lambda: first.writes, "the first one records")
    second.start()
    until(lambda: second.status.state is RecorderState.ELSEWHERE, "the second one says so")
    assert "recorder" not in line_two(settings, second)
    first.close()
    until(lambda: second.writes, "the second one takes over")
    second.close()


def test_a_full_disk_is_said_in_line_two(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """`recorder FAILED`, with the reason for the sources screen; whoever delivers results is not held up."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("console.recording.writer.os.fsync", full)
    recorder = Recorder(settings)
    recorder.start()
    recorder.ingest(PollResult("kubernetes", BEGIN, 0.0, CLUSTER))
    until(lambda: recorder.status.error, "it fails")
    assert "is full; free some space" in recorder.status.error
    assert line_two(settings, recorder).endswith(" · ✗ recorder FAILED")
    recorder.close()
