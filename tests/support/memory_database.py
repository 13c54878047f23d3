"""A database of journal events that answers the statements of the shared store, and fails as a server does when told to."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Notification:
    channel: str
    payload: str = ""


class MemoryDatabase:
    """`asked` are all statements that came with their values, `notified` the notifications (channel, payload), `made` the
    options of each connection. `failure` is raised by every statement that is not a setting.
    """

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, str]] | None = None
        """By position, id and text; None while there is no table."""
        self.page = 2
        """How many rows a page has."""
        self.failure: Exception | None = None
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.notified: list[tuple[str, str]] = []
        self.made: list[dict[str, Any]] = []
        self.closed = 0
        self.in_transaction = False
        self.notifications: queue.Queue[Notification | Exception] = queue.Queue()
        """What a connection that listens gets next; an exception breaks it."""

    @property
    def statements(self) -> list[str]:
        return [statement for statement, _ in self.asked]

    def connect(self, url: str, **options: Any) -> MemoryConnection:
        self.made.append({"url": url, **options})
        return MemoryConnection(self)

    def add(self, identity: str, text: str) -> int:
        self.rows = self.rows or {}
        position = max(self.rows, default=0) + 1
        self.rows[position] = (identity, text)
        return position


class MemoryConnection:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def close(self) -> None:
        self._database.closed += 1

    def notifies(self, *, timeout: float, stop_after: int) -> Iterator[Notification]:
        """As psycopg does: as many as were asked for, or what came in the time; the time is short here."""
        with suppress(queue.Empty):
            for _ in range(stop_after):
                came = self._database.notifications.get(timeout=min(timeout, 0.02))
                if isinstance(came, Exception):
                    raise came
                yield came

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._database.in_transaction = True
        with nullcontext():
            yield
        self._database.in_transaction = False

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Answer:
        database = self._database
        database.asked.append((statement, values))
        if statement.startswith("SET "):
            return Answer([])
        if database.failure is not None:
            raise database.failure
        rows = database.rows or {}
        if "to_regclass" in statement:
            return Answer([(database.rows is not None,)])
        if statement.startswith("CREATE TABLE"):
            assert database.rows is None
            database.rows = {}
        elif statement.startswith("INSERT INTO"):
            known = {identity for identity, _ in rows.values()}
            for identity, text in zip(*values, strict=True):
                if identity not in known:
                    database.add(identity, text)
        elif "pg_notify" in statement:
            channel = values[0]
            database.notified.append((channel, values[1] if len(values) > 1 else ""))
        elif "position > %s" in statement:
            after = [(at, text, identity) for at, (identity, text) in sorted(rows.items()) if at > values[0]]
            return Answer(after[: database.page])
        elif "ANY(%s)" in statement:
            found = [at for at in values[0] if at in rows]
            return Answer([(at, rows[at][1]) if "event" in statement.split("FROM")[0] else (at,) for at in found])
        elif "position = %s" in statement:
            return Answer([(rows[values[0]][0],)] if values[0] in rows else [])
        return Answer([])


class Answer:
    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows
