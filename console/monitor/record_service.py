"""Records without a screen: only the sources that are recorded, and no snapshots."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from console.config.settings import Settings
from console.log import log_to
from console.monitor.pauses import PauseDetector
from console.monitor.polling import SourcePolling
from console.monitor.recorder import Recorder, RecorderStatus
from queries.concurrency import end_tasks

_POLL_SECONDS = 15.0
"""How often Alertmanager is polled; the cluster is watched."""
_TICK_SECONDS = 1.0


async def record(settings: Settings, stop: asyncio.Event, report: Callable[[RecorderStatus], None]) -> RecorderStatus:
    """Records until `stop` is set; `report` gets each new status. Returns the last one."""
    log_to(settings.paths.log_file)
    detector = PauseDetector()
    recorder = Recorder(settings)
    async with AsyncExitStack() as stack:
        alertmanager = kubernetes = None
        if settings.alertmanagers:
            from queries.alertmanager import Alertmanager  # noqa: PLC0415  # only where it is configured

            alertmanager = Alertmanager(settings.alertmanagers)
            stack.push_async_callback(alertmanager.close)
        if settings.kubernetes is not None:
            from queries.kubernetes.client import Kubernetes  # noqa: PLC0415  # as above

            kubernetes = Kubernetes(settings.kubernetes)
            stack.push_async_callback(kubernetes.close)
        polling = SourcePolling(
            settings,
            (),
            every_seconds=max(settings.refresh_seconds, _POLL_SECONDS),
            prometheus=None,
            alertmanager=alertmanager,
            kubernetes=kubernetes,
            platform=None,
            log_panels=None,
            deliver=recorder.ingest,
            on_late=lambda source, since: None,
            on_pauses=lambda pauses: None,
            detector=detector,
            clock=time.time,
        )
        recorder.start()
        stack.push_async_callback(asyncio.to_thread, recorder.close)
        detector.beat()
        tasks = [asyncio.create_task(loop, name=f"the task of {name}") for name, loop in polling.loops().items()]
        stack.push_async_callback(end_tasks, tasks)
        shown = None
        while not stop.is_set():
            if recorder.status != shown:
                shown = recorder.status
                report(shown)
            polling.check_clock()
            try:
                async with asyncio.timeout(_TICK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
    return recorder.status
