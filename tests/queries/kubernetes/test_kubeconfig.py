"""A kubeconfig's fields: each is honoured as client-go honours it, or refused by name."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from queries import shipped
from queries.errors import AccessDenied, NotConfigured, SourceError
from queries.http.endpoint import ClusterEndpoint, ClusterPlace
from queries.kubernetes import auth
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.kubernetes.kubeconfig import choose_context, describe_impersonation, kubeconfig_files
from queries.kubernetes.pod_log_reader import PodLogReader
from queries.model.pod_log import LogRequest

SERVER = "http://127.0.0.1:9"
PATCH = {"Content-Type": "application/merge-patch+json"}
V1 = "client.authentication.k8s.io/v1"
AS = {
    "token": "abc",
    "as": "viewer-only",
    "as-uid": "7",
    "as-groups": ["readers", "night shift", "größe"],
    "as-user-extra": {"reason": ["drill", "again"], "Acme.io/Scope": ["x"]},
}


def write(path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **context: Any) -> Path:
    body = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", **context}}],
        "clusters": [{"name": "c", "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": "abc"} if user is None else user}],
    }
    path.write_text(json.dumps(body))
    return path


def login(path: Path) -> Any:
    return KubeAccess(ClusterEndpoint("ns", kubeconfig=str(path)), environ={}).login()


class Seen(BaseHTTPRequestHandler):
    """Answers an empty list, a watch that ends at once, or a review; keeps every request's line and headers."""

    requests: ClassVar[list[tuple[str, list[tuple[str, str]]]]] = []

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        told = [(name.lower(), value) for name, value in self.headers.items() if name.lower().startswith("impersonate")]
        self.requests.append((f"{self.command} {self.path}", told))
        watch = "watch=" in self.path
        body = b"" if watch else b'{"kind":"List","metadata":{"resourceVersion":"1"},"items":[],"status":{"allowed":true}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    Seen.requests = []
    # A request that the server of the test before still answers goes to that test's list.
    handler = type("Handler", (Seen,), {"requests": Seen.requests})
    made = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


async def test_every_request_carries_the_whole_impersonation(tmp_path: Path, server: str) -> None:
    """Lists, watches, single reads, access reviews, dry runs and writes alike: user, uid, each group, each extra value."""
    path = write(tmp_path / "k", cluster={"server": server}, user=AS)
    client = Kubernetes(ClusterEndpoint("ns", kubeconfig=str(path)), read_only=False)
    await list_cluster(client)
    await client.may("patch", "deployments", name="x")
    await PodLogReader(client).read_end(LogRequest("p"))
    await client.call("PATCH", "/apis/apps/v1/namespaces/ns/deployments/x", [("dryRun", "All")], {}, PATCH)
    await client.call("PATCH", "/apis/apps/v1/namespaces/ns/deployments/x", (), {}, PATCH)
    following = asyncio.ensure_future(ClusterWatch(client).follow(lambda _: None))
    while not any("watch=" in line for line, _ in Seen.requests):  # noqa: ASYNC110 - the server's thread tells
        await asyncio.sleep(0.02)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await client.close()
    kinds = {line.split("?")[0].split()[0] for line, _ in Seen.requests}
    assert kinds == {"GET", "POST", "PATCH"}
    expected = [
        ("impersonate-user", "viewer-only"),
        ("impersonate-uid", "7"),
        ("impersonate-group", "readers"),
        ("impersonate-group", "night shift"),
        ("impersonate-group", "größe".encode().decode("latin-1")),
        ("impersonate-extra-reason", "drill"),
        ("impersonate-extra-reason", "again"),
        ("impersonate-extra-acme.io%2fscope", "x"),
    ]
    assert {line: told for line, told in Seen.requests if told != expected} == {}


async def test_without_as_no_impersonation_is_sent(tmp_path: Path, server: str) -> None:
    """The user's own requests carry no Impersonate header."""
    path = write(tmp_path / "k", cluster={"server": server})
    client = Kubernetes(ClusterEndpoint("ns", kubeconfig=str(path)))
    await list_cluster(client)
    await client.close()
    assert Seen.requests
    assert not [told for _, told in Seen.requests if told]


