"""The timeline that writes itself: what changed, once, whoever looks and whenever a console came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from screen_samples import NOW, settings, snapshot, tracked

from console.incidents.declaration import declaration
from console.incidents.observations import describe_instability, find_listed
from console.incidents.timeline_recorder import MANY, TimelineRecorder
from console.journal.event import Event
from console.journal.payloads import ActionOutcome, AlertAcknowledged, ChangeSeen, IncidentClosed, Payload, Step, create_event
from console.journal.sqlite import Journal
from console.monitor.journal_service import JournalService
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from console.state.incident import Incident, Incidents, Source
from console.state.incident_projection import IncidentsProjection
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState, TrackedAlert
from queries.model.matcher import Matcher
from queries.model.severity import Priority
from queries.model.silence import Silence
from queries.model.source import Health
from queries.model.verdict import Verdict

PROJECTION = IncidentsProjection()


class Room:
    """Consoles that look at one platform and share one journal; `at` is now, seconds after the declaration."""

    def __init__(self, consoles: int = 1) -> None:
        self.recorders = [TimelineRecorder() for _ in range(consoles)]
        self.events: list[Event] = []
        self.at = 0.0
        first = snapshot()
        self.add("i1", declaration(first, alerts=(first.alerts[0],)))

    def add(self, subject: str, payload: Payload) -> None:
        if not isinstance(payload, ChangeSeen) or subject not in {event.subject for event in self.events}:
            event = create_event(payload, at=NOW + self.at, subject=subject, author="ann", environment="production")
            self.events.append(replace(event, sequence=len(self.events) + 1))

    @property
    def incidents(self) -> Incidents:
        return PROJECTION.fold(Incidents(), self.events)

    @property
    def incident(self) -> Incident:
        return self.incidents.all[0]

    def look(self, shown: Snapshot, *, at: float, consoles: Iterable[int] | None = None) -> list[str]:
        """Each of these consoles sees it; gives what is new in the timeline."""
        self.at = at
        before = set(self.incident.entries)
        for number in consoles if consoles is not None else range(len(self.recorders)):
            for subject, payload in self.recorders[number].find_changes(shown_at(shown, at), self.incidents):
                self.add(subject, payload)
        return [entry.text for entry in self.incident.entries if entry not in before]

    def held(self, shown: Snapshot, *, at: float) -> list[str]:
        """Seen for long enough."""
        return self.look(shown, at=at) + self.look(shown, at=at + 6.0)


def shown_at(shown: Snapshot, at: float) -> Snapshot:
    sources = tuple(replace(item, last_good_at=NOW + at if item.last_good_at else None) for item in shown.sources)
    panels = tuple(replace(item, age_seconds=0.0 if item.verdict is not Verdict.STALE else 40.0) for item in shown.panels)
    return replace(shown, taken_at=NOW + at, sources=sources, panels=panels)


def with_panel(shown: Snapshot, panel_id: str, **changes: Any) -> Snapshot:
    return replace(shown, panels=tuple(replace(item, **changes) if item.spec.id == panel_id else item for item in shown.panels))


def without(shown: Snapshot, name: str) -> Snapshot:
    return replace(shown, alerts=tuple(item for item in shown.alerts if item.alert.name != name))


def down(shown: Snapshot, source: str, health: Health = Health.DOWN) -> Snapshot:
    return replace(
        shown, sources=tuple(replace(item, health=health) if item.name == source else item for item in shown.sources)
    )


def later(name: str, severity: str, seconds: float) -> TrackedAlert:
    return tracked(name, severity, minutes=-seconds / 60.0)


@pytest.fixture
def room() -> Room:
    return Room()


def test_what_did_not_change_is_not_told(room: Room) -> None:
    """Everything stands in the declaration: looking again and again writes nothing."""
    for at in range(1, 20):
        assert room.look(snapshot(), at=float(at)) == []
    assert set(room.incident.panels) == {"error_ratio"}


def test_alerts_come_and_go(room: Room) -> None:
    """Each with the moment at which it began, and at which it was seen to be gone."""
    more = replace(snapshot(), alerts=(*snapshot().alerts, later("QueueBacklog", "warning", 10.0)))
    assert room.look(more, at=12.0) == ["QueueBacklog (platform) started firing"]
    assert room.incident.entries[-1].at == NOW + 10.0
    assert room.incident.entries[-1].source is Source.ALERTMANAGER
    assert room.look(without(more, "HighErrorRate"), at=20.0) == ["HighErrorRate resolved"]
    assert room.incident.quiet_since == NOW + 20.0
    again = replace(more, alerts=tuple(item for item in more.alerts if item.alert.name != "HighErrorRate"))
    again = replace(again, alerts=(*again.alerts, later("HighErrorRate", "critical", 30.0)))
    assert room.look(again, at=31.0) == ["HighErrorRate (platform) firing again"]
    assert room.incident.quiet_since is None


@pytest.mark.parametrize("health", [Health.DOWN, Health.DENIED, Health.DEGRADED])
def test_an_alertmanager_that_is_not_whole_ends_no_alert(room: Room, health: Health) -> None:
    """That nobody lists an alert means something only where everybody could be asked."""
    assert room.look(down(without(snapshot(), "HighErrorRate"), "alertmanager", health), at=10.0) == []
    assert room.look(replace(without(snapshot(), "HighErrorRate"), alerts_known=False), at=11.0) == []
    assert room.incident.quiet_since is None


@pytest.mark.parametrize("health", [Health.DOWN, Health.DENIED, Health.WAITING])
def test_without_prometheus_no_alert_ends(room: Room, health: Health) -> None:
    """Alertmanager drops what nobody sends any more, so the stability window does not start; with Prometheus back it does."""
    gone = without(snapshot(), "HighErrorRate")
    asked = health is not Health.WAITING
    assert room.look(replace(down(gone, "prometheus", health), rules_requested=asked), at=10.0) == []
    assert room.incident.quiet_since is None
    assert room.look(down(gone, "prometheus", Health.NOT_CONFIGURED), at=20.0) == ["HighErrorRate resolved"]
    assert room.incident.quiet_since == NOW + 20.0


def test_an_undelivered_alert_that_is_delivered_does_not_end(room: Room) -> None:
    """Alertmanager lists it by another fingerprint and with more labels: the incident's alert fires on, until that one ends.
    The alert is linked by its new fingerprint from then on.
    """
    first = snapshot().alerts[0]
    lost = replace(first, alert=replace(first.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))
    more = tuple(sorted((*first.alert.labels, ("cluster", "eu"))))
    delivered = replace(first, alert=replace(first.alert, labels=more))
    before = replace(snapshot(), alerts=(lost,))
    room.events.clear()
    room.add("i1", declaration(before, alerts=(lost,)))
    assert room.look(before, at=5.0) == []
    assert room.look(replace(snapshot(), alerts=(delivered,)), at=10.0) == ["HighErrorRate reached Alertmanager"]
    assert room.look(replace(snapshot(), alerts=(delivered,)), at=11.0) == []
    assert room.incident.links(delivered.alert.fingerprint)
    assert [item.name for item in room.incident.firing] == ["HighErrorRate"] and room.incident.quiet_since is None
    assert room.look(replace(snapshot(), alerts=()), at=20.0) == ["HighErrorRate resolved"]
    assert room.incident.quiet_since == NOW + 20.0


def test_an_undelivered_alert_that_ended_fires_again_once_it_is_delivered(room: Room) -> None:
    """It fires again, by Alertmanager's fingerprint: the timeline does not say that it only reached Alertmanager."""
    first = snapshot().alerts[0]
    lost = replace(first, alert=replace(first.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))
    room.events.clear()
    room.add("i1", declaration(replace(snapshot(), alerts=(lost,)), alerts=(lost,)))
    assert room.look(replace(snapshot(), alerts=()), at=10.0) == ["HighErrorRate resolved"]
    again = later("HighErrorRate", "critical", 20.0)
    assert room.look(replace(snapshot(), alerts=(again,)), at=21.0) == ["HighErrorRate (platform) firing again"]
    assert room.incident.links(again.alert.fingerprint) and room.incident.quiet_since is None


