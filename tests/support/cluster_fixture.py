"""The servers that the contract suite talks to, each behind the same few calls."""

from __future__ import annotations

import json
import os
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import control_plane
import httpx
from fake_kubelet import NEVER_READY, FakeKubelet
from limits import extend
from steerable_cluster import SteerableCluster

from console.demo.cluster import PodTimings

Object = dict[str, Any]
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CONTEXT = "CAD_CONSOLE_TEST_CONTEXT"


def names() -> list[str]:
    """The in-process server always; the others where the environment names them."""
    wanted = ["in-process"]
    if os.environ.get("KUBEBUILDER_ASSETS"):
        wanted.append("control-plane")
    if os.environ.get(CONTEXT):
        wanted.append("context")
    return wanted


@dataclass
class Target:
    """One API server. `client` gives a client with a token's rights: `admin`, `powerless`, `nobody`, `forged`.

    `has_kubelet` tells whether logs can be asked for. Version 1 is too old on each of them.
    """

    name: str
    client: Callable[[str], httpx.Client]
    has_kubelet: bool = False
    makes_users: bool = True
    install_rollouts: Callable[[bool], None] | None = None
    """Installs the definition of Argo's Rollouts, or removes it."""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.client("admin")

    @contextmanager
    def namespace(self) -> Iterator[Namespace]:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        assert self.http.post("/api/v1/namespaces", json=body).status_code == 201
        try:
            yield Namespace(self, name)
        finally:
            self.http.delete(f"/api/v1/namespaces/{name}")


