"""Whether what an action reacted to recovered: once its panel is OK again, and what is unknown is not recovered."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from screen_samples import settings

from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import Outcome, Plan, Reconciler, Request
from console.actions.recovery import RecoveryProbe, RecoveryWatch, Trigger
from console.checks.own_panels import load_overview
from console.checks.panels import grade
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from queries.alertmanager import Alertmanager
from queries.errors import NotConfigured, SourceError, Unreachable
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertState
from queries.model.panel import PanelSpec, Unit
from queries.model.series import Sample
from queries.model.verdict import Verdict
from queries.prometheus.client import Prometheus


class Reader:
    """What the panel and Alertmanager say."""

    def __init__(self, value: float | None = None, *alerts: Alert, broken: bool = False) -> None:
        self.value, self.listed, self.broken = value, alerts, broken

    async def panel_value(self, panel: str) -> tuple[float | None, str]:
        if self.broken:
            raise Unreachable("no connection")
        return self.value, "" if self.value is None else f"{self.value:g} %"

    async def fetch_alert(self, fingerprint: str, known: Alert | None = None) -> Alert | None:
        if self.broken:
            raise Unreachable("no connection")
        return next((item for item in self.listed if item.fingerprint == fingerprint), None)


def alert(name: str, state: AlertState = AlertState.ACTIVE) -> Alert:
    return Alert(name, state, (("alertname", name),))


def read_logs(*found: float | SourceError) -> LiveClusterReader:
    """A reader whose panel `refused` counts lines: what Loki answers to each query in turn; without any there is no Loki."""
    answers = list(found)
    asked = PanelSpec(id="refused", title="Refused", unit=Unit.COUNT, raw="sum(rate({a=~`.+`}[5m]))", source="loki")

    async def query(text: str) -> tuple[Sample, ...]:
        assert text == asked.raw
        answer = answers.pop(0)
        if isinstance(answer, SourceError):
            raise answer
        return () if math.isnan(answer) else (Sample((), answer),)

    state: Any = None
    return LiveClusterReader(
        kubernetes=None, alertmanager=None, prometheus=None, specs=(asked,), state=state, query_logs=query if found else None
    )


async def test_a_panel_over_logs_is_asked_of_loki(tmp_path: Path) -> None:
    """Its value is Loki's; no line, an error and a missing Loki are no value, each with its reason, and no recovery."""
    reader = read_logs(7.0, math.nan, Unreachable("no connection"))
    assert (await reader.panel_value("refused"))[0] == 7.0
    value, text = await reader.panel_value("refused")
    assert (value, text.startswith("Loki counted no line")) == (None, True)
    with pytest.raises(Unreachable):
        await reader.panel_value("refused")
    with pytest.raises(NotConfigured, match="Loki"):
        await read_logs().panel_value("refused")
    watched = trigger(tmp_path, panel_id="refused")
    probes = [await watched.probe(reader) for reader in (read_logs(math.nan), read_logs(Unreachable("no connection")))]
    assert [watched.recovered(probe) for probe in probes] == [None, None]
    assert [probe.error != "" for probe in probes] == [False, True]


def trigger(folder: Path, **given: str) -> Trigger:
    return Trigger(Request("rollback", "deployment/api", **given), settings(folder))  # type: ignore[arg-type]