def test_an_alert_that_fires_again_undelivered_is_listed(room: Room) -> None:
    """Prometheus lists it by another fingerprint while it cannot reach Alertmanager: the incident is not stable, as its page
    says. Where one of several may be it, nobody knows.
    """
    calm = without(snapshot(), "HighErrorRate")
    assert room.look(calm, at=10.0) == ["HighErrorRate resolved"]
    assert find_listed(room.incident, calm) == ()
    again = later("HighErrorRate", "critical", 20.0)
    lost = replace(again, alert=replace(again.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))
    shown = replace(snapshot(), alerts=(lost,))
    assert find_listed(room.incident, shown) == room.incident.alerts
    assert describe_instability(room.incident, shown) == "still firing"
    other = replace(lost, alert=replace(lost.alert, fingerprint="prometheus:2"))
    assert describe_instability(room.incident, replace(shown, alerts=(lost, other))) == "not known"


def test_an_alert_that_alertmanager_does_not_have_is_the_same_one(room: Room) -> None:
    """Prometheus lists it by another fingerprint. Where it fires again the timeline says so of this alert, and the stability
    window starts anew; where it fires on, nothing happened. It ends once.
    """
    others = tuple(item for item in snapshot().alerts if item.alert.name != "HighErrorRate")

    def lost(tracked: TrackedAlert) -> TrackedAlert:
        return replace(tracked, alert=replace(tracked.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))

    (before,) = room.incident.alerts
    first, again = snapshot().alerts[0], later("HighErrorRate", "critical", 30.0)
    assert room.look(replace(snapshot(), alerts=(*others, lost(first))), at=10.0) == []
    assert room.look(replace(snapshot(), alerts=others), at=20.0) == ["HighErrorRate resolved"]
    shown = replace(snapshot(), alerts=(*others, lost(again)))
    assert room.look(shown, at=31.0) == ["HighErrorRate (platform) firing again"]
    assert room.look(shown, at=32.0) == []
    assert room.incident.quiet_since is None and [item.fingerprint for item in room.incident.alerts] == [before.fingerprint]
    assert room.look(replace(snapshot(), alerts=(*others, again)), at=40.0) == []
    assert room.look(replace(snapshot(), alerts=others), at=50.0) == ["HighErrorRate resolved"]