@dataclass
class Namespace:
    """A fresh namespace on a target, with the calls that most cases need."""

    target: Target
    name: str

    @property
    def http(self) -> httpx.Client:
        return self.target.http

    def kubeconfig(self, path: Path, *, server: str = "") -> Path:
        """Writes one with the admin's rights; `server` is a proxy's address, if it leads through one."""
        token = self.http.headers.get("Authorization", "").removeprefix("Bearer ")
        cluster = {"server": server or str(self.http.base_url), "insecure-skip-tls-verify": True}
        document = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": cluster}],
            "users": [{"name": "x", "user": {"token": token}}],
        }
        path.write_text(json.dumps(document))
        return path

    def journal_store(self, folder: Path) -> str:
        """Where a writing host keeps its journal, in its own words."""
        return f"{self.name}@{self.kubeconfig(folder / 'kubeconfig')}"

    def path(self, plural: str, name: str = "", part: str = "", *, group: str = "apps/v1") -> str:
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        return "/".join(filter(None, [f"{root}/namespaces/{self.name}/{plural}", name, part]))

    def deployments(self, name: str = "", part: str = "") -> str:
        return self.path("deployments", name, part)

    def maps(self, name: str = "") -> str:
        return self.path("configmaps", name, group="v1")

    def patch(self, path: str, change: Any, kind: str = MERGE, **query: str) -> httpx.Response:
        return self.http.patch(path, content=json.dumps(change), headers={"Content-Type": kind}, params=query)

    def get(self, path: str, **query: Any) -> Object:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def add_map(self, name: str, **data: str) -> Object:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"name": name}}, "data": data}
        answer = self.http.post(self.maps(), json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def add(self, name: str = "web", *, replicas: int = 2, image: str = "registry.example.com/web:1", **spec: Any) -> Object:
        answer = self.http.post(self.deployments(), json=deployment(name, replicas=replicas, image=image, **spec))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def rolled_out(self, name: str = "web", *, revision: int | None = None) -> Object:
        """Waits until the Deployment's newest template is fully out."""

        def done() -> Object | None:
            item = self.get(self.deployments(name))
            status, wanted = item["status"], item["spec"]["replicas"]
            notes = item["metadata"].get("annotations") or {}
            fits = revision is None or notes.get("deployment.kubernetes.io/revision") == str(revision)
            seen = status.get("observedGeneration") == item["metadata"]["generation"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            return item if fits and seen and counts == [wanted] * 3 else None

        return until(done, f"{name} to be rolled out")

    def quiet(self, name: str = "web") -> None:
        """Waits until the controllers are done with the Deployment: the end of the last pods still changes its status."""
        seen: list[str] = []

        def done() -> bool:
            seen.append(self.get(self.deployments(name))["metadata"]["resourceVersion"])
            return len(seen) > 6 and len(set(seen[-6:])) == 1

        until(done, f"{name} to be left alone")

    def replica_sets(self, name: str = "web") -> list[Object]:
        sets = self.get(self.path("replicasets"), labelSelector=f"app={name}")["items"]
        return sorted(sets, key=lambda item: int(item["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))

    def pods(self, name: str = "web") -> list[Object]:
        items = self.get(self.path("pods", group="v1"), labelSelector=f"app={name}")["items"]
        return [item for item in items if "deletionTimestamp" not in item["metadata"]]

    def condition(self, kind: str, name: str = "web") -> Object:
        conditions = self.get(self.deployments(name))["status"].get("conditions", [])
        return next((dict(item) for item in conditions if item["type"] == kind), {})


def deployment(name: str = "web", *, replicas: int = 2, image: str = "registry.example.com/web:1", **spec: Any) -> Object:
    container = {
        "name": name,
        "image": image,
        "env": [{"name": "LOG_LEVEL", "value": "INFO"}, {"name": "MODE", "value": "fast"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
            **spec,
        },
    }


T = TypeVar("T")


def until(ask: Callable[[], T | None], what: str, *, seconds: float = 20.0) -> T:
    ends = time.monotonic() + extend(seconds)
    while time.monotonic() < ends:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


@contextmanager
def open_target(name: str) -> Iterator[Target]:
    opened = {"in-process": _in_process, "control-plane": _control_plane, "context": _context}[name]
    with opened() as target:
        try:
            yield target
        finally:
            target.http.close()


@contextmanager
def _in_process() -> Iterator[Target]:
    quick = PodTimings(schedule=(0.0, 0.02), start=(0.01, 0.05), ready=(0.02, 0.1), end=(0.01, 0.05), run=(0.02, 0.1))
    with SteerableCluster(anonymous=False, autoscaler_seconds=0.5, timings=quick) as cluster:
        cluster.break_image(NEVER_READY)
        tokens = {"admin": cluster.token, "powerless": cluster.powerless_token, "nobody": "", "forged": "forged"}

        def client(who: str) -> httpx.Client:
            return httpx.Client(base_url=cluster.url, headers=_bearer(tokens[who]), timeout=30, trust_env=False)

        yield Target("in-process", client, has_kubelet=True, install_rollouts=cluster.install_rollouts)


@contextmanager
def _control_plane() -> Iterator[Target]:
    binaries = control_plane.assets()
    assert binaries is not None
    with control_plane.ControlPlane(binaries) as plane:
        tokens = {"admin": control_plane.ADMIN, "powerless": control_plane.READER, "nobody": "", "forged": "forged"}
        kubelet = FakeKubelet(plane.client())
        kubelet.start()
        try:
            with plane.client() as http:
                yield Target(
                    "control-plane",
                    lambda who: plane.client(tokens[who]),
                    install_rollouts=lambda installed: _install_rollouts(http, installed),
                )
        finally:
            kubelet.stop()


def _install_rollouts(http: httpx.Client, installed: bool) -> None:
    """A definition as Argo Rollouts installs it, without its schema."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"plural": "rollouts", "singular": "rollout", "kind": "Rollout", "shortNames": ["ro"]}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    answer = http.post(path, json=body) if installed else http.delete(f"{path}/rollouts.argoproj.io")
    assert answer.status_code in (200, 201, 404, 409), answer.text
    served = "/apis/argoproj.io/v1alpha1/rollouts"
    until(lambda: (http.get(served).status_code == 200) is installed, f"rollouts {'installed' if installed else 'removed'}")


@contextmanager
def _context() -> Iterator[Target]:
    from kubernetes import client as kubernetes_client
    from kubernetes import config

    settings = kubernetes_client.Configuration()
    config.load_kube_config(context=os.environ[CONTEXT], client_configuration=settings)
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert) if settings.host.startswith("https") else False
    if isinstance(tls, ssl.SSLContext) and settings.cert_file:
        tls.load_cert_chain(settings.cert_file, settings.key_file)
    token = settings.get_api_key_with_prefix("authorization")
    headers = {"Authorization": token} if token else {}
    yield Target(
        "context",
        lambda who: httpx.Client(base_url=settings.host, headers=headers, verify=tls, timeout=30),
        has_kubelet=True,
        makes_users=False,
    )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def cron_job(name: str = "backup") -> Object:
    container = {"name": name, "image": "registry.example.com/backup:1"}
    template = {"spec": {"containers": [container], "restartPolicy": "OnFailure"}}
    spec = {"schedule": "10 3 * * *", "jobTemplate": {"spec": {"template": template}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}
