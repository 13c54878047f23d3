"""The file of a bundle: what is written comes back, and nothing else is trusted."""

from __future__ import annotations

import hashlib
import json
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from console.replay import bundle_file
from console.replay.bundle_file import (
    FORMAT,
    MOST_BYTES,
    VERSION,
    Bundle,
    BundleError,
    IncidentNote,
    Manifest,
    SourceNote,
    open_bundle,
    write_bundle,
)

PARTS = {"journal.jsonl": b'{"kind": "note"}\n', "rules.json": b"{}"}


def manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "made_by": "cad-console",
        "made_at": 5000.0,
        "environment": "prod",
        "namespace": "cad",
        "incident": IncidentNote(4, "id", "it broke"),
        "start": 1000.0,
        "end": 4000.0,
        "began_at": 2000.0,
        "step_seconds": 15.0,
        "sources": (SourceNote("loki", "not read", "it was down"),),
        **changes,
    }
    return Manifest(**fields)  # type: ignore[arg-type]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    file = tmp_path / "a.bundle.zip"
    write_bundle(file, manifest(), PARTS)
    return file


def rewrite(file: Path, change: Callable[[dict[str, bytes]], None], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """The same archive with other files in it."""
    with zipfile.ZipFile(file) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    change(found)
    other = file.with_name("other.zip")
    with zipfile.ZipFile(other, "w", method) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return other


def with_manifest(file: Path, **changes: object) -> Path:
    def change(found: dict[str, bytes]) -> None:
        found["manifest.json"] = json.dumps({**json.loads(found["manifest.json"]), **changes}).encode()

    return rewrite(file, change)


def read_bundle(file: Path) -> Bundle:
    """With every part compared with its hash."""
    bundle = open_bundle(file)
    bundle.check()
    return bundle


def refusal(file: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(file)
    return str(caught.value)


def test_what_was_written_comes_back(written: Path) -> None:
    """Parts, manifest and sources; the file is for its owner only, and the same content gives the same file."""
    bundle: Bundle = read_bundle(written)
    assert {name: bundle.read(name) for name in PARTS} == PARTS
    assert bundle.manifest.source("loki").detail == "it was down"
    assert bundle.manifest.source("redis").state == "not read"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    again = written.with_name("b.zip")
    digest = write_bundle(again, manifest(), PARTS)
    assert again.read_bytes() == written.read_bytes()
    assert digest == hashlib.sha256(again.read_bytes()).hexdigest()


def test_anybody_can_read_it_without_this_program(written: Path) -> None:
    """A ZIP archive with a manifest that names every other file, its size and its hash."""
    with zipfile.ZipFile(written) as archive:
        listed = json.loads(archive.read("manifest.json"))
        assert (listed["format"], listed["version"]) == ("cad-console-bundle", 1)
        assert {part["name"] for part in listed["parts"]} == set(archive.namelist()) - {"manifest.json"}
        for part in listed["parts"]:
            content = archive.read(part["name"])
            assert (len(content), hashlib.sha256(content).hexdigest()) == (part["bytes"], part["sha256"])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused(written: Path, share: float) -> None:
    """Wherever it was cut."""
    content = written.read_bytes()
    written.write_bytes(content[: int(len(content) * share)])
    assert "cut off" in refusal(written)


def test_a_changed_part_is_refused(written: Path) -> None:
    """Of the same size or another one, and a part that is gone."""
    same = rewrite(written, lambda found: found.update({"rules.json": b"[]"}))
    assert "rules.json is not what was written" in refusal(same)
    longer = rewrite(written, lambda found: found.update({"rules.json": b"{} and more"}))
    assert "larger than the bundle says" in refusal(longer)
    gone = rewrite(written, lambda found: found.pop("journal.jsonl") and None)
    assert "journal.jsonl is missing" in refusal(gone)


def test_a_damaged_byte_is_refused(written: Path) -> None:
    """The archive's own checksum finds it before the hash does."""
    content = bytearray(written.read_bytes())
    at = content.index(b"journal.jsonl") + len("journal.jsonl") + 3
    content[at] ^= 0xFF
    written.write_bytes(bytes(content))
    assert "journal.jsonl" in refusal(written)


def test_a_newer_version_says_that_this_program_is_too_old(written: Path) -> None:
    """Whatever else its manifest has."""
    assert "a newer cad-console wrote it" in refusal(with_manifest(written, version=VERSION + 1, parts="elsewhere"))


def test_other_files_are_no_bundles(tmp_path: Path, written: Path) -> None:
    """Nothing at that path, a folder, a text, another archive, another format, impossible times."""
    text = tmp_path / "text"
    text.write_text("hello")
    assert "No such file" in refusal(tmp_path / "gone")
    assert "not a file" in refusal(tmp_path)
    assert "not a bundle" in refusal(text)
    assert "not a bundle" in refusal(rewrite(written, lambda found: found.pop("manifest.json") and None))
    assert "not a bundle" in refusal(with_manifest(written, format="another"))
    assert "impossible times" in refusal(with_manifest(written, began_at=1.0))
    assert "cannot be read" in refusal(with_manifest(written, start="yesterday"))


def test_sizes_are_limited_before_anything_is_decompressed(written: Path) -> None:
    """A part of zeros is larger than it says; parts that admit to be too large are not even opened; a big manifest neither."""
    bomb = rewrite(written, lambda found: found.update({"rules.json": bytes(8 << 20)}))
    assert bomb.stat().st_size < 1 << 20
    assert "larger than the bundle says" in refusal(bomb)
    part = {"name": "rules.json", "bytes": MOST_BYTES + 1, "sha256": ""}
    assert "no bundle is that large" in refusal(with_manifest(written, parts=[part]))
    for size in (-1, -2, -5):  # it would make up for another one's size, and limit nothing
        hostile = [part, {"name": "journal.jsonl", "bytes": size - MOST_BYTES, "sha256": ""}]
        assert "cannot be read" in refusal(with_manifest(written, parts=hostile))
    assert "larger than" in refusal(rewrite(written, lambda found: found.update({"manifest.json": bytes(2 << 20)})))


def test_nothing_is_extracted_and_names_are_only_names(written: Path, tmp_path: Path) -> None:
    """Paths that lead elsewhere and absolute ones are keys in memory; files that the manifest does not name are ignored."""
    evil = {"../outside": b"x", "/tmp/absolute": b"y"}
    before = sorted(tmp_path.rglob("*"))
    file = rewrite(written, lambda found: found.update(evil))
    bundle = read_bundle(file)
    assert not bundle.has("../outside")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, file])


