"""Check everything in deploy/ without a cluster: each check passes, fails, or is reported as not run with the reason."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(DEPLOY))

import generate  # noqa: E402
from manifest_schema import faults  # noqa: E402
from outcome import Checks, Failed, NotRun, report, run  # noqa: E402

from console.config.load import load_settings  # noqa: E402
from queries.promql.our_rules import rule_names  # noqa: E402
from queries.yaml import SafeLoader  # noqa: E402

OVERLAYS = ("production", "staging")
PARTS = tuple(sorted(path.parent for path in DEPLOY.glob("*/kustomization.yaml")))
"""The folders that kustomize reads, each with manifests of its own."""
BUILT = (
    *(f"overlays/{name}" for name in OVERLAYS),
    *(
        path.name
        for path in PARTS
        if path.name != "base" and "kind: Component" not in (path / "kustomization.yaml").read_text()
    ),
)
"""What is applied by itself: not the base, which an overlay completes, and no component of an overlay."""
KINDS = {
    ("v1", "Namespace"): "namespaces", ("v1", "ServiceAccount"): "serviceaccounts", ("v1", "ConfigMap"): "configmaps",
    ("v1", "PersistentVolumeClaim"): "persistentvolumeclaims", ("apps/v1", "Deployment"): "deployments",
    ("batch/v1", "CronJob"): "cronjobs", ("networking.k8s.io/v1", "NetworkPolicy"): "networkpolicies",
    ("rbac.authorization.k8s.io/v1", "Role"): "roles", ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): "clusterroles",
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): "clusterrolebindings",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "prometheusrules",
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): "validatingadmissionpolicies",
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"): "validatingadmissionpolicybindings",
}  # fmt: skip


CLUSTER_WIDE = (
    "Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole", "ClusterRoleBinding",
)  # fmt: skip


def build(folder: Path) -> str:
    """Return what kustomize builds from a folder, by kustomize itself or kubectl."""
    for command in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if shutil.which(command[0]):
            return run([*command, str(folder)])
    raise NotRun("neither kustomize nor kubectl is installed")


def documents(text: str) -> list[dict[str, Any]]:
    """Parse a text of several YAML documents."""
    return [item for item in yaml.load_all(text, Loader=SafeLoader) if item]


def yaml_files() -> str:
    """Every YAML and JSON file parses."""
    count = 0
    for path in sorted(DEPLOY.rglob("*")):
        if path.suffix in (".yaml", ".yml"):
            documents(path.read_text(encoding="utf-8"))
            count += 1
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
            count += 1
    return f"{count} files"


def up_to_date() -> str:
    """Every generated file matches its source."""
    stale = [path for path, text in generate.files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if stale:
        raise Failed(f"{', '.join(str(path.relative_to(ROOT)) for path in stale)}: run deploy/generate.py")
    return f"{len(generate.files())} generated files"


def base_schemas() -> str:
    """Every manifest has only known fields of the right types, according to the models of the Kubernetes client."""
    count = 0
    for path in sorted(path for folder in PARTS for path in folder.glob("*.yaml")):
        for manifest in documents(path.read_text(encoding="utf-8")):
            if manifest.get("kind") in ("Kustomization", "Component"):
                continue
            problems = faults(manifest)
            if problems:
                raise Failed(f"{path.name}: {'; '.join(problems[:5])}")
            count += 1
    return f"{count} manifests"


def configs() -> str:
    """The console itself loads the configuration of every overlay."""
    for name in OVERLAYS:
        path = DEPLOY / "overlays" / name / "config.yaml"
        settings = load_settings({"config": str(path)}, {"HOME": "/nonexistent"})
        if settings.environment != name or settings.prometheus is None or settings.kubernetes is None:
            raise Failed(f"{path.relative_to(ROOT)}: not the configuration of {name}")
        if settings.protected != (name == "production"):
            raise Failed(f"{path.relative_to(ROOT)}: production is protected, staging is not")
    return f"{len(OVERLAYS)} configurations"


def overlays() -> str:
    """Everything that kustomize builds is valid, and every name that it refers to exists."""
    counts = []
    for name in BUILT:
        manifests = documents(build(DEPLOY / name))
        problems = [fault for manifest in manifests for fault in faults(manifest)] + list(dangling(manifests))
        if problems:
            raise Failed(f"{name}: {'; '.join(problems[:5])}")
        counts.append(f"{name} {len(manifests)}")
    return ", ".join(counts) + " manifests"


def dangling(manifests: list[dict[str, Any]]) -> Iterator[str]:
    """Yield references of pods to undefined config maps, claims and service accounts, and pods that are too permissive."""
    defined = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    for item in manifests:
        for pod in pods(item):
            where = f"{item['kind']} {item['metadata']['name']}"
            required = [("ServiceAccount", pod.get("serviceAccountName", "default"))]
            for volume in pod.get("volumes", ()):
                if "configMap" in volume:
                    required.append(("ConfigMap", volume["configMap"]["name"]))
                if "persistentVolumeClaim" in volume:
                    required.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
            yield from (f"{where}: there is no {kind} {name}" for kind, name in required if (kind, name) not in defined)
            yield from (f"{where}: {fault}" for fault in too_permissive(pod))


def pods(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the pod spec of a workload."""
    if manifest["kind"] == "Deployment":
        yield manifest["spec"]["template"]["spec"]
    elif manifest["kind"] == "CronJob":
        yield manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def too_permissive(pod: dict[str, Any]) -> Iterator[str]:
    """Yield violations of the restricted pod security standard, and a writable root."""
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        yield "it may run as root"
    if pod.get("securityContext", {}).get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "it has no seccomp profile"
    for container in pod["containers"]:
        context = container.get("securityContext", {})
        if not context.get("readOnlyRootFilesystem"):
            yield "its root is writable"
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield "it may gain privileges"
        if "limits" not in container.get("resources", {}):
            yield "it has no limits"


