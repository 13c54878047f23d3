"""Searching the journal: pages that end exactly where the events do, and both ends of a range."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_damage import stamp_index_lacks

from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.outbox import Outbox
from console.journal.search import WAITS, SearchQuery, parse_query, search
from console.journal.sqlite import Journal

NOW = 1_700_000_000.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Six events, a second apart, of two kinds and two people."""
    with Journal.open(tmp_path / "j", store="s") as opened:
        for number in range(6):
            kind = "alert.owned" if number % 2 else "note"
            author = "ann@vm" if number < 3 else "bob@vm"
            opened.append(Event(NOW + number, kind, f"s{number}", author, "prod", {"text": f'50 % "of" it_{number}'}))
        yield opened


def subjects(journal: Journal, query: SearchQuery = SearchQuery(), limit: int = 200) -> list[list[str]]:  # noqa: B008
    """Page by page to the end."""
    pages, before = [], None
    while True:
        page = search(journal, query, before=before, limit=limit)
        assert page.last_sequence == 6
        pages.append([hit.event.subject for hit in page.entries])
        if not page.older:
            return pages
        before = page.entries[-1].event


@pytest.mark.parametrize(
    ("limit", "pages"),
    [
        (1, [["s5"], ["s4"], ["s3"], ["s2"], ["s1"], ["s0"]]),
        (4, [["s5", "s4", "s3", "s2"], ["s1", "s0"]]),
        (5, [["s5", "s4", "s3", "s2", "s1"], ["s0"]]),
        (6, [["s5", "s4", "s3", "s2", "s1", "s0"]]),
        (7, [["s5", "s4", "s3", "s2", "s1", "s0"]]),
    ],
)
def test_a_page_says_whether_older_ones_follow(journal: Journal, limit: int, pages: list[list[str]]) -> None:
    """Newest first; one that the last event fills is the last one."""
    assert subjects(journal, limit=limit) == pages


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("kind:note", "420"), ("kind:alert.", "531"), ("kind:alert. kind:note", "543210"), ("by:ann", "210"),
        ("by:ann by:bob", "543210"), ("by:ann kind:note", "20"), ("kind:not_", ""), ("s3", "3"), ("S3", "3"), ("S3 bob", "3"),
        ("s3 ann", ""), ("50", "543210"), ("%", "543210"), ("5%%", ""), ("it_4", "4"), ("it-4", ""), ('"of"', "543210"),
        ("prod alert", "531"), ("is:unshared", "543210"), ("is:unshared by:ann", "210"), ("kind:", ""), ("", "543210"),
    ],
)  # fmt: skip
def test_what_is_typed_finds_what_it_says(journal: Journal, typed: str, found: str) -> None:
    """Kinds and authors by their beginning, either of two; words anywhere and all of them; no character stands for others."""
    query = parse_query(typed)
    assert bool(query.complaint) is (typed == "kind:")
    if not query.complaint:
        assert [item[1:] for page in subjects(journal, query) for item in page] == list(found)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (NOW + 2.0, NOW + 4.0, "432"), (NOW + 2.000001, NOW + 3.999999, "3"), (None, NOW, "0"), (NOW + 5.0, None, "5"),
        (NOW + 5.000001, None, ""), (None, NOW - 0.000001, ""), (NOW + 1.0, NOW + 1.0, "1"),
    ],
)  # fmt: skip
def test_both_ends_of_a_range_are_included(journal: Journal, since: float | None, until: float | None, found: str) -> None:
    pages = subjects(journal, SearchQuery(since=since, until=until), limit=2)
    assert [item[1:] for page in pages for item in page] == list(found)


def test_the_events_of_one_environment(tmp_path: Path) -> None:
    """Of a journal that has those of several, and of none."""
    with Journal.open(tmp_path / "j") as journal:
        for number, environment in enumerate(("prod", "staging", "", "prod")):
            journal.append(Event(NOW + number, "note", f"s{number}", "ann", environment, {}))
        for environments, found in (((), "3210"), (("prod",), "30"), (("", "staging"), "21"), (("other",), "")):
            page = search(journal, SearchQuery(environments=environments))
            assert [hit.event.subject[1:] for hit in page.entries] == list(found)


