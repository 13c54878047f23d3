"""The past against what was seen then: random events on real servers, every snapshot kept, then each moment asked for again.

`make past-truth` runs it for twenty minutes (PAST_TRUTH_SECONDS).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import httpx
import pytest
from seen_snapshot import Seen, read_snapshot

from console.config.load import load_settings
from console.config.settings import RecorderSettings
from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack
from console.journal.payloads import NoteWritten
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from console.recording.reader import Recording
from queries.text.times import utc

pytestmark = [pytest.mark.servers]
SECONDS = float(os.environ.get("PAST_TRUTH_SECONDS") or 75.0)
SETTLED_SECONDS = 12.0
"""A scrape, an evaluation, a notification of Alertmanager and a poll: closer to a change the two may differ."""
MOMENTS = 200
TOLERANCE = 0.03
SCALED = "ocr-provider-paddle"


async def disturb(session: Session, stack: DemoStack, dice: random.Random, until: float) -> None:
    """Silences that begin and end, owners, notes, and a Deployment that somebody scales."""
    manager = stack.addresses.alertmanager
    made: list[str] = []
    events = 0
    async with httpx.AsyncClient() as client:
        while time.time() < until:
            events += 1
            # After every third event a time in which nothing changes, so that there is something to compare.
            await asyncio.sleep(2 * SETTLED_SECONDS + 8.0 if events % 4 == 0 else dice.uniform(6.0, 14.0))
            firing = [item.alert for item in session.snapshot().active]
            kind = dice.choice(("silence", "expire", "own", "note", "scale"))
            if kind == "silence" and firing:
                matcher = {"name": "alertname", "value": dice.choice(firing).name, "isRegex": False, "isEqual": True}
                now = time.time()
                body = {
                    "matchers": [matcher],
                    "startsAt": utc(now),
                    "endsAt": utc(now + 3600.0),
                    "createdBy": "ann",
                    "comment": "x",
                }
                answer = await client.post(f"{manager}/api/v2/silences", json=body)
                made.append(answer.json()["silenceID"])
            elif kind == "expire" and made:
                await client.delete(f"{manager}/api/v2/silence/{made.pop()}")
            elif kind == "scale" and stack.cluster is not None:
                body = {"spec": {"replicas": dice.randint(1, 4)}}
                await asyncio.to_thread(stack.cluster.patch, "deployments", SCALED, body)
            elif kind == "own" and firing:
                tracked = session.snapshot().alert(dice.choice(firing).fingerprint)
                if tracked is not None:
                    await session.acknowledge(tracked.alert.fingerprint, on=not tracked.owner)
            else:
                await session.record("note", NoteWritten(f"note {dice.randrange(1000)}"))


def settled(seen: list[Seen], moment: float, read_one: Callable[[Seen], object]) -> bool:
    """Whether this did not change around the moment."""
    near = [read_one(item) for item in seen if abs(item.at - moment) <= SETTLED_SECONDS]
    return len(near) > 3 and all(item == near[0] for item in near)


class Comparison:
    """What a past says of random moments, beside what was seen."""

    def __init__(self, seen: list[Seen]) -> None:
        self.wrong: list[str] = []
        self.compared: Counter[str] = Counter()
        self.unknown = 0
        self._seen = seen

    def add(self, moment: float, then: Seen) -> None:
        seen = self._seen
        expected = min(seen, key=lambda item: abs(item.at - moment))
        for name in ("alerts", "workloads", "silences", "notes"):
            if settled(seen, moment, attrgetter(name)):
                self.compared[name] += 1
                if getattr(then, name) != getattr(expected, name):
                    self.wrong.append(f"{name} at {moment:.1f}: {getattr(then, name)} instead of {getattr(expected, name)}")
        for panel, (verdict, value) in then.panels.items():
            near = [item.panels[panel] for item in seen if abs(item.at - moment) <= SETTLED_SECONDS]
            if {item[0] for item in near} != {near[0][0]} or near[0][1] is None:
                continue
            self.compared["panels"] += 1
            if value is None:
                self.unknown += 1
                continue
            values = [item[1] for item in near if item[1] is not None]
            slack = TOLERANCE * max(map(abs, values)) + 0.5
            if verdict != near[0][0] or not min(values) - slack <= value <= max(values) + slack:
                self.wrong.append(f"{panel} at {moment:.1f}: {verdict} {value} instead of {near[0][0]} {values}")

    def check(self) -> None:
        kinds = Counter(item.partition(" ")[0] for item in self.wrong)
        assert not self.wrong, f"{dict(kinds)}: " + "\n".join(self.wrong[:20])
        assert min(self.compared[name] for name in ("alerts", "workloads", "silences", "notes")) >= 5, self.compared
        assert self.unknown <= 0.05 * self.compared["panels"], self.compared


async def test_the_past_is_what_was_seen_then(servers: Servers, tmp_path: Path) -> None:
    """Alerts with state, silences and owner, workloads, notes and panels, at random moments away from any change; from the
    servers alone, and with what a recorder kept.
    """
    dice = random.Random(16)
    seen: list[Seen] = []
    with DemoStack(scenario("bad-deploy"), servers) as stack:
        environ = {**stack.addresses.environment(), "XDG_STATE_HOME": str(tmp_path)}
        settings = replace(load_settings({"refresh": 1.0}, environ), read_only=False, recorder=RecorderSettings())
        session = await asyncio.to_thread(Session.open, settings)
        session.start(lambda snapshot: seen.append(read_snapshot(snapshot)))
        ends = time.time() + SECONDS
        await disturb(session, stack, dice, ends)
        first, last = seen[0].at + SETTLED_SECONDS, time.time() - SETTLED_SECONDS
        moments = sorted(dice.uniform(first, last) for _ in range(MOMENTS))
        comparisons = []
        for recording in (Recording(None, exported=b""), None):
            past, comparison = PastSession(session, recording=recording), Comparison(seen[:])
            recorded = 0
            for moment in moments:
                snapshot = await past.go(moment)
                source = snapshot.source("kubernetes")
                recorded += source is not None and source.detail == "recorded"
                comparison.add(moment, read_snapshot(snapshot))
            await past.close()
            comparisons.append(comparison)
            assert recorded == 0 if recording is not None else recorded >= 0.9 * MOMENTS
        await session.close()
    for comparison in comparisons:
        comparison.check()
