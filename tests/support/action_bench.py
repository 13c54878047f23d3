"""One way to run an action against a cluster in the process, with a journal in a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steerable_cluster import SteerableCluster

from console.actions.guard.guard import GuardControl
from console.actions.guard.model import GuardOptions
from console.actions.guard.source import GuardSource
from console.actions.plan import Outcome, Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.config.services import Service, Token
from console.config.settings import SETTLE, Paths, Settings
from console.demo.cluster import PodTimings
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.journal.unfinished import UnfinishedProjection
from console.state.incident import Incident, Update
from console.state.incident_projection import IncidentsProjection
from console.state.revisions import Records, RevisionRecords
from queries.errors import RequestRejected
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.kubeconfig import choose_context, kubeconfig_files
from queries.model.alert import Alert, Priority
from queries.model.silence import ExistingSilence

QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
NO_SETTLE = tuple((kind, 0.0) for kind in SETTLE)
"""For tests that are not about who rolls a change back."""
POLL_SECONDS = 0.05
"""The pause between two looks of a run on a cluster whose pods are ready in hundredths of a second."""
NAMESPACE = "cad-ml-platform"
API = "cad-ml-api"


def records_of(journal: Journal | None) -> Records:
    told = RevisionRecords()
    return told.fold(told.initial(), journal.events(kinds=told.kinds) if journal else ())


def journal_ready(cluster: SteerableCluster, settings: Settings, *, revision: int, name: str = API) -> None:
    """As if a console had seen this revision of the Deployment rolled out."""
    key = "deployment.kubernetes.io/revision"
    (deployment,) = [item for item in cluster.objects("deployments") if item["metadata"]["name"] == name]
    owned = [item for item in cluster.objects("replicasets") if item["metadata"]["labels"].get("app") == name]
    (found,) = [item for item in owned if item["metadata"]["annotations"][key] == str(revision)]
    said = {"deployment": deployment["metadata"]["uid"], "replica_set": found["metadata"]["name"], "revision": revision}
    event = Event(time.time() - 60.0, "rollout.complete", found["metadata"]["name"], "watcher", settings.environment,
                  {"target": f"deployment/{name}", "revisions": {**said, "ready": 3, "desired": 3}})  # fmt: skip
    with Journal.open(settings.paths.journal_file) as journal:
        journal.append(event)


class Facts(Kubernetes):
    """The cluster's half from the real client; Alertmanager's and Prometheus' half as a test sets it."""

    alerts_now: tuple[Alert, ...] = ()
    alertmanager_ahead_seconds = 0.0
    panel: tuple[float | None, str] = (None, "")
    silences: dict[str, dict[str, Any]]
    journal: Journal | None = None
    settings: Settings | None = None

    async def revision_records(self) -> Records:
        return records_of(self.journal)

    async def silence(self, identity: str) -> ExistingSilence:
        found = getattr(self, "silences", {})
        if identity not in found:
            raise RequestRejected("no silence with this id", status=404)
        return ExistingSilence.decode(found[identity])

    async def alerts(self) -> tuple[Alert, ...]:
        return self.alerts_now

    async def fetch_alert(self, fingerprint: str, known: Alert | None = None) -> Alert | None:
        return next((item for item in await self.alerts() if item.fingerprint == fingerprint), None)

    async def alert(self, fingerprint: str) -> Alert | None:
        return next((item for item in self.alerts_now if item.fingerprint == fingerprint), None)

    async def incident_update(self, incident: str, update: str) -> tuple[Incident, Update]:
        told = IncidentsProjection()
        found = told.fold(told.initial(), self.journal.events(kinds=told.kinds) if self.journal else ()).get(incident)
        if found is not None:
            return found, next(item for item in found.updates if item.id == update)
        text = Update(update, 1.0, "tester", "we look at it")
        return Incident(incident, 1, "errors", Priority.P1, 1.0, "tester", updates=(text,)), text

    def channel_kind(self, name: str) -> str:
        return "slack"

    async def list_steps(self, target: str) -> tuple[Event, ...]:
        events = self.journal.events(kinds=("action.step",)) if self.journal else ()
        return tuple(event for event in reversed(events) if event.data.get("target") == target)

    async def list_unfinished(self, target: str) -> tuple[tuple[Event, ...], str]:
        told = UnfinishedProjection()
        found = told.fold(told.initial(), self.journal.events(kinds=told.kinds) if self.journal else ())
        return tuple(event for event in found.values() if event.data.get("target") == target), ""

    def external_service(self, name: str) -> Service | None:
        return self.settings.service(name) if self.settings else None

    def token(self, name: str) -> Token | None:
        return self.settings.token(name) if self.settings else None

    async def panel_value(self, panel_id: str) -> tuple[float | None, str]:
        return self.panel


