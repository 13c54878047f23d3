"""Two consoles under a thousand interleaved events, one of them killed: on one file and on one database.

The same on one cluster is in `tests/cluster`, for every kind of cluster that there is.
"""

from __future__ import annotations

from pathlib import Path

from postgresql_fixture import Server
from shared_host import until
from two_consoles import EACH, examine, settled, two, two_of_one

from console.journal.postgresql import TABLE


def test_on_one_file(tmp_path: Path) -> None:
    """Two consoles on one host append to one SQLite file."""
    with two(tmp_path, "-") as (told, files):
        pass
    examine(tmp_path, told, files)


def test_on_one_database(postgresql: Server, tmp_path: Path) -> None:
    """Two hosts append through PostgreSQL; the table has each event once."""
    name = postgresql.database()
    with two(tmp_path, postgresql.url(name)) as (told, files):
        settled(tmp_path, files)
    examine(tmp_path, told, files)
    assert postgresql.ask(f"SELECT count(*), count(DISTINCT id) FROM {TABLE}", name) == [(1000, 1000)]


def test_two_on_one_host_and_one_database(postgresql: Server, tmp_path: Path) -> None:
    """Two consoles of one host bring the same waiting events to the same database: each is there once."""
    name = postgresql.database()
    with two_of_one(tmp_path, postgresql.url(name)) as told:
        until(lambda: postgresql.ask(f"SELECT count(*) FROM {TABLE}", name) == [(2 * EACH,)], seconds=20.0)
    examine(tmp_path, told, {"ann": "one", "bob": "one"})
