"""The queries of the console's own runbooks in PromQL, expanded once on this machine: a command that only matches alerts with
runbooks imports no catalogue.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from queries.shipped import recall


def recall_query(text: str) -> str:
    """As `loader.expand_query` with the catalogue's own signals. Raises as that."""

    def expand() -> str:
        from queries.catalogue.loader import expand_query  # noqa: PLC0415  # only for what is new

        return expand_query(text)

    expanded: str = recall("query", expansion_stamp() + text, expand)
    return expanded


@cache
def expansion_stamp() -> str:
    """Differs where the signals or the code that expands them does."""
    files = [Path(__file__).with_name(name) for name in ("loader.py", "signals.py", "signals.yaml")]
    return hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=16).hexdigest()
