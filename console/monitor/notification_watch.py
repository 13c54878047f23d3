"""Decides what notifies a person who does not look, and in which quiet hours it does not: each change once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter, is_

from console.alerts.merge import find_same
from console.alerts.resolution import has_ended
from console.config.settings import NotifySettings, QuietHours
from console.handover.shift import current_shift
from console.incidents.observations import find_listed
from console.incidents.response_timers import TimerState, response_timers
from console.incidents.severity_policy import SeverityPolicies
from console.state.snapshot import ALERTMANAGER, Snapshot
from queries.model.alert import Alert, AlertState, TrackedAlert
from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.series import Labels
from queries.model.severity import Priority
from queries.model.text import visible
from queries.text.durations import format_age
from queries.text.times import local_minute

_TEXT = 160
_LABELS = attrgetter("alert.labels")


@dataclass(frozen=True, slots=True)
class Notification:
    """`kind` is one of `config.settings.NOTIFY_KINDS`; `title` begins with the severity, and both texts are one line each,
    without control characters.
    """

    kind: str
    severity: Priority
    title: str
    text: str = ""


def build_notification(kind: str, severity: Priority, title: str, text: str = "") -> Notification:
    """Makes texts from outside safe: a text never begins like an option of a program."""
    text = visible(text)[:_TEXT].strip()
    return Notification(kind, severity, f"{severity} {visible(title)[:_TEXT]}", f" {text}" if text.startswith("-") else text)


class NotificationWatch:
    """Compares each snapshot with what it has seen. The first list of alerts is what a person sees at the start: no news."""

    def __init__(self, settings: NotifySettings, policies: SeverityPolicies, *, shift_hours: float) -> None:
        self._settings = settings
        self._policies = policies
        self._shift_hours = shift_hours
        self._alerts: tuple[TrackedAlert, ...] | None = None
        """Those of the last list, and those of before that an old or partial list lacked."""
        self._compared: tuple[object, ...] = ()
        """What showed last which alerts have ended."""
        self._source = ""
        self._seen: set[tuple[str, ...]] = set()
        """Timers, silences and shift ends that were notified, with their moment."""
        self._timers_known = False

    def collect(self, snapshot: Snapshot, now: float) -> tuple[Notification, ...]:
        """What is new since the last call, the most severe first; only the kinds that the settings name."""
        found = [
            *self._collect_alerts(snapshot),
            *self._collect_timers(snapshot, now),
            *self._collect_silences(snapshot, now),
            *self._collect_shift(snapshot, now),
        ]
        return tuple(sorted((item for item in found if item.kind in self._settings.kinds), key=lambda item: item.severity))

    def _collect_alerts(self, snapshot: Snapshot) -> Iterator[Notification]:
        alerts = snapshot.active
        if not snapshot.alerts_known or alerts is self._alerts:
            return
        in_doubt = bool(snapshot.alerts_caveat or snapshot.ends_caveat)
        compared = (snapshot.alerts, snapshot.open_ends, snapshot.rules, in_doubt, snapshot.alerts_from)
        if len(compared) == len(self._compared) and all(map(is_, compared, self._compared)):
            return  # an alert whose end is not known yet is not looked for in the same lists again
        self._compared = compared
        before, source = self._alerts, self._source
        self._alerts = alerts
        self._source = snapshot.alerts_from
        if before is None:
            return
        if source == snapshot.alerts_from:
            new, gone = _drop_respelled(_find_added(before, alerts), _find_added(alerts, before))
        else:  # another source spells the same alerts with other labels
            names = {item.alert.name for item in before}
            new, gone = [item for item in alerts if item.alert.name not in names], []
        yield from _summarize("alert", new, "fires")
        if not gone or snapshot.alerts_from != ALERTMANAGER:
            return
        if in_doubt:
            # An old list ends nothing, and neither does one without Prometheus: what it lacks may return, and is not new.
            self._alerts = (*alerts, *gone)
            return
        listed = {item.alert.labels for item in snapshot.alerts}
        left = [item for item in gone if item.alert.labels not in listed]
        unlisted = (alert for alert in snapshot.open_ends if ":" in alert.fingerprint)
        firing = {same.labels for _, same in find_same(unlisted, [item.alert for item in left])}
        ended = [item for item in left if item.alert.labels not in firing and _has_ended(item.alert, snapshot)]
        if len(ended) < len(left):
            over = {item.alert.labels for item in ended}
            self._alerts = (*alerts, *(item for item in left if item.alert.labels not in over))
        yield from _summarize("resolved", ended, "resolved")

    def _collect_timers(self, snapshot: Snapshot, now: float) -> Iterator[Notification]:
        if not snapshot.ledger.known:
            return
        first, self._timers_known = not self._timers_known, True
        for incident in snapshot.ledger.incidents.open:
            policy = self._policies.for_severity(incident.severity)
            for timer in response_timers(incident, policy, now):
                stable = timer.state is TimerState.STABLE and timer.due_at is not None and now >= timer.due_at
                if not stable and timer.state is not TimerState.OVERDUE:
                    continue
                if stable and find_listed(incident, snapshot) != ():
                    continue  # it rings once it is known that none of its alerts fires
                if not self._is_new("timer", incident.id, timer.step, f"{timer.due_at or 0.0:.0f}") or first:
                    continue
                what = "the stability window ended; ready to resolve" if stable else f"{timer.step} is overdue"
                yield build_notification("timer", incident.severity, f"incident {incident.number}: {what}", incident.title)

    def _collect_silences(self, snapshot: Snapshot, now: float) -> Iterator[Notification]:
        for silence in snapshot.silences:
            left = silence.ends_at - now
            if silence.state != "active" or not 0.0 < left <= self._settings.before_seconds:
                continue
            if not self._is_new("silence", silence.id, f"{silence.ends_at:.0f}"):
                continue
            hidden = [item.alert for item in snapshot.alerts if silence.id in item.alert.silenced_by]
            notifying = [item for item in hidden if not item.is_suppressed_without(silence.id)]
            worst = min((item.priority for item in notifying), default=Priority.P4)
            names = sorted({item.name for item in notifying})
            if notifying:
                then = f"then {', '.join(names[:3])}{' …' if len(names) > 3 else ''} will notify again"
            else:
                then = "its alerts stay suppressed" if hidden else "hides nothing now"
            title = f"a silence ends in {format_age(left)}: {', '.join(map(str, silence.matchers))}"
            yield build_notification("silence", worst, title, f"{then}; {silence.created_by}: {silence.comment}")

    def _collect_shift(self, snapshot: Snapshot, now: float) -> Iterator[Notification]:
        """Only a signed handover says when a shift began, and so when it ends."""
        shift = current_shift(snapshot.ledger.handovers, now=now, hours=self._shift_hours)
        if shift.signed is None or not snapshot.ledger.known:
            return
        ends_at = shift.since + self._shift_hours * 3600.0
        if now >= ends_at - self._settings.before_seconds and self._is_new("shift", f"{ends_at:.0f}"):
            when = f"ends in {format_age(ends_at - now)}" if now < ends_at else f"ended {format_age(now - ends_at)} ago"
            yield build_notification("shift", Priority.P3, f"the shift {when}", ":handover shows what to hand over")

    def _is_new(self, *key: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _find_added(before: tuple[TrackedAlert, ...], now: tuple[TrackedAlert, ...]) -> list[TrackedAlert]:
    """One alert for each set of labels that only `now` has."""
    # Of thousands nearly all have the very labels of before: comparing them by value would take longer than a frame.
    known = set(map(id, map(_LABELS, before)))
    maybe = [item for item in now if id(item.alert.labels) not in known]
    if not maybe:
        return []
    had = set(map(_LABELS, before))
    return list({item.alert.labels: item for item in maybe if item.alert.labels not in had}.values())


def _start_memo(_alerts: tuple[TrackedAlert, ...]) -> dict[frozenset[Priority], TrackedAlert | None]:
    return {}


_worst: IdentityCache[tuple[TrackedAlert, ...], dict[frozenset[Priority], TrackedAlert | None]] = IdentityCache(_start_memo)
"""What was found among these alerts; each snapshot asks for it, and most have the alerts of the one before."""


def find_worst(snapshot: Snapshot, severities: Iterable[Priority]) -> TrackedAlert | None:
    """The alert that the terminal's title names: the most severe active one of these severities, of several the oldest."""
    named = frozenset(severities)
    found = _worst(snapshot.active)
    if named not in found:
        # Looking at thousands of others would take longer than a frame.
        fires = any(map(snapshot.firing, named))
        found[named] = next((item for item in snapshot.active if item.alert.priority in named), None) if fires else None
    return found[named]


