"""What a verb says, and with what it exits, where the journal does not tell everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from journal_damage import OF_FILES, stamp_index_lacks
from journal_files import events

from console.cli.main import main
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.monitor.journal_service import JournalService
from console.state.journal_state import JournalReader

Run = Callable[..., tuple[int, str, str]]
VERBS = (
    ("incident", "list"),
    ("status",),
    ("alerts",),
    ("handover",),
    ("checklist", "morning"),
    ("doctor",),
    ("status", "--at", "1h"),
)
OF = {damage.name: damage for damage in OF_FILES}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "cad-console" / "journal.sqlite3"
    with Journal.open(path) as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        for event in events(120):
            journal.append(replace(event, environment=""))
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("XDG_CONFIG_HOME", "CAD_CONSOLE_CONFIG", "CAD_CONSOLE_ENVIRONMENT", "KUBECONFIG", "PROMETHEUS_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_verb_that_reads_the_journal_says_that_events_are_missing(run: Run, file: Path, verb: tuple[str, ...]) -> None:
    """Hidden by an index, or deleted: on stderr, once, and never with 0; a whole journal has nothing said of it."""
    assert "journal is damaged" not in run(*verb)[2]
    stamp_index_lacks(file, 100)
    code, _, err = run(*verb)
    assert (code != 0, err.count("the journal is damaged: 1 events are missing")) == (True, 1), err
    OF["rows deleted in the middle"].do(file, file)
    code, _, err = run(*verb)
    assert (code != 0, "events are missing" in err) == (True, True), err


def test_a_verb_that_could_not_read_all_in_time_says_so(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update a command that has other things to tell does not wait for a long journal: incidents are then not known,
    and not none. One that is about incidents waits.
    """
    read_all, refresh = JournalService.read_all, JournalReader.refresh

    async def in_no_time(service: JournalService, *, seconds: float = math.inf) -> None:
        await read_all(service, seconds=0.0 if seconds < math.inf else seconds)

    def by_the_page(reader: JournalReader, *, seconds: float | None = None) -> bool:
        return refresh(reader, seconds=0.0 if seconds is not None else None)

    monkeypatch.setattr(JournalService, "read_all", in_no_time)
    with Journal.open(file) as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        for event in events(3000, seed=2):
            journal.append(Event(event.at + 1e6, event.kind, event.subject, event.author, "", event.data))
    monkeypatch.setattr(JournalReader, "refresh", by_the_page)
    code, out, err = run("handover")
    assert (code != 0, "the journal is being read again" in err) == (True, True), err
    assert "not known" in out
    code, out, err = run("incident", "list")
    assert (code, "being read again" in err) == (0, False), err
