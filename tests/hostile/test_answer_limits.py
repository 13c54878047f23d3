"""No answer of any client is larger, longer or packed otherwise than was asked for: it ends as a sentence, in little memory."""

from __future__ import annotations

import ast
import asyncio
import gzip
import json
import re
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from endless_server import DEEP, DEEP_LIST, DEEP_REFUSAL, ENCODED, ENDLESS, PACKED, TOO_LARGE, Answer, endless_server

from console.actions.writers.writer import Writer
from console.config.load import load_settings
from console.demo import http_get
from console.setup.probe import probe
from queries.alertmanager import Alertmanager
from queries.errors import SourceError, Unreachable
from queries.grafana.client import Grafana
from queries.http import client as http_client
from queries.http.client import Client
from queries.http.endpoint import ClusterEndpoint, Endpoint, HttpConfig
from queries.kubernetes import api
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.pod_log_reader import PodLogReader
from queries.loki import Loki
from queries.model.pod_log import LogRequest
from queries.platform import administration
from queries.platform.administration import Administration
from queries.platform.client import Platform
from queries.prometheus import metadata
from queries.prometheus.client import Prometheus
from queries.prometheus.metadata import Discovery

ROOT = Path(__file__).parents[2]
LIMIT = 2 << 20
SECONDS = 2.0
SLACK_BYTES = 3 << 19
"""Beside the answers: what one read takes at once, in the client, in asyncio and in this server, and their objects."""


@dataclass(frozen=True)
class Asking:
    """One way in which the console asks a server; `modules` are those whose imports it covers."""

    ask: Callable[[str, Path], Awaitable[object]]
    modules: tuple[str, ...]
    at_once: int = 1
    """How many answers it reads side by side."""
    text: bool = False
    """Whether its answer may be any text: blanks are one."""


def endpoint(url: str, **more: Any) -> Endpoint:
    return Endpoint(url, HttpConfig(**more), SECONDS)


async def _closing(made: Any, work: Awaitable[object]) -> object:
    try:
        return await work
    finally:
        done = made.close()
        if done is not None:
            await done


def _kubeconfig(folder: Path, server: str, **cluster: str) -> str:
    path = folder / "kubeconfig"
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(document))
    return str(path)


def _kubernetes(work: Callable[[Kubernetes], Awaitable[object]], **cluster: str) -> Callable[[str, Path], Awaitable[object]]:
    async def ask(url: str, folder: Path) -> object:
        shown = {name: value.format(url=url) for name, value in cluster.items()}
        config = _kubeconfig(folder, "http://10.255.0.1:6443" if shown else url, **shown)
        made = Kubernetes(ClusterEndpoint("ns", kubeconfig=config, timeout_seconds=SECONDS), read_only=False)
        return await _closing(made, work(made))

    return ask


def _source(
    make: Callable[[Endpoint], Any], work: Callable[[Any], Awaitable[object]]
) -> Callable[[str, Path], Awaitable[object]]:
    async def ask(url: str, folder: Path) -> object:
        made = make(endpoint(url))
        return await _closing(made, work(made))

    return ask


def _proxied(make: Callable[[Endpoint], Any], work: Callable[[Any], Awaitable[object]], scheme: str) -> Any:
    async def ask(url: str, folder: Path) -> object:
        made = make(endpoint(f"{scheme}://10.255.0.1:1234", proxy_url=url))
        return await _closing(made, work(made))

    return ask


async def _watch(url: str, folder: Path) -> object:
    config = _kubeconfig(folder, url)
    access = KubeAccess(ClusterEndpoint("ns", kubeconfig=config, timeout_seconds=SECONDS))
    api = KubeApi(access, read_only=True, timeout_seconds=SECONDS)

    def follow() -> list[bytes]:
        return [line for line in api.lines("/api/v1/pods", [("watch", "true")], idle_seconds=SECONDS) if line.strip()]

    try:
        return await asyncio.to_thread(follow)
    finally:
        api.close()


async def _webhook(url: str, folder: Path) -> object:
    config = folder / "config.yaml"
    config.write_text(
        "environments:\n  x:\n    prometheus: http://127.0.0.1:1\n    alertmanager: http://127.0.0.1:1\n"
        f"    channels:\n      chat: {{kind: webhook, url: '{url}/hook', timeout: {SECONDS}}}\n"
    )
    settings = load_settings({"config": str(config), "env": "x"}, {"HOME": str(folder), "XDG_STATE_HOME": str(folder)})
    writer = Writer(settings)
    return await _closing(writer, writer.post_update("chat", {"text": "x"}))


