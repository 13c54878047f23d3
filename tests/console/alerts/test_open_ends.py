"""An alert that left Alertmanager's list is over once the rules show it, and not before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import NOW, settings, tracked

from console.alerts.resolution import has_ended
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from console.state.snapshot import HAS_NO_RULES, Snapshot
from queries.alertmanager import AlertmanagerState
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertRule, AlertState
from queries.model.fault import Fault, FaultKind
from queries.model.series import Labels
from queries.model.source import PollResult
from queries.prometheus.panel_fetcher import PanelResults
from queries.prometheus.responses import RulesResult

FIRING = replace(tracked("HighErrorRate", "critical", pod="a").alert, starts_at=NOW - 10.0)
EXTERNAL = (("cluster", "eu"),)
LISTED = replace(FIRING, fingerprint="a1", labels=tuple(sorted((*FIRING.labels, *EXTERNAL))))
FOREIGN = replace(LISTED, fingerprint="b1", labels=tuple(sorted((*FIRING.labels, ("cluster", "us")))))
SENT = replace(FIRING, fingerprint="prometheus:1")
PENDING = replace(FIRING, fingerprint="pending:1", state=AlertState.PENDING)
OTHER = replace(tracked("HighErrorRate", "critical", pod="b").alert, fingerprint="prometheus:2", starts_at=NOW)
OWN = replace(tracked("OfAnotherSender", "critical").alert, fingerprint="a2")
DOWN = Fault(FaultKind.UNREACHABLE, "connection refused")


def rules(*alerts: Alert, health: str = "ok", name: str = "HighErrorRate") -> RulesResult:
    rule = AlertRule(name, "x > 5", 0.0, (), (), "firing" if alerts else "inactive", health)
    return RulesResult((rule,), alerts, (), external_labels=EXTERNAL)


class Platform:
    """Alertmanager and Prometheus, whose answers a state store gets."""

    def __init__(self, tmp_path: Path, *, prometheus: bool = True) -> None:
        servers = {"prometheus": Endpoint("http://p") if prometheus else None, "alertmanagers": (Endpoint("http://a"),)}
        self.store = StateStore(settings(tmp_path, **servers), (), runbooks=RunbookIndex.load(""))
        self._now = NOW

    def answer(self, source: str, value: object, after: float, *, took: float = 0.5) -> None:
        fault = value if isinstance(value, Fault) else None
        self._now = NOW + after
        self.store.apply(PollResult("prometheus", self._now, took, PanelResults((), ())))
        self.store.apply(PollResult(source, self._now, took, None if fault else value, fault))

    def list(self, *alerts: Alert, after: float, started: float | None = None, lost: tuple[Fault, ...] = ()) -> None:
        self.answer("alertmanager", AlertmanagerState(alerts, (), (), 1, 1, "", lost, started), after)

    def snapshot(self) -> Snapshot:
        return self.store.snapshot(self._now)

    def ended(self) -> bool:
        """Without the labels (of an acknowledged alert only the fingerprint is known) no more is known than with them."""
        shown = self.snapshot()
        answer = has_ended("a1", LISTED.labels, shown)
        assert answer or not has_ended("a1", (), shown)
        return answer


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """The alert fires, and Alertmanager has it and then not."""
    made = Platform(tmp_path)
    made.list(LISTED, after=0.0)
    made.answer("rules", rules(SENT), 1.0)
    made.list(after=5.0)
    return made


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (rules(), True),
        (rules(OTHER), True),
        (rules(SENT), False),
        (rules(PENDING), False),
        (rules(health="unknown"), False),
        (rules(health="err"), False),
        (DOWN, False),
    ],
)
def test_the_rules_after_the_list_decide(platform: Platform, answer: object, ended: bool) -> None:
    """Until they arrive nothing is known. It is over where they were evaluated without it, and not where it fires for less
    time than its delivery takes, or is pending again after a restart.
    """
    assert not platform.ended()
    platform.answer("rules", answer, 16.0)
    assert platform.ended() is ended


def test_rules_that_were_requested_before_the_list_decide_nothing(platform: Platform) -> None:
    """They may be of a moment at which it did not fire yet."""
    platform.answer("rules", rules(), 6.0, took=2.0)
    assert not platform.ended()
    platform.answer("rules", rules(), 21.0)
    assert platform.ended()


def test_an_alert_that_is_listed_again_has_not_ended(platform: Platform) -> None:
    """Prometheus sends it again to the Alertmanager that lost it; its later end needs rules of its own."""
    platform.answer("rules", rules(SENT), 16.0)
    platform.list(LISTED, after=20.0)
    assert platform.snapshot().open_ends == () and not platform.ended()
    platform.list(after=25.0)
    assert not platform.ended()
    platform.answer("rules", rules(), 31.0)
    assert platform.ended()


@pytest.mark.parametrize("left", [(), rules(name="SomethingElse").rules])
def test_rules_that_may_be_incomplete_end_no_alert(platform: Platform, left: tuple[AlertRule, ...]) -> None:
    """A Thanos Query that lost a ruler answers without its rules: that is not a Prometheus without them."""
    platform.answer("rules", replace(rules(), rules=left, partial="the ruler is lost"), 16.0)
    assert platform.snapshot().ends_caveat == "an alert that is not listed may still be firing: the ruler is lost"
    platform.answer("rules", rules(), 31.0)
    assert platform.snapshot().ends_caveat == "" and platform.ended()


def test_rules_that_return_after_a_long_partial_answer_wait_as_after_an_outage(platform: Platform) -> None:
    """The ruler that was lost may have restarted."""
    for after in (16.0, 100.0):
        platform.answer("rules", replace(rules(), partial="the ruler is lost"), after)
    platform.answer("rules", rules(), 115.0)
    assert not platform.ended()
    platform.answer("rules", rules(), 300.0)
    assert platform.ended()


@pytest.mark.parametrize("kind", HAS_NO_RULES)
def test_a_broken_answer_does_not_take_its_rules_from_a_server(platform: Platform, kind: FaultKind) -> None:
    """A cut answer, or the page of a proxy in front of it: the server listed rules before, and has them still."""
    platform.answer("rules", Fault(kind, "no JSON"), 6.0)
    platform.list(after=10.0)
    assert "did not return its rules: no JSON" in platform.snapshot().ends_caveat and not platform.ended()
    platform.answer("rules", rules(SENT), 21.0)
    assert not platform.ended()
    platform.answer("rules", rules(), 36.0)
    assert platform.ended()


def test_a_list_without_a_lost_peer_ends_no_alert_of_another_sender(tmp_path: Path) -> None:
    """The lost peer alone may have it. With a rule here the rules decide, whichever peers answer."""
    platform = Platform(tmp_path)
    platform.list(LISTED, OWN, after=0.0, started=NOW - 900.0)
    platform.answer("rules", rules(), 1.0)
    platform.list(after=5.0, started=NOW - 900.0, lost=(DOWN,))
    platform.answer("rules", rules(), 16.0)
    assert platform.ended()
    assert [alert.name for alert in platform.snapshot().open_ends] == [OWN.name]
    platform.list(after=20.0, started=NOW - 900.0)
    platform.answer("rules", rules(), 31.0)
    assert platform.snapshot().open_ends == ()


@pytest.mark.parametrize("before", [(), (DOWN,), (rules(health="unknown"),), (DOWN, rules(), DOWN)])
def test_a_clock_that_was_set_back_prolongs_no_wait(platform: Platform, before: tuple[object, ...]) -> None:
    """By an hour: what was to wait for minutes does not wait for that hour too."""
    for at, answer in enumerate(before):
        platform.answer("rules", answer, 100.0 * (at + 1))
    platform.list(LISTED, after=500.0)
    platform.list(after=505.0)
    platform.answer("rules", rules(), -3600.0)
    platform.list(after=-3590.0)
    platform.answer("rules", rules(), -3400.0)
    assert platform.ended()


def test_an_outage_during_which_the_clock_was_set_back_counts_as_one(platform: Platform) -> None:
    """How long it was is not known, so the rules wait as after a long one."""
    platform.answer("rules", DOWN, 16.0)
    platform.answer("rules", rules(), -3600.0)
    assert not platform.ended()
    platform.answer("rules", rules(), -3450.0)
    assert platform.ended()


@pytest.mark.parametrize("seen", ["unknown", "gone"])
def test_prometheus_scrapes_again_before_its_rules_end_an_alert(platform: Platform, seen: str) -> None:
    """Its first evaluations after a restart have no samples to look at: they say nothing of what went before."""
    platform.answer("rules", rules(health="unknown") if seen == "unknown" else DOWN, 16.0)
    platform.answer("rules", rules(), 100.0)
    assert not platform.ended()
    platform.answer("rules", rules(), 300.0)
    assert platform.ended()


@pytest.mark.parametrize("configured", [True, False])
def test_an_alert_of_another_sender_is_over_once_alertmanager_ran_long_enough(tmp_path: Path, configured: bool) -> None:
    """No rule here tells. Alertmanager's word counts unless it has just started and waits for the alert to be sent again."""
    other = Platform(tmp_path, prometheus=configured)
    started, again = NOW - 900.0, NOW + 4.0

    def answer_rules(after: float) -> None:
        if configured:
            other.answer("rules", rules(name="SomethingElse"), after)

    other.list(LISTED, after=0.0, started=started)
    answer_rules(1.0)
    other.list(after=5.0, started=again)
    answer_rules(16.0)
    assert not other.ended()
    other.list(after=310.0, started=again)
    answer_rules(311.0)
    assert other.ended()
    other.list(LISTED, after=315.0, started=again)
    other.list(after=320.0, started=again)
    answer_rules(321.0)
    assert other.ended()


