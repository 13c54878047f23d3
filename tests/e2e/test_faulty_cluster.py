"""Kubeconfigs, credential plugins and API servers that do not work, in front of the real program."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_server import GOOD, FaultyServer, faulty_server
from limits import extend
from real_program import Bench, platform
from steerable_cluster import SteerableCluster

PROMPT = "PASSWORD PLEASE"


@pytest.fixture(scope="module")
def good() -> Iterator[FaultyServer]:
    with faulty_server(platform()) as server:
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(anonymous=False)
    made.seed()
    with made:
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def kubeconfig(bench: Bench, server: str, user: dict[str, Any], *, current: str = "here") -> str:
    number = len(list(bench.home.glob("kube-*.json")))
    path = bench.home / f"kube-{number}.json"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return str(path)


def plugin(bench: Bench, body: str) -> dict[str, Any]:
    number = len(list(bench.home.glob("plugin-*")))
    path = bench.home / f"plugin-{number}"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "interactiveMode": "IfAvailable"}
    return {"exec": command}


HANGS = "sleep 60"
PROMPTS = f"printf '\\033[2J{PROMPT}: ' > /dev/tty; printf '{PROMPT}: ' >&2; read answer < /dev/tty; echo $answer"


def test_what_is_wrong_with_the_cluster_is_named(bench: Bench, good: FaultyServer, cluster: SteerableCluster) -> None:
    """A dead or missing context, an expired token, plugins that hang, prompt or print garbage, faulty API servers: each is
    said in Kubernetes' state, Prometheus is as good as ever, and `status` ends in time with 3."""
    token = {"token": "t"}
    with faulty_server() as page, faulty_server() as broken, faulty_server() as silent, faulty_server() as shape:
        page.fault, broken.fault, silent.fault, shape.fault = "login page", "503", "silence", "wrong shape"
        wanted = {
            kubeconfig(bench, "http://127.0.0.1:1", token): ("down", "refuses connections"),
            kubeconfig(bench, cluster.url, token, current="gone"): ("down", "gone"),
            kubeconfig(bench, cluster.url, {"token": "expired"}): ("denied", "401"),
            kubeconfig(bench, cluster.url, plugin(bench, HANGS)): ("down", "returned no credential within 8s"),
            kubeconfig(bench, cluster.url, plugin(bench, PROMPTS)): ("denied", "plugin"),
            kubeconfig(bench, cluster.url, plugin(bench, "echo '{\"kind\": [31mgarbage'")): ("denied", "plugin"),
            kubeconfig(bench, page.url, token): ("denied", "log-in page"),
            kubeconfig(bench, broken.url, token): ("down", "503"),
            kubeconfig(bench, silent.url, token): ("down", "within 5s"),
            kubeconfig(bench, shape.url, token): ("down", "not in Kubernetes' format"),
        }
        commands = [
            ("status", "--format", "json", "--config", str(bench.config(good.url, kubeconfig=path, timeout=5.0)))
            for path in wanted
        ]
        ran = bench.run_all(*commands)
    assert len(ran) == len(wanted)  # contexts that share a path would hide one another
    for (path, (state, words)), result in zip(wanted.items(), ran, strict=True):
        sources = result.told["sources"]
        told = (Path(path).read_text(), sources["kubernetes"])
        assert result.err == "", told
        assert result.code == 3, told
        assert result.seconds < 25, told
        assert sources["kubernetes"]["state"] == state, told
        assert words in sources["kubernetes"]["error"], told
        assert sources["prometheus"]["state"] == "up", told


def test_a_plugin_that_hangs_holds_nothing_up(bench: Bench, good: FaultyServer, cluster: SteerableCluster) -> None:
    """The console opens at once, takes keys, and leaves at once; the plugin goes with it."""
    mark = bench.home / "pid"
    user = plugin(bench, f"echo $$ > {mark}\n{HANGS}")
    begun = time.monotonic()
    with bench.terminal(bench.config(good.url, kubeconfig=kubeconfig(bench, cluster.url, user))) as terminal:
        terminal.wait_for("Error ratio", "prom ok")
        assert time.monotonic() - begun < extend(3.0)
        terminal.send("7")
        terminal.wait_for("Sources", "kubernetes", "no answer yet", seconds=2)
        deadline = time.monotonic() + 5
        while not mark.exists() and time.monotonic() < deadline:
            terminal.pump(0.1)
        terminal.send("q")
        assert terminal.wait_exit(seconds=3) == 0
    assert not Path(f"/proc/{mark.read_text().strip()}").exists()


def test_a_plugin_that_prompts_gets_no_terminal(bench: Bench, good: FaultyServer, cluster: SteerableCluster) -> None:
    """Its prompt never reaches the screen, it is named, and a plugin that is mended is used without a restart."""
    user = plugin(bench, PROMPTS)
    config = bench.config(good.url, kubeconfig=kubeconfig(bench, cluster.url, user))
    with bench.terminal(config, columns=140, rows=40) as terminal:
        terminal.wait_for("Error ratio", "prom ok")
        terminal.send("7")
        terminal.wait_for("Sources", "kubernetes DENIED", "plugin")
        assert b"\x1b[2J" + PROMPT.encode() not in terminal.received
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": cluster.token},
        }
        Path(user["exec"]["command"]).write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
        terminal.wait_for("kubernetes ok", seconds=15)


def test_a_kubeconfig_that_is_not_there_is_a_config_error(bench: Bench, good: FaultyServer) -> None:
    """Where the config names a kubeconfig that does not exist: one line with file and key, exit code 2."""
    config = bench.config(good.url, kubeconfig=str(bench.home / "nowhere"))
    (ran,) = bench.run_all(("status", "--config", str(config)))
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert "kubeconfig" in ran.err and "nowhere" in ran.err and str(config) in ran.err


def test_a_cluster_that_fails_for_a_while_is_followed_again(bench: Bench, good: FaultyServer) -> None:
    """An API server that only breaks is asked ever less often, and is used again when it is good."""
    with faulty_server() as server:
        server.fault = "503"
        config = bench.config(good.url, kubeconfig=kubeconfig(bench, server.url, {"token": "t"}), backoff_cap=2.0)
        with bench.terminal(config, columns=140, rows=40) as terminal:
            terminal.wait_for("kubernetes DOWN", "prom ok")
            terminal.pump(2.5)
            lists = len({path for _, path in server.arrivals})
            assert len(server.arrivals) <= lists * 5, server.arrivals  # each at 0, 0.5, 1.5, 3.5 s
            server.fault = GOOD  # 404 for every path of this API: still no cluster, said in other words
            terminal.send("7")
            terminal.wait_for("404", seconds=8)
