"""What the console sees of a drill: whether the fault is detected, acknowledged and recovered from, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from console.checks.workloads import WorkloadVerdict
from console.journal.payloads import DrillTime
from console.state.drills import MET, MISSED, NOT_EXPECTED, NOT_OBSERVED
from console.state.snapshot import Snapshot
from queries.catalogue.drills import Drill
from queries.model.alert import AlertState, TrackedAlert
from queries.model.frozen import dataclass
from queries.model.panel import PanelState, is_crossed
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span

DETECT, ACKNOWLEDGE, RECOVER = "detect", "acknowledge", "recover"
STABLE_SECONDS = 10.0
"""The target has recovered once it is healthy for so long; the time counts to the beginning of that."""
BLIND_SECONDS = 15.0
"""A source that did not answer for longer in sum may have hidden what was to be observed."""
_KINDS = ("deployment", "statefulset", "daemonset")
_SOURCES = {"alertmanager": "Alertmanager", "prometheus": "Prometheus"}


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that names the target as bad: an alert that fires, a panel or the workload that is critical."""

    text: str
    fingerprint: str = ""


def list_signs(snapshot: Snapshot, drill: Drill, target: str) -> Iterator[Sign]:
    """Alerts first. A silenced alert tells nobody, so it is none."""
    for tracked in snapshot.active:
        if names_target(tracked, drill, target):
            alert = tracked.alert
            unsent = ", notified nobody" if alert.state is AlertState.UNDELIVERED else ""
            source = _SOURCES[alert.listed_by]
            yield Sign(f"alert {visible(alert.name)} fires ({source}{unsent})", alert.fingerprint)
    for state in snapshot.panels:
        if _is_critical_for(state, target):
            yield Sign(f"panel {state.spec.title} is CRIT for it ({state.origin.value})")
    verdict = find_workload(snapshot, target)
    if verdict is not None and verdict.verdict is Verdict.CRITICAL:
        yield Sign(f"the workload is CRIT: {verdict.reason} (Kubernetes)")


def names_target(tracked: TrackedAlert, drill: Drill, target: str) -> bool:
    """Whether an alert is about the target: by its labels, its runbook or the config, or by the drill's own names."""
    named = tracked.alert.name in drill.alerts or any(item.target == target for item in tracked.suggestions)
    return named and tracked.elsewhere is None


def find_workload(snapshot: Snapshot, target: str) -> WorkloadVerdict | None:
    """The verdict on the target; None for one that is not listed, such as a call."""
    return next((item for item in snapshot.workloads if item.workload.target == target), None)


def why_blind(snapshot: Snapshot, target: str) -> str:
    """Which source does not answer, so that nothing that fires would be seen; empty if all do."""
    if not snapshot.alerts_known:
        return "the alerts are not known"
    names = [snapshot.alerts_from, *(["kubernetes"] if target.partition("/")[0] in _KINDS else [])]
    for name in names:
        source = snapshot.source(name)
        if source is None or not source.health.serves or source.paused_at is not None:
            return f"{_SOURCES.get(name, 'Kubernetes')} does not answer"
    return ""


def why_unhealthy(snapshot: Snapshot, drill: Drill, target: str) -> str:
    """What is wrong with the target, or not known of it, in words; empty if it is healthy."""
    if blind := why_blind(snapshot, target):
        return blind
    if sign := next(list_signs(snapshot, drill, target), None):
        return sign.text
    if target.partition("/")[0] not in _KINDS:
        return ""
    verdict = find_workload(snapshot, target)
    if verdict is None:
        return "the workload is not listed"
    if verdict.verdict is not Verdict.OK:
        return f"the workload is {verdict.verdict.word}: {verdict.reason}"
    return "" if verdict.workload.ready else "no pod of it is ready"


def _is_critical_for(state: PanelState, target: str) -> bool:
    """Whether a panel with a series for each workload is critical because of this one."""
    spec, limit = state.spec, state.threshold.critical
    kind, _, name = target.partition("/")
    if state.verdict is not Verdict.CRITICAL or limit is None or spec.group_by != kind:
        return False
    values = [item.value for item in state.samples if item.label(kind) == name]
    return any(is_crossed(value, limit, lower_is_worse=spec.lower_is_worse) for value in values)


