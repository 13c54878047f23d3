"""Stream selectors for pods and workloads, by the labels that this server's agents set."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from queries.errors import RequestRejected
from queries.model.series import quote
from queries.text.durations import format_duration

LABELS: Mapping[str, tuple[str, ...]] = {
    "namespace": ("namespace", "k8s_namespace_name", "kubernetes_namespace_name", "namespace_name"),
    "pod": ("pod", "k8s_pod_name", "kubernetes_pod_name", "pod_name", "instance"),
    "container": ("container", "k8s_container_name", "kubernetes_container_name", "container_name"),
    "workload": ("app", "k8s_deployment_name", "app_kubernetes_io_name", "service_name", "job"),
}
"""By what it names, the labels of Promtail and Alloy, of OpenTelemetry's collector, and of Fluent Bit, the likeliest first."""
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
"""The characters of generated names: no vowels, so that `-migrate` of another workload's name is none."""
_POD = f"-{_SAFE}{{5}}"
_SUFFIXES = {
    "": f"(-{_SAFE}+{_POD}|{_POD}|-[0-9]+)?",
    "deployment": f"-{_SAFE}+{_POD}",
    "rollout": f"-{_SAFE}+{_POD}",
    "statefulset": "-[0-9]+",
    "daemonset": _POD,
    "job": _POD,
    "cronjob": f"-[0-9]+{_POD}",
}
"""What the controllers append to their name for that of a pod."""
_SELECTOR = re.compile(r"""\s*\{(?:[^}"`]|"(?:\\.|[^"\\])*"|`[^`]*`)*\}""")
_STAGE = re.compile(r"\|\s*\w")
"""A stage that may read labels from a line, or a text that looks like one."""
_MOST = 46
"""A longer name may be cut in those of its pods: a generated name has 63 characters at most."""


def choose_labels(present: Collection[str], own: Mapping[str, str] | None = None) -> dict[str, str]:
    """By `namespace`, `pod`, `container` and `workload` the label of this server; `own` are a team's, and need not be present
    yet. What no label names is left out.
    """
    chosen = dict(own or {})
    for what, names in LABELS.items():
        for name in names:
            if name in present:
                chosen.setdefault(what, name)
                break
    return chosen


def build_selector(target: str, labels: Mapping[str, str], *, namespace: str, container: str = "") -> str:
    """The selector of `pod/NAME` or of a workload (`deployment/NAME`), also of pods that are gone: by the pods' names where a
    label has them, else by the workload's. Raises RequestRejected if no label names either.
    """
    kind, _, name = target.rpartition("/")
    matchers = [f"{labels['namespace']}={quote(namespace)}"] if "namespace" in labels else []
    if kind == "pod" and "pod" in labels:
        matchers.append(f"{labels['pod']}={quote(name)}")
    elif kind in _SUFFIXES and "pod" in labels:
        suffix = _SUFFIXES[kind] if len(name) <= _MOST else ".*"
        escaped = re.escape(name[:_MOST]).replace("\\-", "-")  # RE2 knows no escaped hyphen outside a class
        matchers.append(f"{labels['pod']}=~{quote(escaped + suffix)}")
    elif kind != "pod" and "workload" in labels:
        matchers.append(f"{labels['workload']}={quote(name)}")
    else:
        hint = 'write a selector, such as {job="NAME"}, or name the labels in the config: loki: labels: {pod: LABEL}'
        raise RequestRejected(f"no label of Loki's names {'pods' if kind == 'pod' else 'workloads'}", hint=hint)
    if container and "container" in labels:
        matchers.append(f"{labels['container']}={quote(container)}")
    return "{" + ", ".join(matchers) + "}"


def build_count(query: str, seconds: float) -> str:
    """The metric query that counts the lines of a log query, also those that its parsers cannot read: of these Loki refuses
    every metric query that keeps their error.
    """
    errors = " | drop __error__, __error_details__" if _STAGE.search(query) else ""
    return f"sum(count_over_time({query}{errors} [{format_duration(max(0.001, seconds))}]))"


def drop_filters(query: str) -> str:
    """The selector of a log query alone: without what follows it."""
    found = _SELECTOR.match(query)
    return found[0].strip() if found else query


def is_selector(text: str) -> bool:
    """Whether a person typed a query rather than the name of a workload."""
    return text.lstrip().startswith("{")
