"""`act` and the screens with every way to a cluster in the process: impersonation, an exec plugin, several contexts and files,
a pod's own files, and rights to one namespace only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import patience
import pytest
import yaml
from action_bench import NAMESPACE, QUICK
from fault_proxy import ProxyHouse
from painting import text_of
from steerable_cluster import SteerableCluster, grants

from console.cli.main import main
from console.config.switch import SettingsSource
from console.demo.cluster.auth import User
from console.journal.sqlite import Journal
from console.screens.app import ConsoleApp
from console.screens.commands import run_command

ROOT = Path(__file__).parents[2]
CERTIFICATES = ROOT / "tests" / "queries" / "certificates"
TARGET = "deployment/cad-render"
CONTEXTS = ("plain", "impersonates", "plugin", "one-namespace")


class Ways:
    """One cluster, a kubeconfig in two files that has a context for each way, and a pod's own files behind TLS."""

    def __init__(self, folder: Path, cluster: SteerableCluster, house: ProxyHouse) -> None:
        self.folder, self.cluster = folder, cluster
        roles = [
            document
            for name in ("role-read.yaml", "role-act.yaml")
            for document in yaml.safe_load_all((ROOT / "deploy" / "base" / name).read_text())
            if document["kind"] == "Role"
        ]
        for rule in roles[0]["rules"]:
            if rule["resources"] == ["namespaces"]:
                rule["resourceNames"] = [NAMESPACE]  # as for a Role in a real cluster, which knows no other namespace
        cluster.add_user(User("night-shift"))
        restricted = cluster.add_user(User("operator", granted=grants(roles)))
        (folder / "bin").mkdir()
        plugin = folder / "bin" / "login"
        credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        answer = json.dumps({**credential, "status": {"token": cluster.token}})
        plugin.write_text(f"#!{sys.executable} -IS\nopen({str(folder / 'ran')!r}, 'a').write('x')\nprint({answer!r})\n")
        plugin.chmod(0o700)
        run = {"apiVersion": credential["apiVersion"], "command": "bin/login", "interactiveMode": "Never"}
        users = {
            "plain": {"token": cluster.token},
            "impersonates": {"token": cluster.token, "as": "night-shift", "as-groups": ["on-call"]},
            "plugin": {"exec": run},
            "one-namespace": {"token": restricted},
        }
        contexts = [{"name": name, "context": {"cluster": "c", "user": name, "namespace": NAMESPACE}} for name in users]
        self._write("contexts", {"current-context": "plain", "contexts": contexts})
        clusters = [{"name": "c", "cluster": {"server": cluster.url}}]
        self._write("rest", {"clusters": clusters, "users": [{"name": name, "user": user} for name, user in users.items()]})
        self.kubeconfig = f"{folder / 'contexts'}:{folder / 'rest'}"
        proxy = house.proxy(cluster.url, certificate=CERTIFICATES / "localhost.pem", key=CERTIFICATES / "server.key")
        self.pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(proxy.port)}
        (folder / "token").write_text(cluster.token)
        (folder / "config.yaml").write_text(
            "environments:\n  shell: {}\n  pod: {kubernetes: {in_cluster: true}}\ndefault_environment: shell\n"
        )

    def _write(self, name: str, document: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(document))

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "USER": "you", "KUBECONFIG": self.kubeconfig, "PATH": "/usr/bin:/bin", **self.pod}

    def flags(self, way: str) -> dict[str, str]:
        place = {"environment": "pod"} if way == "pod" else {"environment": "shell", "context": way}
        return {"config": str(self.folder / "config.yaml"), **place}

    @property
    def revision(self) -> int:
        return self.cluster.deployment("cad-render").revision


