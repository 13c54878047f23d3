"""What an action may read: each answer from the source that knows it, and the reason where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from action_bench import settings_for

from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import ActionRefused
from console.config.services import Service, Token
from console.journal.event import Event
from console.state.incident import Incident, Update
from console.state.revisions import NO_RECORDS
from queries.errors import NotConfigured, PartialAnswer
from queries.model.alert import Alert, AlertState, Priority
from queries.model.panel import PanelSpec, Unit
from queries.model.series import Sample


def open_reader(**sources: Any) -> LiveClusterReader:
    given = {"kubernetes": None, "alertmanager": None, "prometheus": None, "specs": (), "state": Shown(), **sources}
    return LiveClusterReader(**given)


class Shown:
    """What the console shows: the alerts given."""

    def __init__(self, *alerts: Alert) -> None:
        self.alerts = alerts

    def alert(self, fingerprint: str) -> Alert | None:
        return next((item for item in self.alerts if item.fingerprint == fingerprint), None)

    def query_of(self, spec: PanelSpec) -> str:
        return spec.raw


class Source:
    """Prometheus and Alertmanager in one: what they list, and the samples of any query."""

    def __init__(
        self, *alerts: Alert, partial: str = "", values: tuple[float, ...] = (), warnings: tuple[str, ...] = ()
    ) -> None:
        self.alerts, self.partial, self.warnings, self.peer_faults = alerts, partial, warnings, warnings
        self.values = values
        self.asked: list[str] = []

    async def rules(self) -> Source:
        self.asked.append("rules")
        return self

    async def state(self) -> Source:
        self.asked.append("state")
        return self

    async def query(self, expression: str) -> Any:
        return SimpleNamespace(samples=tuple(Sample((), value) for value in self.values))


def alert(fingerprint: str) -> Alert:
    return Alert(fingerprint, AlertState.ACTIVE, (("alertname", "HighErrorRate"),))


async def test_a_metric_has_one_value(tmp_path: Path) -> None:
    """None without a series; of several nobody can say which one is meant."""
    assert await open_reader(prometheus=Source()).metric_value("up") is None
    assert await open_reader(prometheus=Source(values=(0.0,))).metric_value("up") == 0.0
    with pytest.raises(ActionRefused, match="up has 2 series, expected one: aggregate them"):
        await open_reader(prometheus=Source(values=(1.0, 1.0))).metric_value("up")
    with pytest.raises(NotConfigured, match="Prometheus"):
        await open_reader().metric_value("up")


async def test_an_alert_is_looked_for_where_it_can_be() -> None:
    """What is on the screen asks nobody; one of Prometheus alone is looked for there, all others in Alertmanager."""
    prometheus, alertmanager = Source(alert("prometheus:1"), alert("pending:2")), Source(alert("a"), alert("b"))
    reader = open_reader(prometheus=prometheus, alertmanager=alertmanager, state=Shown(alert("shown")))
    assert await reader.alert("shown") == alert("shown")
    assert prometheus.asked == alertmanager.asked == []
    for fingerprint in ("a", "b"):
        assert await reader.alert(fingerprint) == alert(fingerprint)
    assert await reader.alert("c") is None and prometheus.asked == []
    before = len(alertmanager.asked)
    assert await reader.alert("pending:2") == alert("pending:2")
    assert await reader.alert("prometheus:9") is None and len(alertmanager.asked) == before
    # Its prefix changes when it begins to fire.
    assert await reader.alert("pending:1") == alert("prometheus:1")


async def test_an_alert_that_a_partial_answer_lacks_is_not_gone() -> None:
    """A store or a peer that did not answer may have it; one that the rest of the answer has is there."""
    prometheus = Source(alert("prometheus:1"), partial="store b did not respond")
    reader = open_reader(prometheus=prometheus, alertmanager=Source(alert("a"), warnings=("peer1: refused", "peer2: refused")))
    assert await reader.alert("prometheus:1") == await reader.fetch_alert("prometheus:1") == alert("prometheus:1")
    with pytest.raises(PartialAnswer, match="store b did not respond"):
        await reader.alert("prometheus:2")
    assert await reader.fetch_alert("a") == alert("a")
    with pytest.raises(PartialAnswer, match="an Alertmanager did not answer: peer1: refused"):
        await reader.fetch_alert("c")


async def test_a_panel_has_a_value_or_a_reason() -> None:
    """Of two panels the one of the id; one that does not exist or is defined wrongly has no value, and proves nothing."""
    one = PanelSpec(id="one", title="One", unit=Unit.COUNT, raw="a")
    reader = open_reader(prometheus=Source(), specs=(one, replace(one, id="two", broken="panels.yaml:3: no query")))
    assert await reader.panel_value("none") == (None, "there is no panel none")
    assert await reader.panel_value("two") == (None, "panels.yaml:3: no query")


async def test_an_update_is_found_in_its_incident() -> None:
    """Of two updates the one of the id; without a journal, an incident or an update the reason is said."""
    one, two = (Update(name, 1.0, "ann", f"text {name}") for name in ("u1", "u2"))
    incident = Incident("i1", 1, "errors", Priority.P1, 1.0, "ann", updates=(one, two))

    async def find(identity: str) -> Incident | None:
        return incident if identity == "i1" else None

    reader = open_reader(incident=find)
    assert await reader.incident_update("i1", "u2") == (incident, two)
    assert await reader.incident_update("i1", "u1") == (incident, one)
    for given, why in (
        (("i2", "u1"), "no incident 'i2'; `cad-console incident list`"),
        (("i1", "u3"), "i1 has no update 'u3'"),
    ):
        with pytest.raises(ActionRefused, match=why):
            await reader.incident_update(*given)
    with pytest.raises(ActionRefused, match="there is no journal"):
        await open_reader().incident_update("i1", "u1")


async def test_the_journal_answers_for_a_target(tmp_path: Path) -> None:
    """Without one there are no steps and no records, and nobody knows what is unfinished; one that is still read refuses."""
    step = Event(1.0, "action.step", "r", "ann")

    async def steps(target: str) -> tuple[Event, ...]:
        return (step,) if target == "external/db" else ()

    async def unfinished(target: str) -> tuple[tuple[Event, ...], str]:
        return (step,), target

    async def reading() -> Any:
        return SimpleNamespace(known=False, error="the journal is being read")

    async def read() -> Any:
        return SimpleNamespace(known=True, error="", revisions=NO_RECORDS)

    reader = open_reader(steps=steps, unfinished=unfinished, ledger=read)
    assert (await reader.list_steps("external/db"), await reader.list_steps("x")) == ((step,), ())
    assert await reader.list_unfinished("external/db") == ((step,), "external/db")
    assert await reader.revision_records() is NO_RECORDS
    bare = open_reader()
    assert await bare.list_steps("external/db") == ()
    assert await bare.list_unfinished("external/db") == ((), "there is no journal")
    assert await bare.revision_records() is NO_RECORDS
    with pytest.raises(ActionRefused, match="the journal is being read; try again then"):
        await open_reader(ledger=reading).revision_records()


def test_the_settings_name_services_tokens_and_calls(tmp_path: Path) -> None:
    """Of two each by its name; without settings, or with another name, there is none."""
    services = Service("db"), Service("cache")
    tokens = Token("t1"), Token("t2")
    reader, bare = open_reader(settings=settings_for(tmp_path, None, services=services, tokens=tokens)), open_reader()
    assert [reader.external_service(name) for name in ("cache", "db", "x")] == [services[1], services[0], None]
    assert [reader.token(name) for name in ("t2", "t1", "x")] == [tokens[1], tokens[0], None]
    assert (bare.external_service("db"), bare.token("t1"), bare.channel_kind("x")) == (None, None, "")
    assert reader.channel_kind("x") == "" and bare.administration is None
    assert reader.admin_call("cache-apply") == bare.admin_call("cache-apply")
    with pytest.raises(ActionRefused, match="there is no call 'cache-aply', did you mean 'cache-apply'"):
        bare.admin_call("cache-aply")


async def test_a_server_that_is_not_configured_is_named() -> None:
    """Every read says which server is missing."""
    bare = open_reader()
    for call, server in (
        (lambda: bare.workload("deployments", "a"), "Kubernetes"),
        (lambda: bare.pods({}), "Kubernetes"),
        (lambda: bare.has_pod("a"), "Kubernetes"),
        (lambda: bare.silence("a"), "Alertmanager"),
        (bare.silences, "Alertmanager"),
        (bare.alerts, "Alertmanager"),
        (lambda: bare.alert("prometheus:1"), "Prometheus"),
    ):
        with pytest.raises(NotConfigured, match=f"{server} is not configured"):
            await call()
