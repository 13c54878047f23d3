"""A day of random events at compressed time: what the console showed then, and what it says of each moment afterwards.

From the servers alone, with a recorder beside them, and from a bundle with every server stopped. `tests/e2e/test_past_truth.py`
and `tests/e2e/test_bundle_truth.py` do the same on real servers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from limits import extend
from network import no_network
from random_day import BEGINS, DAY, NAMESPACE, OUTAGE, PANELS, Day
from screen_samples import settings
from seen_snapshot import Seen, read_snapshot

from console.config.settings import RecorderSettings, Settings
from console.journal.payloads import AlertAcknowledged, NoteWritten, create_event
from console.journal.sqlite import Journal
from console.monitor.past_session import PastSession
from console.monitor.recorder import Recorder, RecorderState, probe_recorder
from console.monitor.session import Session
from console.replay.bundle_file import open_bundle
from console.replay.collect import write_incident_bundle
from console.replay.session import ReplaySession
from console.replay.settings import build_settings
from console.replay.stored_queries import BundleWindow
from console.runbooks.index import RunbookIndex
from console.state.snapshot import Snapshot
from queries.alertmanager import Alertmanager
from queries.catalogue.loader import load_board
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.kubernetes import cluster_list
from queries.model.alert import AlertState
from queries.model.cluster import Cluster
from queries.model.fault import Fault, FaultKind
from queries.model.pod import Pod
from queries.model.source import PollResult
from queries.prometheus.alert_series import fingerprint
from queries.prometheus.client import Prometheus

pytestmark = pytest.mark.slow
SNAPSHOTS, MOMENTS = 640, 200
POLL = 30.0
"""How often the recorder gets what the servers say."""
NO_RECORDER = (BEGINS + 70_000.0, BEGINS + 71_500.0)
"""No console records."""
NO_CLUSTER = (BEGINS + 30_000.0, BEGINS + 31_500.0)
"""Kubernetes does not answer the one that does."""
STEP = 15.0
"""Of the bundle, in seconds; shorter than what the series are late by, together less than APART."""


@dataclass(frozen=True)
class Kept:
    """A snapshot as it was shown: what series tell of it, and what only Alertmanager and Kubernetes knew."""

    seen: Seen
    alerts: frozenset[tuple[str, str, tuple[str, ...], tuple[str, ...], str]]
    pods: tuple[Pod, ...]
    incidents: tuple[tuple[int, bool], ...]

    @property
    def at(self) -> float:
        return self.seen.at


def keep(snapshot: Snapshot) -> Kept:
    pods = snapshot.cluster.pods if snapshot.cluster is not None else ()
    incidents = tuple((item.number, item.open) for item in snapshot.ledger.incidents.all)
    return Kept(read_snapshot(snapshot), frozenset(_alerts(snapshot)), pods, incidents)


def _alerts(snapshot: Snapshot) -> Iterable[tuple[str, str, tuple[str, ...], tuple[str, ...], str]]:
    """The alerts that fire, with whatever suppresses each."""
    for tracked in snapshot.alerts:
        alert = tracked.alert
        if alert.state is not AlertState.PENDING:
            state = alert.state.value
            yield alert.name, state, tuple(sorted(alert.silenced_by)), tuple(sorted(alert.inhibited_by)), tracked.owner


def within(moment: float, span: tuple[float, float]) -> bool:
    return span[0] <= moment < span[1]


class WatchedCluster:
    """A client that lists what the day has."""

    warnings = ()

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def session_of(day: Day, given: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    """The clients of the console on the day's servers."""
    http = {"transport": httpx.MockTransport(day.alertmanager), "clock": lambda: day.now}
    session = Session(
        given,
        specs=tuple(spec for spec in load_board("overview") if spec.id in PANELS),
        runbooks=RunbookIndex(()),
        journal=Journal.open(given.paths.journal_file),
        prometheus=Prometheus(given.prometheus, transport=httpx.MockTransport(day.prometheus), clock=lambda: day.now),  # type: ignore[arg-type]
        alertmanager=Alertmanager(given.alertmanagers, **http),  # type: ignore[arg-type]
        kubernetes=WatchedCluster(),  # type: ignore[arg-type]
        clock=lambda: day.now,
    )

    async def list_now(kubernetes: object) -> Cluster:
        return day.cluster()

    monkeypatch.setattr(cluster_list, "list_cluster", list_now)
    try:
        yield session
    finally:
        await session.close()


