"""A recording takes little space, is kept as long as it should be, and survives what happens to a process and a disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.recording.files import RecorderLock, list_files
from console.recording.lines import RecordingError
from console.recording.reader import Recording, Unknown
from console.recording.writer import HOLD_SECONDS, RecordingWriter, choose_hold

BEGIN = 1_764_472_320.0


def writer(folder: Path, **other: Any) -> RecordingWriter:
    options = {"about": {}, "by": "a test", "keep_seconds": 14 * 86_400.0, "max_bytes": 50 << 20, "clock": lambda: BEGIN}
    return RecordingWriter(folder, **{**options, **other})


STATES = st.dictionaries(
    st.sampled_from(["pod/a", "pod/b", "pod/c"]),
    st.dictionaries(st.sampled_from(["name", "ready", "ä"]), st.sampled_from([0, 1, "x\ny", None, [1, {"z": 2}]]), max_size=3),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.floats(0.1, 100.0), STATES),
        st.tuples(st.just("lose"), st.floats(0.1, 20.0), st.none()),
        st.tuples(st.just("kill"), st.floats(0.1, 100.0), st.none()),
        st.tuples(st.just("close"), st.floats(0.1, 100.0), st.none()),
        st.tuples(st.just("hour"), st.just(3000.0), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, times=st.lists(st.floats(-10.0, 900.0), min_size=1, max_size=20))
def test_what_is_known_was_seen(tmp_path_factory: pytest.TempPathFactory, steps: list[Any], times: list[float]) -> None:
    """Of any run of recorders: what the recording says of a moment is what was seen last before it, by a recorder that saw the
    source again within the hold; and whatever was seen and confirmed for a while is known. The same from an exported part.
    """
    folder = tmp_path_factory.mktemp("recording")
    at, run = 0.0, 0
    seen: list[tuple[float, int, Any]] = []
    """Moment, run and states; None where the source was lost."""
    recorder = writer(folder)
    for kind, later, states in steps:
        at += later
        if kind == "record":
            recorder.record(BEGIN + at, "cluster", states)
            seen.append((at, run, states))
        elif kind == "lose":
            recorder.lose(BEGIN + at, "cluster", "why")
            seen.append((at, run, None))
        elif kind in ("kill", "close"):
            if kind == "close":
                recorder.close()
            recorder, run = writer(folder), run + 1
    recording = Recording.of_folder(folder)
    exported = recording.export(BEGIN, BEGIN + 1000) if seen else b""
    part = Recording.of_bytes(exported) if exported else None
    for moment in [*times, *(when + 0.01 for when, _, _ in seen)]:
        found = recording.states_at("cluster", BEGIN + moment)
        before = [item for item in seen if item[0] <= moment]
        after = [item for item in seen if item[0] > moment]
        if not isinstance(found, Unknown):
            when, of, states = before[-1]
            assert {key: json.loads(value) for key, value in found.items()} == states
            assert after[0][1] == of, "another recorder"
            assert after[0][0] - when <= HOLD_SECONDS + 1e-6
        else:
            confirmed = before and before[-1][2] is not None and known_for(after, before[-1][1], moment, before[-1][0])
            assert not confirmed, (moment, found)
        if part is not None and 0.0 <= moment <= 1000.0:
            assert part.states_at("cluster", BEGIN + moment) == found


def known_for(after: list[tuple[float, int, Any]], run: int, moment: float, when: float) -> bool:
    """Whether the same recorder went on to see the source, with no long pause, for longer than it may write nothing."""
    for later, of, states in after:
        if of != run or states is None or later - when > HOLD_SECONDS * 0.7:
            return False
        if later >= moment + HOLD_SECONDS / 4:
            return True
        when = later
    return False


def pods(count: int) -> dict[str, dict[str, Any]]:
    labels = [["app", "cad-ml-api"], ["pod-template-hash", "7d9f8c6b5"]]
    return {
        f"pod/cad-ml-api-7d9f8c6b5-{name:05x}": {
            "namespace": "cad", "name": f"cad-ml-api-7d9f8c6b5-{name:05x}", "uid": f"{name:032x}", "phase": "Running",
            "ready": True, "restarts": 0, "created_at": BEGIN - 60 * name, "reason": "", "node": f"node-{name % 20}",
            "labels": labels, "owner_uid": "5f7e", "message": "", "last_exit": "", "owner": "ReplicaSet/cad-ml-api-7d9f8c6b5",
            "images": [],
        }
        for name in range(count)
    }  # fmt: skip


def test_a_change_a_second_takes_little_space(tmp_path: Path) -> None:
    """A tenth of a day at scale: 500 pods and a change a second for 40 minutes take less than their part of 20 MB."""
    states = pods(500)
    recorder = writer(tmp_path)
    keys = list(states)
    for second in range(2400):
        key = keys[second * 7919 % len(keys)]
        states = {**states, key: {**states[key], "restarts": states[key]["restarts"] + 1, "reason": ("", "Error")[second % 2]}}
        recorder.record(BEGIN + second, "cluster", states)
    recorder.close()
    size = sum(path.stat().st_size for _, path in list_files(tmp_path))
    assert size < 20_000_000 * 2400 / 86_400
    found = Recording.of_folder(tmp_path).states_at("cluster", BEGIN + 2398.5)
    assert not isinstance(found, Unknown)
    assert sum(json.loads(value)["restarts"] for value in found.values()) == 2399


@pytest.mark.parametrize(("every", "hold"), [(5.0, 60.0), (24.0, 60.0), (60.0, 150.0), (240.0, 600.0), (86_400.0, 600.0)])
def test_a_state_is_known_between_two_rare_answers(tmp_path: Path, every: float, hold: float) -> None:
    """The hold leaves room for a lost answer, and never more than the format allows; up to it a state is known, not beyond."""
    assert choose_hold(every) == hold
    recorder = writer(tmp_path, hold_seconds=choose_hold(every))
    recorder.record(BEGIN, "alerts", {"a": {"ready": 1}})
    recorder.record(BEGIN + hold, "alerts", {"a": {"ready": 1}})
    recorder.record(BEGIN + 2 * hold + 1.0, "alerts", {"a": {"ready": 1}})
    recorder.close()
    recording = Recording.of_folder(tmp_path)
    assert not isinstance(recording.states_at("alerts", BEGIN + hold / 2), Unknown)
    assert isinstance(recording.states_at("alerts", BEGIN + hold * 1.5), Unknown)


def test_old_and_too_many_files_go(tmp_path: Path) -> None:
    """Files older than `keep` are deleted, and the oldest ones while all of them take more than `max_bytes`."""
    now = [BEGIN]
    recorder = writer(tmp_path, keep_seconds=6 * 3600.0, clock=lambda: now[0])
    for minute in range(20 * 60):
        now[0] = BEGIN + 60.0 * minute
        recorder.record(now[0], "cluster", {"pod/a": {"name": "a", "minute": minute}})
    recorder.close()
    begins = [begin for begin, _ in list_files(tmp_path)]
    assert 6 <= len(begins) <= 9
    recording = Recording.of_folder(tmp_path)
    assert isinstance(recording.states_at("cluster", BEGIN + 3600.0 * 9), Unknown)
    assert not isinstance(recording.states_at("cluster", BEGIN + 3600.0 * 14), Unknown)

    folder = tmp_path / "small"
    recorder = writer(folder, max_bytes=100_000)
    for second in range(0, 20_000, 5):
        recorder.record(BEGIN + second, "cluster", {"pod/a": {"noise": os.urandom(60).hex()}})
        assert sum(path.stat().st_size for _, path in list_files(folder)) < 110_000
    recorder.close()
    assert len(list_files(folder)) > 5
    assert not isinstance(Recording.of_folder(folder).states_at("cluster", BEGIN + 19_990), Unknown)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of bytes that still fit, in a list; a write of more is cut off there, as the kernel does."""
    left = [1 << 30]
    real = os.write

    def write(descriptor: int, content: Any) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(descriptor, bytes(content)[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr("console.recording.writer.os.write", write)
    yield left


@pytest.mark.parametrize("room", [0, 1, 20, 60])
def test_a_full_disk_is_said_and_ends_nothing(tmp_path: Path, full_disk: list[int], room: int) -> None:
    """What was written stays readable, the error says what to do, no empty files pile up, and it goes on with more space."""
    recorder = writer(tmp_path)
    recorder.record(BEGIN, "cluster", {"pod/a": {"name": "a"}})
    recorder.record(BEGIN + 10, "cluster", {"pod/a": {"name": "b"}})
    full_disk[0] = room
    failed = 0
    for second in range(20, 40):
        try:
            recorder.record(BEGIN + second, "cluster", {"pod/a": {"noise": os.urandom(100).hex()}})
        except RecordingError as error:
            failed += 1
            assert "is full; free some space" in str(error)
    assert failed > 15
    assert len(list_files(tmp_path)) == 1
    full_disk[0] = 1 << 30
    recorder.record(BEGIN + 40, "cluster", {"pod/a": {"name": "c"}})
    recorder.record(BEGIN + 50, "cluster", {"pod/a": {"name": "c"}})
    recorder.close()
    recording = Recording.of_folder(tmp_path)
    assert recording.states_at("cluster", BEGIN + 9) == {"pod/a": b'{"name":"a"}'}
    assert isinstance(recording.states_at("cluster", BEGIN + 35), Unknown)
    assert recording.states_at("cluster", BEGIN + 45) == {"pod/a": b'{"name":"c"}'}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_of_sync_is_said_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system may find out only when it syncs that it is full: what reached the disk before stays, and it goes on."""
    broken = [False]
    real = os.fsync

    def sync(descriptor: int) -> None:
        if broken[0]:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr("console.recording.writer.os.fsync", sync)
    recorder = writer(tmp_path, sync_seconds=0.0)
    for second in (0, 10):
        recorder.record(BEGIN + second, "cluster", {"pod/a": {"name": "a"}})
    broken[0] = True
    for second in (20, 30):
        with pytest.raises(RecordingError, match="full; free some space" if number == errno.ENOSPC else "cannot be used"):
            recorder.record(BEGIN + second, "cluster", {"pod/a": {"name": "b"}})
    broken[0] = False
    for second in (40, 50):
        recorder.record(BEGIN + second, "cluster", {"pod/a": {"name": "c"}})
    recorder.close()
    recording = Recording.of_folder(tmp_path)
    assert recording.states_at("cluster", BEGIN + 5) == {"pod/a": b'{"name":"a"}'}
    assert isinstance(recording.states_at("cluster", BEGIN + 35), Unknown)
    assert recording.states_at("cluster", BEGIN + 45) == {"pod/a": b'{"name":"c"}'}
    assert len(list_files(tmp_path)) == 2


def test_no_source_is_carried_over_a_full_disk(tmp_path: Path, full_disk: list[int]) -> None:
    """What happened to any source meanwhile was not recorded: its state of before is not known until it is recorded again."""
    recorder = writer(tmp_path)
    for source in ("cluster", "alerts"):
        recorder.record(BEGIN, source, {"a": {"name": "before"}})
    full_disk[0] = 0
    with pytest.raises(RecordingError):
        recorder.record(BEGIN + 5, "cluster", {"a": {"name": "meanwhile"}})
    full_disk[0] = 1 << 30
    recorder.record(BEGIN + 10, "cluster", {"a": {"name": "after"}})
    for second in (20, 30):
        recorder.record(BEGIN + second, "alerts", {"a": {"name": "before"}})
    recorder.close()
    recording = Recording.of_folder(tmp_path)
    found = recording.states_at("alerts", BEGIN + 15)
    assert isinstance(found, Unknown)
    assert "is full; free some space" in found.reason
    assert recording.states_at("alerts", BEGIN + 25) == {"a": b'{"name":"before"}'}


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """The recorder goes on in a new file, and of a moment that passed twice the second time counts."""
    recorder = writer(tmp_path)
    for at, name in ((0, "a"), (20, "a"), (40, "a"), (5, "b"), (25, "b"), (30, "b")):
        recorder.record(BEGIN + at, "cluster", {"pod/a": {"name": name}})
    recorder.close()
    recording = Recording.of_folder(tmp_path)
    assert recording.states_at("cluster", BEGIN + 3) == {"pod/a": b'{"name":"a"}'}
    assert recording.states_at("cluster", BEGIN + 27) == {"pod/a": b'{"name":"b"}'}


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """A folder that everybody can write to is not recorded into."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with pytest.raises(RecordingError, match=r"nothing is recorded: .*writable by everybody"):
        RecorderLock(folder).acquire()
    with pytest.raises(RecordingError, match="writable by everybody"):
        writer(folder).record(BEGIN, "cluster", {})


def test_one_recorder_holds_the_lock(tmp_path: Path) -> None:
    """A second one gets it as soon as the first has released it."""
    first, second = RecorderLock(tmp_path), RecorderLock(tmp_path)
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
