"""A shared store that is gone while a guard runs, on every cluster: it holds, says so, and acts once the store is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_fixture import Namespace
from console_shell import until
from fault_proxy import Answer, Exchange, Fault
from killed_console import CONFIG, TARGET, Site, open_site
from signal_server import METRIC

pytestmark = pytest.mark.slow
GONE = Answer(503, "Service Unavailable", (("Content-Type", "text/plain"),), b"no\n")


@pytest.fixture
def site(ns: Namespace, tmp_path: Path) -> Iterator[Site]:
    with open_site(ns, tmp_path, config=f"{CONFIG}    store: {{{{kubernetes: {{{{namespace: {ns.name}}}}}}}}}\n") as opened:
        yield opened


def test_a_roll_back_waits_for_the_shared_store(site: Site) -> None:
    """Whether somebody else took the guard over is in the store alone: without it nothing is sent, however bad the signal is;
    with it again the change is rolled back.
    """

    async def refuse(exchange: Exchange) -> bool:
        await exchange.send(GONE.raw())
        return True

    guard = ("--guard", "60s", "--signals", METRIC, "--hold", "60s", "--countdown", "0s")
    child = site.start("act", "image", TARGET, "--image", ":2", *guard)
    assert child.stdout is not None
    lines, held = [], False
    for line in child.stdout:
        lines.append(line)
        if "done in " in line and not held:
            until(lambda: "guard.watching" in stored(site), "the guard's events in the shared store")
            site.proxy.use(Fault("gone", refuse, only=lambda exchange: "/configmaps" in exchange.target, cut=True))
            site.signals.value = 8.0
        if "holds, nothing is sent: cannot check who runs this guard" in line and not held:
            held = True
            assert site.changes() == 1
            site.proxy.use(None)
    _, complaint = child.communicate()
    assert held and child.returncode == 4, "".join(lines) + complaint
    assert site.spec() == site.before and site.changes() == 2
    assert "guard.ended" in stored(site)


def stored(site: Site) -> str:
    """All that the store has, as the server returns it."""
    return repr(site.ns.get(site.ns.maps())["items"])