@pytest.mark.parametrize(
    ("external", "labels", "open_ends"),
    [
        (EXTERNAL, (), ["b1"]),
        ((), (), ["a1", "b1"]),
        ((), EXTERNAL, ["b1"]),
        ((), (("cluster", "us"),), ["a1"]),
        ((("region", "west"), *EXTERNAL), (), ["b1"]),
    ],
    ids=["external labels", "nothing known", "labels of the rule", "labels of the other rule", "a label that is dropped"],
)
def test_the_rules_of_one_cluster_end_no_alert_of_another(
    tmp_path: Path, external: Labels, labels: Labels, open_ends: list[str]
) -> None:
    """Two clusters have rules of one name and share an Alertmanager that has just started: the alert of the other one is not
    over because the rule here is evaluated without it. Where nothing says which cluster this is, neither is known to be over.
    """
    platform = Platform(tmp_path)
    started, again = NOW - 900.0, NOW + 4.0
    rule = replace(rules().rules[0], labels=labels)
    answer = replace(rules(), rules=(rule,), external_labels=external)
    platform.list(LISTED, FOREIGN, after=0.0, started=started)
    platform.answer("rules", answer, 1.0)
    platform.list(after=5.0, started=again)
    platform.answer("rules", answer, 16.0)
    assert [alert.fingerprint for alert in platform.snapshot().open_ends] == open_ends
    platform.list(after=310.0, started=again)
    platform.answer("rules", answer, 311.0)
    assert platform.snapshot().open_ends == ()


def test_a_session_that_has_not_read_the_rules_yet_knows_no_end(tmp_path: Path) -> None:
    """The panels came first."""
    platform = Platform(tmp_path)
    platform.list(after=0.0)
    assert "has not responded yet" in platform.snapshot().ends_caveat and not platform.ended()
    platform.answer("rules", rules(), 1.0)
    assert platform.ended()