def day_settings(folder: Path, **more: object) -> Settings:
    servers = {"prometheus": Endpoint("http://prometheus.test"), "alertmanagers": (Endpoint("http://alertmanager.test"),)}
    return settings(folder, kubernetes=ClusterEndpoint(NAMESPACE), **servers, **more)


class Recording:
    """The recorder of a console that gets what the servers say, as its polling would deliver it."""

    def __init__(self, day: Day, session: Session) -> None:
        self._day, self._session = day, session
        self._recorder: Recorder | None = None

    async def poll(self) -> None:
        day, manager = self._day, self._session.alertmanager
        if within(day.now, NO_RECORDER):
            self.close()
            return
        if self._recorder is None:
            self._recorder = Recorder(self._session.settings, clock=lambda: day.now)
            self._recorder.start()
        assert manager is not None
        self._recorder.ingest(PollResult("alertmanager", day.now, 0.0, await manager.state()))
        fault = Fault(FaultKind.TIMED_OUT, "Kubernetes did not respond") if within(day.now, NO_CLUSTER) else None
        self._recorder.ingest(PollResult("kubernetes", day.now, 0.0, None if fault else day.cluster(), fault))

    def close(self) -> None:
        """Ends when everything is written: `Recorder.close` waits for a few seconds at most."""
        if self._recorder is None:
            return
        recorder, self._recorder = self._recorder, None
        recorder.close()
        ends = time.monotonic() + extend(60.0)
        while probe_recorder(self._session.settings).state is not RecorderState.NOBODY:
            assert time.monotonic() < ends, f"the recorder did not end: {recorder.status}"
            time.sleep(0.02)
        assert not recorder.status.error


async def live_through(day: Day, session: Session, recording: Recording | None = None) -> list[Kept]:
    """Every snapshot of the day, at random times, with people who acknowledge alerts, write notes and declare incidents."""
    dice = day.dice
    kept: list[Kept] = []
    shown = sorted((BEGINS + dice.uniform(600.0, DAY), True) for _ in range(SNAPSHOTS))
    polled = [(BEGINS + 7.0 + POLL * at, False) for at in range(int(DAY / POLL) + 4)] if recording is not None else []
    for moment, is_shown in sorted(shown + polled):
        day.now = moment
        if not is_shown:
            assert recording is not None
            await recording.poll()
            continue
        snapshot = await session.once()
        kept.append(keep(snapshot))
        firing = [item for item, fires in day.firing(moment) if fires]
        chance = dice.random()
        if firing and chance < 0.2:
            write(session, day, moment + 1.0, fingerprint(firing[0].labels), AlertAcknowledged(firing[0].name))
        elif chance < 0.3:
            write(session, day, moment + 1.0, "note", NoteWritten(f"note {dice.randrange(100)}"))
        elif chance < 0.32 or (not kept[-1].incidents and moment > BEGINS + DAY / 4):
            await session.incidents.declare(title="it broke", commander="ann")
            day.changes.append(moment)
    if recording is not None:
        recording.close()
    day.now = BEGINS + DAY + 3600.0
    return kept


def write(session: Session, day: Day, at: float, subject: str, payload: AlertAcknowledged | NoteWritten) -> None:
    assert session.journal is not None
    session.journal.append(create_event(payload, at=at, subject=subject, author="ann", environment="production"))
    day.changes.append(at)


