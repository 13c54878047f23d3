"""Pages of a list are read in their order, whatever was requested ahead; a slow line gets one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import extend

from queries.kubernetes import list_pages
from queries.kubernetes.list_pages import ListPages


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(list_pages, "FAST_SECONDS", 3600.0)


def page(number: int, following: str) -> bytes:
    return b'{"metadata":{"continue":"%s"},"items":[%d]}' % (following.encode(), number)


class Server:
    """Answers each token; `hold` names the tokens whose answers end only when they are let go."""

    def __init__(self, pages: Mapping[str, bytes | Exception], *, hold: tuple[str, ...] = (), head: int = 40) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.changed = threading.Condition()
        self.held = {token: threading.Event() for token in hold}
        self.head = head

    def fetch(self, token: str, on_begin: Callable[[bytes], None]) -> bytes:
        with self.changed:
            self.asked.append(token)
            self.changed.notify_all()
        found = self.pages[token]
        if isinstance(found, Exception):
            raise found
        on_begin(found[: self.head])
        if token in self.held:
            assert self.held[token].wait(extend(10.0))
        return found

    def wait_asked(self, count: int) -> list[str]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, extend(10.0)), self.asked
            return [*self.asked]


def linked(count: int) -> dict[str, bytes | Exception]:
    """The pages of a list, each naming the next one: the tokens are empty, `t1`, `t2` …"""
    tokens = ["", *(f"t{number}" for number in range(1, count)), ""]
    return {tokens[number]: page(number, tokens[number + 1]) for number in range(count)}


def test_a_list_of_one_page_takes_one_request_and_no_thread() -> None:
    """As nearly all lists are: it is read by whoever asks for it."""
    server, threads = Server(linked(1)), threading.active_count()
    with closing(ListPages(server.fetch)) as pages:
        assert pages.read("") == page(0, "")
        assert threading.active_count() == threads
    assert server.asked == [""]


@pytest.mark.usefixtures("fast")
def test_the_next_page_is_requested_while_one_arrives() -> None:
    """Once a page was fast: from its first bytes on the server is at the next one, and at no more than two ahead."""
    server = Server(linked(6), hold=("t1", "t2", "t3", "t4"))
    with closing(ListPages(server.fetch)) as pages:
        pages.read("")
        assert server.wait_asked(3) == ["", "t1", "t2"]  # neither of the two has ended
        server.held["t1"].set()
        assert pages.read("t1") == page(1, "t2")
        assert server.wait_asked(4)[3:] == ["t3"]
        for held in server.held.values():
            held.set()
        assert [pages.read(f"t{number}") for number in (2, 3, 4, 5)] == [linked(6)[f"t{number}"] for number in (2, 3, 4, 5)]
    assert server.asked == list(linked(6))


def test_a_slow_line_brings_one_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once would each take twice as long, and could fail at their timeout; the next one waits for the end of one."""
    monkeypatch.setattr(list_pages, "FAST_SECONDS", -1.0)
    server = Server(linked(4), hold=("t1",))
    with closing(ListPages(server.fetch)) as pages:
        pages.read("")
        assert server.wait_asked(2) == ["", "t1"]
        server.held["t1"].set()
        assert pages.read("t1") == page(1, "t2")
        assert pages.read("t2") == page(2, "t3")
    assert server.asked[:3] == ["", "t1", "t2"]


def test_an_error_comes_with_its_page() -> None:
    """A list that expires between two pages: what was read before stays, and the third page raises."""
    broken = {**linked(4), "t2": ValueError("expired")}
    server = Server(broken)
    with closing(ListPages(server.fetch)) as pages:
        assert [pages.read(""), pages.read("t1")] == [page(0, "t1"), page(1, "t2")]
        with pytest.raises(ValueError, match="expired"):
            pages.read("t2")
    assert "t3" not in server.asked


@pytest.mark.usefixtures("fast")
def test_nothing_is_requested_after_the_end() -> None:
    """Whoever stops reading in the middle, because a page is no JSON, leaves no thread that goes on through the list."""
    server = Server(linked(50), hold=("t1", "t2"))
    with closing(ListPages(server.fetch)) as pages:
        pages.read("")
        server.wait_asked(3)
    for held in server.held.values():
        held.set()
    for thread in threading.enumerate():
        if thread.name == "list-page":
            thread.join(extend(10.0))
    assert server.asked == ["", "t1", "t2"]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 9), st.integers(0, 60), st.sampled_from((b"", b'{"items":[],', b'{"metadata":{"continue":"other"},"items":'))
)
def test_every_page_comes_once_and_in_order(count: int, head: int, odd: bytes) -> None:
    """Also where the first bytes do not hold the token, the items stand first, or another token stands there."""
    bodies = {token: odd + body if odd else body for token, body in linked(count).items() if isinstance(body, bytes)}
    server = Server({**bodies, "other": b"{}"}, head=head)
    with closing(ListPages(server.fetch)) as pages:
        assert [pages.read(token) for token in bodies] == list(bodies.values())
