"""Shows what people just did at other consoles: one line that goes by itself; the journal keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.state.news import describe_news

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot

_LINES = 3
"""More at once, after the store was away, are counted instead."""
_SECONDS = 6.0


class NewsFlow:
    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self._sequence = 0
        self._previews: frozenset[tuple[str, str]] = frozenset()

    def report(self, snapshot: Snapshot) -> None:
        """Show the events and the previews that no earlier snapshot had."""
        self._report_previews(snapshot)
        self._report_events(snapshot)

    def _report_previews(self, snapshot: Snapshot) -> None:
        previews = snapshot.presence.previews
        for item in previews:
            if (item.console, item.preview) not in self._previews:
                self.app.show_notice(f"{item.user} previews {item.preview}", seconds=_SECONDS)
        self._previews = frozenset((item.console, item.preview) for item in previews)

    def _report_events(self, snapshot: Snapshot) -> None:
        if not snapshot.news or snapshot.news[-1].sequence <= self._sequence:
            return
        fresh = [event for event in snapshot.news if event.sequence > self._sequence]
        self._sequence = snapshot.news[-1].sequence
        reported = self.app.flows.acknowledgements.take_reported() | self.app.flows.incidents.take_reported()
        lines = [line for event in fresh if event.subject not in reported and (line := describe_news(event))]
        if len(lines) > _LINES:
            lines = [f"{len(lines)} events arrived from other consoles; 6 shows them"]
        for line in lines:
            self.app.show_notice(line, seconds=_SECONDS)
