"""`drill` on the command line; tests/cluster/test_drills.py runs drills to their end."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from console_shell import ClusterShell
from steerable_cluster import SteerableCluster

from console.journal.payloads import DrillStarted, create_event
from console.journal.sqlite import Journal

API = "cad-ml-api"
CONFIG = """environments:
  prod: {{kubernetes: {{kubeconfig: {folder}/kubeconfig}}}}
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[ClusterShell]:
    made = SteerableCluster()
    made.seed()
    with made:
        found = ClusterShell(made, tmp_path, config=CONFIG.format(folder=tmp_path))
        found.environ["CAD_CONSOLE_ENVIRONMENT"] = "prod"
        yield found


def test_a_protected_environment_is_refused_on_the_command_line(shell: ClusterShell) -> None:
    """By its name, before anything is read; the list says so too."""
    code, output, complaint = shell.run("drill", "run", "scale-to-zero", API, "--yes")
    assert (code, output) == (1, "") and "prod is protected: drills run only in environments" in complaint
    assert not shell.cluster.requests
    assert "prod is protected" in shell.run("drill", "list")[1]


@pytest.mark.parametrize("verb", ["list", "report"])
def test_a_shared_journal_that_cannot_be_read_is_said(shell: ClusterShell, verb: str) -> None:
    """The drills of other hosts stand in the shared store: a list or report without it says that it may lack them."""
    shell.environ["CAD_CONSOLE_STORE"] = "postgresql://nobody@127.0.0.1:9/none"
    assert "the shared journal cannot be read now" in shell.run("drill", verb)[2]


@pytest.mark.parametrize("lost", ["own", "shared"])
def test_stop_claims_nothing_without_the_whole_journal(shell: ClusterShell, lost: str) -> None:
    """A fault may be in place whose drill stands in the events that could not be read: it says so, and exits with 1."""
    if lost == "own":
        shell.journal.mkdir(parents=True)
    else:
        shell.environ["CAD_CONSOLE_STORE"] = "postgresql://nobody@127.0.0.1:9/none"
    code, output, complaint = shell.run("drill", "stop")
    assert (code, output) == (1, "")
    why = "cannot be opened" if lost == "own" else "the shared journal cannot be read now"
    assert why in complaint and "; drills may be missing" in complaint


def test_stop_says_that_there_is_nothing_to_do(shell: ClusterShell) -> None:
    """The whole journal is read, and no drill lost its console."""
    assert shell.run("drill", "stop")[:2] == (0, "nothing to roll back: no orphaned drills\n")


def test_stop_exits_with_1_where_it_cannot_journal_an_end(shell: ClusterShell) -> None:
    """The disk refuses the entry: the drill stays open, and neither the text nor the exit code says that nothing is left."""
    shell.journal.parent.mkdir(parents=True, exist_ok=True)
    with Journal.open(shell.journal) as journal:
        started = DrillStarted("scale-to-zero", "Scale to zero", f"deployment/{API}", f"{socket.gethostname()} - 1 2")
        journal.append(create_event(started, at=time.time(), subject="d1", author="ann", environment="prod"))
    with closing(sqlite3.connect(shell.journal)) as file:
        file.execute(
            "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.kind = 'drill.ended' "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    code, output, complaint = shell.run("drill", "stop")
    assert (code, output) == (1, ""), complaint
    assert f"the end of the drill scale-to-zero on deployment/{API} could not be journalled" in complaint
    assert "database or disk is full" in complaint
    with closing(sqlite3.connect(shell.journal)) as file:
        file.execute("DROP TRIGGER full")
    code, output, _ = shell.run("drill", "stop")
    assert code == 0 and "the console of ann ended during the drill" in output