def test_the_identity_in_words_keeps_extra_values_back() -> None:
    """Who is impersonated is named with uid, groups and the names of what is extra; its values may be secrets."""
    assert describe_impersonation(AS) == "viewer-only (uid 7; groups readers, night shift, größe; extra reason, Acme.io/Scope)"
    assert describe_impersonation({"token": "x"}) == ""


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"user": {"token": "x", "as-groups": ["a"]}}, "user u.*`as-groups`.*without `as`"),
        ({"user": {"token": "x", "as-user-extra": {"a": ["b"]}}}, "without `as`"),
        ({"user": {"token": "x", "as": "a", "as-group": ["b"]}}, "unknown field `as-group`"),
        ({"user": {"token": "x", "as": "a", "as-groups": "b"}}, "Expected `array.*as-groups"),
        ({"user": {"token": "x", "as": "a\nb"}}, "control character"),
        ({"user": {"token": 7}}, r"Expected `str.*\$\.token"),
        ({"user": {"token": "x", "username": "n"}}, "`token` and `username`"),
        ({"user": {"client-certificate": "a", "client-certificate-data": "YQ=="}}, "`client-certificate`"),
        ({"user": {"client-key-data": "YQ=="}}, "one is missing"),
        ({"user": {"client-certificate-data": "?", "client-key-data": "YQ=="}}, "`client-certificate-data` is not base64"),
        ({"user": {"exec": {"command": "x", "apiVersion": V1, "stdin": True}}}, "unknown field `stdin`"),
        ({"user": {"exec": {"command": "x", "interactiveMode": "Sometimes"}}}, "`interactiveMode`"),
        ({"user": {"exec": {"command": "x"}, "auth-provider": {"name": "oidc"}}}, "`exec` and `auth-provider`"),
        ({"cluster": {"server": "ftp://h"}}, "cluster c.*`server`"),
        ({"cluster": {"server": ""}}, "cluster c.*`server`"),
        ({"cluster": {"server": "https://h:0"}}, "cluster c.*`server`"),
        ({"cluster": {"proxy-url": "http://h:0"}}, "`proxy-url`"),
        ({"cluster": {"api-version": "v1"}}, "unknown field `api-version`"),
        ({"cluster": {"insecure-skip-tls-verify": "yes"}}, "Expected `bool.*insecure-skip-tls-verify"),
        (
            {"cluster": {"insecure-skip-tls-verify": True, "certificate-authority-data": "YQ=="}},
            "`insecure-skip-tls-verify` and a certificate-authority|`insecure-skip-tls-verify` and `a certificate-authority`",
        ),
        ({"cluster": {"certificate-authority-data": "?"}}, "`certificate-authority-data` is not base64"),
        ({"cluster": {"proxy-url": "socks4://h:1"}}, "`proxy-url`"),
        ({"colour": "red"}, "context one.*unknown field `colour`"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(tmp_path: Path, sections: dict[str, Any], words: str) -> None:
    """Unknown, malformed and contradicting fields of user, cluster, context and exec: Denied, naming section and field."""
    with pytest.raises(AccessDenied, match=words) as told:
        login(write(tmp_path / "k", **sections))
    assert "abc" not in str(told.value)


def test_extensions_and_disable_compression_pass(tmp_path: Path) -> None:
    """What other tools keep in extensions is not for a client; this console asks for no compression anyway."""
    extension = [{"name": "minikube", "extension": {"version": "1"}}]
    more: dict[str, Any] = {"extensions": extension}
    client, headers = login(
        write(tmp_path / "k", cluster={"disable-compression": True, **more}, user={"token": "abc", **more}, **more)
    )
    assert client.authorization == "Bearer abc"
    assert headers == ()


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({"username": "n", "password": "pä"}, "Basic bjpww6Q="),
        ({"username": "n"}, "Basic bjo="),
        ({"tokenFile": "token"}, "Bearer from-file"),
        ({"tokenFile": "token", "token": "abc"}, "Bearer from-file"),
        ({"token": "abc", "exec": {"command": "./never-run", "apiVersion": V1}}, "Bearer abc"),
    ],
)
def test_who_one_is_as_client_go_has_it(tmp_path: Path, user: dict[str, Any], authorization: str) -> None:
    """A user without password is sent too, in UTF-8; a token file beats a token, and a token saves the plugin."""
    (tmp_path / "token").write_text("from-file\n")
    client, _ = login(write(tmp_path / "k", user=user))
    assert client.authorization == authorization


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Within one file kubectl refuses it too; which of the two was meant nobody can say."""
    path = write(tmp_path / "k")
    document = json.loads(path.read_text())
    document["users"] *= 2
    path.write_text(json.dumps(document))
    with pytest.raises(NotConfigured, match="has 'u' twice in users"):
        login(path)


def test_a_token_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """No anonymous request goes out where the credential cannot be read."""
    with pytest.raises(NotConfigured, match=r"tokenFile .*gone"):
        login(write(tmp_path / "k", user={"tokenFile": "gone"}))


def test_the_clusters_own_proxy_is_used_whatever_no_proxy_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in client-go NO_PROXY is for proxies of the environment; credentials in proxy-url go to the proxy."""
    monkeypatch.setenv("NO_PROXY", "*")
    client, _ = login(write(tmp_path / "k", cluster={"proxy-url": "http://me:p%40ss@127.0.0.1:1"}))
    manager = client.manager
    assert type(manager).__name__ == "ProxyManager"
    assert manager.proxy_headers == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}


