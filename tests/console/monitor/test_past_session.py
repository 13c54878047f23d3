"""The past: what was known then, what nothing keeps, and nothing of now."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from past_platform import FINGERPRINT, LATER, NOW, POISON, THEN, parts, past_platform, past_settings
from told_platform import Series, ToldPlatform

from console.actions.writers.writer import Writer
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import AlertAcknowledged, IncidentDeclared, NoteWritten, create_event
from console.journal.sync import SyncStatus
from console.monitor.moments import resolve_moment
from console.monitor.past_session import FutureMoment, PastSession
from console.monitor.session import Session
from console.recording.files import list_files
from console.recording.objects import ObjectEncoder
from console.recording.writer import RecordingWriter
from console.state.snapshot_json import document, dumps
from queries.errors import NotKnownThen, SourceError
from queries.model.alert import Alert, AlertState
from queries.model.cluster import Cluster
from queries.model.fault import Fault, FaultKind
from queries.model.matcher import Matcher
from queries.model.pod import Pod
from queries.model.silence import Silence
from queries.model.source import Health
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob, Workload
from queries.prometheus import alert_series, kube_state
from queries.text.times import InvalidTime, format_time


@pytest.fixture
def platform() -> Iterator[ToldPlatform]:
    with past_platform() as told:
        yield told


@pytest.fixture
async def live(platform: ToldPlatform, tmp_path: Path) -> AsyncIterator[Session]:
    opened = await asyncio.to_thread(Session.open, past_settings(platform, tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def past(live: Session) -> AsyncIterator[PastSession]:
    opened = PastSession(live, clock=lambda: NOW)
    yield opened
    await opened.close()


def write(live: Session, at: float, subject: str, payload: object) -> Event:
    assert live.journal is not None
    event = create_event(payload, at=at, subject=subject, author="ann", environment=live.settings.environment)  # type: ignore[arg-type]
    return live.journal.append(event)


async def test_a_moment_is_shown_as_it_was(past: PastSession, live: Session) -> None:
    """Panels, alerts with since and silence, owner, workloads and changes are those of then."""
    write(live, THEN - 600.0, "note", NoteWritten("before"))
    write(live, THEN - 20.0, FINGERPRINT, AlertAcknowledged("HighErrorRate"))
    snapshot = await past.go(THEN)
    panel = snapshot.panel("error_ratio")
    assert panel is not None and panel.value == 7.8 and panel.verdict is Verdict.CRITICAL
    firing = snapshot.alert(FINGERPRINT)
    assert firing is not None
    assert firing.alert.state is AlertState.SUPPRESSED and firing.alert.silenced_by == ("old",)
    assert firing.alert.starts_at == THEN - 60.0, "since its `for` of two minutes had passed"
    assert dict(firing.alert.annotations) == {"runbook_url": "https://x/high-error-rate.md"}, "a template has no value then"
    assert firing.owner == "ann"
    pending = [item.alert for item in snapshot.alerts if item.alert.state is AlertState.PENDING]
    assert [(item.name, item.starts_at) for item in pending] == [("HighLatency", THEN - 30.0)]
    assert [(item.workload.target, item.workload.ready, item.workload.desired) for item in snapshot.workloads] == [
        ("deployment/cad-ml-api", 2, 3)
    ]
    assert [(item.id, item.state) for item in snapshot.silences] == [("old", "active")]
    assert {item.text for item in snapshot.changes} == {"before", "silence HighErrorRate (planned)"}
    assert snapshot.taken_at == THEN and snapshot.as_of is not None and snapshot.as_of.moment == THEN
    assert [(item.name, item.health) for item in snapshot.sources] == [
        ("prometheus", Health.UP),
        ("alertmanager", Health.UP),
        ("kubernetes", Health.UP),
        ("platform", Health.NOT_KNOWN_THEN),
    ]


async def test_nothing_of_now_gets_in(past: PastSession, live: Session, platform: ToldPlatform) -> None:
    """Every source of now is poisoned, and so is the journal after the moment: nothing of it is anywhere in the snapshot."""
    write(live, LATER, FINGERPRINT, AlertAcknowledged("HighErrorRate", POISON))
    write(live, LATER, "note", NoteWritten(POISON))
    write(live, LATER, "incident-1", IncidentDeclared(POISON, "P1"))
    now = await live.once(timeout_seconds=5.0)
    assert POISON in repr(now), "the poison does reach a snapshot of now"
    asked_before = -1
    while asked_before < len(platform.paths):  # the rest of what was asked for now
        asked_before = len(platform.paths)
        await asyncio.sleep(1.0)
    platform.paths.clear()
    for moment in (THEN, THEN + 30.0, THEN - 3600.0, THEN - 9000.0, THEN):
        snapshot = await past.go(moment)
        assert POISON not in repr(snapshot)
        assert POISON not in dumps(document(snapshot))
        assert snapshot.alert(FINGERPRINT) is None or not snapshot.alert(FINGERPRINT).owner  # type: ignore[union-attr]
    asked = set(platform.paths)
    assert asked <= {
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v2/silences",
        "/api/v1/status/config",
        "/api/v1/status/runtimeinfo",
    }, "no request goes to a page that only knows now"


async def test_objects_and_pod_logs_are_not_known_then(past: PastSession) -> None:
    """What only the cluster of now could say is refused with the word for it."""
    await past.go(THEN)
    with pytest.raises(NotKnownThen) as error:
        await past.pod_usage()
    assert error.value.fault.kind is FaultKind.NOT_KNOWN_THEN
    with pytest.raises(SourceError, match="not known then"):
        await past.objects.yaml("deployment/cad-ml-api")


async def test_without_a_sample_everything_is_unknown_and_says_why(past: PastSession) -> None:
    """Prometheus was down: no panel has a value, the alerts are unknown and not `none`, and the reason is named."""
    snapshot = await past.go(THEN - 9000.0)
    assert not snapshot.alerts_known and not snapshot.alerts
    assert {item.verdict for item in snapshot.panels} == {Verdict.NO_DATA}
    prometheus = snapshot.source("prometheus")
    assert prometheus is not None and prometheus.health is Health.NOT_KNOWN_THEN
    assert "no samples at" in snapshot.alerts_caveat and prometheus.fault is not None
    assert "older than what it keeps" in prometheus.fault.hint
    assert all("no samples" in item.reason or "not known then" in item.reason for item in snapshot.panels)


async def test_a_moment_before_the_retention_names_it(past: PastSession, platform: ToldPlatform) -> None:
    """How long Prometheus keeps samples stands in the reason, and silences of then are not known to be all."""
    platform.pages["/api/v1/status/runtimeinfo"] = {"status": "success", "data": {"storageRetention": "15d"}}
    snapshot = await past.go(NOW - 30 * 86_400.0)
    prometheus, manager = snapshot.source("prometheus"), snapshot.source("alertmanager")
    assert prometheus is not None and prometheus.fault is not None
    assert "older than what it keeps (15d)" in prometheus.fault.hint
    assert not snapshot.alerts_known and {item.verdict for item in snapshot.panels} == {Verdict.NO_DATA}
    assert manager is not None and manager.health is Health.PARTIAL and manager.fault is not None
    assert "some silences may not be known then" in manager.fault.what


async def test_no_alert_is_only_known_where_rules_were_evaluated(live: Session, platform: ToldPlatform) -> None:
    """Samples alone do not show that anything evaluated a rule: then no alert is not `none`."""

    def scraped_only(query: str, at: float) -> list[Series]:
        return [({"__q__": key}, "3") for key in parts(query) if key == "then/scraped"]

    platform.then = scraped_only
    past = PastSession(live, clock=lambda: NOW)
    snapshot = await past.go(THEN)
    assert not snapshot.alerts_known and "nothing shows that Prometheus evaluated rules" in snapshot.alerts_caveat
    await past.close()


async def test_a_jump_leaves_nothing_of_the_moment_before(past: PastSession) -> None:
    """After the alert's moment, one at which Prometheus answers nothing shows no value of before."""
    assert (await past.go(THEN)).alerts
    snapshot = await past.go(THEN - 9000.0)
    assert not snapshot.alerts and snapshot.cluster is None and all(item.value is None for item in snapshot.panels)


