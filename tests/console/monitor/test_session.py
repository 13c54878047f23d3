"""The session on a platform on loopback: it lives, it recovers, it refuses what it must."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from told_platform import Series, ToldPlatform, told_platform

from console.actions.guard.gates import check_gates
from console.actions.plan import Outcome, Preview, Request, Stage
from console.config.load import load_settings
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import NoteWritten
from console.journal.sqlite import Journal
from console.monitor.journal_service import JournalService
from console.monitor.session import Session
from console.monitor.state_store import StateStore
from console.state.snapshot import Snapshot
from queries.alertmanager import AlertmanagerState
from queries.errors import NotConfigured
from queries.model.alert import Alert, AlertRule, AlertState
from queries.model.fault import Fault, FaultKind
from queries.model.matcher import parse_matchers
from queries.model.panel_result import HistoryRange
from queries.model.source import Health, PollResult
from queries.model.verdict import Verdict
from queries.prometheus.client import RulesResult
from queries.prometheus.panel_fetcher import PanelResults

ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": "HighErrorRate", "severity": "critical", "component": "platform"},
    "annotations": {},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2026-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "receivers": [],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}
RULES = {
    "status": "success",
    "data": {
        "groups": [
            {
                "name": "g",
                "rules": [
                    {
                        "type": "alerting",
                        "name": "HighErrorRate",
                        "query": "platform_error_ratio > 5",
                        "duration": 120,
                        "labels": {"severity": "critical"},
                        "health": "ok",
                        "state": "firing",
                    }
                ],
            }
        ]
    },
}


def vector(query: str) -> list[Series]:
    if "error_ratio/recorded" in query:
        return [({"__q__": "error_ratio/recorded"}, "7.8")]
    return [({"provider": "deepseek"}, "81"), ({"provider": "paddle"}, "99")] if query.startswith("(clamp_min(") else []


@pytest.fixture
def platform() -> Iterator[ToldPlatform]:
    pages = {"/api/v2/alerts": [ALERT], "/api/v1/rules": RULES, "/health": {"status": "healthy"}}
    with told_platform(vector=vector, pages=pages) as told:
        yield told


@pytest.fixture
async def session(platform: ToldPlatform, tmp_path: Path) -> AsyncIterator[Session]:
    settings = load_settings({"refresh": 0.05}, platform.environ(str(tmp_path)), service_account="/nonexistent")
    opened = await asyncio.to_thread(Session.open, dataclasses.replace(settings, backoff_cap_seconds=0.05))
    yield opened
    await opened.close()


class Watcher:
    """Keeps the newest snapshot and waits for one that a test wants."""

    def __init__(self, session: Session) -> None:
        self.seen: list[Snapshot] = []
        self.arrived = asyncio.Event()
        session.start(self.take)

    def take(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)
        self.arrived.set()

    async def until(self, met: Callable[[Snapshot], bool]) -> Snapshot:
        async with asyncio.timeout(10):
            while not (self.seen and met(self.seen[-1])):
                self.arrived.clear()
                await self.arrived.wait()
        return self.seen[-1]


def health(snapshot: Snapshot, name: str) -> Health:
    state = snapshot.source(name)
    assert state is not None
    return state.health


async def test_it_polls_loses_and_finds_a_source_without_a_restart(session: Session, platform: ToldPlatform) -> None:
    """A Prometheus that fails is down while the rest lives; its value grows stale; one good answer brings it back."""
    watcher = Watcher(session)
    whole = await watcher.until(lambda told: bool(told.alerts) and told.panels[0].value == 7.8)
    assert whole.panels[0].verdict is Verdict.CRITICAL
    platform.pages["/api/v1/query"] = (503, "stopping")
    lost = await watcher.until(lambda told: told.panels[0].verdict is Verdict.STALE)
    assert health(lost, "prometheus") is Health.DOWN
    assert health(lost, "alertmanager") is Health.UP
    assert (lost.panels[0].value, len(lost.alerts)) == (7.8, 1)
    del platform.pages["/api/v1/query"]
    await watcher.until(lambda told: told.panels[0].verdict is Verdict.CRITICAL)


async def test_an_owner_mark_is_seen_and_ends_with_the_alert(session: Session, platform: ToldPlatform) -> None:
    """Owning is journalled and shown at once; when Alertmanager has forgotten the alert, the mark is released."""
    watcher = Watcher(session)
    await watcher.until(lambda told: bool(told.alerts))
    await session.acknowledge("abc")
    await watcher.until(lambda told: bool(told.alerts) and told.alerts[0].owner.startswith("you@"))
    platform.pages["/api/v2/alerts"] = []
    await watcher.until(lambda told: not told.alerts)
    platform.pages["/api/v2/alerts"] = [ALERT]
    await watcher.until(lambda told: bool(told.alerts))

    def released() -> bool:
        assert session.journal is not None
        return [item.kind for item in session.journal.events()] == ["alert.owned", "alert.released"]

    # The journal is looked at every few seconds; refresh_now does it at once.
    platform.pages["/api/v2/alerts"] = []
    await watcher.until(lambda told: not told.alerts)
    async with asyncio.timeout(10):
        while not released():
            session.refresh_now()
            await asyncio.sleep(0.02)


async def test_what_is_recorded_is_on_the_board_when_it_returns(session: Session) -> None:
    """Recording gives the event with its sequence, and the snapshot has it at once, shown or not; two at once are two."""
    first = await session.record("s", NoteWritten("before anything was shown"))
    assert session.snapshot().ledger.recent == (first,)
    assert (first.sequence, first.author, first.environment) == (1, session.settings.user, session.settings.environment)
    watcher = Watcher(session)
    await watcher.until(lambda told: bool(told.alerts))
    second, third = await asyncio.gather(*(session.record("s", NoteWritten(name)) for name in "bc"))
    assert {item.sequence for item in session.snapshot().ledger.recent} == {1, second.sequence, third.sequence}
    assert watcher.seen[-1].ledger == session.snapshot().ledger
    assert any("before anything" in change.text for change in watcher.seen[-1].changes)


async def test_what_another_console_records_is_seen_by_itself(session: Session) -> None:
    """A second connection writes into the same file: the board has it without a key press."""
    watcher = Watcher(session)
    await watcher.until(lambda told: bool(told.alerts))
    with Journal.open(session.settings.paths.journal_file) as other:
        event = other.append(Event(time.time(), "alert.owned", "abc", "bob", session.settings.environment))
    told = await watcher.until(lambda told: told.alerts[0].owner == "bob")
    assert told.ledger.owners["abc"].at == event.at


async def test_a_mark_outlives_an_answer_that_is_older_than_it(session: Session) -> None:
    """An answer from before the mark, a part of an answer and no answer at all release nothing, and neither does any answer
    while Prometheus or its rules are gone: Alertmanager drops what nobody sends any more.
    """
    settings, journal = session.settings, session.journal
    assert journal is not None
    store = StateStore(settings, (), runbooks=session.runbooks)
    service = JournalService(journal, store, settings, clock=time.time)
    now = time.time()
    await service.acknowledge("new", "", on=True)
    empty = AlertmanagerState((), (), (), 1, 1, "")
    lost = Fault(FaultKind.UNREACHABLE, "gone")
    for reading in (
        PollResult("alertmanager", now - 60, 0.0, empty),
        PollResult("alertmanager", now + 60, 0.0, dataclasses.replace(empty, peer_faults=(lost,))),
        PollResult("alertmanager", now + 60, 0.0, fault=lost),
    ):
        service.on_alerts(reading)
        await service.read()
        assert [item.kind for item in journal.events()] == ["alert.owned"]
    service.on_alerts(PollResult("alertmanager", now + 60, 0.0, empty))
    for result in (PollResult("prometheus", now, 0.0, fault=lost), PollResult("rules", now, 0.0, fault=lost)):
        await service.read()
        store.apply(result)
    await service.read()
    assert [item.kind for item in journal.events()] == ["alert.owned"]
    store.apply(PollResult("prometheus", now, 0.0, PanelResults((), ())))
    await service.read()
    assert [item.kind for item in journal.events()] == ["alert.owned"]
    store.apply(PollResult("rules", now, 0.0, RulesResult((), (), ())))
    await service.read()
    assert [item.kind for item in journal.events()] == ["alert.owned", "alert.released"]
    owned, released = journal.events()
    assert released.data == {"of": owned.id, "why": "resolved"}
    await service.close()


async def test_a_mark_of_an_alert_that_only_prometheus_lists_ends_with_it(session: Session) -> None:
    """Without an Alertmanager too an alert is acknowledged until it resolves: five minutes after an evaluation last had it.
    While it is pending, after a restart, a partial answer or none, nothing ends, and the five minutes begin anew.
    """
    settings, journal, now = session.settings, session.journal, 1_767_276_000.0
    assert journal is not None
    service = JournalService(journal, StateStore(settings, (), runbooks=session.runbooks), settings, clock=lambda: now)
    await service.acknowledge("prometheus:1f", "", on=True)
    rule = AlertRule("HighErrorRate", "x > 5", 60.0, (), (), "inactive", "ok")
    alert = Alert("pending:1f", AlertState.PENDING, (("alertname", "HighErrorRate"),))
    none, pending = RulesResult((rule,), (), ()), RulesResult((rule,), (alert,), ())
    starting = RulesResult((dataclasses.replace(rule, health="unknown"),), (), ())
    answers: list[tuple[float, RulesResult | None, bool]] = [
        (10.0, none, False), (300.0, none, False), (309.0, pending, False), (320.0, none, False), (600.0, None, False),
        (630.0, none, False), (900.0, starting, False), (930.0, none, False),
        (1200.0, dataclasses.replace(none, partial="x"), False), (1230.0, none, False), (1529.0, none, False),
        (1530.0, none, True),
    ]  # fmt: skip
    for after, value, ended in answers:
        fault = None if value is not None else Fault(FaultKind.UNREACHABLE, "gone")
        service.on_rules(PollResult("rules", now + after, 0.0, value, fault))
        await service.read()
        assert ("alert.released" in [item.kind for item in journal.events()]) is ended, after
    owned, released = journal.events()
    assert released.data == {"of": owned.id, "why": "resolved"}
    await service.close()


async def test_a_clock_that_was_set_back_does_not_prolong_a_mark(session: Session) -> None:
    """What was seen an hour later by the old clock counts from the first answer by the new one."""
    settings, journal, now = session.settings, session.journal, 1_767_276_000.0
    assert journal is not None
    service = JournalService(journal, StateStore(settings, (), runbooks=session.runbooks), settings, clock=lambda: now)
    await service.acknowledge("prometheus:1f", "", on=True)
    none = RulesResult((AlertRule("HighErrorRate", "x > 5", 60.0, (), (), "inactive", "ok"),), (), ())
    for after, ended in ((3600.0, False), (10.0, False), (309.0, False), (310.0, True)):
        service.on_rules(PollResult("rules", now + after, 0.0, none))
        await service.read()
        assert ("alert.released" in [item.kind for item in journal.events()]) is ended, after
    await service.close()


async def test_a_mark_ends_although_an_alert_of_another_name_is_never_delivered(session: Session) -> None:
    """Alertmanager does not list either: an acknowledgement knows the name of its alert, so one that fires in Prometheus only
    is not it. Of the same name it may be, and an alert whose rule was not evaluated has not ended.
    """
    settings, journal, now = session.settings, session.journal, 1_767_276_000.0
    assert journal is not None
    store = StateStore(settings, (), runbooks=session.runbooks)
    service = JournalService(journal, store, settings, clock=lambda: now)
    for name in ("HighErrorRate", "CoreDown", "QueueLong"):
        await service.acknowledge(name.lower(), name, on=True)
    empty = AlertmanagerState((), (), (), 1, 1, "")
    rules = tuple(
        AlertRule(name, "x > 5", 60.0, (), (), "inactive", health)
        for name, health in (("HighErrorRate", "ok"), ("CoreDown", "ok"), ("QueueLong", "err"))
    )
    lost = Alert("prometheus:1f", AlertState.ACTIVE, (("alertname", "CoreDown"),), starts_at=now - 600.0)
    now += 60.0
    for source, value in (
        ("prometheus", PanelResults((), ())), ("alertmanager", empty), ("rules", RulesResult(rules, (lost,), ()))
    ):  # fmt: skip
        store.apply(PollResult(source, now, 0.0, value))
    assert store.snapshot(now).open_ends == (lost,)
    service.on_alerts(PollResult("alertmanager", now, 0.0, empty))
    await service.read()
    await service.read()
    assert set(store.ledger.owners) == {"coredown", "queuelong"}
    await service.close()


async def test_a_mark_of_an_alert_that_only_prometheus_lists_ends_without_any_rule(session: Session) -> None:
    """The last rule was removed: a complete answer without rules has no alert either."""
    settings, journal, now = session.settings, session.journal, 1_767_276_000.0
    assert journal is not None
    service = JournalService(journal, StateStore(settings, (), runbooks=session.runbooks), settings, clock=lambda: now)
    await service.acknowledge("prometheus:1f", "", on=True)
    for after, ended in ((10.0, False), (309.0, False), (310.0, True)):
        service.on_rules(PollResult("rules", now + after, 0.0, RulesResult((), (), ())))
        await service.read()
        assert ("alert.released" in [item.kind for item in journal.events()]) is ended, after
    await service.close()


async def test_a_mark_from_a_slow_clock_outlives_an_answer_from_before_it_arrived(session: Session) -> None:
    """Bob's clock is an hour slow: by its time his mark is older than the answer, which is from before it arrived here."""
    settings, journal, now = session.settings, session.journal, time.time()
    assert journal is not None
    store = StateStore(settings, (), runbooks=session.runbooks)
    store.apply(PollResult("prometheus", now, 0.0, PanelResults((), ())))
    store.apply(PollResult("rules", now, 0.0, RulesResult((), (), ())))
    service = JournalService(journal, store, settings, clock=lambda: now)
    empty = AlertmanagerState((), (), (), 1, 1, "")
    service.on_alerts(PollResult("alertmanager", now - 1.0, 0.0, empty))
    await service.read()
    journal.append(Event(now - 3600.0, "alert.owned", "abc", "bob", settings.environment))
    for taken_at, kinds in ((now - 1.0, ["alert.owned"]), (now + 1.0, ["alert.owned", "alert.released"])):
        service.on_alerts(PollResult("alertmanager", taken_at, 0.0, empty))
        await service.read()
        assert [item.kind for item in journal.events()] == kinds
    await service.close()


