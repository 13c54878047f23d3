"""A Loki that answers from what was stored of it: metric queries over logs at the stored times, and nothing else."""

from __future__ import annotations

from queries.http.endpoint import Endpoint
from queries.loki.client import Loki
from queries.stored.address import URL
from queries.stored.transport import StoredServers, StoredTransport


class StoredLoki(Loki):
    """It sends nothing. What was not stored is refused, query by query."""

    def __init__(self, stored: StoredServers) -> None:
        super().__init__(Endpoint(URL), transport=StoredTransport(stored))
        self._client.where = ""  # an error of a bundle names no address
