"""The pods of a rollout as blocks, by revision: each state is a glyph of its own, so that it reads without colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from queries.model.cluster import Cluster
from queries.model.pod import STARTING_REASONS, Pod
from queries.model.workload import Workload
from widgets.styled_text import Line, Span, text

READY, STARTING, FAILING, ENDING, MISSING = "█", "▒", "✗", "░", "·"
_TONES = {READY: "ok", STARTING: "warn", FAILING: "critical", ENDING: "dim", MISSING: "dim"}


def render_pods(cluster: Cluster, workload: Workload, width: int) -> tuple[Line, ...]:
    """One line for the new pods and one for each older revision that still has pods; none for a workload without pods. The pods
    of a Job or CronJob are on one line.
    """
    groups: dict[str, list[Pod]] = {}
    for pod in sorted(cluster.pods_of(workload), key=lambda item: (item.created_at, item.name)):
        groups.setdefault(_revision_of(cluster, pod), []).append(pod)
    newest = _newest_revision(cluster, workload, groups)
    lines = []
    for name in sorted(groups.keys() | ({newest} if workload.desired else set()), key=lambda item: item != newest):
        pods = groups.get(name, [])
        states = [_state(pod, replaced=workload.replaces_pods) for pod in pods]
        if name == newest:
            missing = workload.desired - sum(glyph != ENDING for glyph, _ in states)
            states += [(MISSING, "not created")] * max(0, missing)
        label = f" {'new' if name == newest else 'old'}  {name}  " if workload.batch is None else " pods  "
        lines.append((text(label), *_blocks(states, max(8, width // 2 - len(label))), *_counts(states)))
    return tuple(lines)


def _blocks(states: list[tuple[str, str]], most: int) -> Iterable[Span]:
    """A glyph for each pod; of more pods than fit, the rest as a number."""
    for glyph, _ in states[:most]:
        yield (glyph, _TONES[glyph])
    if len(states) > most:
        yield (f" +{len(states) - most}", "dim")


def _counts(states: list[tuple[str, str]]) -> Iterable[Span]:
    """`  2 ready, 1 ImagePullBackOff`: in the order of the glyphs."""
    counted = Counter(states)
    order = (READY, STARTING, FAILING, ENDING, MISSING)
    lead = "  "
    for (glyph, word), count in sorted(counted.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        yield text(f"{lead}{count} {word}", "" if glyph is READY else _TONES[glyph])
        lead = ", "


def _state(pod: Pod, *, replaced: bool) -> tuple[str, str]:
    """Glyph and word of a pod's state; one that has ended does not count where such pods are `replaced`."""
    if pod.reason == "Terminating":
        return ENDING, "terminating"
    if pod.phase == "Succeeded":
        return ENDING, "completed"
    if pod.ended and replaced:
        return ENDING, f"ended ({pod.reason or pod.phase})"
    if pod.ready:
        return READY, "ready"
    return (STARTING, "starting") if pod.reason in STARTING_REASONS else (FAILING, pod.reason)


def _revision_of(cluster: Cluster, pod: Pod) -> str:
    """`revision 43` of a Deployment's pod; of others the revision's hash, empty if the pod names none."""
    for revision in cluster.revisions:
        if pod.owner_uid == revision.uid if revision.uid else pod.name.startswith(f"{revision.name}-"):
            return f"revision {revision.number}"
    return next((value for name, value in pod.labels if name == "controller-revision-hash"), "")


def _newest_revision(cluster: Cluster, workload: Workload, groups: dict[str, list[Pod]]) -> str:
    """A DaemonSet's status does not name it: its newest pods have the newest revision."""
    if workload.kind == "Deployment":
        return f"revision {workload.revision}"
    if workload.update_revision:
        return workload.update_revision
    return max(groups, key=lambda name: max(pod.created_at for pod in groups[name]), default="")
