"""Selectors for pods and workloads by the labels that agents set."""

from __future__ import annotations

import json

import pytest

from queries.errors import SourceError
from queries.loki.selector import build_selector, choose_labels, drop_filters
from queries.model.regex import compile_regex

PROMTAIL = ("app", "container", "filename", "job", "namespace", "node_name", "pod", "stream")
ALLOY = ("container", "namespace", "pod", "service_name")
OTEL = ("k8s_container_name", "k8s_deployment_name", "k8s_namespace_name", "k8s_pod_name", "service_name")


@pytest.mark.parametrize(
    ("present", "selector"),
    [
        (PROMTAIL, '{namespace="cad", pod=~"api-{SAFE}+-{SAFE}{5}", container="web"}'),
        (ALLOY, '{namespace="cad", pod=~"api-{SAFE}+-{SAFE}{5}", container="web"}'),
        (OTEL, '{k8s_namespace_name="cad", k8s_pod_name=~"api-{SAFE}+-{SAFE}{5}", k8s_container_name="web"}'),
        (("service_name",), '{service_name="api"}'),
        (("namespace", "job"), '{namespace="cad", job="api"}'),
    ],
)
def test_a_deployment(present: tuple[str, ...], selector: str) -> None:
    """By the names of its pods, which also those have that are gone; else by the workload's own."""
    found = build_selector("deployment/api", choose_labels(present), namespace="cad", container="web")
    assert found == selector.replace("{SAFE}", "[bcdfghjklmnpqrstvwxz2456789]")


def test_labels_of_a_team_come_first() -> None:
    """They are used as they are, even if no line had them in the last hours."""
    labels = choose_labels(PROMTAIL, {"pod": "pod_name"})
    assert build_selector("pod/x.y", labels, namespace="n") == '{namespace="n", pod_name="x.y"}'


@pytest.mark.parametrize(
    ("target", "pods", "others"),
    [
        (
            "deployment/api",
            ("api-7d9c6b5f4-x2x9k",),
            ("api-0", "api-canary-7d9c6b5f4-x2x9k", "web-api-7d9c6b5f4-x2x9k", "api-migrate-x7k2p"),
        ),
        ("statefulset/api", ("api-0", "api-12"), ("api-7d9c6b5f4-x2x9k", "api-x2x9k")),
        ("daemonset/api", ("api-x2x9k",), ("api-0", "api-7d9c6b5f4-x2x9k")),
        ("job/api", ("api-x2x9k",), ("api-0",)),
        ("cronjob/api", ("api-29403000-x2x9k",), ("api-x2x9k",)),
        ("api", ("api", "api-0", "api-x2x9k", "api-7d9c6b5f4-x2x9k"), ("web-api-x2x9k",)),
        ("deployment/a.b", ("a.b-7d9c6b5f4-x2x9k",), ("acb-7d9c6b5f4-x2x9k",)),
        (f"deployment/{'x' * 60}", (f"{'x' * 57}-x2x9k",), ("y-7d9c6b5f4-x2x9k",)),
    ],
)
def test_the_pods_of_a_workload_and_no_others(target: str, pods: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Judged by RE2, anchored as Loki anchors it; a workload whose name continues this one's is another one."""
    selector = build_selector(target, {"pod": "pod"}, namespace="n")
    matches = compile_regex(json.loads(selector.partition("~")[2].rstrip("}")))
    assert pods and others and all(map(matches, pods))
    assert not any(map(matches, others))


def test_a_server_whose_labels_name_no_pods() -> None:
    """Says what to write instead."""
    with pytest.raises(SourceError, match="no label of Loki's names pods: write a selector"):
        build_selector("pod/x", choose_labels(("filename",)), namespace="n")


@pytest.mark.parametrize("selector", ['{pod=~"api-[a-z0-9]{5}"}', '{a="}", b=`}`}', "{}", '{a="\\"}"}'])
def test_a_query_without_its_filters(selector: str) -> None:
    """A brace in a quoted value does not end the selector."""
    assert drop_filters(f'{selector} |= "x}}y" | json') == selector
    assert drop_filters(selector) == selector


@pytest.mark.parametrize(("length", "suffix"), [(46, "-{SAFE}+-{SAFE}{5}"), (47, ".*")])
def test_a_name_that_its_pods_may_shorten(length: int, suffix: str) -> None:
    """Up to 46 characters a pod's name has all of it."""
    found = build_selector(f"deployment/{'x' * length}", {"pod": "pod"}, namespace="n")
    assert found == f'{{pod=~"{"x" * 46}{suffix}"}}'.replace("{SAFE}", "[bcdfghjklmnpqrstvwxz2456789]")