class Comparison:
    """What differs from what was shown, and how much of it is known."""

    def __init__(self, day: Day, *, recorded: bool) -> None:
        self.wrong: list[str] = []
        self.compared: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.spans = dict.fromkeys((OUTAGE, NO_RECORDER, NO_CLUSTER) if recorded else (OUTAGE,), 0)
        """How many of the moments are of a time in which something was missing."""
        self._day, self._recorded = day, recorded

    def add(self, expected: Kept, snapshot: Snapshot) -> None:
        found, at = keep(snapshot), expected.at
        for span in self.spans:
            self.spans[span] += within(at, span)
        down = within(at, OUTAGE)
        recorded = self._recorded and not within(at, NO_RECORDER)
        watched = recorded and not within(at, NO_CLUSTER)
        self._compare("silences", at, found.seen.silences, expected.seen.silences)
        self._compare("notes", at, found.seen.notes, expected.seen.notes)
        self._compare("incidents", at, found.incidents, expected.incidents)
        self._compare("panels", at, found.seen.panels, expected.seen.panels, unknown=down)
        if down and not recorded:
            self._compare("alerts", at, found.seen.alerts, frozenset(), unknown=True)
        elif recorded:
            self._compare("alerts", at, found.alerts, expected.alerts)
        else:
            self._compare("alerts", at, found.seen.alerts, expected.seen.alerts)
        if not down:
            self._compare("pending", at, _pending(found), _pending(expected))
        self._compare("workloads", at, found.seen.workloads, expected.seen.workloads, unknown=down and not watched)
        if self._recorded:
            self._compare("pods", at, found.pods, expected.pods, unknown=not watched)

    def _compare(self, name: str, at: float, found: object, expected: object, *, unknown: bool = False) -> None:
        self.compared[name] += 1
        if unknown:
            self.unknown[name] += 1
            known = any(value is not None for _, value in found.values()) if isinstance(found, dict) else found
            if known:
                self.wrong.append(f"{name} at {at:.0f} cannot be known: {found}")
        elif found != expected:
            self.wrong.append(f"{name} at {at:.0f}: {found} instead of {expected}")

    def check(self) -> None:
        assert not self.wrong, "\n".join(self.wrong[:10])
        assert self.compared["alerts"] == MOMENTS
        assert all(self.spans.values()), f"no moment of {self.spans}"
        assert sum(self.unknown.values()) <= 0.05 * sum(self.compared.values()), (self.unknown, self.compared)


def _pending(kept: Kept) -> list[str]:
    return sorted(name for name, state, *_ in kept.seen.alerts if state == AlertState.PENDING.value)


def pick(day: Day, kept: list[Kept]) -> list[Kept]:
    """Random ones of those that no change is near, and everything happened at least once."""
    measured = [value for item in kept for _, value in item.seen.panels.values()]
    assert sum(value is not None for value in measured) >= 0.95 * len(measured)
    assert any(item.seen.silences for item in kept)
    assert kept[-1].seen.notes
    assert kept[-1].incidents
    assert any(owner for item in kept for *_, owner in item.alerts), "somebody owned an alert"
    assert any(inhibited for item in kept for *_, inhibited, _ in item.alerts), "an alert was inhibited"
    settled = [item for item in kept if day.settled(item.at)]
    return day.dice.sample(settled, MOMENTS)


@pytest.mark.parametrize("seed", [16, 17, 18])
async def test_the_past_is_what_was_seen_then(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels, alerts with owner and silences, workloads, notes and incidents of 200 random moments away from any change; at
    least 95 % are known, and what is not is of the time in which Prometheus was down.
    """
    day = Day(seed)
    async with session_of(day, day_settings(tmp_path), monkeypatch) as session:
        moments = pick(day, await live_through(day, session))
        past = PastSession(session, clock=lambda: day.now)
        comparison = Comparison(day, recorded=False)
        for expected in moments:
            comparison.add(expected, await past.go(expected.at))
        await past.close()
    comparison.check()


async def test_a_recorder_knows_more_and_a_bundle_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a recorder the same moments also have their pods and what was inhibited, and alerts and workloads while Prometheus
    was down; from a bundle with every server stopped they are the same again. Where nothing recorded, the series tell.
    """
    day = Day(19)
    day.changes += (*NO_RECORDER, *NO_CLUSTER)
    given = day_settings(tmp_path, recorder=RecorderSettings())
    file = tmp_path / "day.bundle.zip"
    async with session_of(day, given, monkeypatch) as session:
        recording = Recording(day, session)
        moments = pick(day, await live_through(day, session, recording))
        past = PastSession(session, clock=lambda: day.now)
        comparison = Comparison(day, recorded=True)
        for expected in moments:
            comparison.add(expected, await past.go(expected.at))
        await past.close()
        incident = session.snapshot().ledger.incidents.all[0]
        window = BundleWindow(BEGINS, BEGINS + DAY, STEP)
        written = await write_incident_bundle(session, incident, str(file), report=lambda text: None, window=window)
    comparison.check()
    states = {item.name: item.state for item in written.manifest.sources}
    assert states.items() >= {"prometheus": "read", "alertmanager": "read", "recorder": "read", "journal": "read"}.items(), (
        states
    )
    day.stopped = True
    stored = Comparison(day, recorded=True)
    with no_network() as tried:
        bundle = open_bundle(file)
        replayed = ReplaySession(build_settings(replace(given, recorder=None), bundle), bundle)
        past = await replayed.open_past(time.time)
        for expected in moments:
            stored.add(expected, await past.go(expected.at))
        await past.close()
        await replayed.close()
    assert tried == []
    stored.check()
