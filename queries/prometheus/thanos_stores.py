"""The stores that a Thanos Query omits of its answers: it warns only of those that are `strict`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from queries.decoding import decode_json
from queries.errors import AccessDenied, InvalidResponse, RequestRejected, SourceError
from queries.http.client import Client

PATH = "/api/v1/stores"
NO_STORE = "Thanos Query has no store, so its responses contain no stored data"
_EVERY_SECONDS = 5.0
"""How often Thanos checks its stores."""
_REFUSED_SECONDS = 600.0
"""How long a server that does not list its stores is not asked again."""
_NAMED = 3
"""How many stores a sentence names."""
_WITHOUT_RULES = ("store", "receive")
"""The components that have series and no rules."""


class _Store(msgspec.Struct):
    name: str = ""
    lastError: str | None = None


class _Stores(msgspec.Struct):
    data: dict[str, list[_Store]] = {}


_DECODER = msgspec.json.Decoder(_Stores)


class ThanosStores:
    """What one server's answers lack without a word. Only a Thanos Query is asked, at most every five seconds."""

    def __init__(self, client: Client, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._is_thanos: bool | None = None
        self._stores: Mapping[str, list[_Store]] | None = None
        """By component; None where the server does not list them."""
        self._fetched_at, self._every = float("-inf"), _EVERY_SECONDS
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """The server was unreachable: it may come back as another one."""
        self._is_thanos, self._stores, self._fetched_at = None, None, float("-inf")

    async def missing(self, *, is_thanos: bool | None, rules: bool = False) -> str:
        """What an answer lacks, as a sentence; empty where nothing is known to be missing. Never raises.

        `is_thanos` says whether the answer is a Thanos Query's, None where it does not tell; then the list of stores does.
        `rules`: the answer is a list of rules.
        """
        if is_thanos or self._is_thanos is None:
            self._is_thanos = is_thanos
        if self._is_thanos is False:
            return ""
        async with self._lock:
            await self._refresh()
        if self._stores is None:
            return ""
        if not any(self._stores.values()):
            return NO_STORE
        failed = [
            (f"{component} {store.name}", store.lastError)
            for component, stores in sorted(self._stores.items())
            if not (rules and component in _WITHOUT_RULES)
            for store in stores
            if store.lastError
        ]
        if not failed:
            return ""
        names = [name for name, _ in failed[:_NAMED]]
        if len(failed) > _NAMED:
            names.append(f"{len(failed) - _NAMED} more")
        return f"Thanos Query omits {', '.join(names)}: {failed[0][1]}"

    async def _refresh(self) -> None:
        now = self._clock()
        if 0 <= now - self._fetched_at < self._every:
            return
        self._fetched_at, self._every = now, _EVERY_SECONDS
        try:
            self._stores = await self._client.fetch(PATH, decode=partial(_decode, where=self._client.where))
            self._is_thanos = True
        except (AccessDenied, InvalidResponse, RequestRejected):
            # Another maker's server, or a proxy that hides the list.
            self._stores, self._every = None, _REFUSED_SECONDS
            self._is_thanos = self._is_thanos or False
        except SourceError:
            pass  # it failed for a moment: the last list holds until the next time


def _decode(body: bytes, *, where: str) -> Mapping[str, list[_Store]]:
    return decode_json(_DECODER, body, where=where, whose="Thanos'").data
