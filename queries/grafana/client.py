"""A client of Grafana, read-only: its dashboards."""

from __future__ import annotations

from typing import Any

from queries.errors import InvalidResponse
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx

_MOST = 5000


class Grafana:
    """Every method raises SourceError. `http_config` holds the token, as for other servers."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = Client(endpoint, name="grafana", transport=transport)

    async def dashboards(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Title and JSON model of every visible dashboard, sorted by title."""
        listed = await self._client.get("/api/search", [("type", "dash-db"), ("limit", str(_MOST))], type=list[dict[str, Any]])
        dashboards = []
        for item in listed:
            if not isinstance(item.get("uid"), str):
                raise InvalidResponse(
                    "a dashboard has no uid", where=self._client.where, hint="check that the URL is Grafana's"
                )
            answer = await self._client.get(f"/api/dashboards/uid/{item['uid']}", type=dict[str, Any])
            model = answer.get("dashboard")
            if not isinstance(model, dict):
                raise InvalidResponse("the answer holds no dashboard", where=self._client.where)
            dashboards.append((str(item.get("title", item["uid"])), model))
        return tuple(sorted(dashboards, key=lambda pair: pair[0]))

    async def close(self) -> None:
        await self._client.close()
