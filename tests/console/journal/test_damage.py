"""Every damage of a journal is found, or it is said what would be needed to find it."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journal_damage import OF_EXPORTS, OF_FILES, Damage, Edit, Shown
from journal_files import events

from console.cli.main import main
from console.journal.sqlite import Journal

RECORDED = Path(__file__).parent / "recorded"
Verify = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a hundred events in one file, an earlier copy, another journal, and the log of its newest events."""
    folder = tmp_path_factory.mktemp("journals")
    for name, count, seed in (("file", 90, 1), ("other", 90, 2)):
        with Journal.open(folder / name, store="s") as journal:
            for event in events(count, seed=seed):
                journal.append(event)
    for name in ("file", "other"):
        _fold(folder / name)
    shutil.copy(folder / "file", folder / "earlier")
    shutil.copy(folder / "file", folder / "without-wal")
    with Journal.open(folder / "file", store="s") as journal:
        journal.select("PRAGMA wal_autocheckpoint = 0", ())
        for event in events(10, seed=3):
            journal.append(event)
        (folder / "head").write_text(str(journal.head()))
        shutil.copy(folder / "file-wal", folder / "wal")
    _fold(folder / "file")
    return folder


def _fold(path: Path) -> None:
    """All of it into one file, none of it in the log beside it."""
    hand = sqlite3.connect(path)
    hand.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    hand.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("XDG_CONFIG_HOME", "CAD_CONSOLE_CONFIG", "CAD_CONSOLE_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "state" / "cad-console" / "journal.sqlite3"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Iterator[Verify]:
    def run(*words: str) -> tuple[int, str]:
        code = main(["journal", "verify", *words])
        told = capsys.readouterr()
        return code, told.out + told.err

    yield run


def holds(shown: Shown, plain: tuple[int, str], with_head: tuple[int, str]) -> None:
    """Both ways to verify say what they can know, and where nothing outside was compared that is said too."""
    if shown is Shown.FILE:
        assert plain[0] in (1, 2), plain[1]
        assert with_head[0] in (1, 2), with_head[1]
        return
    assert (plain[0], "not compared with anything outside" in plain[1]) == (0, True), plain[1]
    assert with_head[0] == (1 if shown is Shown.HEAD else 0), with_head[1]


def test_an_untouched_journal_has_no_fault(recorded: Path, file: Path, verify: Verify) -> None:
    """Neither alone nor with its head; an export of it neither."""
    shutil.copy(recorded / "file", file)
    code, told = verify()
    assert (code, told.startswith("no fault found:")) == (0, True), told
    code, told = verify("--head", (recorded / "head").read_text())
    assert (code, "contains the given head" in told, "not compared" in told) == (0, True, False), told


@pytest.mark.parametrize("damage", OF_FILES, ids=lambda damage: damage.name)
def test_a_damage_of_the_file_is_found(recorded: Path, file: Path, verify: Verify, damage: Damage) -> None:
    """By the file alone, or with a head that was noted; where neither can tell, no event is other than it was."""
    shutil.copy(recorded / "file", file)
    damage.do(file, recorded)
    holds(damage.shown, verify(), verify("--head", (recorded / "head").read_text()))
    if damage.shown is Shown.NOT_COVERED:
        with Journal.open_to_read(file) as journal, Journal.open_to_read(recorded / "file") as before:
            assert list(journal.links()) == list(before.links())


@pytest.mark.parametrize("edit", OF_EXPORTS, ids=lambda edit: edit.name)
def test_an_edit_of_an_export_is_found(
    recorded: Path, file: Path, verify: Verify, capsys: pytest.CaptureFixture[str], edit: Edit
) -> None:
    """By the export alone, or with a head that was noted."""
    shutil.copy(recorded / "file", file)
    main(["journal", "export"])
    lines = capsys.readouterr().out.splitlines()
    export = file.parent / "export.jsonl"
    export.write_text(edit.do(lines))
    holds(edit.shown, verify(str(export)), verify(str(export), "--head", (recorded / "head").read_text()))


# What the release before wrote


def old(name: str, path: Path) -> Path:
    path.write_bytes(gzip.decompress((RECORDED / name).read_bytes()))
    return path


def test_a_journal_of_the_release_before_is_verified_as_what_it_is(file: Path, verify: Verify) -> None:
    """It has no fault, before and after this release opens it and goes on in it, and the column without a hash is named."""
    old("version-2.sqlite3.gz", file)
    code, told = verify()
    assert code == 0, told
    assert "121 entries are from the previous release, whose hash does not cover the column `writer`" in told
    with Journal.open_to_read(file) as reader:
        before = reader.events()
    with Journal.open(file, store="postgresql://db.example.com/journal") as journal:
        assert journal.events() == before
        assert len(journal.outbox.pending(limit=200)) == 80
        for event in events(10, seed=4):
            journal.append(event)
        head = journal.head()
    code, told = verify("--head", str(head), "--head", "777e1296c7a6ef252be60e1d356639ab")
    assert (code, "131 entries" in told, "121 entries are from the previous release" in told) == (0, True, True), told


def test_an_edit_of_the_column_that_had_no_hash_is_found_where_this_release_wrote(file: Path, verify: Verify) -> None:
    """In an entry of the release before it cannot be seen, as verify says; in one of this release it is found."""
    old("version-2.sqlite3.gz", file)
    with Journal.open(file) as journal:
        for event in events(3, seed=4):
            journal.append(event)
    edit = next(damage for damage in OF_FILES if damage.name == "the column writer was edited")
    edit.do(file, file)
    assert verify()[0] == 0
    with sqlite3.connect(file) as hand:
        hand.execute("DROP TRIGGER events_are_not_changed")
        hand.execute("UPDATE events SET writer = 'h b 1 2' WHERE sequence = 123")
    hand.close()
    assert "#123 was changed" in verify()[1]


def test_an_export_of_the_release_before_is_verified_as_what_it_is(file: Path, verify: Verify) -> None:
    """It has no fault, and that a cut at its beginning cannot be seen is said; a change in it is found."""
    export = old("version-2.jsonl.gz", file.parent / "old.jsonl")
    code, told = verify(str(export))
    assert (code, "121 entries" in told, "a missing beginning cannot be detected" in told) == (0, True, True), told
    text = export.read_text()
    export.write_text(text.replace('"author":"bob"', '"author":"mallory"', 1))
    assert verify(str(export))[0] == 1
    export.write_text(text[: len(text) // 2])
    assert verify(str(export))[0] == 1
