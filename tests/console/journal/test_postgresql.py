"""The journal in PostgreSQL, on a real server: two hosts, the server gone, hanging, refusing, and what it never gives away."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from cutting_proxy import CuttingProxy
from limits import extend
from postgresql_fixture import PASSWORD, Server
from shared_host import Host, until

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal import postgresql_limit
from console.journal.hash_chain import verify_chain
from console.journal.postgresql import TABLE, PostgreSQL
from queries.errors import InvalidResponse


def host(
    folder: Path, name: str, url: str, *, read_only: bool = False, password_file: str = "", call_seconds: float = 4.0
) -> Host:
    settings = StoreSettings(POSTGRESQL, url=url, password_file=password_file)
    store = PostgreSQL(settings, read_only=read_only, backoff_cap_seconds=1.0, call_seconds=call_seconds)
    return Host(folder, name, store, read_only=read_only)


def well(*hosts: Host) -> None:
    until(lambda: all(each.sharing.word == "ok" and not each.journal.outbox.pending_count() for each in hosts))


@pytest.fixture
def url(postgresql: Server) -> str:
    return postgresql.url(postgresql.database())


def test_both_have_all_in_one_order(url: str, tmp_path: Path) -> None:
    """What two write at the same time is in both journals, once, in the same order; the database need not know UTF-8."""
    with host(tmp_path, "ann", url) as ann, host(tmp_path, "bob", url) as bob:
        for number in range(100):
            ann.write(f"a{number}", text="ä \x00 \ufffd 🦊")
            bob.write(f"b{number}", text="\x1b[31m[bold] '; DROP TABLE x; --")
        until(lambda: len(ann.subjects()) == len(bob.subjects()) == 200)
        well(ann, bob)
        assert ann.subjects() == bob.subjects()
        assert [item for item in bob.subjects() if item.startswith("a")] == [f"a{number}" for number in range(100)]
        assert next(event for event in bob.journal.events() if event.subject == "a7").data == {"text": "ä \x00 \ufffd 🦊"}
        for each in (ann, bob):
            assert verify_chain(each.journal.links(), whole=False).faults == ()


def test_the_other_sees_it_within_two_seconds(url: str, tmp_path: Path) -> None:
    """By NOTIFY, not by the next look: each of twenty is there in well under two seconds."""
    with host(tmp_path, "ann", url) as ann, host(tmp_path, "bob", url) as bob:
        well(ann, bob)
        took = []
        for number in range(20):
            ann.write(f"a{number}")
            took.append(until(lambda number=number: f"a{number}" in bob.subjects(), seconds=2.0))
        assert sorted(took)[10] < 0.5


def test_gone_and_back(postgresql: Server, tmp_path: Path) -> None:
    """While the server is away both go on and say what waits; when it is back each has all, once, in order, by itself."""
    url = postgresql.url(postgresql.database())
    with host(tmp_path, "ann", url) as ann, host(tmp_path, "bob", url) as bob:
        ann.write("before")
        until(lambda: bob.subjects() == ["before"])
        well(ann, bob)
        postgresql.stop()
        try:
            for number in range(20):
                ann.write(f"a{number}")
                bob.write(f"b{number}")
            until(lambda: ann.sharing.fault and bob.sharing.fault and ann.sharing.waiting == 20)
            assert "no connection to PostgreSQL" in ann.sharing.sentence()
            assert "20 events wait here and will be shared once it answers" in ann.sharing.sentence()
            assert len(ann.subjects()) == 21
        finally:
            postgresql.start()
        until(lambda: len(ann.subjects()) == len(bob.subjects()) == 41)
        well(ann, bob)
        assert ann.subjects() == bob.subjects()
        assert [item for item in bob.subjects() if item.startswith("a")] == [f"a{number}" for number in range(20)]
        assert postgresql.ask(f"SELECT count(*), count(DISTINCT id) FROM {TABLE}", url.rpartition("/")[2]) == [(41, 41)]


def test_an_older_backup_loses_nothing_that_comes_later(postgresql: Server, tmp_path: Path) -> None:
    """A database that has less than what was read already is read from its beginning."""
    name = postgresql.database()
    with host(tmp_path, "ann", postgresql.url(name)) as ann, host(tmp_path, "bob", postgresql.url(name)) as bob:
        for number in range(5):
            ann.write(f"a{number}")
        until(lambda: len(bob.subjects()) == 5)
        well(ann, bob)
        postgresql.ask(f"TRUNCATE {TABLE} RESTART IDENTITY", name)
        ann.write("later")
        until(lambda: "later" in bob.subjects())
        well(ann, bob)
        assert len(bob.subjects()) == 6
        postgresql.ask(f"DROP TABLE {TABLE}", name)
        bob.write("new table")
        until(lambda: "new table" in ann.subjects())


def test_a_server_that_hangs_holds_up_nobody(postgresql: Server, tmp_path: Path) -> None:
    """Stopped in its tracks it answers nothing: appending is as quick, the state says so, the end is quick; then it goes on."""
    name = postgresql.database()
    children = Path(f"/proc/{postgresql.process.pid}/task/{postgresql.process.pid}/children")
    with host(tmp_path, "bob", postgresql.url(name)) as bob:
        with host(tmp_path, "ann", postgresql.url(name), call_seconds=1.0) as ann:
            ann.write("a")
            well(ann, bob)
            stopped = [postgresql.process.pid, *(int(pid) for pid in children.read_text().split())]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                began = time.monotonic()
                for number in range(20):
                    ann.write(f"a{number}")
                assert time.monotonic() - began < extend(1.0)
                until(lambda: ann.sharing.fault, seconds=12.0)
                assert "no answer" in ann.sharing.sentence() or "in time" in ann.sharing.sentence()
                began = time.monotonic()
                ann.__exit__(None, None, None)
                assert time.monotonic() - began < extend(2.0)
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
        with host(tmp_path, "ann", postgresql.url(name)) as again:
            until(lambda: len(bob.subjects()) == 21, seconds=15.0)
            well(again)


def test_connections_that_a_firewall_forgot(postgresql: Server, tmp_path: Path) -> None:
    """Open connections stay silent for ever, new ones work: the silent ones are given up, and everything goes on."""
    name = postgresql.database()
    with CuttingProxy(f"http://127.0.0.1:{postgresql.port}") as proxy:
        url = postgresql.url(name).replace(f":{postgresql.port}/", f":{proxy.url.rpartition(':')[2]}/")
        store = PostgreSQL(StoreSettings(POSTGRESQL, url=url), read_only=False, backoff_cap_seconds=1.0, call_seconds=0.5)
        with host(tmp_path, "bob", postgresql.url(name)) as bob, Host(tmp_path, "ann", store, ping_seconds=0.5) as ann:
            bob.write("first")
            until(lambda: ann.subjects() == ["first"])
            well(ann, bob)
            proxy.forget()
            bob.write("second")
            ann.write("mine")
            until(lambda: len(ann.subjects()) == len(bob.subjects()) == 3, seconds=15.0)


def test_read_only_sends_nothing(postgresql: Server, tmp_path: Path) -> None:
    """A read-only console makes no table and writes no row; it sees what others write."""
    name = postgresql.database()
    url = postgresql.url(name)
    with host(tmp_path, "eve", url, read_only=True) as eve:
        until(lambda: eve.sharing.word == "ok")
        eve.write("mine")
        time.sleep(0.5)
        assert postgresql.ask(f"SELECT to_regclass('{TABLE}')", name) == [(None,)]
        with host(tmp_path, "ann", url) as ann:
            ann.write("a")
            until(lambda: "a" in eve.subjects())
            time.sleep(0.5)
            assert ann.subjects() == ["a"]
        assert (eve.sharing.waiting, eve.sharing.kept) == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password": "wrong-8s1k"}, "refuses the user or the password"),
        ({"user": "stranger"}, "refuses the user or the password"),
        ({"database": "nowhere"}, "there is no such database"),
    ],
)
def test_what_is_wrong_is_named(
    postgresql: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, str], told: str
) -> None:
    """Password, user and database that are not right are told apart, without the password."""
    with caplog.at_level(logging.DEBUG), host(tmp_path, "ann", postgresql.url(**{"database": "postgres", **wrong})) as ann:
        ann.write("a")
        until(lambda: ann.sharing.fault)
        until(lambda: ann.sharing.waiting == 1)
        assert told in ann.sharing.sentence()
        shown = "\n".join([ann.sharing.sentence(), ann.sharing.store, repr(ann.sharing), caplog.text])
        assert PASSWORD not in shown and "wrong-8s1k" not in shown


def test_the_password_is_nowhere(postgresql: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in what is shown, nor in the log, nor in the journal; it may come from a file."""
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    name = postgresql.database()
    without = f"postgresql://console@127.0.0.1:{postgresql.port}/{name}?application_name=x"
    with caplog.at_level(logging.DEBUG), host(tmp_path, "ann", without, password_file=str(secret)) as ann:
        ann.write("a")
        well(ann)
        assert ann.sharing.store == f"postgresql://127.0.0.1:{postgresql.port}/{name}"
    with caplog.at_level(logging.DEBUG), host(tmp_path, "bob", postgresql.url(name)) as bob:
        until(lambda: "a" in bob.subjects())
        assert PASSWORD not in repr(bob.sharing) + repr(StoreSettings(POSTGRESQL, url=postgresql.url(name)))
    assert PASSWORD not in caplog.text
    for file in tmp_path.glob("*.sqlite3*"):
        assert PASSWORD.encode() not in file.read_bytes()