def test_a_silenced_alert_that_alertmanager_lost_is_not_called_unsilenced(room: Room) -> None:
    """Alertmanager keeps its silences over a restart and forgets its alerts: until they are sent again nobody knows."""
    others = tuple(item for item in snapshot().alerts if item.alert.name != "HighErrorRate")
    first = snapshot().alerts[0]
    silenced = replace(first, alert=replace(first.alert, state=AlertState.SUPPRESSED, silenced_by=("s1",)))
    lost = replace(first, alert=replace(first.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))
    assert room.look(replace(snapshot(), alerts=(*others, silenced)), at=10.0) == [
        "HighErrorRate (platform) silenced or inhibited"
    ]
    assert room.look(replace(snapshot(), alerts=(*others, lost)), at=20.0) == [
        "HighErrorRate is firing in Prometheus, but Alertmanager does not have it"
    ]
    assert room.look(replace(snapshot(), alerts=(*others, silenced)), at=30.0) == [
        "HighErrorRate (platform) silenced or inhibited"
    ]


def test_a_pending_alert_that_begins_to_fire_stays_the_incidents(room: Room) -> None:
    """Declared while it was pending: it has another fingerprint once it fires. The timeline says when it began, once; what is
    acknowledged of it counts for the incident, and it ends once.
    """
    first = snapshot().alerts[0]
    waits = replace(first, alert=replace(first.alert, fingerprint="pending:1", state=AlertState.PENDING, starts_at=NOW - 60.0))
    more = tuple(sorted((*first.alert.labels, ("cluster", "eu"))))
    fires = replace(first, alert=replace(first.alert, labels=more, starts_at=NOW + 8.0))
    before = replace(snapshot(), alerts=(waits,))
    room.events.clear()
    room.add("i1", declaration(before, alerts=(waits,)))
    assert "HighErrorRate is pending" in [entry.text for entry in room.incident.entries]
    assert room.look(before, at=5.0) == []
    shown = replace(snapshot(), alerts=(fires,))
    assert room.look(shown, at=10.0) == ["HighErrorRate (platform) started firing"]
    assert room.look(shown, at=11.0) == []
    (linked,) = room.incident.alerts
    assert linked.fingerprint == fires.alert.fingerprint and room.incident.firing == (linked,)
    room.add(linked.fingerprint, AlertAcknowledged("HighErrorRate"))
    assert Step.ACKNOWLEDGE in room.incident.completions
    assert room.look(replace(snapshot(), alerts=()), at=20.0) == ["HighErrorRate resolved"]
    assert room.look(replace(snapshot(), alerts=()), at=21.0) == []
    assert room.incident.quiet_since == NOW + 20.0


