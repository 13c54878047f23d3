"""The actions that fit an alert, each with its target and what it would do, from what is already known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import lru_cache

from console.config.settings import AlertTarget
from console.config.validators import is_dns_name
from console.runbooks.page import Runbook
from console.state.place import Place, PodOwners, pod_of, pod_owners
from console.state.revisions import NO_RECORDS, Records, Standing, default_choice, image_change, revision_choices
from queries.model.action import ActionCall
from queries.model.alert import Alert, Suggestion
from queries.model.matcher import Matcher
from queries.model.series import Labels, label
from queries.model.text import visible
from queries.model.workload import Cluster, Workload

_LABEL = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


def fill_target(template: str, labels: Labels) -> str:
    """`deployment/ocr-provider-{provider}` with the alert's labels; empty if a label is missing or the name is invalid.

    Labels come from outside: the result must be a valid Kubernetes name, whatever they contain.
    """
    kind, slash, name = template.partition("/")
    filled = _LABEL.sub(lambda match: label(labels, match[1]).lower(), name)
    return f"{kind}/{filled}" if slash and kind == "deployment" and is_dns_name(filled) else ""


def target_of(
    alert: Alert,
    cluster: Cluster | None,
    *,
    configured: tuple[AlertTarget, ...] = (),
    runbook: Runbook | None = None,
    owners: PodOwners | None = None,
) -> str:
    """The workload that an alert is about: from the config, its labels, then the runbook; empty if none names one.

    `owners` is the result of `pod_owners` for this cluster, if the caller caches it.
    """
    for item in configured:
        if item.alertname == alert.name:
            return item.target
    deployment = label(alert.labels, "deployment")
    if deployment:
        return fill_target(f"deployment/{deployment}", ()) if "{" not in deployment else ""
    pod = pod_of(alert.labels)
    if pod and cluster:
        target = (pod_owners(cluster) if owners is None else owners).target(pod) or ""
        if target:
            return target
    if label(alert.labels, "provider"):
        target = fill_target("deployment/ocr-provider-{provider}", alert.labels)
        if target and (cluster is None or cluster.workload(target.partition("/")[2])):
            return target
    for action in runbook.actions if runbook else ():
        target = fill_target(action.target, alert.labels)
        if target:
            return target
    return ""


def suggestions_for(
    alert: Alert,
    cluster: Cluster | None,
    *,
    place: Place,
    runbook: Runbook | None,
    configured: tuple[AlertTarget, ...] = (),
    owners: PodOwners | None = None,
    records: Records = NO_RECORDS,
) -> tuple[Suggestion, ...]:
    """The runbook's actions first, then what fits the alert's target; a silence is always possible.

    An alert about another place gets only the silence: the targets of config and runbook are in this one.
    """
    owners = pod_owners(cluster) if owners is None and cluster is not None else owners
    if place.elsewhere(alert.labels, owners) is not None:
        return (silence_of(alert.labels),)
    default_target = target_of(alert, cluster, configured=configured, runbook=runbook, owners=owners)
    calls = []
    for action in runbook.actions if runbook else ():
        target = fill_target(action.target, alert.labels) or default_target
        if action.action not in ("silence", "expire") and target:
            calls.append(ActionCall(action.action, target, action.parameters))
    if default_target and not calls:
        calls = [ActionCall("rollback", default_target), ActionCall("restart", default_target)]
    suggestions = (suggest_action(call, cluster, place=place, records=records) for call in calls)
    return (*(item for item in suggestions if item is not None), silence_of(alert.labels))


def suggest_action(
    call: ActionCall, cluster: Cluster | None, *, place: Place, records: Records = NO_RECORDS
) -> Suggestion | None:
    """One action as a sentence with the equivalent command; None if the known state of the cluster rules it out."""
    name = call.target.partition("/")[2]
    workload = cluster.workload(name) if cluster else None
    kubectl = shlex.join([*place.kubectl, "-n", place.namespace])
    if cluster is not None and workload is None:
        return None
    match call.action:
        case "rollback":
            return _suggest_rollback(call, workload, cluster, kubectl, records=records)
        case "scale":
            return _suggest_scale(call, workload, kubectl)
        case "restart":
            count = f" ({workload.desired} pods, one at a time)" if workload else ""
            return _suggestion(call, f"restart {name}{count}", f"{kubectl} rollout restart {call.target}")
        case "pause" | "resume":
            if workload and workload.paused is (call.action == "pause"):
                return None
            command = f"{kubectl} rollout {call.action} {call.target}"
            return _suggestion(call, f"{call.action} the rollout of {name}", command)
    return _suggestion(call, f"{call.action} {name}", "")


@lru_cache(maxsize=10_000)
def silence_of(labels: Labels) -> Suggestion:
    """A silence with all labels of this alert: it hides this alert only."""
    matchers = [str(Matcher(name, value)) for name, value in labels]
    sentence = f"silence {visible(label(labels, 'alertname'))} ({len(labels)} labels)"
    command = f"amtool silence add {' '.join(map(_quote_for_shell, matchers))}"
    return Suggestion("silence", ", ".join(matchers), sentence=sentence, command=command)


def _suggestion(call: ActionCall, sentence: str, command: str, **parameters: str) -> Suggestion:
    return Suggestion(call.action, call.target, _sorted({**call.parameters, **parameters}), sentence, command)


def _sorted(parameters: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(parameters.items()))


def _suggest_rollback(
    call: ActionCall, workload: Workload | None, cluster: Cluster | None, kubectl: str, *, records: Records
) -> Suggestion | None:
    target, name = call.target, call.target.partition("/")[2]
    requested = call.parameters.get("revision", "")
    undo = f"{kubectl} rollout undo {target} --to-revision="
    if workload is None or cluster is None:
        goal = f"to revision {requested}" if requested else "to the last revision that was ready"
        command = f"{undo}{requested}" if requested else f"cad-console act rollback {target}"
        return _suggestion(call, f"roll back {name} {goal}", command)
    options = revision_choices(workload, cluster.revisions_of(workload), records)
    if requested:
        choice = next((item for item in options if str(item.revision.number) == requested), None)
    else:
        choice = default_choice(options)
    if choice is None or workload.paused:
        return None
    revision = choice.revision
    images = image_change(workload.containers, revision.containers)
    sentence = f"roll back {name} {workload.revision} → {revision.number}{f' (image {images})' if images else ''}"
    if choice.standing is not Standing.READY:
        sentence += f"; {revision.number} {visible(choice.text)}"
    return _suggestion(call, sentence, f"{undo}{revision.number}", revision=str(revision.number))


def _suggest_scale(call: ActionCall, workload: Workload | None, kubectl: str) -> Suggestion | None:
    requested = call.parameters.get("replicas", "")
    default = workload.desired + 1 if workload else 0
    replicas = int(requested) if requested.isascii() and requested.isdigit() else default
    if replicas == 0 or (workload and workload.desired >= replicas):
        return None
    before = f"{workload.desired} → " if workload else "to "
    sentence = f"scale {call.target.partition('/')[2]} {before}{replicas} replicas"
    return _suggestion(call, sentence, f"{kubectl} scale {call.target} --replicas={replicas}", replicas=str(replicas))


def _quote_for_shell(text: str) -> str:
    return "'" + visible(text).replace("'", "'\\''") + "'"