class DrillWitness:
    """Fed with snapshots and the seconds since the fault, on a clock that nobody sets. It gives a time only for what it saw."""

    def __init__(
        self,
        drill: Drill,
        target: str,
        goals: Mapping[str, float],
        before: Snapshot,
        *,
        stable_seconds: float = STABLE_SECONDS,
        blind_seconds: float = BLIND_SECONDS,
    ) -> None:
        """What `before` has of alerts and incidents is not the fault's."""
        self._stable_seconds, self._blind_seconds = stable_seconds, blind_seconds
        self._drill = drill
        self._target = target
        self._goals = goals
        self._known = {item.alert.fingerprint for item in before.alerts}
        self._incidents = {item.id for item in before.ledger.incidents.all}
        self._fingerprints: set[str] = set()
        self._times: dict[str, DrillTime] = {}
        self._unhealthy = False
        self._might_recover = True
        self._healthy_since: float | None = None
        self._elapsed = self._in_place = 0.0
        self._blind: dict[str, float] = {}
        """The seconds without each missing answer, by what is missing; up to the detection only."""
        self._silenced = ""

    @property
    def times(self) -> tuple[DrillTime, ...]:
        """What was observed so far."""
        return tuple(self._times[what] for what in (DETECT, ACKNOWLEDGE, RECOVER) if what in self._times)

    @property
    def recovered(self) -> bool:
        return RECOVER in self._times

    @property
    def was_unhealthy(self) -> bool:
        """Whether anything about the target was seen to fail."""
        return self._unhealthy

    @property
    def healthy_seconds(self) -> float:
        """For how long the target has been healthy without a break; 0 while it is not, or while that is not known."""
        return self._elapsed - self._healthy_since if self._healthy_since is not None else 0.0

    def observe(
        self, snapshot: Snapshot, elapsed: float, *, in_place: bool = True, may_recover: bool = True, how: str = ""
    ) -> tuple[DrillTime, ...]:
        """What is new in one snapshot. What fires once the fault is no longer `in_place` may be the undo's, so it detects
        nothing. While the drill goes on to break things, it cannot have recovered; `how` says what a recovery came after.
        """
        step, self._elapsed = max(0.0, elapsed - self._elapsed), elapsed
        if in_place:
            self._in_place = elapsed
        before = set(self._times)
        if blind := why_blind(snapshot, self._target):
            if in_place and DETECT not in self._times:
                self._blind[blind] = self._blind.get(blind, 0.0) + step
            self._healthy_since = None
            return ()
        signs = [item for item in list_signs(snapshot, self._drill, self._target) if item.fingerprint not in self._known]
        self._fingerprints |= {item.fingerprint for item in signs if item.fingerprint}
        self._note_silenced(snapshot)
        if signs and in_place and DETECT not in self._times:
            gap = sum(self._blind.values())
            late = f"; no answers for {format_span(gap)} before" if gap > self._blind_seconds else ""
            self._note(DETECT, elapsed, f"{signs[0].text}{late}")
        if ACKNOWLEDGE not in self._times and (who := self._find_acknowledgement(snapshot)):
            detected = self._times.get(DETECT)
            self._note(ACKNOWLEDGE, elapsed - ((detected.seconds or 0.0) if detected else 0.0), who)
        self._watch_recovery(snapshot, elapsed, may_recover=may_recover, how=how)
        return tuple(item for what, item in self._times.items() if what not in before)

    def finish(self, ended: str) -> tuple[DrillTime, ...]:
        """All three times; `ended` says why nothing more is observed."""
        found = {what: self._times.get(what) or self._explain(what, ended) for what in (DETECT, ACKNOWLEDGE, RECOVER)}
        return tuple(found.values())

    def _note(self, what: str, seconds: float, source: str) -> None:
        goal = self._goals[what]
        self._times[what] = DrillTime(what, goal, seconds, MET if seconds <= goal else MISSED, source)

    def _note_silenced(self, snapshot: Snapshot) -> None:
        for item in snapshot.alerts:
            alert = item.alert
            if alert.state is AlertState.SUPPRESSED and names_target(item, self._drill, self._target):
                self._silenced = self._silenced or f"{visible(alert.name)} fires, but is {alert.suppressed_as}"

    def _find_acknowledgement(self, snapshot: Snapshot) -> str:
        """Who acknowledged one of the alerts, or an incident that was declared since; empty for nobody."""
        for fingerprint in self._fingerprints:
            if owner := snapshot.ledger.owners.get(fingerprint):
                tracked = snapshot.alert(fingerprint)
                name = f"alert {visible(tracked.alert.name)}" if tracked else "its alert"
                return f"{owner.author} acknowledged {name} (journal)"
        for incident in snapshot.ledger.incidents.all:
            if incident.id not in self._incidents and incident.acknowledged_at is not None:
                return f"incident {incident.number} was acknowledged (journal)"
        return ""

    def _watch_recovery(self, snapshot: Snapshot, elapsed: float, *, may_recover: bool, how: str) -> None:
        if why_unhealthy(snapshot, self._drill, self._target):
            self._unhealthy, self._healthy_since = True, None
            return
        if may_recover and not self._might_recover:
            self._healthy_since = None  # the time between two blows is no recovery
        self._might_recover = may_recover
        since = self._healthy_since = elapsed if self._healthy_since is None else self._healthy_since
        stable = self._unhealthy and may_recover and elapsed - since >= self._stable_seconds
        if stable and RECOVER not in self._times:
            self._note(RECOVER, since, f"nothing names it as bad and its pods are ready{f'; {how}' if how else ''}")

    def _explain(self, what: str, ended: str) -> DrillTime:
        goal, elapsed, detected = self._goals[what], self._elapsed, self._times.get(DETECT)
        result, why = NOT_OBSERVED, ended
        if what != RECOVER and self._drill.bears and detected is None:
            result, why = NOT_EXPECTED, "the platform should bear it, and nothing that names the target fired"
        elif what == DETECT:
            blind = {name: seconds for name, seconds in self._blind.items() if seconds > 0.0}
            if sum(blind.values()) > self._blind_seconds:
                why = "; ".join(f"{name}, for {format_span(seconds)}" for name, seconds in blind.items())
            elif self._in_place >= goal:
                result, why = MISSED, f"nothing that names the target fired in {format_span(self._in_place)}"
            why = "; ".join(filter(None, (why, self._silenced)))
        elif what == ACKNOWLEDGE:
            if detected is None:
                why = "nothing was detected that somebody could acknowledge"
            elif elapsed - (detected.seconds or 0.0) >= goal:
                result, why = MISSED, f"nobody acknowledged it in {format_span(elapsed - (detected.seconds or 0.0))}"
        elif not self._unhealthy:
            why = "the target was never seen to be unhealthy"
        elif elapsed >= goal:
            result, why = MISSED, f"not recovered after {format_span(elapsed)}; {ended}"
        return DrillTime(what, goal, None, result, why)
