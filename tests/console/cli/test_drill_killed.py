"""`drill run` killed with SIGKILL while its fault is in place: the next console, a process of its own, takes it back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from console_shell import ClusterShell
from limits import extend
from signal_server import SignalServer
from steerable_cluster import SteerableCluster
from terminal import PROGRAM, Terminal

from console.demo.cluster import PodTimings
from console.journal.event import Event
from console.journal.sqlite import Journal, JournalError

pytestmark = pytest.mark.slow  # two consoles each
API = "cad-ml-api"
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
WORDS = ("self-check", "contract", "rules", "capacity", "freeze", "0")
CONFIG = """refresh: {{every: 0.5, settle: {{hpa: 0}}}}
environments:
  staging: {{protected: false, kubernetes: {{kubeconfig: {folder}/kubeconfig}}}}
  prod: {{}}
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[ClusterShell]:
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made, SignalServer() as signals:
        found = ClusterShell(made, tmp_path, config=CONFIG.format(folder=tmp_path))
        found.environ.update({"PROMETHEUS_URL": signals.url, "CAD_CONSOLE_ENVIRONMENT": "staging"})
        yield found


def events(shell: ClusterShell, *kinds: str) -> tuple[Event, ...]:
    if not shell.journal.exists():
        return ()
    try:
        with Journal.open_to_read(shell.journal) as journal:
            return journal.events(kinds=kinds)
    except JournalError:  # a console is creating it
        return ()


def until(found: Callable[[], object], what: str, *, seconds: float = 40.0) -> None:
    ends = time.monotonic() + extend(seconds)
    while not found():
        assert time.monotonic() < ends, f"did not happen: {what}"
        time.sleep(0.05)


def kill_while_the_fault_is_in_place(shell: ClusterShell, limit: str) -> None:
    confirm = [word for each in WORDS for word in ("--confirm", each)]
    child = shell.start("drill", "run", "scale-to-zero", API, "--for", limit, "--yes", *confirm)
    assert child.stdout is not None
    lines: list[str] = []
    for line in child.stdout:
        lines.append(line)
        if "a drill: taken back at" in line:
            child.kill()
            child.communicate()
            assert shell.cluster.deployment(API).desired == 0
            return
    raise AssertionError(f"ended early:\n{''.join(lines)}\n{_complaint(child)}")


def _complaint(child: subprocess.Popen[str]) -> str:
    return child.communicate()[1]


def test_the_next_console_takes_the_fault_back_and_closes_the_drill(shell: ClusterShell) -> None:
    """What is left of the time limit passes; then the replicas are back, and the drill's end names who left it."""
    kill_while_the_fault_is_in_place(shell, "15s")
    with Terminal([PROGRAM], env=shell.environ, columns=160, rows=45) as second:
        second.wait_for("took over the guard of tester")
        until(lambda: events(shell, "drill.ended"), "an end of the drill")
    assert [item.data["result"] for item in events(shell, "guard.ended")] == ["rolled back"]
    (ended,) = events(shell, "drill.ended")
    assert ended.data["result"] == "taken back"
    assert f"ended during the drill scale-to-zero on deployment/{API}; its guard: rolled back" in ended.data["text"]
    assert shell.cluster.deployment(API).desired == 3
    assert shell.writes() == ["PATCH", "PATCH"]
    code, output, _ = shell.run("drill", "report", "--format", "json")
    assert '"seconds": null' in output or '"times": {}' in output, output
    assert code in (1, 2), "what nobody watched is no success"


def test_stop_takes_it_back_at_once(shell: ClusterShell) -> None:
    """Without a screen: the fault of an hour is taken back by `drill stop`, which also closes the drill; again there is nothing
    to do.
    """
    kill_while_the_fault_is_in_place(shell, "1h")
    code, output, complaint = shell.run("drill", "stop")
    assert code == 0, output + complaint
    assert "rolled back: a person stopped the drill" in output and "its guard: rolled back" in output
    assert shell.cluster.deployment(API).desired == 3
    assert shell.run("drill", "stop")[1] == "no drill is open that nobody runs\n"


def test_a_protected_environment_is_refused_on_the_command_line(shell: ClusterShell) -> None:
    """By its name, before anything is read; the list says so too."""
    shell.environ["CAD_CONSOLE_ENVIRONMENT"] = "prod"
    code, output, complaint = shell.run("drill", "run", "scale-to-zero", API, "--yes")
    assert (code, output) == (1, "") and "prod is protected: drills run only in environments" in complaint
    assert not shell.cluster.requests
    assert "prod is protected" in shell.run("drill", "list")[1]
