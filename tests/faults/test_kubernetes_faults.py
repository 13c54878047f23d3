"""Every fault of the wire in front of the API server, and those that only Kubernetes has."""

from __future__ import annotations

import asyncio
import json
import stat
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import wire_faults
from fault_proxy import Act, Exchange, Fault, ProxyHouse
from loopback import CERTIFICATES
from sitting import CAP_SECONDS, SLACK_SECONDS, SOURCES, TIMEOUT_SECONDS, Sitting, play_all, sentence, settings_for
from steerable_cluster import SteerableCluster

from console.demo.stack import DemoStack
from queries.kubernetes import cluster_watch
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.model.source import Health

pytestmark = pytest.mark.servers

FAULT_SECONDS = 3.0
DOWN, DENIED = Health.DOWN, Health.DENIED
ANXIOUS_SECONDS = 2.0
MARKED_SECONDS = 5.0
RECOVERED_SECONDS = max(ANXIOUS_SECONDS, CAP_SECONDS * 1.2) + 2 * TIMEOUT_SECONDS + 1.0
PULSE_SECONDS = 1.5
"""Instead of the five of the console, so that the cases are short."""
KINDS = 10
# A kind asks after 0.5, 1.0 and then every 1.2 s; a request may be repeated once on a kept connection; the pulse every 2 s.
MOST_ASKED = KINDS * 2 * 6 + 4

SAYS: dict[str, tuple[Health, str]] = {
    "refused": (DOWN, "the API server refuses connections & does this context's cluster still exist?"),
    "reset": (DOWN, "the connection to the API server broke & it may be restarting"),
    "accepted and never answered": (DOWN, "did not answer within 800ms/no complete answer for & check the network"),
    "closed without an answer": (DOWN, "the connection to the API server broke & it may be restarting"),
    "silence": (DOWN, "did not answer within 800ms/no complete answer for & check the network"),
    "trickle": (DOWN, "did not answer within 800ms/no complete answer for & check the network"),
    "1 GB body": (
        DOWN,
        "the answer is larger than 64 MiB/a line of more than 8 MiB/no complete answer & check/network",
    ),
    "endless body": (
        DOWN,
        "an answer of more than 64 MiB/did not answer within/a line of more than 8 MiB/no complete answer for",
    ),
    "no HTTP": (DOWN, "the connection to the API server broke"),
    "401": (DENIED, "does not accept these credentials (401) & log in again"),
    "403": (DENIED, "forbids this (403) & ask the cluster"),
    "404": (DOWN, "does not serve this (404) & check the kubeconfig's server"),
    "407": (DENIED, "requires credentials (407) & proxy-url"),
    "408": (DOWN, "aborted the request (408) & overloaded"),
    "429": (DOWN, "over its limit (429) & polling interval"),
    "500": (DOWN, "is unhealthy (500) & it may be starting or stopping"),
    "502": (DOWN, "is unhealthy (502) & it may be starting or stopping"),
    "503 starting or stopping": (DOWN, "is unhealthy (503) & it may be starting or stopping"),
    "302 to a login page": (DENIED, "a log-in page or proxy answers & log in there first"),
    "200 with HTML": (DENIED, "a log-in page or proxy answers & log in there first"),
    "truncated JSON": (DOWN, "the answer was cut off & truncated it"),
    "cut off": (DOWN, "the connection to the API server broke & a proxy closed it"),
    "gzip garbage": (DOWN, "is encoded as gzip instead of identity"),
    "wrong shape": (DOWN, "not in Kubernetes' format & check the kubeconfig's server"),
    "TLS: expired certificate": (DOWN, "no TLS connection to the API server & expired"),
    "TLS: another host's certificate": (DOWN, "no TLS connection to the API server & doesn't match/not valid for/mismatch"),
}
FAULTS = {name: wire_faults.dying(wire_faults.named(name)) for name in SAYS}


