"""A connection to PostgreSQL that takes no more off the wire at once than a page of the journal can have.

libpq keeps whatever a server sends until the message is whole; what has come is asked of the socket before each read. It reads
on while there is something, so a server that is faster than this machine can get further, until the call's time is over.
"""

from __future__ import annotations

import array
import fcntl
import termios
from collections.abc import Generator
from functools import lru_cache
from typing import Any

from queries.errors import InvalidResponse
from queries.text.numbers import format_size

PAGE_BYTES = 8 << 20
"""How much text of events is asked for at once."""
LIMIT_BYTES = 4 * PAGE_BYTES
"""Room for what surrounds the text, and for what the socket tells twice because it was not all read."""


@lru_cache(maxsize=4)
def limited(connection: type[Any]) -> type[Any]:
    """This class of psycopg's connections with the limit: what passes it raises Malformed."""

    class Limited(connection):  # type: ignore[misc]
        def wait(self, gen: Generator[Any, Any, Any], *options: Any, **more: Any) -> Any:
            return super().wait(_metered(gen, self.pgconn), *options, **more)

    return Limited


def _metered(steps: Generator[Any, Any, Any], connection: Any) -> Generator[Any, Any, Any]:
    came = 0
    waiting = array.array("i", [0])
    ready: Any = None
    while True:
        try:
            wants = steps.send(ready)
        except StopIteration as done:
            return done.value
        ready = yield wants
        fcntl.ioctl(connection.socket, termios.FIONREAD, waiting)
        came += waiting[0]
        if came > LIMIT_BYTES:
            raise InvalidResponse(f"the answer is larger than {format_size(LIMIT_BYTES)}", hint="is this the store's database?")