async def _write(url: str, folder: Path) -> object:
    made = Client(endpoint(url), name="alertmanager", writes=True)
    return await _closing(made, made.send("POST", "/api/v2/silences", json={}))


async def _demo(url: str, folder: Path) -> object:
    return await asyncio.to_thread(http_get.fetch_json, url, seconds=SECONDS)


async def _setup(url: str, folder: Path) -> object:
    """Tries the address, and asks which server else it may be."""
    found = await probe("grafana", endpoint(url), namespace="ns")
    if found.fault is not None:
        raise Unreachable(found.fault.sentence())
    return found


NAMESPACE_PODS = "/api/v1/namespaces/ns/pods"
CLIENTS: dict[str, Asking] = {
    "prometheus": Asking(
        _source(Prometheus, lambda made: made.query("up")),
        ("queries/prometheus/client.py", "queries/http/client.py", "queries/http/direct.py", "queries/http/exchange.py"),
    ),
    "prometheus rules": Asking(
        _source(Prometheus, lambda made: made.rules()),
        ("queries/http/transport.py", "queries/http/error_mapping.py", "queries/prometheus/rules_reader.py"),
    ),
    "prometheus, off the refresh path": Asking(
        _source(Discovery, lambda made: made.metric_names()), ("queries/prometheus/metadata.py", "queries/http/wire_limit.py")
    ),
    "prometheus, its version": Asking(_source(Discovery, lambda made: made.version()), ()),
    "alertmanager": Asking(
        _source(lambda place: Alertmanager((place,)), lambda made: made.state()), ("queries/alertmanager.py",), at_once=3
    ),
    "loki": Asking(_source(Loki, lambda made: made.labels()), ("queries/loki/client.py",)),
    "loki, a count": Asking(_source(Loki, lambda made: made.count('{a="b"}', seconds=60, end_ns=10**18)), ()),
    "grafana": Asking(_source(Grafana, lambda made: made.dashboards()), ("queries/grafana/client.py",)),
    "init": Asking(_setup, ("console/setup/probe.py",), at_once=4),
    "platform": Asking(_source(Platform, lambda made: made.health()), ("queries/platform/client.py",), at_once=2),
    "platform's administration": Asking(
        _source(Administration, lambda made: made.document("/api/v1/tokens")), ("queries/platform/administration.py",)
    ),
    "platform's exporter": Asking(_source(Platform, lambda made: made.metrics()), (), text=True),
    "a proxy, http": Asking(_proxied(Prometheus, lambda made: made.query("up"), "http"), ("queries/http/proxied.py",)),
    "a proxy, https": Asking(_proxied(Prometheus, lambda made: made.query("up"), "https"), ()),
    "a proxy, off the refresh path": Asking(_proxied(Discovery, lambda made: made.metric_names(), "http"), ()),
    "a webhook": Asking(_webhook, ("console/actions/writers/channels.py", "console/actions/writers/writer.py"), text=True),
    "a write": Asking(_write, (), text=True),
    "kubernetes": Asking(
        _kubernetes(list_cluster),
        (
            "queries/kubernetes/api.py",
            "queries/kubernetes/auth.py",
            "queries/kubernetes/client.py",
            "queries/kubernetes/connection.py",
            "queries/kubernetes/direct_read.py",
        ),
        at_once=8,
    ),
    "kubernetes, one object": Asking(_kubernetes(lambda made: made.deployment("x")), ()),
    "kubernetes, logs": Asking(_kubernetes(lambda made: PodLogReader(made).read_end(LogRequest("x"))), (), text=True),
    "kubernetes, a write": Asking(_kubernetes(lambda made: made.call("PATCH", NAMESPACE_PODS, (), {})), (), text=True),
    "kubernetes, a watch": Asking(_watch, ("queries/kubernetes/watch.py",), text=True),
    "kubernetes through a proxy": Asking(
        _kubernetes(list_cluster, **{"proxy-url": "{url}"}), ("queries/kubernetes/official_client.py",), at_once=6
    ),
    "the demo": Asking(
        _demo,
        (
            "console/demo/http_get.py",
            "console/demo/verify_report.py",
            "console/demo/stack.py",
            "console/demo/incident.py",
            "console/demo/official_release.py",
            "console/demo/kubeconfig_cluster.py",
        ),
    ),
}
EACH_TRANSPORT = (
    "prometheus",
    "prometheus, off the refresh path",
    "a proxy, https",
    "kubernetes, one object",
    "kubernetes, a watch",
    "the demo",
)
"""One client of each kind of transport: these meet every fault, the others the first of them."""
FAR = ("a proxy, http", "a proxy, off the refresh path")
"""Those whose server is not on loopback."""