@dataclass
class Played:
    """What one case showed."""

    health: Health = Health.WAITING
    said: str = ""
    url: str = ""
    marked_seconds: float = 0.0
    recovered_seconds: float = 0.0
    asked: int = 0
    others: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    error: str = ""


def met(words: str, text: str) -> bool:
    return all(any(choice in text for choice in part.strip().split("/")) for part in words.split("&"))


def kubeconfig(path: Path, server: str, user: dict[str, Any], **cluster: Any) -> str:
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "cad-ml-platform"}}],
        "clusters": [{"name": "x", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "x", "user": user}],
    }
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[SteerableCluster]:
    """A cluster that lets nobody in without a token."""
    made = SteerableCluster(anonymous=False)
    made.seed()
    with made:
        yield made


def everywhere(stack: DemoStack, **changed: str) -> dict[str, str]:
    output = stack.addresses
    return {"prometheus": output.prometheus, "alertmanager": output.alertmanager, "platform": output.platform, **changed}


@asynccontextmanager
async def sitting(stack: DemoStack, config: str, folder: Path) -> AsyncIterator[Sitting]:
    watched = Sitting(settings_for(folder, everywhere(stack, kubernetes=config)))
    async with watched:
        yield watched
    assert watched.left == []


async def play(name: str, stack: DemoStack, cluster: SteerableCluster, house: ProxyHouse, folder: Path) -> Played:
    fault = FAULTS[name]
    tls = fault.certificate is not None
    shown = {"certificate": CERTIFICATES / "localhost.pem", "key": CERTIFICATES / "server.key"} if tls else {}
    proxy = house.proxy(cluster.url, **shown)
    more = {"certificate-authority": str(CERTIFICATES / "authority.pem")} if tls else {}
    config = kubeconfig(folder / "kubeconfig", proxy.url, {"token": cluster.token}, **more)
    played = Played(url=proxy.url)
    patient = [other for other in SOURCES if other != "kubernetes"]
    watched = Sitting(settings_for(folder, everywhere(stack, kubernetes=config), patient=patient))
    try:
        async with watched:
            await watched.until_up()
            began = time.monotonic()
            await asyncio.to_thread(proxy.use, fault)
            played.marked_seconds = await watched.until(
                lambda snapshot: watched.state("kubernetes", snapshot).health in (DOWN, DENIED),
                "kubernetes to be marked",
                seconds=12.0,
            )
            await asyncio.sleep(max(0.0, FAULT_SECONDS - (time.monotonic() - began)))
            state = watched.state("kubernetes")
            ended = time.monotonic()
            played.health, played.said = state.health, sentence(state)
            for other in patient:
                played.others += watched.not_live(other, since=began, until=ended, slack_seconds=SLACK_SECONDS)
            played.asked = proxy.count(since=began)
            await asyncio.to_thread(proxy.use, None)
            played.recovered_seconds = await watched.until_up("kubernetes", seconds=12.0)
    except Exception as error:  # the test of this case tells it
        played.error = f"{type(error).__name__}: {error}"
    finally:
        await asyncio.to_thread(house.drop, proxy)
    played.left = watched.left
    return played


def as_expected(name: str, output: Played) -> bool:
    health, words = SAYS[name]
    return (
        not output.error
        and output.health is health
        and met(words, output.said)
        and not output.others
        and output.marked_seconds < MARKED_SECONDS
        and output.recovered_seconds < RECOVERED_SECONDS
        and output.asked <= MOST_ASKED
    )