def test_an_expired_id_token_is_refused_by_name(tmp_path: Path) -> None:
    """This console does not renew it: it says so instead of being refused by the server for no visible reason."""
    token = "e30.eyJleHAiOjE3MDAwMDAwMDB9.x"  # {"exp": 1700000000}
    provider = {"name": "oidc", "config": {"id-token": token, "refresh-token": "r"}}
    with pytest.raises(AccessDenied, match="refresh-token"):
        login(write(tmp_path / "k", user={"auth-provider": provider}))


def test_files_paths_and_plugins_belong_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KUBECONFIG=a/config:b/config the plugin of b is run in b, also where the list is relative."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = {"clusters": [{"name": "other", "cluster": {"server": "http://127.0.0.1:1"}}], "contexts": [], "users": []}
    (tmp_path / "a" / "config").write_text(json.dumps(first))
    answer = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "from-b"}})
    (tmp_path / "b" / "token.sh").write_text(f"#!/bin/sh\necho '{answer}'\n")
    (tmp_path / "b" / "token.sh").chmod(0o755)
    write(tmp_path / "b" / "config", user={"exec": {"command": "./token.sh", "apiVersion": V1}})
    monkeypatch.chdir(tmp_path)
    client = KubeAccess(ClusterEndpoint("ns", kubeconfig="a/config:b/config"), environ={"PATH": "/usr/bin:/bin"}).client()
    assert client.authorization == "Bearer from-b"


def test_a_plugin_gets_the_authority_and_its_own_settings(tmp_path: Path) -> None:
    """provideClusterInfo: the certificate's content and the extension for exec plugins, as client-go gives them."""
    (tmp_path / "ca.pem").write_text("PEM")
    answer = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "t"}})
    (tmp_path / "p").write_text(f"#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" > {tmp_path}/info\necho '{answer}'\n")
    (tmp_path / "p").chmod(0o755)
    cluster = {
        "certificate-authority": "ca.pem",
        "tls-server-name": "api.internal",
        "disable-compression": True,
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}],
    }
    spec = {"command": "./p", "apiVersion": V1, "provideClusterInfo": True, "interactiveMode": "IfAvailable"}
    login(write(tmp_path / "k", cluster=cluster, user={"exec": spec}))
    told = json.loads((tmp_path / "info").read_text())["spec"]["cluster"]
    assert told == {
        "server": SERVER,
        "tls-server-name": "api.internal",
        "certificate-authority-data": "UEVN",
        "disable-compression": True,
        "config": {"audience": "x"},
    }


