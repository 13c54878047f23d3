"""Journals of any size with a realistic mix of events, as this release writes them and as the release before did."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from json.encoder import encode_basestring_ascii as _ascii
from pathlib import Path
from typing import Any

from console.journal.event import Event

ENVIRONMENT = "prod"
BEGAN = 1_700_000_000.0
DAY_SECONDS = 86_400.0
WRITER = "host boot 1 1"
PEOPLE = ("ann", "bob", "chi", "dee")

# Version 2, as the release before wrote it: frozen here, so that what reads such a file is tested against what was written.
VERSION_2 = (
    """CREATE TABLE events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        stamp INTEGER NOT NULL,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        author TEXT NOT NULL,
        environment TEXT NOT NULL,
        data TEXT NOT NULL,
        writer TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL
    )""",
    "CREATE INDEX events_by_kind ON events (kind, subject)",
    "CREATE INDEX events_by_stamp ON events (stamp)",
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TABLE waiting (
        sequence INTEGER PRIMARY KEY,
        store TEXT NOT NULL,
        trouble TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE TABLE cursors (store TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "PRAGMA user_version = 2",
)
INSERT_2 = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def events(count: int, *, seed: int = 1, days: float | None = None, incidents: int = 2) -> Iterator[Event]:
    """So many events in their order, a thousand a day (or spread over `days`): alerts taken and given back, actions with
    intent and outcome, walks with every item answered and signed, incidents with their timeline, notes and handovers.

    Of 360 stories so many are `incidents`; every hundredth of these was forgotten open.
    """
    step = (days * DAY_SECONDS if days else count * DAY_SECONDS / 1000.0) / count
    chance = random.Random(seed)
    for number, (kind, subject, data) in enumerate(islice(_stories(chance, incidents), count)):
        yield Event(BEGAN + number * step, kind, subject, chance.choice(PEOPLE), ENVIRONMENT, data)


def write_old(path: Path, told: Iterable[Event]) -> None:
    """A file of version 2, quickly: one transaction without waiting for the disk."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        for statement in VERSION_2:
            connection.execute(statement)
        connection.executemany(INSERT_2, rows_2(told))
    connection.close()


def rows_2(told: Iterable[Event], *, begin: int = 1, previous: str = "", stamp: int = 0) -> Iterator[tuple[Any, ...]]:
    """The rows of version 2, each with its place in the chain: `writer` is not in the hash."""
    text, plain = (
        json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode,
        json.JSONEncoder(ensure_ascii=False, sort_keys=True),
    )
    for sequence, event in enumerate(told, begin):
        stamp = max(int(event.at * 1e6), stamp + 1)
        identity = f"{sequence:032x}"
        # The JSON of all fields with sorted keys, put together by hand: encoding them one event after another takes minutes.
        kind, subject, author, environment = map(_ascii, (event.kind, event.subject, event.author, event.environment))
        whole = (
            f'{{"at":{event.at!r},"author":{author},"data":{text(event.data)},"environment":{environment},"id":"{identity}",'
            f'"kind":{kind},"previous":"{previous}","sequence":{sequence},"stamp":{stamp},"subject":{subject}}}'
        )
        hash_ = hashlib.sha256(whole.encode("ascii")).hexdigest()
        texts = (event.kind, event.subject, event.author, event.environment, plain.encode(event.data), WRITER, previous)
        yield (sequence, identity, stamp, event.at, *texts, hash_)
        previous = hash_


_Told = tuple[str, str, dict[str, Any]]


def _stories(chance: random.Random, incidents: int) -> Iterator[_Told]:
    """For ever, several stories at once: each tells its next event when it is its turn."""
    running: list[Iterator[_Told]] = []
    makers = (_walk, _alert, _action, _note, _incident, _handover)
    weights = (24, 150, 120, 60, incidents, 3)
    for made in range(1 << 62):
        while len(running) < 6:
            (maker,) = chance.choices(makers, weights)
            running.append(maker(f"{made:x}{chance.getrandbits(32):08x}", chance))
        story = chance.choice(running)
        told = next(story, None)
        if told is None:
            running.remove(story)
        else:
            yield told