@pytest.fixture(scope="module")
def played(
    stack: DemoStack,
    cluster: SteerableCluster,
    house: ProxyHouse,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> dict[str, Played]:
    """The chosen cases."""
    folder = tmp_path_factory.mktemp("cases")
    patch = pytest.MonkeyPatch()
    patch.setattr(cluster_watch, "ClusterWatch", partial(ClusterWatch, ping_seconds=PULSE_SECONDS))
    request.addfinalizer(patch.undo)
    expected = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    return play_all(
        [name for name in SAYS if name in expected],
        lambda name: play(name, stack, cluster, house, Path(tempfile.mkdtemp(dir=folder))),
        at_once=6,
        as_expected=as_expected,
    )


@pytest.mark.parametrize("name", SAYS)
def test_a_fault_is_named_the_rest_lives_and_it_recovers(played: dict[str, Played], name: str) -> None:
    """As for the other sources; the watches that broke are dialled again with a back-off, six kinds of them and the pulse."""
    output = played[name]
    assert not output.error
    health, words = SAYS[name]
    assert output.health is health, output.said
    assert met(words, output.said), output.said
    assert output.url in output.said
    assert "secret-token" not in output.said and "\x1b" not in output.said
    assert output.marked_seconds < MARKED_SECONDS
    assert output.others == []
    assert output.left == []
    assert output.recovered_seconds < RECOVERED_SECONDS
    assert output.asked <= MOST_ASKED


def test_the_watching_threads_end_with_the_session(played: dict[str, Played]) -> None:
    """After all those sessions no thread of a watch is left, whatever it was hanging in."""
    assert played
    ends = time.monotonic() + 10.0
    while (left := [item.name for item in threading.enumerate() if item.name.startswith("watch-")]) and time.monotonic() < ends:
        time.sleep(0.05)
    assert left == []


def _gone_in_the_stream(exchange: Exchange) -> Any:
    line = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version: 1 (9)"}}
    return wire_faults.answers("200 OK", json.dumps(line) + "\n", media="application/json")(exchange)


_EXPIRED = wire_faults.answers(
    "410 Gone", json.dumps({"kind": "Status", "code": 410, "message": "Expired"}), media="application/json"
)
GONE = {
    "an ERROR event": Fault("410 in the stream", _gone_in_the_stream, only=lambda exchange: exchange.watches),
    "a status": Fault("410", _EXPIRED, only=lambda exchange: exchange.watches),
}


@pytest.mark.parametrize("form", GONE)
async def test_a_watch_that_is_too_old_lists_again(
    form: str, stack: DemoStack, cluster: SteerableCluster, house: ProxyHouse, tmp_path: Path
) -> None:
    """410 as an event and as a status: nothing is called down, each kind lists again, at most about once a second."""
    proxy = house.proxy(cluster.url)
    config = kubeconfig(tmp_path / "kubeconfig", proxy.url, {"token": cluster.token})
    async with sitting(stack, config, tmp_path) as watched:
        await watched.until_up()
        began = time.monotonic()
        await asyncio.to_thread(proxy.use, GONE[form])
        cluster.drop_watches()
        await asyncio.sleep(3.0)
        lists = [item for item in proxy.asked if item.at >= began and "watch=true" not in item.target]
        assert watched.not_live("kubernetes", since=began, until=time.monotonic()) == []
        assert KINDS <= len(lists) <= KINDS * 4.5
        await asyncio.to_thread(proxy.use, None)
        cluster.patch("deployments", "cad-ml-api", {"metadata": {"annotations": {"told": form}}, "spec": {"replicas": 4}})
        await watched.until(lambda snapshot: _wanted(snapshot, "cad-ml-api") == 4, "four replicas", seconds=4.0)
        cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 3}})


async def _only_opens(exchange: Exchange) -> bool:
    """A proxy before a dead server: a watch is agreed to and then silent, everything else fails."""
    if not exchange.watches:
        return await wire_faults.answers("500 Internal Server Error")(exchange)
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    await exchange.proxy.until_changed()
    return False


