"""The past against what was seen then: random events on real servers, every snapshot kept, then each moment asked for again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from seen_snapshot import Seen, read_snapshot

from console.config.load import load_settings
from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack
from console.journal.payloads import NoteWritten
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from queries.text.times import utc

pytestmark = [pytest.mark.servers]
SECONDS = 75.0
SETTLED_SECONDS = 12.0
"""A scrape, an evaluation, a notification of Alertmanager and a poll: closer to a change the two may differ."""
MOMENTS = 200
TOLERANCE = 0.03


async def disturb(session: Session, stack: DemoStack, dice: random.Random, until: float) -> None:
    """Silences that begin and end, owners, notes, and a Deployment that somebody scales."""
    manager = stack.addresses.alertmanager
    made: list[str] = []
    async with httpx.AsyncClient() as client:
        while time.time() < until:
            await asyncio.sleep(dice.uniform(6.0, 14.0))
            firing = [item.alert for item in session.snapshot().active]
            kind = dice.choice(("silence", "expire", "own", "note"))
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


async def test_the_past_is_what_was_seen_then(servers: Servers, tmp_path: Path) -> None:
    """Alerts with state, silences and owner, workloads, notes and panels, at random moments away from any change."""
    dice = random.Random(16)
    seen: list[Seen] = []
    with DemoStack(scenario("bad-deploy"), servers) as stack:
        environ = {**stack.addresses.environment(), "XDG_STATE_HOME": str(tmp_path)}
        settings = replace(load_settings({"refresh": 1.0}, environ), read_only=False)
        session = await asyncio.to_thread(Session.open, settings)
        session.start(lambda snapshot: seen.append(read_snapshot(snapshot)))
        ends = time.time() + SECONDS
        await disturb(session, stack, dice, ends)
        past = PastSession(session)
        compared: dict[str, int] = {}
        wrong: list[str] = []
        unknown = 0
        first, last = seen[0].at + SETTLED_SECONDS, time.time() - SETTLED_SECONDS
        for moment in sorted(dice.uniform(first, last) for _ in range(MOMENTS)):
            then = read_snapshot(await past.go(moment))
            expected = min(seen, key=lambda item: abs(item.at - moment))
            for name in ("alerts", "workloads", "silences", "notes"):
                if settled(seen, moment, lambda item, name=name: getattr(item, name)):  # type: ignore[misc]
                    compared[name] = compared.get(name, 0) + 1
                    if getattr(then, name) != getattr(expected, name):
                        wrong.append(f"{name} at {moment:.1f}: {getattr(then, name)} instead of {getattr(expected, name)}")
            for panel, (verdict, value) in then.panels.items():
                near = [item.panels[panel] for item in seen if abs(item.at - moment) <= SETTLED_SECONDS]
                if {item[0] for item in near} != {near[0][0]} or near[0][1] is None:
                    continue
                compared["panels"] = compared.get("panels", 0) + 1
                if value is None:
                    unknown += 1
                    continue
                values = [item[1] for item in near if item[1] is not None]
                slack = TOLERANCE * max(map(abs, values)) + 0.5
                if verdict != near[0][0] or not min(values) - slack <= value <= max(values) + slack:
                    wrong.append(f"{panel} at {moment:.1f}: {verdict} {value} instead of {near[0][0]} {values}")
        await past.close()
        await session.close()
    assert not wrong, "\n".join(wrong[:20])
    assert min(compared.get(name, 0) for name in ("alerts", "workloads", "silences", "notes")) >= 5, compared
    assert unknown <= 0.05 * compared["panels"], compared