def dry_run() -> str:
    """kubectl accepts every manifest in a client-side dry run, against a list of kinds instead of a cluster."""
    with kinds() as server:
        for name in BUILT:
            manifests = build(DEPLOY / name)
            flags = ["--dry-run=client", "--validate=false", f"--server={server}", "-f", "-"]
            output = run(
                ["kubectl", "create", *flags],
                text=manifests,
                environ={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": tempfile.gettempdir()},
            )
            if output.count("(dry run)") != len(documents(manifests)):
                raise Failed(f"{name}: kubectl accepted {output.count('(dry run)')} of {len(documents(manifests))}")
    return ", ".join(BUILT)


@contextmanager
def kinds() -> Iterator[str]:
    """Serve the discovery API alone on loopback: kubectl queries it even for a dry run."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(_discovery(self.path.partition("?")[0])).encode()
            self.send_response(200 if b'"Status"' not in body else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the report is the output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _discovery(path: str) -> dict[str, Any]:
    groups = sorted({version for version, _ in KINDS if "/" in version})
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        listed = []
        for group in groups:
            version = {"groupVersion": group, "version": group.partition("/")[2]}
            listed.append({"name": group.partition("/")[0], "versions": [version], "preferredVersion": version})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    requested = "v1" if path == "/api/v1" else path.removeprefix("/apis/")
    resources = [
        {
            "name": plural,
            "kind": kind,
            "namespaced": kind not in CLUSTER_WIDE,
            "verbs": ["create", "get"],
            "singularName": kind.lower(),
        }
        for (version, kind), plural in KINDS.items()
        if version == requested
    ]
    if not resources:
        return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": requested, "resources": resources}


def rules() -> str:
    """promtool accepts the rules of the manifest; `make rules-test` runs their unit tests."""
    count = 0
    for manifest in documents((DEPLOY / "base" / "rules.yaml").read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rules.yaml"
            path.write_text(yaml.safe_dump(manifest["spec"]))
            output = run([program("promtool"), "check", "rules", str(path)])
        match = re.search(r"(\d+) rules found", output)
        count += int(match[1]) if match else 0
    return f"{count} rules"


def routing() -> str:
    """amtool accepts the production routing and the compose file's."""
    for path in (ROOT / "queries" / "rules" / "alertmanager.yaml", DEPLOY / "compose" / "alertmanager.yml"):
        run([program("amtool"), "check-config", str(path)])
    return "both configurations"


def prometheus_config() -> str:
    """promtool accepts the compose file's Prometheus configuration with all the rules, where it mounts them."""
    text = (DEPLOY / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    listed = documents(text)[0]["rule_files"]
    if listed != [f"rules/{name}" for name in rule_names()]:
        raise Failed(f"prometheus.yml names {listed}, the rules are in {', '.join(rule_names())}")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DEPLOY / "compose" / "prometheus.yml", folder)
        shutil.copytree(DEPLOY / "rules", Path(folder) / "rules")
        run([program("promtool"), "check", "config", str(Path(folder) / "prometheus.yml")])
    return "prometheus.yml"


def program(name: str) -> str:
    """Locate a program of Prometheus or Alertmanager: the installed one, else the demo's download."""
    if shutil.which(name):
        return name
    from console.demo.server_binaries import default_sources, locate  # noqa: PLC0415  # only where it is not installed

    servers = locate(os.environ, default_sources())
    if servers is None:
        raise NotRun(f"{name} is not installed; `cad-console demo` downloads it")
    return str(getattr(servers, name))


def compose_config() -> str:
    """Docker accepts the compose file; the daemon is not needed."""
    file = str(DEPLOY / "compose" / "compose.yaml")
    plugin = (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False, timeout=60).returncode
    )
    if plugin:
        run(["docker", "compose", "-f", file, "config", "--quiet"])
        return "by docker compose"
    if shutil.which("docker-compose"):
        run(["docker-compose", "-f", file, "config", "--quiet"])
        return "by docker-compose"
    raise NotRun("neither `docker compose` nor docker-compose is installed")


