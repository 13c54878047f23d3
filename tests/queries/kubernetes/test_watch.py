"""Lists and watches against a server that follows a script: every way in which they break."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from limits import extend

from queries.errors import AccessDenied, InvalidResponse, RequestRejected, SourceError, TimedOut
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes import objects as k8s
from queries.kubernetes import watch
from queries.kubernetes.api import KubeApi
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.pod_decode import build_pod
from queries.kubernetes.watch import ROLLOUTS, Backoff, Kind, Watcher, list_kind

PODS = Kind("pods", "/api/v1", k8s.PodObject, build_pod)
Answer = Callable[["Scripted", dict[str, str]], None]


class Scripted(BaseHTTPRequestHandler):
    """Plays `script` one answer a request; the last one goes on for ever."""

    protocol_version = "HTTP/1.1"
    script: list[Answer]
    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        type(self).asked.append(query)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        try:
            answer(self, query)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return

    def whole(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *lines: object, hold: float = 0.0, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        ends = time.monotonic() + hold
        while time.monotonic() < ends and not closing.is_set():
            time.sleep(0.02)
        if not cut:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True


closing = threading.Event()


def pod(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}, "status": {"phase": "Running"}}


def listed(*names: str, version: str = "10", more: str = "") -> Answer:
    body = {"metadata": {"resourceVersion": version, "continue": more}, "items": [pod(name, version) for name in names]}
    return lambda server, _: server.whole(200, json.dumps(body).encode())


def refused(status: int, message: str = "no", **extra: Any) -> Answer:
    body = json.dumps({"kind": "Status", "code": status, "message": message, **extra}).encode()
    return lambda server, _: server.whole(status, body)


def watched(*lines: object, hold: float = 0.0, cut: bool = False) -> Answer:
    return lambda server, _: server.stream(*lines, hold=hold, cut=cut)


def added(name: str, version: str, kind: str = "ADDED") -> dict[str, Any]:
    return {"type": kind, "object": pod(name, version)}


IDLE = watched(hold=30.0)
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Callable[..., tuple[KubeApi, list[dict[str, str]]]]]:
    closing.clear()
    ends: list[Callable[[], None]] = []

    def start(*script: Answer, timeout: float = 2.0) -> tuple[KubeApi, list[dict[str, str]]]:
        handler = type("Handler", (Scripted,), {"script": list(script), "asked": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        path = tmp_path / "kubeconfig"
        cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
        path.write_text(
            json.dumps(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "x"}}],
                    "clusters": [{"name": "x", "cluster": cluster}],
                }
            )
        )
        made = KubeApi(KubeAccess(ClusterEndpoint("ns", kubeconfig=str(path))), read_only=True, timeout_seconds=timeout)
        ends.extend((made.close, server.shutdown, server.server_close))
        return made, handler.asked  # type: ignore[attr-defined]

    yield start
    closing.set()
    for end in ends:
        end()


class Watching:
    """A running watcher and what it said."""

    def __init__(self, api: KubeApi, kind: Kind = PODS) -> None:
        self.changes = 0
        self.watcher = Watcher(api, kind, "ns", changed=self._changed, backoff_cap_seconds=0.3)
        self.watcher.start()

    def _changed(self) -> None:
        self.changes += 1

    def names(self) -> list[str]:
        return [item.name for item in self.watcher.items()]

    async def until(self, fits: Callable[[], object], *, seconds: float = 5.0) -> None:
        ends = time.monotonic() + seconds
        while not fits():
            assert time.monotonic() < ends, (self.names(), self.watcher.fault)
            await asyncio.sleep(0.02)

    def stop(self, api: KubeApi) -> None:
        self.watcher.stop()
        closing.set()
        api.close()
        self.watcher.join(2.0)
        assert f"watch-{self.watcher.kind.name}" not in {thread.name for thread in threading.enumerate()}


async def test_it_watches_from_the_lists_version_and_resumes_from_the_last_seen(api: Any) -> None:
    """The first watch starts at the list's resourceVersion; after an end it resumes at the bookmark's."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}
    made, asked = api(listed("a"), watched(added("b", "11"), bookmark), IDLE)
    watching = Watching(made)
    await watching.until(lambda: len(asked) == 3)
    assert watching.names() == ["a", "b"]
    assert [item.get("resourceVersion") for item in asked] == [None, "10", "20"]
    assert asked[1]["allowWatchBookmarks"] == "true"
    watching.stop(made)


