"""The journal shared through a PostgreSQL database: one append-only table, and NOTIFY for changes.

An advisory lock serialises writers, so that positions become visible in order: a reader that continues after the last
position it saw never skips one that was assigned earlier and committed later.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.config.settings import StoreSettings
from console.journal.event import Event
from console.journal.postgresql_limit import PAGE_BYTES, limited
from console.journal.shared_store import AGAIN_SECONDS, EVENT_BYTES, LeftOut, OnEvents, PushResult, to_json
from queries.errors import AccessDenied, NotConfigured, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
from queries.kubernetes.watch import Backoff
from queries.model.fault import Fault
from queries.text.durations import format_duration

if TYPE_CHECKING:
    import psycopg

TABLE = "cad_console_events"
CHANNEL = "cad_console_journal"
PRESENCE = "cad_console_presence"
"""Heartbeats are notifications alone: no table, no privilege, and nothing to tidy up."""
_LOCK = 0x6361642D636F6E
"""The key of the advisory lock: "cad-con" in ASCII, used by no other program."""
_MAKE = f"""CREATE TABLE {TABLE} (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    event text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
)"""
_INSERT = f"""INSERT INTO {TABLE} (id, event) SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT (id) DO NOTHING"""  # noqa: S608 - no input
_READABLE = f"CASE WHEN octet_length(event) <= {2 * EVENT_BYTES} THEN event ELSE '' END AS event"
"""Oversized events are read as an empty text."""
_STILL = f"SELECT position FROM {TABLE} WHERE position = ANY(%s)"  # noqa: S608 - no input
_AT = f"SELECT position, {_READABLE} FROM {TABLE} WHERE position = ANY(%s)"  # noqa: S608 - no input
_AT_ONCE = PAGE_BYTES // (2 * EVENT_BYTES)
_MOST_LEFT_OUT = 1000
_MOST_CONSOLES = 200
_CONNECT_SECONDS = 4
_SELECT = f"""SELECT position, event, id FROM (
    SELECT position, event, id, octet_length(event) AS own, sum(octet_length(event)) OVER (ORDER BY position) AS whole
    FROM (
        SELECT position, id, {_READABLE}
        FROM {TABLE} WHERE position > %s ORDER BY position LIMIT 500
    ) page
) counted WHERE whole <= {PAGE_BYTES} OR whole = own ORDER BY position"""  # noqa: S608 - no input
"""The next events, as many as fit into a page."""


class PostgreSQL:
    """Two connections: one reads and writes, the other listens in a thread of its own."""

    def __init__(
        self,
        settings: StoreSettings,
        *,
        read_only: bool,
        backoff_cap_seconds: float = 10.0,
        call_seconds: float = 4.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._call_seconds = call_seconds
        self._read_only = read_only
        self._cap = min(backoff_cap_seconds, 10.0)
        self._connection: psycopg.Connection[Any] | None = None
        self._listening: psycopg.Connection[Any] | None = None
        self._ready = False
        """Whether the table is known to exist."""
        self._left_out = LeftOut(clock)
        self._left_out_at = float("-inf")
        """When the events that are left out were last checked, by the monotonic clock."""
        self._fault: Fault | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._used = threading.Lock()
        self._board: NotifyBoard | None = None

    @property
    def where(self) -> str:
        return self._settings.where

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._left_out.sentences

    @property
    def fault(self) -> Fault | None:
        return self._fault

    def board(self) -> NotifyBoard:
        self._board = NotifyBoard(self)
        return self._board

    def notify_presence(self, text: str) -> None:
        """Sends a heartbeat to every console that listens. Raises SourceError."""
        with self._using() as connection:
            connection.execute("SELECT pg_notify(%s, %s)", (PRESENCE, text))

    def listen(self, changed: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._listen, args=(changed,), name="listen-postgresql", daemon=True)
        self._thread.start()

    def read(self, cursor: str, on_events: OnEvents) -> bool:
        with self._using() as connection:
            if not self._there(connection):
                return True
            after, last, left = _parse_cursor(cursor)
            if connection.execute(f"SELECT id FROM {TABLE} WHERE position = %s", (after,)).fetchall() != [(last,)]:  # noqa: S608 - no input
                # Another table, or one restored from a backup: read from the beginning; known ids are skipped.
                after, last, left = 0, "", []
                self._left_out.forget(lambda _: False)
            if left and time.monotonic() - self._left_out_at > AGAIN_SECONDS:
                # An event may have been deleted or become valid since it was left out, by this process or an earlier one.
                self._left_out_at = time.monotonic()
                there = [position for (position,) in connection.execute(_STILL, (left,)).fetchall()]
                self._left_out.forget({str(position) for position in there}.__contains__)
                again: tuple[Event, ...] = ()
                for some in (there[start : start + _AT_ONCE] for start in range(0, len(there), _AT_ONCE)):
                    rows = connection.execute(_AT, (some,)).fetchall()
                    again += tuple(self._left_out.read({str(position): text for position, text in rows}))
                if again or len(there) < len(left):
                    on_events(again, self._cursor(after, last))
            while rows := connection.execute(_SELECT, (after,)).fetchall():
                events = self._left_out.read({str(position): text for position, text, _ in rows})
                after, last = rows[-1][0], rows[-1][2]
                on_events(events, self._cursor(after, last))
        return True

    def _cursor(self, after: int, last: str) -> str:
        """The position read so far, and the positions left out on the way, which the next process reports too."""
        return json.dumps([after, last, [int(place) for place in self._left_out.places[:_MOST_LEFT_OUT]]])

    def push(self, events: Sequence[Event]) -> PushResult:
        texts = [(event, to_json(event)) for event in events]
        refused = tuple((event, "it is too large to be shared") for event, text in texts if len(text) > EVENT_BYTES)
        written = [(event, text) for event, text in texts if len(text) <= EVENT_BYTES]
        if self._read_only:
            raise PermissionError("read-only: nothing will be sent")
        with self._using() as connection:
            self._there(connection)
            # In one transaction: listeners are notified once the events are visible, and of nothing that was rolled back.
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                connection.execute(_INSERT, ([event.id for event, _ in written], [text for _, text in written]))
                connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
        return PushResult(tuple(event for event, _ in written), refused)

    def ping(self, *, fresh: bool = False) -> None:
        with self._using() as connection:
            connection.execute("SELECT 1")

    def close(self) -> None:
        self._stopped.set()
        for connection in (self._connection, self._listening):
            if connection is not None:
                _cut(connection)
        # A cut connection is released at once; freeing one that another thread still reads from would crash the process.
        if self._used.acquire(timeout=0.5):
            if self._connection is not None:
                self._connection.close()
            self._used.release()
        if self._thread is not None:
            self._thread.join(0.5)

    # Connections

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            client: Any = import_module("psycopg")
        except ImportError:
            hint = "install cad-console with its extra: cad-console[postgresql]"
            raise NotConfigured("psycopg is not installed", where=self.where, hint=hint) from None
        given: dict[str, Any] = {"password": self._password()} if self._settings.password_file else {}
        connection: psycopg.Connection[Any] = limited(client.Connection).connect(
            self._settings.url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            client_encoding="utf8",
            application_name="cad-console",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=2,
            **given,
        )
        try:
            with self._limited(connection):
                connection.execute(f"SET statement_timeout = {int(self._call_seconds * 1000)}")
                connection.execute("SET default_transaction_read_only = on" if self._read_only else "SET lock_timeout = 3000")
        except BaseException:
            connection.close()
            raise
        return connection

    def _password(self) -> str:
        try:
            return Path(self._settings.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise AccessDenied(
                "the password file of the store cannot be read", where=self.where, hint="check its rights"
            ) from None

    @contextmanager
    def _using(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection, opened on first use; after any failure the next call opens another one."""
        with self._used:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                with self._limited(self._connection):
                    yield self._connection
            except BaseException as error:
                connection, self._connection = self._connection, None
                self._ready = False
                if connection is not None:
                    connection.close()
                explained = _explain(error, self.where)
                if explained is not None:
                    raise explained from None
                raise

    @contextmanager
    def _limited(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Limits the time of the queries in its block; libpq waits for a silent server for ever."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            _cut(connection)

        timer = threading.Timer(self._call_seconds + 1.0, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BaseException as error:
            if late.is_set() and not isinstance(error, SourceError):
                raise TimedOut(
                    f"no answer within {format_duration(self._call_seconds + 1.0)}", hint="check that the database is up"
                ) from None
            raise
        finally:
            timer.cancel()

    def _there(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether the table exists; a console with write access creates it."""
        if self._ready:
            return True
        ((found,),) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (TABLE,)).fetchall()
        if not found and not self._read_only:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                # Another console may have created it while this one waited.
                ((found,),) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (TABLE,)).fetchall()
                if not found:
                    connection.execute(_MAKE)
            found = True
        self._ready = bool(found)
        return self._ready

    def _listen(self, changed: Callable[[], None]) -> None:
        backoff = Backoff(self._cap)
        while not self._stopped.is_set():
            try:
                self._listening = connection = self._connect()
                with self._limited(connection):
                    connection.execute(f"LISTEN {CHANNEL}")
                    if self._board is not None:
                        connection.execute(f"LISTEN {PRESENCE}")
                self._fault = None
                backoff.reset()
                changed()
                if self._board is not None:
                    self._board.connect()
                while not self._stopped.is_set():
                    for notification in connection.notifies(timeout=5.0, stop_after=1):
                        if notification.channel == CHANNEL:
                            changed()
                        elif self._board is not None:
                            self._board.ingest(notification.payload)
                    with self._limited(connection):
                        connection.execute("SELECT 1")
            except Exception as error:  # a thread that dies silently would leave an old status on the screen
                if self._stopped.is_set():
                    return
                known = _explain(error, self.where)
                text = f"listening failed: {type(error).__name__}"
                self._fault = known.fault if known else TimedOut(text, where=self.where, hint="see the log").fault
                changed()
                self._stopped.wait(backoff.pause())
            finally:
                if self._listening is not None:
                    self._listening.close()


class NotifyBoard:
    """The board of a database's consoles: each keeps the last heartbeat that it received of every other one."""

    poll_seconds = 60.0
    live = True

    def __init__(self, store: PostgreSQL) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._latest: dict[str, str] | None = None
        self._changed: Callable[[], None] = lambda: None

    @property
    def fault(self) -> Fault | None:
        return self._store.fault

    def open(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def entries(self) -> Mapping[str, str] | None:
        with self._lock:
            return None if self._latest is None else dict(self._latest)

    def write(self, identity: str, text: str) -> None:
        self._store.notify_presence(f"{identity} {text}")

    def remove(self, identity: str) -> None:
        with self._lock:
            known = self._latest or {}
            known.pop(identity, None)
        self._store.notify_presence(identity)

    def close(self) -> None:
        """The store's own connections end with the store."""

    def connect(self) -> None:
        """From now on heartbeats arrive; in the store's thread."""
        with self._lock:
            self._latest = self._latest or {}
        self._changed()

    def ingest(self, payload: str) -> None:
        """One heartbeat, or the id alone of a console that ended; in the store's thread."""
        identity, _, text = payload.partition(" ")
        with self._lock:
            latest = self._latest if self._latest is not None else {}
            if not text:
                latest.pop(identity, None)
            elif identity in latest or len(latest) < _MOST_CONSOLES:
                latest[identity] = text
            self._latest = latest
        self._changed()


def _parse_cursor(cursor: str) -> tuple[int, str, list[int]]:
    """The position, the id there, and the positions left out; the beginning for a text that is not our cursor."""
    try:
        after, last, left = json.loads(cursor)
        return int(after), str(last), [int(place) for place in left]
    except (ValueError, TypeError):
        return 0, "", []


def _cut(connection: psycopg.Connection[Any]) -> None:
    """Ends, from another thread, every wait on this connection."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as held:
            held.shutdown(socket.SHUT_RDWR)
    except Exception:  # noqa: S110 - a connection that is closed or lost has no waits
        pass


def _explain(error: BaseException, where: str) -> SourceError | None:
    """The error in our own words, since the server's may quote what was sent; None for an error that is not the database's."""
    if isinstance(error, TimedOut) and not error.fault.where:
        return TimedOut(error.fault.what, where=where, hint=error.fault.hint)
    client: Any = sys.modules.get("psycopg")
    if client is None or not isinstance(error, client.Error):
        return None
    state = getattr(error, "sqlstate", None) or ""
    text = str(error).lower()
    for kind, states, phrases, what, hint in _CAUSES:
        if (states and state.startswith(states)) or any(phrase in text for phrase in phrases):
            return kind(what, where=where, hint=hint)
    if isinstance(error, client.errors.ConnectionTimeout | client.errors.QueryCanceled):
        return TimedOut(
            "PostgreSQL does not answer in time", where=where, hint="check the network, and the load of the database"
        )
    if isinstance(error, client.OperationalError | client.InterfaceError):
        return Unreachable("no connection to PostgreSQL", where=where, hint="check host, port and sslmode, and whether it runs")
    if isinstance(error, client.ProgrammingError) and not state:
        return RequestRejected("the store's URL is not one that libpq takes", where=where, hint="see docs/configuration.md")
    return RequestRejected(f"PostgreSQL refuses this ({state or type(error).__name__})", where=where, hint="its log says more")


_GRANT = f"GRANT SELECT, INSERT ON {TABLE} to this user; the first time somebody with CREATE has to open the console"
_CAUSES: tuple[tuple[type[SourceError], tuple[str, ...], tuple[str, ...], str, str], ...] = (
    (
        AccessDenied,
        ("28",),
        ("password authentication failed", "no password supplied", "no pg_hba.conf entry", 'role "'),
        "PostgreSQL refuses the user or the password",
        "check them, and pg_hba.conf",
    ),
    (AccessDenied, ("42501",), (), "PostgreSQL forbids this user to use the table", _GRANT),
    (RequestRejected, ("3D000",), ('" does not exist',), "there is no such database", "create it, or correct the URL"),
    (RequestRejected, ("25006",), (), "this PostgreSQL takes no writes", "it is a standby: name the primary in the URL"),
    (RequestRejected, ("53100",), (), "the disk of PostgreSQL is full", "free some space there"),
    (RateLimited, ("53",), ("too many clients", "too many connections"), "PostgreSQL takes no more connections", "end some"),
    (
        Unreachable,
        ("57P",),
        ("the database system is",),
        "PostgreSQL is starting or stopping",
        "the console retries by itself",
    ),
    (TimedOut, ("57014", "55P03"), (), "PostgreSQL does not answer in time", "look for what locks the table"),
)
