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
