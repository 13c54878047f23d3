"""`drill` on the command line; tests/cluster/test_drills.py runs drills to their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_shell import ClusterShell
from steerable_cluster import SteerableCluster

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