async def test_the_history_of_an_alert_is_its_left_side(session: Session) -> None:
    """The rule's left side is asked, and its number is the threshold; an unknown alert says so, unless it is one that ended."""
    await session.once()
    *_, (history, threshold, below) = [item async for item in session.alert_histories("abc", HistoryRange())]
    assert (history.fault, threshold, below) == (None, 5.0, False)
    ((gone, nothing, _),) = [item async for item in session.alert_histories("none", HistoryRange())]
    assert gone.fault is not None
    assert nothing is None
    ended = session.alert_histories("none", HistoryRange(), session.snapshot().alert("abc"))
    assert [(item.threshold, item.history.fault) async for item in ended][-1] == (5.0, None)
    assert [item.fault is None async for item in session.histories("workloads", HistoryRange())] == [False]
    assert all([item.fault is None async for item in session.histories("error_ratio", HistoryRange())])


async def test_steps_carry_their_present_value(session: Session) -> None:
    """A step's query is answered beside its words; a look-up without a cluster says what is missing."""
    snapshot = await session.once()
    runbook = session.runbooks.get("high-error-rate")
    assert runbook is not None
    steps = [step async for step in session.runbook_steps(runbook, snapshot.alerts[0])]
    assert len(steps) == len(runbook.steps)
    health_step = next(step for step in steps if "Health" in step.title or "health" in step.title)
    assert (health_step.verdict, health_step.value_text) == (Verdict.WARN, "81.00 %")
    assert health_step.text.splitlines() == ['{provider="deepseek"} 81.00 %', '{provider="paddle"} 99.00 %']
    looked = steps[1]
    assert (looked.verdict, "Kubernetes is not configured" in looked.text) == (Verdict.NO_DATA, True)


