"""`act --guard` killed with SIGKILL in each of its stages, on every cluster: a second console, a process of its own on the same
host, finishes what can be finished and names the rest.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_fixture import Namespace
from console_shell import kill_at, until
from fake_kubelet import NEVER_READY
from killed_console import TARGET, Site, open_site
from signal_server import METRIC

pytestmark = pytest.mark.slow  # two consoles each
WATCHING = "done in "
"""From this line on its guard only watches."""
IMAGE = "registry.example.com/web"


@pytest.fixture
def site(ns: Namespace, tmp_path: Path) -> Iterator[Site]:
    with open_site(ns, tmp_path) as opened:
        yield opened


def act(site: Site, *, watch: str = "60s", countdown: str = "60s", image: str = ":2") -> subprocess.Popen[str]:
    guard = ("--guard", watch, "--signals", METRIC, "--hold", "60s", "--countdown", countdown)
    return site.start("act", "image", TARGET, "--image", image, *guard)


def worsen(site: Site, line: str) -> None:
    if WATCHING in line:
        site.signals.value = 8.0


def test_killed_while_the_gates_are_read(site: Site) -> None:
    """Nothing was journalled and nothing was sent: there is nothing to name."""
    kill_at(act(site), "checking, nothing is sent yet")
    assert site.events("action.intent", "guard.started") == () and site.changes() == 0
    with site.second() as second:
        second.wait_for("web")
        assert "UNGUARDED" not in second.text


def test_killed_while_the_change_is_sent(site: Site) -> None:
    """The server took it and nobody heard: the second console finds the change in place, and watches it to its end."""
    site.kill_when_sent(act(site, watch="5s"), 1)
    assert site.spec() != site.before
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        end = site.end("guard.ended")
    assert end.data["result"] == "kept", end.data["text"]
    assert site.spec() != site.before and site.changes() == 1


def test_killed_while_the_rollout_goes_on(site: Site) -> None:
    """A release whose pods never become ready: the second console rolls it back once its signal is bad."""
    kill_at(act(site, image=f":{NEVER_READY}", countdown="1s"), "of 2 new pods created")
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        site.signals.value = 8.0
        end = site.end("guard.ended")
    assert end.data["result"] == "rolled back", end.data["text"]
    assert site.spec() == site.before and site.changes() == 2


def test_killed_while_it_watches(site: Site) -> None:
    """The second console watches on, and keeps the change when the time is up."""
    kill_at(act(site, watch="12s"), WATCHING)
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        end = site.end("guard.ended")
    assert end.data["result"] == "kept", end.data["text"]
    assert site.spec() != site.before and site.changes() == 1


def test_killed_while_it_holds(site: Site) -> None:
    """The signal is unknown when the second console takes over, and gets worse: it rolls the change back itself."""

    def lose(line: str) -> None:
        if WATCHING in line:
            site.signals.value = None

    kill_at(act(site, countdown="1s"), "holding, rolls back in", meanwhile=lose)
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        site.signals.value = 8.0
        end = site.end("guard.ended")
    assert end.data["result"] == "rolled back", end.data["text"]
    assert site.spec() == site.before and site.changes() == 2


def test_killed_while_it_counts_down(site: Site) -> None:
    """The second console counts down again and rolls the change back: once."""
    kill_at(act(site, countdown="3s"), "rolls back in 3s", meanwhile=lambda line: worsen(site, line))
    assert site.spec() != site.before
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        end = site.end("guard.ended")
    assert end.data["result"] == "rolled back", end.data["text"]
    assert len(site.events("guard.announced")) == 2
    assert site.spec() == site.before and site.changes() == 2


def test_killed_while_the_roll_back_is_sent(site: Site) -> None:
    """The server took it and nobody heard: the second console finds the state from before, and sends no second roll-back."""
    child = act(site, countdown="0s")

    def steer() -> None:
        until(lambda: site.events("guard.verdict"), "a verdict")
        site.signals.value = 8.0

    steering = threading.Thread(target=steer)
    steering.start()
    site.kill_when_sent(child, 2)
    steering.join()
    with site.second() as second:
        end = site.end("guard.ended")
        second.wait_for("outcome unknown")  # of the roll-back's own run
    assert end.data["result"] == "rolled back", end.data["text"]
    assert site.spec() == site.before and site.changes() == 2


@pytest.mark.parametrize(("fails", "code"), [(False, 4), (True, 5)])
def test_the_exit_code_tells_how_the_roll_back_ended(site: Site, fails: bool, code: int) -> None:
    """Not killed: rolled back is 4, and a roll-back that the server rejects is 5, loudest, with what to run by hand."""
    if fails:
        site.reject_change(2)
    child = act(site, countdown="0s")
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        worsen(site, line)
    child.communicate()
    assert child.returncode == code, "".join(lines)
    assert (site.spec() == site.before) is not fails
    word = "ROLLBACK FAILED: Drawing errors 8.0" if fails else "rolled back: Drawing errors 8.0"
    assert word in lines[-1], lines[-1]
