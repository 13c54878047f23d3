"""A console's journal in a process of its own, which a test can kill: writes events one by one and says so of each.

`writing_host.py FOLDER NAME FILE STORE FIRST COUNT`: STORE is `-`, NAMESPACE@KUBECONFIG, or a postgresql:// URL. For each event
that the disk has a line `NUMBER ID`; then `written`, and it goes on sharing until its standard input ends.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from shared_host import Host, cluster_store

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal.event import Event
from console.journal.postgresql import PostgreSQL
from console.journal.shared_store import SharedStore
from console.journal.sqlite import Journal


def store_of(text: str) -> SharedStore:
    if text.startswith("postgresql:"):
        return PostgreSQL(StoreSettings(POSTGRESQL, url=text), read_only=False, backoff_cap_seconds=1.0)
    namespace, _, kubeconfig = text.partition("@")
    return cluster_store(Path(kubeconfig), namespace=namespace)


def write(journal: Journal, name: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        data = {"number": number, "text": "x" * (number % 300)}
        event = journal.append(Event(time.time(), "note", f"{name}-{number}", name, "prod", data))
        print(number, event.id, flush=True)
    print("written", flush=True)


def main(folder: str, name: str, file: str, store: str, first: str, count: str) -> None:
    if store == "-":
        with Journal.open(Path(folder) / f"{file}.sqlite3", busy_seconds=20.0) as journal:
            write(journal, name, int(first), int(count))
            sys.stdin.read()
        return
    with Host(Path(folder), file, store_of(store), busy_seconds=20.0) as host:
        write(host.journal, name, int(first), int(count))
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
