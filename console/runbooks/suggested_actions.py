"""What fits an alert: its target, and the actions on it with what each would do, told without asking anybody."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache

from console.config.settings import AlertTarget
from console.config.validators import is_dns_name
from console.runbooks.page import Runbook
from console.state.place import Place, PodOwners, pod_of, pod_owners
from console.state.revisions import NO_RECORDS, Records, Standing, choices, default_choice, image_change
from queries.model.alert import Alert, Suggestion
from queries.model.matcher import Matcher
from queries.model.series import Labels, label
from queries.model.text import visible
from queries.model.workload import Cluster, Workload

_PLACE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


def fill(template: str, labels: Labels) -> str:
    """`deployment/ocr-provider-{provider}` with the alert's labels; empty where a label is missing or no name may be so.

    Labels come from outside: what they make must be a name that Kubernetes allows, whatever they hold.
    """
    kind, slash, name = template.partition("/")
    filled = _PLACE.sub(lambda found: label(labels, found[1]).lower(), name)
    return f"{kind}/{filled}" if slash and kind == "deployment" and is_dns_name(filled) else ""


def target_of(
    alert: Alert,
    cluster: Cluster | None,
    *,
    configured: tuple[AlertTarget, ...] = (),
    runbook: Runbook | None = None,
    owners: PodOwners | None = None,
) -> str:
    """The workload that an alert is about: from the config, its labels, then the runbook; empty where nothing tells.

    `owners` is what `pod_owners` gave for this cluster, where the caller keeps it.
    """
    for item in configured:
        if item.alertname == alert.name:
            return item.target
    named = label(alert.labels, "deployment")
    if named:
        return fill(f"deployment/{named}", ()) if "{" not in named else ""
    pod = pod_of(alert.labels)
    if pod and cluster:
        target = (pod_owners(cluster) if owners is None else owners).target(pod) or ""
        if target:
            return target
    if label(alert.labels, "provider"):
        target = fill("deployment/ocr-provider-{provider}", alert.labels)
        if target and (cluster is None or cluster.workload(target.partition("/")[2])):
            return target
    for action in runbook.actions if runbook else ():
        target = fill(action.target, alert.labels)
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

    Nothing else is for an alert about another place, whatever the config or the runbook name: their targets are here.
    """
    owners = pod_owners(cluster) if owners is None and cluster is not None else owners
    if place.elsewhere(alert.labels, owners) is not None:
        return (silence_of(alert.labels),)
    target = target_of(alert, cluster, configured=configured, runbook=runbook, owners=owners)
    told: list[Suggestion] = []
    for action in runbook.actions if runbook else ():
        aim = fill(action.target, alert.labels) or target
        if action.action not in ("silence", "expire") and aim:
            wish = action.parameters
            told.append(suggestion(action.action, aim, cluster, place=place, parameters=wish, records=records))
    if target and not told:
        names = ("rollback", "restart")
        told += [suggestion(name, target, cluster, place=place, records=records) for name in names]
    told = [item for item in told if item.sentence]
    return (*told, silence_of(alert.labels))


def suggestion(
    action: str,
    target: str,
    cluster: Cluster | None,
    *,
    place: Place,
    parameters: Labels = (),
    records: Records = NO_RECORDS,
) -> Suggestion:
    """One action in a sentence with the equal command; an empty sentence where the cluster is known and it cannot be done."""
    name = target.partition("/")[2]
    workload = cluster.workload(name) if cluster else None
    kubectl = shlex.join([*place.kubectl, "-n", place.namespace])
    if cluster is not None and workload is None:
        return Suggestion(action, target, "", "", parameters)
    match action:
        case "rollback":
            return _rollback(workload, cluster, target, kubectl, parameters=parameters, records=records)
        case "scale":
            return _scale(workload, target, kubectl, parameters)
        case "restart":
            count = f" ({workload.desired} pods, one after another)" if workload else ""
            return Suggestion(action, target, f"restart {name}{count}", f"{kubectl} rollout restart {target}", parameters)
        case "pause" | "resume":
            if workload and workload.paused is (action == "pause"):
                return Suggestion(action, target, "", "", parameters)
            sentence = f"{action} the rollout of {name}"
            return Suggestion(action, target, sentence, f"{kubectl} rollout {action} {target}", parameters)
    return Suggestion(action, target, f"{action} {name}", "", parameters)


@lru_cache(maxsize=10_000)
def silence_of(labels: Labels) -> Suggestion:
    """A silence with all labels of this alert: it hides this one and nothing else."""
    matchers = [Matcher(name, value) for name, value in labels]
    text = ", ".join(str(item) for item in matchers)
    quoted = " ".join(_shell(str(item)) for item in matchers)
    sentence = f"silence {visible(label(labels, 'alertname'))} ({len(labels)} labels)"
    return Suggestion("silence", text, sentence, f"amtool silence add {quoted}")


def _rollback(
    workload: Workload | None, cluster: Cluster | None, target: str, kubectl: str, *, parameters: Labels, records: Records
) -> Suggestion:
    name = target.partition("/")[2]
    wanted = label(parameters, "revision")
    if workload is None or cluster is None:
        where = f"to revision {wanted}" if wanted else "to the last revision that was ready"
        command = f"{kubectl} rollout undo {target} --to-revision={wanted}" if wanted else f"cad-console act rollback {target}"
        return Suggestion("rollback", target, f"roll back {name} {where}", command, parameters)
    found = choices(workload, cluster.revisions_of(workload), records)
    choice = next((item for item in found if str(item.revision.number) == wanted), None) if wanted else default_choice(found)
    if choice is None or workload.paused:
        return Suggestion("rollback", target, "", "", parameters)
    to = choice.revision
    images = image_change(workload.containers, to.containers)
    sentence = f"roll back {name} {workload.revision} → {to.number}{f' (image {images})' if images else ''}"
    if choice.standing is not Standing.READY:
        sentence += f"; {to.number} {visible(choice.text)}"
    filled = tuple(sorted({**dict(parameters), "revision": str(to.number)}.items()))
    return Suggestion("rollback", target, sentence, f"{kubectl} rollout undo {target} --to-revision={to.number}", filled)


def _scale(workload: Workload | None, target: str, kubectl: str, parameters: Labels) -> Suggestion:
    name = target.partition("/")[2]
    wanted = label(parameters, "replicas")
    count = int(wanted) if wanted.isascii() and wanted.isdigit() else (workload.desired + 1 if workload else 0)
    if count == 0 or (workload and workload.desired >= count):
        return Suggestion("scale", target, "", "", parameters)
    before = f"{workload.desired} → " if workload else "to "
    filled = tuple(sorted({**dict(parameters), "replicas": str(count)}.items()))
    return Suggestion(
        "scale", target, f"scale {name} {before}{count} replicas", f"{kubectl} scale {target} --replicas={count}", filled
    )


def _shell(text: str) -> str:
    return "'" + visible(text).replace("'", "'\\''") + "'"
