"""Readings become one snapshot: states of sources, merged alerts, stale values."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopwatch import quickest

from console.alerts.merge import AlertMerger
from console.cli.status import HEALTHY, UNKNOWN, exit_code
from console.config.settings import Paths, Settings
from console.journal.acknowledgements import Acknowledgement
from console.monitor.source_results import ServerStart
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook
from console.state.journal_state import JournalState
from console.state.revisions import RevisionRecord
from queries.alertmanager import AlertmanagerState
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.model.alert import Alert, AlertRule, AlertState, Priority
from queries.model.cluster import Cluster
from queries.model.fault import Fault, FaultKind
from queries.model.panel import Origin, PanelSpec, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.pod import Pod
from queries.model.series import Sample
from queries.model.source import Health, PollResult
from queries.model.verdict import Verdict
from queries.model.workload import Container, Revision, Workload
from queries.prometheus.panel_fetcher import PanelResults
from queries.prometheus.responses import RulesResult

NOW = 1_800_000_000.0
PATHS = Paths("", "", "", "", "", "")
SETTINGS = Settings(
    environment="demo",
    namespace="n",
    protected=False,
    read_only=False,
    user="you@host",
    paths=PATHS,
    prometheus=Endpoint("http://p"),
    alertmanagers=(Endpoint("http://a"), Endpoint("http://b")),
    kubernetes=ClusterEndpoint("n"),
)
SPECS = (PanelSpec("error_ratio", "Error ratio", Unit.PERCENT, raw="up", threshold=Threshold(1.0, 5.0)),)
RUNBOOKS = RunbookIndex((Runbook("triage", "triage.md", "Triage"), Runbook("high-error-rate", "h.md", "H", ("HighErrorRate",))))
DOWN = Fault(FaultKind.UNREACHABLE, "connection refused", "http://p", "is it running?")


SERVING = Workload("n", "api", "u", "1", 1, 1, 2, 2, 2, 2, 2, paused=False, revision=1, created_at=NOW - 9e5)


def board(settings: Settings = SETTINGS) -> StateStore:
    return StateStore(settings, SPECS, runbooks=RUNBOOKS)


def reading(source: str, value: Any = None, *, at: float = NOW, fault: Fault | None = None) -> PollResult[Any]:
    return PollResult(source, at, 0.01, value, fault)


def panels(value: float) -> PanelResults:
    return PanelResults((PanelResult("error_ratio", Origin.RAW, "up", (Sample((), value),)),), ())


def manager(*alerts: Alert, up: int = 2) -> AlertmanagerState:
    faults = (DOWN,) if up < 2 else ()
    return AlertmanagerState(alerts, (), (), up, 2, "0.28", faults)


def alert(
    name: str = "HighErrorRate", *, of: str = "am", at: float = NOW - 600, state: AlertState = AlertState.ACTIVE, **more: str
) -> Alert:
    labels = tuple(sorted({"alertname": name, "severity": "critical", **more}.items()))
    return Alert(f"{of}:{labels}", state, labels, starts_at=at)


def rules(*alerts: Alert, wait: float = 120.0) -> RulesResult:
    return RulesResult((AlertRule("HighErrorRate", "x > 5", wait, (), (), "firing", "ok"),), alerts, ())


def test_a_panel_keeps_its_state_until_something_differs() -> None:
    """The same result at the same age is not evaluated again; an age that is shown is exact."""
    store = board()
    answer = panels(9.0)
    store.apply(reading("prometheus", answer))
    first = store.snapshot(NOW + 0.05).panels[0]
    assert first.verdict is Verdict.CRITICAL
    store.apply(reading("prometheus", answer, at=NOW + 1.0))
    assert store.snapshot(NOW + 1.09).panels[0] is first
    later = store.snapshot(NOW + 1.2).panels[0]
    assert later == first and later.age_seconds == pytest.approx(0.2)
    for age in (60.0, 60.04, 61.0):
        old = store.snapshot(NOW + 1.0 + age).panels[0]
        assert (old.verdict, old.age_seconds) == (Verdict.STALE, pytest.approx(age, abs=1e-6))
    store.apply(reading("prometheus", answer, at=NOW + 100.0))
    assert store.snapshot(NOW + 100.0).panels[0] == first
    store.apply(reading("prometheus", panels(0.5), at=NOW + 101.0))
    assert store.snapshot(NOW + 101.0).panels[0].verdict is Verdict.OK


@given(st.lists(st.tuples(st.sampled_from(["same", "other", "failed", "none"]), st.floats(0.0, 50.0)), max_size=12))
def test_a_kept_state_is_what_an_evaluation_returns(steps: list[tuple[str, float]]) -> None:
    """Whatever came before, and whenever somebody looks: as in a store that keeps nothing."""
    kept, results = board(), {"same": panels(9.0), "other": panels(0.5)}
    now, seen = NOW, []
    for step, seconds in [("same", 0.0), *steps]:
        now += seconds
        if step != "none":
            seen.append(reading("prometheus", results.get(step), at=now, fault=DOWN if step == "failed" else None))
            kept.apply(seen[-1])
        found = kept.snapshot(now + 0.03).panels[0]
        fresh = board()
        for item in seen:
            fresh.apply(item)
        wanted = fresh.snapshot(now + 0.03).panels[0]
        assert found == wanted
        assert (found.age_seconds is None) == (wanted.age_seconds is None)
        assert abs((found.age_seconds or 0.0) - (wanted.age_seconds or 0.0)) < (1e-9 if found.verdict is Verdict.STALE else 0.1)


def test_nothing_asked_yet_is_waiting_and_not_healthy() -> None:
    """Before the first answer everything waits, no alert list is known, and no source has answered."""
    told = board().snapshot(NOW)
    assert [item.health for item in told.sources] == [Health.WAITING, Health.WAITING, Health.WAITING, Health.NOT_CONFIGURED]
    assert not told.alerts_known
    assert not told.answered
    assert told.panels[0].reason == "no answer yet"


def test_a_source_that_is_being_started_is_not_down() -> None:
    """Until it first answers its failures are those of the start; afterwards, or when the start is over, they are its own."""
    view = board()
    start = ServerStart({"prometheus": "starting Prometheus …"})
    view.start = start
    view.apply(reading("prometheus", fault=DOWN))
    view.apply(reading("alertmanager", fault=DOWN))
    told = view.snapshot(NOW)
    assert [(item.health, item.detail) for item in told.sources[:2]] == [
        (Health.WAITING, "starting Prometheus …"),
        (Health.DOWN, ""),
    ]
    assert told.panels[0].reason == "no answer yet"
    view.apply(reading("prometheus", panels(0.3)))
    view.apply(reading("prometheus", at=NOW + 1, fault=DOWN))
    assert view.snapshot(NOW + 1).sources[0].health is Health.DOWN
    other = board()
    other.start, start.ended_at = start, NOW
    other.apply(reading("prometheus", at=NOW + 0.001, fault=DOWN))
    told = other.snapshot(NOW + 0.001)
    assert (told.sources[0].health, told.sources[0].detail) == (Health.WAITING, ""), "the request was sent before the end"
    other.apply(reading("prometheus", at=NOW + 1.0, fault=DOWN))
    assert other.snapshot(NOW + 1.0).sources[0].health is Health.DOWN


def test_a_source_that_fails_keeps_its_last_value_which_grows_stale() -> None:
    """The value stays with its age; after two missed rounds it is called stale; recovery needs one answer."""
    view = board()
    view.apply(reading("prometheus", panels(0.3)))
    assert view.snapshot(NOW).panels[0].verdict is Verdict.OK
    view.apply(reading("prometheus", at=NOW + 5, fault=DOWN))
    soon, later = view.snapshot(NOW + 6), view.snapshot(NOW + 11)
    assert soon.source("prometheus") is not None
    assert soon.sources[0].health is Health.DOWN
    assert soon.sources[0].last_good_at == NOW
    assert (later.panels[0].verdict, later.panels[0].value, later.panels[0].age_seconds) == (Verdict.STALE, 0.3, 11.0)
    assert "connection refused" in later.panels[0].reason
    view.apply(reading("prometheus", panels(0.4), at=NOW + 20))
    assert view.snapshot(NOW + 20).panels[0].verdict is Verdict.OK
    assert view.snapshot(NOW + 20).sources[0].health is Health.UP


def test_a_clock_that_is_set_back_makes_no_old_value_current() -> None:
    """While Prometheus and the cluster do not answer, somebody sets this machine's clock back by an hour: what was stale stays
    so, and is not ok for the next hour; nor is a source up that says nothing any more. The next answers end that.
    """
    view = board()
    workloads = StateStore(SETTINGS, (PanelSpec("workloads", "Workloads", Unit.COUNT, source="kubernetes"),), runbooks=RUNBOOKS)
    view.apply(reading("prometheus", panels(0.3)))
    workloads.apply(reading("kubernetes", Cluster("n", workloads=(SERVING,))))
    assert view.snapshot(NOW).panels[0].verdict is workloads.snapshot(NOW).panels[0].verdict is Verdict.OK
    set_back = NOW - 3600.0
    assert view.snapshot(set_back).sources[0].health is Health.DOWN
    for fault in (None, DOWN):
        if fault is not None:
            view.apply(reading("prometheus", at=set_back, fault=fault))
            workloads.apply(reading("kubernetes", at=set_back, fault=fault))
        told = [store.snapshot(set_back + 1.0).panels[0] for store in (view, workloads)]
        assert [(item.verdict, item.age_seconds) for item in told] == [(Verdict.STALE, 0.0)] * 2
    view.apply(reading("prometheus", panels(0.4), at=set_back + 5.0))
    workloads.apply(reading("kubernetes", Cluster("n", workloads=(SERVING,)), at=set_back + 5.0))
    assert [store.snapshot(set_back + 6.0).panels[0].verdict for store in (view, workloads)] == [Verdict.OK] * 2


def test_a_poll_that_hangs_does_not_stay_up() -> None:
    """An 'up' that nobody renewed becomes 'down', and the value stale."""
    view = board()
    view.apply(reading("prometheus", panels(0.3)))
    told = view.snapshot(NOW + 31)
    assert (told.sources[0].health, told.panels[0].verdict) == (Health.DOWN, Verdict.STALE)


@pytest.mark.parametrize(("fault", "health"), [(DOWN, Health.DOWN), (replace(DOWN, kind=FaultKind.DENIED), Health.DENIED)])
def test_refusal_and_absence_differ(fault: Fault, health: Health) -> None:
    """Denied is not down: what to try is another thing."""
    view = board()
    view.apply(reading("prometheus", fault=fault))
    assert view.snapshot(NOW).sources[0].health is health


def test_a_busy_source_is_not_down() -> None:
    """A server over its limit answers: DEGRADED while its last list is current, then STALE, and the list says so."""
    busy = Fault(FaultKind.THROTTLED, "the server is over its limit: 503", status=503)
    view = board()
    view.apply(reading("alertmanager", manager(alert())))
    view.apply(reading("alertmanager", at=NOW + 5, fault=busy))
    soon, later = view.snapshot(NOW + 6), view.snapshot(NOW + 60)
    assert (soon.sources[1].health, later.sources[1].health) == (Health.DEGRADED, Health.STALE)
    assert soon.alerts_caveat == ""
    assert "Alertmanager STALE: the server is over its limit: 503" in later.alerts_caveat


def test_a_source_that_answers_in_part_is_degraded() -> None:
    """A lost peer, a refused query and missing rules degrade a source; the rest of it lives."""
    view = board()
    view.apply(reading("alertmanager", manager(alert(), up=1)))
    refused = Fault(FaultKind.REJECTED, "bad PromQL")
    view.apply(reading("prometheus", PanelResults((PanelResult("error_ratio", Origin.RAW, "up", fault=refused),), ())))
    told = view.snapshot(NOW)
    assert [(item.health, item.detail) for item in told.sources[:2]] == [
        (Health.DEGRADED, "1 of 1 queries refused"),
        (Health.DEGRADED, "1/2"),
    ]
    assert len(told.alerts) == 1
    view.apply(reading("prometheus", panels(0.1)))
    view.apply(reading("rules", fault=refused))
    assert view.snapshot(NOW).sources[0].detail == "no rules"


def test_advice_does_not_degrade_a_source_and_a_gap_has_its_own_word() -> None:
    """Infos leave a source up; a server that answers from a part of its storage is partial, with its sentence."""
    view = board()
    view.apply(reading("prometheus", replace(panels(0.1), infos=("PromQL info: i",))))
    assert view.snapshot(NOW).sources[0].health is Health.UP
    view.apply(reading("prometheus", replace(panels(0.1), warnings=("store x is down",), partial="store x is down")))
    told = view.snapshot(NOW).sources[0]
    assert (told.health, told.warnings, told.health.serves) == (Health.PARTIAL, ("store x is down",), True)


def test_a_late_source_stays_partial() -> None:
    """`partial` says more than `degraded`, and stays the word while the next answer is late."""
    view = board()
    view.apply(reading("prometheus", replace(panels(0.1), partial="store x is down")))
    view.mark_late("prometheus", NOW)
    told = view.snapshot(NOW + 3.0).sources[0]
    assert (told.health, told.detail) == (Health.PARTIAL, "no answer for 3s")


def test_alerts_from_a_partial_list_say_so() -> None:
    """Without Alertmanager the alerts of the groups that Prometheus did not list are unknown: `status` exits 3."""
    view = board(replace(SETTINGS, alertmanagers=(), kubernetes=None))
    view.apply(reading("prometheus", panels(0.1)))
    view.apply(reading("rules", rules()))
    told = view.snapshot(NOW)
    assert (told.alerts_partial, "partial" in told.alerts_caveat, exit_code(told)) == ("", False, HEALTHY)
    view.apply(reading("rules", replace(rules(), partial="ruler 2 is down")))
    told = view.snapshot(NOW)
    assert told.alerts_caveat.endswith("; others may fire, the list is partial: ruler 2 is down")
    assert exit_code(told) == UNKNOWN
    view = board()
    view.apply(reading("alertmanager", manager()))
    view.apply(reading("rules", replace(rules(), partial="ruler 2 is down")))
    assert view.snapshot(NOW).alerts_partial == ""


def test_no_rules_but_alerts_means_that_the_rules_are_elsewhere() -> None:
    """A server that lists no rule while alerts arrive is not one under which nothing will ever fire."""
    view = board()
    view.apply(reading("prometheus", panels(0.1)))
    view.apply(reading("rules", RulesResult((), (), ())))
    view.apply(reading("alertmanager", manager()))
    assert view.snapshot(NOW).sources[0].detail == ""
    view.apply(reading("alertmanager", manager(alert())))
    assert view.snapshot(NOW).sources[0].detail == "rules are not visible here"


def test_alerts_are_joined_past_external_labels() -> None:
    """Alertmanager's alert takes the live value of the rule's instance although its labels have more."""
    view = board()
    view.apply(reading("alertmanager", manager(alert(cluster="eu"))))
    view.apply(reading("rules", rules(replace(alert(of="prometheus"), value=7.8))))
    told = view.snapshot(NOW).alerts
    assert [(item.alert.state, item.alert.value) for item in told] == [(AlertState.ACTIVE, 7.8)]
    assert told[0].runbook is not None
    assert (told[0].runbook.id, told[0].runbook.matched_by) == ("high-error-rate", "alertname")


def test_what_is_inhibited_stands_below_what_is_not() -> None:
    """Of two equally bad alerts the one that nothing hides is on top, though it is younger; a less bad one comes last."""
    subject = board()
    hidden = alert("BudgetBurns", state=AlertState.SUPPRESSED, at=NOW - 900)
    warning = alert("HighLatency", severity="warning", at=NOW - 9000)
    subject.apply(reading("alertmanager", manager(warning, hidden, alert("HighErrorRate"))))
    assert [item.alert.name for item in subject.snapshot(NOW).alerts] == ["HighErrorRate", "BudgetBurns", "HighLatency"]


def test_an_alert_that_no_alertmanager_knows_is_undelivered() -> None:
    """Firing long enough and unknown to an Alertmanager that answers: nobody was notified, and the console says so."""
    view = board()
    view.apply(reading("alertmanager", manager()))
    view.apply(reading("rules", rules(alert(of="prometheus"))))
    assert [item.alert.state for item in view.snapshot(NOW).alerts] == [AlertState.UNDELIVERED]


def test_an_alert_that_has_just_begun_is_not_called_undelivered() -> None:
    """Activation plus `for` plus 30 s must have passed."""
    view = board()
    view.apply(reading("alertmanager", manager()))
    view.apply(reading("rules", rules(alert(of="prometheus", at=NOW - 130))))
    assert view.snapshot(NOW).alerts == ()


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_how_long_an_alert_fires_is_told_by_the_clock_of_its_server(ahead: float) -> None:
    """With an hour between this machine's clock and Prometheus', an alert that nobody was notified of is not hidden for an
    hour, and one that has just begun is not called undelivered; the heartbeat likewise.
    """
    view = board()
    view.apply(reading("alertmanager", manager()))

    def list_after(seconds: float) -> tuple[list[AlertState], bool]:
        since = NOW + ahead - seconds
        beat, fired = alert("Watchdog", of="p", at=since), alert(of="prometheus", at=since)
        listed = replace(rules(beat, fired, wait=0.0), ahead_seconds=ahead)
        view.apply(reading("rules", replace(listed, rules=(*listed.rules, *beating().rules))))
        found = view.snapshot(NOW)
        return [item.alert.state for item in found.alerts], bool(found.delivery_doubt)

    assert list_after(600.0) == ([AlertState.UNDELIVERED], True)
    assert list_after(5.0) == ([], False)


def test_an_alert_that_ended_between_two_answers_is_not_called_undelivered() -> None:
    """Alertmanager forgets a resolved alert before the rules are asked again: that is no failure to deliver."""
    view = board()
    view.apply(reading("alertmanager", manager(alert())))
    view.apply(reading("rules", rules(alert(of="prometheus"))))
    view.apply(reading("alertmanager", manager(), at=NOW + 5))
    assert view.snapshot(NOW + 5).alerts == ()


def test_without_alertmanager_prometheus_still_tells_what_fires() -> None:
    """A dead Alertmanager hides nothing: what it had stays, what is new comes from the rules."""
    view = board()
    view.apply(reading("alertmanager", manager(alert("Old"))))
    view.apply(reading("alertmanager", at=NOW + 5, fault=DOWN))
    view.apply(reading("rules", rules(alert(of="prometheus")), at=NOW + 5))
    told = view.snapshot(NOW + 5)
    assert {item.alert.name for item in told.alerts} == {"Old", "HighErrorRate"}
    assert all(item.alert.state is AlertState.ACTIVE for item in told.alerts)
    assert told.alerts_age_seconds == 5.0


def test_whether_the_end_of_an_alert_can_be_known() -> None:
    """Only with a Prometheus that responds, or where none is configured. A command that requests only the rules goes by them; a
    server without an API for rules says nothing about whoever evaluates them.
    """
    bare = board(replace(SETTINGS, prometheus=None))
    assert bare.snapshot(NOW).ends_caveat == ""
    view = board()
    assert "(Prometheus has not responded yet)" in view.snapshot(NOW).ends_caveat
    view.apply(reading("rules", fault=DOWN))
    assert view.snapshot(NOW).ends_caveat == (
        "an alert that is not listed may still be firing: rule evaluation is not confirmed "
        "(Prometheus DOWN: connection refused at http://p: is it running?)"
    )
    view.apply(reading("rules", at=NOW + 1, fault=Fault(FaultKind.REJECTED, "404 page not found")))
    assert view.snapshot(NOW + 1).ends_caveat == ""
    view.apply(reading("rules", rules(), at=NOW + 2))
    assert view.snapshot(NOW + 2).ends_caveat == ""
    view.apply(reading("prometheus", at=NOW + 3, fault=DOWN))
    assert "(Prometheus DOWN: connection refused" in view.snapshot(NOW + 3).ends_caveat
    view.apply(reading("prometheus", panels(0.3), at=NOW + 4))
    assert view.snapshot(NOW + 4).ends_caveat == ""
    # A ruler of its own is down while Prometheus serves every panel.
    view.apply(reading("rules", at=NOW + 5, fault=DOWN))
    assert "(Prometheus did not return its rules: connection refused" in view.snapshot(NOW + 5).ends_caveat


def test_an_alertmanager_that_answered_before_keeps_its_list_with_its_age() -> None:
    """Gone later, the list is still its own as of then, with what only Prometheus has; with Prometheus gone too nothing is
    added; Prometheus' own list it is only where Alertmanager never answered.
    """
    view = board()
    view.apply(reading("alertmanager", manager(alert("Old"))))
    view.apply(reading("rules", rules(alert(of="prometheus"))))
    assert (view.snapshot(NOW).alerts_from, view.snapshot(NOW).alerts_caveat) == ("alertmanager", "")
    view.apply(reading("prometheus", panels(0.3), at=NOW + 30))
    view.apply(reading("alertmanager", at=NOW + 5, fault=DOWN))
    told = view.snapshot(NOW + 40)
    assert (told.alerts_from, len(told.alerts)) == ("alertmanager", 2)
    assert told.alerts_caveat.startswith("these alerts are Alertmanager's list of 40s ago and what only Prometheus has: ")
    assert "(Alertmanager DOWN: connection refused" in told.alerts_caveat
    for name in ("prometheus", "rules"):
        view.apply(reading(name, at=NOW + 41, fault=DOWN))
    told = view.snapshot(NOW + 65)
    assert told.alerts_from == "alertmanager"
    assert told.alerts_caveat.startswith(
        "these alerts are Alertmanager's list of 1m5s ago, and Prometheus, DOWN, adds nothing newer: "
    )
    never = board()
    never.apply(reading("rules", rules(alert(of="prometheus"))))
    never.apply(reading("alertmanager", at=NOW, fault=DOWN))
    assert never.snapshot(NOW).alerts_from == "prometheus"
    assert never.snapshot(NOW).alerts_caveat.startswith("Prometheus lists these alerts, not Alertmanager")


def test_pending_alerts_are_listed_and_do_not_count_as_firing() -> None:
    """What is pending in Prometheus is in the table, in its own state."""
    view = board()
    view.apply(reading("alertmanager", manager()))
    view.apply(reading("rules", rules(alert(of="pending", state=AlertState.PENDING))))
    told = view.snapshot(NOW)
    assert [item.alert.state for item in told.alerts] == [AlertState.PENDING]
    assert not told.critical


def test_relabelling_on_the_way_is_no_loss() -> None:
    """An alert whose label was dropped on its way did arrive; one with another value did not."""
    dropped = AlertMerger().merge((alert(),), (alert(of="prometheus", replica="a"),))
    assert dropped.missing == ()
    other = AlertMerger().merge((alert(provider="paddle"),), (alert(of="prometheus", provider="deepseek"),))
    assert len(other.missing) == 1


def test_owners_and_actions_come_with_the_alert() -> None:
    """The owner mark and the rollback that would help stand at the alert, from what is known of the cluster."""
    now_there = (Container("api", "r/cad-ml-api:1.9.0"),)
    before = (Container("api", "r/cad-ml-api:1.8.2"),)
    api = Workload(
        "n", "cad-ml-api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 2, NOW - 9e5, containers=now_there, change_cause="ci"
    )
    cluster = Cluster("n", (api,), (Revision(1, "a", "u", NOW - 9e5, 0, containers=before), Revision(2, "b", "u", NOW - 60, 3)))
    view = board()
    firing = alert(deployment="cad-ml-api")
    view.apply(reading("alertmanager", manager(firing)))
    view.snapshot(NOW)
    view.apply(reading("kubernetes", cluster))
    seen = {("u", "a"): RevisionRecord(ready_at=NOW - 9e5)}
    view.set_ledger(JournalState(owners={firing.fingerprint: Acknowledgement("you", NOW)}, revisions=seen))
    told = view.snapshot(NOW)
    assert told.alerts[0].owner == "you"
    assert told.alerts[0].suggestions[0].sentence == "roll back cad-ml-api 2 → 1 (image 1.9.0 → 1.8.2)"
    assert told.alerts[0].suggestions[0].command == "kubectl -n n rollout undo deployment/cad-ml-api --to-revision=1"
    assert [item.text for item in told.changes] == ["cad-ml-api 1→2 image 1.8.2 → 1.9.0 (ci)"]


def test_five_thousand_alerts_cost_nothing_while_they_stay() -> None:
    """With 5,000 alerts a snapshot after a reading of the panels takes less than 10 ms."""
    view = board()
    listed = [alert(f"A{n % 50}", provider=str(n), cluster="eu") for n in range(5000)]
    evaluated = [replace(alert(f"A{n % 50}", of="prometheus", provider=str(n)), value=1.0) for n in range(5000)]
    view.apply(reading("alertmanager", manager(*listed)))
    begun = time.thread_time()
    view.apply(reading("rules", rules(*evaluated)))
    first = view.snapshot(NOW)
    whole = time.thread_time() - begun
    assert len(first.alerts) == 5000
    assert all(item.alert.value == 1.0 for item in first.alerts)
    view.apply(reading("prometheus", panels(0.1)))
    assert quickest(lambda: view.snapshot(NOW + 1)) < 0.01
    assert whole < 2.0
    print(f"whole {whole:.3f}")


def test_what_is_said_again_is_not_put_together_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal readings of both servers join no alert anew and give the same entries; one that differs does both."""
    joins: list[int] = []
    merge = AlertMerger.merge
    monkeypatch.setattr(AlertMerger, "merge", lambda *given: joins.append(1) or merge(*given))
    view = board()

    def join_at(value: float) -> tuple[object, ...]:
        view.apply(reading("alertmanager", manager(alert(cluster="eu"))))
        view.apply(reading("rules", rules(replace(alert(of="prometheus"), value=value))))
        return view.snapshot(NOW).alerts

    first = join_at(1.0)
    before = len(joins)
    assert join_at(1.0)[0] is first[0] and len(joins) == before
    assert join_at(2.0)[0] is not first[0] and len(joins) > before