@pytest.fixture
def ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    found = SteerableCluster(timings=QUICK)
    found.seed()
    prefix = "kubernetes.config.incluster_config.SERVICE_"
    monkeypatch.setattr(f"{prefix}TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(f"{prefix}CERT_FILENAME", str(CERTIFICATES / "authority.pem"))
    with found, ProxyHouse() as house:
        made = Ways(tmp_path, found, house)
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        yield made


SEEN_AS = {"impersonates": "night-shift", "one-namespace": "operator"}


@pytest.mark.parametrize("way", [*CONTEXTS, "pod"])
def test_act_works_with_every_way_to_a_cluster(ways: Ways, capsys: pytest.CaptureFixture[str], way: str) -> None:
    """A restart is done and journalled with context and identity; an impersonating user's token alone never acts; the exec
    plugin's path is relative to the file that names it, not to the first one, and it runs once for reading and writing.
    """
    before = ways.revision
    words = [f"--{name}={value}" for name, value in ways.flags(way).items()]
    assert main(["act", "restart", TARGET, "--yes", *words]) == 0, capsys.readouterr()
    assert ways.revision == before + 1
    with Journal.open(SettingsSource(ways.flags(way), ways.environ).load().paths.journal_file) as journal:
        (intent,) = journal.events(kinds=["action.intent"])
    assert intent.data["identity"] == SEEN_AS.get(way, "demo")
    assert intent.data["namespace_uid"]
    assert ("cluster_uid" in intent.data) is (way != "one-namespace")
    assert intent.data["cluster"].startswith("the cluster of this pod" if way == "pod" else f"context {way}, server ")
    requests = ways.cluster.requests
    impersonated = [request for request in requests if request.headers.get("impersonate-user") == "night-shift"]
    assert len(impersonated) == (len(requests) if way == "impersonates" else 0)
    if way == "plugin":
        assert (ways.folder / "ran").read_text() == "x"


def test_doctor_says_where_each_part_of_the_identity_came_from(ways: Ways, capsys: pytest.CaptureFixture[str]) -> None:
    """Context, server, namespace, log-in and impersonation as chosen here; user, groups and UIDs as the server sees them."""
    main(["doctor", *(f"--{name}={value}" for name, value in ways.flags("impersonates").items())])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    review = "the API server (SelfSubjectReview)"
    for line in (
        "context impersonates flag --context, in environment variable KUBECONFIG (not named by the environment, so protected)",
        f"server {ways.cluster.url} cluster c",
        f"namespace {NAMESPACE} context impersonates",
        "logs in as user impersonates token",
        "impersonates night-shift (groups on-call) `as` of user impersonates",
        f"seen as night-shift {review}",
        f"groups system:authenticated {review}",
    ):
        assert line in lines, line
    assert any(line.startswith("cluster uid ") and line.endswith(" UID of kube-system") for line in lines)


@pytest.mark.slow
async def test_the_screens_work_with_every_way_to_a_cluster(ways: Ways) -> None:
    """One console goes from way to way: the workloads are listed, and Sources says as whom, and where each came from."""
    source = SettingsSource(ways.flags("plain"), ways.environ)
    app = ConsoleApp(source.load(), source=source, ascii_only=False)
    logs_in = {"plugin": "exec plugin ", "pod": "the pod's service account"}

    async def until(*words: str) -> None:
        await patience.until(pilot, lambda: all(word in text_of(app.screen) for word in words), f"{words}")

    async with app.run_test(size=(120, 40)) as pilot:
        await patience.until(pilot, lambda: app.session is not None, "the session")
        app.go("sources")
        for way in (*CONTEXTS[1:], "pod"):
            run_command(app, "env pod" if way == "pod" else f"ctx {way}")
            origin = "in-cluster service account" if way == "pod" else ":ctx"
            await until(
                f" {NAMESPACE} in {'in-cluster' if way == 'pod' else way}",
                f"seen as       {SEEN_AS.get(way, 'demo')}",
                logs_in.get(way, f"user {way}"),
                origin,
                "kubernetes ok live",
            )
            cluster = app.session.snapshot().cluster if app.session else None
            assert cluster is not None and cluster.workload("cad-render") is not None
            if way == "impersonates":
                await until("night-shift (groups on-call)", "`as` of user impersonates")
            if way == "one-namespace":
                await until("not readable with these permissions  UID of kube-system")