async def test_the_future_is_refused(past: PastSession) -> None:
    """With a sentence, before anything is sent."""
    with pytest.raises(FutureMoment, match="is in the future"):
        await past.go(NOW + 60.0)


async def test_nothing_is_written(past: PastSession, live: Session) -> None:
    """The journal and the writers of the past refuse, whoever calls them: the session of now still writes."""
    await past.go(THEN)
    with pytest.raises(JournalError, match="what is shown is past"):
        await past.record("note", NoteWritten("x"))
    with pytest.raises(JournalError, match="what is shown is past"):
        await past.acknowledge(FINGERPRINT)
    assert past.journal is not None
    with pytest.raises(JournalError):
        past.journal.append(create_event(NoteWritten("x"), at=NOW, subject="note", author="ann", environment="test"))
    writer = Writer(past.settings)
    with pytest.raises(PermissionError, match="read-only"):
        await writer.post_silence({})
    await writer.close()
    assert not live.settings.read_only


async def test_a_jump_costs_no_more_round_trips_than_a_refresh(past: PastSession, platform: ToldPlatform) -> None:
    """From the second jump on: the joined question, the trends, and the silences if they are old; nothing else."""
    await past.go(THEN)
    platform.paths.clear()
    await past.go(THEN + 1800.0)
    assert platform.paths.count("/api/v1/query") <= 2 and platform.paths.count("/api/v1/query_range") <= 1
    assert len(platform.paths) <= 4


