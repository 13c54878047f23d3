"""What an incident's timeline watches in a snapshot: alerts, panels, rollouts, replicas and silences, each with its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from console.alerts.resolution import find_tracked, has_ended
from console.journal.payloads import Source
from console.state.incident import FIRING, PENDING, RESOLVED, Incident, LinkedAlert
from console.state.revisions import image_change
from console.state.snapshot import Snapshot
from queries.model.alert import PENDING_PREFIX, AlertState, TrackedAlert
from queries.model.cluster import Cluster
from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.panel import PanelState
from queries.model.rollout import RolloutPhase, rollout_status
from queries.model.series import label
from queries.model.severity import Priority
from queries.model.silence import Silence
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import Workload
from queries.text.numbers import format_figure

SILENCED = "silenced"
_STATES = {
    AlertState.ACTIVE: FIRING,
    AlertState.UNDELIVERED: FIRING,
    AlertState.SUPPRESSED: SILENCED,
}
_SETTLE_SECONDS = 5.0
"""How long a value that flaps easily must hold before the timeline records it."""
_MOST = 400
"""Things whose value a declaration records."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The value of one thing now. `taken_at` is when the source reported it and `began_at` since when it holds where the source
    knows, both Unix seconds. `describe` returns the timeline's sentence, given the value before (empty: it did not exist).
    `settle_seconds` is how long the value must hold.
    """

    thing: str
    value: str
    source: Source
    taken_at: float
    describe: Callable[[str], str]
    began_at: float | None = None
    settle_seconds: float = 0.0
    fingerprint: str = ""
    """By which a linked alert is listed now, where that changed."""
    alias: str = ""
    """By which it is listed for a while: Prometheus lists it, and Alertmanager does not have it."""


def observe_sources(snapshot: Snapshot, *, alerts: bool = True) -> tuple[Observation, ...]:
    """Everything whose source answers now; the last values of a source that is down do not count."""
    found: list[Observation] = []
    alerting = _alert_source(snapshot)
    if alerting is not None:
        if alerts:
            found += _observe_alerts(_watched(snapshot.alerts), alerting.last_good_at or snapshot.taken_at)
        if alerting.name == "alertmanager":
            found += _observe_silences(snapshot.silences, alerting.last_good_at or snapshot.taken_at)
    kubernetes = _up(snapshot, "kubernetes")
    if kubernetes is not None and snapshot.cluster is not None:
        found += _observe_cluster(snapshot.cluster, kubernetes.last_good_at or snapshot.taken_at)
    found += _observe_panels(snapshot)
    return tuple(found)


def observe_minor(incident: Incident, snapshot: Snapshot) -> tuple[Observation, ...]:
    """Those of its alerts that `observe_sources` leaves out: of P4 a timeline has the incident's own only."""
    alerting = _alert_source(snapshot)
    minor = _minor(snapshot.alerts) if alerting is not None else {}
    if alerting is None or not minor:
        return ()
    own = [minor[item.fingerprint] for item in incident.alerts if item.fingerprint in minor]
    return tuple(_observe_alerts(own, alerting.last_good_at or snapshot.taken_at))


def observe_renamed(incident: Incident, snapshot: Snapshot) -> tuple[Observation, ...]:
    """Its alerts that are listed by another fingerprint: a pending one began to fire, one reached Alertmanager late, or one
    fires that Alertmanager does not have.
    """
    alerting = _alert_source(snapshot)
    if alerting is None:
        return ()
    found = []
    for linked in incident.alerts:
        tracked = find_tracked(linked.fingerprint, linked.labels, snapshot)
        if tracked is not None and tracked.alert.fingerprint != linked.fingerprint and tracked.alert.state in _STATES:
            seen = _observe_alert(tracked, _STATES[tracked.alert.state], alerting.last_good_at or snapshot.taken_at)
            if ":" not in linked.fingerprint:
                seen = replace(seen, describe=_lost_text(linked.name, seen.describe))
                found.append(replace(seen, thing=f"alert:{linked.fingerprint}", alias=tracked.alert.fingerprint))
                continue
            if not linked.fingerprint.startswith(PENDING_PREFIX):
                seen = replace(seen, describe=_delivered_text(linked.name, seen.describe))
            found.append(replace(seen, thing=f"alert:{linked.fingerprint}", fingerprint=tracked.alert.fingerprint))
    return tuple(found)


def observe_resolved(incident: Incident, snapshot: Snapshot) -> tuple[Observation, ...]:
    """Its alerts that a complete answer of Alertmanager (without one, of Prometheus) no longer lists, also not by another
    fingerprint, while Prometheus evaluates the rules.
    """
    alerting = _alert_source(snapshot)
    if alerting is None or not _shows_ends(snapshot):
        return ()
    present = _fingerprints(snapshot.alerts)
    known = {item.fingerprint: item for item in incident.alerts}
    gone = [
        thing.removeprefix("alert:")
        for thing, seen in incident.seen.items()
        if thing.startswith("alert:") and seen.value != RESOLVED
    ]
    taken_at = alerting.last_good_at or snapshot.taken_at
    return tuple(
        _resolved(item, known[item].name if item in known else "", taken_at)
        for item in gone
        if item not in present and has_ended(item, known[item].labels if item in known else (), snapshot)
    )