ELSEWHERE = {
    "queries/redis_ping.py": "tests/queries/test_redis_ping.py: a line at most",
    "queries/http/web_socket.py": "tests/queries/http/test_web_socket.py: a head and a message at most, and a time for both",
    "queries/kubernetes/socks.py": "tests/queries/kubernetes/test_socks.py: the handshake's few bytes, each by its length",
    "console/journal/postgresql.py": "tests/console/journal/test_postgresql.py: a page at most",
    "queries/stored/transport.py": "answers from a file; tests/console/replay/test_bundle_file.py limits that",
    "queries/http/health_check.py": "asks through Client, which is above",
    "console/journal/config_maps.py": "asks through KubeApi, which is above",
    "console/demo/server_args.py": "asks through process.py",
    "console/demo/process.py": "tests/console/demo/test_process.py: the head of an answer of the demo's own server",
    "console/demo/cluster/server.py": "a server, not a client; aiohttp limits its requests",
    "console/demo/loki_server.py": "the same",
    "console/demo/render_service.py": "a connection to the demo's own service, which is closed without a read",
    "console/actions/guard/takeover.py": "the socket module for the host's name alone",
    "console/actions/external.py": "the socket module for the host's name alone",
    "console/config/load.py": "the socket module for the host's name alone",
    "console/journal/process.py": "the same",
    "console/lint/runbooks/kubectl.py": "a socket that listens and answers nothing, so that kubectl finds no server",
}
_NETWORK = {
    "httpx", "httpcore", "h11", "requests", "urllib3", "aiohttp", "socket", "ssl", "websocket", "websockets", "kubernetes",
    "prometheus_api_client", "redis", "psycopg", "ftplib", "smtplib", "telnetlib", "xmlrpc", "grpc", "asyncpg",
}  # fmt: skip
_CALLS = re.compile(r"\b(open_connection|open_unix_connection|create_connection|urlopen|start_server|KubeApi\(|Client\()")


def _asks(path: Path) -> bool:
    """Whether this module imports a client of a network protocol, at its top or within, or opens a connection itself."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module" and node.args:
            names = [str(getattr(node.args[0], "value", ""))]
        if any(name.partition(".")[0] in _NETWORK or name in ("http.client", "urllib.request") for name in names):
            return True
    return bool(_CALLS.search(text))


def test_every_client_of_the_code_is_played_here() -> None:
    """A module that speaks to the network is named by a client above, or by the test that limits it; a new one has to be."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("console", "queries", "widgets")
        for path in (ROOT / folder).rglob("*.py")
        if _asks(path)
    }
    covered = {module for asking in CLIENTS.values() for module in asking.modules} | set(ELSEWHERE)
    # Contexts for those above, and how they import httpx and h11.
    assert found - covered == {"queries/http/tls.py", "queries/http/lean_httpx.py", "queries/http/lean_h11.py"}
    assert all((ROOT / module).exists() for module in covered)


@pytest.fixture(autouse=True)
def lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (http_client, "LIMIT_BYTES"),
        (metadata, "LIMIT_BYTES"),
        (api, "LIMIT_BYTES"),
        (http_get, "LIMIT_BYTES"),
        (administration, "_LARGEST_DOCUMENT"),
    ):
        monkeypatch.setattr(module, name, LIMIT)
    monkeypatch.setattr(api, "LINE_BYTES", LIMIT)


_warm: set[str] = set()


@dataclass
class Ended:
    error: BaseException | None
    seconds: float
    peak_bytes: int
    longest_stall: float


async def ask(client: str, answer: Answer, folder: Path) -> Ended:
    """Ask a server that answers so; how it ended, how much memory it took at most, and how long a key would have waited."""
    stall = 0.0

    async def beat() -> None:
        nonlocal stall
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            stall = max(stall, time.monotonic() - began - 0.005)

    if client not in _warm:
        _warm.add(client)
        with suppress(Exception), endless_server(ENCODED["gzip"][0]) as other:
            await CLIENTS[client].ask(other.url, folder)  # whatever is imported or built once
    with endless_server(answer) as server:
        beating = asyncio.create_task(beat())
        tracemalloc.start()
        began, error = time.monotonic(), None
        try:
            await CLIENTS[client].ask(server.url, folder)
        except Exception as failure:
            error = failure
        seconds = time.monotonic() - began
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        beating.cancel()
        assert server.requests
    return Ended(error, seconds, peak, stall)


