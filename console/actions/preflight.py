"""The preflight checks that the runner makes for every action: place, journal, cluster, reconcilers, read-only."""

from __future__ import annotations

import asyncio

from console.actions.action import CLUSTER_TARGETS, Action, ChangeWriter, ClusterReader
from console.actions.plan import CheckLevel, ClusterTarget, Plan, PreflightCheck, Request
from console.config.services import TOKEN
from console.config.settings import Settings
from console.journal.errors import JournalError
from console.journal.sqlite import Journal
from console.state.place import Place, PodOwners, names_namespace, pod_of
from queries.errors import SourceError
from queries.model.action import ActionCall
from queries.model.alert import Alert, Elsewhere
from queries.text.durations import format_duration

_ALERT_PLACE = "place of the alert"
_NO_POD = PodOwners({}, {})


def changes_cluster(action: Action | None, request: ActionCall, settings: Settings) -> bool:
    """Whether the action changes an object in Kubernetes."""
    if action is not None and action.target_kind == TOKEN:
        token = settings.token(request.target.partition("/")[2])
        return token is not None and token.in_cluster
    return action is not None and action.target_kind in CLUSTER_TARGETS


async def find_target(action: Action, request: Request, settings: Settings, writer: ChangeWriter) -> ClusterTarget:
    """The cluster that a change would reach, and the identity that its server sees. Raises SourceError."""
    cluster = settings.kubernetes
    if cluster is None or not changes_cluster(action, request, settings):
        return ClusterTarget()
    identity = await writer.cluster_identity()
    return ClusterTarget(cluster.sentence(), cluster.place.server if cluster.place else "", identity)


def check_identity(target: ClusterTarget) -> tuple[PreflightCheck, ...]:
    """The identity that the server reports, and whether the plan is bound to this particular cluster."""
    identity = target.identity
    who = f"the server sees you as {identity.sentence()}" if identity.username else "the server does not report your identity"
    if identity.is_bound():
        uid = f"cluster {identity.cluster_uid}" if identity.cluster_uid else f"namespace {identity.namespace_uid}"
        return (PreflightCheck(CheckLevel.OK, f"{who}; bound to {uid}", "identity"),)
    text = f"{who}; bound to this address only, because the UIDs of kube-system and the namespace cannot be read"
    return (PreflightCheck(CheckLevel.WARN, text, "identity"),)


def check_reconcilers(plan: Plan, settings: Settings) -> tuple[PreflightCheck, ...]:
    """Who may revert the change, and for how long the console watches for that."""
    checks = []
    for item in plan.reconcilers:
        seconds = settings.settle_seconds(item.kind)
        watched = f"watched for {format_duration(seconds)} after it is done" if seconds else "its next run sets it again"
        way = f"; instead: {item.own_way}" if item.own_way else ""
        checks.append(PreflightCheck(CheckLevel.WARN, f"{item.name} also sets this: {watched}{way}", item.why))
    return tuple(checks)


async def check_console(
    action: Action, request: Request, settings: Settings, journal: Journal | None, *, journal_error: str
) -> tuple[PreflightCheck, ...]:
    """Whether the journal can record the change, whether the cluster is known, and whether the console may write."""
    checks = [await _check_journal(journal, journal_error)]
    cluster = settings.kubernetes if changes_cluster(action, request, settings) else None
    if cluster is not None and cluster.place is None:
        text = "the kubeconfig could not be read at start, so the cluster is unknown: restart the console"
        checks.append(PreflightCheck(CheckLevel.BLOCK, text, "place"))
    elif cluster is not None and cluster.sentence() and not settings.cluster_named:
        origin = dict(settings.origins).get("kubernetes", "").partition(" (")[0]
        text = f"the environment {settings.environment} does not name this cluster: it is from {origin}"
        checks.append(PreflightCheck(CheckLevel.WARN, text, "place"))
    if settings.read_only:
        checks.append(PreflightCheck(CheckLevel.BLOCK, "read-only: nothing will be sent", "read-only"))
    return tuple(checks)


async def _check_journal(journal: Journal | None, journal_error: str) -> PreflightCheck:
    try:
        if journal is None:
            raise JournalError(journal_error)
        await asyncio.to_thread(journal.probe)
    except JournalError as error:
        return PreflightCheck(CheckLevel.BLOCK, f"no write without its journal entry: {error}", "journal")
    return PreflightCheck(CheckLevel.OK, "journal writable", "journal")


async def check_alert_place(request: Request, settings: Settings, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
    """Whether the alert behind the request is about the namespace and cluster that the action changes.

    It keeps a healthy workload from being changed because of another one of the same name. If the alert's place is unknown,
    the target's name has to be typed for this check alone.
    """
    word = request.target.partition("/")[2]
    try:
        alerts = await _triggering_alerts(request, reader)
        places = [await _elsewhere(item, Place.of(settings), reader) for item in alerts]
    except SourceError as error:
        text = f"could not check whether the alert is about this place: {error}; type {word} if it is"
        return (PreflightCheck(CheckLevel.ASK, text, _ALERT_PLACE, word),)
    if not places:
        if not request.fingerprint:
            return ()
        text = f"no server lists the alert {request.fingerprint}, so its place is unknown: type {word} if it is about this one"
        return (PreflightCheck(CheckLevel.ASK, text, _ALERT_PLACE, word),)
    away = [item for item in places if item is not None]
    if not away:
        return (PreflightCheck(CheckLevel.OK, "no label of the alert points elsewhere", _ALERT_PLACE),)
    if len(away) == len(places):
        text = f"the alert is about another place: {away[0].reason}; instead: {away[0].command}"
        return (PreflightCheck(CheckLevel.BLOCK, text, _ALERT_PLACE),)
    count = f"{len(away)} of {len(places)} alerts named {alerts[0].name} {'is' if len(away) == 1 else 'are'}"
    text = f"{count} about another place: {away[0].reason}; name the alert with --alert"
    return (PreflightCheck(CheckLevel.WARN, text, _ALERT_PLACE),)


async def _triggering_alerts(request: Request, reader: ClusterReader) -> tuple[Alert, ...]:
    """The alert that the request names by its fingerprint; else every alert with the name in its cause `alert NAME`."""
    if request.fingerprint:
        alert = await reader.alert(request.fingerprint)
        return (alert,) if alert else ()
    word, _, name = request.cause.partition(" ")
    return tuple(item for item in await reader.alerts() if item.name == name) if word == "alert" and name else ()


async def _elsewhere(alert: Alert, place: Place, reader: ClusterReader) -> Elsewhere | None:
    away, pod = place.elsewhere(alert.labels), pod_of(alert.labels)
    if away is None and pod and not names_namespace(alert.labels) and not await reader.has_pod(pod):
        return place.elsewhere(alert.labels, _NO_POD)
    return away
