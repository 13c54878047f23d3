"""GETs of the demo itself, past the clients of the console: no answer is larger, longer under way or packed than was asked."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

import queries.http.transport  # noqa: F401 - it limits the head of every answer
from queries.decoding import decode_json
from queries.errors import InvalidResponse, TimedOut
from queries.http import error_mapping
from queries.http.body import Body

LIMIT_BYTES = 16 << 20
_HOPS = 5
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "cad-console"}


@contextmanager
def answer(url: str, params: Mapping[str, str] | None = None, *, timeout: httpx.Timeout) -> Iterator[httpx.Response]:
    """The answer with status 200, its body not read yet; redirects are followed. Raises SourceError."""
    place = httpx.URL(url)
    try:
        # Loading the roots takes longer than all the rest, and plain HTTP needs none.
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if place.scheme == "http" else True
        with httpx.Client(timeout=timeout, headers=_HEADERS, verify=verify) as client:
            for _ in range(_HOPS):
                with client.stream("GET", place, params=params) as response:
                    if response.has_redirect_location:
                        place, params = _target(place, response.headers["location"], url), None
                        continue
                    if response.status_code != 200:
                        told = error_mapping.from_response(
                            response.status_code, response.headers, b"", where=url, now=time.time()
                        )
                        raise told
                    yield response
                    return
            raise InvalidResponse("endless redirects", where=url)
    except httpx.HTTPError as error:
        raise error_mapping.from_exception(error, where=url, host=place.host) from None


def _target(place: httpx.URL, location: str, where: str) -> httpx.URL:
    try:
        return place.join(location)
    except (httpx.InvalidURL, ValueError):
        raise InvalidResponse("the server redirects us to what is not a URL", where=where) from None


def read(response: httpx.Response, *, limit_bytes: int, where: str, seconds: float) -> bytes:
    """The whole body. Raises SourceError."""
    body = Body(response.headers, limit_bytes=limit_bytes, where=where, status=response.status_code)
    until = time.monotonic() + seconds
    for piece in raw(response):
        body.feed(piece)
        if time.monotonic() > until:
            raise TimedOut(f"no whole answer within {seconds:g} s", where=where)
    return body.whole()


def raw(response: httpx.Response) -> Iterator[bytes]:
    """The body in the pieces in which it comes."""
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise TypeError("not the answer of a blocking client")
    yield from response.stream


def fetch(url: str, params: Mapping[str, str] | None = None, *, seconds: float = 5.0) -> Any:
    """The JSON at this URL. Raises SourceError."""
    with answer(url, params, timeout=httpx.Timeout(seconds)) as response:
        content = read(response, limit_bytes=LIMIT_BYTES, where=url, seconds=seconds)
    found: object = decode_json(object, content, where=url)
    return found
