"""The kubelet's part of the logs: what each container wrote, with times, and where a followed log ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime

from console.demo.cluster import api_errors
from console.demo.cluster.resource import Object
from console.demo.cluster.store import Store
from queries.model.frozen import dataclass
from queries.text.times import parse_rfc3339

LogLines = Callable[[Object, str, float, float], list[tuple[float, str]]]
"""What a container of a pod wrote after one time and up to another: times in Unix seconds and lines, oldest first."""

_HISTORY_SECONDS = 300.0
_FOLLOW_SECONDS = 0.5
"""How often a followed log looks for what `LogLines` adds; what `write` adds is sent at once."""
_NANO = 1_000_000_000


def quiet(pod: Object, container: str, after: float, until: float) -> list[tuple[float, str]]:
    """A healthy container: one line a minute."""
    return [(60.0 * minute, f"INFO {container}: served, nothing to report") for minute in steps(after, until, 60)]


def steps(after: float, until: float, every: int) -> range:
    """The multiples of `every` seconds in the interval, divided by it."""
    return range(int(after // every) + 1, int(until // every) + 1)


@dataclass(slots=True)
class ContainerLog:
    """The log of one instance of a container; `ended` once it terminated or its pod is gone."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    written_until: float = 0.0
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Let every follower look again."""
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class LogFollow:
    """The response to a followed log, which the connection streams."""

    first: bytes
    log: ContainerLog
    position: int
    pod: Object
    container: str
    timestamps: bool


class PodLogs:
    """Logs by UID of the pod, and container. A real kubelet reads them from files; everything about bytes is simulated."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.write_lines: LogLines = quiet
        self.current: dict[tuple[str, str], ContainerLog] = {}
        self.previous: dict[tuple[str, str], ContainerLog] = {}

    def respond(self, pod: Object, query: Mapping[str, str]) -> bytes | LogFollow:
        """The log of a container. Raises ApiError 400 where it is ambiguous, missing, or has not started."""
        container = _choose_container(pod, query.get("container", ""))
        _refuse_waiting(pod, container)
        log = self.find(pod, container)
        if query.get("previous") == "true":
            found = self.previous.get((pod["metadata"]["uid"], container))
            if found is None:
                name = pod["metadata"]["name"]
                raise api_errors.bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
            log = found
        stamps = query.get("timestamps") == "true"
        chosen = _select(log.lines, query, self._store.clock())
        content = b"".join(_format(line, stamps) for line in chosen)
        if query.get("follow") != "true" or log.ended:
            return content
        return LogFollow(content, log, len(log.lines), pod, container, stamps)

    async def stream(self, follow: LogFollow, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is written from now on, until the container ends. A client that disconnects cancels it."""
        log, position = follow.log, follow.position
        if follow.first:
            await send(follow.first)
        while True:
            changed = log.changed
            if not log.ended:
                self._extend(follow.pod, follow.container, log)
            new = log.lines[position:]
            position = len(log.lines)
            if new:
                await send(b"".join(_format(line, follow.timestamps) for line in new))
            if log.ended:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FOLLOW_SECONDS):
                    await changed.wait()

    def write(self, pod: Object, container: str, lines: list[bytes], *, at_ns: int | None = None) -> None:
        """Append lines, each a nanosecond after the last."""
        log = self.find(pod, container)
        first = int(self._store.clock() * _NANO) if at_ns is None else at_ns
        log.lines += [(first + number, line) for number, line in enumerate(lines)]
        log.wake()

    def remove(self, uid: str) -> None:
        """End the logs of a pod that is gone."""
        for logs in (self.current, self.previous):
            for key in [key for key in logs if key[0] == uid]:
                log = logs.pop(key)
                log.ended = True
                log.wake()

    def find(self, pod: Object, container: str) -> ContainerLog:
        """The log of the container's current instance, up to now."""
        key = (pod["metadata"]["uid"], container)
        log = self.current.get(key)
        if log is None:
            began = parse_rfc3339(pod["metadata"]["creationTimestamp"])
            log = self.current[key] = ContainerLog(written_until=max(began, self._store.clock() - _HISTORY_SECONDS))
        self._extend(pod, container, log)
        return log

    def _extend(self, pod: Object, container: str, log: ContainerLog) -> None:
        now = self._store.clock()
        new = self.write_lines(pod, container, log.written_until, now)
        log.lines += [(int(at * _NANO), line.encode()) for at, line in new]
        log.written_until = now


def _choose_container(pod: Object, given: str) -> str:
    """The default container's annotation is kubectl's alone: a server does not read it."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [item["name"] for item in spec["containers"]]
    if not given and len(names) > 1:
        raise api_errors.bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    initial = [item["name"] for item in spec.get("initContainers") or ()]
    if given and given not in (*names, *initial):
        raise api_errors.bad_request(f"container {given} is not valid for pod {name}")
    return given or names[0]


def _refuse_waiting(pod: Object, container: str) -> None:
    """Source: the kubelet, which gives the log of the last instance of a container that waits to be restarted."""
    for status in pod["status"].get("containerStatuses") or ():
        reason = (status["state"].get("waiting") or {}).get("reason", "")
        if status["name"] == container and reason and not status.get("lastState"):
            why = "trying and failing to pull image" if reason == "ImagePullBackOff" else reason
            name = pod["metadata"]["name"]
            raise api_errors.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')


def _select(lines: list[tuple[int, bytes]], query: Mapping[str, str], now: float) -> list[tuple[int, bytes]]:
    """As the kubelet: the tail first, then what is older than the time is left out. `sinceTime` counts in whole seconds."""
    tail = query.get("tailLines", "")
    if tail.isdigit():
        lines = lines[-int(tail) :] if int(tail) else []
    since: float | None = None
    if query.get("sinceTime"):
        since = float(int(parse_rfc3339(query["sinceTime"])))
    elif query.get("sinceSeconds", "").isdigit():
        since = now - int(query["sinceSeconds"])
    return lines if since is None else [line for line in lines if line[0] >= since * _NANO]


def _format(line: tuple[int, bytes], timestamps: bool) -> bytes:
    if not timestamps:
        return line[1] + b"\n"
    seconds, rest = divmod(line[0], _NANO)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{rest:09d}Z ".encode() + line[1] + b"\n"
