"""A recording is readable by its documentation alone, and up to any byte at which it ends."""

from __future__ import annotations

import binascii
import json
import re
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from console.recording.lines import FORMAT, Line, MemberEncoder, RecordingError
from console.recording.reader import NO_RECORDER, Recording, Unknown
from console.recording.writer import HOLD_SECONDS, RecordingWriter

BEGIN = 1_764_472_320.0
ABOUT = {"cluster": "https://10.0.0.1:6443", "namespace": "cad"}
PODS = {f"pod/cad-ml-api-{name}": {"name": f"cad-ml-api-{name}", "ready": True, "restarts": 0} for name in "abc"}


def writer(folder: Path, **other: Any) -> RecordingWriter:
    options = {"about": ABOUT, "by": "a test", "keep_seconds": 14 * 86_400.0, "max_bytes": 50 << 20, "clock": lambda: BEGIN}
    return RecordingWriter(folder, **{**options, **other})


def only_file(folder: Path) -> Path:
    (found,) = folder.glob("*.rec.gz")
    return found


def read_by_documentation(data: bytes) -> Iterator[list[dict[str, Any]]]:
    """The documents of each member, with nothing but zlib and JSON, as docs/recording.md says."""
    while data:
        member = zlib.decompressobj(wbits=31)
        lines = member.decompress(data).split(b"\n")[:-1]
        yield [json.loads(line[9:]) for line in lines if int(line[:8], 16) == binascii.crc32(line[9:])]
        data = member.unused_data


def states_by_documentation(data: bytes, source: str, moment: float) -> dict[str, Any] | None:
    """The states of a source at a moment as docs/recording.md says; None if they are not known."""
    known = None
    for header, *lines in read_by_documentation(data):
        assert header["recording"] == 1
        own = [line for line in lines if line["source"] == source]
        state: dict[str, Any] = {}
        for line, after in zip_longest(own, own[1:]):
            state = dict(line.get("state", state))
            for key in line.get("removed", ()):
                del state[key]
            state |= line.get("new", {})
            for key, fields in line.get("changed", {}).items():
                state[key] = {**state[key], **fields}
            holds = after is not None and after["at"] - line["at"] <= header["hold_seconds"]
            if holds and line["at"] <= moment < after["at"] and "lost" not in line and "lost" not in after:
                known = state
    return known


def decode(found: dict[str, bytes] | Unknown) -> dict[str, Any] | None:
    return None if isinstance(found, Unknown) else {key: json.loads(value) for key, value in found.items()}


def write_some(folder: Path) -> list[float]:
    """A short recording with a line of each kind; returns moments before, between and after its lines."""
    with_restart = {**PODS, "pod/cad-ml-api-a": {"name": "cad-ml-api-a", "ready": False, "restarts": 1}}
    fewer = {key: value for key, value in with_restart.items() if key != "pod/cad-ml-api-b"}
    other = {**fewer, "pod/cad-ml-api-d": {"name": "cad-ml-api-d"}, "pod/cad-ml-api-c": {"name": "c"}}
    recorder = writer(folder)
    recorder.record(BEGIN, "cluster", PODS)
    recorder.record(BEGIN + 1, "alerts", {})
    recorder.record(BEGIN + 10, "cluster", with_restart)
    recorder.record(BEGIN + 20, "cluster", fewer)
    recorder.record(BEGIN + 30, "cluster", other)
    recorder.record(BEGIN + 31, "alerts", {"f1": {"labels": [["alertname", "Ä\nb"]]}})
    recorder.record(BEGIN + 48, "cluster", dict(other))
    recorder.lose(BEGIN + 50, "alerts", "Alertmanager did not respond")
    recorder.record(BEGIN + 60, "alerts", {})
    recorder.record(BEGIN + 63, "cluster", PODS)
    recorder.record(BEGIN + 76, "alerts", {})
    recorder.close()
    return [BEGIN + at / 2 for at in range(-4, 170)]


