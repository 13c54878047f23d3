"""`act --guard` killed with SIGKILL in each of its stages: a second console, a process of its own on the same host, finishes
what can be finished and names the rest.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_shell import ClusterShell, kill_at, until
from limits import extend
from signal_server import METRIC, PANEL, SignalServer
from steerable_cluster import SteerableCluster
from terminal import PROGRAM, Terminal

from console.demo.cluster import PodTimings
from console.demo.cluster.request import HttpRequest
from console.journal.event import Event
from console.journal.sqlite import Journal, JournalError

pytestmark = pytest.mark.slow  # two consoles each
API = "cad-ml-api"
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
WORDS = ("self-check", "contract", "rules", "capacity", "freeze", API)
"""Every word that a gate may ask for: the signals alone decide here."""
WATCHING = "done in "
"""From this line on its guard only watches."""


class Site:
    """A cluster, a metric, and consoles that share one journal."""

    def __init__(self, shell: ClusterShell, signals: SignalServer) -> None:
        self.shell, self.signals = shell, signals
        self.before = self.image()

    def image(self) -> str:
        (found,) = [item for item in self.shell.cluster.objects("deployments") if item["metadata"]["name"] == API]
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def start(self, *, watch: str = "60s", countdown: str = "60s") -> subprocess.Popen[str]:
        confirm = [word for each in WORDS for word in ("--confirm", each)]
        guard = ("--guard", watch, "--signals", METRIC, "--hold", "60s", "--countdown", countdown)
        return self.shell.start("act", "image", f"deployment/{API}", "--image", ":1.8.3", "--yes", *confirm, *guard)

    def events(self, *kinds: str) -> tuple[Event, ...]:
        if not self.shell.journal.exists():
            return ()
        try:
            with Journal.open_to_read(self.shell.journal) as journal:
                return journal.events(kinds=kinds)
        except JournalError:  # a console is creating it
            return ()

    def second(self) -> Terminal:
        return Terminal([PROGRAM], env=self.shell.environ, columns=160, rows=45)

    def image_patches(self) -> int:
        return sum(_is_change(item) for item in self.shell.cluster.requests)


def _is_change(request: HttpRequest) -> bool:
    return request.method == "PATCH" and request.path.endswith(f"/deployments/{API}") and "dryRun" not in dict(request.query)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made, SignalServer() as signals:
        (tmp_path / "panels.yaml").write_text(PANEL)
        config = f"refresh: {{every: 0.5, settle: {{hpa: 0}}}}\npanels: {tmp_path / 'panels.yaml'}\n"
        shell = ClusterShell(made, tmp_path, config=config)
        shell.environ["PROMETHEUS_URL"] = signals.url
        yield Site(shell, signals)


def kill_when_sent(site: Site, child: subprocess.Popen[str], number: int) -> None:
    """Kills it between its request of this number that changes the image and the server's answer."""
    seen, killed = [0], threading.Event()

    def on_request(item: HttpRequest) -> None:
        seen[0] += _is_change(item)
        if seen[0] == number and not killed.is_set():
            killed.set()
            child.kill()
            child.wait()

    site.shell.cluster.on_request(on_request)
    _, complaint = child.communicate(timeout=extend(60.0))
    assert killed.is_set() and child.returncode == -9, complaint
    site.shell.cluster.on_request(None)


def test_killed_while_the_gates_are_read(site: Site) -> None:
    """Nothing was journalled and nothing was sent: there is nothing to name."""
    kill_at(site.start(), "checking, nothing is sent yet")
    assert site.events("action.intent", "guard.started") == () and site.image_patches() == 0
    with site.second() as second:
        second.wait_for(API)
        assert "UNGUARDED" not in second.text


def test_killed_while_the_change_is_sent(site: Site) -> None:
    """Nobody knows whether the server took it: the second console says so, with what takes it back, and sends nothing."""
    kill_when_sent(site, site.start(), 1)
    with site.second() as second:
        until(lambda: site.events("guard.ended"), "an end of the guard")
        second.wait_for("outcome unknown")
    (ended,) = site.events("guard.ended")
    assert ended.data["result"] == "unknown"
    assert ended.data["text"].startswith("UNGUARDED: the console of tester")
    assert f"take it back by hand: image deployment/{API} --container {API} --image {site.before}" in ended.data["text"]
    assert site.image_patches() == 1


def test_killed_while_it_watches(site: Site) -> None:
    """The second console watches on, and keeps the change when the time is up."""
    kill_at(site.start(watch="12s"), WATCHING)
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        until(lambda: site.events("guard.ended"), "an end of the guard")
    (ended,) = site.events("guard.ended")
    assert ended.data["result"] == "kept", ended.data["text"]
    assert site.image().endswith(":1.8.3") and site.image_patches() == 1


def test_killed_while_it_holds(site: Site) -> None:
    """The signal is unknown when the second console takes over, and gets worse: it takes the change back itself."""

    def lose(line: str) -> None:
        if WATCHING in line:
            site.signals.value = None

    kill_at(site.start(countdown="1s"), "holding, rolls back in", meanwhile=lose)
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        site.signals.value = 8.0
        until(lambda: site.events("guard.ended"), "an end of the guard")
    assert [item.data["result"] for item in site.events("guard.ended")] == ["rolled back"]
    assert site.image() == site.before and site.image_patches() == 2


def test_killed_while_it_counts_down(site: Site) -> None:
    """The second console counts down again and takes the change back: once."""

    def worsen(line: str) -> None:
        if WATCHING in line:
            site.signals.value = 8.0

    kill_at(site.start(countdown="3s"), "rolls back in 3s", meanwhile=worsen)
    assert site.image().endswith(":1.8.3")
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        until(lambda: site.events("guard.ended"), "an end of the guard")
    assert [item.data["result"] for item in site.events("guard.ended")] == ["rolled back"]
    assert len(site.events("guard.announced")) == 2
    assert site.image() == site.before and site.image_patches() == 2


def test_killed_while_the_roll_back_is_sent(site: Site) -> None:
    """The server took it and nobody heard: the second console finds the state from before, and sends no second roll-back."""
    child = site.start(countdown="0s")

    def worsen() -> None:
        until(lambda: site.events("guard.verdict"), "a verdict")
        site.signals.value = 8.0

    steering = threading.Thread(target=worsen)
    steering.start()
    kill_when_sent(site, child, 2)
    steering.join()
    with site.second() as second:
        until(lambda: site.events("guard.ended"), "an end of the guard")
        second.wait_for("outcome unknown")  # of the roll-back's own run
    (ended,) = site.events("guard.ended")
    assert ended.data["result"] == "rolled back", ended.data["text"]
    assert site.image() == site.before and site.image_patches() == 2


@pytest.mark.parametrize(("fails", "code"), [(False, 4), (True, 5)])
def test_the_exit_code_tells_how_the_roll_back_ended(site: Site, fails: bool, code: int) -> None:
    """Not killed: rolled back is 4, and a roll-back that the server rejects is 5, loudest, with what to run by hand."""
    sent = [0]

    def on_request(item: HttpRequest) -> None:
        sent[0] += _is_change(item)
        if fails and sent[0] == 2 and _is_change(item):
            site.shell.cluster.fail_next(422)

    site.shell.cluster.on_request(on_request)
    child = site.start(countdown="0s")
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if WATCHING in line:
            site.signals.value = 8.0
    child.communicate()
    assert child.returncode == code, "".join(lines)
    assert (site.image() == site.before) is not fails
    word = "ROLLBACK FAILED: Drawing errors 8.0" if fails else "rolled back: Drawing errors 8.0"
    assert word in lines[-1], lines[-1]
