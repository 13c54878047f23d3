"""Two consoles under a thousand interleaved events, one of them killed and started again; and whether all of it is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared_host import until

from console.journal.event import Event
from console.journal.hash_chain import verify_chain
from console.journal.sqlite import Journal

ROOT = Path(__file__).parents[2]
EACH = 500


class Writer:
    """One process; `told` are the numbers and ids of which it said that the disk has them."""

    def __init__(self, folder: Path, name: str, file: str, store: str, *, first: int = 0) -> None:
        words = [str(ROOT / "tests" / "support" / "writing_host.py"), str(folder), name, file, store, str(first)]
        self.process = subprocess.Popen(
            [sys.executable, *words, str(EACH - first)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.told: dict[int, str] = {}

    def read(self, count: int | None = None) -> None:
        """The next lines, or all until it has written everything."""
        assert self.process.stdout is not None
        while count is None or count > 0:
            number, _, identity = self.process.stdout.readline().strip().partition(" ")
            if number == "written":
                return
            assert identity, "it ended before it had written all"
            self.told[int(number)] = identity
            count = None if count is None else count - 1

    def kill(self) -> None:
        """-9; what it had said until then counts, a line that was cut does not."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        for line in self.process.stdout.read().splitlines(keepends=True):
            number, _, identity = line.strip().partition(" ")
            if line.endswith("\n") and identity:
                self.told[int(number)] = identity
        self.process.communicate()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=20)
            assert self.process.returncode == 0


@contextmanager
def two(folder: Path, store: str) -> Iterator[tuple[dict[str, dict[int, str]], dict[str, str]]]:
    """Both have written their half when it yields; one was killed in the middle and started again. Gives what each said, and
    which file each has.
    """
    files = {"ann": "one", "bob": "one" if store == "-" else "two"}
    ann, bob = (Writer(folder, name, files[name], store) for name in ("ann", "bob"))
    bob.read(50)  # so that both are at it
    ann.read(EACH // 3)
    ann.kill()
    # An event that the disk has and of which nothing was said may be there too: it counts on from what is there.
    with Journal.open_to_read(folder / "one.sqlite3") as journal:
        first = 1 + max(event.data["number"] for event in journal.events() if event.author == "ann")
    again = Writer(folder, "ann", files["ann"], store, first=first)
    try:
        again.read()
        bob.read()
        yield {"ann": {**ann.told, **again.told}, "bob": bob.told}, files
    finally:
        for each in (again, bob):
            each.end()


def ordered(folder: Path, file: str) -> list[Event]:
    with Journal.open_to_read(folder / f"{file}.sqlite3") as journal:
        return sorted(journal.events(), key=lambda event: event.order)


def examine(folder: Path, told: dict[str, dict[int, str]], files: dict[str, str]) -> None:
    """Nothing lost, nothing doubled, each writer's order kept, the chain whole, and both the same."""
    seen = {name: ordered(folder, file) for name, file in files.items()}
    assert [event.id for event in seen["ann"]] == [event.id for event in seen["bob"]]
    events = seen["ann"]
    assert len(events) == len({event.id for event in events}) == 2 * EACH
    ids = {event.id for event in events}
    for name in ("ann", "bob"):
        assert [event.data["number"] for event in events if event.author == name] == list(range(EACH))
        assert set(told[name].values()) <= ids
    for file in set(files.values()):
        with Journal.open_to_read(folder / f"{file}.sqlite3") as journal:
            assert verify_chain(journal.links(), whole=False).faults == ()


def settled(folder: Path, files: dict[str, str]) -> None:
    """Each has all, and nothing waits any more."""

    def all_there() -> bool:
        counts = []
        for file in files.values():
            with Journal.open_to_read(folder / f"{file}.sqlite3") as journal:
                counts.append((journal.last_sequence(), journal.outbox.unshared()))
        return counts == [(2 * EACH, ())] * 2

    until(all_there, seconds=30.0)


@contextmanager
def two_of_one(folder: Path, store: str) -> Iterator[dict[str, dict[int, str]]]:
    writers = {name: Writer(folder, name, "one", store) for name in ("ann", "bob")}
    try:
        for each in writers.values():
            each.read()
        yield {name: each.told for name, each in writers.items()}
    finally:
        for each in writers.values():
            each.end()