@pytest.mark.parametrize("lower_is_worse", [False, True])
def test_it_has_recovered_exactly_when_its_panel_is_ok(tmp_path: Path, lower_is_worse: bool) -> None:
    """The panel's own verdict decides, also exactly at the warning threshold, where only a large value is bad."""
    specs = load_overview(settings(tmp_path))
    spec = next(item for item in specs if item.lower_is_worse is lower_is_worse and item.threshold.warn is not None)
    limit = spec.threshold.warn
    assert limit is not None
    own = trigger(tmp_path, panel_id=spec.id)
    good, bad = (limit + 0.001, limit - 0.001) if lower_is_worse else (limit - 0.001, limit + 0.001)
    recovered = [own.recovered(RecoveryProbe(value)) for value in (good, limit, bad)]
    assert recovered == [True, lower_is_worse, False]
    verdicts = [grade(value, spec.threshold, below=lower_is_worse, allowed=spec.allowed) for value in (good, limit, bad)]
    assert recovered == [verdict is Verdict.OK for verdict in verdicts]
    assert own.recovered(RecoveryProbe(None)) is None
    assert own.recovered(RecoveryProbe(math.nan)) is None
    assert own.recovered(RecoveryProbe(good, error="timeout")) is None
    assert own and not trigger(tmp_path)
    assert own.title == spec.title.lower() and trigger(tmp_path, panel_id="nowhere").title == "nowhere"
    assert trigger(tmp_path, panel_id="nowhere").recovered(RecoveryProbe(1.0)) is None


async def test_of_several_alerts_that_of_the_request(tmp_path: Path) -> None:
    """It has not recovered while it is active, suppressed or pending: its expression is true; another one does not count."""
    other, own = alert("Other"), alert("HighErrorRate")
    watched = trigger(tmp_path, fingerprint=own.fingerprint)
    cases = {
        (other, own): (True, "HighErrorRate", False),
        (other, replace(own, state=AlertState.SUPPRESSED)): (True, "HighErrorRate", False),
        (other, replace(own, state=AlertState.PENDING)): (True, "HighErrorRate", False),
        (other,): (False, "", True),
    }
    for listed, (firing, name, recovered) in cases.items():
        probe = await watched.probe(Reader(None, *listed))  # type: ignore[arg-type]
        assert (probe.firing, probe.alert, watched.recovered(probe)) == (firing, name, recovered)
    assert watched.recovered(RecoveryProbe()) is None


LABELS = {"alertname": "HighErrorRate", "component": "ocr"}
NAME = "0123456789abcdef"


class Servers:
    """Two peers of an Alertmanager and a Prometheus, each with what it says now."""

    def __init__(self) -> None:
        self.listed: list[bool] = [True, True]
        """Whether each peer lists the alert, which has an external label there."""
        self.lost: set[str] = set()
        self.evaluated = "firing"
        """The state of the alert in Prometheus; empty if it has none."""
        self.health, self.rules = "ok", ["HighErrorRate"]
        self.warnings: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in self.lost:
            raise httpx.ConnectError("refused")
        if request.url.host == "prometheus":
            return self._rules() if request.url.path.endswith("/rules") else httpx.Response(404)
        found = {
            "alerts": [self._delivered()] if self.listed[int(request.url.host[-1])] else [],
            "status": {"cluster": {"status": "ready"}, "versionInfo": {}, "config": {"original": ""}},
        }
        return httpx.Response(200, json=found.get(request.url.path.rpartition("/")[2], []))

    def _delivered(self) -> dict[str, Any]:
        return {"fingerprint": NAME, "labels": {**LABELS, "cluster": "a"}, "annotations": {}, "receivers": [],
                "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}, "startsAt": "2026-01-01T00:00:00Z",
                "updatedAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"}  # fmt: skip

    def _rules(self) -> httpx.Response:
        one = {"state": self.evaluated, "labels": LABELS, "annotations": {}, "activeAt": "2026-01-01T00:00:00Z", "value": "1"}
        other = {**one, "state": "firing", "labels": {**LABELS, "component": "chat"}}
        rules: list[dict[str, Any]] = [
            {"type": "alerting", "name": name, "query": "x", "duration": 60, "labels": {}, "annotations": {},
             "health": self.health, "state": "firing", "alerts": [one, other] if self.evaluated else [other],
             "lastError": "many-to-many" if self.health == "err" else ""}
            for name in self.rules
        ]  # fmt: skip
        data = {"groups": [{"name": "g", "file": "f", "interval": 5, "rules": rules}]}
        return httpx.Response(200, json={"status": "success", "data": data, "warnings": self.warnings})

    @asynccontextmanager
    async def reader(self, folder: Path, *, with_prometheus: bool = True) -> AsyncIterator[LiveClusterReader]:
        transport = httpx.MockTransport(self.answer)
        alertmanager = Alertmanager([Endpoint("http://peer0"), Endpoint("http://peer1")], transport=transport)
        prometheus = Prometheus(Endpoint("http://prometheus"), transport=transport) if with_prometheus else None
        state = StateStore(settings(folder), (), runbooks=RunbookIndex(()))
        try:
            yield LiveClusterReader(kubernetes=None, alertmanager=alertmanager, prometheus=prometheus, specs=(), state=state)
        finally:
            await alertmanager.close()
            if prometheus is not None:
                await prometheus.close()