def test_an_alert_is_found_while_a_snapshot_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for one, as the loop that draws does, waits for no thread that is at a snapshot, and gets it as last listed."""
    view = board()
    view.apply(reading("alertmanager", manager(alert())))
    (known,) = view.snapshot(NOW).alerts
    begun, going, done = threading.Event(), threading.Event(), threading.Event()

    def slow(*given: Any) -> Any:
        begun.set()
        going.wait(10.0)
        return merge(*given)

    merge = AlertMerger.merge
    monkeypatch.setattr(AlertMerger, "merge", slow)
    view.apply(reading("alertmanager", manager(alert(), alert("Other"))))
    digest = threading.Thread(target=view.snapshot, args=(NOW + 1,))
    digest.start()
    assert begun.wait(5.0)
    found: list[Alert | None] = []
    asking = threading.Thread(target=lambda: (found.append(view.alert(known.alert.fingerprint)), done.set()))
    asking.start()
    in_time = done.wait(1.0)
    going.set()
    digest.join()
    asking.join()
    assert in_time
    assert found == [known.alert]


def test_five_thousand_pods_cost_little() -> None:
    """With 5,000 pods, 50 workloads and an alert for each pod, a snapshot without news takes less than 20 ms."""
    names = [f"w{number}" for number in range(50)]
    workloads = tuple(
        Workload("n", name, name, "1", 1, 1, 100, 100, 100, 100, 100, False, 1, NOW, selector=(("app", name),))
        for name in names
    )
    pods = tuple(
        Pod("n", f"{names[n % 50]}-{n}", str(n), "Running", True, 0, NOW, labels=(("app", names[n % 50]), ("x", "y")))
        for n in range(5000)
    )
    view = board()
    begun = time.perf_counter()
    view.apply(reading("kubernetes", Cluster("n", workloads, (), pods)))
    view.apply(reading("alertmanager", manager(*(alert("PodNotReady", pod=pod.name) for pod in pods))))
    first = view.snapshot(NOW)
    whole = time.perf_counter() - begun
    assert all(
        item.suggestions[0].target == f"deployment/{dict(item.alert.labels)['pod'].split('-')[0]}" for item in first.alerts
    )
    begun = time.perf_counter()
    view.apply(reading("kubernetes", Cluster("n", workloads, (), (replace(pods[0], ready=False), *pods[1:]))))
    view.snapshot(NOW + 1)
    again = time.perf_counter() - begun
    assert whole < 3.0
    assert again < 0.1
    assert quickest(lambda: view.snapshot(NOW + 2)) < 0.02


def beating(*alerts: Alert, name: str = "Watchdog") -> RulesResult:
    """Rules with a dead-man's switch of this name."""
    return RulesResult((AlertRule(name, "vector(1)", 0.0, (), (), "firing", "ok"),), alerts, ())