def test_other_compressions_are_refused(written: Path) -> None:
    """Only what the format says."""
    assert "compressed in a way" in refusal(rewrite(written, lambda found: None, method=zipfile.ZIP_BZIP2))


def test_escape_codes_in_a_message_are_visible(written: Path) -> None:
    """A name in the archive cannot write to the terminal."""
    part = {"name": "a\x1b[2Jb", "bytes": 1, "sha256": ""}
    assert "\x1b" not in refusal(with_manifest(written, parts=[part]))


@pytest.mark.parametrize("limit", ["MOST_FILE_BYTES", "MOST_BYTES"])
def test_what_no_console_would_open_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Somebody would keep the file, delete what it was made of, and find out months later; up to the limit it is written."""
    file, parts = tmp_path / "a.bundle.zip", {"small.json": b"{}", "recording.rec.gz": random.Random(1).randbytes(5000)}
    write_bundle(tmp_path / "b.zip", manifest(), parts)
    most = (tmp_path / "b.zip").stat().st_size if limit == "MOST_FILE_BYTES" else 5002
    monkeypatch.setattr(bundle_file, limit, most - 1)
    form = "bytes" if limit == "MOST_FILE_BYTES" else "bytes unpacked"
    sentence = f"not written: it has {most:,} {form}, and the limit is {most - 1:,}; the largest part is recording"
    with pytest.raises(OSError, match=sentence):
        write_bundle(file, manifest(), parts)
    assert [item.name for item in tmp_path.iterdir()] == ["b.zip"]
    monkeypatch.setattr(bundle_file, limit, most)
    write_bundle(file, manifest(), parts)
    read_bundle(file)