def test_without_the_rights(postgresql: Server, tmp_path: Path) -> None:
    """A user who may not write the table is told what to grant, and with that all is shared."""
    name = postgresql.database()
    with host(tmp_path, "ann", postgresql.url(name)) as ann:
        ann.write("a")
        well(ann)
    postgresql.ask("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    with host(tmp_path, "bob", postgresql.url(name, user="guest", password="guest")) as bob:
        bob.write("b")
        until(lambda: bob.sharing.fault)
        assert f"GRANT SELECT, INSERT ON {TABLE}" in bob.sharing.sentence()
        postgresql.ask(f"GRANT SELECT, INSERT ON {TABLE} TO guest", name)
        until(lambda: set(bob.subjects()) == {"a", "b"} and bob.sharing.word == "ok")
        well(bob)
    postgresql.ask(f"REVOKE ALL ON {TABLE} FROM guest", name)
    postgresql.ask("DROP ROLE guest")


def test_a_page_holds_what_fits_and_what_is_too_large_is_left_out(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events larger than one page together come in several, in their order; one that is too large to be read is not fetched."""
    name = postgresql.database()
    with host(tmp_path, "ann", postgresql.url(name)) as ann:
        for number in range(40):
            ann.write(f"a{number}", text="x" * 250_000)
        well(ann)
    huge = "INSERT INTO " + TABLE + " (id, event) VALUES ('huge', repeat('x', 40000000))"
    postgresql.ask(huge, name)
    with host(tmp_path, "bob", postgresql.url(name)) as bob:
        until(lambda: len(bob.subjects()) == 40)
        assert bob.subjects() == [f"a{number}" for number in range(40)]


class EndlessRow:
    """A server that lets everybody in and answers every question with a row that does not end, at 30 MB a second."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(8192)[4:8] == b"\x04\xd2\x16\x2f":  # SSL?
                connection.sendall(b"N")
            connection.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x00" + b"Z\x00\x00\x00\x05I")
            connection.recv(8192)
            connection.sendall(b"D" + (60 << 20).to_bytes(4, "big"))
            while True:
                self.sent += connection.send(b"x" * 65536)
                time.sleep(0.002)  # as a network does: libpq reads on as long as there is something

    def close(self) -> None:
        self._listener.close()


def test_a_row_that_does_not_end_is_ended_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq keeps a message until it is whole, however long it says that it is; the connection ends it in time."""
    monkeypatch.setattr(postgresql_limit, "LIMIT_BYTES", 4 << 20)
    server = EndlessRow()
    store = PostgreSQL(StoreSettings(POSTGRESQL, url=f"postgresql://x@127.0.0.1:{server.port}/x"), read_only=False)
    try:
        began = time.monotonic()
        with pytest.raises(InvalidResponse, match="larger than 4 MiB"):
            store.ping()
        assert time.monotonic() - began < extend(3.0)
        assert server.sent < 16 << 20  # what the sockets hold is among it
    finally:
        store.close()
        server.close()