def test_a_client_goes_nowhere_else_than_where_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig that leads elsewhere since the start is refused: nobody sees one cluster and acts on another."""
    monkeypatch.setattr(auth, "FAILED_SECONDS", 0.0)
    path = write(tmp_path / "k")
    place = choose_context(kubeconfig_files(str(path))).place
    assert place == ClusterPlace("one", "c", SERVER, "u")
    access = KubeAccess(ClusterEndpoint("ns", kubeconfig=str(path), context="one", place=place), environ={})
    client = access.client()
    write(path, cluster={"server": "http://127.0.0.1:10"})
    access.reject(client)
    with pytest.raises(SourceError, match=r"now leads to context one, server http://127\.0\.0\.1:10"):
        access.client()
    write(path, user={"token": "abc", "as": "somebody"})
    with pytest.raises(SourceError, match=r"as somebody.*restart the console"):
        access.client()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of what is computed once on this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    importlib.reload(shipped)
    return tmp_path / "cache" / "cad-console" / shipped.CACHE_NAME


def start_over() -> None:
    """As another process, which may not parse YAML."""
    shipped.save_parsed()
    importlib.reload(shipped)


YAML_FILE = """\
apiVersion: v1
current-context: one
preferences: {}
contexts:
- {name: one, context: {cluster: c, user: u, namespace: ""}}
clusters:
- name: c
  cluster: {server: "https://127.0.0.1:9", insecure-skip-tls-verify: true, proxy-url: }
users:
- name: u
  user:
    token: 'hidden-token'
    password: one
    client-key-data: aGlkZGVuLWtleQ==
    exec:
      args: [--one, '--two', --one]
      env: [{name: A, value: hidden-value}]
"""


def test_a_file_that_was_read_before_needs_no_yaml(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same values from the places in the text, and those of the new text as soon as one letter differs."""
    path = tmp_path / "k"
    path.write_text(YAML_FILE)
    first = choose_context([path])
    start_over()
    with monkeypatch.context() as patched:
        patched.setattr("queries.yaml.load_yaml", lambda *_, **__: pytest.fail("parsed again"))
        again = choose_context([path])
    assert (again, again.cluster, again.user) == (first, first.cluster, first.user)
    assert first.user["exec"] == {"args": ["--one", "--two", "--one"], "env": [{"name": "A", "value": "hidden-value"}]}
    assert first.cluster == {"server": "https://127.0.0.1:9", "insecure-skip-tls-verify": True, "proxy-url": None}
    path.write_text(YAML_FILE.replace("hidden-token", "hidden-tokem"))
    assert choose_context([path]).user["token"] == "hidden-tokem"


def test_no_value_of_a_kubeconfig_is_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of the file are places in it: no token, no key, no variable of a plugin."""
    path = tmp_path / "k"
    path.write_text(YAML_FILE)
    choose_context([path])
    start_over()
    kept = cache.read_bytes()
    assert b"client-key-data" in kept
    assert [word for word in (b"hidden", b"aGlkZGVu", b"127.0.0.1") if word in kept] == []


@pytest.mark.parametrize(
    "user",
    [
        "password: 1234567",
        "password: 2026-01-02",
        'token: "a\\x62c"',
        "token: >-\n      folded\n      secret",
        "exec: " + "{a: " * 60 + "x" + "}" * 60,
    ],
    ids=["number", "date", "escaped", "folded", "deep"],
)
def test_what_has_no_place_in_the_text_is_parsed_each_time(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """The value is the same again, and nothing of it is kept."""
    path = tmp_path / "k"
    path.write_text(YAML_FILE.replace("    token: 'hidden-token'\n", f"    {user}\n").replace("    password: one\n", ""))
    first = choose_context([path]).user
    start_over()
    assert choose_context([path]).user == first
    assert b"1234567" not in cache.read_bytes()


def test_a_file_that_is_no_yaml_is_an_error_each_time(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same sentence."""
    path = tmp_path / "k"
    path.write_text("users: [")
    sentences = []
    for _ in range(2):
        with pytest.raises(NotConfigured, match="not YAML") as caught:
            choose_context([path])
        sentences.append(caught.value.fault.sentence())
        start_over()
    assert sentences[0] == sentences[1]


def test_an_identity_may_have_blanks(tmp_path: Path) -> None:
    """A blank is no control character; every one before it is."""
    _, headers = login(write(tmp_path / "k", user={"token": "x", "as": "night shift", "as-groups": ["a b"]}))
    assert ("Impersonate-User", "night shift") in list(headers)
    for character in ("\x1f", "\x7f"):
        with pytest.raises(AccessDenied, match="control character"):
            login(write(tmp_path / "k", user={"token": "x", "as": f"night{character}shift"}))
