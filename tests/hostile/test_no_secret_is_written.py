"""Canaries in everything that can be configured, and a search for them in everything that the program writes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from action_bench import QUICK, quiet
from fault_proxy import Exchange, Fault, ProxyHouse
from steerable_cluster import SteerableCluster
from terminal import PROGRAM, Terminal
from told_platform import ToldPlatform, told_platform
from wire_faults import answers

API = "cad-ml-api"
ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": "HighErrorRate", "severity": "critical", "component": "platform"},
    "annotations": {"summary": "errors"},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2036-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "receivers": [{"name": "pager"}],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}


@dataclass
class Planted:
    """The canaries by where they were put, and the files that hold them because the test wrote them."""

    home: Path
    canaries: dict[str, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)

    def canary(self, place: str) -> str:
        return self.canaries.setdefault(place, f"canary{len(self.canaries):02d}x{os.urandom(6).hex()}")

    def file(self, name: str, text: str, mode: int = 0o600) -> str:
        path = self.home / name
        path.write_text(text)
        path.chmod(mode)
        self.files.add(path)
        return str(path)

    def found_in(self, what: str, data: bytes) -> list[str]:
        """Where a canary stands in the data: as it is, or as basic auth is sent."""
        found = []
        for place, canary in self.canaries.items():
            shapes = [canary.encode(), *(base64.b64encode(f"{pad}{canary}".encode())[4:-4] for pad in ("", "a", "ab"))]
            found += [f"{place} in {what}" for shape in shapes if shape in data][:1]
        return found

    def written(self) -> list[str]:
        """What is in files that the program made: state, journal with its log, console.log, whatever else."""
        found = []
        for path in self.home.rglob("*"):
            if path.is_file() and path not in self.files:
                found += self.found_in(str(path.relative_to(self.home)), path.read_bytes())
        return found

    def environ(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "USER": "you", "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **more}


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(anonymous=False, timings=QUICK)
    made.seed()
    with made:
        yield made


@pytest.fixture
def platform(planted: Planted) -> Iterator[ToldPlatform]:
    """An Alertmanager tells its configuration, with webhooks, to whoever reads its status."""
    webhook = f"https://hooks.example/services/{planted.canary('webhook of Alertmanager')}"
    pages = {
        "/api/v2/alerts": [ALERT],
        "/api/v2/receivers": [{"name": "pager"}],
        "/api/v2/status": {"versionInfo": {"version": "0.28.0"}, "config": {"original": f"url: {webhook}"}},
        "/health": {"status": "healthy", "config": {"redis": planted.canary("the platform's own config")}},
    }
    with told_platform(pages=pages) as told:
        yield told


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


async def echo(exchange: Exchange) -> bool:
    """A server that puts everything that it was sent into its error message."""
    words = f"cannot serve {exchange.target}: " + " ".join(f"{name}={value}" for name, value in exchange.headers.items())
    return await answers("500 Internal Server Error", json.dumps({"error": words}), media="application/json")(exchange)


def configured(planted: Planted, urls: dict[str, str], kubeconfig: str) -> str:
    """Every way of giving a secret to an endpoint, each with a canary of its own."""
    canary = planted.canary
    token_file = planted.file("token", canary("credentials_file"))
    password_file = planted.file("password", canary("password_file"))
    in_url = urls["prometheus"].replace("http://", f"http://reader:{canary('basic auth in the URL')}@")
    header = {
        "X-Scope-Key": {"secrets": [canary("http_headers secrets")]},
        "X-Plain": {"values": [canary("http_headers values")]},
    }
    environment: dict[str, Any] = {
        "prometheus": {"url": in_url, "timeout": 2, "http_config": {"http_headers": header}},
        "alertmanager": [
            {"url": urls["alertmanager"], "http_config": {"authorization": {"credentials": canary("credentials")}}},
            {"url": urls["alertmanager"], "http_config": {"authorization": {"credentials_file": token_file}}},
            {"url": urls["alertmanager"], "timeout": 2, "http_config": {"proxy_url": f"http://p:{canary('proxy_url')}@127.0.0.1:9"}},
            {"url": urls["alertmanager"], "timeout": 2, "http_config": {"bearer_token": canary("bearer_token")}},
        ],
        "platform": {
            "url": urls["platform"],
            "timeout": 2,
            "http_config": {"basic_auth": {"username": "u", "password_file": password_file}},
        },
        "kubernetes": {"kubeconfig": kubeconfig, "timeout": 2},
        "grafana": f"http://g:{canary('grafana')}@grafana.example/",
        "store": {
            "postgresql": {
                "url": f"postgresql://j:{canary('store')}@127.0.0.1:9/j?passfile=/{canary('passfile of the store')}",
                "password_file": planted.file("store", canary("password_file of the store")),
            }
        },
        "loki": f"http://l:{canary('loki')}@loki.example/",
        "channels": {
            "chat": {"kind": "slack", "url": f"{urls['platform']}/services/{canary('path of a webhook')}", "timeout": 2},
            "hook": {"kind": "webhook", "url": f"{urls['platform']}/hook?key={canary('query of a webhook')}", "timeout": 2},
            "filed": {
                "kind": "webhook",
                "url_file": planted.file("hook", f"{urls['platform']}/h/{canary('url_file')}"),
                "timeout": 2,
            },
            "dead": {"kind": "webhook", "url": f"http://d:{canary('user of a webhook')}@127.0.0.1:9/x", "timeout": 2},
            "pager": {
                "kind": "pagerduty",
                "url": f"{urls['platform']}/v2/enqueue",
                "routing_key": canary("routing_key"),
                "timeout": 2,
            },
            "filed-pager": {
                "kind": "pagerduty",
                "url": f"{urls['platform']}/v2/enqueue",
                "routing_key_file": planted.file("routing", canary("routing_key_file")),
                "timeout": 2,
            },
        },
    }  # fmt: skip
    document = {"default_environment": "e", "environments": {"e": environment}, "refresh": {"every": 0.5}}
    return planted.file(f"config-{len(planted.files)}.yaml", json.dumps(document))


def kubeconfig(planted: Planted, server: str, user: dict[str, Any]) -> str:
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "users": [{"name": "x", "user": user}],
    }
    return planted.file(f"kube-{len(planted.files)}", json.dumps(document))


def second_release(planted: Planted, cluster: SteerableCluster) -> None:
    """A rollout whose template has secrets written out, so that a rollback has them in its preview."""
    env = [
        {"name": "API_TOKEN", "value": planted.canary("env API_TOKEN")},
        {"name": "OPENAI_API_KEY", "value": planted.canary("env OPENAI_API_KEY")},
        {"name": "DATABASE_URL", "value": f"postgres://cad:{planted.canary('env DATABASE_URL')}@db:5432/cad"},
        {"name": "NOTIFY", "value": f"https://hooks.example.com/services/{planted.canary('env with a webhook')}"},
        {"name": "JAVA_OPTS", "value": f"-Xmx1g -Ddb.password={planted.canary('env with an option')}"},
        {"name": "LOG_LEVEL", "value": "DEBUG"},
    ]
    container = {
        "name": API,
        "image": "registry.example.com/cad-ml/api:1.9.0",
        "env": env,
        "args": ["--serve", f"--db-password={planted.canary('argument')}"],
    }
    annotations = {"kubernetes.io/change-cause": "ci: release 1.9.0"}
    template = {"metadata": {"annotations": {"vault-token": planted.canary("annotation")}}, "spec": {"containers": [container]}}
    cluster.patch("deployments", API, {"metadata": {"annotations": annotations}, "spec": {"template": template}})
    quiet(cluster)


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("status", "--format", "json"),
    ("status", "--format", "markdown"),
    ("check", "--strict"),
    ("check", "--format", "json"),
    ("check", "--format", "junit"),
    ("doctor",),
    ("alerts",),
    ("runbook", "high-error-rate"),
    ("demo", "--nonsense"),
)
DRY_RUN = ("act", "rollback", f"deployment/{API}", "--dry-run")
ROLLBACK = ("act", "rollback", f"deployment/{API}", "--yes", "--confirm", "1", "--cause", "a test")
CHANNELS = ("chat", "hook", "filed", "dead", "pager", "filed-pager")
SENDING = tuple(word for name in CHANNELS for word in ("--send", name))
INCIDENT = (
    ("incident", "declare", "errors", "--severity", "P1"),
    ("incident", "update", "--text", "we look at it", "--yes", *SENDING),
    ("incident", "show"),
    ("incident", "show", "--format", "json"),
    ("incident", "report"),
)
JOURNAL = (("journal",), ("journal", "--format", "json"), DRY_RUN)


def run_all(planted: Planted, config: str, commands: Sequence[tuple[str, ...]], **environ: str) -> list[str]:
    """Beside each other, and where a canary came out."""
    with ThreadPoolExecutor(4) as hands:
        results = list(hands.map(lambda words: run(planted, config, words, **environ), commands))
    return [place for _, found in results for place in found]


def run(planted: Planted, config: str, words: tuple[str, ...], **environ: str) -> tuple[int, list[str]]:
    process = subprocess.run(
        [PROGRAM, *words, "--config", config],
        env=planted.environ(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    told = f"{' '.join(words)}"
    assert process.stdout or process.stderr, told
    assert b"Traceback" not in process.stderr, process.stderr.decode()
    return process.returncode, planted.found_in(f"stdout of {told}", process.stdout) + planted.found_in(
        f"stderr of {told}", process.stderr
    )


def look_everywhere(planted: Planted, config: str) -> list[str]:
    """Every screen, the preview of a rollback, an action declined, and the end, in a pseudo-terminal."""
    with Terminal([PROGRAM, "--config", config], env=planted.environ(), columns=160, rows=45) as terminal:
        terminal.wait_for("Error ratio", seconds=10)
        for keys in ("2", "\r", "\x1b", "3", "\r", "\x1b", "4", "5", "6", "7", "8", "9", "?", "\x1b", "1", "\x0c"):
            terminal.send(keys)
            terminal.pump(0.4)
        terminal.pump(1.5)
        terminal.send("\r")
        terminal.pump(0.5)
        terminal.send("\x1b")
        terminal.pump(0.3)
        terminal.send("q")
        terminal.pump(1.0)
        assert b"Traceback" not in terminal.received
        return planted.found_in("the terminal", bytes(terminal.received))


@pytest.mark.servers
def test_no_command_and_no_screen_writes_a_secret(planted: Planted, platform: ToldPlatform, cluster: SteerableCluster) -> None:
    """All of it works, on good servers: commands, an action that is carried out, the console, the journal, the log."""
    second_release(planted, cluster)
    status = {"token": cluster.token}
    planted.canaries["exec plugin"] = cluster.token
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    plugin = planted.file("plugin", f"#!/bin/sh\necho '{json.dumps(answer)}'\n", mode=0o700)
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": plugin,
        "interactiveMode": "Never",
        "env": [{"name": "CLIENT_SECRET", "value": planted.canary("env of the exec plugin")}],
    }
    urls = dict.fromkeys(("prometheus", "alertmanager", "platform"), platform.url)
    config = configured(planted, urls, kubeconfig(planted, cluster.url, {"exec": spec}))
    found: list[str] = look_everywhere(planted, config)
    preview = subprocess.run([PROGRAM, *DRY_RUN, "--config", config], env=planted.environ(), capture_output=True, check=True)
    assert preview.stdout.count(b"(hidden ") >= 6  # what is kept back is there to be kept back
    found += run_all(planted, config, COMMANDS)
    code, more = run(planted, config, ROLLBACK)
    assert code == 0
    codes = []
    for words in INCIDENT:
        code, leaks = run(planted, config, words)
        codes.append(code)
        more += leaks
    assert codes[0] == codes[2] == codes[3] == codes[4] == 0
    found += more + run_all(planted, config, JOURNAL)
    assert found + planted.written() == []
    assert (planted.home / ".local/state/cad-console/journal.sqlite3").exists()


@pytest.mark.servers
def test_no_secret_comes_back_from_servers_that_echo_it(
    planted: Planted, platform: ToldPlatform, cluster: SteerableCluster
) -> None:
    """Servers that repeat our headers in their errors, a token that is refused, a plugin that prints its token as garbage."""
    with ProxyHouse() as house:
        proxy, api_server = house.proxy(platform.url), house.proxy(cluster.url)
        proxy.use(Fault("echo", echo))
        api_server.use(Fault("echo", echo))
        urls = dict.fromkeys(("prometheus", "alertmanager", "platform"), proxy.url)
        forged = kubeconfig(planted, api_server.url, {"token": planted.canary("kubeconfig token")})
        garbage = planted.file(
            "garbage", f"#!/bin/sh\necho 'token {planted.canary('garbage of the exec plugin')}'\n", mode=0o700
        )
        spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": garbage, "interactiveMode": "Never"}
        plugin = kubeconfig(planted, api_server.url, {"exec": spec})
        found = []
        for config in (configured(planted, urls, forged), configured(planted, urls, plugin)):
            commands = (("status", "--format", "json"), ("status",), ("doctor",), ("check",), DRY_RUN)
            found += run_all(planted, config, commands)
        found += look_everywhere(planted, configured(planted, urls, forged))
        asked = len(proxy.asked)
        for words in INCIDENT:
            found += run(planted, configured(planted, urls, forged), words)[1]
        assert len(proxy.asked) >= asked + len(CHANNELS) - 1  # they were sent, and the echo came back
        assert any(item.fault == "echo" for item in proxy.asked)
    assert found + planted.written() == []


@pytest.mark.slow
def test_environment_variables_and_flags_are_no_leak(planted: Planted, platform: ToldPlatform) -> None:
    """User information in PROMETHEUS_URL and friends is shown nowhere, neither where it works nor where it is wrong."""
    good = platform.url.replace("http://", f"http://a:{planted.canary('URL in the environment')}@")
    bad = f"http://b:{planted.canary('URL of a dead server')}@127.0.0.1:9"
    wrong = f"htp://c:{planted.canary('URL that is none')}@x"
    config = planted.file("empty.yaml", "{}\n")
    found = []
    for url in (good, bad, wrong):
        told = {"PROMETHEUS_URL": url, "ALERTMANAGER_URL": url, "CAD_ML_API_URL": url}
        found += run_all(planted, config, (("status",), ("doctor",), ("check",)), **told)
    assert found + planted.written() == []


CRASHES = {
    "an ask that nobody foresaw": "queries.prometheus.client:Prometheus.panels",
    "the session": "console.monitor.session:Session.snapshot",
    "the board": "console.monitor.state_store:Board.apply",
    "a screen": "console.screens.overview:Overview.on_mount",
}


@pytest.mark.servers
@pytest.mark.parametrize("place", CRASHES)
def test_a_crash_tells_no_secret(place: str, planted: Planted, platform: ToldPlatform) -> None:
    """An exception whose words hold a secret: neither the terminal nor the log has them; the terminal is restored."""
    canary = planted.canary(f"words of an exception in {place}")
    module, _, name = CRASHES[place].partition(":")
    owner, _, method = name.partition(".")
    script = textwrap.dedent(f"""
        import sys, {module} as module
        def broken(*_, **__):
            secret = {canary!r}
            raise RuntimeError("token " + secret + " \\x1b[2J")
        owner = next(item for key, item in vars(module).items() if key.startswith({owner!r}) and hasattr(item, {method!r}))
        setattr(owner, {method!r}, broken)
        from console.cli.main import main
        sys.exit(main(["--config", {planted.file("empty.yaml", "{}")!r}]))
    """)
    script_file = planted.file("crash.py", script)
    url = {"PROMETHEUS_URL": platform.url, "ALERTMANAGER_URL": platform.url}
    root = str(Path(__file__).parents[2])
    with Terminal([sys.executable, script_file], env=planted.environ(PYTHONPATH=root, **url), columns=120, rows=40) as terminal:
        until = time.monotonic() + 3.5
        while time.monotonic() < until and terminal.exit_code is None:
            terminal.pump(0.2)
        if terminal.exit_code is None:
            terminal.send("7")
            terminal.pump(1.0)
            terminal.send("q")
            terminal.pump(1.5)
        received = bytes(terminal.received)
    assert b"\x1b[2J" not in received.split(b"token ")[-1] or b"token " not in received
    assert planted.found_in("the terminal", received) + planted.written() == []
