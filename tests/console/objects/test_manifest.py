"""YAML and diffs of objects: in kubectl's form, and without a secret."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.actions.pod_template_diff import diff_templates
from console.objects.manifest import format_object, format_yaml
from console.objects.template_diff import diff_revisions
from queries.kubernetes.object_decode import decode_controller_revision, decode_replica_set
from queries.kubernetes.object_secrets import LAST_APPLIED, redact_object

RECORDED = Path(__file__).with_name("recordings")
SECRETS = ("hunter2", "c2VjcmV0", "s3cr3t-value", "eyJhbGciOi12345678.abcdefghij")


def test_yaml_is_as_kubectl_writes_it() -> None:
    """Byte for byte as `kubectl annotate --local -o yaml` (1.32.4) wrote the same object: quotes, blocks, order of keys."""
    given = json.loads((RECORDED / "kubectl-1.32.4.json").read_text(encoding="utf-8"))
    assert format_yaml(given) == (RECORDED / "kubectl-1.32.4.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["", "yes", "0x1F", "1_000", "12:30:45", "a: b", " lead", "a\nb\n", "é\u0001", "~", "2026-01-01", "="]
)
def test_yaml_reads_back_as_it_was(text: str) -> None:
    """Whatever a string looks like, a YAML reader gets the same string back."""
    assert yaml.safe_load(format_yaml({"key": text, text or "empty": 1})) == {"key": text, text or "empty": 1}


def test_no_secret_is_left() -> None:
    """Not in a Secret's data, kubectl's copy of the object, the environment, headers, arguments or annotations; names stay."""
    env = [{"name": "DB_PASSWORD", "value": SECRETS[0]}, {"name": "LEVEL", "value": "INFO"}]
    header = {"name": "Authorization", "value": f"Basic {SECRETS[0]}"}
    container = {
        "name": "api",
        "env": env,
        "args": ["--db-password", SECRETS[0], f"--token={SECRETS[2]}", "--verbose"],
        "livenessProbe": {"httpGet": {"httpHeaders": [header]}},
        "envFrom": [{"secretRef": {"name": "api-keys"}}],
    }
    spec = {"containers": [container], "volumes": [{"name": "s", "secret": {"secretName": "api-keys"}}]}
    applied = {"kind": "Secret", "data": {"a": SECRETS[1]}}
    objects: list[dict[str, Any]] = [
        {
            "kind": "Secret",
            "metadata": {"name": "s", "annotations": {LAST_APPLIED: json.dumps(applied)}},
            "data": {"a": SECRETS[1]},
        },
        {
            "kind": "Deployment",
            "metadata": {"annotations": {LAST_APPLIED: json.dumps({"spec": spec}), "jwt": SECRETS[3]}},
            "spec": spec,
        },
        {"kind": "Deployment", "metadata": {"annotations": {LAST_APPLIED: "{broken " + SECRETS[0]}}},
        {"kind": "Deployment", "metadata": {"annotations": {"kapp.k14s.io/original": json.dumps({"spec": spec})}}},
        {"kind": "Deployment", "metadata": {"annotations": {"kapp.k14s.io/original": json.dumps(applied)}}},
        {"kind": "ConfigMap", "data": {"api_token": SECRETS[0], "app.conf": f"level=info\npassword={SECRETS[0]}\n"}},
    ]
    shown = "".join(map(format_object, objects))
    assert not [secret for secret in SECRETS if secret in shown]
    assert "secretName: api-keys" in shown and "value: INFO" in shown and "--verbose" in shown and "level=info" in shown


def test_no_secret_is_left_in_the_template() -> None:
    """Its annotations and headers are hidden by their names, also with hyphens, and arguments by every kind of key."""
    header = {"name": "X-Api-Key", "value": SECRETS[0]}
    container = {"args": ["--signing-key", SECRETS[0]], "livenessProbe": {"httpGet": {"httpHeaders": [header]}}}
    meta = {"annotations": {"vault.example.com/db-token": SECRETS[0], "prometheus.io/scrape": "true"}}
    template_ = {"metadata": meta, "spec": {"containers": [container]}}
    shown = format_object({"kind": "Deployment", "spec": {"template": template_}})
    assert SECRETS[0] not in shown and 'prometheus.io/scrape: "true"' in shown and "--signing-key" in shown


def test_no_secret_is_left_in_the_preview_of_a_rollback() -> None:
    """Arguments after an option and headers are hidden in the lines that the journal keeps, and a change stays visible."""

    def build(secret: str) -> dict[str, Any]:
        header = {"name": "Authorization", "value": f"Basic {secret}"}
        probe = {"httpGet": {"httpHeaders": [header]}}
        return {"spec": {"containers": [{"name": "api", "args": ["--db-password", secret], "livenessProbe": probe}]}}

    lines = [item for item in diff_templates(build("hunter2"), build("hunter3")) if item.before != item.after]
    assert len(lines) == 2 and "hunter" not in str(lines)


def test_managed_fields_are_shown_only_on_request() -> None:
    """They are hidden as by kubectl, and nothing else is."""
    item = {"kind": "Pod", "metadata": {"name": "p", "managedFields": [{"manager": "kubectl"}]}}
    assert "managedFields" not in format_object(item) and "managedFields" in format_object(item, managed_fields=True)
    assert item["metadata"]["managedFields"]  # the object itself is unchanged


def test_a_large_object_takes_little_time() -> None:
    """200 containers and an annotation of 1 MB are written in less than a second and a half of processor time."""
    container = {"name": "c", "image": "i", "env": [{"name": f"E{at}", "value": "v"} for at in range(4)]}
    spec = {"containers": [{**container, "name": f"c{at}"} for at in range(200)]}
    item = {"kind": "Pod", "metadata": {"annotations": {"big": "x" * (1 << 20)}}, "spec": spec}
    began = time.process_time()
    assert len(format_object(item).splitlines()) > 2000
    assert time.process_time() - began < 1.5


def template(**changes: Any) -> dict[str, Any]:
    container = {
        "name": "api",
        "image": "api:1",
        "env": [{"name": "A", "value": "1"}, {"name": "API_TOKEN", "value": "hunter2"}],
    }
    return {
        "metadata": {"labels": {"app": "api", "pod-template-hash": "x"}},
        "spec": {"containers": [{**container, **changes}]},
    }


def revision(number: int, **changes: Any) -> dict[str, Any]:
    notes = {"deployment.kubernetes.io/revision": str(number)}
    meta = {"name": f"api-{number}", "annotations": notes, "labels": {"pod-template-hash": str(number)}}
    return {"metadata": meta, "spec": {"template": template(**changes)}}


def test_a_diff_shows_what_changed_and_where() -> None:
    """Image and environment with their signs, below a header that names the container; a changed secret differs, hidden."""
    before, after = (
        decode_replica_set(revision(1)),
        decode_replica_set(
            revision(2, image="api:2", env=[{"name": "A", "value": "2"}, {"name": "API_TOKEN", "value": "hunter3"}])
        ),
    )
    lines = diff_revisions(before, after)
    assert lines[0].startswith("@@ ") and "spec / containers / api" in lines[0]
    changed = [line for line in lines if line.startswith(("-", "+"))]
    assert "-     image: api:1" in changed and "+     image: api:2" in changed
    hidden = [line.split("(hidden ")[1] for line in changed if "hidden" in line]
    assert len(set(hidden)) == 2 and not any("hunter" in line for line in lines)
    assert diff_revisions(before, decode_replica_set(revision(3))) == ()


def test_controller_revisions_are_compared_too() -> None:
    """The template of a StatefulSet's or DaemonSet's revision is in its data, without the directive `$patch`."""
    found = []
    for number, image in ((1, "db:1"), (2, "db:2")):
        data = {"spec": {"template": {"$patch": "replace", **template(image=image)}}}
        meta = {"name": f"db-{number}", "labels": {"controller-revision-hash": f"h{number}"}}
        found.append(decode_controller_revision({"metadata": meta, "data": data, "revision": number}, "DaemonSet"))
    assert [line for line in diff_revisions(*found) if line[0] in "-+"] == ["-     image: db:1", "+     image: db:2"]
    assert found[0].pods_value == "h1"


def test_an_unknown_shape_is_written_as_it_is() -> None:
    """An object without metadata, or with a text where a map is expected, does not end the page."""
    assert redact_object({"kind": "X", "metadata": None, "data": "text"}) == {"kind": "X", "metadata": None, "data": "text"}


def test_a_diff_names_the_second_of_two_containers_that_begin_alike() -> None:
    """Both begin with `- env:`: a change in the sidecar stands under the sidecar's name."""
    api, sidecar = ({"name": name, "image": "i:1", "env": [{"name": "A", "value": "1"}]} for name in ("api", "sidecar"))
    changed = {**sidecar, "env": [{"name": "A", "value": "2"}]}
    found = []
    for number, second in ((1, sidecar), (2, changed)):
        item = revision(number)
        item["spec"]["template"]["spec"]["containers"] = [api, second]
        found.append(decode_replica_set(item))
    header = diff_revisions(*found)[0]
    assert header.startswith("@@ ") and "spec / containers / sidecar" in header
