"""`act --guard` killed with SIGKILL while it counts down, on every cluster: the next console, a process of its own, takes the
change back on the cluster itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_fixture import Namespace
from console_shell import Shell, kill_at, until
from signal_server import METRIC, PANEL, SignalServer
from terminal import PROGRAM, Terminal

from console.journal.event import Event
from console.journal.sqlite import Journal

pytestmark = pytest.mark.slow
WORDS = ("self-check", "contract", "rules", "capacity", "freeze", "web")
"""Every word that a gate may ask for: the signals alone decide here."""


def read_events(shell: Shell, kind: str) -> tuple[Event, ...]:
    with Journal.open_to_read(shell.journal) as journal:
        return journal.events(kinds=(kind,))


def test_the_next_console_takes_back_what_a_killed_one_guarded(ns: Namespace, tmp_path: Path) -> None:
    """The announced roll-back of a console that is gone is sent once, by the console that took the guard over."""
    ns.add(replicas=2)
    ns.rolled_out()
    before = ns.get(ns.deployments("web"))["spec"]["template"]
    with SignalServer() as signals:
        (tmp_path / "panels.yaml").write_text(PANEL)
        shell = Shell(ns, tmp_path, config=f"refresh: {{every: 0.5}}\npanels: {tmp_path / 'panels.yaml'}\n")
        shell.environ["PROMETHEUS_URL"] = signals.url
        place = ("--namespace", ns.name)
        confirm = [word for each in WORDS for word in ("--confirm", each)]
        guard = ("--guard", "60s", "--signals", METRIC, "--hold", "60s", "--countdown", "3s")
        words = ("act", "image", "deployment/web", "--image", ":2", "--yes", *confirm, *guard)

        def worsen(line: str) -> None:
            if "done in " in line:
                signals.value = 8.0

        kill_at(shell.start(*place, *words), "rolls back in 3s", meanwhile=worsen)
        assert ns.get(ns.deployments("web"))["spec"]["template"] != before
        with Terminal([PROGRAM, *place], env=shell.environ, columns=160, rows=45) as second:
            second.wait_for("took over the guard of tester")
            until(lambda: read_events(shell, "guard.ended"), "an end of the guard")
    assert [item.data["result"] for item in read_events(shell, "guard.ended")] == ["rolled back"]
    assert ns.get(ns.deployments("web"))["spec"]["template"] == before
    assert [item.data["outcome"] for item in read_events(shell, "action.outcome")] == ["done", "done"]
