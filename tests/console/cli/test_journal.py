"""`journal`: what is in it, page by page; its export; and what is wrong with it."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_damage import OF_FILES, stamp_index_lacks

from console.cli.main import main
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.search import SearchQuery, search
from console.journal.sqlite import Journal

UNANCHORED = (
    "not compared with anything outside the file, and anybody with write access could have rewritten all of it; "
    "--head compares it with a recorded head"
)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cad-console" / "journal.sqlite3"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("XDG_CONFIG_HOME", "CAD_CONSOLE_CONFIG", "CAD_CONSOLE_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["journal", *words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


OF = {damage.name: damage for damage in OF_FILES}


def filled(file: Path, count: int = 10, *, store: str = "") -> None:
    with Journal.open(file, store=store) as journal:
        for number in range(count):
            kind = ("note", "alert.owned", "alert.released")[number % 3]
            journal.append(Event(1000.0 + number, kind, f"s{number % 2}", "ann", "prod", {"text": f"text {number}"}))


def numbers(out: str) -> list[int]:
    return [item["sequence"] for item in json.loads(out)]


def test_pages_and_filters(run: Run, file: Path) -> None:
    """The newest, then those before them; one kind, a family of kinds, one subject."""
    filled(file)
    assert numbers(run("--format", "json", "--limit", "3")[1]) == [8, 9, 10]
    assert numbers(run("--format", "json", "--limit", "3", "--before", "8")[1]) == [5, 6, 7]
    assert numbers(run("--format", "json", "--after", "8")[1]) == [9, 10]
    assert numbers(run("--format", "json", "--kind", "alert.")[1]) == [2, 3, 5, 6, 8, 9]
    assert numbers(run("--format", "json", "--kind", "note", "--kind", "alert.released")[1]) == [1, 3, 4, 6, 7, 9, 10]
    assert numbers(run("--format", "json", "--subject", "s0", "--after", "5")[1]) == [7, 9]
    assert "text 9" in run("--subject", "s1", "--limit", "1")[1]


def test_what_is_not_shared_yet_is_told(run: Run, file: Path) -> None:
    """Events that wait for the shared store are counted beside the list, and the store is named."""
    filled(file, 2, store="configmaps/cad-console-journal in n")
    assert "2 events for configmaps/cad-console-journal in n not yet shared" in run()[2]


def test_an_export_is_whole_and_what_was_cut_from_it_is_named(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export of all and of a part verify as whole; a changed, a missing and a last line that is missing are named."""
    filled(file)
    code, out, _ = run("export")
    assert (code, len(out.splitlines())) == (0, 11)
    export = tmp_path / "e.jsonl"
    export.write_text(out)
    assert run("verify", str(export))[0] == 0
    part = tmp_path / "part.jsonl"
    part.write_text(run("export", "--after", "7")[1])
    code, output, _ = run("verify", str(part))
    assert (code, "3 entries, #8 to #10" in output) == (0, True)
    for wrong, named in (
        (out.replace("text 4", "text 5"), "#5 was changed"),
        ("".join(line for line in out.splitlines(True) if '"sequence":7' not in line), "#7 is missing"),
        ("".join(out.splitlines(True)[:-1]), "what came after #10 was cut off"),
    ):
        export.write_text(wrong)
        code, output, _ = run("verify", str(export))
        assert (code, named in output) == (1, True), output
        monkeypatch.setattr("sys.stdin", io.StringIO(wrong))
        assert run("verify", "-")[0] == 1


def test_a_planted_change_in_the_file_is_named(run: Run, file: Path) -> None:
    """The journal has no fault, until somebody changes an entry and removes the newest one."""
    filled(file)
    code, output, _ = run("verify")
    assert (code, output.startswith("no fault found")) == (0, True)
    hand = sqlite3.connect(file)
    for trigger in ("events_are_not_changed", "events_are_not_deleted"):
        hand.execute(f"DROP TRIGGER {trigger}")
    hand.execute("UPDATE events SET subject = 'x' WHERE sequence = 4")
    hand.execute("DELETE FROM events WHERE sequence = 10")
    hand.commit()
    hand.close()
    code, output, _ = run("verify")
    assert (code, output.splitlines()[1:]) == (
        1,
        [
            "  #4 was changed: its hash does not fit it",
            "  #10 is missing",
            "  the trigger events_are_not_changed is missing",
            "  the trigger events_are_not_deleted is missing",
            f"  {UNANCHORED}",
        ],
    )


