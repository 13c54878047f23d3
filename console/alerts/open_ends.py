"""The alerts that left Alertmanager's list while nothing shows yet that they are over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.alerts.merge import find_same
from queries.model.alert import Alert, evaluation_error
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
    alert is over only once the rules, requested after the list without it, were evaluated without it as well. An alert whose
    rule this Prometheus does not have is over once Alertmanager has run long enough to have received it again, and every peer
    answers.

    All times are Unix seconds of this machine.
    """

    def __init__(self) -> None:
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
        if not complete or (started_at is not None and requested_at - started_at < _RESEND_SECONDS):
            doubtful |= {name for name in names if not known.get(name)}
        firing = {listed.fingerprint for _, listed in find_same(unlisted, old)}
        for alert in old:
            if alert.name not in doubtful and alert.fingerprint not in firing:
                del self._left[alert.fingerprint]
        self._collect()

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
