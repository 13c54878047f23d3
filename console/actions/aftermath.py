"""What is watched once an action is done: that nobody takes it back, and that the panel and the alert behind it recover."""

from __future__ import annotations

import time

from console.actions.action import Action, ClusterReader, Progress
from console.actions.plan import Outcome, Plan
from console.actions.recovery import RecoveryProbe, Trigger
from console.config.settings import Settings
from queries.errors import SourceError

_SAY_EVERY_SECONDS = 5


class Aftermath:
    """One action's; `look` is called again and again until `over`, or until nobody wants to wait any longer."""

    def __init__(
        self, action: Action, plan: Plan, cause: Trigger, before: RecoveryProbe, said: str, *, settings: Settings
    ) -> None:
        self._action, self._plan = action, plan
        self._cause, self._before, self._said = cause, before, said
        self._limit = settings.verify_timeout_seconds
        watched = [(item.name, settings.settle_seconds(item.kind)) for item in plan.reconcilers]
        self._names = " or ".join(name for name, seconds in watched if seconds)
        self.seconds = max((seconds for _, seconds in watched), default=0.0)
        """How long it is watched whether a reconciler takes it back."""
        self._until = time.monotonic() + self.seconds
        self._story = self._unseen = ""
        self.well: bool | None = None if cause else True
        """Whether its cause is gone; None while that is not known."""
        self.undone: Progress | None = None

    @property
    def settled(self) -> bool:
        return time.monotonic() >= self._until

    @property
    def over(self) -> bool:
        return self.undone is not None or (self.settled and self.well is True)

    async def look(self, reads: ClusterReader) -> None:
        try:
            self.undone, self._unseen = await self._action.undone(self._plan, reads), ""
        except SourceError as error:
            self._unseen = str(error)
        if self._cause and not self.well:
            sight = await self._cause.look(reads)
            self._story, self.well = self._cause.story(self._before, sight), self._cause.well(sight)

    @property
    def text(self) -> str:
        """What is waited for, in a sentence that changes every few seconds only."""
        if not self.well:
            return f"waiting for the platform: {self._story}"
        left = self._left()
        coarse = min(-(-left // _SAY_EVERY_SECONDS) * _SAY_EVERY_SECONDS, round(self.seconds))
        unseen = f" (cannot see it: {self._unseen})" if self._unseen else ""
        return f"watching whether {self._names} takes it back: {coarse} of {self.seconds:g} s left; leaving is safe{unseen}"

    @property
    def left_early(self) -> str:
        """For whoever leaves now: what is known, and what is not."""
        if self.settled:
            return f"unknown: {self._said}; the console left before it was seen whether the platform recovered"
        return f"unknown: {self._said}; the console left {self._left()} s before it was seen whether {self._names} leaves it so"

    def verdict(self, done_in: str) -> tuple[Outcome, str]:
        if self._names and self._unseen:
            return Outcome.UNKNOWN, f"unknown: {self._said}; whether {self._names} took it back cannot be seen: {self._unseen}"
        if self.well is None:
            return Outcome.UNKNOWN, f"unknown: {self._said}; whether the platform recovered is not known: {self._story}"
        if not self.well:
            return Outcome.FAILED, f"{self._said}, but the platform did not recover within {self._limit:g} s: {self._story}"
        kept = f"; {self._names} did not take it back within {self.seconds:g} s" if self._names else ""
        return Outcome.DONE, f"done in {done_in}; {self._story or self._said}{kept}"

    def _left(self) -> int:
        return max(0, round(self._until - time.monotonic()))
