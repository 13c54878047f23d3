"""The first start after an update with a long journal of the release before, at a terminal."""

from __future__ import annotations

import statistics
from pathlib import Path

import opening
from journal_files import events, write_old
from terminal import PROGRAM, Terminal

from console.journal.integrity import verify
from console.journal.sqlite import Journal


def test_nobody_waits_while_a_long_journal_is_read_again(tmp_path: Path) -> None:
    """The console is there at once and says how far it is; keys are answered, pages of the journal are shown, and when all is
    read its incidents are. A second console beside it reads the same file, and the file has no fault afterwards.
    """
    environ, journal = opening.home(tmp_path)
    write_old(journal, events(120_000))
    environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with Terminal([PROGRAM], env=environ, columns=120, rows=30) as one:
        one.wait_for("journal READING", seconds=40.0)
        took = [one.latency(keys, seconds=5.0) for keys in ("6", "5", "6", "5", "6")]
        assert statistics.median(took) < 1.0, took
        assert "READING" in one.text, "it was over before the keys were pressed: give it more events"
        one.wait_for("of 120000", seconds=20.0)
        with Terminal([PROGRAM], env=environ, columns=120, rows=30) as two:
            two.wait_for("ACTING", seconds=40.0)
            for each in (one, two):
                each.wait_gone("READING", seconds=180.0)
            two.send("9")
            two.wait_for("Incidents", "closed after", seconds=20.0)
    with Journal.open(journal) as opened:
        assert verify(opened).faults == ()
        assert opened.select("SELECT count(*) FROM snapshots", ())[0][0] > 0