def test_what_is_not_shared_says_why(journal: Journal) -> None:
    """It waits, or was refused; what was delivered says nothing and is not found as unshared."""
    outbox: Outbox = journal.outbox
    outbox.mark_delivered(journal.events(limit=2))
    outbox.mark_refused(journal.events()[0], "it is too large")
    shown = {hit.event.subject: hit.unshared for hit in search(journal, SearchQuery()).entries}
    assert shown == {"s5": "", "s4": "", "s3": WAITS, "s2": WAITS, "s1": WAITS, "s0": "it is too large"}
    assert [hit.event.subject for hit in search(journal, parse_query("is:unshared")).entries] == ["s3", "s2", "s1", "s0"]
    assert (outbox.pending_count(), outbox.refused(), outbox.pending_elsewhere()) == (3, {"it is too large": 1}, 0)
    assert [number for number, _, _ in outbox.unshared()] == [1, 2, 3, 4]


@pytest.mark.parametrize(("lost", "whole_pages"), [(1, 2), (2, 2), (3, 1), (4, 1), (5, 0), (6, 0)])
def test_an_event_that_an_index_hides_is_missed_on_its_page(tmp_path: Path, lost: int, whole_pages: int) -> None:
    """On whichever page it would stand, the first and the last one; the pages before it are shown."""
    with Journal.open(tmp_path / "j") as journal:
        for number in range(6):
            journal.append(Event(NOW + number, "note", f"s{number}", "ann", "prod", {}))
    stamp_index_lacks(tmp_path / "j", lost)
    with Journal.open(tmp_path / "j") as journal:
        before = None
        for _ in range(whole_pages):
            page = search(journal, SearchQuery(), before=before, limit=2)
            assert (len(page.entries), page.older) == (2, True)
            before = page.entries[-1].event
        with pytest.raises(JournalError, match="is damaged: an index hides 1 events of this page"):
            search(journal, SearchQuery(), before=before, limit=2)


def test_a_kind_that_ends_in_a_dot_is_all_that_begin_with_it(tmp_path: Path) -> None:
    """Alone, beside another prefix and beside a whole kind; "walks" does not begin with "walk."."""
    kinds = ("walk.started", "walk", "walks", "note", "alert.owned", "walk.signed", "alert")
    with Journal.open(tmp_path / "k") as journal:
        for number, kind in enumerate(kinds):
            journal.append(Event(NOW + number, kind, "s", "ann@vm", "prod", {}))

        def found(*wanted: str) -> list[str]:
            return [event.kind for event in journal.events(kinds=wanted)]

        assert found("walk.") == ["walk.started", "walk.signed"]
        assert found("walk.", "note") == found("note", "walk.") == ["walk.started", "note", "walk.signed"]
        assert found("alert.", "walk.") == ["walk.started", "alert.owned", "walk.signed"]
        assert found("walk") == ["walk"] and found("none.") == []


def test_what_is_known_already_hides_nothing_after_it(tmp_path: Path) -> None:
    """Of one delivery the known events are skipped, wherever they stand, and the new ones are counted."""
    delivered = [
        Event(NOW + number, "note", f"s{number}", "bob@vm", "prod", {}, 0, f"{number:032}", number) for number in range(1, 6)
    ]
    with Journal.open(tmp_path / "m", store="s") as journal:
        assert journal.merge(delivered[1:2]) == 1
        assert journal.merge([delivered[1], delivered[0], delivered[1], delivered[2]]) == 2
        assert journal.merge(delivered, cursor="5") == 2
        assert [event.subject for event in journal.events()] == ["s2", "s1", "s3", "s4", "s5"]
        assert journal.cursor() == "5"


@pytest.mark.parametrize(
    ("typed", "words", "complains"),
    [("by", ("by",), False), ("a:b", ("a:b",), False), ("kind", ("kind",), False), ("is", ("is",), False),
     ("12:30", ("12:30",), False),
     ("is:there", (), True), ("kind:", (), True), ("by:", (), True)],
)  # fmt: skip
def test_a_colon_alone_makes_no_condition(typed: str, words: tuple[str, ...], complains: bool) -> None:
    """Only after one of the three names; a name without a colon is a word like any other."""
    query = parse_query(typed)
    assert (query.words, bool(query.complaint)) == (words, complains)
