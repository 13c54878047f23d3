"""Several actions that a person confirms at once: each goes through all stages of the runner, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from console.actions.plan import Outcome, Preview

MOST = 20
"""Actions of one batch: a person can read as many in one preview."""
_PLANNED_AT_ONCE = 4

Confirm: TypeAlias = Callable[[Preview], Awaitable[bool]]
Drive: TypeAlias = Callable[[int, Confirm], Awaitable[Outcome | None]]
"""Drives one run of the runner to its end, with this `confirm`, and returns its outcome; None for a run that broke off."""


class Batch:
    """`prepare` plans and checks every run and collects the previews; `carry_out` confirms them in order.

    Each run is confirmed only if it is as it was previewed, and only after the one before is done: after any other outcome the
    rest are declined, so that nothing is sent. Closing the batch declines what is not confirmed.
    """

    def __init__(self, size: int, drive: Drive) -> None:
        self.previews: list[Preview | None] = [None] * size
        """By run; None where the runner refused it or a check blocks it."""
        self.stopped = False
        """Nothing more is confirmed."""
        self._drive = drive
        self._ready = [asyncio.Event() for _ in range(size)]
        self._decisions: list[asyncio.Future[bool]] = [asyncio.get_running_loop().create_future() for _ in range(size)]
        self._slots = asyncio.Semaphore(_PLANNED_AT_ONCE)
        self._tasks: list[asyncio.Task[Outcome | None]] = []

    @property
    def ready(self) -> tuple[int, ...]:
        """The runs that can be confirmed."""
        return tuple(at for at, preview in enumerate(self.previews) if preview is not None)

    async def prepare(self) -> None:
        """Wait until every run has a preview or is refused. Nothing is sent."""
        self._tasks = [asyncio.create_task(self._run(at), name=f"run {at} of a batch") for at in range(len(self.previews))]
        for event in self._ready:
            await event.wait()

    async def carry_out(self) -> None:
        """Confirm the runs in order, each after the one before is done; the rest are declined."""
        for at in self.ready:
            if not self._decisions[at].done():
                self._decisions[at].set_result(not self.stopped)
            outcome = await self._tasks[at]
            self.stopped = self.stopped or outcome is not Outcome.DONE

    async def close(self) -> None:
        """Decline what is not confirmed, and wait for the ends."""
        self.stopped = True
        for decision in self._decisions:
            if not decision.done():
                decision.set_result(False)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self) -> None:
        """Break off at once, as when the console ends; the runner journals what is then unknown."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, at: int) -> Outcome | None:
        await self._slots.acquire()

        async def confirm(preview: Preview) -> bool:
            if preview.blocked or self.previews[at] is not None:
                return False  # the cluster changed since the person confirmed
            self.previews[at] = preview
            self._release(at)
            return await self._decisions[at]

        try:
            return await self._drive(at, confirm)
        finally:
            self._release(at)

    def _release(self, at: int) -> None:
        if not self._ready[at].is_set():
            self._ready[at].set()
            self._slots.release()


def confirm_phrase(name: str, previews: tuple[Preview, ...]) -> str:
    """What a person types: the action and the count in a protected environment, then the words that single checks ask for."""
    words = [word for preview in previews for word in preview.second_words]
    return " ".join((*([f"{name} {len(previews)}"] if any(item.protected for item in previews) else ()), *words))