async def test_a_frame_of_a_film_is_one_request(past: PastSession, platform: ToldPlatform) -> None:
    """At 60×, a frame a second: the joined question alone."""
    await past.go(THEN)
    for frame in range(1, 5):
        platform.paths.clear()
        await past.go(THEN + 60.0 * frame, follows=True)
        assert platform.paths.count("/api/v1/query") == 1 and "/api/v1/query_range" not in platform.paths


async def test_moments_by_name(live: Session) -> None:
    """`incident 4` is when it began; what is no moment says what to write."""
    write(live, THEN, "incident-1", IncidentDeclared("broken", "P1"))
    await live.once(timeout_seconds=5.0)
    (incident,) = live.snapshot().ledger.incidents.all
    assert await resolve_moment(f"incident {incident.number}", live, now=NOW) == incident.began_at
    assert await resolve_moment("-2h", live, now=NOW) == NOW - 7200.0
    for text, why in (("incident 99", "there is no incident"), ("incident", "there is no incident"), ("soon", "is not a time")):
        with pytest.raises(InvalidTime, match=why):
            await resolve_moment(text, live, now=NOW)
    with pytest.raises(InvalidTime, match="is in the future"):
        await resolve_moment(format_time(NOW + 3600.0), live, now=NOW)


def record(live: Session, *moments: float) -> None:
    """What a recorder would have written at these moments: a CronJob that nothing else keeps, and three suppressed alerts."""
    encoder = ObjectEncoder()
    writer = RecordingWriter(
        Path(live.settings.recording_dir),
        about=live.settings.recorded_place,
        by="a test",
        keep_seconds=1e9,
        max_bytes=1 << 30,
        clock=lambda: THEN,
    )
    nightly = Workload(
        "cad", "nightly", "u2", "1", 1, 1, 0, 0, 0, 0, 0, False, 0, THEN - 900.0, kind="CronJob",
        batch=BatchJob("CronJob", "nightly"),
    )  # fmt: skip
    pod = Pod("cad", "nightly-1-abc", "p1", "Failed", False, 4, THEN - 60.0, "OOMKilled")
    cluster = Cluster("cad", workloads=(nightly,), pods=(pod,))
    alerts = [
        Alert("f1", AlertState.SUPPRESSED, (("alertname", "Muted"),), starts_at=THEN - 50.0, muted_by=("nights",)),
        Alert("f2", AlertState.SUPPRESSED, (("alertname", "Inhibited"),), starts_at=THEN - 40.0, inhibited_by=("f3",)),
        Alert("f3", AlertState.ACTIVE, (("alertname", "Cause"),), starts_at=THEN - 30.0),
    ]
    silence = Silence("s9", (Matcher("alertname", "X"),), THEN - 100.0, THEN + 100.0, "ann", "gone from Alertmanager since")
    for moment in moments:
        writer.record(moment, "cluster", encoder.encode_cluster(cluster))
        writer.record(moment, "alerts", encoder.encode_alerts(alerts, peers_up=1, peers_total=1))
        writer.record(moment, "silences", encoder.encode_silences([silence]))
    writer.close()


