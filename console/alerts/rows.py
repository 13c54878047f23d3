"""The alerts as rows, the most urgent first, and what is counted of them: of thousands only those that differ are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from console.alerts.correlated import acts, add_correlated, offer_correlated, takes
from console.alerts.merge import urgency
from console.state.snapshot import active, count_suppressed, is_active, tally
from queries.model.alert import Alert, AlertState, TrackedAlert
from queries.model.severity import Priority
from queries.model.sorted_rows import SortedRows, find_changes


class AlertRows:
    """`build` makes the row of one alert. Until `clear`, the row of an alert that is the same object stays the same."""

    def __init__(self, build: Callable[[Alert], TrackedAlert]) -> None:
        self._build = build
        self.clear()

    def clear(self) -> None:
        """Build every row anew: owners or actions are others."""
        self._alerts: tuple[Alert, ...] = ()
        self._shown: tuple[TrackedAlert, ...] | None = None
        self._rows: SortedRows[TrackedAlert] = SortedRows()
        self._active: SortedRows[TrackedAlert] = SortedRows()
        self._takers: SortedRows[TrackedAlert] = SortedRows()
        self._acting: SortedRows[TrackedAlert] = SortedRows()
        """By the start of the alert."""
        self._offered: Mapping[int, TrackedAlert] = {}
        """Of P1s with the actions of others, by the identity of the row without them."""
        self._tally: Counter[tuple[AlertState, Priority]] = Counter()
        self._suppressed: Counter[str] = Counter()

    def update(self, alerts: tuple[Alert, ...]) -> tuple[TrackedAlert, ...]:
        """The rows of these alerts; each P1 also offers the actions of the alerts that started with it."""
        gone, new = find_changes(self._alerts, alerts)
        if self._shown is not None and len(alerts) == len(self._alerts) and not gone and not new:
            return self._shown
        self._alerts = alerts
        self._change(gone, new)
        if len(self._rows) != len(alerts):
            # A server lists an alert twice: show both, and compare with nothing the next time.
            self.clear()
            return add_correlated(tuple(sorted(map(self._build, alerts), key=lambda item: urgency(item.alert))))
        rows, firing = self._rows.rows(), self._active.rows()
        if self._offered:
            rows, firing = (tuple([self._offered.get(id(item), item) for item in found]) for found in (rows, firing))
        tally.keep(rows, +self._tally)
        count_suppressed.keep(rows, +self._suppressed)
        active.keep(rows, firing)
        self._shown = rows
        return rows

    def _change(self, gone: list[Alert], new: list[Alert]) -> None:
        rows = {urgency(item): self._build(item) for item in new}
        keys = [urgency(item) for item in gone]
        self._rows.change(keys, rows)
        self._active.change(keys, {key: row for key, row in rows.items() if is_active(row)})
        takers, acting = self._takers.rows(), self._acting.rows()
        self._takers.change(keys, {key: row for key, row in rows.items() if takes(row)})
        self._acting.change(
            [(item.starts_at, urgency(item)) for item in gone],
            {(row.alert.starts_at, key): row for key, row in rows.items() if acts(row)},
        )
        if takers is not self._takers.rows() or acting is not self._acting.rows():
            self._offered = offer_correlated(self._takers.rows(), self._acting.rows())
        self._tally.subtract((item.state, item.priority) for item in gone)
        self._tally.update((item.state, item.priority) for item in new)
        self._suppressed.subtract(filter(None, (item.suppressed_as for item in gone)))
        self._suppressed.update(filter(None, (item.suppressed_as for item in new)))
