"""The journal's service in a console at rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from limits import extend
from screen_samples import NOW, settings

from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.monitor.journal_service import JournalService
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex

_LOOKS = 100


class _Running:
    """A service at rest, whose thread looks a thousand times a second, and whose loop reads only when it is woken."""

    def __init__(self, journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("console.monitor.journal_service.EVERY_SECONDS", 0.001)
        monkeypatch.setattr("console.monitor.journal_service.AT_LEAST_SECONDS", 3600.0)
        own = settings(folder)
        self.environment = own.environment
        self.service = JournalService(journal, StateStore(own, (), runbooks=RunbookIndex.load("")), own, clock=lambda: NOW)
        self.reads = self._looks = 0
        self._looked = threading.Event()
        self._changed = asyncio.Event()
        self.count, self._read = journal.change_counts, self.service.read
        monkeypatch.setattr(journal, "change_counts", self._look)
        monkeypatch.setattr(self.service, "read", self._read_once)

    def _look(self) -> tuple[int, int]:
        if threading.current_thread().name == "journal watch":
            self._looks += 1
            if self._looks % _LOOKS == 0:
                self._looked.set()
        return self.count()

    async def _read_once(self) -> bool:
        self.reads += 1
        return await self._read()

    async def look(self) -> None:
        """Waits until the thread has looked at least `_LOOKS` times."""
        for _ in range(2):
            self._looked.clear()
            assert await asyncio.to_thread(self._looked.wait, extend(30.0))

    async def wait(self, holds: Callable[[], bool]) -> None:
        """Until a change after which it holds."""
        async with asyncio.timeout(extend(30.0)):
            while not holds():
                await self._changed.wait()
                self._changed.clear()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.service.run(self._changed.set))
        try:
            await self._changed.wait()
            await self.look()
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self.service.close()


async def test_the_loop_sleeps_until_another_console_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread reads the number that says so; a hundred of its looks do not wake the loop, and one event does."""
    path = tmp_path / "journal.sqlite3"
    with Journal.open(path) as journal, Journal.open(path) as other:
        bench = _Running(journal, tmp_path, monkeypatch)
        async with bench.run():
            before = bench.reads
            await bench.look()
            assert bench.reads == before
            await asyncio.to_thread(other.append, Event(NOW, "alert.owned", "abc", "bob", bench.environment))
            await bench.wait(lambda: bench.reads > before)


async def test_a_journal_that_cannot_be_read_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that looks cannot look either: the next read says why, and the one after that ends it."""
    with Journal.open(tmp_path / "journal.sqlite3") as journal:
        bench = _Running(journal, tmp_path, monkeypatch)
        look = bench.count

        def fail() -> tuple[int, int]:
            raise JournalError("the journal is gone")

        async with bench.run():
            bench.count = fail
            await bench.wait(lambda: bench.service.fault == "the journal is gone")
            bench.count = look
            await bench.wait(lambda: not bench.service.fault)


async def test_a_journal_that_cannot_be_read_stays_so_while_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that has not ended says nothing: the fault of the last one is shown until then, and does not flicker."""
    with Journal.open(tmp_path / "journal.sqlite3") as journal:
        bench = _Running(journal, tmp_path, monkeypatch)
        service, look, shown = bench.service, bench.count, list[str]()

        def fail() -> tuple[int, int]:
            raise JournalError("the journal is gone")

        def recover() -> tuple[int, int]:
            shown.append(service.fault)
            return look()

        for count, fault in ((fail, "the journal is gone"), (recover, "")):
            bench.count = count
            assert await service.read()
            assert service.fault == fault
        assert shown and set(shown) == {"the journal is gone"}
        await service.close()


async def test_a_closed_service_looks_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread ends before the journal is closed under it."""
    with Journal.open(tmp_path / "journal.sqlite3") as journal:
        async with _Running(journal, tmp_path, monkeypatch).run():
            assert "journal watch" in {thread.name for thread in threading.enumerate()}
        assert "journal watch" not in {thread.name for thread in threading.enumerate()}


async def test_a_disk_that_hangs_does_not_keep_the_thread_that_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for the disk at most a moment; nobody looks at the file afterwards."""
    begun, go_on = threading.Event(), threading.Event()
    with Journal.open(tmp_path / "journal.sqlite3") as journal:
        bench = _Running(journal, tmp_path, monkeypatch)
        count = bench.count

        def hang() -> tuple[int, int]:
            if threading.current_thread().name != "journal watch":
                begun.set()
                go_on.wait()
            return count()

        try:
            async with bench.run():
                bench.count = hang
                bench.service.wake()
                assert await asyncio.to_thread(begun.wait, extend(30.0))
            assert "journal watch" not in {thread.name for thread in threading.enumerate()}
        finally:
            go_on.set()
            await asyncio.get_running_loop().shutdown_default_executor()
