"""Who we are to the API server: kubeconfigs that are wrong in every way, and exec plugins that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from limits import extend

from queries.errors import AccessDenied, NotConfigured, SourceError, TimedOut
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes import exec_plugin
from queries.kubernetes.auth import KubeAccess
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.exec_plugin import run_plugin

SERVER = "http://127.0.0.1:9"
V1 = "client.authentication.k8s.io/v1"


def config(path: Path, *, user: dict[str, Any] | None = None, **changes: Any) -> Path:
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
        "users": [{"name": "u", "user": user or {"token": "abc"}}],
        **changes,
    }
    path.write_text(json.dumps(body))
    return path


def access(path: object, *, context: str = "", environ: dict[str, str] | None = None) -> KubeAccess:
    return KubeAccess(ClusterEndpoint("ns", kubeconfig=str(path), context=context), environ=environ or dict(os.environ))


def bearer(given: KubeAccess, **named: float) -> str:
    return str(given.client(**named).authorization)


def plugin(folder: Path, body: str) -> str:
    path = folder / "plugin.sh"
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def is_dead(marker: Path) -> bool:
    """Whether the process whose id the file holds has ended."""
    state = Path(f"/proc/{marker.read_text().strip()}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def credential(token: str = "t1", **status: str) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": token, **status}})


def run(folder: Path, body: str, *, limit: float = 5.0, **spec: Any) -> Any:
    command = {"apiVersion": V1, "command": plugin(folder, body), **spec}
    return run_plugin(command, cluster={"server": SERVER}, environ=os.environ, limit_seconds=limit)


def test_the_context_chooses_server_and_user(tmp_path: Path) -> None:
    """Server and token of the current context, or of the one that was named."""
    other = {
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "d", "user": "u"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": SERVER}},
            {"name": "d", "cluster": {"server": "http://127.0.0.1:10"}},
        ],
    }
    path = config(tmp_path / "k", **other)
    assert access(path).client().host == SERVER
    assert access(path, context="two").client().host == "http://127.0.0.1:10"
    assert bearer(access(path)) == "Bearer abc"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty or not a mapping"),
        ("a: [", "not YAML"),
        ("- a", "empty or not a mapping"),
        ("clusters: 7", "not a list"),
        ("{}", "names no context"),
        ('{"current-context": "x"}', "no context 'x'"),
        ('{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "y"}}]}', "no cluster 'y'"),
        (
            '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "y", "user": "z"}}],'
            ' "clusters": [{"name": "y", "cluster": {"server": "http://h"}}]}',
            "no user 'z'",
        ),
        (
            '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "y"}}],'
            ' "clusters": [{"name": "y", "cluster": {"server": "https://h", "certificate-authority": "gone.pem"}}]}',
            "gone.pem",
        ),
        ("\x00\x01", "not YAML"),
    ],
)
def test_each_broken_kubeconfig_has_its_sentence(tmp_path: Path, content: str, words: str) -> None:
    """Empty, no YAML, wrong shapes, missing context, cluster, user or file: NotConfigured, naming what and where."""
    path = tmp_path / "k"
    path.write_text(content)
    with pytest.raises(NotConfigured) as told:
        access(path).client()
    assert words in str(told.value)


def test_a_missing_kubeconfig_names_the_path(tmp_path: Path) -> None:
    """Neither a flag nor KUBECONFIG leads to a file."""
    with pytest.raises(NotConfigured, match=r"no kubeconfig at .*nowhere"):
        access(tmp_path / "nowhere").client()
    with pytest.raises(NotConfigured, match="elsewhere"):
        KubeAccess(ClusterEndpoint("ns"), environ={"KUBECONFIG": str(tmp_path / "elsewhere")}).client()


def test_several_files_are_merged_and_paths_are_relative_to_their_own(tmp_path: Path) -> None:
    """The first that names something wins; a token file lies beside the kubeconfig that names it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "token").write_text("from-b\n")
    first = tmp_path / "a" / "k"
    first.write_text(
        json.dumps({"current-context": "one", "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]})
    )
    second = config(tmp_path / "b" / "k", user={"tokenFile": "token"})
    assert bearer(access(f"{first}:{second}")).split() == ["Bearer", "from-b"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A new token in the kubeconfig, or in its token file, counts without a restart."""
    path = config(tmp_path / "k")
    given = access(path)
    assert bearer(given) == "Bearer abc"
    first = given.client()
    assert given.client() is first
    config(path, user={"token": "new"})
    os.utime(path, ns=(1, 1))
    assert bearer(given) == "Bearer new"


def test_an_exec_plugin_gives_its_token_once_until_it_expires(tmp_path: Path) -> None:
    """It runs once, is cached until shortly before expirationTimestamp, runs again then, and after a 401."""
    count = tmp_path / "count"
    answer = credential(expirationTimestamp="2030-01-01T00:00:00Z")
    body = f"echo x >> {count}\ncat <<'END'\n{answer}\nEND\n"
    path = config(tmp_path / "k", user={"exec": {"apiVersion": V1, "command": plugin(tmp_path, body)}})
    given = access(path)
    ends = 1893456000.0
    assert bearer(given, now=ends - 3600) == "Bearer t1"
    given.client(now=ends - 60)
    assert count.read_text() == "x\n"
    client = given.client(now=ends - 10)
    assert count.read_text() == "x\nx\n"
    given.reject(client)
    given.client(now=ends - 3600)
    assert count.read_text() == "x\nx\nx\n"


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize(("left", "runs"), [(30.5, 1), (30.0, 1), (29.5, 2), (0.0, 2)])
def test_a_token_is_renewed_in_its_last_half_minute(tmp_path: Path, left: float, runs: int, other: bool) -> None:
    """Exactly thirty seconds before its end it is still used, by the client that has it and by another one of the process."""
    count = tmp_path / "count"
    body = f"echo x >> {count}\ncat <<'END'\n{credential(expirationTimestamp='2030-01-01T00:00:00Z')}\nEND\n"
    path = config(tmp_path / "k", user={"exec": {"apiVersion": V1, "command": plugin(tmp_path, body)}})
    ends = 1893456000.0
    given = access(path)
    assert bearer(given, now=ends - 3600.0) == "Bearer t1"
    assert bearer(access(path) if other else given, now=ends - left) == "Bearer t1"
    assert count.read_text() == "x\n" * runs


def test_a_failure_of_the_plugin_is_forgotten_whatever_the_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error holds for a moment, so that six watches do not run it six times; a clock that is set back by a day meanwhile
    keeps nobody from the cluster.
    """
    works = tmp_path / "works"
    body = f"test -e {works} || exit 3\ncat <<'END'\n{credential()}\nEND\n"
    given = access(config(tmp_path / "k", user={"exec": {"apiVersion": V1, "command": plugin(tmp_path, body)}}))
    passed = time.monotonic()
    monkeypatch.setattr("queries.kubernetes.auth.time.monotonic", lambda: passed)
    with pytest.raises(AccessDenied, match="exit code 3"):
        given.client()
    works.touch()
    with pytest.raises(AccessDenied, match="exit code 3"):
        given.client()
    passed += 2.0
    yesterday = time.time() - 86_400.0
    monkeypatch.setattr("queries.kubernetes.auth.time.time", lambda: yesterday)
    assert bearer(given) == "Bearer t1"


def test_two_clients_of_one_plugin_share_the_credential_that_works(tmp_path: Path) -> None:
    """The console reads and writes with a client each. Once the server rejected a token from one of them, the other one uses
    the next token too, without a 401 of its own; and if it still gets one for the old token, the new one stays.
    """
    count = tmp_path / "count"
    body = f"echo x >> {count}\ncat <<END\n{credential('t$(wc -l < ' + str(count) + ')')}\nEND\n"
    path = config(tmp_path / "k", user={"exec": {"apiVersion": V1, "command": plugin(tmp_path, body)}})
    reader, writer = access(path), access(path)
    rejected, late = reader.client(), writer.client()
    assert (rejected.authorization, late.authorization) == ("Bearer t1", "Bearer t1")
    reader.reject(rejected)
    assert bearer(reader) == "Bearer t2"
    writer.reject(late)
    assert (bearer(writer), bearer(reader)) == ("Bearer t2", "Bearer t2")
    reader.reject(reader.client())
    assert (bearer(reader), bearer(writer)) == ("Bearer t3", "Bearer t3")


def test_a_plugin_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """The limit holds although a child of the plugin keeps the pipes open; afterwards neither lives."""
    marker = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"returned no credential within 600ms"):
        run(tmp_path, f"sleep 60 & echo $! > {marker}\nwait\n", limit=0.6)
    assert time.monotonic() - began < extend(3.0)
    time.sleep(0.1)
    assert is_dead(marker)


async def test_closing_does_not_wait_for_a_plugin_and_leaves_none_behind(tmp_path: Path) -> None:
    """A client whose plugin hangs closes at once, and the plugin ends with it."""
    marker = tmp_path / "pid"
    body = f"echo $$ > {marker}.part\nmv {marker}.part {marker}\nsleep 60\n"
    user = {"exec": {"apiVersion": V1, "command": plugin(tmp_path, body)}}
    client = Kubernetes(ClusterEndpoint("ns", kubeconfig=str(config(tmp_path / "k", user=user))))
    asked = asyncio.ensure_future(list_cluster(client))
    ends = time.monotonic() + extend(20.0)
    while not marker.exists():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)
    began = time.monotonic()
    await client.close()
    assert time.monotonic() - began < extend(0.5)
    with pytest.raises(SourceError):
        await asyncio.wait_for(asked, extend(2.0))
    assert is_dead(marker)


def test_a_plugin_that_prompts_gets_no_terminal(tmp_path: Path) -> None:
    """Its stdin is empty and /dev/tty cannot be opened: it fails at once instead of waiting for a password."""
    with pytest.raises(AccessDenied, match="exit code 1"):
        run(tmp_path, "read -r password || exit 1\necho $password\n")
    with pytest.raises(AccessDenied, match="exit code 3"):
        run(tmp_path, "( : < /dev/tty ) 2>/dev/null || exit 3\n")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo garbage\n", "not an ExecCredential"),
        ("true\n", "not an ExecCredential"),
        ("printf '\\377\\376'\n", "not an ExecCredential"),
        ('echo \'{"kind": "ExecCredential"}\'\n', "another version"),
        (f'echo \'{{"kind": "ExecCredential", "apiVersion": "{V1}"}}\'\n', "not an ExecCredential"),
        (f"echo '{credential('')}'\n", "neither a token nor a certificate"),
        (f"echo '{credential(expirationTimestamp='soon')}'\n", "is not a time"),
        ("echo 'you are not logged in' >&2; exit 7\n", "exit code 7.*you are not logged in"),
        ("exit 7\n", "exit code 7.*it printed nothing"),
        ("head -c 51200 /dev/zero\n", "not an ExecCredential"),
        ("head -c 51201 /dev/zero\n", "printed more than 50 KiB"),
        ("head -c 51200 /dev/zero; sleep 0.2; echo\n", "printed more than 50 KiB"),
        ("head -c 60000 /dev/zero\n", "printed more than 50 KiB"),
        ("yes\n", "printed more than 50 KiB"),
        ("yes >&2 & sleep 0.3; kill $!; exit 7\n", "exit code 7.*y"),
        ("head -c 40000 /dev/zero | tr '\\0' '['\n", "nested too deeply"),
    ],
)
def test_each_misbehaving_plugin_has_its_sentence(
    tmp_path: Path, body: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage, an empty answer, a wrong version, no credential, no end, a failure: Denied, with the last line of stderr."""
    monkeypatch.setattr(exec_plugin, "LIMIT_BYTES", 50 << 10)
    with pytest.raises(AccessDenied, match=words):
        run(tmp_path, body)


def test_plugins_that_cannot_work_are_refused(tmp_path: Path) -> None:
    """Not installed (with its hint), one that insists on a terminal, an unknown version, a dropped auth-provider."""
    spec = {"apiVersion": V1, "command": "no-such-plugin", "installHint": "apt install it\nor not"}
    with pytest.raises(AccessDenied, match=r"cannot be started.*apt install it$"):
        run_plugin(spec, cluster={}, environ=os.environ)
    for hint in (None, "", " ", "\n"):
        with pytest.raises(AccessDenied, match=r"cannot be started.*is it installed and on PATH\?$"):
            run_plugin({**spec, "installHint": hint}, cluster={}, environ=os.environ)
    with pytest.raises(AccessDenied, match="needs a terminal"):
        run(tmp_path, "true\n", interactiveMode="Always")
    with pytest.raises(AccessDenied, match="v1alpha1"):
        run(tmp_path, "true\n", apiVersion="client.authentication.k8s.io/v1alpha1")
    path = config(tmp_path / "k", user={"auth-provider": {"name": "gcp", "config": {"cmd-path": "touch hacked"}}})
    with pytest.raises(AccessDenied, match="auth-provider gcp"):
        access(path).client()
    assert not (tmp_path / "hacked").exists()


def test_the_plugin_is_told_what_it_may_know(tmp_path: Path) -> None:
    """Its own environment entries, and KUBERNETES_EXEC_INFO with `interactive: false` and the cluster where asked."""
    body = f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\necho "$EXTRA" > {tmp_path}/extra\necho \'{credential()}\'\n'
    run(tmp_path, body, provideClusterInfo=True, env=[{"name": "EXTRA", "value": "yes"}])
    info = json.loads((tmp_path / "info").read_text())
    assert info["spec"] == {"interactive": False, "cluster": {"server": SERVER}}
    assert (tmp_path / "extra").read_text() == "yes\n"


def test_no_secret_is_in_any_sentence_or_representation(tmp_path: Path) -> None:
    """A plugin that prints its token beside garbage, and the credential's own repr: the token shows nowhere."""
    with pytest.raises(SourceError) as told:
        run(tmp_path, "echo 'token: hunter2'\n")
    assert "hunter2" not in str(told.value)
    assert "hunter2" not in repr(run(tmp_path, f"echo '{credential('hunter2')}'\n"))


def test_proxies_and_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is used, NO_PROXY keeps the API server out of it, and the kubeconfig's proxy-url wins."""
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,.cluster.local")
    path = tmp_path / "k"

    def manager(server: str, **cluster: str) -> str:
        config(path, clusters=[{"name": "c", "cluster": {"server": server, **cluster}}])
        return type(access(path).client().manager).__name__

    assert manager("https://api.example.com") == "ProxyManager"
    assert manager("https://10.1.2.3:6443") == "PoolManager"
    assert manager("https://api.cluster.local") == "PoolManager"
    assert manager("https://api.example.com", **{"proxy-url": "http://other:1"}) == "ProxyManager"


@pytest.mark.parametrize(("passed", "runs_again"), [(0.0, False), (1.0 - 2.0**-10, False), (1.0, True)])
def test_an_error_of_a_plugin_holds_for_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: float, runs_again: bool
) -> None:
    """Exactly then it is run again."""
    works = tmp_path / "works"
    body = f"test -e {works} || exit 3\ncat <<'END'\n{credential()}\nEND\n"
    given = access(config(tmp_path / "k", user={"exec": {"apiVersion": V1, "command": plugin(tmp_path, body)}}))
    now = float(int(time.monotonic()))
    monkeypatch.setattr("queries.kubernetes.auth.time.monotonic", lambda: now)
    with pytest.raises(AccessDenied, match="exit code 3"):
        given.client()
    works.touch()
    now += passed
    if runs_again:
        assert bearer(given) == "Bearer t1"
    else:
        with pytest.raises(AccessDenied, match="exit code 3"):
            given.client()
