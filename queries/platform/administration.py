"""Reads the platform's administration: documents that need its key, and what a build serves. It sends no write."""

from __future__ import annotations

import msgspec

from queries.errors import SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint

_LARGEST_DOCUMENT = 16 << 20


class _OpenApi(msgspec.Struct):
    paths: dict[str, dict[str, object]]


class Administration:
    """The platform's API with the keys of its administration."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint, name="platform")
        self._key_files = endpoint.http.header_files

    @property
    def where(self) -> str:
        """The URL of the platform's API, without credentials."""
        return self._client.where

    @property
    def key_files(self) -> tuple[tuple[str, str], ...]:
        """Header and file of each key."""
        return self._key_files

    async def document(self, path: str) -> dict[str, object]:
        """One GET. Raises SourceError."""
        found = await self._client.get(path, type=dict[str, object], limit_bytes=_LARGEST_DOCUMENT)
        shown: dict[str, object] = msgspec.json.decode(self._client.redact(msgspec.json.encode(found).decode()))
        return shown

    async def served_methods(self, path: str) -> tuple[str, ...] | None:
        """The methods that this build serves at the path, in upper case; None if it publishes no OpenAPI document.

        Raises SourceError for every other failure.
        """
        try:
            found = await self._client.get("/openapi.json", type=_OpenApi, limit_bytes=_LARGEST_DOCUMENT)
        except SourceError as error:
            if error.fault.status in (401, 403, 404, 405, 410):
                return None
            raise
        return tuple(sorted(name.upper() for name in found.paths.get(path, {})))

    async def close(self) -> None:
        await self._client.close()