def test_documentation_is_enough_to_read_a_recording(tmp_path: Path) -> None:
    """A reader of a few lines, written from docs/recording.md, says the same as ours of every moment."""
    moments = write_some(tmp_path)
    data = only_file(tmp_path).read_bytes()
    recording = Recording.of_folder(tmp_path)
    answers = []
    for moment in moments:
        for source in ("cluster", "alerts", "silences"):
            ours = decode(recording.states_at(source, moment))
            assert ours == states_by_documentation(data, source, moment), (source, moment - BEGIN)
            answers.append(ours)
    assert sum(item is not None for item in answers) > 200
    assert sum(item is None for item in answers) > 200


def test_documentation_names_every_field() -> None:
    """docs/recording.md names every field of a line, and the version that is written."""
    text = Path("docs/recording.md").read_text(encoding="utf-8").partition("## What is known")[0]
    named = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    assert named == set(Line.__struct_fields__)
    assert f"| `recording` | {FORMAT}: " in text


@pytest.mark.parametrize("ends", ["as it was closed", "as it was killed"])
def test_a_recording_is_readable_up_to_any_byte(tmp_path: Path, ends: str) -> None:
    """Cut off at every byte, it never says anything that the whole one does not say, and never less than a shorter one."""
    moments = write_some(tmp_path / "whole")
    data = only_file(tmp_path / "whole").read_bytes()
    if ends == "as it was killed":
        data = data[:-13]  # the end of the last block, and gzip's own checksum
    whole = [decode(Recording.of_folder(tmp_path / "whole").states_at("cluster", moment)) for moment in moments[::6]]
    before = 0
    file = tmp_path / "cut" / only_file(tmp_path / "whole").name
    file.parent.mkdir()
    for length in range(len(data) + 1):
        file.write_bytes(data[:length])
        recording = Recording.of_folder(file.parent)
        found = [recording.states_at("cluster", moment) for moment in moments[::6]]
        for item, complete in zip(found, whole, strict=True):
            assert item == Unknown(NO_RECORDER) or decode(item) == complete, length
        known = sum(not isinstance(item, Unknown) for item in found)
        assert known >= before
        before = known
    assert before == sum(item is not None for item in whole) > 15


def test_a_changed_byte_is_never_interpreted(tmp_path: Path) -> None:
    """With any one byte changed, a moment is as it was or not known; and that the recording cannot be read is said."""
    moments = write_some(tmp_path / "whole")
    data = only_file(tmp_path / "whole").read_bytes()
    whole = [decode(Recording.of_folder(tmp_path / "whole").states_at("cluster", moment)) for moment in moments[::6]]
    file = tmp_path / "cut" / only_file(tmp_path / "whole").name
    file.parent.mkdir()
    said = 0
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
        recording = Recording.of_folder(file.parent)
        found = [recording.states_at("cluster", moment) for moment in moments[::6]]
        for item, complete in zip(found, whole, strict=True):
            assert isinstance(item, Unknown) or decode(item) == complete, place
        said += any(isinstance(item, Unknown) and "cannot be read" in item.reason for item in found)
    assert said > 0.9 * len(data)


def test_gap_rule(tmp_path: Path) -> None:
    """No moment is known for which no recorder ran, or did not get to run, or did not reach the server."""
    for begin in (BEGIN, BEGIN + 600):
        recorder = writer(tmp_path)
        recorder.record(begin, "cluster", PODS)
        recorder.record(begin + 10, "cluster", PODS)
        recorder.lose(begin + 20, "cluster", "Kubernetes did not respond")
        recorder.record(begin + 30, "cluster", PODS)
        recorder.record(begin + 31 + HOLD_SECONDS, "cluster", PODS)
        recorder.record(begin + 120, "cluster", PODS)
        recorder.close()
    recording = Recording.of_folder(tmp_path)
    gaps = [(gap.begin - BEGIN, gap.end - BEGIN, gap.reason) for gap in recording.gaps("cluster", BEGIN - 50, BEGIN + 700)]
    stood_still = "the recorder did not get to run then"
    assert gaps == [
        (-50, 0, NO_RECORDER),
        (10, 30, "Kubernetes did not respond"),
        (30, 91, stood_still),
        (120, 600, NO_RECORDER),
        (610, 630, "Kubernetes did not respond"),
        (630, 691, stood_still),
    ]
    for begin, end, reason in gaps:
        assert recording.states_at("cluster", BEGIN + end - 0.5) == Unknown(reason), (begin, end)
        assert recording.states_at("cluster", BEGIN + begin + 0.5) == Unknown(reason), (begin, end)


