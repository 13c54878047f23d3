"""The alerts that left Alertmanager's list while nothing shows yet that they are over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from console.alerts.merge import find_same
from console.state.place import Place
from queries.model.alert import Alert, AlertRule, evaluation_error, labels_agree
from queries.model.series import Labels
from queries.model.sorted_rows import find_changes

if TYPE_CHECKING:
    from queries.prometheus.responses import RulesResult

_OUTAGE_SECONDS = 60.0
"""A gap in the rules' answers from which Prometheus may have restarted and lost sight of its targets."""
_SETTLE_SECONDS = 120.0
"""How long Prometheus needs after it to scrape its targets twice, as `rate()` requires."""
_RESEND_SECONDS = 300.0
"""How long after its start Alertmanager may lack an alert that fires: the senders repeat it every minute or so."""


class OpenEnds:
    """Alertmanager forgets every alert when it restarts, and drops one that Prometheus does not send for some minutes. So an
    alert is over only once the rules, requested after the list without it, were evaluated without it as well. An alert of
    another sender (this Prometheus does not have its rule, or its labels name another cluster) is over once Alertmanager has
    run long enough to have received it again, and every peer answers.

    All times are Unix seconds of this machine.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.alerts: tuple[Alert, ...] = ()
        """As Alertmanager listed them last; the same tuple until it changes."""
        self._left: dict[str, tuple[Alert, float]] = {}
        """By fingerprint, with the time of the first list without it."""
        self._listed: tuple[Alert, ...] = ()
        self._failing_since: float | None = None
        self._settled_at = float("-inf")
        self._settling: dict[str, float] = {}
        """When the rules of a name that were not evaluated yet count again."""

    def note_list(self, listed: tuple[Alert, ...], *, at: float) -> None:
        """Alertmanager's list, of the peers that answer."""
        gone, new = find_changes(self._listed, listed)
        self._listed = listed
        if not gone and not (new and self._left):
            return
        present = {alert.fingerprint for alert in new}
        for alert in gone:
            if alert.fingerprint not in present:
                self._left[alert.fingerprint] = (alert, at)
        for fingerprint in present & self._left.keys():
            del self._left[fingerprint]
        self._collect()

    def note_rules_failure(self, at: float) -> None:
        """No answer, or one that may lack rules: it shows the end of nothing."""
        if self._failing_since is None:
            self._failing_since = at

    def note_rules(
        self,
        rules: RulesResult | None,
        unlisted: Iterable[Alert],
        *,
        requested_at: float,
        started_at: float | None,
        complete: bool,
    ) -> None:
        """The rules' answer, complete; None where no server has rules.

        `unlisted` are its alerts, firing and pending, that Alertmanager does not list. `started_at` is the start of the
        Alertmanager that has run longest, None if it is not known. The list is `complete` unless a peer is lost.
        """
        self._note_gap(rules, requested_at)
        # A list from much later than this request: this machine's clock was set back in between.
        old = [alert for alert, at in self._left.values() if at <= requested_at or at - requested_at > _OUTAGE_SECONDS]
        if not old:
            return
        names = {alert.name for alert in old}
        known = {name: [rule for rule in rules.rules if rule.name == name] for name in names} if rules is not None else {}
        doubtful = {name for name, found in known.items() if evaluation_error(found)}
        doubtful |= {name for name in known if requested_at < self._settling.get(name, self._settled_at)}
        is_sure = complete and (started_at is None or requested_at - started_at >= _RESEND_SECONDS)
        firing = {listed.fingerprint for _, listed in find_same(unlisted, old)}
        for alert in old:
            if alert.name in doubtful or alert.fingerprint in firing:
                continue
            if is_sure or (rules is not None and self._is_ours(alert, known[alert.name], rules.external_labels)):
                del self._left[alert.fingerprint]
        self._collect()

    def _is_ours(self, alert: Alert, rules: Sequence[AlertRule], external: Labels) -> bool:
        """Whether these rules of its name decide on the alert: the servers of several clusters may share an Alertmanager, and
        their rules may have the same names.
        """
        if not (rules and labels_agree(external, alert.labels)):
            return False
        own = {*external, *(pair for rule in rules for pair in rule.labels)}
        return not self._place.is_elsewhere(pair for pair in alert.labels if pair not in own)

    def _note_gap(self, rules: RulesResult | None, requested_at: float) -> None:
        latest = requested_at + _SETTLE_SECONDS
        # After the clock was set back, a failure lies ahead, and a wait would be too long.
        if self._failing_since is not None and abs(requested_at - self._failing_since) >= _OUTAGE_SECONDS:
            self._settled_at = latest
        self._settled_at = min(self._settled_at, latest)
        self._failing_since = None
        self._settling = {name: min(until, latest) for name, until in self._settling.items() if until > requested_at}
        for rule in rules.rules if rules is not None else ():
            if rule.health == "unknown":
                self._settling[rule.name] = latest

    def _collect(self) -> None:
        self.alerts = tuple([alert for alert, _ in self._left.values()])
