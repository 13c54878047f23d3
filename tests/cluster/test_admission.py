"""deploy/admission and the acting Role on a real API server: the console's actions pass, other changes do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from action_bench import Bench, Facts, outcome, settings_for
from cluster_fixture import JSON_PATCH, MERGE, Namespace, cron_job, names, until

from console.actions.plan import Outcome
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint
from queries.yaml import SafeLoader

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.skipif("control-plane" not in names(), reason="the cluster in the process has no admission policies"),
    pytest.mark.parametrize("target", ["control-plane"], indirect=True, scope="session"),
]
NAME, TARGET = "cad-ml-api", "deployment/cad-ml-api"
REPOSITORY = "registry.example.com:5000/cad-ml/api"
ACCOUNT = "cad-console-act"
DEPLOY = Path(__file__).parents[2] / "deploy"


def documents(path: str) -> list[dict[str, Any]]:
    return list(yaml.load_all((DEPLOY / path).read_text(encoding="utf-8"), Loader=SafeLoader))


class Acting:
    """A namespace in which deploy/'s acting account and the policy are set up, and clients with that account's own token."""

    def __init__(self, ns: Namespace) -> None:
        self.ns = ns
        for item in (item for name in ("service-accounts", "role-read", "role-act") for item in documents(f"base/{name}.yaml")):
            for subject in item.get("subjects", ()):
                subject["namespace"] = ns.name  # as kustomize does
            group = "v1" if item["apiVersion"] == "v1" else item["apiVersion"]
            plural = {"ServiceAccount": "serviceaccounts", "Role": "roles", "RoleBinding": "rolebindings"}[item["kind"]]
            answer = ns.http.post(ns.path(plural, group=group), json=item)
            assert answer.status_code == 201, answer.text
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = ns.http.post(ns.path("serviceaccounts", ACCOUNT, "token", group="v1"), json=request)
        assert answer.status_code == 201, answer.text
        self.token = answer.json()["status"]["token"]

    def client(self) -> httpx.Client:
        """As the account; the transport is the target's."""
        client = self.ns.target.client("nobody")
        client.headers["Authorization"] = f"Bearer {self.token}"
        return client

    def kubeconfig(self, path: Path) -> str:
        document = json.loads(self.ns.kubeconfig(path).read_text())
        document["users"][0]["user"]["token"] = self.token
        path.write_text(json.dumps(document))
        return str(path)


def policy() -> list[tuple[str, dict[str, Any]]]:
    """Policy and binding, each with its plural."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
    ends = {"ValidatingAdmissionPolicy": "ies", "ValidatingAdmissionPolicyBinding": "ybindings"}
    return [(root + ends[item["kind"]], item) for item in documents("admission/policy.yaml")]


@pytest.fixture
def acting(ns: Namespace) -> Iterator[Acting]:
    made = Acting(ns)
    ns.add(NAME, replicas=1, image=f"{REPOSITORY}:1", template=template())
    ns.rolled_out(NAME)
    for path, item in policy():
        answer = ns.http.post(path, json=item)
        assert answer.status_code == 201, answer.text
    with made.client() as client:
        stranger = {"spec": {"template": {"spec": {"serviceAccountName": "other"}}}}
        until(lambda: patch(made, client, stranger, dry=True).status_code == 403, "the policy to be in force")
        yield made
    for path, item in policy():
        ns.http.delete(f"{path}/{item['metadata']['name']}")


def template(tag: str = "1", **spec: Any) -> dict[str, Any]:
    """A pod template with what the platform's releases have: a Secret in a variable, one mounted, a config map."""
    container = {
        "name": NAME,
        "image": f"{REPOSITORY}:{tag}",
        "env": [
            {"name": "LOG_LEVEL", "value": "INFO"},
            {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "api", "key": "key"}}},
        ],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
    }
    volumes = [{"name": "tls", "secret": {"secretName": "api-tls"}}]
    return {
        "metadata": {"labels": {"app": NAME}},
        "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0, **spec},
    }


def patch(acting: Acting, client: httpx.Client, body: Any, kind: str = MERGE, *, dry: bool = False) -> httpx.Response:
    query = {"dryRun": "All"} if dry else {}
    path = acting.ns.deployments(NAME)
    return client.patch(path, content=json.dumps(body), headers={"Content-Type": kind}, params=query)


@pytest.fixture
async def bench(acting: Acting, tmp_path: Path) -> AsyncIterator[Bench]:
    endpoint = ClusterEndpoint(acting.ns.name, kubeconfig=acting.kubeconfig(tmp_path / "kubeconfig"), timeout_seconds=10.0)
    facts = Facts(endpoint)
    settings = settings_for(tmp_path, endpoint, namespace=acting.ns.name, verify_timeout_seconds=60.0)
    with Journal.open(settings.paths.journal_file) as journal:
        yield Bench(None, settings, facts, journal)  # type: ignore[arg-type]  # what counts its writes is not asked here
    await facts.close()


