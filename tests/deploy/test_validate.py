"""deploy/validate: everything passes, faults are found, and what could not be run is named and not passed."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import checks
import generate
import outcome
import pytest
from manifest_schema import faults

from console.demo.server_binaries import Servers
from queries.promql.our_rules import rule_names
from queries.promql.rule_templates import rule_text


@pytest.mark.servers
def test_everything_holds(servers: Servers) -> None:
    """No check fails; those that need no program of others all ran."""
    found = {result.name: result for result in outcome.results(checks.CHECKS)}
    assert not [f"{item.name}: {item.text}" for item in found.values() if item.status == "FAILED"]
    for name in (
        "files",
        "up to date",
        "schemas",
        "configurations",
        "image recipe",
        "compose file",
        "promtool rules",
        "amtool routing",
    ):
        assert found[name].status == "ok", name


def test_what_is_missing_is_named_and_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without kubectl, kustomize and Docker, these checks are NOT RUN with the name of what is missing."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = {
        item.name: item for item in (checks_named("overlays"), checks_named("kubectl dry-run"), checks_named("compose config"))
    }
    assert {item.status for item in found.values()} == {"NOT RUN"}
    assert "kubectl" in found["overlays"].text and "docker" in found["compose config"].text


def checks_named(name: str) -> outcome.Result:
    (result,) = outcome.results(tuple(pair for pair in checks.CHECKS if pair[0] == name))
    return result


def manifest(name: str, kind: str) -> dict[str, Any]:
    found = checks.documents((checks.DEPLOY / "base" / name).read_text())
    return copy.deepcopy(next(item for item in found if item["kind"] == kind))


def test_a_wrong_manifest_is_found() -> None:
    """A mistyped field, a wrong type and a missing required field are named with their place."""
    console = manifest("console.yaml", "Deployment")
    assert faults(console) == []
    console["spec"]["template"]["spec"]["contianers"] = []
    console["spec"]["replicas"] = "1"
    del console["spec"]["selector"]
    told = " | ".join(faults(console))
    assert "Deployment.spec.template.spec: unknown field 'contianers'" in told
    assert "Deployment.spec.replicas: expected int, found str" in told
    assert "selector" in told
    assert faults({"apiVersion": "v1", "kind": "Sercet"})


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("readOnlyRootFilesystem", False, "root is writable"),
        ("allowPrivilegeEscalation", True, "gain privileges"),
        ("capabilities", {"drop": []}, "gain privileges"),
    ],
)
def test_a_pod_that_is_too_free_is_found(place: str, value: object, words: str) -> None:
    """Every hardening is held, one by one."""
    pod = next(checks.pods(manifest("console.yaml", "Deployment")))
    assert list(checks.too_permissive(pod)) == []
    pod["containers"][0]["securityContext"][place] = value
    assert words in " ".join(checks.too_permissive(pod))


def test_a_reference_to_nothing_is_found() -> None:
    """A config map that nobody makes is named with who wants it."""
    console = manifest("console.yaml", "Deployment")
    told = list(checks.dangling([console]))
    assert "Deployment cad-console: there is no ConfigMap cad-console" in told


def test_generated_files_are_up_to_date() -> None:
    """The rules' manifests hold exactly the rules that the platform loads: `python deploy/generate.py` after a change."""
    assert checks.up_to_date()
    rules = checks.documents((checks.DEPLOY / "base" / "rules.yaml").read_text())
    for name, item in zip(rule_names(), rules, strict=True):
        source = checks.documents((checks.DEPLOY / "rules" / name).read_text())[0]
        assert item["spec"] == source
        assert item["spec"] == checks.documents(rule_text(name))[0]


def test_a_changed_rule_is_out_of_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the source changes and nobody generates, the check fails and says what to run."""
    monkeypatch.setattr(generate, "files", lambda: {generate.ROOT / "deploy" / "base" / "rules.yaml": "other"})
    with pytest.raises(outcome.Failed, match=r"generate\.py"):
        checks.up_to_date()