@pytest.mark.parametrize(
    ("now", "recovered", "text"),
    [
        ({}, False, "HighErrorRate is still firing"),
        ({"listed": [False, False]}, False, "HighErrorRate is still firing"),
        ({"listed": [False, False], "evaluated": "pending"}, False, "HighErrorRate is pending"),
        ({"listed": [False, True], "evaluated": ""}, False, "HighErrorRate is still firing"),
        ({"listed": [False, False], "evaluated": ""}, True, "HighErrorRate resolved"),
        ({"listed": [False, False], "evaluated": "", "lost": {"peer1"}}, None, "peer1"),
        ({"listed": [False, False], "evaluated": "", "lost": {"prometheus"}}, None, "prometheus"),
        ({"listed": [False, False], "evaluated": "", "warnings": ["store a did not respond"]}, None, "store a"),
        ({"listed": [False, False], "evaluated": "", "health": "unknown"}, None, "has not evaluated the rule HighErrorRate"),
        ({"listed": [False, False], "evaluated": "", "health": "err"}, None, "cannot evaluate the rule HighErrorRate: many-to"),
        ({"listed": [False, False], "evaluated": "", "rules": []}, None, "no rule HighErrorRate"),
        ({"listed": [False, False], "evaluated": "", "rules": ["Other"]}, None, "no rule HighErrorRate"),
    ],
)
async def test_an_alert_is_gone_only_if_every_server_that_knows_it_shows_so(
    tmp_path: Path, now: dict[str, Any], recovered: bool | None, text: str
) -> None:
    """Alertmanager lists no alert for up to a minute after its restart, and Prometheus has a pending one after its own: neither
    is a recovery, nor is the answer of one peer of two, a rule that fails, or a Prometheus without that rule.
    """
    servers = Servers()
    watched = trigger(tmp_path, fingerprint=NAME)
    async with servers.reader(tmp_path) as reader:
        before = await watched.probe(reader)
        for name, value in now.items():
            setattr(servers, name, value)
        probe = await watched.probe(reader)
    assert (before.firing, before.alert) == (True, "HighErrorRate")
    assert watched.recovered(probe) is recovered
    assert text in watched.summarize(before, probe)


async def test_without_prometheus_nobody_knows_that_an_alert_is_gone(tmp_path: Path) -> None:
    """Alertmanager alone cannot tell a resolved alert from one that it lost in a restart."""
    servers = Servers()
    watched = trigger(tmp_path, fingerprint=NAME)
    async with servers.reader(tmp_path, with_prometheus=False) as reader:
        assert watched.recovered(await watched.probe(reader)) is False
        servers.listed = [False, False]
        probe = await watched.probe(reader)
    assert watched.recovered(probe) is None and "Prometheus is not configured" in probe.error


async def test_an_alert_that_nobody_ever_saw_is_not_known_to_be_gone(tmp_path: Path) -> None:
    """Without its labels no rule can be named that would show it: a fingerprint that no server lists is unknown."""
    servers = Servers()
    servers.listed, servers.evaluated = [False, False], ""
    watched = trigger(tmp_path, fingerprint=NAME)
    async with servers.reader(tmp_path) as reader:
        probe = await watched.probe(reader)
    assert watched.recovered(probe) is None and f"no server has listed the alert {NAME}" in probe.error


