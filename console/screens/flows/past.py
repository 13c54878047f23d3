"""The time machine: shows a past moment, steps from it, plays on from it, and returns to now."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from console.journal.errors import JournalError
from console.monitor.moments import resolve_moment
from console.monitor.past_session import FutureMoment, PastSession
from console.screens.base import ConsoleScreen
from console.screens.explore import ExploreScreen
from console.screens.filterable_screen import FilterableScreen
from console.screens.handover import HandoverScreen
from console.screens.incident import IncidentScreen
from console.screens.log_patterns import LogPatternsScreen
from console.screens.logs import LogsScreen
from console.screens.past_row import Timeline, render_timeline
from console.screens.runbook import RunbookScreen
from queries.model.text import visible
from queries.text.times import InvalidTime, format_moment
from widgets.styled_text import Line

if TYPE_CHECKING:
    from textual.timer import Timer

    from console.screens.app import ConsoleApp
    from console.screens.views import View
    from console.state.snapshot import Snapshot

SPEEDS = (1, 10, 60, 600)
FRAME_SECONDS = 1.0
_AROUND_SECONDS = 6 * 3600.0
"""How far the row of marks reaches to each side of the moment."""
_EDGE_SECONDS = 1800.0
_LATE_SECONDS = 60.0
"""How far from now the row may end before its marks are read again."""
_PATIENCE_SECONDS = 0.5
_KEEPING = (ExploreScreen, HandoverScreen, IncidentScreen, LogPatternsScreen, LogsScreen, RunbookScreen)


class PastFlow:
    """One moment at a time; another request replaces the one before."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self._speed = 2
        """The place in SPEEDS."""
        self._timer: Timer | None = None
        self._timeline = Timeline()
        self._target: float | None = None
        """The moment that is on its way: the next step goes on from there."""

    @property
    def session(self) -> PastSession | None:
        """The session of the past that is shown; None for now."""
        session = self.app.session
        return session if isinstance(session, PastSession) else None

    @property
    def _latest(self) -> float:
        """The last moment that can be shown, Unix seconds."""
        live = self.app.live_session
        return live.latest_moment(self.app.clock()) if live is not None else self.app.clock()

    def go_to(self, text: str) -> None:
        """Show the moment that the text names; a notice says why it cannot be shown."""
        app = self.app
        if not text:
            app.show_notice("at: expected a time: 03:12, -2h, 2026-11-29 03:12, or incident 4", warning=True)
        elif app.live_session is None:
            app.show_notice("the session is not open yet", warning=True)
        elif running := app.flows.actions.in_progress:
            why = f"{', '.join(running)} has no outcome yet; wait for it, or look at the past in another console"
            app.show_notice(f"at: {why}", warning=True)
        else:
            self.pause()
            app.run_worker(self._resolve_and_go(text), "going to another moment", "past", exclusive=True)

    async def _resolve_and_go(self, text: str) -> None:
        live = self.app.live_session
        if live is None:
            return
        try:
            moment = await resolve_moment(text, live, now=self._latest)
        except (InvalidTime, JournalError) as error:
            self.app.show_notice(f"at: {error}", warning=True)
            self.app.release_live()
            return
        await self._go(moment)

    async def _go(self, moment: float, *, follows: bool = False) -> None:
        """A jump, or with `follows` the next frame of a film."""
        app, past, live = self.app, self.session, self.app.live_session
        if live is None:
            return
        entering = past is None
        past = past or await live.open_past(app.clock)
        notice = app.set_timer(_PATIENCE_SECONDS, partial(app.show_notice, f"reading {format_moment(moment)} …", seconds=2))
        try:
            if entering:
                past.start(partial(app.post_snapshot, past))
            snapshot = await past.go(moment, follows=follows)
        except asyncio.CancelledError:
            if entering:
                await past.close()
            raise
        except FutureMoment as error:
            self._target = None
            app.show_notice(f"at: {error}", warning=True)
            app.release_live()
            return
        finally:
            notice.stop()
        self._target = None
        if app.live_session is not live:
            await past.close()  # a person went on to another place
            return
        if entering:
            self._enter(past, snapshot)
        else:
            app.show_past(snapshot, jumped=not follows)
            if not follows:
                self._open_again()
        self._load_marks(moment, again=not follows)

    def _enter(self, past: PastSession, snapshot: Snapshot) -> None:
        """The same screen with the same filter, order and pages, of then."""
        app = self.app
        shown = app.screen_stack[0]
        view = shown.capture_view(app.shown_mode) if isinstance(shown, FilterableScreen) else None
        opened = [item.opened_by for item in app.screen_stack if isinstance(item, ConsoleScreen) and item.opened_by]
        app.enter_past(past, snapshot)
        if app.replayed:
            app.show_notice(f"REPLAY of {visible(app.replayed)}: nothing can be changed, and no server is asked", seconds=6)
        else:
            app.show_notice("AS OF: nothing can be changed; notifications and guards wait for `:live`", seconds=6)
        if view is not None:
            app.call_later(self._apply, view)
        for request in opened:
            app.call_later(app.flows.navigation.open, request)

    def _apply(self, view: View) -> None:
        screen = self.app.screen
        if isinstance(screen, FilterableScreen):
            screen.call_after_refresh(screen.apply_view, view)

    def _open_again(self) -> None:
        """A page that keeps what it read is opened anew: it was about the moment before."""
        screen = self.app.screen
        if isinstance(screen, _KEEPING) and screen.opened_by is not None:
            self.app.pop_screen()
            self.app.call_later(self.app.flows.navigation.open, screen.opened_by)

    def leave(self) -> None:
        """Back to now, to the screen, the cursor and the filters of before."""
        if self.app.replayed:
            self.app.show_notice("a replay has no live view: `:at TIME` or `:at incident` moves, `:quit` leaves")
            return
        self.pause()
        self.app.workers.cancel_group(self.app, "past")
        self.app.workers.cancel_group(self.app, "marks")
        self._timeline, self._target = Timeline(), None
        if self.session is None:
            self.app.show_notice("this is now; `:at 03:12` shows a past moment")
        else:
            self.app.leave_past()

    # Steps

    def step(self, seconds: float) -> None:
        past = self.session
        if past is None:
            return
        self.pause()
        self._jump(self._from(past) + seconds)

    def _from(self, past: PastSession) -> float:
        return past.moment if self._target is None else self._target

    def to_mark(self, direction: int) -> None:
        past = self.session
        if past is None:
            return
        self.pause()
        here = self._from(past)
        mark = self._timeline.before(here) if direction < 0 else self._timeline.after(here)
        if mark is None:
            where = "earlier" if direction < 0 else "later"
            missing = f": {self._timeline.missing} could not be read" if self._timeline.missing else ""
            known = "known " if missing else ""
            row = f"no {known}{where} mark in this row{missing}"
            why = "the marks are still being read" if self._timeline.loading else row
            self.app.show_notice(why)
            return
        self._jump(mark.at)

    def _jump(self, moment: float) -> None:
        if moment > self._latest:
            self.app.show_notice(self._describe_end("that is in the future; `:live` returns to now"))
            return
        self._target = moment
        self.app.run_worker(self._go(moment), "going to another moment", "past", exclusive=True)

    def _describe_end(self, text: str) -> str:
        """The text, or where the bundle ends."""
        replayed = self.app.replayed
        return f"the bundle ends at {format_moment(self._latest)}" if replayed else text

    # Playing

    def play(self) -> None:
        """Play on from here, or pause."""
        if self.session is None:
            return
        if self._timer is not None:
            self.pause()
        else:
            self._timer = self.app.set_interval(FRAME_SECONDS, self._next_frame)
        self.app.show_progress()

    def pause(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def change_speed(self, by: int) -> None:
        self._speed = min(max(0, self._speed + by), len(SPEEDS) - 1)
        self.app.show_progress()

    def _next_frame(self) -> None:
        """One request at a time: a slow server makes the film slower, not longer."""
        past = self.session
        if past is None or self.app.has_worker("past"):
            return
        moment = past.moment + SPEEDS[self._speed] * FRAME_SECONDS
        if moment > self._latest:
            self.pause()
            self.app.show_notice(self._describe_end("this is as far as it goes; `:live` returns to now"))
            self.app.show_progress()
            return
        self.app.run_worker(self._go(moment, follows=True), "playing on", "past", exclusive=True)

    # Marks

    def render_marks(self, width: int) -> tuple[Line, ...]:
        """The row of marks; empty for now."""
        past = self.session
        if past is None:
            return ()
        playing = self._timer is not None
        return render_timeline(self._timeline, past.moment, speed=SPEEDS[self._speed], playing=playing, width=width)

    def _load_marks(self, moment: float, *, again: bool) -> None:
        """Read the marks around the moment, unless those that are known reach far enough; never awaited by a jump. `again` also
        if a source of them did not answer.
        """
        known = self._timeline
        now = self._latest
        reaches = known.start <= moment - _EDGE_SECONDS and known.end >= min(now - _LATE_SECONDS, moment + _EDGE_SECONDS)
        reading = known.loading and self.app.has_worker("marks")
        if reaches and (reading or not (known.loading or (known.missing and again))):
            return
        start, end = moment - _AROUND_SECONDS, min(now, moment + _AROUND_SECONDS)
        self._timeline = replace(known, start=start, end=end, loading=True)
        self.app.run_worker(self._read_marks(start, end), "reading what happened around the moment", "marks", exclusive=True)

    async def _read_marks(self, start: float, end: float) -> None:
        past = self.session
        if past is None:
            return
        marks, missing = await past.read_marks(start, end)
        self._timeline = Timeline(start, end, marks, missing=missing)
        self.app.show_progress()
