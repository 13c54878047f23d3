"""`cad-console act` and `cad-console journal` as processes: exit codes, previews, and what a kill leaves behind."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_shell import ClusterShell
from steerable_cluster import SteerableCluster
from terminal import PROGRAM, Terminal

from console.demo.cluster import PodTimings
from console.journal.sqlite import Journal

pytestmark = pytest.mark.slow  # each starts the program once or more
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[ClusterShell]:
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made:
        yield ClusterShell(made, tmp_path)


def test_done_is_0_and_is_in_the_journal(shell: ClusterShell) -> None:
    """A bare name and the action's own flag are enough, and the name for an alert that nobody can look up; the journal shows it
    as text, JSON and Markdown.
    """
    words = ("act", "scale", "cad-ml-api", "--replicas", "4", "--yes", "--cause", "alert X")
    code, _, complaint = shell.run(*words)
    assert (code, "add --confirm cad-ml-api" in complaint, shell.writes()) == (1, True, [])
    code, output, complaint = shell.run(*words, "--confirm", "cad-ml-api")
    assert code == 0, complaint
    assert re.search(r"same as  kubectl --kubeconfig \S+ --context demo -n cad-ml-platform scale \S+ --replicas=4", output)
    where = re.search(r"context demo, server http://127\.0\.0\.1:\d+, user demo, namespace cad-ml-platform", output)
    assert where is not None
    assert "WARN  the environment default does not name this cluster: it is from environment variable KUBECONFIG" in output
    assert shell.cluster.deployment("cad-ml-api").desired == 4
    assert f"Scale deployment/cad-ml-api to 4 replicas (alert X) [{where[0]}]" in shell.run("journal")[1]
    rows = json.loads(shell.run("journal", "--format", "json", "--kind", "action.outcome")[1])
    assert [row["data"]["outcome"] for row in rows] == ["done"]
    assert shell.run("journal", "--format", "markdown", "--limit", "1")[1].startswith("| # |")


def test_a_dry_run_sends_nothing_and_leaves_no_trace(shell: ClusterShell) -> None:
    """The preview is printed, exit 0, no write, no journal event."""
    code, output, _ = shell.run("act", "scale", "cad-ml-api", "--set", "replicas=4", "--dry-run")
    assert (code, "dry run: nothing was sent" in output, shell.writes()) == (0, True, [])
    with Journal.open_to_read(shell.journal) as journal:
        assert journal.events() == ()


def test_what_was_typed_before_the_question_is_no_answer(shell: ClusterShell) -> None:
    """At a real terminal: nobody confirms a preview that was not on the screen yet. What is typed after it counts."""
    words = ("act", "scale", "cad-ml-api", "--replicas", "4")
    with Terminal((PROGRAM, *words), env=shell.environ, columns=200, rows=60) as terminal:
        terminal.send("cad-ml-api\r")
        asked = re.search(r"type (\S+) to continue", terminal.wait_for("to continue"))
        assert asked is not None
        terminal.pump(1.0)
        assert terminal.exit_code is None and shell.writes() == []
        terminal.send(f"{asked[1]}\n")
        assert terminal.wait_exit(seconds=30.0) == 0
    assert shell.cluster.deployment("cad-ml-api").desired == 4


def test_refused_is_1_and_no_source_is_2(shell: ClusterShell) -> None:
    """Nothing to do, read-only and a missing terminal are 1; a cluster that does not answer is 2."""
    assert shell.run("act", "scale", "cad-ml-api", "--replicas", "3", "--yes")[0] == 1
    code, output, _ = shell.run("--read-only", "act", "restart", "cad-ml-api", "--yes")
    assert (code, "read-only: nothing will be sent" in output) == (1, True)
    code, _, complaint = shell.run("act", "restart", "cad-ml-api")
    assert (code, "no terminal" in complaint) == (1, True)
    assert shell.writes() == []
    shell.cluster.stop()
    assert shell.run("act", "restart", "cad-ml-api", "--yes")[0] == 2


def test_yes_is_not_enough_where_a_check_asks(shell: ClusterShell) -> None:
    """Five times as many, and 0: --yes alone is refused and names the flag; the word of another check does not count."""
    code, output, complaint = shell.run("act", "scale", "cad-ml-api", "--replicas", "18", "--yes")
    assert (code, "add --confirm 18" in complaint, shell.writes()) == (1, True, []), complaint
    assert "ASKS  3 to 18 is ×6: type the number again" in output
    assert shell.run("act", "scale", "cad-ml-api", "--replicas", "0", "--yes", "--confirm", "18")[0] == 1
    assert shell.writes() == []
    assert shell.run("act", "scale", "cad-ml-api", "--replicas", "18", "--yes", "--confirm", "18")[0] == 0
    assert shell.cluster.deployment("cad-ml-api").desired == 18


def test_undone_is_1(tmp_path: Path) -> None:
    """What an HPA undoes while it is watched is no success, in the exit code too."""
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=1.0)
    made.seed()
    with made:
        shell = ClusterShell(made, tmp_path, settle_seconds=4)
        code, output, _ = shell.run("act", "scale", "cad-ml-api", "--replicas", "2", "--yes")
    assert (code, "undone by HPA cad-ml-api" in output) == (1, True), output


def test_a_home_that_cannot_hold_a_journal_refuses_the_action(shell: ClusterShell, tmp_path: Path) -> None:
    """The state folder is a file: refused before anything is sent."""
    (tmp_path / "state").write_text("")
    code, output, _ = shell.run("act", "scale", "cad-ml-api", "--replicas", "4", "--yes")
    assert (code, "journal" in output, shell.writes()) == (1, True, [])


def test_kill_9_in_the_middle_is_named_by_the_next_start(shell: ClusterShell) -> None:
    """Killed while it verifies: the intent is on record, and the next look at the journal names it."""
    shell.cluster.break_image(":1.8.2")
    with shell.start("act", "restart", "cad-ml-api", "--yes") as child:
        _until_sent(shell)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    code, _, complaint = shell.run("journal")
    assert (code, "outcome unknown: Restart deployment/cad-ml-api" in complaint) == (0, True), complaint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_in_the_middle_journals_unknown(shell: ClusterShell, number: signal.Signals) -> None:
    """SIGTERM, SIGHUP and Ctrl-C while it verifies: the journal has the outcome 'unknown' and the exit code is not 0."""
    shell.cluster.break_image(":1.8.2")
    with shell.start("act", "restart", "cad-ml-api", "--yes") as child:
        _until_sent(shell)
        child.send_signal(number)
        _, complaint = child.communicate(timeout=20)
    assert child.returncode != 0
    assert "Traceback" not in complaint, complaint
    with Journal.open_to_read(shell.journal) as journal:
        assert journal.events()[-1].data["outcome"] == "unknown"


def test_an_empty_journal_is_no_failure(shell: ClusterShell) -> None:
    """Before anything was done: said in words, exit 0, and no file is made."""
    code, output, _ = shell.run("journal")
    assert (code, output.startswith("no events")) == (0, True)
    assert not shell.journal.exists()


def _until_sent(shell: ClusterShell) -> None:
    ends = time.monotonic() + 20.0
    while not shell.writes():
        assert time.monotonic() < ends
        time.sleep(0.05)
    time.sleep(0.5)
