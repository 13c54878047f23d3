"""Whether the alert that made somebody act is about the place that is acted in: checked before every write to a workload."""

from __future__ import annotations

from console.actions.action import Reads
from console.actions.plan import CheckLevel, PreflightCheck, Request
from console.config.settings import Settings
from console.place import Place, PodOwners, names_namespace, pod_of
from queries.errors import SourceError
from queries.model.alert import Alert, Elsewhere

_HOW = "place of the alert"
_NO_POD = PodOwners({}, {})


async def place_checks(request: Request, settings: Settings, reads: Reads) -> tuple[PreflightCheck, ...]:
    """One line where the request follows from an alert: a healthy namesake must not be changed for another one's trouble."""
    try:
        alerts = await _causes(request, reads)
        away = [await _elsewhere(item, Place.of(settings), reads) for item in alerts]
    except SourceError as error:
        return (PreflightCheck(CheckLevel.WARN, f"whether the alert is about this place is not known: {error}", _HOW),)
    if not away:
        told = "the alert is not listed any more: nobody can say whether it was about this place"
        return (PreflightCheck(CheckLevel.WARN, told, _HOW),) if request.fingerprint else ()
    first = away[0]
    if first is None or not all(away):
        return (PreflightCheck(CheckLevel.OK, "no label of the alert points elsewhere", _HOW),)
    return (PreflightCheck(CheckLevel.BLOCK, f"the alert is of elsewhere: {first.reason}; instead: {first.command}", _HOW),)


async def _causes(request: Request, reads: Reads) -> tuple[Alert, ...]:
    """The alert that the request names by its fingerprint; else all those that its cause `alert NAME` may mean."""
    if request.fingerprint:
        found = await reads.alert(request.fingerprint)
        return (found,) if found else ()
    word, _, name = request.cause.partition(" ")
    return tuple(item for item in await reads.alerts() if item.name == name) if word == "alert" and name else ()


async def _elsewhere(alert: Alert, place: Place, reads: Reads) -> Elsewhere | None:
    away, pod = place.elsewhere(alert.labels), pod_of(alert.labels)
    if away is None and pod and not names_namespace(alert.labels) and not await reads.has_pod(pod):
        return place.elsewhere(alert.labels, _NO_POD)
    return away