def find_listed(incident: Incident, snapshot: Snapshot) -> tuple[LinkedAlert, ...] | None:
    """Its alerts that are listed now, firing or silenced, also by another fingerprint; None where none is and that shows
    nothing: no list is current and complete, or one of them is not known to have ended.
    """
    if not incident.alerts:
        return ()
    if _alert_source(snapshot) is None:
        return None
    found = [(item, *find_linked(item, snapshot)) for item in incident.alerts]
    listed = tuple(item for item, tracked, _ in found if tracked is not None and tracked.alert.state in _STATES)
    unknown = snapshot.ends_caveat or any(tracked is None and not ended for _, tracked, ended in found)
    return listed if listed or not unknown else None


def describe_instability(incident: Incident, snapshot: Snapshot | None) -> str:
    """`still firing` or `not known` where the end of the stability window does not make it stable; else empty."""
    listed = find_listed(incident, snapshot) if snapshot is not None else None
    return "" if listed == () else "still firing" if listed else "not known"


def find_linked(item: LinkedAlert, snapshot: Snapshot) -> tuple[TrackedAlert | None, bool]:
    """An incident's alert as it is listed now, also by another fingerprint, and whether it is known to have ended."""
    tracked = find_tracked(item.fingerprint, item.labels, snapshot)
    if tracked is not None or not _shows_ends(snapshot):
        return tracked, False
    return None, has_ended(item.fingerprint, item.labels, snapshot)


def initial_values(snapshot: Snapshot) -> dict[str, str]:
    """The present value of every watched thing, for a declaration; the most severe alerts come first."""
    observations = [item for item in observe_sources(snapshot) if item.value not in ("", "expired")]
    return {item.thing: item.value for item in observations[:_MOST]}


def _alert_source(snapshot: Snapshot) -> SourceState | None:
    """The source that lists the alerts; None while it does not answer."""
    if not snapshot.alerts_known:
        return None
    manager = snapshot.source("alertmanager")
    name = "prometheus" if manager is None or manager.health is Health.NOT_CONFIGURED else "alertmanager"
    return _up(snapshot, name)


def _shows_ends(snapshot: Snapshot) -> bool:
    """Whether an alert that is not listed has ended: the list is current and complete, and rules are evaluated."""
    alerting = _alert_source(snapshot)
    return alerting is not None and alerting.health is Health.UP and not snapshot.ends_caveat


def _up(snapshot: Snapshot, name: str) -> SourceState | None:
    state = snapshot.source(name)
    up = state is not None and state.health.serves and not state.paused
    return state if up else None


def _resolved(fingerprint: str, name: str, taken_at: float) -> Observation:
    return Observation(
        f"alert:{fingerprint}", RESOLVED, Source.ALERTMANAGER, taken_at, lambda before: f"{name or 'an alert'} resolved"
    )


def _observe_alerts(alerts: Iterable[tuple[TrackedAlert, str]], taken_at: float) -> Iterable[Observation]:
    return (_observe_alert(alert, value, taken_at) for alert, value in alerts)


def _observe_alert(alert: TrackedAlert, value: str, taken_at: float) -> Observation:
    began = alert.alert.starts_at if value == FIRING else None
    thing = f"alert:{alert.alert.fingerprint}"
    return Observation(thing, value, Source.ALERTMANAGER, taken_at, _alert_text(alert, value), began)


def _alert_text(tracked: TrackedAlert, value: str) -> Callable[[str], str]:
    def describe(before: str) -> str:
        place = tracked.alert.component or label(tracked.alert.labels, "deployment")
        name = f"{tracked.alert.name} ({place})" if place else tracked.alert.name
        if value == SILENCED:
            return f"{name} silenced or inhibited"
        if before == SILENCED:
            return f"{name} no longer silenced or inhibited"
        return f"{name} firing again" if before not in ("", PENDING) else f"{name} started firing"

    return describe


def _delivered_text(name: str, otherwise: Callable[[str], str]) -> Callable[[str], str]:
    """One that fires on has reached Alertmanager; one that was resolved fires again."""
    return lambda before: otherwise(before) if before == RESOLVED else f"{name} reached Alertmanager"


def _lost_text(name: str, otherwise: Callable[[str], str]) -> Callable[[str], str]:
    """If Alertmanager lost the alert in a restart, its silence may still hold: Alertmanager keeps silences."""
    lost = f"{name} is firing in Prometheus, but Alertmanager does not have it"
    return lambda before: lost if before == SILENCED else otherwise(before)


def _watch(alerts: tuple[TrackedAlert, ...]) -> tuple[tuple[TrackedAlert, str], ...]:
    return tuple(
        (item, _STATES[item.alert.state])
        for item in alerts
        if item.alert.state in _STATES and item.alert.priority is not Priority.P4
    )


