"""The journal on the screen: paged however long it is, filtered, and clear about what is not shared."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from journalled_session import JournalledSession
from limits import extend
from painting import text_of
from patience import until
from screen_samples import HOSTILE, NOW, settings, snapshot
from textual.pilot import Pilot

from console.journal.event import Event
from console.journal.search import WAITS, SearchPage, SearchQuery, parse_query, search
from console.journal.sqlite import Journal
from console.journal.sync import SyncStatus
from console.monitor.session import Session
from console.screens.app import ConsoleApp
from console.screens.filterable_screen import FilterField
from console.screens.journal import JournalScreen
from widgets.table import Table

pytestmark = pytest.mark.usefixtures("utc")

MANY = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO events SELECT i, printf('%032x', i), i * 1000000, i, iif(i % 2, 'note', 'alert.owned'), 's' || i,
        iif(i % 4 < 2, 'ann@a', 'bob@b'), 'prod', '{"text": "entry ' || i || '"}', '', '', '' FROM n"""

MINUTE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000000) SELECT max(i) FROM n"
"""Takes SQLite a minute."""


@pytest.fixture(scope="module")
def long_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a hundred thousand entries, inserted with SQL: appending would sync the disk for each."""
    path = tmp_path_factory.mktemp("long") / "j"
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(MANY)
    return path


class Scene:
    def __init__(self, folder: Path) -> None:
        self.settings = settings(folder)
        self.session = JournalledSession(self.settings, snapshot())
        self.now = NOW
        self.app = ConsoleApp(self.settings, session_factory=lambda _: self.session, clock=lambda: self.now, ascii_only=False)

    @property
    def screen(self) -> JournalScreen:
        assert isinstance(self.app.screen, JournalScreen)
        return self.app.screen

    @property
    def text(self) -> str:
        return text_of(self.app.screen)

    async def until(self, pilot: Pilot[None], words: str, *, gone: bool = False) -> str:
        ends = time.monotonic() + extend(20.0)
        while (words in self.text) is gone:
            assert time.monotonic() < ends, f"{words!r}\n{self.text}"
            await pilot.pause(0.01)
        return self.text


async def test_a_hundred_thousand_entries(long_one: Path, tmp_path: Path) -> None:
    """It opens as fast as an empty one, newest first; beyond the last row comes the older page, and back; only one page is
    ever in memory.
    """
    shutil.copy(long_one, settings(tmp_path).paths.journal_file)
    scene = Scene(tmp_path)
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        began = time.process_time()
        scene.app.go("journal")
        shown = await scene.until(pilot, "entry 100000")
        assert time.process_time() - began < 1.0
        assert "Journal  200 of 100000" in shown
        await pilot.press("end")
        await scene.until(pilot, "entry 99801")
        await pilot.press("down")
        shown = await scene.until(pilot, "entry 99800")
        assert "page 2" in shown and "› " in shown.split("entry 99800")[0].splitlines()[-1]
        await pilot.press("o")
        await scene.until(pilot, "entry 99600")
        assert len(scene.screen.query_one(Table).items) == 200
        await pilot.press("n")
        await scene.until(pilot, "page 2")
        await pilot.press("home", "up")
        shown = await scene.until(pilot, "page 2", gone=True)
        assert scene.screen.current_event() is not None
        assert scene.screen.current_event().subject == "s99801"  # type: ignore[union-attr]
        await pilot.press("o")
        await scene.until(pilot, "page 2")
        await pilot.press("u")
        await scene.until(pilot, "entry 100000")


async def test_the_filter_takes_kinds_authors_and_words(long_one: Path, tmp_path: Path) -> None:
    """By kind, author and words, together; a full search; a mistake is reported; escape clears the filter."""
    shutil.copy(long_one, settings(tmp_path).paths.journal_file)
    scene = Scene(tmp_path)
    async with scene.app.run_test(size=(100, 30)) as pilot:
        scene.app.go("journal")
        await scene.until(pilot, "entry 100000")
        await pilot.press("slash", *"entry", "space", *"77")
        await scene.until(pilot, "entry 99977")
        await scene.until(pilot, "entry 100000", gone=True)
        scene.screen.query_one(FilterField).value = "kind:alert. by:ann 4444"
        shown = await scene.until(pilot, "Journal  12 ")
        assert "entry 44440" in shown and "entry 94444" in shown and "bob" not in shown
        scene.screen.query_one(FilterField).value = "kind:"
        await scene.until(pilot, "expected kind:NAME, by:NAME")
        scene.screen.query_one(FilterField).value = "100%_"
        await scene.until(pilot, "nothing matches the filter")
        await pilot.press("escape")
        await scene.until(pilot, "entry 100000")
        shown = await scene.until(pilot, "older")
        for word in ("filter", "older", "newer", "newest"):
            assert word in shown.splitlines()[-1]


async def test_unshared_events_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting and never-shared entries have a mark in their row and the reason below; others have none."""
    path = Path(settings(tmp_path).paths.journal_file)
    with Journal.open(path, store="s") as journal:
        first, second, third = (journal.append(Event(NOW - 9 + at, "note", f"n{at}", "ann", "prod", {})) for at in range(3))
        journal.outbox.mark_delivered([first])
        journal.outbox.mark_refused(third, "it is too large")
    monkeypatch.setattr(Session, "sharing", property(lambda _: SyncStatus("ConfigMaps", waiting=1, kept=1, last_good_at=NOW)))
    scene = Scene(tmp_path)
    async with scene.app.run_test(size=(100, 30)) as pilot:
        scene.app.go("journal")
        shown = await scene.until(pilot, "n0")
        rows = {
            name: next(line for line in shown.splitlines() if name in line and "note" in line) for name in ("n0", "n1", "n2")
        }
        assert ["↑" in rows[name] for name in ("n0", "n1", "n2")] == [False, True, True]
        assert "shared: ok, 1 not shared yet ↑" in shown
        await scene.until(pilot, "not shared   it is too large")
        await pilot.press("down")
        await scene.until(pilot, f"not shared   {WAITS}")
        scene.screen.query_one(FilterField).value = "is:unshared"
        await scene.until(pilot, "n0", gone=True)
        assert second.subject in scene.text


async def test_markup_in_an_entry_stays_text(tmp_path: Path) -> None:
    """Markup and escape sequences in an entry are shown as characters."""
    scene = Scene(tmp_path)
    assert scene.session.journal is not None
    scene.session.journal.append(Event(NOW, "note", HOSTILE[:900], HOSTILE[:190], "prod", {HOSTILE: HOSTILE}))
    async with scene.app.run_test(size=(120, 30)) as pilot:
        scene.app.go("journal")
        shown = await scene.until(pilot, "note")
        assert "\x1b" not in shown


def test_pages_follow_the_order_of_all_consoles(tmp_path: Path) -> None:
    """Each page starts where the previous one ends, also among equal stamps and late arrivals: none is lost or repeated."""
    with Journal.open(tmp_path / "j", store="s") as journal:
        late = [Event(1.0, "note", f"l{at}", "bob", "prod", {"text": "x"}, 0, f"id{at:03d}", 5_000_000) for at in range(30)]
        for at in range(20):
            journal.append(Event(float(at), "note", f"a{at}", "ann", "prod", {}))
        journal.merge(late)
        everything = sorted(journal.events(), key=lambda event: event.order, reverse=True)
        found: list[Any] = []
        part = search(journal, SearchQuery(), limit=7)
        while True:
            found += [entry.event for entry in part.entries]
            if not part.older:
                break
            part = search(journal, SearchQuery(), before=found[-1], limit=7)
        assert found == everything
        assert len(search(journal, parse_query("is:unshared"), limit=99).entries) == 20