def test_the_heartbeat_is_never_an_alert() -> None:
    """Neither delivered nor firing in Prometheus alone is it listed or counted; what fires beside it is."""
    view = board()
    view.apply(reading("alertmanager", manager(alert("Watchdog"), alert())))
    view.apply(reading("rules", beating(alert("Watchdog", of="p"), alert(of="p"))))
    told = view.snapshot(NOW)
    assert [item.alert.name for item in told.alerts] == ["HighErrorRate"]
    assert (told.firing(Priority.P1), len(told.active), told.delivery_doubt) == (1, 1, "")
    view.apply(reading("alertmanager", manager(alert())))
    view.apply(reading("rules", beating(alert("Watchdog", of="p"), alert(of="p")), at=NOW + 5))
    later = view.snapshot(NOW + 200)
    assert [item.alert.name for item in later.alerts] == ["HighErrorRate"] and later.count(AlertState.UNDELIVERED) == 0


def test_a_heartbeat_that_does_not_arrive_is_doubt_only_while_both_servers_answer() -> None:
    """Then the snapshot says that no alert proves nothing; with one of them down, that is what there is to say."""
    view = board()
    view.apply(reading("rules", beating(alert("Watchdog", of="p"))))
    assert view.snapshot(NOW).delivery_doubt == "", "Alertmanager was never heard"
    view.apply(reading("alertmanager", manager()))
    assert "Watchdog does not reach Alertmanager" in view.snapshot(NOW).delivery_doubt
    manager_state = view.snapshot(NOW).sources[1]
    assert manager_state.health is Health.DEGRADED and manager_state.warnings == (view.snapshot(NOW).delivery_doubt,)
    view.apply(reading("alertmanager", fault=DOWN, at=NOW + 5))
    assert view.snapshot(NOW + 5).delivery_doubt == ""
    view.apply(reading("alertmanager", manager(), at=NOW + 10))
    view.apply(reading("rules", fault=DOWN, at=NOW + 10))
    assert view.snapshot(NOW + 10).delivery_doubt == ""
    view.apply(reading("rules", beating(alert("Watchdog", of="p")), at=NOW + 15))
    view.apply(reading("alertmanager", manager(alert("Watchdog")), at=NOW + 15))
    assert view.snapshot(NOW + 15).delivery_doubt == ""


