"""Reads the pages of one list ahead: while one is decoded, the server is at the next ones."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable

_AHEAD = 2
"""How many pages may be requested or wait beside the one that is decoded; each takes megabytes."""
FAST_SECONDS = 0.5
"""If a page takes longer, the line may be slow: two at once would take twice as long, and fail at their timeout."""
_CONTINUE = re.compile(rb'"continue": ?"([^"\\]*)"')


class ListPages:
    """`fetch` requests the page of a token, the first one of an empty one, and calls back with the first bytes that arrive.

    The token of the next page is among these, because servers send a list's metadata before its items. Where they do not, one
    page is requested after the other. A list of one page needs no thread.
    """

    def __init__(self, fetch: Callable[[str, Callable[[bytes], None]], bytes]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._ahead: deque[_Page] = deque()
        self._newest: _Page | None = None
        self._fast = False
        self._closed = False

    def read(self, token: str) -> bytes:
        """The page of this token, which an earlier page named. Raises what `fetch` raises."""
        with self._lock:
            page = self._ahead.popleft() if self._ahead and self._ahead[0].token == token else None
            if page is None:
                self._ahead.clear()
                self._newest = page = _Page(token)
                inline = True
            else:
                inline = False
        if inline:
            self._run(page)
        else:
            self._request_next()
        return page.wait()

    def close(self) -> None:
        """Request no page any more."""
        with self._lock:
            self._closed = True

    def _run(self, page: _Page) -> None:
        began = time.monotonic()

        def on_begin(head: bytes) -> None:
            page.find_next(head)
            self._request_next()

        try:
            body = self._fetch(page.token, on_begin)
        except BaseException as error:  # `read` raises it
            page.fail(error)
            return
        self._fast = time.monotonic() - began < FAST_SECONDS
        page.finish(body)
        self._request_next()

    def _request_next(self) -> None:
        """Request it if the newest page has named it and the connection is fast enough."""
        with self._lock:
            newest = self._newest
            if newest is None or not newest.next or self._closed or len(self._ahead) >= _AHEAD:
                return
            if not (self._fast or newest.done):
                return
            self._newest = page = _Page(newest.next)
            self._ahead.append(page)
        threading.Thread(target=self._run, args=(page,), name="list-page", daemon=True).start()


class _Page:
    """One request, answered or not."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.next = ""
        """The token of the next page; empty while it is unknown."""
        self._answered = threading.Event()
        self._body = b""
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self._answered.is_set()

    def find_next(self, head: bytes) -> None:
        found = _CONTINUE.search(head.partition(b'"items"')[0])
        self.next = found[1].decode("ascii", "replace") if found else ""

    def finish(self, body: bytes) -> None:
        self.find_next(body[:4096])
        self._body = body
        self._answered.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._answered.set()

    def wait(self) -> bytes:
        self._answered.wait()
        if self._error is not None:
            raise self._error
        return self._body