async def test_without_a_journal_nothing_is_run(session: Session) -> None:
    """An action is refused and nobody is asked to confirm it; owning is refused too."""
    assert session.journal is not None
    session.journal.close()
    session.journal, session.journal_fault = None, "the journal is locked"

    async def confirm(preview: Preview) -> bool:
        raise AssertionError("nobody must be asked")

    steps = [step async for step in session.run(Request("rollback", "deployment/cad-ml-api"), confirm)]
    assert steps[-1].outcome is Outcome.REFUSED
    assert not any(step.stage is Stage.EXECUTE for step in steps)
    with pytest.raises(JournalError, match="locked"):
        await session.acknowledge("abc")


async def test_without_a_journal_no_gate_passes(tmp_path: Path) -> None:
    """Other guards and open incidents are unknown then, and a gate that asks for them says why instead of passing."""
    (tmp_path / "state").write_text("")
    where = load_settings({}, {"HOME": str(tmp_path), "XDG_STATE_HOME": f"{tmp_path}/state"}, service_account="/nonexistent")
    session = Session.open(where)
    assert session.journal is None
    _, caveat = await session.newest_ledger()
    assert caveat and caveat == session.journal_fault
    facts = await session.guard_source.fetch_gates()
    await session.close()
    (unknown,) = [item for item in check_gates(facts, where, now=0.0) if "open incidents" in item.text]
    assert unknown.unknown and unknown.text == f"could not check for open incidents: {caveat}"


