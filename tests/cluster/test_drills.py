"""`drill run` on every cluster: to its end, and killed with SIGKILL in each of its stages; then the next console, a process of
its own, rolls the fault back.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_server import CACHE, KEY, TOKEN, AdminServer, serve
from cluster_fixture import Namespace
from console_shell import kill_at, until
from killed_console import CONFIG, TARGET, Site, open_site
from limits import extend

pytestmark = pytest.mark.slow  # two consoles each
CALL = "call/cache-apply"
IN_PLACE = "a drill: rolled back at"
"""What `drill run` prints from the moment on that its fault is proved to be in place."""


@pytest.fixture
def platform() -> Iterator[AdminServer]:
    with serve() as made:
        yield made


@pytest.fixture
def site(ns: Namespace, platform: AdminServer, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "token").write_text(TOKEN)
    config = CONFIG + (
        f"    platform: {platform.url}\n"
        "    administration: {{api_key_file: {folder}/key, admin_token_file: {folder}/token}}\n"
    )
    with open_site(ns, tmp_path, config=config) as opened:
        yield opened


def drill(site: Site, name: str, limit: str, target: str = TARGET) -> subprocess.Popen[str]:
    return site.start("drill", "run", name, target, "--for", limit, "--confirm", "cache-apply")


def run_to_its_end(site: Site, name: str, target: str = TARGET) -> dict[str, object]:
    """Its report, of a drill whose fault was rolled back when its time was up."""
    child = drill(site, name, "6s", target)
    output, complaint = child.communicate(timeout=extend(120.0))
    code, report, _ = site.shell.run("drill", "report", "--format", "json")
    found: dict[str, object] = json.loads(report)
    assert found["result"] == "rolled back", output + complaint
    assert "the time limit of 6s is over" in str(found["text"]) and str(found["text"]).endswith("healthy again"), output
    assert (child.returncode, code) == (2, 2), "what nobody saw fail is neither met nor missed"
    return found


def test_lowered_limits_are_put_back(site: Site) -> None:
    """`low-limits`: the limit is set, a request above it is lowered with it, and after the time both are as before."""
    resources = {"limits": {"memory": "256Mi"}, "requests": {"memory": "128Mi"}}
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "resources": resources}]}}}}
    site.ns.patch(site.ns.deployments("web"), change, "application/strategic-merge-patch+json")
    site.ns.rolled_out(revision=2)
    site.ns.quiet()
    before = site.spec()
    run_to_its_end(site, "low-limits")
    revisions = [item["spec"]["template"]["spec"]["containers"][0]["resources"] for item in site.ns.replica_sets()]
    assert {"limits": {"memory": "16Mi"}, "requests": {"memory": "16Mi"}} in revisions
    assert site.spec() == before and site.changes() == 2


def test_a_small_cache_is_enlarged_again(site: Site, platform: AdminServer) -> None:
    """`small-cache`: one call leaves one entry, another one brings the values of before back; the cluster gets no change."""
    run_to_its_end(site, "small-cache", CALL)
    sent = [(path, body["capacity"]) for _, path, _, body in platform.writes]
    assert [path for path, _ in sent] == [f"{CACHE}/apply"] * 2
    assert sent[0][1] == 1 and sent[1][1] > 1
    assert site.changes() == 0


def test_killed_at_its_preview(site: Site) -> None:
    """Nothing was journalled and nothing was sent."""
    kill_at(drill(site, "scale-to-zero", "30s"), "checking, nothing is sent yet")
    assert site.events("drill.started", "guard.started") == () and site.changes() == 0


def test_killed_before_its_fault(site: Site) -> None:
    """The drill is journalled, its fault was not sent: the next console closes the record, and changes nothing."""
    kill_at(drill(site, "scale-to-zero", "30s"), "intent journalled as")
    with site.second():
        end = site.end("drill.ended")
    assert "ended during the drill scale-to-zero" in end.data["text"]
    assert site.spec() == site.before and site.changes() == 0


def test_killed_while_its_fault_is_sent(site: Site) -> None:
    """The server took it and nobody heard: the next console finds it in place, and rolls it back when the time is up."""
    site.kill_when_sent(drill(site, "scale-to-zero", "12s"), 1)
    assert site.spec()["replicas"] == 0
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        end = site.end("drill.ended")
    assert [item.data["result"] for item in site.events("guard.ended")] == ["rolled back"]
    assert end.data["result"] == "rolled back", end.data["text"]
    assert site.spec() == site.before and site.changes() == 2


@pytest.mark.parametrize("name", ["scale-to-zero", "low-limits", "bad-image"])
def test_killed_while_its_fault_is_in_place(site: Site, name: str) -> None:
    """What is left of the time limit passes; then the fault is gone, and the drill's end names who left it."""
    kill_at(drill(site, name, "15s"), IN_PLACE)
    assert site.spec() != site.before
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        end = site.end("drill.ended")
    assert [item.data["result"] for item in site.events("guard.ended")] == ["rolled back"]
    assert end.data["result"] == "rolled back"
    assert f"ended during the drill {name} on {TARGET}; its guard: rolled back" in end.data["text"]
    assert site.spec() == site.before and site.changes() == 2
    code, output, _ = site.shell.run("drill", "report", "--format", "json")
    assert '"seconds": null' in output or '"times": {}' in output, output
    assert code in (1, 2), "what nobody watched is no success"


def test_a_small_cache_of_a_killed_console_is_enlarged_again(site: Site, platform: AdminServer) -> None:
    """The call is rolled back by itself with the values of before, as the preview said."""
    kill_at(drill(site, "small-cache", "15s", CALL), IN_PLACE)
    assert len(platform.writes) == 1
    with site.second() as second:
        second.wait_for("took over the guard of tester")
        end = site.end("drill.ended")
    assert end.data["result"] == "rolled back", end.data["text"]
    assert [body["capacity"] > 1 for _, _, _, body in platform.writes] == [False, True]


def test_killed_while_it_is_rolled_back(site: Site) -> None:
    """The undo arrived and nobody heard: the next console sees that, and sends no second one."""
    site.kill_when_sent(drill(site, "scale-to-zero", "5s"), 2)
    with site.second():
        end = site.end("drill.ended")
    assert [item.data["result"] for item in site.events("guard.ended")] == ["rolled back"]
    assert end.data["result"] == "rolled back", end.data["text"]
    assert site.spec() == site.before and site.changes() == 2


def test_stop_rolls_it_back_at_once(site: Site) -> None:
    """Without a screen: the fault of an hour is rolled back by `drill stop`, which also closes the drill; again there is
    nothing to do.
    """
    kill_at(drill(site, "scale-to-zero", "1h"), IN_PLACE)
    code, output, complaint = site.shell.run("drill", "stop", "--namespace", site.ns.name)
    assert code == 0, output + complaint
    assert "rolled back: a person stopped the drill" in output and "its guard: rolled back" in output
    until(lambda: site.spec() == site.before, "the replicas of before")
    output = site.shell.run("drill", "stop", "--namespace", site.ns.name)[1]
    assert output == "nothing to roll back: no orphaned drills\n"