def test_a_verdict_that_stays(room: Room) -> None:
    """Told with its value once it has stayed so for some seconds, from when it began; one that swings back is not told, nor
    is a value that is old.
    """
    well = with_panel(snapshot(), "error_ratio", verdict=Verdict.OK, value=0.4)
    assert room.look(well, at=10.0) == []
    assert room.look(snapshot(), at=13.0) == []
    assert room.look(well, at=14.0) == []
    assert room.look(well, at=19.5) == ["Error ratio: CRIT → ok 0.40 %"]
    assert room.incident.entries[-1].at == NOW + 14.0
    stale = with_panel(snapshot(), "error_ratio", verdict=Verdict.STALE)
    assert room.held(stale, at=30.0) == []
    gone = with_panel(snapshot(), "error_ratio", verdict=Verdict.NO_DATA, value=None)
    assert room.held(down(gone, "prometheus"), at=40.0) == []
    assert room.held(gone, at=50.0) == ["Error ratio: ok → NO DATA"]


def test_rollouts_and_scalings_by_others(room: Room) -> None:
    """From which revision to which, with images and cause; replicas from and to."""
    cluster = snapshot().cluster
    assert cluster is not None
    api = cluster.workloads[0]
    older = next(item for item in cluster.revisions if item.number == 41)
    back = replace(api, revision=43, containers=older.containers, change_cause="ci: release 1.8.2", desired=8)
    revisions = (
        *(item for item in cluster.revisions if item.number != 41),
        replace(older, number=43, created_at=NOW + 30.0),
    )
    moved = replace(snapshot(), cluster=replace(cluster, workloads=(back, *cluster.workloads[1:]), revisions=revisions))
    found = room.look(moved, at=31.0)
    assert found == [
        "rollout cad-ml-api 42→43 image 1.9.0 → 1.8.2 (ci: release 1.8.2)",
        "cad-ml-api scaled 6→8",
    ]
    assert room.look(down(snapshot(), "kubernetes"), at=40.0) == []


def test_silences_by_others(room: Room) -> None:
    """Who, what and why; one that an action of a console made is told by that action alone."""
    other = Silence("s-2", (Matcher("alertname", "HighErrorRate"),), NOW + 5, NOW + 3600, "bob@host", "we know")
    shown = replace(snapshot(), silences=(*snapshot().silences, other))
    assert room.held(shown, at=6.0) == ["HighErrorRate silenced by bob@host: we know"]
    outcome = ActionOutcome("done", "done in 1s; silence s-3 is active", action="silence", title="Silence X")
    room.add("r1", outcome)
    mine = replace(other, id="s-3", starts_at=NOW + 20)
    assert room.held(replace(shown, silences=(*shown.silences, mine)), at=21.0) == []
    over = replace(other, state="expired", ends_at=NOW + 60)
    assert room.held(replace(shown, silences=(over,)), at=61.0) == ["silence of HighErrorRate expired"]


def test_a_console_that_comes_later_tells_what_changed_meanwhile(room: Room) -> None:
    """Killed and started again it compares with the journal: nothing is lost and nothing told twice."""
    room.look(without(snapshot(), "PodNotReady"), at=10.0)
    room.recorders[0] = TimelineRecorder()
    assert room.look(without(without(snapshot(), "PodNotReady"), "HighErrorRate"), at=300.0) == ["HighErrorRate resolved"]