async def test_what_a_silence_would_hide(session: Session) -> None:
    """The preview lists the alerts that match; no matcher hides nothing."""
    await session.once()
    assert len(session.silence_matches(parse_matchers('severity="critical"'))) == 1
    assert session.silence_matches(parse_matchers('severity="info"')) == ()
    assert session.silence_matches(()) == ()


async def test_a_session_without_sources_is_told_so(tmp_path: Path) -> None:
    """Nothing configured: every source says just that, and a query is NotConfigured."""
    session = Session.open(load_settings({}, {"HOME": str(tmp_path), "USER": "you"}, service_account="/nonexistent"))
    snapshot = await session.once()
    assert {item.health for item in snapshot.sources} == {Health.NOT_CONFIGURED}
    with pytest.raises(NotConfigured):
        await session.evaluate("up")
    await session.close()


async def test_a_chart_marks_what_happened_in_its_environment(session: Session) -> None:
    """One journal has the events of every environment: those of another are no marks, those without one are."""
    assert session.journal is not None
    now, own = time.time(), session.settings.environment
    for environment in (own, "another", ""):
        session.journal.append(Event(now, "note", "note", "ann", environment, {"text": f"in {environment}"}))
    found = sorted(str(event.data["text"]) for event in await session.chart_events())
    assert found == sorted((f"in {own}", "in "))
