"""A real Alertmanager with alerts that fire, and a way to run actions on it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from action_bench import settings_for

from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.config.settings import Settings
from console.journal.sqlite import Journal
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from queries.alertmanager import Alertmanager
from queries.http.endpoint import Endpoint

HIGH = {"alertname": "HighErrorRate", "severity": "critical", "component": "platform"}
SLOW = {"alertname": "HighLatency", "severity": "warning", "component": "ocr"}


class Tower:
    """`fired` are the labels of the alerts that are posted at the start."""

    def __init__(self, url: str, folder: Path, fired: Sequence[dict[str, str]] = (HIGH, SLOW)) -> None:
        self.url = url
        self.folder = folder
        self.previews: list[Preview] = []
        self.http = httpx.Client(base_url=url, trust_env=False)
        self.now = now = time.time()
        self.ahead_seconds = 0.0
        """By how much the console's clock is ahead: as if a silence had begun so long ago."""
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3600))
        posted = [{"labels": labels, "endsAt": ends} for labels in fired]
        assert self.http.post("/api/v2/alerts", json=posted).status_code == 200

    def settings(self, url: str = "") -> Settings:
        made = settings_for(self.folder, None, alertmanagers=(Endpoint(url or self.url, timeout_seconds=3.0),))
        return replace(made, verify_timeout_seconds=15.0)

    async def act(self, action: str, target: str, *, settings: Settings | None = None, **parameters: str) -> list[RunStep]:
        told = settings or self.settings()

        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        manager, writer = Alertmanager(self.settings().alertmanagers), Writer(told)
        board = StateStore(told, (), runbooks=RunbookIndex.load(str(self.folder / "none")))
        reads = LiveClusterReader(kubernetes=None, alertmanager=manager, prometheus=None, specs=(), state=board)
        try:
            with Journal.open(told.paths.journal_file) as journal:
                asked = Request(action, target, parameters)
                steps = run(
                    asked, RunContext(told, reads, writer, journal, clock=lambda: time.time() + self.ahead_seconds), agree
                )
                async with aclosing(steps):
                    return [step async for step in steps]
        finally:
            await manager.close()
            await writer.close()

    def silences(self) -> list[dict[str, Any]]:
        return list(self.http.get("/api/v2/silences").json())


@contextmanager
def tower_of(url: str, folder: Path, fired: Sequence[dict[str, str]] = (HIGH, SLOW)) -> Iterator[Tower]:
    made = Tower(url, folder, fired)
    try:
        yield made
    finally:
        made.http.close()