async def test_what_was_recorded_is_shown_where_it_covers_the_moment(past: PastSession, live: Session) -> None:
    """Workloads, pods, CronJobs, silences, and what was inhibited or muted come from the recording, and from nothing of now;
    a moment that it does not cover is as without one, and says so.
    """
    before = await past.go(THEN)
    record(live, THEN - 20.0, THEN + 20.0)
    snapshot = await past.go(THEN)
    assert snapshot.cluster is not None
    assert [item.target for item in snapshot.cluster.workloads] == ["cronjob/nightly"]
    assert snapshot.cluster.pods[0].reason == "OOMKilled"
    suppressed = {item.alert.name: item.alert.suppressed_as for item in snapshot.alerts}
    assert suppressed["Muted"] == "muted"
    assert suppressed["Inhibited"] == "inhibited"
    assert suppressed["Cause"] == ""
    assert [item.id for item in snapshot.silences] == ["s9"]
    assert snapshot.as_of is not None
    assert snapshot.as_of.caveat == ""
    kubernetes, manager = snapshot.source("kubernetes"), snapshot.source("alertmanager")
    assert kubernetes is not None
    assert (kubernetes.health, kubernetes.detail) == (Health.UP, "recorded")
    assert manager is not None
    assert (manager.health, manager.detail) == (Health.UP, "1/1 recorded")

    uncovered = await past.go(THEN - 21.0)
    assert uncovered.cluster != snapshot.cluster
    assert uncovered.as_of is not None
    assert "inhibited or muted is not known then" in uncovered.as_of.caveat
    assert not {"Muted", "Inhibited", "Cause"} & {item.alert.name for item in uncovered.alerts}
    assert before.as_of is not None
    assert uncovered.as_of.caveat == before.as_of.caveat


async def test_a_recording_is_known_where_prometheus_has_nothing(past: PastSession, live: Session) -> None:
    """Without a sample of the moment the recorded cluster and alerts are still shown, and pending alerts are not known."""
    down = THEN - 7300.0
    record(live, down - 20.0, down + 20.0)
    snapshot = await past.go(down)
    assert snapshot.as_of is not None
    assert snapshot.as_of.caveat.startswith("pending alerts are not known then: Prometheus")
    assert snapshot.cluster is not None
    assert {"Muted", "Inhibited", "Cause"} <= {item.alert.name for item in snapshot.alerts}


async def test_a_damaged_recording_is_said(past: PastSession, live: Session) -> None:
    """Nothing of it is shown, and where nothing else keeps the cluster the reason names the recording."""
    down = THEN - 7300.0
    record(live, down - 20.0, down + 20.0)
    ((_, file),) = list_files(Path(live.settings.recording_dir))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x20
    file.write_bytes(content)
    snapshot = await past.go(down)
    kubernetes = snapshot.source("kubernetes")
    assert kubernetes is not None
    assert kubernetes.fault is not None
    assert "the recording cannot be read" in kubernetes.fault.sentence()


async def test_a_key_press_does_not_wait_for_the_pods_of_then(past: PastSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made of the series of thousands of pods and alerts is made beside the event loop."""
    threads = []

    def record(read: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            threads.append(threading.current_thread())
            return read(*arguments, **options)

        return call

    monkeypatch.setattr(kube_state, "read_cluster", record(kube_state.read_cluster))
    monkeypatch.setattr(alert_series, "read_alerts", record(alert_series.read_alerts))
    snapshot = await past.go(THEN)
    assert snapshot.workloads and snapshot.alerts
    assert len(threads) == 2 and threading.main_thread() not in threads


async def test_what_others_wrote_is_no_better_known_of_then_than_of_now(
    past: PastSession, live: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since the shared store was last read, nobody knows what other consoles wrote: of a moment after that it is said, of one
    before it not; nothing is said without a store, or while it answers.
    """
    fault = Fault(FaultKind.UNREACHABLE, "no connection to PostgreSQL", "db:5432")
    status: list[SyncStatus | None] = [None]
    monkeypatch.setattr(Session, "sharing", property(lambda session: status[0] if session is live else None))
    await past.go(THEN)
    for known in (None, SyncStatus("db", last_good_at=NOW), SyncStatus("db", fault=fault, last_good_at=THEN)):
        status[0] = known
        assert past.others_unknown == ""
    for unknown in (SyncStatus("db", fault=fault), SyncStatus("db", fault=fault, last_good_at=THEN - 1.0), SyncStatus("db")):
        status[0] = unknown
        assert past.others_unknown.startswith("the shared journal cannot be read now")


async def test_a_damaged_journal_is_said_of_then_too(past: PastSession, live: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that the file lacks may have been before the moment: what is left may not be all."""
    await past.go(THEN)
    assert past.journal_error == ""
    now = live.snapshot()
    monkeypatch.setattr(live, "snapshot", lambda: replace(now, ledger=replace(now.ledger, lost=3)))
    snapshot = await past.go(THEN)
    assert past.journal_error.startswith("the journal is damaged: 3 events are missing") and snapshot.ledger.lost == 3
