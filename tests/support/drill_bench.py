"""A session for drills on a cluster in the process: snapshots of that cluster, alerts that a test sets, a real journal."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from action_bench import API, NAMESPACE, Bench
from guard_bench import Signals

from console.actions.guard.guard import GuardControl
from console.actions.plan import Preview, Request, RunStep
from console.actions.runner import Confirm, RunContext, run
from console.actions.writers.writer import Writer
from console.config.settings import Settings
from console.drills.run import DrillRun, DrillStep, Pace
from console.drills.service import DrillService
from console.journal.event import Event
from console.journal.payloads import Payload, create_event
from console.journal.sqlite import Journal
from console.state.drills import DrillRecords
from console.state.journal_state import JournalReader, JournalState
from console.state.snapshot import Snapshot
from queries.kubernetes.workload_decode import decode_workload
from queries.model.action import ActionCall
from queries.model.alert import Alert, AlertState, Suggestion, TrackedAlert
from queries.model.cluster import Cluster
from queries.model.source import Health, SourceState

TARGET = f"deployment/{API}"

QUICK_PACE = Pace(poll_seconds=0.05, stable_seconds=0.3)


def fire(name: str = "HighErrorRate", *, target: str = TARGET, state: AlertState = AlertState.ACTIVE) -> TrackedAlert:
    """An alert for which the console suggests an action on the target."""
    alert = Alert(f"fp-{name}", state, (("alertname", name), ("severity", "critical")), silenced_by=("s1",))
    return TrackedAlert(alert, suggestions=(Suggestion("rollback", target),))


class DrillBench:
    """`console.drills.run.DrillSession`. What it shows of the cluster is read anew with every snapshot."""

    def __init__(self, bench: Bench, settings: Settings | None = None, *, pace: Pace = QUICK_PACE) -> None:
        assert bench.journal is not None
        self.bench = bench
        self.settings = settings or bench.settings
        self.journal: Journal | None = bench.journal
        self.reader = bench.facts
        self.signals = Signals(bench.journal)
        self.alerts: tuple[TrackedAlert, ...] = ()
        self.health = Health.UP
        self.previews: list[Preview] = []
        self.steps: list[DrillStep] = []
        self.arrive: Callable[[], None] = lambda: None
        """Merges what other consoles wrote at the same moment as this one."""
        self.service = DrillService(self, pace=pace)
        self._ledger = JournalReader(bench.journal, environment=self.settings.environment)

    @property
    def guard_source(self) -> Signals:
        return self.signals

    def snapshot(self) -> Snapshot:
        workloads = tuple(map(decode_workload, self.bench.cluster.objects("deployments")))
        self._ledger.refresh()
        settings = self.settings
        return Snapshot(
            settings.environment, NAMESPACE, settings.protected, settings.read_only, settings.user, time.time(),
            sources=(SourceState("alertmanager", self.health), SourceState("kubernetes", Health.UP)),
            alerts=self.alerts, alerts_known=True, alerts_from="alertmanager",
            cluster=Cluster(NAMESPACE, workloads), ledger=self._ledger.state,
        )  # fmt: skip

    async def run(
        self, request: Request, confirm: Confirm, *, control: GuardControl | None = None
    ) -> AsyncGenerator[RunStep, None]:
        writer = Writer(self.settings)
        source = self.signals if request.guard is not None else None
        try:
            steps = run(
                request,
                RunContext(self.settings, self.reader, writer, self.journal, guard_source=source),
                confirm,
                control=control,
            )
            async with aclosing(steps):
                async for step in steps:
                    yield step
        finally:
            await writer.close()

    async def record(self, subject: str, payload: Payload) -> Event:
        assert self.journal is not None
        author, environment = self.settings.user, self.settings.environment
        return self.journal.append(
            create_event(payload, at=time.time(), subject=subject, author=author, environment=environment)
        )

    async def newest_ledger(self, *, after_write: bool = False) -> tuple[JournalState, str]:
        if after_write:
            self.arrive()
        return self.snapshot().ledger, ""

    @property
    def drills(self) -> DrillRecords:
        return self.snapshot().ledger.drills

    def start(self, name: str, target: str = TARGET, *, limit: str = "5s", agree: bool = True, **given: str) -> DrillRun:
        async def confirm(preview: Preview) -> bool:
            self.previews.append(preview)
            return agree

        return self.service.start(name, target, confirm=confirm, limit=limit, parameters=given)

    async def drive(self, drill: DrillRun) -> DrillStep:
        """Runs it to its end and returns the last step."""
        async with aclosing(drill.steps()) as steps:
            async for step in steps:
                self.steps.append(step)
        return self.steps[-1]

    def replicas(self) -> int:
        return self.bench.cluster.deployment(API).desired

    async def change(self, action: str, target: str = TARGET, **parameters: str) -> None:
        """As a person would, from the same console."""

        async def agree(preview: Preview) -> bool:
            return True

        call = ActionCall(action, target, parameters)
        async for _ in self.run(Request(call.action, call.target, call.parameters), agree):
            pass


def protect(settings: Settings) -> Settings:
    return replace(settings, environment="production", protected=True)