def test_one_that_lags_behind_takes_nothing_back() -> None:
    """A console whose sources answered before the last entry does not undo it."""
    room = Room(2)
    gone = without(snapshot(), "HighErrorRate")
    assert room.look(gone, at=10.0, consoles=[0]) == ["HighErrorRate resolved"]
    late = replace(shown_at(snapshot(), 8.0), taken_at=NOW + 12.0)
    assert room.recorders[1].find_changes(late, room.incidents) == ()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_three_consoles_write_one_entry(order: tuple[int, ...]) -> None:
    """Each sees the same change before it read what the others wrote: the same subject, so one event."""
    room = Room(3)
    shown = shown_at(without(snapshot(), "HighErrorRate"), 10.0)
    stale = room.incidents
    told = [room.recorders[number].find_changes(shown, stale) for number in order]
    subjects = {subject for items in told for subject, _ in items}
    assert len(subjects) == 1
    assert all(len(items) == 1 for items in told)


def test_a_storm_is_told_as_one(room: Room) -> None:
    """Of thousands of alerts some are told one by one, and then that there are more."""
    storm = tuple(
        replace(item, alert=replace(item.alert, fingerprint=f"fp{number}"))
        for number, item in enumerate([later("PodNotReady", "warning", 5.0)] * 1000)
    )
    found = room.look(replace(snapshot(), alerts=(*snapshot().alerts, *storm)), at=6.0)
    assert len(found) < 210
    assert "further alerts are not listed one by one" in found[-1]
    assert room.look(replace(snapshot(), alerts=(*snapshot().alerts, *storm)), at=7.0) == []
    assert MANY in room.incident.seen


@pytest.mark.parametrize(("more", "told"), [(-1, False), (0, False), (1, True)])
def test_two_hundred_alerts_are_told_one_by_one(room: Room, more: int, told: bool) -> None:
    """Those that the declaration has count; the one after the two hundredth is told as one of many, and so are all others."""
    known = sum(thing.startswith("alert:") for thing in room.incident.seen)
    one = later("PodNotReady", "warning", 5.0)
    count = 200 - known + more
    storm = tuple(replace(one, alert=replace(one.alert, fingerprint=f"fp{number}")) for number in range(count))
    found = room.look(replace(snapshot(), alerts=(*snapshot().alerts, *storm)), at=6.0)
    single = [text for text in found if "started firing" in text]
    many = [text for text in found if "further alerts are not listed one by one" in text]
    assert (len(single), bool(many)) == (min(count, 200 - known), told)
    assert (MANY in room.incident.seen) is told


@pytest.mark.parametrize(("answered", "told"), [(9.0, False), (10.0, False), (10.5, True)])
def test_an_answer_no_later_than_the_last_entry_takes_nothing_back(answered: float, told: bool) -> None:
    """Of the very moment of the last entry, a source's answer is no news; a later one is."""
    room = Room(2)
    assert room.look(without(snapshot(), "HighErrorRate"), at=10.0, consoles=[0]) == ["HighErrorRate resolved"]
    late = replace(shown_at(snapshot(), answered), taken_at=NOW + 12.0)
    texts = [payload.text for _, payload in room.recorders[1].find_changes(late, room.incidents)]
    assert texts == (["HighErrorRate (platform) firing again"] if told else [])


@pytest.mark.parametrize(("began", "at"), [(11.0, 11.0), (10.0, 20.0), (3.0, 20.0)])
def test_an_alert_that_fires_again_counts_from_its_start_or_from_the_answer(room: Room, began: float, at: float) -> None:
    """Its start where that is after the last entry; a start that the timeline is past is that of the firing before."""
    room.look(without(snapshot(), "HighErrorRate"), at=10.0)
    again = tuple(
        replace(item, alert=replace(item.alert, starts_at=NOW + began)) if item.alert.name == "HighErrorRate" else item
        for item in snapshot().alerts
    )
    assert room.look(replace(snapshot(), alerts=again), at=20.0) == ["HighErrorRate (platform) firing again"]
    last = next(item for thing, item in room.incident.seen.items() if thing.endswith(again[0].alert.fingerprint))
    assert (last.value, last.at) == ("firing", NOW + at)