async def test_every_action_of_the_console_passes(acting: Acting, bench: Bench) -> None:
    """Scale, restart, pause, resume, and a rollback that takes image, variables and config map back, by the account alone."""
    newer = template("2", volumes=[*template()["spec"]["volumes"], {"name": "config", "configMap": {"name": "config-2"}}])
    newer["spec"]["containers"][0]["env"][0]["value"] = "DEBUG"
    newer["spec"]["containers"][0]["args"] = ["--slow"]
    assert acting.ns.patch(acting.ns.deployments(NAME), {"spec": {"template": newer}}).status_code == 200
    await asyncio.to_thread(acting.ns.rolled_out, NAME, revision=2)
    for action, parameters in (
        ("scale", {"replicas": "2"}), ("rollback", {}), ("image", {"image": ":3"}), ("restart", {}), ("pause", {}),
        ("resume", {}),
    ):  # fmt: skip
        await asyncio.to_thread(acting.ns.quiet, NAME)
        end, output = outcome(await bench.act(action, TARGET, **parameters))
        assert end is Outcome.DONE, f"{action}: {output}"
    found = acting.ns.get(acting.ns.deployments(NAME))["spec"]["template"]["spec"]
    assert found["containers"][0]["image"] == f"{REPOSITORY}:3" and len(found["volumes"]) == 1


def change(edit: Callable[[dict[str, Any]], Any]) -> Any:
    """A named edit of a copy of the pod's spec."""

    def made() -> dict[str, Any]:
        found = template()
        edit(found["spec"])
        return {"spec": {"template": found}}

    return made


def container(spec: dict[str, Any]) -> dict[str, Any]:
    return spec["containers"][0]  # type: ignore[no-any-return]


SIDE = {"name": "side", "image": f"{REPOSITORY}:1"}
SECRET = {"name": "stolen", "secret": {"secretName": "other"}}
DENIED: dict[str, Callable[[], Any]] = {
    "another image": change(lambda spec: container(spec).update(image="registry.example.com:5000/other/tool:1")),
    "an image whose name only begins so": change(lambda spec: container(spec).update(image=f"{REPOSITORY}-other:1")),
    "that registry as a folder": change(lambda spec: container(spec).update(image=f"else.example.com/{REPOSITORY}:1")),
    "another container": change(lambda spec: spec["containers"].append(SIDE)),
    "an init container": change(lambda spec: spec.update(initContainers=[{**SIDE, "image": "tool:1"}])),
    "a mounted Secret": change(lambda spec: spec["volumes"].append(SECRET)),
    "another Secret in a known volume": change(lambda spec: spec["volumes"][0]["secret"].update(secretName="other")),
    "a projected Secret": change(
        lambda spec: spec["volumes"].append({"name": "x", "projected": {"sources": [{"secret": {"name": "other"}}]}})
    ),
    "a projected token": change(
        lambda spec: spec["volumes"].append({"name": "x", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}})
    ),
    "a Secret in a variable": change(
        lambda spec: container(spec)["env"].append({"name": "X", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}})
    ),
    "another key of a known Secret": change(
        lambda spec: container(spec)["env"][1]["valueFrom"]["secretKeyRef"].update(key="other")
    ),
    "a whole Secret as variables": change(lambda spec: container(spec).update(envFrom=[{"secretRef": {"name": "other"}}])),
    "a folder of the host": change(lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
    "a claim": change(
        lambda spec: spec["volumes"].append({"name": "x", "persistentVolumeClaim": {"claimName": "cad-console-state"}})
    ),
    "a container as root": change(lambda spec: container(spec).update(securityContext={"runAsUser": 0})),
    "more capabilities": change(
        lambda spec: container(spec).update(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}})
    ),
    "a port of the host": change(lambda spec: container(spec).update(ports=[{"containerPort": 80, "hostPort": 80}])),
    "another service account": change(lambda spec: spec.update(serviceAccountName=ACCOUNT)),
    "a mounted token": change(lambda spec: spec.update(automountServiceAccountToken=True)),
    "a pull secret": change(lambda spec: spec.update(imagePullSecrets=[{"name": "other"}])),
    "the host's network": change(lambda spec: spec.update(hostNetwork=True)),
    "the host's processes": change(lambda spec: spec.update(hostPID=True)),
    "the pod's user": change(lambda spec: spec.update(securityContext={"runAsUser": 0})),
    "a node": change(lambda spec: spec.update(nodeName="control-plane-0")),
    "replicas beside scale": lambda: {"spec": {"replicas": 9}},
    "the strategy": lambda: {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    "its labels": lambda: {"metadata": {"labels": {"argocd.argoproj.io/instance": "x"}}},
}  # fmt: skip


def test_other_changes_by_the_same_account_are_denied(acting: Acting) -> None:
    """Each is valid, the Role allows it and the administrator may make it: only the policy denies it, by a sentence."""
    with acting.client() as client:
        for what, body in DENIED.items():
            answer = patch(acting, client, body(), dry=True)
            assert answer.status_code == 403 and "cad-console-act" in answer.text, f"{what}: {answer.status_code} {answer.text}"
            mine = acting.ns.patch(acting.ns.deployments(NAME), body(), dryRun="All")
            assert mine.status_code == 200, f"{what}: {mine.text}"
        json_patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "tool:1"}]
        assert patch(acting, client, json_patch, JSON_PATCH, dry=True).status_code == 403