def test_the_heartbeat_is_called_what_the_configuration_says() -> None:
    """With another name the switch of that name is meant, and Watchdog is an alert like any other."""
    view = board(replace(SETTINGS, heartbeat_alert="DeadMansSwitch"))
    view.apply(reading("alertmanager", manager(alert("Watchdog"))))
    view.apply(reading("rules", beating(alert("DeadMansSwitch", of="p"), alert("Watchdog", of="p"), name="DeadMansSwitch")))
    told = view.snapshot(NOW)
    assert [item.alert.name for item in told.alerts] == ["Watchdog"]
    assert "DeadMansSwitch does not reach" in told.delivery_doubt


def test_a_snapshot_of_the_same_results_is_built_without_waiting() -> None:
    """It is what the thread would build; another value, a fault and a store that is in use are left to that."""
    store = board()
    panels = PanelResults((PanelResult("error_ratio", Origin.RAW, "up", (Sample((), 2.0),)),))
    state = AlertmanagerState((), (), (), 2, 2, "0.28")

    def results(at: float, value: object = panels) -> list[PollResult[Any]]:
        return [PollResult("prometheus", at, 0.01, value), PollResult("alertmanager", at, 0.01, replace(state))]

    def rebuild(at: float, given: list[PollResult[Any]]) -> object:
        return store.rebuild(given, lambda: store.snapshot(at), now=at)

    assert rebuild(NOW, results(NOW)) is None  # nothing is known yet
    for result in (*results(NOW), PollResult("kubernetes", NOW, 0.01, Cluster("n"))):
        store.apply(result)
    assert store.snapshot(NOW).source("prometheus") is not None
    found = rebuild(NOW + 1.0, results(NOW + 1.0))
    assert found == store.snapshot(NOW + 1.0)
    assert found.source("prometheus").last_good_at == NOW + 1.0  # type: ignore[attr-defined]
    moved = replace(panels, results=(replace(panels.results[0], samples=(Sample((), 9.0),)),))
    assert rebuild(NOW + 2.0, results(NOW + 2.0, moved)) is None
    assert rebuild(NOW + 2.0, [PollResult("prometheus", NOW + 2.0, 0.01, fault=DOWN)]) is None
    assert store.snapshot(NOW + 2.0).panels[0].value == 2.0
    assert rebuild(NOW + 20.0, results(NOW + 20.0)) is None  # restarts and Jobs age
    store.snapshot(NOW + 20.0)
    held, free = threading.Event(), threading.Event()

    def hold() -> object:
        held.set()
        assert free.wait(30.0)
        return store.snapshot(NOW + 21.0)

    thread = threading.Thread(target=lambda: store.rebuild([], hold, now=NOW + 21.0))  # type: ignore[arg-type]
    thread.start()
    assert held.wait(30.0)
    assert rebuild(NOW + 21.0, results(NOW + 21.0)) is None
    free.set()
    thread.join()
    assert rebuild(NOW + 21.0, results(NOW + 21.0)) is not None
