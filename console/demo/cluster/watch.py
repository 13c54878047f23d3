"""Streams one watch: changes as JSON lines, bookmarks while idle, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from console.demo.cluster.api_errors import ApiError
from console.demo.cluster.resource import Object, Resource
from console.demo.cluster.selector import Match
from console.demo.cluster.store import Store, WatchEvent
from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """The parameters of a watch. `version` None starts with all existing objects."""

    resource: Resource
    namespace: str
    match: Match
    version: int | None
    bookmarks: bool
    seconds: float
    initial_bookmark: bool = False


def watch_line(kind: str, item: Object) -> bytes:
    """One event of a watch stream."""
    return json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n"


def typed(resource: Resource, item: Object) -> Object:
    """The object with kind and apiVersion, which items of a list lack."""
    return {"kind": resource.kind, "apiVersion": resource.api_version, **item}


def bookmark_line(resource: Resource, version: int, *, initial_end: bool = False) -> bytes:
    """A BOOKMARK event."""
    meta: Object = {"resourceVersion": str(version)}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return watch_line("BOOKMARK", typed(resource, {"metadata": meta}))


def change_for(change: WatchEvent, watch: WatchRequest) -> tuple[str, Object] | None:
    """The change as a watch event; an object that leaves the selection is DELETED. None for an unrelated change."""
    if change.resource is not watch.resource or (watch.namespace and change.key[0] != watch.namespace):
        return None
    before = change.before if change.before is not None and watch.match(change.before) else None
    after = change.after if change.after is not None and watch.match(change.after) else None
    if after is not None:
        return ("MODIFIED" if before is not None else "ADDED"), after
    if before is not None:
        meta = {**before["metadata"], "resourceVersion": str(change.version)}
        return "DELETED", {**before, "metadata": meta}
    return None


async def stream_watch(
    watch: WatchRequest,
    store: Store,
    send: Callable[[bytes], Awaitable[None]],
    *,
    bookmark_seconds: float,
) -> None:
    """Streams until the timeout, or until the history that it reads has expired: then it ends with an ERROR event of code 410.

    A client that disconnects cancels it.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + watch.seconds
    changed = asyncio.Event()

    def notify(change: WatchEvent) -> None:
        if change.resource is watch.resource:
            changed.set()

    store.listeners.append(notify)
    try:
        version = watch.version if watch.version is not None else await _initial(watch, store, send)
        # a real server sends a last bookmark two seconds before the timeout
        next_bookmark = min(loop.time() + bookmark_seconds, end - 2) if watch.seconds > 2 else end
        while True:
            changed.clear()
            data = b""
            for change in store.since(version):
                event = change_for(change, watch)
                if event is not None:
                    data += watch_line(event[0], typed(watch.resource, event[1]))
            version = store.version
            if data:
                await send(data)
            now = loop.time()
            if watch.bookmarks and now >= next_bookmark:
                await send(bookmark_line(watch.resource, version))
                next_bookmark = min(now + bookmark_seconds, end - 2) if end - 2 > now else end
            if now >= end:
                return
            pause = max(0.0, min(end, next_bookmark if watch.bookmarks else end) - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await changed.wait()
    except ApiError as failed:
        await send(watch_line("ERROR", failed.status))
    finally:
        store.listeners.remove(notify)


async def _initial(watch: WatchRequest, store: Store, send: Callable[[bytes], Awaitable[None]]) -> int:
    version = store.version
    found = [item for item in store.items(watch.resource, watch.namespace) if watch.match(item)]
    if found:
        await send(b"".join(watch_line("ADDED", typed(watch.resource, item)) for item in found))
    if watch.initial_bookmark:
        await send(bookmark_line(watch.resource, version, initial_end=True))
    return version
