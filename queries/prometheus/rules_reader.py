"""Reads the rules of a Prometheus or its ruler, with their pending and firing alerts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from queries.http.client import Client
from queries.http.clock_skew import SteadySkew
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.prometheus.relabel import SentLabels
from queries.prometheus.responses import RulesDecoder, RulesResult
from queries.prometheus.thanos_stores import ThanosStores


class RulesReader:
    """Of one server. It needs nothing of panels and their expressions, so a list of alerts takes it alone."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: Client | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`client` is that of the endpoint, None for one of its own; `close` closes it either way."""
        self._client = client or Client(endpoint, name="prometheus", transport=transport)
        self.ruler = Client(endpoint.ruler, name="ruler", transport=transport) if endpoint.ruler else self._client
        """It has rules and alerts only; everything else is queried from the endpoint."""
        self.sent_labels = SentLabels(self.ruler, clock=clock)
        self.stores = ThanosStores(self._client, clock=clock)
        self._decoder = RulesDecoder(self.ruler.where)
        self._skew = SteadySkew()

    @property
    def size(self) -> int:
        """Bytes of the last answer."""
        return self._decoder.size

    async def read(self) -> RulesResult:
        """The rules with their pending and firing alerts, with the labels that Alertmanager gets. Raises SourceError."""
        answer = await self.ruler.fetch("/api/v1/rules", decode=self._decoder.decode)
        ahead = self._skew.update(self.ruler.ahead_seconds)
        alerts = await self.sent_labels.add(answer.alerts)
        external = self.sent_labels.external_labels
        answer = replace(answer, alerts=alerts, ahead_seconds=ahead, external_labels=external)
        if self.ruler is self._client and not answer.partial:
            answer = replace(answer, partial=await self.stores.missing(is_thanos=answer.is_thanos, rules=True))
        return answer

    async def close(self) -> None:
        await self._client.close()
        if self.ruler is not self._client:
            await self.ruler.close()