ALLOWED: dict[str, Callable[[], Any]] = {
    "another tag": change(lambda spec: container(spec).update(image=f"{REPOSITORY}:2")),
    "a digest": change(lambda spec: container(spec).update(image=f"{REPOSITORY}@sha256:{'0' * 64}")),
    "a tag and a digest": change(lambda spec: container(spec).update(image=f"{REPOSITORY}:2@sha256:{'0' * 64}")),
    "no tag": change(lambda spec: container(spec).update(image=REPOSITORY)),
    "a value": change(lambda spec: container(spec)["env"][0].update(value="DEBUG")),
    "arguments": change(lambda spec: container(spec).update(args=["--verbose"])),
    "a config map": change(lambda spec: spec["volumes"].append({"name": "x", "configMap": {"name": "c"}})),
    "fewer volumes": change(lambda spec: (spec["volumes"].clear(), container(spec).pop("volumeMounts"))),
}  # fmt: skip


async def test_a_cron_job_and_a_service_are_changed_in_one_field_only(acting: Acting, bench: Bench) -> None:
    """Suspend, unsuspend and switch pass; the schedule, the template, a port and another label are denied."""
    ns = acting.ns
    assert ns.http.post(ns.path("cronjobs", group="batch/v1"), json=cron_job("nightly-backup")).status_code == 201
    selector = {"app": NAME, "tag": "1"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}}
    body = {**service, "spec": {"selector": selector, "ports": [{"name": "http", "port": 80}]}}
    assert ns.http.post(ns.path("services", group="v1"), json=body).status_code == 201
    paths = {
        "cronjobs": ns.path("cronjobs", "nightly-backup", group="batch/v1"),
        "services": ns.path("services", NAME, group="v1"),
    }
    job = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    denied: tuple[tuple[str, dict[str, Any]], ...] = (
        ("cronjobs", {"spec": {"schedule": "* * * * *"}}),
        ("cronjobs", {"spec": {"jobTemplate": job}}),
        ("cronjobs", {"metadata": {"annotations": {"a": "b"}}}),
        ("services", {"spec": {"ports": [{"name": "http", "port": 81}]}}),
        ("services", {"spec": {"type": "NodePort"}}),
        ("services", {"spec": {"selector": {"tag": None}}}),
        ("services", {"spec": {"selector": {"more": "x"}}}),
    )
    with acting.client() as client:
        for resource, change_of in denied:
            answer = client.patch(
                paths[resource], content=json.dumps(change_of), headers={"Content-Type": MERGE}, params={"dryRun": "All"}
            )
            assert answer.status_code == 403 and "the console may change only" in answer.text, f"{change_of}: {answer.text}"
        other = {"spec": {"selector": {"tag": "2"}}}
        query = {"dryRun": "All"}
        answer = client.patch(paths["services"], content=json.dumps(other), headers={"Content-Type": MERGE}, params=query)
        assert answer.status_code == 200, answer.text
    for action in ("suspend", "unsuspend"):
        end, output = outcome(await bench.act(action, "cronjob/nightly-backup"))
        assert end is Outcome.DONE, output


def test_what_releases_differ_in_is_allowed(acting: Acting) -> None:
    """This is what the manual says that the policy cannot tell from an attack: whoever narrows it further breaks rollbacks."""
    with acting.client() as client:
        for what, body in ALLOWED.items():
            answer = patch(acting, client, body(), dry=True)
            assert answer.status_code == 200, f"{what}: {answer.text}"


def test_a_deployment_that_the_role_does_not_name_is_out_of_reach(acting: Acting) -> None:
    """The console's own Deployment, above all: with it one would run anything with the account itself."""
    acting.ns.add("cad-console", replicas=0)
    with acting.client() as client:
        for part in ("", "scale"):
            path = acting.ns.deployments("cad-console", part)
            answer = client.patch(path, json={"spec": {"replicas": 1}}, headers={"Content-Type": MERGE})
            assert answer.status_code == 403 and "cannot patch" in answer.text


async def test_a_denied_rollback_is_refused_in_the_preview(acting: Acting, bench: Bench) -> None:
    """A revision with a Secret that the current one does not mount: the dry run shows the policy's sentence."""
    older = template("2", volumes=[*template()["spec"]["volumes"], SECRET])
    for body, revision in ((older, 2), (template("3"), 3)):
        assert acting.ns.patch(acting.ns.deployments(NAME), {"spec": {"template": body}}).status_code == 200
        await asyncio.to_thread(acting.ns.rolled_out, NAME, revision=revision)
    await asyncio.to_thread(acting.ns.quiet, NAME)
    end, output = outcome(await bench.act("rollback", TARGET, revision="2"))
    assert end is Outcome.REFUSED
    assert "a new volume may be a config map" in " ".join([output, *(check.text for check in bench.previews[-1].checks)])