async def test_an_error_line_with_410_lists_again_without_a_fault(api: Any) -> None:
    """Too old, said in a 200 answer: listed again; nobody is told of a failure."""
    made, asked = api(listed("a"), watched(GONE), listed("b", version="30"), IDLE)
    watching = Watching(made)
    await watching.until(lambda: watching.names() == ["b"])
    assert watching.watcher.fault is None
    await watching.until(lambda: asked[-1].get("resourceVersion") == "30")
    watching.stop(made)


async def test_a_real_410_on_the_watch_lists_again(api: Any) -> None:
    """The same said by the status."""
    made, _ = api(listed("a"), refused(410, "Expired"), listed("b"), IDLE)
    watching = Watching(made)
    await watching.until(lambda: watching.names() == ["b"])
    assert watching.watcher.fault is None
    watching.stop(made)


async def test_a_continue_token_that_expired_begins_the_list_again(api: Any) -> None:
    """410 on the second page: all pages are asked for again, and no object is there twice."""
    made, asked = api(listed("a", more="t1"), refused(410, "Expired"), listed("a", more="t2"), listed("b"))
    found, version = await asyncio.to_thread(list_kind, made, PODS, "ns")
    assert (sorted(found), version) == (["a", "b"], "10")
    assert [item.get("continue") for item in asked] == [None, "t1", None, "t2"]


async def test_a_list_that_always_expires_is_given_up(api: Any) -> None:
    """Three times 410 is a sentence, not a circle."""
    made, asked = api(refused(410))
    with pytest.raises(TimedOut, match="changes faster"):
        await asyncio.to_thread(list_kind, made, PODS, "ns")
    assert len(asked) == 3


@pytest.mark.parametrize(
    "broken",
    [
        refused(500, "etcd leader changed"),
        refused(503, "apiserver is shutting down"),
        watched({"type": "ERROR", "object": {"code": 500, "message": "etcd"}}),
        watched(b'{"type": "ADDED", "obj\n'),
        watched(b"<html>\n"),
    ],
)
async def test_what_else_breaks_is_a_fault_with_back_off_and_heals(api: Any, broken: Answer) -> None:
    """Another error or garbage: a fault while it lasts, what was known stays, and it resumes by itself."""
    made, asked = api(listed("a"), broken, broken, watched(added("b", "11"), hold=30.0))
    watching = Watching(made)
    await watching.until(lambda: watching.watcher.fault)
    assert watching.names() == ["a"]
    await watching.until(lambda: watching.names() == ["a", "b"])
    assert watching.watcher.fault is None
    assert len([item for item in asked if "limit" in item]) == 1
    watching.stop(made)


async def test_a_cut_stream_is_resumed_and_is_no_fault_yet(api: Any) -> None:
    """A watch that was agreed to and breaks is dialled again from where it was; only that tells whether the server is gone."""
    made, asked = api(listed("a"), watched(cut=True), watched(added("b", "11"), hold=30.0))
    watching = Watching(made)
    await watching.until(lambda: watching.watcher.fault or watching.names() == ["a", "b"])
    assert watching.watcher.fault is None
    assert len([item for item in asked if "limit" in item]) == 1
    watching.stop(made)


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(api: Any) -> None:
    """Clean ends in quick succession are resumed once a second."""
    made, asked = api(listed("a"), watched())
    watching = Watching(made)
    await asyncio.sleep(1.6)
    assert len(asked) <= 4
    watching.stop(made)


