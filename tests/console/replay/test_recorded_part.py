"""A replay shows what was recorded where the incident was, never what this machine recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from screen_samples import settings

from console.monitor.recorded_state import read_recorded
from console.recording.objects import ObjectEncoder
from console.recording.reader import Recording
from console.recording.writer import RecordingWriter
from console.replay import collect
from console.replay.bundle_file import Bundle
from console.replay.contents import RECORDING, open_recording
from console.replay.stored_queries import BundleWindow
from queries.model.cluster import Cluster
from queries.model.pod import Pod

BEGIN = 1_764_472_320.0
CLUSTER = Cluster("cad", pods=(Pod("cad", "a", "u", "Running", True, 0, BEGIN),))
NO_MANIFEST: Any = None


def test_a_replay_reads_the_recording_of_its_bundle(tmp_path: Path) -> None:
    """The cluster of then comes from the part; its gaps stay gaps."""
    writer = RecordingWriter(tmp_path, about={"cluster": "x"}, by="test", keep_seconds=1e9, max_bytes=1 << 30)
    for at in (0.0, 10.0, 20.0):
        writer.record(BEGIN + at, "cluster", ObjectEncoder().encode_cluster(CLUSTER))
    writer.close()
    part = Recording.of_folder(tmp_path).export(BEGIN + 5.0, BEGIN + 60.0)
    recording = open_recording(Bundle(NO_MANIFEST, {RECORDING: part}))
    assert read_recorded(recording, BEGIN + 15.0, namespace="cad").cluster == CLUSTER
    assert read_recorded(recording, BEGIN + 25.0, namespace="cad").cluster is None


@pytest.mark.parametrize("part", [{}, {RECORDING: b""}, {RECORDING: b"damage"}])
def test_a_bundle_without_a_readable_recording_knows_nothing_of_it(part: dict[str, bytes]) -> None:
    """Neither is an error: the moment is as without a recorder."""
    found = read_recorded(open_recording(Bundle(NO_MANIFEST, part)), BEGIN, namespace="cad")
    assert (found.cluster, found.manager) == (None, None)


def test_a_recording_that_would_make_the_bundle_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest says how large it was; the rest of the incident stays readable. Of exactly the limit it is in the bundle."""
    given, window = settings(tmp_path), BundleWindow(BEGIN, BEGIN + 60.0, 15.0)
    writer = RecordingWriter(
        Path(given.recording_dir), about=given.recorded_place, by="test", keep_seconds=1e9, max_bytes=1 << 30
    )
    for at in (0.0, 10.0):
        writer.record(BEGIN + at, "cluster", ObjectEncoder().encode_cluster(CLUSTER))
    writer.close()
    whole, note = collect.read_recording(given, window)
    assert whole and note.state == "read"
    monkeypatch.setattr(collect, "MOST_RECORDING_BYTES", len(whole))
    assert collect.read_recording(given, window)[0] == whole
    monkeypatch.setattr(collect, "MOST_RECORDING_BYTES", len(whole) - 1)
    part, note = collect.read_recording(given, window)
    assert (part, note.state) == (b"", "not read") and "left out: the recording of this window has" in note.detail
