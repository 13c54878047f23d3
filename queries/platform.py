"""The platform's own API: what it says of itself at `/health`, of its circuit breakers, and at `/metrics`."""

from __future__ import annotations

import asyncio
import math
from functools import partial

import httpx

from queries.endpoint import Endpoint
from queries.errors import Malformed, SourceError
from queries.exposition import Exposition, exposition
from queries.http import Client
from queries.model.platform import PlatformHealth
from queries.siblings import siblings

_UNWELL = (500, 503)
"""Statuses with which a platform that is not well still describes itself in JSON."""
_CIRCUIT_STATES = {0: "closed", 1: "half-open", 2: "open"}
_WRAPPERS = ("circuit_breakers", "circuits", "breakers", "data")
_LARGEST_EXPOSITION = 32 << 20
_MOST = 500
"""How many services or circuits are kept: an answer may hold anything."""


class Platform:
    """Reads the API tolerantly: unknown and missing fields are no failure, another kind of document is."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = Client(endpoint, name="platform", transport=transport)

    @property
    def where(self) -> str:
        return self._client.where

    @property
    def ahead_seconds(self) -> float:
        """How far the server's clock is ahead of this machine's at least, negative where it is behind."""
        return self._client.ahead_seconds

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the server though it answers."""
        return self._client.warnings

    async def health(self) -> PlatformHealth:
        """Raises SourceError where `/health` does not answer; breakers are added where their page exists."""
        health = asyncio.create_task(
            self._client.fetch("/health", decode=self._body, limit_bytes=4 << 20, accept=_UNWELL),
        )
        breakers = asyncio.create_task(self._circuits())
        async with siblings(health, breakers):
            body, circuits = await asyncio.gather(health, breakers)
        runtime = body.get("runtime")
        rates = runtime.get("error_rate_ema") if isinstance(runtime, dict) else None
        return PlatformHealth(
            status=_word(body["status"]),
            services=_words(body.get("services")),
            error_rates=_rates(rates),
            circuits=circuits,
        )

    async def metrics(self) -> Exposition:
        """What the exporter says at `/metrics`. Raises SourceError."""
        decode = partial(exposition, where=f"{self.where}/metrics")
        return await self._client.fetch("/metrics", decode=decode, limit_bytes=_LARGEST_EXPOSITION, any_body=True)

    async def close(self) -> None:
        await self._client.close()

    def _body(self, body: bytes) -> dict[str, object]:
        found = self._client.decode(dict[str, object], body)
        if not isinstance(found.get("status"), (str, bool, dict)):
            raise Malformed("/health names no status", where=self.where, hint="check that the URL is the platform's API")
        return found

    async def _circuits(self) -> tuple[tuple[str, str], ...]:
        try:
            found = await self._client.get("/health/circuit-breakers", type=object, limit_bytes=4 << 20)
        except SourceError:
            # Not every build has this page, and some want a key for it; /health tells whether the platform answers.
            return ()
        return circuit_states(found)


def circuit_states(found: object) -> tuple[tuple[str, str], ...]:
    """Key and state word of every breaker, from a map or a list, with numbers (0, 1, 2) or words as states."""
    if isinstance(found, dict):
        for name in _WRAPPERS:
            inner = found.get(name)
            if isinstance(inner, (dict, list)):
                return circuit_states(inner)
        entries = [(str(key), _state(value)) for key, value in found.items()]
    elif isinstance(found, list):
        named = [item for item in found if isinstance(item, dict)]
        entries = [
            (str(next((item[key] for key in ("key", "name", "circuit", "endpoint") if key in item), "")), _state(item))
            for item in named
        ]
    else:
        return ()
    return tuple(sorted({key: state for key, state in entries if key and state}.items())[:_MOST])


def _state(value: object) -> str:
    """The state word, empty where the value is none (a count or a timestamp beside the breakers)."""
    if isinstance(value, dict):
        value = value.get("state", value.get("status"))
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, (int, float)):
        return _CIRCUIT_STATES.get(int(value), "") if value in (0, 1, 2) else ""
    if not isinstance(value, str):
        return ""
    word = value.strip().lower().replace("_", "-").replace(" ", "-")
    word = {"halfopen": "half-open"}.get(word, word)
    return word if word in _CIRCUIT_STATES.values() else ""


def _words(value: object) -> tuple[tuple[str, str], ...]:
    """Services and their words; a service may describe itself in an object with a status of its own."""
    if not isinstance(value, dict):
        return ()
    return tuple(sorted((str(key), _word(item)) for key, item in value.items()))[:_MOST]


def _word(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("status", value.get("state", "?"))
    if isinstance(value, bool):
        return "up" if value else "down"
    return value if isinstance(value, str) else str(value)


def _rates(value: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, dict):
        return ()
    found = [
        (str(key), float(item))
        for key, item in value.items()
        if isinstance(item, (int, float)) and not isinstance(item, bool) and math.isfinite(item)
    ]
    return tuple(sorted(found))[:_MOST]
