"""Where an action goes and as whom: the environment's own cluster, the context's namespace, and the impersonated identity."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from action_bench import Facts
from cluster_fixture import Namespace, Target

from console.actions.plan import Outcome, Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.config.load import load_settings
from console.config.settings import Settings
from console.journal.sqlite import Journal
from queries.errors import AccessDenied
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.model.alert import Alert, AlertState

TARGET = "deployment/web"


def kubeconfig(ns: Namespace, path: Path, **user: Any) -> Path:
    """One whose context has this namespace, and whose user more fields."""
    ns.kubeconfig(path)
    document = json.loads(path.read_text())
    document["contexts"][0]["context"]["namespace"] = ns.name
    document["users"][0]["user"].update(user)
    path.write_text(json.dumps(document))
    return path


def settings(folder: Path, config: str, **environ: str) -> Settings:
    (folder / "config.yaml").write_text(config)
    output = {"HOME": str(folder), "USER": "tester", **environ}
    return load_settings({"config": str(folder / "config.yaml")}, output, service_account="/nonexistent")


class Acting:
    """The runner with the console's own clients, as the settings lead them."""

    def __init__(self, output: Settings) -> None:
        assert output.kubernetes is not None
        self.settings = output
        self.reads = Facts(output.kubernetes)
        self.writer = Writer(output)
        self.journal = Journal.open(output.paths.journal_file)
        self.previews: list[Preview] = []

    async def act(self, request: Request) -> RunStep:
        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        steps = run(request, RunContext(self.settings, self.reads, self.writer, self.journal), agree)
        return [step async for step in steps][-1]

    async def close(self) -> None:
        await self.reads.close()
        await self.writer.close()
        self.journal.close()


@pytest.fixture
async def acting() -> AsyncIterator[list[Acting]]:
    made: list[Acting] = []
    yield made
    for item in made:
        await item.close()


async def test_the_environments_own_cluster_is_acted_on_whatever_the_shell_says(
    target: Target, ns: Namespace, tmp_path: Path, acting: list[Acting]
) -> None:
    """Two places with a Deployment of the same name: only the one that the environment names is changed, in the namespace of
    its context; preview, command and journal name context and server.
    """
    with target.namespace() as other:
        for each in (ns, other):
            each.add(replicas=1)
            each.rolled_out()
            each.quiet()
        own, shell = kubeconfig(ns, tmp_path / "own"), kubeconfig(other, tmp_path / "shell")
        output = settings(
            tmp_path,
            f"environments: {{staging: {{protected: false, kubernetes: {{kubeconfig: {own}}}}}}}",
            KUBECONFIG=str(shell),
        )
        assert output.namespace == ns.name
        assert output.cluster_note.startswith("KUBECONFIG of the shell is ignored")
        console = Acting(output)
        acting.append(console)
        end = await console.act(Request("scale", TARGET, {"replicas": "2"}))
        assert end.outcome is Outcome.DONE, end.text
        assert [each.get(each.deployments("web"))["spec"]["replicas"] for each in (ns, other)] == [2, 1]
    where = f"context x, server {str(ns.http.base_url).rstrip('/')}, user x, namespace {ns.name}"
    preview = console.previews[0]
    assert preview.cluster == where
    assert not preview.protected
    assert preview.plan.command == f"kubectl --kubeconfig {own} --context x -n {ns.name} scale {TARGET} --replicas=2"
    (intent,) = console.journal.events(kinds=["action.intent"])
    assert intent.data["cluster"] == where
    uid = ns.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert (intent.data["cluster_uid"], intent.data["server"]) == (uid, str(ns.http.base_url).rstrip("/"))
    assert intent.data["identity"].startswith("demo" if target.name == "in-process" else "admin (groups system:masters")