async def test_a_watch_that_only_opens_proves_nothing(
    stack: DemoStack, cluster: SteerableCluster, house: ProxyHouse, tmp_path: Path
) -> None:
    """A status line without an answer behind it does not make a source that failed 'up' again, not for one moment."""
    proxy = house.proxy(cluster.url)
    config = kubeconfig(tmp_path / "kubeconfig", proxy.url, {"token": cluster.token})
    async with sitting(stack, config, tmp_path) as watched:
        await watched.until_up()
        await asyncio.to_thread(proxy.use, wire_faults.dying(Fault("dead", wire_faults.answers("500 Internal Server Error"))))
        await watched.until(
            lambda snapshot: watched.state("kubernetes", snapshot).health is DOWN, "kubernetes down", seconds=5.0
        )
        began = time.monotonic()
        await asyncio.to_thread(proxy.use, Fault("only opens", _only_opens))
        await asyncio.sleep(3.0)
        seen = {watched.state("kubernetes", item.snapshot).health for item in watched.seen if item.at >= began}
        assert any(item.target.find("watch=true") > 0 for item in proxy.asked if item.at >= began)
        assert seen == {DOWN}
        await asyncio.to_thread(proxy.use, None)
        await watched.until_up("kubernetes", seconds=ANXIOUS_SECONDS + 2.0)


def _is_consistent(exchange: Exchange) -> bool:
    return not exchange.watches and "resourceVersion=0" not in exchange.target


