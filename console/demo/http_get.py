"""HTTP GETs of the demo itself, with limits on size, time and encoding."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

import queries.http.proxied  # noqa: F401  # limits the informational responses before an answer
from queries.decoding import decode_json
from queries.errors import InvalidResponse, TimedOut
from queries.http import error_mapping
from queries.http.body import Body
from queries.text.durations import format_duration

LIMIT_BYTES = 16 << 20
_HOPS = 5
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "cad-console"}


@contextmanager
def open_response(url: str, params: Mapping[str, str] | None = None, *, timeout: httpx.Timeout) -> Iterator[httpx.Response]:
    """A response with status 200, with its body unread; follows redirects. Raises SourceError."""
    place = httpx.URL(url)
    try:
        # Loading the CA certificates takes longer than everything else, and plain HTTP needs none.
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if place.scheme == "http" else True
        with httpx.Client(timeout=timeout, headers=_HEADERS, verify=verify) as client:
            for _ in range(_HOPS):
                with client.stream("GET", place, params=params) as response:
                    if response.has_redirect_location:
                        place, params = _target(place, response.headers["location"], url), None
                        continue
                    if response.status_code != 200:
                        error = error_mapping.from_response(
                            response.status_code, response.headers, b"", where=url, now=time.time()
                        )
                        raise error
                    yield response
                    return
            raise InvalidResponse("too many redirects", where=url)
    except httpx.HTTPError as error:
        raise error_mapping.from_exception(error, where=url, host=place.host) from None


def _target(place: httpx.URL, location: str, where: str) -> httpx.URL:
    try:
        return place.join(location)
    except (httpx.InvalidURL, ValueError):
        raise InvalidResponse("the server redirects to an invalid URL", where=where) from None


def read_body(response: httpx.Response, *, limit_bytes: int, where: str, seconds: float) -> bytes:
    """The whole body. Raises SourceError."""
    body = Body(response.headers, limit_bytes=limit_bytes, where=where, status=response.status_code)
    until = time.monotonic() + seconds
    for piece in raw_chunks(response):
        body.feed(piece)
        if time.monotonic() > until:
            raise TimedOut(f"no complete response within {format_duration(seconds)}", where=where)
    return body.whole()


def raw_chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body in chunks as received."""
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise TypeError("not a response of a blocking client")
    yield from response.stream


def fetch_json(url: str, params: Mapping[str, str] | None = None, *, seconds: float = 5.0) -> Any:
    """The JSON at this URL. Raises SourceError."""
    with open_response(url, params, timeout=httpx.Timeout(seconds)) as response:
        content = read_body(response, limit_bytes=LIMIT_BYTES, where=url, seconds=seconds)
    document: object = decode_json(object, content, where=url)
    return document