def _walk(name: str, chance: random.Random) -> Iterator[_Told]:
    checklist = chance.choice(("hourly",) * 8 + ("morning", "end-of-day"))
    yield "walk.begun", name, {"checklist": checklist, "title": checklist.title(), "uptime": {"boot": "b", "seconds": 1.5}}
    for item in range(8):
        yield "walk.item", name, {
            "item": f"item-{item}", "title": f"Item {item} is well", "answer": "agree", "stands": "ok", "verdict": "ok",
            "told": f"{chance.random():.3f} % of requests failed", "why": "under the threshold", "value": chance.random(),
        }  # fmt: skip
    yield "walk.signed", name, {
        "checklist": checklist, "title": checklist.title(), "name": "Ann Example", "open": [], "uptime": {}
    }  # fmt: skip


def _alert(name: str, chance: random.Random) -> Iterator[_Told]:
    fingerprint = f"{chance.getrandbits(64):016x}"
    yield "alert.owned", fingerprint, {"name": "ErrorRatioHigh"}
    yield "alert.released", fingerprint, {"why": "resolved"}


def _action(name: str, chance: random.Random) -> Iterator[_Told]:
    action = chance.choice(("scale", "restart", "silence", "rollback"))
    base = {"action": action, "title": f"{action} deployment/cad-ml-api", "target": "deployment/cad-ml-api"}
    yield "action.intent", name, {
        **base, "differences": [["replicas", "2", "4"]], "notes": ["an HPA is not known"], "command": f"kubectl {action} x",
        "digest": name, "resource_version": "123", "cause": "", "panel_id": "", "fingerprint": "",
    }  # fmt: skip
    outcome = chance.choices(("done", "failed", "refused"), (8, 1, 1))[0]
    yield "action.outcome", name, {
        **base, "outcome": outcome, "text": f"{outcome} in 12s; error ratio 7.8 → 0.4 %", "elapsed_seconds": 12.0,
        "command": f"kubectl {action} x", "cause": "", "fingerprint": "",
    }  # fmt: skip


def _note(name: str, chance: random.Random) -> Iterator[_Told]:
    yield "note", name, {"text": f"the queue was {chance.randrange(1000)} long, and nobody knows why"}


def _incident(name: str, chance: random.Random) -> Iterator[_Told]:
    identity = f"i{name[-7:]}"
    alert = {
        "fingerprint": f"{chance.getrandbits(64):016x}",
        "name": "ErrorRatioHigh",
        "starts_at": 0.0,
        "labels": [["a", "b"]],
    }
    yield "incident.declared", identity, {
        "title": f"Error ratio is high {name}", "severity": chance.choice(("P1", "P2", "P3")), "alerts": [alert], "panels": [],
        "detected_at": None, "seen": {}, "commander": "ann",
    }  # fmt: skip
    for step in ("acknowledge", "assess", "communicate", "mitigate"):
        for count in range(6):
            yield "incident.seen", f"{identity}/{step}{count}", {
                "thing": f"panel:{step}", "value": str(count), "count": count + 1, "at": BEGAN, "source": "prometheus",
                "text": f"error ratio {chance.random():.2f} %",
            }  # fmt: skip
        yield "incident.note", identity, {"id": f"{step}-note", "text": f"looked at {step}", "corrects": ""}
        yield "incident.update", identity, {"update": f"{step}-update", "text": f"We are at {step}.\nMore follows."}
        yield "incident.delivered", identity, {"update": f"{step}-update", "how": "copied", "where": "clipboard"}
        yield "incident.step", identity, {"step": step, "done": True, "note": "", "because": ""}
    if chance.randrange(100):
        yield "incident.step", identity, {"step": "resolve", "done": True, "note": "", "because": ""}
        yield "incident.closed", identity, {"why": "it is over"}
        yield "incident.step", identity, {"step": "review", "done": True, "note": "", "because": ""}


def _handover(name: str, chance: random.Random) -> Iterator[_Told]:
    yield "handover.signed", name, {"name": "Ann Example", "to": "Bob Example", "remark": ""}
