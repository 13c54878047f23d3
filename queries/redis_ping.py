"""Check that Redis answers: one PING, with redis-py if it is installed."""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache
from importlib import import_module
from typing import Any

from queries.errors import (
    AccessDenied,
    InvalidResponse,
    NotConfigured,
    RateLimited,
    RequestRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from queries.http.endpoint import RedisEndpoint
from queries.text.durations import format_duration


async def ping(endpoint: RedisEndpoint) -> float:
    """Seconds until the PONG. Raises SourceError, which quotes neither the server's text nor the URL."""
    try:
        redis: Any = import_module("redis")
        client_module: Any = import_module("redis.asyncio")
    except ImportError:
        raise NotConfigured(
            "redis-py is not installed", where=endpoint.where, hint="install cad-console with its extra: cad-console[redis]"
        ) from None
    try:
        client = client_module.Redis.from_url(
            endpoint.url,
            socket_timeout=endpoint.timeout_seconds,
            socket_connect_timeout=endpoint.timeout_seconds,
            retry=None,
            protocol=2,
            parser_class=_lines_only(),
        )
    except (ValueError, TypeError, redis.exceptions.RedisError):
        raise Unreachable("REDIS_URL is not a URL", hint="write redis://host:6379/0, rediss://… or unix:///path") from None
    started = time.monotonic()
    try:
        async with asyncio.timeout(endpoint.timeout_seconds):
            await client.ping()
    except (OSError, redis.exceptions.RedisError) as error:
        raise _map_error(error, redis.exceptions, endpoint) from None
    except ValueError:  # a line beyond asyncio's limit, or an invalid number
        raise _no_redis(endpoint) from None
    finally:
        await client.aclose()
    return time.monotonic() - started


@lru_cache(maxsize=1)
def _lines_only() -> Any:
    """redis-py's parser limited to single lines, the replies to a log-in and a PING: bulk strings and arrays have no limit."""
    parsers: Any = import_module("redis._parsers")
    kinds: Any = import_module("redis.exceptions")

    class LinesOnly(parsers._AsyncRESP2Parser):  # type: ignore[misc]
        async def _readline(self) -> bytes:
            line: bytes = await super()._readline()
            if line[:1] not in (b"+", b"-", b":"):
                raise kinds.InvalidResponse("not one line")
            return line

    return LinesOnly


def _no_redis(endpoint: RedisEndpoint) -> InvalidResponse:
    return InvalidResponse("the server that answered is not Redis", where=endpoint.where, hint="check host and port")


def _map_error(error: Exception, kinds: Any, endpoint: RedisEndpoint) -> SourceError:
    where, limit = endpoint.where, endpoint.timeout_seconds
    if isinstance(error, TimeoutError | kinds.TimeoutError):
        return TimedOut(
            f"no PONG within {format_duration(limit)}", where=where, hint="it is overloaded, or a firewall swallows the request"
        )
    if isinstance(error, kinds.AuthenticationError | kinds.AuthorizationError | kinds.NoPermissionError):
        return AccessDenied("Redis refuses the user or the password", where=where, hint="check the credentials in REDIS_URL")
    if isinstance(error, kinds.BusyLoadingError):
        return Unreachable("Redis is loading its data", where=where, hint="wait until it has loaded them")
    if isinstance(error, kinds.MaxConnectionsError):
        return RateLimited("Redis accepts no more connections", where=where, hint="look for a client that leaks them")
    if isinstance(error, kinds.InvalidResponse):
        return _no_redis(endpoint)
    if isinstance(error, OSError | kinds.ConnectionError):
        return Unreachable("no connection to Redis", where=where, hint="check host, port and TLS (rediss://)")
    return RequestRejected("Redis refuses the PING", where=where, hint="check its configuration")