def _list_fingerprints(alerts: tuple[TrackedAlert, ...]) -> frozenset[str]:
    return frozenset(item.alert.fingerprint for item in alerts if item.alert.state in _STATES)


def _index_minor(alerts: tuple[TrackedAlert, ...]) -> dict[str, tuple[TrackedAlert, str]]:
    return {
        item.alert.fingerprint: (item, _STATES[item.alert.state])
        for item in alerts
        if item.alert.state in _STATES and item.alert.priority is Priority.P4
    }


_watched: IdentityCache[tuple[TrackedAlert, ...], tuple[tuple[TrackedAlert, str], ...]] = IdentityCache(_watch)
_fingerprints: IdentityCache[tuple[TrackedAlert, ...], frozenset[str]] = IdentityCache(_list_fingerprints)
_minor: IdentityCache[tuple[TrackedAlert, ...], dict[str, tuple[TrackedAlert, str]]] = IdentityCache(_index_minor)


def _observe_panels(snapshot: Snapshot) -> Iterable[Observation]:
    for panel in snapshot.panels:
        state = _up(snapshot, panel.spec.source)
        if state is None or panel.verdict is Verdict.STALE:
            continue
        taken_at = snapshot.taken_at - panel.age_seconds if panel.age_seconds is not None else state.last_good_at
        if taken_at is not None:
            thing = f"panel:{panel.spec.id}"
            source = Source(panel.spec.source)
            yield Observation(thing, panel.verdict.value, source, taken_at, _panel_text(panel), settle_seconds=_SETTLE_SECONDS)


def _panel_text(panel: PanelState) -> Callable[[str], str]:
    def describe(before: str) -> str:
        value = format_figure(panel.value, panel.spec.unit, panel.spec.decimals) if panel.value is not None else ""
        old = Verdict(before).word if before in tuple(Verdict) else "not known"
        return f"{panel.spec.title}: {old} → {panel.verdict.word}{f' {value}' if value else ''}"

    return describe


def _observe_cluster(cluster: Cluster, taken_at: float) -> Iterable[Observation]:
    for workload in cluster.workloads:
        if cluster.is_stale(workload):
            continue
        if workload.revision:
            yield Observation(
                f"revision:{workload.target}",
                str(workload.revision),
                Source.KUBERNETES,
                taken_at,
                _rollout_text(cluster, workload),
                cluster.rolled_out_at(workload),
            )
        # The desired pods of the other kinds follow from nodes and runs: nobody scaled them.
        if workload.kind in ("Deployment", "StatefulSet", "Rollout"):
            yield Observation(
                f"replicas:{workload.target}",
                str(workload.desired),
                Source.KUBERNETES,
                taken_at,
                _scale_text(cluster, workload),
            )
        if workload.kind in ("Pod", "Job", "CronJob"):
            continue
        status = rollout_status(workload)
        stuck = status.phase is RolloutPhase.FAILED
        yield Observation(
            f"rollout:{workload.target}",
            "failed" if stuck else "",
            Source.KUBERNETES,
            taken_at,
            lambda before, stuck=stuck, status=status, name=workload.name: (  # type: ignore[misc]
                status.sentence if stuck else f"{name}: the rollout progresses again"
            ),
        )


def _rollout_text(cluster: Cluster, workload: Workload) -> Callable[[str], str]:
    def describe(before: str) -> str:
        revisions = {str(item.number): item for item in cluster.revisions_of(workload)}
        old = revisions.get(before)
        images = image_change(old.containers, workload.containers) if old else ""
        cause = f" ({workload.change_cause})" if workload.change_cause else ""
        return f"rollout {workload.name} {before}→{workload.revision}{f' image {images}' if images else ''}{cause}"

    return describe


def _scale_text(cluster: Cluster, workload: Workload) -> Callable[[str], str]:
    def describe(before: str) -> str:
        driver = cluster.autoscaler_of(workload)
        by = f" (by HPA {driver.name})" if driver and driver.desired == workload.desired else ""
        return f"{workload.name} scaled {before}→{workload.desired}{by}"

    return describe


def _observe_silences(silences: tuple[Silence, ...], taken_at: float) -> Iterable[Observation]:
    for silence in silences:
        if silence.state == "pending":
            continue
        began = silence.starts_at if silence.state == "active" else silence.ends_at
        yield Observation(
            f"silence:{silence.id}",
            silence.state,
            Source.ALERTMANAGER,
            taken_at,
            _silence_text(silence),
            began,
            _SETTLE_SECONDS,
        )


def _silence_text(silence: Silence) -> Callable[[str], str]:
    def describe(before: str) -> str:
        names = ((item.name, item.value) for item in silence.matchers)
        what = label(tuple(names), "alertname") or ", ".join(str(item) for item in silence.matchers)
        if silence.state == "expired":
            return f"silence of {what} expired"
        comment = f": {silence.comment}" if silence.comment else ""
        return f"{what} silenced by {silence.created_by}{comment}"

    return describe