def test_what_a_killed_recorder_had_confirmed_is_known(tmp_path: Path) -> None:
    """The last lines of a recorder that was killed end what is known; the next recorder's states do not fill the gap."""
    recorder = writer(tmp_path)
    for at in range(0, 40, 2):
        recorder.record(BEGIN + at, "cluster", PODS)
    other = writer(tmp_path)  # the lock is the caller's: the first one was killed
    for at in range(44, 80, 2):
        other.record(BEGIN + at, "cluster", PODS)
    recording = Recording.of_folder(tmp_path)
    ((begin, end),) = [(gap.begin - BEGIN, gap.end - BEGIN) for gap in recording.gaps("cluster", BEGIN, BEGIN + 70)]
    assert 38 - HOLD_SECONDS / 4 <= begin <= 38
    assert end == 44


def test_export_says_what_the_recording_says(tmp_path: Path) -> None:
    """A part in one file, cut anywhere, says the same of every moment in it and nothing of any other."""
    moments = write_some(tmp_path)
    writer(tmp_path).record(BEGIN + 64, "cluster", {})  # another one that was killed at once
    recording = Recording.of_folder(tmp_path)
    for begin, end in ((-2, 85), (5, 25), (10, 10), (12.5, 55), (49, 62), (30, 31)):
        exported = recording.export(BEGIN + begin, BEGIN + end)
        part = Recording.of_bytes(exported)
        for moment in moments:
            for source in ("cluster", "alerts"):
                found = decode(part.states_at(source, moment))
                inside = BEGIN + begin <= moment <= BEGIN + end
                assert found == (decode(recording.states_at(source, moment)) if inside else None), (begin, end, moment - BEGIN)
                assert found == states_by_documentation(exported, source, moment)
        for source in ("cluster", "alerts"):
            assert part.gaps(source, BEGIN + begin, BEGIN + end) == recording.gaps(source, BEGIN + begin, BEGIN + end)
    assert recording.export(BEGIN + 200, BEGIN + 300) == b""


def test_an_export_without_secrets_is_readable(tmp_path: Path) -> None:
    """What is taken out of the lines of a part is in none of them, and the rest reads as before."""
    recorder = writer(tmp_path)
    for at in (0, 10, 20):
        recorder.record(BEGIN + at, "cluster", {"pod/a": {"message": f"hunter2 {at}", "name": "a"}})
    recorder.close()
    exported = Recording.of_folder(tmp_path).export(
        BEGIN, BEGIN + 30, redact=lambda text: text.replace(b"hunter2", "…".encode())
    )
    members = list(read_by_documentation(exported))
    assert "hunter2" not in json.dumps(members)
    found = decode(Recording.of_bytes(exported).states_at("cluster", BEGIN + 15))
    assert found == {"pod/a": {"message": "… 10", "name": "a"}}


def test_what_is_of_another_cluster_is_not_known(tmp_path: Path) -> None:
    """A console shows nothing that was recorded of another cluster than its own, and says why."""
    write_some(tmp_path)
    assert not isinstance(Recording.of_folder(tmp_path, about=ABOUT).states_at("cluster", BEGIN), Unknown)
    other = Recording.of_folder(tmp_path, about={**ABOUT, "cluster": "https://10.0.0.2:6443"})
    assert other.states_at("cluster", BEGIN) == Unknown("what was recorded then is of another cluster")
    assert other.export(BEGIN, BEGIN + 60) == b""
    assert [gap.reason for gap in other.gaps("cluster", BEGIN, BEGIN + 9)] == ["what was recorded then is of another cluster"]


def pack(*documents: str | bytes) -> bytes:
    """A member of these documents, each with its checksum."""
    texts = [item if isinstance(item, bytes) else item.encode() for item in documents]
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(b"".join(b"%08x %b\n" % (binascii.crc32(item), item) for item in texts)) + packer.flush()


