"""Whether the alert that made somebody act is about the place that is acted in: checked before every write to a workload."""

from __future__ import annotations

from console.actions.action import ClusterReader
from console.actions.plan import CheckLevel, PreflightCheck, Request
from console.config.settings import Settings
from console.state.place import Place, PodOwners, names_namespace, pod_of
from queries.errors import SourceError
from queries.model.alert import Alert, Elsewhere

_HOW = "place of the alert"
_NO_POD = PodOwners({}, {})


async def place_checks(request: Request, settings: Settings, reads: ClusterReader) -> tuple[PreflightCheck, ...]:
    """One line where the request follows from an alert: a healthy namesake must not be changed for another one's trouble.

    Where nobody can say where the alert points, the target's name has to be typed for that alone.
    """
    word = request.target.partition("/")[2]
    try:
        alerts = await _causes(request, reads)
        away = [await _elsewhere(item, Place.of(settings), reads) for item in alerts]
    except SourceError as error:
        text = f"whether the alert is about this place is not known: {error}; type {word} if it is"
        return (PreflightCheck(CheckLevel.ASK, text, _HOW, word),)
    if not away:
        if not request.fingerprint:
            return ()
        text = f"no server lists the alert {request.fingerprint}, so nobody can say where it is: type {word} if it is here"
        return (PreflightCheck(CheckLevel.ASK, text, _HOW, word),)
    found = [item for item in away if item is not None]
    if not found:
        return (PreflightCheck(CheckLevel.OK, "no label of the alert points elsewhere", _HOW),)
    if len(found) == len(away):
        text = f"the alert is about another place: {found[0].reason}; instead: {found[0].command}"
        return (PreflightCheck(CheckLevel.BLOCK, text, _HOW),)
    named = (
        f"{len(found)} of {len(away)} alerts called {alerts[0].name} {'is' if len(found) == 1 else 'are'} about another place"
    )
    text = f"{named}: {found[0].reason}; say with --alert which one it is for"
    return (PreflightCheck(CheckLevel.WARN, text, _HOW),)


async def _causes(request: Request, reads: ClusterReader) -> tuple[Alert, ...]:
    """The alert that the request names by its fingerprint; else all those that its cause `alert NAME` may mean."""
    if request.fingerprint:
        found = await reads.alert(request.fingerprint)
        return (found,) if found else ()
    word, _, name = request.cause.partition(" ")
    return tuple(item for item in await reads.alerts() if item.name == name) if word == "alert" and name else ()


async def _elsewhere(alert: Alert, place: Place, reads: ClusterReader) -> Elsewhere | None:
    away, pod = place.elsewhere(alert.labels), pod_of(alert.labels)
    if away is None and pod and not names_namespace(alert.labels) and not await reads.has_pod(pod):
        return place.elsewhere(alert.labels, _NO_POD)
    return away