def is_quiet(quiet: QuietHours | None, severity: Priority, now: float) -> bool:
    """Whether the quiet hours, in local time, keep this severity silent at `now`."""
    if quiet is None or severity in quiet.severities:
        return False
    return quiet.contains(local_minute(now))


def fill_command(command: Iterable[str], notification: Notification) -> tuple[str, ...]:
    """The arguments with `{severity}`, `{kind}`, `{title}` and `{text}` filled in; what they contain is only text."""
    values: Mapping[str, str] = {
        "severity": notification.severity.value,
        "kind": notification.kind,
        "title": notification.title,
        "text": notification.text,
    }
    return tuple(_fill(part, values) for part in command)


def _fill(part: str, values: Mapping[str, str]) -> str:
    pieces = part.split("{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, brace, rest = piece.partition("}")
        filled.append(values[name] + rest if brace and name in values else "{" + piece)
    return "".join(filled)


def _drop_respelled(new: list[TrackedAlert], gone: list[TrackedAlert]) -> tuple[list[TrackedAlert], list[TrackedAlert]]:
    """Without the alerts that only change hands: Prometheus lists an undelivered one without the labels that it adds when it
    sends it (`external_labels`), and Alertmanager lists the delivered one with them.
    """
    delivered = _find_same(gone, new)
    lost = _find_same(new, gone)
    renamed, ended = {*delivered.values(), *lost}, {*delivered, *lost.values()}
    return (
        [item for item in new if item.alert.labels not in renamed],
        [item for item in gone if item.alert.labels not in ended],
    )


def _find_same(undelivered: Iterable[TrackedAlert], delivered: Iterable[TrackedAlert]) -> dict[Labels, Labels]:
    """Labels of each undelivered alert, and of the delivered one that can be the same."""
    lost = [item.alert for item in undelivered if item.alert.state is AlertState.UNDELIVERED]
    others = [item.alert for item in delivered if item.alert.state is not AlertState.UNDELIVERED]
    return {alert.labels: same.labels for alert, same in find_same(lost, others)}


def _has_ended(alert: Alert, snapshot: Snapshot) -> bool:
    return has_ended(alert.fingerprint, alert.labels_to_deliver, snapshot)


def _summarize(kind: str, alerts: list[TrackedAlert], verb: str) -> Iterator[Notification]:
    """One notification a severity, however many alerts start or end at once."""
    by_severity: dict[Priority, list[TrackedAlert]] = {}
    for item in alerts:
        by_severity.setdefault(item.alert.priority, []).append(item)
    for severity, items in by_severity.items():
        first = items[0].alert
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        summary = dict(first.annotations).get("summary", "") if kind == "alert" else ""
        yield build_notification(kind, severity, f"{first.name}{more} {verb if not more else verb.removesuffix('s')}", summary)