def test_what_cannot_be_read_is_2(run: Run, file: Path, tmp_path: Path) -> None:
    """No journal, no such file, a file that is something else: 2, and a sentence."""
    assert run("verify")[0] == 2
    assert run("verify", str(tmp_path / "none"))[0] == 2
    other = tmp_path / "other"
    other.write_bytes(b"\xff\x00 dear diary\n")
    code, _, err = run("verify", str(other))
    assert (code, "line 1 is not JSON" in err) == (2, True)
    assert run("verify", str(tmp_path))[0] == 2
    file.parent.mkdir(parents=True)
    file.write_text("dear diary " * 100)
    assert (run("verify")[0], run("export")[0], run()[0]) == (2, 1, 1)
    assert run("export", "somewhere")[0] == 2


def test_an_empty_journal_has_no_fault(run: Run, file: Path) -> None:
    """No event was ever written: the journal has no fault, and neither has its export."""
    Journal.open(file).close()
    assert run("verify")[0] == 0
    assert run("export")[1] == '{"end":0,"entries":0,"first":0,"hash":""}\n'


def test_a_damaged_index_hides_no_event(run: Run, file: Path) -> None:
    """An index that lacks an event: the list has it all the same, and the screen's page says that it is not all."""
    filled(file, 40)
    OF["an index that lacks a row"].do(file, file)
    stamp_index_lacks(file, 30)
    assert 30 not in [number for number in range(1, 41) if number % 3 == 2]
    kind = ("note", "alert.owned", "alert.released")[(30 - 1) % 3]
    code, out, _ = run("--kind", kind, "--format", "json")
    assert (code, 30 in numbers(out)) == (0, True)
    with Journal.open_to_read(file) as journal:
        for expected in (SearchQuery(), SearchQuery(kinds=(kind,)), SearchQuery(words=("text",))):
            for limit in (5, 15, 100):
                before, hidden = None, 0
                for _ in range(50):
                    try:
                        found = search(journal, expected, before=before, limit=limit)
                    except JournalError as error:
                        assert "an index hides 1 events of this page" in str(error)
                        hidden += 1
                        break
                    if not found.older:
                        break
                    before = found.entries[-1].event
                assert hidden == 1, (expected, limit)


def test_events_that_are_gone_are_told_by_every_verb_that_reads(run: Run, file: Path) -> None:
    """A list and an export from which events are missing say so, and do not exit with 0; a list that ends before them does."""
    filled(file, 40)
    OF["rows deleted in the middle"].do(file, file)
    code, _, err = run("--limit", "50")
    assert (code, "3 of the events #1 to #40 are missing" in err) == (1, True), err
    assert run("--limit", "5")[0] == 0
    assert run("--kind", "note", "--limit", "10")[0] == 1
    code, _, err = run("export")
    assert (code, "3 of the events #1 to #40 are missing" in err) == (1, True), err


def test_a_page_of_a_whole_journal_is_never_called_damaged(tmp_path: Path) -> None:
    """Also where events came late, and while another process writes, on every page and with every filter."""
    with Journal.open(tmp_path / "j", store="s") as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        for number in range(60):
            journal.append(Event(1000.0 + number, ("note", "alert.owned")[number % 2], f"s{number}", "ann"))
            if number % 10 == 5:
                late = 1_000_000_000 + number * 500_000
                journal.merge([Event(1.0, "note", "late", "bob", "", {}, 0, f"l{number}", late)])
        for expected in (
            SearchQuery(),
            SearchQuery(kinds=("note",)),
            SearchQuery(authors=("bob",)),
            SearchQuery(words=("late",)),
            SearchQuery(unshared=True),
        ):
            for limit in (1, 7, 200):
                before, seen = None, 0
                while (found := search(journal, expected, before=before, limit=limit)).entries:
                    seen += len(found.entries)
                    before = found.entries[-1].event
                assert seen == len(search(journal, expected, limit=1000).entries)


def test_what_is_not_shared_is_listed(run: Run, file: Path) -> None:
    """Each event that waits for the shared store, or will never be there, with the reason; inert, and nothing else."""
    assert run("--unshared")[0] == 0
    filled(file, 3)
    assert run("--unshared")[1] == "no unshared events\n"
    filled(file, 4, store="s")
    with Journal.open(file, store="s") as journal:
        journal.outbox.mark_refused(journal.outbox.pending()[1], "too large \x1b[31m")
        journal.outbox.mark_delivered(journal.outbox.pending()[:1])
    assert numbers(run("--unshared", "--format", "json")[1]) == [5, 6, 7]
    assert numbers(run("--unshared", "--format", "json", "--limit", "1")[1]) == [7]
    assert numbers(run("--unshared", "--format", "json", "--kind", "alert.owned")[1]) == [5]
    out = run("--unshared")[1]
    assert "WHY HERE" in out and "waiting to be shared" in out and "too large" in out and "\x1b" not in out
    assert "| why here |" in run("--unshared", "--format", "markdown")[1]