async def test_a_custom_kind_that_is_installed_later_appears(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition that the server lacks is no fault and is asked for again; once it is installed, its objects appear."""
    monkeypatch.setattr(watch, "ABSENT_SECONDS", 0.05)
    kinds = json.dumps({"resources": [{"name": "rollouts"}]}).encode()
    lacks = refused(404)
    made, _ = api(lacks, lacks, lacks, lacks, lambda server, _: server.whole(200, kinds), listed("a"), IDLE)
    watching = Watching(made, ROLLOUTS)
    await watching.until(lambda: watching.watcher.settled)
    assert watching.watcher.fault is None and not watching.watcher.listed
    await watching.until(lambda: watching.names() == ["a"], seconds=extend(5.0))
    assert made.served[ROLLOUTS.prefix] == {"rollouts"} and watching.watcher.fault is None
    watching.stop(made)


@pytest.mark.parametrize("installed_again", [False, True])
async def test_a_custom_kind_whose_definition_is_removed_goes(
    api: Any, monkeypatch: pytest.MonkeyPatch, installed_again: bool
) -> None:
    """The server says of it what it says of a path that it does not have. Its objects went with it, so they are not shown as
    stale for good; if somebody installs it again, its new objects appear.
    """
    monkeypatch.setattr(watch, "ABSENT_SECONDS", 0.05)
    kinds = json.dumps({"resources": [{"name": "rollouts"}]}).encode()

    def has_it(server: Any, _: object) -> None:
        server.whole(200, kinds)

    lacks = refused(404, "")
    again = (lacks, lacks, has_it, listed("b"), IDLE) if installed_again else (lacks,) * 50
    made, _ = api(has_it, listed("a"), watched(), lacks, lacks, lacks, *again)
    watching = Watching(made, ROLLOUTS)
    await watching.until(lambda: watching.names() == ["a"])
    expected = ["b"] if installed_again else []
    await watching.until(lambda: watching.names() == expected and watching.watcher.fault is None, seconds=extend(10.0))
    watching.stop(made)


def test_a_kind_that_another_watch_found_gone_at_the_same_moment_is_not_served() -> None:
    """It forgets what is served between the look whether that is known and the look what it is."""

    class Forgotten(dict[str, frozenset[str]]):
        def __contains__(self, _: object) -> bool:
            return True

    assert not watch.is_served(cast("KubeApi", SimpleNamespace(served=Forgotten())), ROLLOUTS)


def test_back_off_doubles_up_to_its_cap() -> None:
    """Never more than the cap, and from the start again after a success."""
    backoff = Backoff(4.0)
    pauses = [backoff.pause() for _ in range(8)]
    assert pauses[0] <= 0.6
    assert max(pauses) <= 4.0
    assert pauses[-1] >= 3.2
    backoff.reset()
    assert backoff.pause() <= 0.6


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (lambda server, _: server.whole(200, b"<html>log in</html>", "text/html"), AccessDenied, "log-in page"),
        (lambda server, _: server.whole(302, b""), AccessDenied, "log-in page"),
        (lambda server, _: server.whole(200, b"[1, 2]"), InvalidResponse, "not in Kubernetes' format"),
        (lambda server, _: server.whole(200, b'{"metadata": {"resou'), InvalidResponse, "the answer was cut off"),
        (refused(403, 'pods is forbidden: User "x"'), AccessDenied, "pods is forbidden"),
        (refused(404, "the server could not find"), RequestRejected, "could not find"),
        (refused(422, "not so", details={"causes": [{"field": "spec.x", "message": "bad"}]}), RequestRejected, "spec.x: bad"),
        (refused(504), TimedOut, "no"),
    ],
)
async def test_each_answer_that_is_none_has_its_kind(api: Any, answer: Answer, kind: type[SourceError], words: str) -> None:
    """A log-in page, another shape, a truncation, a status: told apart, each with a sentence."""
    made, _ = api(answer)
    with pytest.raises(kind, match=words):
        await asyncio.to_thread(list_kind, made, PODS, "ns")


async def test_an_answer_that_never_ends_is_ended(api: Any) -> None:
    """Bytes keep coming and no end: the deadline is over the whole answer, not over each read."""

    def drip(server: Scripted, _: dict[str, str]) -> None:
        server.send_response(200)
        server.send_header("Content-Type", "application/json")
        server.send_header("Transfer-Encoding", "chunked")
        server.end_headers()
        while not closing.is_set():
            server.wfile.write(b"1\r\n \r\n")
            server.wfile.flush()
            time.sleep(0.02)

    made, _ = api(drip, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        await asyncio.to_thread(list_kind, made, PODS, "ns")
    assert time.monotonic() - began < extend(1.5)


async def test_closing_ends_a_watch_that_is_silent(api: Any) -> None:
    """The thread that waits for the next line is woken by close."""
    made, asked = api(listed("a"), IDLE)
    watching = Watching(made)
    await watching.until(lambda: len(asked) == 2)
    await asyncio.sleep(0.1)
    name = f"watch-{watching.watcher.kind.name}"
    assert name in {thread.name for thread in threading.enumerate()}
    watching.watcher.stop()
    made.close()
    watching.watcher.join(1.0)
    assert name not in {thread.name for thread in threading.enumerate()}
