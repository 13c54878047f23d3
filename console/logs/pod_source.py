"""The logs of a pod, or of all pods of a workload, as one source: it follows them through restarts and replacements."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from console.logs.query import ALL, LogQuery
from queries.errors import RequestRejected, SourceError
from queries.kubernetes.api import ByteStream
from queries.kubernetes.pod_log import IDLE_SECONDS, LogPosition
from queries.kubernetes.pod_log_reader import PodLogReader
from queries.kubernetes.watch import Backoff
from queries.model.fault import Fault, FaultKind
from queries.model.log import LogSink, LogStatus, TimedLine
from queries.model.pod_log import LogPod, LogRequest, LogTarget
from queries.text.times import format_clock

if TYPE_CHECKING:
    from queries.kubernetes.client import Kubernetes

MAX_LOGS = 60
"""Each followed log holds a connection and a thread."""
_RETRY_SECONDS = 10.0
_REVISION_LABELS = frozenset({"pod-template-hash", "controller-revision-hash", "pod-template-generation"})
"""Labels by which a pod differs from the one that replaces it."""
_REPLACED_SECONDS = 120.0
"""A pod that starts later than this after another has ended is not called its replacement."""
_NANO = 1_000_000_000


class PodLogSource:
    """A LogSource of one target.

    `watched` returns something that changes whenever the pods that these labels select do; without it, or while it returns
    None, they are listed every two seconds.
    """

    def __init__(
        self,
        kubernetes: Kubernetes,
        query: LogQuery,
        *,
        clock: Callable[[], float] = time.time,
        watched: Callable[[LogTarget], object] = lambda _: None,
        list_seconds: float = 2.0,
    ) -> None:
        """The pods of a followed workload are listed every `list_seconds` where nothing watches them."""
        self._list_seconds = list_seconds
        # The log before a restart has ended.
        self.query = replace(query, follow=query.follow and not query.previous)
        self.target: LogTarget | None = None
        self.pods: tuple[LogPod, ...] = ()
        """As last listed."""
        self._logs = PodLogReader(kubernetes)
        self._clock = clock
        self._watched = watched
        self._readers: dict[tuple[str, str], _LogReader] = {}
        """By UID of the pod, and container."""
        self._started: list[tuple[str, float]] = []
        self._ended: list[tuple[str, float]] = []
        """Names of pods that started and ended since, and when: not yet named as a replacement and what it replaced."""
        self._siblings: frozenset[str] = frozenset()
        """UIDs of the pods that were there before and cannot replace the one that is read."""
        self._left_out = 0

    async def read(self, sink: LogSink) -> None:
        """Read until every log ends; a followed target until cancelled. Raises SourceError."""
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def report() -> None:
            try:
                loop.call_soon_threadsafe(changed.set)
            except RuntimeError:  # the loop is closed
                return

        try:
            self.target = await self._logs.find_target(self.query.target)
            self.pods = await self._logs.list_pods(self.target)
            if not self.pods:
                raise RequestRejected(f"{self.target.name} has no pods", where=self._logs.where, status=404)
            if self.query.follow and self.target.pod:
                alike = await self._find_alike(self.target, self.pods[0])
                self._siblings = frozenset(pod.uid for pod in alike)
            self._start_readers(self.pods, sink, report, first=True)
            seen, listed_at = self._watched(self.target), time.monotonic()
            error = ""
            while self._expects_more():
                sink.show_status(self._status(error))
                ended = await _wait_for(changed, self._list_seconds if self.query.follow else None)
                changed.clear()
                if not self.query.follow:
                    continue
                now_seen = self._watched(self.target)
                unwatched = now_seen is None and time.monotonic() - listed_at >= self._list_seconds * 0.9
                if ended or unwatched or now_seen != seen:
                    seen, listed_at = now_seen, time.monotonic()
                    error = await self._list_again(sink, report)
            sink.show_status(self._status(error))
        finally:
            for reader in self._readers.values():
                reader.stop()

    def describe(self) -> str:
        """How many pods, and which container of them."""
        if not self.pods:
            return ""
        names, default = self.pods[-1].containers.names, self.pods[-1].containers.default
        which = f"{len(self.pods)} pods  " if len(self.pods) > 1 else ""
        if self.query.container == ALL:
            return f"{which}all {len(names)} containers"
        name = self.query.container or default
        details = "default, " if name == default else ""
        more = f" ({details}{names.index(name) + 1} of {len(names)})" if len(names) > 1 and name in names else ""
        return f"{which}container {name}{more}"

    def parts(self) -> tuple[str, ...]:
        """The default container, the others, and ALL."""
        names = self.pods[-1].containers.names if self.pods else ()
        others = (name for name in names if name != self.pods[-1].containers.default)
        return ("", *others, ALL) if len(names) > 1 else ()

    def _expects_more(self) -> bool:
        """Whether a log is being read, or another pod may follow one that ended."""
        readers = self._readers.values()
        if not self.query.follow or all(pod.finished for pod in self.pods):
            return any(reader.active for reader in readers)
        return not all(reader.failed for reader in readers)

    async def _list_again(self, sink: LogSink, report: Callable[[], None]) -> str:
        """Take the pods as they are now; returns why they cannot be listed, if so."""
        target = self.target
        if target is None:
            return ""
        try:
            pods = await self._logs.list_pods(target)
            if not target.query:
                pods = await self._replace_pod(target, pods)
        except SourceError as error:
            return f"cannot list the pods: {error.fault.sentence()}"
        known = {pod.uid: pod for pod in self.pods}
        now = {pod.uid: pod for pod in pods}
        self.pods = pods
        started = [pod.name for pod in pods if pod.uid not in known]
        await self._name_replacements(started, [pod.name for uid, pod in known.items() if uid not in now], sink)
        for (uid, _), reader in self._readers.items():
            if uid not in now:
                reader.end()
        self._start_readers((pod for pod in pods if pod.uid not in known), sink, report, first=False)
        return ""

    async def _replace_pod(self, target: LogTarget, pods: tuple[LogPod, ...]) -> tuple[LogPod, ...]:
        """With the pod that replaces one that is gone or ends: the newest with its labels that was not there before."""
        last = (pods or self.pods)[-1]
        if pods and not (last.ending or last.finished):
            return pods
        alike = await self._find_alike(target, last)
        new = [pod for pod in alike if not (pod.ending or pod.finished) and pod.uid not in self._siblings]
        if not new:
            return pods
        self.target = LogTarget(f"pod/{new[-1].name}")
        self._siblings = frozenset(pod.uid for pod in alike)
        return (*pods, new[-1])

    async def _find_alike(self, target: LogTarget, pod: LogPod) -> tuple[LogPod, ...]:
        """The pods with the labels of this one, whichever their revision, the oldest first."""
        labels = tuple(pair for pair in pod.labels if pair[0] not in _REVISION_LABELS)
        if not labels:
            return (pod,)
        query = ",".join(f"{name}={value}" for name, value in labels)
        return await self._logs.list_pods(replace(target, query=query, selector=labels))

    async def _name_replacements(self, started: list[str], ended: list[str], sink: LogSink) -> None:
        now = self._clock()
        now_ns = int(now * _NANO)

        async def remark(text: str) -> None:
            # A full sink makes its caller wait, and this event loop may be what empties it.
            await asyncio.to_thread(sink.remark, now_ns, text)

        earlier = [name for name, at in self._started if now - at < _REPLACED_SECONDS]
        waiting = [name for name, at in self._ended if now - at < _REPLACED_SECONDS]
        for name in ended:
            if earlier or started:
                await remark(f"pod {name} ended, replaced by {(earlier or started).pop(0)}")
            else:
                await remark(f"pod {name} ended")
                self._ended.append((name, now))
        for name in started:
            if waiting:
                await remark(f"pod {waiting.pop(0)} ended, replaced by {name}")
            else:
                await remark(f"pod {name} started")
                earlier.append(name)
        self._started = [*((name, at) for name, at in self._started if name in earlier)]
        self._started += [(name, now) for name in started if name in earlier]
        self._ended = [(name, at) for name, at in self._ended if name in waiting or name in ended]

    def _start_readers(self, pods: Iterable[LogPod], sink: LogSink, report: Callable[[], None], *, first: bool) -> None:
        for pod in pods:
            names = pod.containers.names if self.query.container == ALL else (self.query.container or pod.containers.default,)
            for name in names:
                active = sum(reader.active for reader in self._readers.values())
                if active >= MAX_LOGS:
                    self._left_out += 1
                    continue
                query = self.query if first else replace(self.query, since_seconds=None, tail_lines=None, previous=False)
                source = f"{pod.name}/{name}" if len(names) > 1 else pod.name
                reader = _LogReader(self._logs, query, pod, name, source=source, sink=sink, report=report, clock=self._clock)
                self._readers[pod.uid, name] = reader
                reader.start()

    def _status(self, error: str) -> LogStatus:
        readers = self._readers.values()
        waiting = [f"{reader.source}: {reader.waiting}" for reader in readers if reader.active and reader.waiting]
        failed = [f"{reader.source}: {reader.failed}" for reader in readers if reader.failed]
        return LogStatus(
            total=len(self._readers) + self._left_out,
            reading=sum(reader.active and not reader.waiting for reader in readers),
            left_out=self._left_out,
            waiting=(*([error] if error else ()), *waiting),
            failed=tuple(failed),
            incomplete=any(reader.incomplete for reader in readers),
        )


class _LogReader:
    """Reads the log of one container in a thread of its own."""

    def __init__(
        self,
        logs: PodLogReader,
        query: LogQuery,
        pod: LogPod,
        container: str,
        *,
        source: str,
        sink: LogSink,
        report: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.source = source
        self.active = True
        self.waiting = ""
        """Why the log cannot be read now; it is requested again."""
        self.failed = ""
        """Why the log cannot be read at all."""
        self.incomplete = False
        """Lines may be missing."""
        self._logs = logs
        self._query = query
        self._pod = pod
        self._container = container
        self._sink = sink
        self._report = report
        self._clock = clock
        self._position = LogPosition()
        self._restarts = pod.restarts_of(container)
        self._backoff = Backoff(_RETRY_SECONDS)
        self._stream = ByteStream()
        self._stopped = threading.Event()
        self._last_round = False
        """The pod is gone: what the server still sends is the end of its log."""

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"log-{self.source}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._stream.close()

    def end(self) -> None:
        """The pod is gone: read what is left, and do not ask again."""
        self._last_round = True

    def _run(self) -> None:
        try:
            while not self._stopped.is_set() and self._read_once():
                pass
        except Exception as error:  # a thread that dies silently would look like a quiet log
            self.failed = f"reading failed unexpectedly: {type(error).__name__}"
            self.incomplete = True
            raise
        finally:
            self.active = False
            self._report()

    def _read_once(self) -> bool:
        """Request the log and deliver it to its end; whether to request it again."""
        began = time.monotonic()
        fault: Fault | None = None
        self._stream = ByteStream()
        if self._stopped.is_set():
            return False
        self._position.resume()
        try:
            for lines in self._logs.stream(self._build_request(), self._stream):
                self._set_waiting("")
                self._deliver(lines)
        except SourceError as error:
            fault = error.fault
        if self._stopped.is_set():
            return False
        if fault is not None and (not self._query.follow or not _is_temporary(fault)):
            if fault.status == 404 and self._query.follow:
                return False  # the pod is gone; the list of pods will say so
            self.failed = fault.sentence()
            self.incomplete = self.incomplete or self._position.since_ns is not None
            return False
        if not self._query.follow or self._last_round:
            return False
        if fault is not None and time.monotonic() - began < IDLE_SECONDS:
            self._set_waiting(fault.what if _is_starting(fault) else f"reconnecting: {fault.sentence()}")
        # The pause grows until a line arrives: the log of an ended container answers at once, again and again.
        self._stopped.wait(max(self._backoff.pause(), fault.retry_after_seconds or 0.0 if fault else 0.0))
        return not self._stopped.is_set() and self._may_continue()

    def _may_continue(self) -> bool:
        """Whether the container may write more: its pod exists and is not finished."""
        try:
            pod = self._logs.read_pod(self._pod.name)
        except SourceError as error:
            self._set_waiting(f"reconnecting: {error.fault.sentence()}")
            return True  # the log itself will tell
        if pod is None or pod.uid != self._pod.uid:
            return False
        if pod.finished:
            how = pod.exit_of(self._container)
            self._remark(f"container {self._container} of {pod.name} ended" + (f": {how}" if how else ""))
            return False
        return True

    def _build_request(self) -> LogRequest:
        query = self._query
        request = LogRequest(
            self._pod.name, self._container, query.previous, query.since_seconds, follow=query.follow and not query.previous
        )
        if self._position.since_ns is not None:
            return replace(request, since_ns=self._position.since_ns)
        return replace(request, tail_lines=query.tail_lines)

    def _deliver(self, lines: list[TimedLine]) -> None:
        before = None if self._position.proven else self._position.copy()
        new = self._position.keep_new(lines)
        if not new:
            return
        if before is not None and not self._position.proven:
            self._bridge(before, first_ns=new[0][0])
            self._position.accept()
        if not new[0][0]:
            # Text without any time, as the kubelet sends about an error.
            now_ns = int(self._clock() * _NANO)
            new = [(at_ns or now_ns, line, size) for at_ns, line, size in new]
        self._backoff.reset()
        self._sink.deliver(self.source, new)

    def _bridge(self, before: LogPosition, *, first_ns: int) -> None:
        """The log does not continue where it was read to: after a restart read the previous one to its end; else say so."""
        try:
            pod = self._logs.read_pod(self._pod.name)
        except SourceError:
            pod = None
        restarts = pod.restarts_of(self._container) if pod else 0
        if pod is not None and pod.uid == self._pod.uid and restarts > self._restarts:
            once = restarts == self._restarts + 1
            self._restarts = restarts
            complete = once and self._read_previous(before)
            how = pod.exit_of(self._container)
            text = f"container {self._container} of {pod.name} restarted" + (f" after {how}" if how else "")
            self._remark(f"{text} (restart {restarts})", at_ns=first_ns)
            if complete:
                return
        self.incomplete = True
        since = format_clock(before.last_ns / _NANO)
        self._remark(f"lines of {self.source} after {since} may be missing: the log does not continue there", at_ns=first_ns)

    def _read_previous(self, position: LogPosition) -> bool:
        """Deliver the rest of the log before the restart; whether it continues where it was read to."""
        position.resume()
        request = replace(self._build_request(), previous=True, follow=False, since_ns=position.since_ns)
        try:
            for lines in self._logs.stream(request, self._stream):
                if new := position.keep_new(lines):
                    self._sink.deliver(self.source, new)
        except SourceError:
            return False
        return position.proven

    def _remark(self, text: str, *, at_ns: int | None = None) -> None:
        self._sink.remark(int(self._clock() * _NANO) if at_ns is None else at_ns, text)

    def _set_waiting(self, sentence: str) -> None:
        if sentence != self.waiting:
            self.waiting = sentence
            self._report()


def _is_starting(fault: Fault) -> bool:
    """Source: the kubelet, `container "api" in pod "x" is waiting to start: ContainerCreating`."""
    return fault.status == 400 and "is waiting to start" in fault.what


def _is_temporary(fault: Fault) -> bool:
    """Whether another request may succeed."""
    temporary = (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.THROTTLED, FaultKind.STALE)
    return fault.kind in temporary or _is_starting(fault)


async def _wait_for(changed: asyncio.Event, seconds: float | None) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