@pytest.mark.parametrize("act", [wire_faults.silence, wire_faults.answers("504 Gateway Timeout")], ids=["hangs", "504"])
async def test_a_server_that_answers_from_its_cache_only_is_stale(
    act: Act, stack: DemoStack, cluster: SteerableCluster, house: ProxyHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an API server does without etcd: its watches stay open, its cache answers, a consistent read does not. It is called
    STALE with the reason, not live and not DOWN; and live again at once when the read is answered.
    """
    monkeypatch.setattr(cluster_watch, "ClusterWatch", partial(ClusterWatch, ping_seconds=0.5))
    proxy = house.proxy(cluster.url)
    config = kubeconfig(tmp_path / "kubeconfig", proxy.url, {"token": cluster.token})
    async with sitting(stack, config, tmp_path) as watched:
        await watched.until_up()
        began = time.monotonic()
        consistent = Fault(
            "etcd", act, only=lambda exchange: not exchange.watches and "resourceVersion=0" not in exchange.target
        )
        await asyncio.to_thread(proxy.use, consistent)
        await watched.until(
            lambda snapshot: watched.state("kubernetes", snapshot).health is Health.STALE,
            "kubernetes to be stale",
            seconds=10.0,
        )
        assert "answers from its cache only" in sentence(watched.state("kubernetes"))
        seen = {watched.state("kubernetes", item.snapshot).health for item in watched.seen if item.at >= began}
        assert DOWN not in seen
        await asyncio.to_thread(proxy.use, None)
        await watched.until_up("kubernetes", seconds=ANXIOUS_SECONDS + 2.0)


async def test_an_api_server_that_restarts_is_found_again(stack: DemoStack, tmp_path: Path) -> None:
    """Stopped it is down within five seconds and the rest lives; started again at its place it is live, and changes arrive."""
    cluster = SteerableCluster(anonymous=False)
    cluster.seed()
    cluster.start()
    try:
        config = kubeconfig(tmp_path / "kubeconfig", cluster.url, {"token": cluster.token})
        port = urlsplit(cluster.url).port or 0
        async with sitting(stack, config, tmp_path) as watched:
            await watched.until_up()
            began = time.monotonic()
            await asyncio.to_thread(cluster.stop)
            await watched.until(
                lambda snapshot: watched.state("kubernetes", snapshot).health is DOWN, "kubernetes down", seconds=5.0
            )
            await asyncio.sleep(1.0)
            for other in ("prometheus", "alertmanager", "platform"):
                assert watched.not_live(other, since=began, until=time.monotonic()) == []
            await asyncio.to_thread(cluster.start, port)
            await watched.until_up("kubernetes", seconds=ANXIOUS_SECONDS + 2.0)
            cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 5}})
            await watched.until(lambda snapshot: _wanted(snapshot, "cad-ml-api") == 5, "five replicas", seconds=3.0)
    finally:
        cluster.stop()


def _wanted(output: Any, name: str) -> int:
    found = [item.desired for item in (output.cluster.workloads if output.cluster else ()) if item.name == name]
    return found[0] if found else -1


async def test_a_token_that_expires_in_the_middle_is_read_again(stack: DemoStack, tmp_path: Path) -> None:
    """The old token is refused: denied, with what to do. The file gets the new one: live again, without a restart."""
    cluster = SteerableCluster(anonymous=False)
    cluster.seed()
    with cluster:
        token = tmp_path / "token"
        token.write_text(cluster.token)
        config = kubeconfig(tmp_path / "kubeconfig", cluster.url, {"tokenFile": str(token)})
        async with sitting(stack, config, tmp_path) as watched:
            await watched.until_up()
            renewed = cluster.renew_token()
            cluster.drop_watches()
            await watched.until(
                lambda snapshot: watched.state("kubernetes", snapshot).health is DENIED, "kubernetes to be denied", seconds=5.0
            )
            assert "log in again" in sentence(watched.state("kubernetes"))
            token.write_text(renewed)
            await watched.until_up("kubernetes", seconds=ANXIOUS_SECONDS + 1.5)


PLUGINS = {
    "hangs": ("#!/bin/sh\nsleep 60\n", DOWN, "has returned no credential for & run it in a shell"),
    "prompts": (
        "#!/bin/sh\nprintf 'Password: ' >&2\nread answer || { echo 'no answer to Password' >&2; exit 3; }\n",
        DENIED,
        "failed with exit code 3 & no answer to Password",
    ),
    "prompts on the terminal": (
        "#!/bin/sh\nread answer < /dev/tty || exit 4\n",
        DENIED,
        "failed with exit code",
    ),
    "prints garbage": ("#!/bin/sh\nhead -c 3000 /dev/urandom\n", DENIED, "that is not an ExecCredential & run it in a shell"),
    "prints another kind": ("#!/bin/sh\necho '{\"kind\": \"Secret\"}'\n", DENIED, "not an ExecCredential"),
    "is not there": ("", DENIED, "cannot be started & is it installed"),
}  # fmt: skip


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_an_exec_plugin_that_fails_is_named_and_mended_in_place(plugin: str, stack: DemoStack, tmp_path: Path) -> None:
    """One that hangs, prompts or prints garbage is named within five seconds; the rest lives; a working one is picked up."""
    text, health, words = PLUGINS[plugin]
    cluster = SteerableCluster(anonymous=False)
    cluster.seed()
    with cluster:
        program = tmp_path / "plugin"
        if text:
            _script(program, text)
        spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "IfAvailable"}
        config = kubeconfig(tmp_path / "kubeconfig", cluster.url, {"exec": spec})
        async with sitting(stack, config, tmp_path) as watched:
            await watched.until_up("prometheus", "alertmanager", "platform")
            began = time.monotonic()
            await watched.until(
                lambda snapshot: watched.state("kubernetes", snapshot).health in (DOWN, DENIED),
                f"a plugin that {plugin}",
                seconds=5.0,
            )
            state = watched.state("kubernetes")
            assert state.health is health
            assert met(words, sentence(state)) and "plugin" in sentence(state), sentence(state)
            for other in ("prometheus", "alertmanager", "platform"):
                assert watched.not_live(other, since=began, until=time.monotonic()) == []
            if plugin != "hangs":  # its time limit is 15 s
                status = {"token": cluster.token}
                good = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
                _script(program, f"#!/bin/sh\necho '{json.dumps(good)}'\n")
                await watched.until_up("kubernetes", seconds=6.0)


def _script(path: Path, text: str) -> None:
    # Another name first: a script that is being run must not be written.
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(stat.S_IRWXU)
    new.replace(path)