HEADER = '{"recording":1,"at":10,"hold_seconds":60}'
FIRST = '{"at":10,"source":"cluster","state":{"pod/a":{"name":"a"}}}'
LAST = '{"at":12,"source":"cluster"}'
HOSTILE = {
    "not gzip": (b"CAD", "compressed"),
    "a newer version": (pack('{"recording":2,"at":10,"hold_seconds":60}', FIRST, LAST), "newer version (format 2)"),
    "no header": (pack(FIRST, LAST), "does not begin as a recording does"),
    "no hold": (pack('{"recording":1,"at":10}', FIRST, LAST), "hold_seconds"),
    "an endless hold": (pack('{"recording":1,"at":10,"hold_seconds":1e9}', FIRST, LAST), "hold_seconds"),
    "a checksum that is wrong": (zlib.compress(b"00000000 {}\n", wbits=31), "checksum"),
    "no JSON": (pack("{"), "not what the format says"),
    "another type": (pack('{"recording":1,"at":"10"}'), "not what the format says"),
    "deep JSON": (pack(HEADER, '{"at":10,"source":"c","state":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}"), "format"),
    "NaN as the moment": (pack('{"recording":1,"at":NaN,"hold_seconds":60}'), "not what the format says"),
    "no moment": (pack('{"recording":1,"at":-5,"hold_seconds":60}'), "no moment"),
    "a header twice": (pack(HEADER, FIRST, HEADER, LAST), "no source"),
    "time that runs backwards": (pack(HEADER, LAST, FIRST), "older"),
    "a bomb": (zlib.compress(b"0" * (40 << 20), 9, wbits=31), "too long"),
    "a change before a state": (pack(HEADER, '{"at":10,"source":"cluster","removed":["a"]}', LAST), "no state before"),
    "a change of nothing": (pack(HEADER, FIRST, '{"at":10,"source":"cluster","changed":{"b":{}}}', LAST), "not there"),
    "a change of no object": (
        pack(HEADER, '{"at":10,"source":"cluster","state":{"a":[]}}', '{"at":10,"source":"cluster","changed":{"a":{}}}', LAST),
        "is no object",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_recording_is_said(name: str, tmp_path: Path) -> None:
    """Whatever a file holds, it is said to be unreadable and no state comes of it, in a folder and as a part."""
    data, why = HOSTILE[name]
    (tmp_path / "19700101T000010Z.rec.gz").write_bytes(data)
    found = Recording.of_folder(tmp_path).states_at("cluster", 11.0)
    assert isinstance(found, Unknown)
    assert why in found.reason
    try:
        part = Recording.of_bytes(data).states_at("cluster", 11.0)
    except RecordingError as error:
        part = Unknown(str(error))
    assert isinstance(part, Unknown)
    assert why in part.reason


def test_the_hostile_files_are_read_without_their_fault() -> None:
    """The files above are refused for what is wrong with them alone."""
    assert decode(Recording.of_bytes(pack(HEADER, FIRST, LAST)).states_at("cluster", 11.0)) == {"pod/a": {"name": "a"}}


def test_a_file_of_many_small_objects_has_a_limit() -> None:
    """Objects cost memory however short they are: more than a million of them are refused."""
    encoder = MemberEncoder()
    many = json.dumps({"at": 10, "source": "cluster", "removed": [""] * 600_000})
    data = pack(HEADER, FIRST, many, many, LAST)
    assert encoder.unpacked == 0
    found = Recording.of_bytes(data).states_at("cluster", 11.0)
    assert isinstance(found, Unknown)
    assert "1,000,000 objects" in found.reason


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    """Links, folders and files of other names are neither read nor deleted."""
    outside = tmp_path / "outside.rec.gz"
    outside.write_bytes(pack(HEADER, FIRST, LAST))
    folder = tmp_path / "recording"
    folder.mkdir()
    (folder / "19700101T000010Z.rec.gz").symlink_to(outside)
    (folder / "19700101T000011Z.rec.gz").mkdir()
    (folder / "20269999T000011Z.rec.gz").write_bytes(b"")
    (folder / "notes.txt").write_text("mine")
    assert Recording.of_folder(folder).states_at("cluster", 11.0) == Unknown(NO_RECORDER)
    recorder = writer(folder, max_bytes=1, keep_seconds=0.0)
    recorder.record(BEGIN, "cluster", PODS)
    recorder.close()
    assert len(list(folder.iterdir())) == 5
    assert outside.exists()
