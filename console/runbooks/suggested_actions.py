"""The actions that fit an alert, each with its target and what it would do, from what is already known."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import lru_cache

from console.config.settings import AlertTarget
from console.config.text_formats import is_dns_name
from console.runbooks.page import Runbook
from console.state.place import Place, PodOwners, pod_of, pod_owners
from console.state.revisions import NO_RECORDS, Records, Standing, image_change, propose_revision, revision_choices
from queries.model.action import ActionCall
from queries.model.alert import Alert, Suggestion
from queries.model.cluster import Cluster
from queries.model.later import lazy_pattern
from queries.model.matcher import Matcher
from queries.model.series import Labels, label
from queries.model.text import visible
from queries.model.workload import TARGET_KINDS, Workload

_KIND_LABELS = (
    ("deployment", "deployment"),
    ("statefulset", "statefulset"),
    ("daemonset", "daemonset"),
    ("cronjob", "cronjob"),
    ("job_name", "job"),
)
"""The labels in which kube-state-metrics names a workload, with its kind; `job` is the scrape job."""
_REPLACE_PODS = ("deployment", "statefulset", "daemonset")
ADMIN = "admin"
"""The action that calls the platform's own administration; its targets are `call/ID`."""
ACTION_KINDS = {
    "rollback": _REPLACE_PODS,
    "restart": _REPLACE_PODS,
    "scale": ("deployment", "statefulset"),
    "pause": ("deployment",),
    "resume": ("deployment",),
}
"""The kinds of workload for which an action is suggested: those that it can change."""
_LABEL = lazy_pattern(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


def fill_target(template: str, labels: Labels) -> str:
    """`deployment/ocr-provider-{provider}` with the alert's labels; empty if a label is missing, or kind or name is invalid.

    Labels come from outside: the result must be a valid Kubernetes name, whatever they contain.
    """
    kind, slash, name = template.partition("/")
    filled = _LABEL.sub(lambda match: label(labels, match[1]).lower(), name)
    return f"{kind}/{filled}" if slash and kind in TARGET_KINDS and is_dns_name(filled) else ""


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
    for name, kind in _KIND_LABELS:
        if value := label(alert.labels, name):
            return fill_target(f"{kind}/{value}", ()) if "{" not in value else ""
    pod = pod_of(alert.labels)
    if pod and cluster:
        target = (pod_owners(cluster) if owners is None else owners).target(pod) or ""
        if target:
            return target
    if label(alert.labels, "provider"):
        target = fill_target("deployment/ocr-provider-{provider}", alert.labels)
        if target and (cluster is None or cluster.workload(target)):
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
    admin_calls: tuple[str, ...] | None = None,
) -> tuple[Suggestion, ...]:
    """The runbook's actions first, then what fits the alert's target; a silence is always possible. `admin_calls` are a team's
    files of calls, None without a configured administration.

    An alert about another place gets only the silence: the targets of config and runbook are in this one.
    """
    owners = pod_owners(cluster) if owners is None and cluster is not None else owners
    if place.elsewhere(alert.labels, owners) is not None:
        return (silence_of(alert.labels),)
    default_target = target_of(alert, cluster, configured=configured, runbook=runbook, owners=owners)
    calls = []
    for action in runbook.actions if runbook else ():
        target = fill_target(action.target, alert.labels) or default_target
        if action.action not in ("silence", "expire", ADMIN) and target:
            calls.append(ActionCall(action.action, target, action.parameters))
    if default_target and not calls:
        calls = [ActionCall("rollback", default_target), ActionCall("restart", default_target)]
    calls = [item for item in calls if item.target.partition("/")[0] in ACTION_KINDS.get(item.action, TARGET_KINDS)]
    suggestions = (suggest_action(call, cluster, place=place, records=records) for call in calls)
    called = suggest_calls(runbook, admin_calls) if runbook is not None and admin_calls is not None else ()
    return (*(item for item in suggestions if item is not None), *called, silence_of(alert.labels))


def suggest_calls(runbook: Runbook, files: tuple[str, ...]) -> tuple[Suggestion, ...]:
    """The calls of the platform's administration that a runbook lists among its actions, or tells people to make in its text.
    `files` are a team's own.
    """
    given = {item.target.removeprefix("call/"): item.parameters for item in runbook.actions if item.action == ADMIN}
    suggestions = []
    for name in dict.fromkeys((*given, *_named_in(runbook.body, files))):
        from queries.platform.admin_calls import read_admin_calls  # noqa: PLC0415  # only for such a runbook

        call = read_admin_calls(files).calls.get(name)
        if call is not None:
            parameters = given.get(name, {})
            flags = "".join(f" --set {shlex.quote(f'{key}={value}')}" for key, value in parameters.items())
            command = f"cad-console act {ADMIN} {name}{flags}"
            sealed = f": {call.sealed}" if call.sealed else ""
            sentence = f"{call.title.lower()} ({call.method} {call.path}){sealed}"
            suggestions.append(Suggestion(ADMIN, f"call/{name}", dict(parameters), sentence, command))
    return tuple(suggestions)


@lru_cache(maxsize=256)
def _named_in(text: str, files: tuple[str, ...]) -> tuple[str, ...]:
    if not any(f"{method} " in text for method in ("POST", "DELETE", "PUT", "PATCH")):
        return ()
    from queries.platform.admin_calls import read_admin_calls  # noqa: PLC0415  # only for such a text

    return tuple(call.id for call in read_admin_calls(files).find_in(text))


def suggest_action(
    call: ActionCall, cluster: Cluster | None, *, place: Place, records: Records = NO_RECORDS
) -> Suggestion | None:
    """One action as a sentence with the equivalent command; None if the known state of the cluster rules it out."""
    name = call.target.partition("/")[2]
    workload = cluster.workload(call.target) if cluster else None
    kubectl = shlex.join([*place.kubectl, "-n", place.namespace])
    if cluster is not None and workload is None:
        return None
    match call.action:
        case "rollback":
            return _suggest_rollback(call, workload, cluster, kubectl, records=records)
        case "scale":
            return _suggest_scale(call, workload, kubectl)
        case "restart":
            pace = workload.strategy.replaced_at_once(workload.desired) if workload else ""
            count = f" ({workload.desired} pods, {pace})" if workload else ""
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
    if workload is None or cluster is None or workload.kind != "Deployment":  # of others, no revision is watched
        goal = f"to revision {requested}" if requested else "to the last revision that was ready"
        command = f"{undo}{requested}" if requested else f"cad-console act rollback {target}"
        return _suggestion(call, f"roll back {name} {goal}", command)
    options = revision_choices(workload, cluster.revisions_of(workload), records)
    if requested:
        choice = next((item for item in options if str(item.revision.number) == requested), None)
    else:
        choice = propose_revision(options)
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
