"""Whether a service is healthy, by one GET of its own."""

from __future__ import annotations

from queries.errors import SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint


async def probe_health(url: str, *, name: str) -> str:
    """Why it is not healthy; empty if the URL answers 2xx with anything but a web page. `name` is in the client's errors."""
    client = Client(Endpoint(url), name=name)
    try:
        await client.fetch("", decode=bytes, any_body=True)
    except SourceError as error:
        return error.fault.sentence()
    finally:
        await client.close()
    return ""
