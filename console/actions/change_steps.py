"""What an action does that writes something and then restarts its consumers: one step at a time, each with its two reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from console.actions.action import ChangeWriter, ClusterReader
from console.actions.deployment_state import DeploymentState
from console.actions.external import report_end
from console.actions.plan import ActionRefused, Plan, PreflightCheck, Request, Stage, StepEnd, StepReport
from console.actions.restart import Restart
from queries.errors import SourceError
from queries.text.durations import format_duration

_POLL_SECONDS = 0.2
_RESTART = Restart()


class ChangeSteps:
    """Runs steps one after another; `end` is how the last one ended."""

    def __init__(self, request: Request, reader: ClusterReader, writer: ChangeWriter) -> None:
        self.end = StepEnd()
        self._request = request
        self._reader = reader
        self._writer = writer
        self._restarted_at = 0.0

    async def run(
        self, step: str, work: Callable[[], Awaitable[StepEnd]], *, command: str = "", stage: Stage = Stage.EXECUTE
    ) -> AsyncGenerator[StepReport, None]:
        """What fails is in `end`, never raised."""
        yield StepReport(step, f"{step}: {command}" if command else step, stage, command)
        started = time.monotonic()
        try:
            end = await work()
        except SourceError as error:
            end = StepEnd(str(error), fault=error.fault)
        except ActionRefused as error:
            end = StepEnd(str(error))
        except OSError as error:
            end = StepEnd(error.strerror or "the file cannot be written")
        self.end = replace(end, seconds=time.monotonic() - started)
        yield report_end(step, self.end, stage)

    async def restart(self, target: str, *, limit_seconds: float) -> StepEnd:
        """Restarts a workload and waits until the new pods serve. Raises SourceError and ActionRefused."""
        # kubectl's annotation has seconds: a second restart within the same one would change nothing.
        self._restarted_at = max(time.time(), self._restarted_at + 1.0)
        plan, _ = await plan_restart(target, self._request, self._reader, self._restarted_at)
        await _RESTART.execute(plan, self._writer)
        last = "nothing"
        try:
            async with asyncio.timeout(limit_seconds), aclosing(_RESTART.verify(plan, self._reader)) as reports:
                async for report in reports:
                    last = report.text
                    if report.done is not None:
                        return StepEnd("" if report.done else last, last)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            pass
        return StepEnd(f"not done within {format_duration(limit_seconds)}; last seen: {last}")


async def plan_restart(target: str, request: Request, reader: ClusterReader, now: float) -> tuple[Plan, DeploymentState]:
    """The plan of a consumer's restart, for the preview too. Raises SourceError and ActionRefused."""
    restart = Request(_RESTART.name, target, user=request.user)
    state = await _RESTART.fetch_facts(restart, reader)
    return _RESTART.plan(restart, state, now), state


async def check_restart(
    plan: Plan, state: DeploymentState, reader: ClusterReader, writer: ChangeWriter
) -> list[PreflightCheck]:
    """The preflight checks of a consumer's restart, with its name."""
    found = await _RESTART.preflight(plan, state, reader, writer)
    return [replace(item, text=f"{plan.subject}: {item.text}") for item in found]
