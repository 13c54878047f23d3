"""The real program, at a real terminal, in front of real servers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from terminal import PROGRAM, Terminal

from console.demo.server_args import launch_alertmanager, launch_prometheus
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack

pytestmark = pytest.mark.servers

ENTER = "\r"
ESCAPE = "\x1b"
PAGE_DOWN = "\x1b[6~"
HOME = "\x1b[H"
LEAVES_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"


def test_a_night_at_the_keyboard(bad_deploy: DemoStack, open_console: Callable[..., Terminal]) -> None:
    """Alert, runbook, rollback with a preview, proof and journal: one person, nothing but the keyboard, 80x24."""
    terminal = open_console(bad_deploy)
    screen = terminal.wait_for("CRIT", "Error ratio", "P1 CRIT HighErrorRate", "high-error-rate", "roll back")
    assert "ACTING" in screen and "P1:1" in screen

    terminal.send(HOME)  # the cursor began on what was worst when the sources first answered
    terminal.send("b")
    terminal.wait_for("Platform error ratio is high")
    terminal.send(ESCAPE)
    terminal.wait_for("What changed")

    terminal.send("B")
    terminal.wait_for("Roll back deployment/cad-ml-api", "same as", "type 1 to confirm")
    terminal.send(12 * PAGE_DOWN)
    terminal.wait_for("rollout undo", "--to-revision=1")
    terminal.send(ENTER)  # the focus is on Cancel
    terminal.wait_for("nothing was sent")
    assert bad_deploy.cluster is not None
    state = bad_deploy.cluster.deployment("cad-ml-api")
    assert state is not None and state.image.endswith(":1.9.0")

    terminal.send("B")  # back on the overview; right after an escape it would be alt+B
    terminal.wait_for("Roll back deployment/cad-ml-api", "type 1 to confirm")
    terminal.send("1")  # no console was open while revision 1 ran: it asks
    terminal.send(ENTER)
    terminal.wait_for("[ Roll back ]")
    terminal.send(ENTER)
    terminal.wait_for("HighErrorRate resolved", seconds=60)
    state = bad_deploy.cluster.deployment("cad-ml-api")
    assert state is not None and state.image.endswith(":1.8.2")

    terminal.send(ESCAPE)
    terminal.wait_for("nothing fires")
    terminal.send("0c")  # how it looks against yesterday, on the key dashboards
    terminal.wait_for("Platform Overview", "vs yesterday", "yesterday 0.0", "Pods ready")
    terminal.send("n")
    terminal.wait_for("OCR Performance", "Provider timeouts", "no limit")
    terminal.send("q")
    assert terminal.wait_exit() == 0
    assert terminal.received.rfind(LEAVES_ALTERNATE_SCREEN) > terminal.received.rfind(b"\x1b[?1049h")

    (journal,) = Path(bad_deploy.addresses.folder).rglob("journal.sqlite3")
    assert journal.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(journal) as database:
        kinds = [kind for (kind,) in database.execute("select kind from events order by sequence")]
    assert kinds.count("action.intent") == 1
    assert kinds[-1] == "action.outcome"


def test_what_is_gone_is_named_and_comes_back(
    bad_deploy: DemoStack, servers: Servers, open_console: Callable[..., Terminal]
) -> None:
    """With each source killed in turn the rest stays live, the dead one is called so, and it recovers by itself."""
    terminal = open_console(bad_deploy, columns=160, rows=45)
    terminal.wait_for("P1 CRIT HighErrorRate", "prom ok", "alertmanager ok", "kubernetes ok", "api ok")
    folder = Path(bad_deploy.addresses.folder)

    bad_deploy.server("prometheus").kill()
    terminal.wait_for("prom DOWN", "STALE", "alertmanager ok", "kubernetes ok")
    port = urlsplit(bad_deploy.addresses.prometheus).port or 0
    again = launch_prometheus(servers, folder / "prometheus", port=port)
    try:
        terminal.wait_for("prom ok", "CRIT", "Error ratio", seconds=45)
        terminal.wait_gone("STALE")

        bad_deploy.server("alertmanager").kill()
        terminal.wait_for("alertmanager DOWN", "prom ok", "kubernetes ok")
        terminal.wait_for("HighErrorRate")  # Prometheus still knows it
        port = urlsplit(bad_deploy.addresses.alertmanager).port or 0
        another = launch_alertmanager(servers, folder / "alertmanager", port=port)
        try:
            terminal.wait_for("alertmanager ok", "P1 CRIT HighErrorRate", seconds=60)

            assert bad_deploy.cluster is not None
            port = urlsplit(bad_deploy.cluster.url).port or 0
            bad_deploy.cluster.stop()
            terminal.wait_for("kubernetes DOWN", "prom ok", "alertmanager ok")
            bad_deploy.cluster.start(port)
            terminal.wait_for("kubernetes ok", seconds=45)
        finally:
            another.stop()
    finally:
        again.stop()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_restores_the_terminal(
    number: signal.Signals, standing_deploy: DemoStack, open_console: Callable[..., Terminal]
) -> None:
    """SIGHUP and SIGTERM leave the alternate screen, show the cursor, and leave no traceback."""
    terminal = open_console(standing_deploy)
    terminal.wait_for("Error ratio", "CRIT")
    terminal.kill(number)
    terminal.wait_exit()
    assert terminal.received.rfind(LEAVES_ALTERNATE_SCREEN) > terminal.received.rfind(b"\x1b[?1049h")
    assert terminal.received.rfind(SHOWS_CURSOR) > terminal.received.rfind(b"\x1b[?25l")
    assert b"Traceback" not in terminal.received


def test_any_size_will_do(standing_deploy: DemoStack, open_console: Callable[..., Terminal]) -> None:
    """Resized to 20x5, to 300x100 and back to 80x24 while it runs, it draws the whole of the overview again."""
    terminal = open_console(standing_deploy)
    terminal.wait_for("P1 CRIT HighErrorRate")
    for columns, rows in [(20, 5), (300, 100), (80, 24)]:
        terminal.resize(columns, rows)
        terminal.pump(0.7)
    terminal.wait_for("P1 CRIT HighErrorRate", "What changed", "roll back")
    assert terminal.exit_code is None


def test_the_demo_says_that_its_servers_are_starting() -> None:
    """What the demo is just starting is not DOWN: the first seconds say so in words, until Prometheus answers."""
    with Terminal([PROGRAM, "demo", "--scenario", "calm"], env={**os.environ, "LANG": "C.UTF-8"}) as terminal:
        terminal.wait_for("prom starting Prometheus …", seconds=30)
        terminal.wait_for("prom ok", "alertmanager ok", seconds=60)
        assert b"DOWN" not in terminal.received and b"refused" not in terminal.received
        terminal.send("q")
        assert terminal.wait_exit() == 0


def test_nothing_is_left_behind_after_kill_9(tmp_path: Path, open_console: Callable[..., Terminal]) -> None:
    """`cad-console demo` killed with -9: no server and no folder of it is there two seconds later."""
    env = {**os.environ, "TMPDIR": str(tmp_path), "LANG": "C.UTF-8"}
    with Terminal([PROGRAM, "demo", "--scenario", "calm"], env=env) as terminal:
        terminal.wait_for("prom ok", "Error ratio", seconds=60)
        assert list(tmp_path.iterdir())
        terminal.kill(signal.SIGKILL)
        terminal.wait_exit()
    deadline = time.monotonic() + 4
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in running


def test_a_broken_config_starts_nothing(tmp_path: Path) -> None:
    """An unknown key: one line with file, line and key, exit code 2, and not one escape sequence."""
    config = tmp_path / "config.yaml"
    config.write_text("refresh: 5\nthreshold: {}\n")
    with Terminal([PROGRAM, "--config", str(config)], env={**os.environ, "HOME": str(tmp_path)}) as terminal:
        assert terminal.wait_exit() == 2
        text = " ".join(terminal.text.split())
        assert "config.yaml:2" in "".join(terminal.text.split("\n")) and "threshold" in text
        assert b"\x1b[?1049h" not in terminal.received
