"""The rows of alerts that change one by one are those of each list alone, with what is counted of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.alerts.correlated import add_correlated
from console.alerts.merge import urgency
from console.alerts.rows import AlertRows
from console.state.snapshot import active, count_suppressed, is_active, tally
from queries.model.alert import Alert, AlertState, RunbookMatch, Suggestion, TrackedAlert

_RESTART = Suggestion("restart", "deployment/cad-ml-api", sentence="restart cad-ml-api")
_MATCH = RunbookMatch("triage", "triage.md", "triage")
_ALERT = st.tuples(
    st.integers(0, 5),
    st.sampled_from(tuple(AlertState)),
    st.sampled_from(("critical", "warning")),
    st.sampled_from((0.0, 60.0, 5000.0)),
)
_Given = tuple[int, AlertState, str, float]


def _alert(number: int, state: AlertState, severity: str, starts_at: float) -> Alert:
    """Those with an even number act on a workload."""
    silenced = ("quiet",) if state is AlertState.SUPPRESSED and number % 3 else ()
    labels = (("alertname", f"A{number}"), ("severity", severity))
    return Alert(f"fp{number}", state, labels, starts_at=starts_at, silenced_by=silenced)


def _build(alert: Alert) -> TrackedAlert:
    acts = int(alert.fingerprint.removeprefix("fp")) % 2 == 0
    return TrackedAlert(alert, "", _MATCH, (_RESTART,) if acts else ())


def _list(known: dict[_Given, Alert], given: Sequence[_Given]) -> tuple[Alert, ...]:
    return tuple(known.setdefault(item, _alert(*item)) for item in given)


@settings(max_examples=300, deadline=None)
@example([[(0, AlertState.ACTIVE, "critical", 0.0)], 2 * [(0, AlertState.ACTIVE, "critical", 0.0)]])
@given(st.lists(st.lists(_ALERT, max_size=8), min_size=2, max_size=6))
def test_lists_one_after_the_other_give_the_rows_of_each_alone(lists: list[list[_Given]]) -> None:
    """Alerts that come, go, change and stand there twice: rows, offered actions, active ones and counts are those of all."""
    rows = AlertRows(_build)
    known: dict[_Given, Alert] = {}
    found, expected = [], []
    for given_alerts in lists:
        alerts = _list(known, given_alerts)
        shown = rows.update(alerts)
        found.append((shown, active(shown), dict(tally(shown)), dict(count_suppressed(shown))))
        alone = add_correlated(tuple(sorted(map(_build, alerts), key=lambda item: urgency(item.alert))))
        states = Counter((item.alert.state, item.alert.priority) for item in alone)
        suppressed = Counter(filter(None, (item.alert.suppressed_as for item in alone)))
        expected.append((alone, tuple(filter(is_active, alone)), dict(states), dict(suppressed)))
    assert found == expected


def test_an_alert_that_does_not_differ_keeps_its_row() -> None:
    """Until it is built anew, because its owner may be another."""
    alerts = tuple(_alert(number, AlertState.ACTIVE, "warning", 0.0) for number in range(20))
    rows = AlertRows(_build)
    first = rows.update(alerts)
    assert rows.update((*alerts,)) is first
    changed = rows.update((_alert(0, AlertState.ACTIVE, "warning", 60.0), *alerts[1:]))
    assert [one is other for one, other in zip(first[1:], changed[:-1], strict=True)] == [True] * 19
    rows.clear()
    assert not any(one is other for one, other in zip(changed, rows.update(alerts), strict=True))