def test_an_alert_whose_panel_lost_its_data_has_not_recovered(tmp_path: Path) -> None:
    """Scaled to 0, the series vanish and the rule resolves: of a panel that had a value before, no value proves nothing."""
    both, before = trigger(tmp_path, panel_id="error_ratio", fingerprint=NAME), RecoveryProbe(7.8, "7.8 %", True, "A")
    assert both.recovered(RecoveryProbe(None, "no data", False), before) is None
    assert both.recovered(RecoveryProbe(math.nan, "no data", False), before) is None
    assert both.recovered(RecoveryProbe(0.4, "0.4 %", False), before) is True
    assert both.recovered(RecoveryProbe(None, "", False), RecoveryProbe(None, "", True, "A")) is True
    assert both.recovered(RecoveryProbe(None, "", True), before) is False


async def test_an_alert_is_resolved_at_the_second_look_in_a_row(tmp_path: Path) -> None:
    """One look may fall into a restart; and what fires again while a reconciler is watched has not recovered."""
    plan = Plan(Request("rollback", "deployment/api"), "t", "s", (), (), "", "", {})
    own, fires = trigger(tmp_path, fingerprint="A"), alert("A")
    watch = RecoveryWatch(Action(), plan, own, RecoveryProbe(firing=True, alert="A"), "rolled out", settings=settings(tmp_path))  # type: ignore[arg-type]
    seen = []
    for listed in ((), (fires,), (), (), (fires,), (), ()):
        await watch.check(Reader(None, *listed))  # type: ignore[arg-type]
        seen.append((watch.recovered, watch.confirming, watch.finished))
    assert seen == [
        (None, True, False), (False, False, False), (None, True, False), (True, False, True),
        (False, False, False), (None, True, False), (True, False, True),
    ]  # fmt: skip
    await watch.check(Reader(broken=True))  # type: ignore[arg-type]
    assert watch.finished is False and watch.confirming is False
    outcome, text = watch.verdict("2s")
    assert outcome is Outcome.UNKNOWN and "no connection" in text


async def test_a_source_that_fails_leaves_it_unknown(tmp_path: Path) -> None:
    """Neither value nor alert is claimed; the reason is kept."""
    watched = trigger(tmp_path, panel_id="error_ratio", fingerprint="f")
    probe = await watched.probe(Reader(broken=True))  # type: ignore[arg-type]
    assert (probe.value, probe.firing) == (None, None) and "no connection" in probe.error
    assert watched.recovered(probe) is None
    both = await watched.probe(Reader(0.4, alert("HighErrorRate")))  # type: ignore[arg-type]
    assert (both.value, both.text, both.firing, both.error) == (0.4, "0.4 %", False, "")


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (RecoveryProbe(7.8, "7.8 %", True, "A"), RecoveryProbe(0.4, "0.4 %", False), "{title} 7.8 % → 0.4 %; A resolved"),
        (
            RecoveryProbe(None, "", True, "A"),
            RecoveryProbe(0.4, "0.4 %", True, "A"),
            "{title} no data → 0.4 %; A is still firing",
        ),
        (RecoveryProbe(firing=True, alert="A"), RecoveryProbe(firing=True, alert="A", pending=True), "A is pending"),
        (
            RecoveryProbe(7.8, "7.8 %"),
            RecoveryProbe(None, "", None, "", error="timeout"),
            "{title} 7.8 % → no data; timeout",
        ),
        (RecoveryProbe(), RecoveryProbe(firing=False), "the alert resolved"),
        (RecoveryProbe(), RecoveryProbe(), ""),
    ],
)
def test_the_summary_has_both_values(tmp_path: Path, before: RecoveryProbe, after: RecoveryProbe, text: str) -> None:
    """What is not there is 'no data'; an unknown alert is left out; an error is added."""
    own = trigger(tmp_path, panel_id="error_ratio", fingerprint="f")
    assert own.summarize(before, after) == text.format(title=own.title)
    assert "error" not in trigger(tmp_path, fingerprint="f").summarize(before, after)
    assert "resolved" not in trigger(tmp_path, panel_id="error_ratio").summarize(before, after)