async def test_an_alert_of_another_namespace_changes_nothing_here(ns: Namespace, tmp_path: Path, acting: list[Acting]) -> None:
    """The healthy namesake stays as it is; the same alert of this namespace is acted on; a pod is looked for on the server."""
    ns.add(replicas=1)
    ns.rolled_out()
    ns.quiet()
    pod = ns.pods()[0]["metadata"]["name"]
    own = kubeconfig(ns, tmp_path / "own")
    console = Acting(settings(tmp_path, f"environments: {{staging: {{kubernetes: {{kubeconfig: {own}}}}}}}"))
    acting.append(console)
    labels = {
        "elsewhere": {"namespace": "payments"},
        "other-environment": {"namespace": ns.name, "environment": "production"},
        "other-pod": {"pod": "payments-5f6d7-abcde"},
        "here": {"namespace": ns.name, "environment": "stg", "cluster": "x"},
        "pod-here": {"pod": pod},
        "pod-gone": {"pod": f"{pod.rpartition('-')[0]}-gone1"},
    }
    console.reads.alerts_now = tuple(
        Alert(name, AlertState.ACTIVE, tuple(sorted({"alertname": "A", "deployment": "web", **output}.items())))
        for name, output in labels.items()
    )
    before = ns.get(ns.deployments("web"))["metadata"]["generation"]
    for name in ("elsewhere", "other-environment", "other-pod"):
        end = await console.act(Request("restart", TARGET, fingerprint=name))
        assert end.outcome is Outcome.REFUSED, name
        assert "the alert is about another place" in end.text
    assert ns.get(ns.deployments("web"))["metadata"]["generation"] == before
    for name in ("here", "pod-here", "pod-gone"):

        async def no(preview: Preview) -> bool:
            console.previews.append(preview)
            return False

        steps = run(
            Request("restart", TARGET, fingerprint=name),
            RunContext(console.settings, console.reads, console.writer, console.journal),
            no,
        )
        assert "not confirmed" in [step async for step in steps][-1].text, name
        assert not console.previews[-1].blocked, name


def grant(ns: Namespace, name: str, subject: dict[str, str], verbs: list[str]) -> None:
    """A Role on everything of the namespace with these verbs, bound to a user or a group."""
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}]
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}
    bound = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"apiGroup": group, **subject}],
    }
    for plural, body in (("roles", role), ("rolebindings", bound)):
        answer = ns.http.post(ns.path(plural, group=f"{group}/v1"), json=body)
        assert answer.status_code == 201, answer.text


@pytest.fixture
def real(target: Target) -> None:
    if target.name == "in-process":
        pytest.skip("the cluster in the process has no RBAC and impersonates nobody")


@pytest.mark.usefixtures("real")
async def test_an_impersonating_kubeconfig_has_the_rights_of_whom_it_names(
    ns: Namespace, tmp_path: Path, acting: list[Acting]
) -> None:
    """With an administrator's token: a viewer reads, follows, may not patch by the server's own review, and is refused when it
    tries; a group that is impersonated too gives its rights. Every part of the identity arrives at the server.
    """
    ns.add(replicas=1)
    ns.rolled_out()
    ns.quiet()
    grant(ns, "view", {"kind": "User", "name": "viewer-only"}, ["get", "list", "watch"])
    grant(ns, "act", {"kind": "Group", "name": "night shift"}, ["patch", "update"])
    seen = {}
    for name, more in (("viewer", {}), ("operator", {"as-groups": ["others", "night shift"]})):
        who = {"as": "viewer-only", "as-uid": "7", "as-user-extra": {"reason": ["drill", "again"]}, **more}
        own = kubeconfig(ns, tmp_path / name, **who)
        console = Acting(settings(tmp_path, f"environments: {{staging: {{kubernetes: {{kubeconfig: {own}}}}}}}"))
        acting.append(console)
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        client = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(own)), read_only=False)
        answer = await client.call(
            "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", (), review, {"Content-Type": "application/json"}
        )
        await client.close()
        user = json.loads(answer)["status"]["userInfo"]
        assert (user["username"], user["uid"]) == ("viewer-only", "7")
        assert user["extra"]["reason"] == ["drill", "again"]
        assert set(user["groups"]) == {*more.get("as-groups", ()), "system:authenticated"}
        assert [item.name for item in (await list_cluster(console.reads)).workloads] == ["web"]
        seen[name] = (await console.reads.may("patch", "deployments", name="web"))[0]
        end = await console.act(Request("restart", TARGET))
        assert "as viewer-only (uid 7" in console.previews[-1].cluster
        if name == "viewer":
            assert end.outcome is Outcome.REFUSED
            assert "you may not patch deployments" in end.text
            with pytest.raises(AccessDenied, match='User "viewer-only" cannot patch'):
                await console.writer.patch("deployments", "web", {}, content_type="application/merge-patch+json")
        else:
            assert end.outcome is Outcome.DONE, end.text
    assert seen == {"viewer": False, "operator": True}


@pytest.mark.usefixtures("real")
async def test_who_may_not_impersonate_is_told_so_by_the_server(ns: Namespace, tmp_path: Path) -> None:
    """The server's own sentence, instead of reads with the token's own rights."""
    own = kubeconfig(ns, tmp_path / "own", **{"as": "admin"})
    document = json.loads(own.read_text())
    document["users"][0]["user"]["token"] = ns.target.client("powerless").headers["Authorization"].removeprefix("Bearer ")
    own.write_text(json.dumps(document))
    client = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(own)))
    with pytest.raises(AccessDenied, match="cannot impersonate"):
        await list_cluster(client)
    await client.close()