def compose_file() -> str:
    """Services are pinned, listen on this machine only, cannot gain privileges, and mount files that exist."""
    compose = documents((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))[0]
    expected = {"prometheus", "alertmanager", "grafana", "loki", "node-exporter", "simulator", "console"}
    if set(compose["services"]) != expected:
        raise Failed(f"services are {sorted(compose['services'])}")
    for name, service in compose["services"].items():
        if re.search(r":(latest)?$|^[^:]+$", service["image"]):
            raise Failed(f"{name}: the image {service['image']} is not pinned")
        if not all(port.startswith("127.0.0.1:") for port in service.get("ports", ())):
            raise Failed(f"{name}: it listens beyond this machine")
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            raise Failed(f"{name}: it may gain privileges")
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith(".") and not (DEPLOY / "compose" / source).exists():
                raise Failed(f"{name}: {source} does not exist")
    return f"{len(compose['services'])} services"


def image() -> str:
    """The image recipe: dependencies by hash, pinned base, a numeric user that is not root, no secret, files that exist."""
    text = (DEPLOY / "image" / "Containerfile").read_text(encoding="utf-8")
    steps = [line.split(None, 1) for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip() and line[0] != "#"]
    users = [rest for step, rest in steps if step == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1].strip()):
        raise Failed("the last USER is not a number other than root")
    if any(re.search(r":latest|^[^:]+( AS .*)?$", rest) for step, rest in steps if step == "FROM"):
        raise Failed("a base image is not pinned")
    if "--require-hashes" not in text:
        raise Failed("dependencies are not installed by hash")
    if any(step == "ADD" for step, _ in steps):
        raise Failed("ADD may download files")
    included = (ROOT / ".dockerignore").read_text().split()
    for _, rest in (step for step in steps if step[0] == "COPY" and not step[1].startswith("--from")):
        for source in rest.split()[:-1]:
            if not (ROOT / source).exists() or f"!{source}" not in included:
                raise Failed(f"{source} does not exist, or .dockerignore excludes it")
    return f"{len(steps)} steps"


CHECKS: Checks = (
    ("files", yaml_files),
    ("up to date", up_to_date),
    ("schemas", base_schemas),
    ("configurations", configs),
    ("image recipe", image),
    ("compose file", compose_file),
    ("compose config", compose_config),
    ("overlays", overlays),
    ("kubectl dry-run", dry_run),
    ("promtool rules", rules),
    ("promtool config", prometheus_config),
    ("amtool routing", routing),
)


if __name__ == "__main__":
    raise SystemExit(report(CHECKS))