class Action:
    """An action that nobody reverts, or whose state cannot be read."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    async def check_undone(self, plan: Plan, reader: Any) -> None:
        if self.broken:
            raise Unreachable("no answer")


async def test_the_verdict_says_what_is_known(tmp_path: Path) -> None:
    """Done when the trigger is gone, failed while it is there, unknown where nobody can say."""
    plan = Plan(Request("rollback", "deployment/api"), "t", "s", (), (), "", "", {})

    def watch(trigger: Trigger, *, broken: bool = False, **changes: Any) -> RecoveryWatch:
        before = RecoveryProbe(7.8, "7.8 %")
        own = replace(plan, **changes)
        return RecoveryWatch(Action(broken=broken), own, trigger, before, "rolled out", settings=settings(tmp_path))  # type: ignore[arg-type]

    panel = trigger(tmp_path, panel_id="error_ratio")
    gone = watch(panel)
    await gone.check(Reader(0.0))  # type: ignore[arg-type]
    assert gone.finished and gone.verdict("2s") == (Outcome.DONE, f"done in 2s; {panel.title} 7.8 % → 0 %")
    still = watch(panel)
    await still.check(Reader(50.0))  # type: ignore[arg-type]
    assert not still.finished and still.text == f"waiting for the platform: {panel.title} 7.8 % → 50 %"
    assert still.verdict("2s")[0] is Outcome.FAILED
    unknown = watch(panel)
    await unknown.check(Reader(None))  # type: ignore[arg-type]
    assert unknown.verdict("2s")[0] is Outcome.UNKNOWN and "could not check" in unknown.verdict("2s")[1]
    nobody = watch(trigger(tmp_path))
    assert nobody.finished and nobody.verdict("2s") == (Outcome.DONE, "done in 2s; rolled out")
    reconcilers = (
        Reconciler("argocd", "Argo CD", "", (), ()),
        Reconciler("hpa", "HPA api", "", (), ()),
        Reconciler("helm", "Helm", "", (), ()),
    )
    watched = watch(trigger(tmp_path), broken=True, reconcilers=reconcilers)
    await watched.check(Reader())  # type: ignore[arg-type]
    assert watched.settle_seconds == 45.0 and not watched.settled and not watched.finished
    outcome, text = watched.verdict("2s")
    assert outcome is Outcome.UNKNOWN
    assert (
        text.startswith("unknown: rolled out; could not check whether Argo CD or HPA api reverted it: ") and "no answer" in text
    )
    assert watched.text.startswith(
        "watching whether Argo CD or HPA api reverts it: 45s of 45s left; safe to leave (cannot check: "
    )
    assert "the console exited 45s before" in watched.left_early
    calm = watch(trigger(tmp_path), reconcilers=reconcilers[2:])
    await calm.check(Reader())  # type: ignore[arg-type]
    assert calm.settled and calm.finished and calm.left_early.endswith("the console exited before the platform had recovered")


def test_what_was_ok_before_has_nothing_to_recover_from(tmp_path: Path) -> None:
    """A panel that was ok at the time of the change, or that has no threshold: its value afterwards is no recovery."""
    plan = Plan(Request("rollback", "deployment/api"), "t", "s", (), (), "", "", {})

    def was_unhealthy(own: Trigger, value: float | None) -> bool:
        before = RecoveryProbe(value)
        return RecoveryWatch(Action(), plan, own, before, "rolled out", settings=settings(tmp_path)).was_unhealthy  # type: ignore[arg-type]

    panel = trigger(tmp_path, panel_id="error_ratio")
    assert [was_unhealthy(panel, value) for value in (7.8, None, 0.0)] == [True, True, False]
    assert not was_unhealthy(trigger(tmp_path, panel_id="workloads"), 18.0)
    assert not was_unhealthy(trigger(tmp_path), None)