def test_a_search_does_not_delay_writers(long_one: Path, tmp_path: Path) -> None:
    """While a search scans a hundred thousand entries, an append by the same process does not wait for it."""
    shutil.copy(long_one, tmp_path / "j")
    with Journal.open(tmp_path / "j") as journal, Journal.open_to_read(tmp_path / "j") as reader:
        stop = threading.Event()

        searched = 0

        def search_again() -> None:
            nonlocal searched
            while not stop.is_set():
                search(reader, parse_query("nowhere to be found"))
                searched += 1

        thread = threading.Thread(target=search_again)
        thread.start()
        try:
            time.sleep(0.05)
            began = time.monotonic()
            for at in range(10):
                journal.append(Event(float(at), "note", "s", "ann", "prod", {}))
            took = time.monotonic() - began
        finally:
            stop.set()
            thread.join()
        assert searched and took < 1.0


async def test_a_search_of_every_entry_is_shown(long_one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than the second after which the page is read again: it is neither given up nor begun again."""
    shutil.copy(long_one, settings(tmp_path).paths.journal_file)
    scene, gate, searches = Scene(tmp_path), threading.Event(), []

    def search_slowly(journal: Journal, query: SearchQuery, *, before: Event | None = None) -> SearchPage:
        if query.words:
            searches.append(query)
            assert gate.wait(extend(20.0))
        return search(journal, query, before=before)

    monkeypatch.setattr("console.screens.journal.search", search_slowly)
    async with scene.app.run_test(size=(100, 30)) as pilot:
        scene.app.go("journal")
        await scene.until(pilot, "entry 100000")
        scene.screen.query_one(FilterField).value = "77777"
        await until(pilot, lambda: bool(searches), "the search")
        for _ in range(3):
            scene.now += 1.5
            scene.session.deliver(replace(snapshot(), taken_at=scene.now))
            await pilot.pause(0.05)
        await scene.until(pilot, "searching …")
        gate.set()
        shown = await scene.until(pilot, "entry 77777")
        assert len(searches) == 1 and "searching …" not in shown


async def test_another_filter_ends_the_search_before(long_one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed next does not wait for the search of what was typed before, which nobody reads any more."""
    shutil.copy(long_one, settings(tmp_path).paths.journal_file)
    scene, begun = Scene(tmp_path), threading.Event()

    def search_for_a_minute(journal: Journal, query: SearchQuery, *, before: Event | None = None) -> SearchPage:
        if query.words == ("long",):
            begun.set()
            journal.select(MINUTE, ())
        return search(journal, query, before=before)

    monkeypatch.setattr("console.screens.journal.search", search_for_a_minute)
    async with scene.app.run_test(size=(100, 30)) as pilot:
        scene.app.go("journal")
        await scene.until(pilot, "entry 100000")
        scene.screen.query_one(FilterField).value = "long"
        await until(pilot, begun.is_set, "the first search")
        await pilot.pause(0.05)
        scene.screen.query_one(FilterField).value = "77777"
        shown = await scene.until(pilot, "entry 77777")
        assert "interrupted" not in shown


async def test_leaving_does_not_wait_for_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program ends when its threads have ended: a search that takes a minute would keep it."""
    scene, begun = Scene(tmp_path), threading.Event()

    def search_for_a_minute(journal: Journal, query: SearchQuery, *, before: Event | None = None) -> SearchPage:
        if query.words:
            begun.set()
            journal.select(MINUTE, ())
        return search(journal, query, before=before)

    monkeypatch.setattr("console.screens.journal.search", search_for_a_minute)
    async with scene.app.run_test(size=(100, 30)) as pilot:
        scene.app.go("journal")
        await scene.until(pilot, "the journal is empty")
        scene.screen.query_one(FilterField).value = "long"
        await until(pilot, begun.is_set, "the search")
        await pilot.pause(0.05)
    ends = time.monotonic() + extend(10.0)
    while any(thread.name.startswith("journal-pages") for thread in threading.enumerate()):
        assert time.monotonic() < ends, "the search goes on"
        await asyncio.sleep(0.02)
