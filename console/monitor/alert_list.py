"""The alerts of Alertmanager and Prometheus as one list, each with its owner, runbook and suggested actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from console.alerts.merge import AlertMerger, MergedAlerts, find_undelivered
from console.alerts.open_ends import OpenEnds
from console.alerts.rows import AlertRows
from console.checks.watchdog import Partition, WatchdogState, watchdog_state
from console.config.settings import Settings
from console.journal.acknowledgements import Acknowledgement
from console.runbooks.index import RunbookIndex
from console.runbooks.suggested_actions import suggestions_for
from console.state.place import Place, PodOwners, pod_owners
from console.state.revisions import NO_RECORDS, Records
from queries.model.alert import Alert, AlertState, Elsewhere, RunbookMatch, Suggestion, TrackedAlert
from queries.model.cluster import Cluster
from queries.model.series import label

if TYPE_CHECKING:
    from queries.alertmanager import AlertmanagerState
    from queries.prometheus.client import RulesResult

_MAX_MATCHES = 10_000
_Actions: TypeAlias = tuple[tuple[Suggestion, ...], Elsewhere | None]


class AlertList:
    """Derives the list from the latest results; everything costly is cached until its input changes.

    Not thread-safe: the state store calls it under its lock.
    """

    def __init__(self, settings: Settings, runbooks: RunbookIndex) -> None:
        self._settings = settings
        self._runbooks = runbooks
        self._place = Place.of(settings)
        self._alertmanager: AlertmanagerState | None = None
        self._alertmanager_failed = False
        self._rules: RulesResult | None = None
        self._rules_failed = False
        self._cluster: Cluster | None = None
        self._owners: Mapping[str, Acknowledgement] = {}
        self._records: Records = NO_RECORDS
        self._missing: frozenset[str] = frozenset()
        """The alerts that fire in Prometheus only, as of the last rules result."""
        self._partition_delivered = Partition(settings.heartbeat_alert)
        self._partition_evaluated = Partition(settings.heartbeat_alert)
        self._merger = AlertMerger()
        self._ends = OpenEnds(self._place)
        self._open: tuple[tuple[Alert, ...], tuple[Alert, ...], tuple[Alert, ...]] = ((), (), ())
        self._merged: tuple[AlertmanagerState | None, RulesResult | None, MergedAlerts] | None = None
        self._watchdog: WatchdogState | None = None
        self._tracked: tuple[TrackedAlert, ...] | None = None
        self._graded: dict[int, tuple[Alert, Alert]] = {}
        """Each alert and its graded copy, by the identity of the alert."""
        self._rows = AlertRows(self._build_tracked)
        self._matches: dict[tuple[str, str, str], RunbookMatch] = {}
        self._actions: dict[tuple[object, str], _Actions] = {}
        self._pod_owners: PodOwners | None = None
        self.last_listed: tuple[TrackedAlert, ...] = ()
        """Set in one step, so that it can be read without the lock."""

    # Input

    def set_alertmanager(
        self, state: AlertmanagerState | None, *, failed: bool, changed: bool, at: float, has_rules: bool
    ) -> None:
        """`state` is the last good one; `changed` if it differs from the one before. `at` is when this result was complete.
        Without `has_rules` no server has rules that show the end of an alert.
        """
        self._alertmanager, self._alertmanager_failed = state, failed
        if state is not None and not failed:
            self._ends.note_list(state.alerts, at=at)
            if not has_rules:
                self._note_rules(None, (), requested_at=at)
        if changed or self._missing:
            self._tracked = None

    def set_rules(self, rules: RulesResult | None, *, failed: bool, changed: bool, requested_at: float) -> None:
        """`rules` is the last good answer."""
        self._rules, self._rules_failed = rules, failed
        if not failed:
            # Compared with Alertmanager's previous result, or an alert that ended in between would look undelivered.
            self._missing = self._find_missing()
        if failed or (rules is not None and rules.partial):
            self._ends.note_rules_failure(requested_at)
        else:
            merged = self._merge()
            pending = (item for item in merged.alerts if item.state is AlertState.PENDING)  # of thousands, and rarely needed
            self._note_rules(rules, chain(merged.missing, pending), requested_at=requested_at)
        # A missing alert may have been missing long enough by now.
        if changed or self._missing:
            self._tracked = None

    def set_cluster(self, cluster: Cluster, *, workloads_changed: bool) -> None:
        self._cluster = cluster
        if workloads_changed:
            self._forget_actions()
            self._pod_owners = None

    def set_owners(self, owners: Mapping[str, Acknowledgement]) -> None:
        if self._owners != owners:
            self._owners = owners
            self._forget_rows()

    def set_records(self, records: Records) -> None:
        if self._records != records:
            self._records = records
            self._forget_actions()

    # Output

    @property
    def is_current(self) -> bool:
        """Whether the list is derived already, and stays the same until something is set that differs."""
        return self._tracked is not None and not self._missing

    def tracked(self, now: float) -> tuple[TrackedAlert, ...]:
        """Every alert, the most urgent first."""
        if self._tracked is None:
            self._tracked = self.last_listed = self._rows.update(self._grade(tuple(self._all_alerts(now))))
        return self._tracked

    @property
    def open_ends(self) -> tuple[Alert, ...]:
        """The alerts that may fire although Alertmanager does not list them: those that the rules do not show to be over, and
        those that fire in Prometheus; the same tuple until it changes.
        """
        left, missing = self._ends.alerts, self._merge().missing
        if self._open[0] is not left or self._open[1] is not missing:
            self._open = (left, missing, (*left, *missing))
        return self._open[2]

    def delivery_warning(self, now: float) -> str:
        """Why an empty list is not reliable; only while both servers respond."""
        if self._watchdog is None or self._alertmanager_failed or self._rules_failed:
            return ""
        return self._watchdog.warning(self._server_time(now))

    def runbook_of(self, alert: Alert) -> RunbookMatch:
        annotation = label(alert.annotations, "runbook_url") or label(alert.annotations, "runbook")
        key = (alert.name, annotation, alert.component)
        if key not in self._matches:
            if len(self._matches) > _MAX_MATCHES:
                self._matches.clear()
            self._matches[key] = self._runbooks.match(alert)
        return self._matches[key]

    def suggestions(self, alert: Alert, match: RunbookMatch) -> tuple[Suggestion, ...]:
        return self._actions_for(alert, match)[0]

    # Within

    def _note_rules(self, rules: RulesResult | None, unlisted: Iterable[Alert], *, requested_at: float) -> None:
        manager = self._alertmanager
        self._ends.note_rules(
            rules,
            unlisted,
            requested_at=requested_at,
            started_at=manager.started_at if manager is not None else None,
            complete=manager is None or not manager.peer_faults,
        )

    def _forget_rows(self) -> None:
        self._tracked = None
        self._rows.clear()

    def _forget_actions(self) -> None:
        self._actions.clear()
        self._forget_rows()

    def _grade(self, alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
        severities = self._settings.severities
        if not severities.own:
            return alerts
        known = self._graded
        self._graded = {
            id(item): known.get(id(item)) or (item, replace(item, grade=severities.grade(item.labels))) for item in alerts
        }
        return tuple([graded for _, graded in self._graded.values()])

    def _find_missing(self) -> frozenset[str]:
        if self._alertmanager is None or self._alertmanager_failed:
            return frozenset()
        return frozenset(item.fingerprint for item in self._merge().missing)

    def _merge(self) -> MergedAlerts:
        manager, rules = self._alertmanager, self._rules
        if self._merged is None or self._merged[0] is not manager or self._merged[1] is not rules:
            name = self._settings.heartbeat_alert
            arrived, delivered = self._partition_delivered(manager.alerts if manager else ())
            fired, evaluated = self._partition_evaluated(rules.alerts if rules else ())
            self._merged = (manager, rules, self._merger.merge(delivered, evaluated))
            self._watchdog = watchdog_state(name, rules.rules, fired, arrived) if manager and rules else None
        return self._merged[2]

    def _all_alerts(self, now: float) -> Iterable[Alert]:
        merged = self._merge()
        if self._alertmanager is None or self._alertmanager_failed:
            # Whether they were delivered is unknown; that they fire is known.
            return (*merged.alerts, *merged.missing)
        missing = [item for item in merged.missing if item.fingerprint in self._missing]
        rules = self._rules.rules if self._rules else ()
        return (*merged.alerts, *find_undelivered(missing, rules, now=self._server_time(now)))

    def _server_time(self, now: float) -> float:
        """By the clock of the server whose alerts the rules list."""
        return now + (self._rules.ahead_seconds if self._rules else 0.0)

    def _build_tracked(self, alert: Alert) -> TrackedAlert:
        match = self.runbook_of(alert)
        owner = self._owners.get(alert.fingerprint)
        suggestions, elsewhere = self._actions_for(alert, match)
        return TrackedAlert(alert, owner.author if owner else "", match, suggestions, elsewhere)

    def _actions_for(self, alert: Alert, match: RunbookMatch) -> _Actions:
        key = (alert.labels, match.id)
        actions = self._actions.get(key)
        if actions is None:
            if len(self._actions) > 2 * len(self.last_listed) + 200:
                # Most belong to alerts that ended: do not keep them for weeks.
                self._actions.clear()
            if self._pod_owners is None and self._cluster is not None:
                self._pod_owners = pod_owners(self._cluster)
            suggestions = suggestions_for(
                alert,
                self._cluster,
                owners=self._pod_owners,
                place=self._place,
                runbook=self._runbooks.get(match.id),
                configured=self._settings.alert_targets,
                records=self._records,
                admin_calls=self._settings.own.admin_calls if self._settings.administration else None,
            )
            actions = self._actions[key] = (suggestions, self._place.elsewhere(alert.labels, self._pod_owners))
        return actions
