"""A still platform with a real journal: what a person confirms is written, folded and shown again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
from screen_samples import NOW, StillSession

from console.config.settings import Settings
from console.journal.event import Event
from console.journal.payloads import Payload, create_event
from console.journal.sqlite import Journal
from console.state.incident import Incident
from console.state.journal_state import JournalReader, JournalState
from console.state.snapshot import Snapshot
from queries.http.endpoint import Endpoint
from queries.prometheus.client import Prometheus


class JournalledSession(StillSession):
    """`told` answers what is asked of Prometheus, on the transport; without it there is none."""

    def __init__(
        self, given: Settings, shown: Snapshot, *, told: Callable[[httpx.Request], httpx.Response] | None = None
    ) -> None:
        super().__init__(given, shown)
        self.journal = Journal.open(given.paths.journal_file)
        self._ledger = JournalReader(self.journal, environment=given.environment)
        if told is not None:
            self.prometheus = Prometheus(Endpoint("http://prom.test"), transport=httpx.MockTransport(told), clock=lambda: NOW)
        self.look()

    def look(self) -> None:
        """Take in what was written, by this console or another."""
        self._ledger.refresh()
        self.deliver(replace(self.shown, ledger=self._ledger.state))

    async def ledger(self) -> JournalState:
        self.look()
        return self._ledger.state

    async def newest_ledger(self) -> tuple[JournalState, str]:
        return await self.ledger(), ""

    async def incident(self, words: str) -> Incident | None:
        return self._ledger.find_incident(words)

    async def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        return self._ledger.older_incidents(before=before, limit=limit)

    async def record(self, subject: str, payload: Payload) -> Event:
        assert self.journal is not None
        author, environment = self.settings.user, self.settings.environment
        event = self.journal.append(create_event(payload, at=NOW, subject=subject, author=author, environment=environment))
        self.look()
        return event


def vector(*series: tuple[dict[str, str], float]) -> httpx.Response:
    """An instant vector."""
    found = [{"metric": labels, "value": [NOW, str(value)]} for labels, value in series]
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": found}})


def matrix(*tracks: tuple[dict[str, str], list[tuple[float, float]]]) -> httpx.Response:
    """A range matrix."""
    found = [{"metric": labels, "values": [[at, str(value)] for at, value in points]} for labels, points in tracks]
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": found}})
