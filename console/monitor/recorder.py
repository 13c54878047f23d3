"""Records what the sources return in a thread of its own; of several consoles on one host, one writes."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console import __version__
from console.config.settings import RecorderSettings, Settings
from console.monitor.poller import MOST_JITTER
from console.monitor.source_results import ALERTMANAGER, KUBERNETES
from console.recording.files import RecorderLock, require_space
from console.recording.lines import LONGEST_HOLD_SECONDS, RecordingError
from console.recording.objects import ALERTS, CLUSTER, SILENCES, ObjectEncoder
from console.recording.writer import RecordingWriter, choose_hold
from queries.concurrency import CPU_LOCK
from queries.model.frozen import dataclass
from queries.model.source import PollResult
from queries.text.durations import format_duration
from queries.text.secrets import redact_text

if TYPE_CHECKING:
    from queries.alertmanager import AlertmanagerState
    from queries.model.cluster import Cluster

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 10.0
"""How long after an error nothing is written."""
_LOCK_SECONDS = 1.0
"""How often a console that does not record tries to take over."""
_STOP_SECONDS = 3.0


class RecorderState(StrEnum):
    STARTING = "starting"
    ON = "recording"
    ELSEWHERE = "another console on this host records"
    NOBODY = "no console records now"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """Whether this console records; `error` says why it cannot, in one sentence, and `note` what a recording will lack."""

    state: RecorderState
    folder: str
    error: str = ""
    note: str = ""


def probe_recorder(settings: Settings) -> RecorderStatus:
    """Whether a console on this host records this environment now, and whether this one could. Blocks."""
    folder = Path(settings.recording_dir)
    lock = RecorderLock(folder)
    try:
        state, error = (RecorderState.NOBODY if lock.acquire() else RecorderState.ELSEWHERE), ""
        require_space(folder)
    except RecordingError as problem:
        state, error = RecorderState.FAILED, str(problem)
    lock.release()
    return RecorderStatus(state, str(folder), error, describe_gaps(settings.refresh_seconds))


def describe_gaps(every_seconds: float) -> str:
    """What a recording lacks of a source that is polled so rarely; empty where nothing."""
    if every_seconds * (1.0 + MOST_JITTER) <= LONGEST_HOLD_SECONDS:
        return ""
    every, longest = format_duration(every_seconds), format_duration(LONGEST_HOLD_SECONDS)
    return (
        f"alerts and silences are polled every {every}, and what is not confirmed for {longest} is not known: "
        "set a shorter `refresh`"
    )


class Recorder:
    """`ingest` may be called in the event loop: it only queues."""

    def __init__(
        self, settings: Settings, *, clock: Callable[[], float] = time.time, retry_seconds: float = _RETRY_SECONDS
    ) -> None:
        kept = settings.recorder or RecorderSettings()
        folder = Path(settings.recording_dir)
        self.status = RecorderStatus(RecorderState.STARTING, str(folder), note=describe_gaps(settings.refresh_seconds))
        """Replaced in one step by the recorder's thread."""
        self._lock = RecorderLock(folder)
        self._writer = RecordingWriter(
            folder,
            about=settings.recorded_place,
            by=f"cad-console {__version__}",
            keep_seconds=kept.keep_seconds,
            max_bytes=kept.max_bytes,
            hold_seconds=choose_hold(settings.refresh_seconds),
            clock=clock,
        )
        self._encoder = ObjectEncoder()
        self._results: queue.SimpleQueue[PollResult[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._holds = False
        self._retry_at, self._retry_seconds = 0.0, retry_seconds

    @property
    def writes(self) -> bool:
        """Whether this console is the one that records."""
        return self._holds

    def start(self) -> None:
        self._thread.start()

    def ingest(self, result: PollResult[Any]) -> None:
        """Queue what a source returned; results of sources that are not recorded are ignored."""
        if result.source in (KUBERNETES, ALERTMANAGER):
            self._results.put(result)

    def close(self) -> None:
        """Write what is queued, end the file, and let another console record. Blocks for a few seconds at most."""
        self._results.put(None)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        running = True
        while running:
            try:
                result = self._results.get(timeout=_LOCK_SECONDS)
            except queue.Empty:
                self._attempt(self._take_lock)
                continue
            running = result is not None
            self._attempt(self._take_lock)
            if result is not None and self._holds:
                self._attempt(lambda found=result: self._record(found))  # type: ignore[misc]
        if self._holds:
            self._attempt(self._writer.close)
        self._lock.release()

    def _attempt(self, work: Callable[[], None]) -> None:
        """An error becomes the status, and the next attempt waits."""
        if time.monotonic() < self._retry_at:
            return
        try:
            work()
        except RecordingError as error:
            self._fail(str(error))
        except Exception as error:
            _log.exception("unexpected error while recording")
            self._fail(f"recording failed with an unexpected {type(error).__name__}; see the log file")

    def _fail(self, error: str) -> None:
        self._retry_at = time.monotonic() + self._retry_seconds
        self._set(RecorderState.FAILED, error)

    def _take_lock(self) -> None:
        if self._holds:
            return
        self._holds = self._lock.acquire()
        if not self._holds:
            self._set(RecorderState.ELSEWHERE)

    def _record(self, result: PollResult[Any]) -> None:
        at, writer = result.taken_at, self._writer
        if result.fault is not None or result.value is None:
            why = redact_text(result.fault.what if result.fault else "nothing was returned")
            for source in (CLUSTER,) if result.source == KUBERNETES else (ALERTS, SILENCES):
                writer.lose(at, source, why)
        elif result.source == KUBERNETES:
            cluster: Cluster = result.value
            with CPU_LOCK:
                states = self._encoder.encode_cluster(cluster)
            writer.record(at, CLUSTER, states)
        else:
            state: AlertmanagerState = result.value
            with CPU_LOCK:
                alerts = self._encoder.encode_alerts(state.alerts, peers_up=state.peers_up, peers_total=state.peers_total)
                silences = self._encoder.encode_silences(state.silences)
            writer.record(at, ALERTS, alerts)
            writer.record(at, SILENCES, silences)
        self._set(RecorderState.ON)

    def _set(self, state: RecorderState, error: str = "") -> None:
        if (state, error) != (self.status.state, self.status.error):
            if error:
                _log.error("recorder: %s", error)
            elif self.status.error:
                _log.warning("recorder: %s again", state)
            self.status = replace(self.status, state=state, error=error)