@pytest.mark.parametrize(("held", "told"), [(4.999, False), (5.0, True)])
def test_a_verdict_is_told_once_it_held_for_five_seconds(room: Room, held: float, told: bool) -> None:
    """Five seconds exactly are enough; one that went back in between starts to count anew."""
    bad = with_panel(snapshot(), "p95_latency", verdict=Verdict.CRITICAL, value=12.0)
    assert room.look(bad, at=10.0) == room.look(snapshot(), at=13.0) == room.look(bad, at=14.0) == []
    assert bool(room.look(bad, at=14.0 + held)) is told


def test_two_open_incidents_have_a_timeline_each(room: Room) -> None:
    """What changes is written into both, each with its own subject; a closed one gets nothing."""
    first = snapshot()
    room.add("i2", declaration(first, alerts=(first.alerts[1],)))
    gone = shown_at(without(first, "PodNotReady"), 10.0)
    drafts = room.recorders[0].find_changes(gone, room.incidents)
    assert [subject.partition("/")[0] for subject, _ in drafts] == ["i1", "i2"]
    assert len({payload.text for _, payload in drafts}) == 1
    room.add("i2", IncidentClosed(""))
    again = room.recorders[0].find_changes(gone, room.incidents)
    assert [subject.partition("/")[0] for subject, _ in again] == ["i1"]


async def test_two_consoles_on_one_journal(tmp_path: Path) -> None:
    """The real thing: two journal threads on one file, told the same snapshots, write each observation once."""
    path = tmp_path / "journal.sqlite3"
    own = settings(tmp_path)
    moment = [NOW]
    watches, journals, boards = [], [], []
    for _ in range(2):
        boards.append(StateStore(own, (), runbooks=RunbookIndex.load("")))
        journals.append(Journal.open(path))
        watches.append(JournalService(journals[-1], boards[-1], own, clock=lambda: moment[0], watch_seconds=0.0))
    first = snapshot()
    await watches[0].record("i1", declaration(first, alerts=(first.alerts[0],)))
    steps: list[tuple[float, Snapshot]] = [
        (10.0, without(first, "PodNotReady")),
        (20.0, without(without(first, "PodNotReady"), "HighErrorRate")),
        (30.0, first),
    ]
    for at, shown in steps:
        moment[0] = NOW + at
        for watch, board in zip(watches, boards, strict=True):
            await watch.read()
            watch.watch(replace(shown_at(shown, at), ledger=board.ledger))
            await watch.read()  # in the same thread, after it
    with Journal.open(path) as journal:
        seen = journal.events(kinds=("incident.seen",))
    assert len({event.subject for event in seen}) == len(seen) == 4
    for watch in watches:
        await watch.close()
    for journal in journals:
        journal.close()


def test_an_incident_of_a_minor_alert_sees_it_fire_again(room: Room) -> None:
    """A timeline leaves out alerts of P4, but not the incident's own: its stability window starts anew."""
    own, other = tracked("DiskHalfFull", "info"), tracked("CertExpiresSoon", "info")
    shown = replace(snapshot(), alerts=(own, other))
    assert own.alert.priority is Priority.P4
    room.events.clear()
    room.add("i1", declaration(shown, alerts=(own,)))
    assert room.look(shown, at=5.0) == []
    assert room.look(replace(shown, alerts=(other,)), at=10.0) == ["DiskHalfFull resolved"]
    again = later("DiskHalfFull", "info", 20.0)
    assert room.look(replace(shown, alerts=(again, later("CertExpiresSoon", "info", 20.0))), at=21.0) == [
        "DiskHalfFull (platform) firing again"
    ]
    assert [item.name for item in room.incident.firing] == ["DiskHalfFull"]
    assert find_listed(room.incident, replace(shown, alerts=(again,))) == room.incident.alerts
