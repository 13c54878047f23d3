"""One open watch: changes as lines of JSON, bookmarks while nothing happens, and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from console.demo.cluster.api_errors import ApiError
from console.demo.cluster.resource import Object, Resource
from console.demo.cluster.selector import Match
from console.demo.cluster.store import Store, WatchEvent


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a watch asks for. `version` None means: first everything that is there."""

    resource: Resource
    namespace: str
    match: Match
    version: int | None
    bookmarks: bool
    seconds: float
    initial_bookmark: bool = False


def line(kind: str, item: Object) -> bytes:
    return json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n"


def typed(resource: Resource, item: Object) -> Object:
    """With its kind, which items of a list lack and events have."""
    return {"kind": resource.kind, "apiVersion": resource.api_version, **item}


def bookmark(resource: Resource, version: int, *, initial_end: bool = False) -> bytes:
    meta: Object = {"resourceVersion": str(version)}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return line("BOOKMARK", typed(resource, {"metadata": meta}))


def seen_as(change: WatchEvent, wish: WatchRequest) -> tuple[str, Object] | None:
    """The change as this watch sees it: an object that leaves the selection is DELETED for it."""
    if change.resource is not wish.resource or (wish.namespace and change.key[0] != wish.namespace):
        return None
    before = change.before if change.before is not None and wish.match(change.before) else None
    after = change.after if change.after is not None and wish.match(change.after) else None
    if after is not None:
        return ("MODIFIED" if before is not None else "ADDED"), after
    if before is not None:
        meta = {**before["metadata"], "resourceVersion": str(change.version)}
        return "DELETED", {**before, "metadata": meta}
    return None


async def follow(
    wish: WatchRequest,
    store: Store,
    send: Callable[[bytes], Awaitable[None]],
    *,
    gone: asyncio.Future[Any],
    bookmark_seconds: float,
) -> None:
    """Sends until the time is up, the client is gone or the history was lost (then an ERROR event with code 410 ends it)."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + wish.seconds
    woken = asyncio.Event()

    def wake(change: WatchEvent) -> None:
        if change.resource is wish.resource:
            woken.set()

    store.listeners.append(wake)
    try:
        version = wish.version if wish.version is not None else await _initial(wish, store, send)
        # a real server sends a last bookmark two seconds before the time is up
        next_bookmark = min(loop.time() + bookmark_seconds, ends - 2) if wish.seconds > 2 else ends
        while True:
            woken.clear()
            data = b""
            for change in store.since(version):
                seen = seen_as(change, wish)
                if seen is not None:
                    data += line(seen[0], typed(wish.resource, seen[1]))
            version = store.version
            if data:
                await send(data)
            now = loop.time()
            if wish.bookmarks and now >= next_bookmark:
                await send(bookmark(wish.resource, version))
                next_bookmark = min(now + bookmark_seconds, ends - 2) if ends - 2 > now else ends
            if now >= ends:
                return
            waiting: asyncio.Future[Any] = asyncio.ensure_future(woken.wait())
            pause = max(0.0, min(ends, next_bookmark if wish.bookmarks else ends) - now)
            try:
                await asyncio.wait({waiting, gone}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if gone.done():
                return
    except ApiError as failed:
        await send(line("ERROR", failed.status))
    finally:
        store.listeners.remove(wake)


async def _initial(wish: WatchRequest, store: Store, send: Callable[[bytes], Awaitable[None]]) -> int:
    version = store.version
    found = [item for item in store.items(wish.resource, wish.namespace) if wish.match(item)]
    await send(b"".join(line("ADDED", typed(wish.resource, item)) for item in found))
    if wish.initial_bookmark:
        await send(bookmark(wish.resource, version, initial_end=True))
    return version