@dataclass
class Bench:
    """What one run needs; `act` drives it to its end and gives all its steps."""

    cluster: SteerableCluster
    settings: Settings
    facts: Facts
    journal: Journal | None
    previews: list[Preview] = field(default_factory=list)
    journal_fault: str = ""

    def __post_init__(self) -> None:
        self.facts.journal = self.journal
        self.facts.settings = self.settings

    async def act(
        self,
        action: str,
        target: str,
        *,
        confirm: Callable[[Preview], Awaitable[bool]] | None = None,
        meanwhile: Callable[[RunStep], Awaitable[None]] | None = None,
        settings: Settings | None = None,
        request: dict[str, str] | None = None,
        guard: GuardOptions | None = None,
        source: GuardSource | None = None,
        control: GuardControl | None = None,
        clock: Callable[[], float] = time.time,
        **parameters: str,
    ) -> list[RunStep]:
        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return await confirm(preview) if confirm else True

        told = settings or self.settings
        writer = Writer(told)
        asked = Request(action, target, parameters, guard=guard, **(request or {}))
        found = []
        try:
            steps = run(
                asked,
                RunContext(
                    told, self.facts, writer, self.journal, journal_fault=self.journal_fault, guard_source=source, clock=clock
                ),
                agree,
                control=control,
            )
            async with aclosing(steps):
                async for step in steps:
                    found.append(step)
                    if meanwhile:
                        await meanwhile(step)
        finally:
            await writer.close()
        return found

    def writes(self) -> list[Any]:
        """The requests that reached the server and could have changed something."""
        return [
            item
            for item in self.cluster.requests
            if item.method != "GET" and "selfsubject" not in item.path and "dryRun" not in dict(item.query)
        ]


def placed(endpoint: ClusterEndpoint) -> ClusterEndpoint:
    """With the place that its kubeconfig leads to, as the settings find it at the start."""
    return replace(endpoint, place=choose_context(kubeconfig_files(endpoint.kubeconfig), endpoint.context).place)


def settings_for(tmp_path: Path, endpoint: ClusterEndpoint | None, **changes: Any) -> Settings:
    paths = Paths("", str(tmp_path), str(tmp_path), str(tmp_path / "state" / "journal.sqlite3"), "", "")
    where = placed(endpoint) if endpoint else None
    made = Settings("test", NAMESPACE, False, False, "tester", paths, kubernetes=where, verify_timeout_seconds=10.0)
    made = replace(made, settle=NO_SETTLE, verify_poll_seconds=POLL_SECONDS)
    return replace(made, **changes)


def outcome(steps: list[RunStep]) -> tuple[Outcome | None, str]:
    assert [step for step in steps if step.outcome] == steps[-1:], "exactly the last step has an outcome"
    return steps[-1].outcome, steps[-1].text


def second_revision(cluster: SteerableCluster, name: str = API) -> None:
    """Rolls out another image and another environment, and waits until the cluster is quiet again."""
    container = {
        "name": name,
        "image": "registry.example.com/cad-ml/api:1.9.0",
        "env": [{"name": "OCR_TIMEOUT_MS", "value": "8000"}],
    }
    cluster.patch(
        "deployments",
        name,
        {
            "metadata": {"annotations": {"kubernetes.io/change-cause": "ci: release 1.9.0"}},
            "spec": {"template": {"spec": {"containers": [container]}}},
        },
    )
    quiet(cluster, name)


def quiet(cluster: SteerableCluster, name: str = API, *, past: int = 1) -> None:
    """Waits until a revision after `past` is rolled out, or the Deployment is paused."""
    ends = time.monotonic() + 10.0
    while True:
        state = cluster.deployment(name)
        if state.paused or (state.settled and state.revision > past):
            break
        assert time.monotonic() < ends
        time.sleep(0.02)
    # The last pods' end still changes the status for a moment.
    time.sleep(0.15)