def in_words(ended: Ended, *, at_once: int = 1) -> str:
    assert isinstance(ended.error, SourceError), ended
    assert ended.seconds < 2 * SECONDS + 1.0, ended
    assert ended.peak_bytes <= at_once * (2 * LIMIT + SLACK_BYTES), ended
    return ended.error.fault.sentence()


@pytest.mark.parametrize(
    ("client", "encoding"),
    [(client, name) for client in CLIENTS for name in (ENCODED if client in EACH_TRANSPORT else ("gzip", "br"))],
)
async def test_only_the_encoding_that_was_asked_for(client: str, encoding: str, tmp_path: Path) -> None:
    """Loopback clients ask for none: any other is refused by its name, and nothing of it is decoded."""
    answer, name = ENCODED[encoding]
    sentence = in_words(await ask(client, answer, tmp_path))
    if client == "a proxy, https" or (encoding == "gzip" and client in FAR):
        return  # a tunnel's answer has no body; and gzip is what such a client does ask for
    assert f"encoded as {name} instead of" in sentence


CASES = [
    (client, kind)
    for client in CLIENTS
    for kind in ((*ENDLESS, *TOO_LARGE) if client in EACH_TRANSPORT else ("chunks", "chunks of a byte", "3 MiB"))
]


@pytest.mark.slow
@pytest.mark.parametrize(("client", "kind"), CASES)
async def test_what_does_not_end_is_ended(client: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies, chunks, their sizes, trailers, headers, informational answers: a sentence in time, at twice the limit."""
    if kind == "chunks of a byte" and client not in EACH_TRANSPORT:
        monkeypatch.setitem(globals(), "SECONDS", 0.7)  # too slow for the limit of bytes, it ends with the time
    ended = await ask(client, (ENDLESS | TOO_LARGE)[kind], tmp_path)
    in_words(ended, at_once=CLIENTS[client].at_once)


@pytest.mark.parametrize("client", [name for name, asking in CLIENTS.items() if not asking.text])
async def test_what_is_nested_too_deeply(client: str, tmp_path: Path) -> None:
    """Twenty thousand brackets are told as what they are."""
    if client == "a proxy, https":
        pytest.skip("a tunnel's answer has no body")
    lists = client in ("alertmanager", "grafana")
    sentence = in_words(await ask(client, DEEP_LIST if lists else DEEP, tmp_path))
    assert (
        "got `array`" if client.startswith("loki") else "nested too deeply"
    ) in sentence  # names are read as text: one bracket ends it


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_refusal_that_is_nested_too_deeply(client: str, tmp_path: Path) -> None:
    """The words of a refusal may be anything: its status is told all the same."""
    assert re.search("400|reject|proxy|HTTP|tunnel|connection", in_words(await ask(client, DEEP_REFUSAL, tmp_path)))


def ask_for_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of every server but those of this machine."""
    for module in (http_client, metadata):
        monkeypatch.setattr(module, "accept_encoding", lambda host: "gzip")


@pytest.mark.parametrize("client", ["prometheus", "prometheus, off the refresh path", "platform's exporter", "a proxy, http"])
async def test_what_was_asked_for_is_inflated_to_the_limit(
    client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where gzip was asked for, three kilobytes that become three megabytes end at a limit of two."""
    ask_for_gzip(monkeypatch)
    sentence = in_words(await ask(client, PACKED, tmp_path))
    assert "larger than 2 MiB" in sentence


@pytest.mark.parametrize("client", ["prometheus", "prometheus, off the refresh path"])
async def test_gzip_that_was_asked_for_is_read(client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good answer in gzip, larger than one piece, comes whole."""
    ask_for_gzip(monkeypatch)
    padding = " " * 700_000
    data = '{"resultType": "vector", "result": []}' if client == "prometheus" else '["b", "a"]'
    body = gzip.compress(f'{{"status": "success", {padding} "data": {data}}}'.encode())
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    ended = await ask(client, lambda send: send(head + body), tmp_path)
    assert ended.error is None
    cut = head.replace(b"Content-Length: %d\r\n" % len(body), b"Connection: close\r\n") + body[:-9]

    def broken(send: Callable[[bytes], None]) -> None:
        send(cut)
        raise OSError

    assert "cut off" in in_words(await ask(client, broken, tmp_path))
