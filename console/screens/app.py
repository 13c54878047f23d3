"""The application: opens the session after the first frame, draws the screen in view, and hands requests to the flows."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.events import Key
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme

from console.config.errors import ConfigError
from console.config.settings import Settings
from console.screens import keys, messages
from console.screens.base import ConsoleScreen
from console.screens.chart_choices import FILE, ChartChoices
from console.screens.command_history import CommandHistory
from console.screens.commands import find_alias_errors, run_command
from console.screens.gc_policy import GcPolicy
from console.screens.kept_choices import KeptChoices
from console.screens.registry import MODES, SCREENS, preload
from console.screens.render_context import RenderContext
from console.screens.staleness import pause_overdue
from console.screens.views import Views
from console.screens.worker_errors import ReportsWorkerErrors, UnexpectedErrors
from queries.model.chart import Drawing
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.times import format_moment
from queries.text.variables import read_env
from widgets.line_filters import AsciiFilter, ControlCharFilter, needs_ascii
from widgets.terminal.app import LowBandwidthApp
from widgets.theme import THEME_NAMES, THEMES
from widgets.type_ahead import TypeAhead

_TICK_SECONDS, _POLLED_TICK_SECONDS = 0.9, 1.4
"""After so long without a snapshot the screen is drawn for the time that passed; the second where one is due every second."""
_CLOSE_SECONDS = 2.0
_BETWEEN = "between"
_WHY_OFF = "what is shown is past, so nothing is changed: `:live` returns to now"
_WHY_REPLAYED = "this is a replay of what was: nothing can be changed"
_PAST = "past/"
"""How the modes of the past begin; the rest is the mode of now."""
_NOTE_SECONDS = 10.0
"""How long line 2 explains a surprising choice of cluster; `doctor` and `:sources` keep explaining it."""

if TYPE_CHECKING:
    from textual.command import Provider

    from console.config.switch import SettingsSource
    from console.monitor.session import Session
    from console.screens.flows.flows import Flows
    from console.screens.tour import Tour
    from console.state.snapshot import Snapshot


def _palette() -> type[Provider]:
    from console.screens.command_line import CommandPaletteProvider  # noqa: PLC0415  # not before the first frame

    return CommandPaletteProvider


def _open_session(settings: Settings) -> Session:
    from console.monitor.session import Session  # noqa: PLC0415  # imports the clients, after the first frame

    return Session.open(settings)


class ShownPlace:
    """What the console shows: one environment now, or as it was at a past moment. Another place is another object."""

    def __init__(self, settings: Settings, session: Session | None = None) -> None:
        """`session` is None until it is open."""
        self.settings = settings
        self.session = session
        self.snapshot: Snapshot | None = None
        self.changed_ids: frozenset[str] = frozenset()
        self.error = ""
        """Why the session could not be opened."""
        self.history: list[str] = []
        """Screens to go back to, the last one first in line."""
        self.mode = ""
        """The screen to return to, while another place is shown."""


@dataclass
class SnapshotArrived(Message):
    """A newer snapshot of this session; of several that wait only the newest is drawn."""

    snapshot: Snapshot
    session: Session

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotArrived) and message.session is self.session


class ConsoleApp(ReportsWorkerErrors, TypeAhead, LowBandwidthApp):
    """Session, global keys and notices; each screen decides for itself what it shows."""

    CSS_PATH = "console.tcss"
    TITLE = "cad-console"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.GLOBAL]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette}
    DEFAULT_MODE = "overview"
    _applied_theme: Theme | None = None

    def __init__(
        self,
        settings: Settings,
        *,
        session_factory: Callable[[Settings], Session] | None = None,
        source: SettingsSource | None = None,
        clock: Callable[[], float] = time.time,
        ascii_only: bool | None = None,
        at: str = "",
        opening: str = "",
        log: str = "",
    ) -> None:
        """`at` names a past moment to begin with, and `opening` is what line 2 says until it is there; `log` is a log file."""
        super().__init__()
        self.animation_level = "none"
        self.shown = ShownPlace(settings)
        self.source = source
        """Where the settings of another place come from; None if the console stays where it is."""
        self.flow.slow = settings.slow
        self.clock = clock
        self._session_factory = session_factory or _open_session
        self._session_lock = asyncio.Lock()
        """One session opens or closes at a time."""
        self._log_file = log
        self._at = at
        """The moment to begin with; what is now is not shown before."""
        self._opening = opening or f"reading the platform as of {visible(at)}"
        self._now: ShownPlace | None = None
        """What to return to from the past; None where the console shows what is now."""
        self._jumps = 0
        self._errors = UnexpectedErrors(self)
        self._note_until = clock() + _NOTE_SECONDS
        self._flows: Flows | None = None
        self._tour: Tour | None = None
        self._gc_policy = GcPolicy()
        self._signals: list[signal.Signals] = []
        self._loop_of_app: asyncio.AbstractEventLoop | None = None
        """For other threads; None until the console is mounted."""
        self._filters.append(ControlCharFilter())
        drawing = Drawing.BRAILLE
        if _needs_ascii() if ascii_only is None else ascii_only:
            self._filters.append(AsciiFilter())
            drawing = Drawing.ASCII
        elif read_env(os.environ, "TERM") == "linux":  # the fonts of the Linux console have no braille
            drawing = Drawing.BLOCKS
        self._charts = ChartChoices.for_terminal(drawing)
        self.history = CommandHistory()
        self.views = Views()
        self._kept = (
            KeptChoices(
                self._charts, FILE, without="charts open with the defaults", lost="charts will not open like this the next time"
            ),
            KeptChoices(
                self.history,
                "commands.json",
                without="no earlier commands",
                lost="the next start will not know these commands",
                merge=True,
            ),
            KeptChoices(
                self.views, "views.json", without="no saved views", lost="the next start will not know these views", merge=True
            ),
        )
        for theme in THEMES:
            self.register_theme(theme)
        self._add_screens()
        self._apply_theme(THEME_NAMES.get(settings.theme, settings.theme or THEME_NAMES[""]))
        if settings.keys:
            self.set_keymap(dict(settings.keys))

    def _add_screens(self) -> None:
        for name, create in MODES.items():
            self.add_mode(name, partial(self._create_prepared, create) if name == self.DEFAULT_MODE else create)

    def _create_prepared(self, create: Callable[[], ConsoleScreen]) -> ConsoleScreen:
        """Create the first screen with its contents known before its first layout: one frame instead of five."""
        screen = create()
        screen.prepare(self.context, self.size)
        return screen

    # start and end

    def _apply_theme(self, theme: str) -> None:
        """Set the theme before the stylesheets are parsed: assigning it later would parse them all again, twice."""
        if theme not in self.available_themes:
            from queries.text.suggestions import suggest_spelling  # noqa: PLC0415  # only for this error

            known = (*filter(None, THEME_NAMES), *sorted(self.available_themes.keys() - set(THEME_NAMES.values())))
            origin = dict(self.settings.origins).get("theme", "theme")
            raise ConfigError(source=origin, expected=f"unknown theme {theme!r}, {suggest_spelling(theme, known)}")
        self.set_reactive(ConsoleApp.theme, theme)
        dark = self.current_theme.dark
        self.add_class(f"-theme-{theme}", "-dark-mode" if dark else "-light-mode", update=False)
        self._applied_theme = self.current_theme
        self.stylesheet.set_variables(self.get_css_variables())

    def get_css_variables(self) -> dict[str, str]:
        """The theme's; none for Textual's own theme, under which the application is created and nothing is drawn."""
        return super().get_css_variables() if self._applied_theme is not None else {}

    def refresh_css(self, animate: bool = True) -> None:
        """Parse every stylesheet again, but only when the theme changed."""
        if self.current_theme is not self._applied_theme:
            self._applied_theme = self.current_theme
            super().refresh_css(animate)

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            with suppress(ValueError, NotImplementedError, RuntimeError):  # not in the main thread: tests, embedding
                loop.add_signal_handler(number, self._exit_on_signal, number)
                self._signals.append(number)
        self._loop_of_app = loop
        self._errors.watch(loop)
        self.call_after_refresh(self._open_session_after_first_frame)

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        self._errors.unwatch(loop)
        for number in self._signals:
            loop.remove_signal_handler(number)

    def _open_session_after_first_frame(self) -> None:
        self.stylesheet.read(Path(__file__).with_name("details.tcss"))
        self.stylesheet.parse()
        if self.current_mode != self.DEFAULT_MODE or len(self.screen_stack) > 1:
            self.stylesheet.update(self)  # a key was pressed before
        self.run_worker(self._open(), "opening the session", "session")

    async def _open(self, before: Session | None = None) -> None:
        """Open the session in a thread: it imports the heavy clients. `before` is the session of the place left."""
        loop = asyncio.get_running_loop()
        async with self._session_lock:
            await _close(before)
            await self._restore_choices()
            settings = self.settings
            session = await loop.run_in_executor(None, self._session_factory, settings)
            if settings is not self.settings:  # a person went on to another place
                await _close(session)
                return
            self.shown.session = session
            session.start(partial(self.post_snapshot, session))
            self.beat(session.beat_seconds)
        self._show()
        if self._at:
            self.flows.past.go_to(self._at)
        if self._log_file:
            self.flows.navigation.open(messages.OpenLogFileRequested(self._log_file))
            self._log_file = ""
        for sentence in session.file_warnings:
            self.show_notice(visible(sentence), warning=True, seconds=15)
        # Import now, in a thread, what the first key press would have to import.
        await loop.run_in_executor(None, preload)
        await session.dashboards.read_panels()
        if self.settings.keys:
            from console.screens.key_ids import find_unknown_ids  # noqa: PLC0415  # needs every screen

            for sentence in await loop.run_in_executor(None, find_unknown_ids, dict(self.settings.keys)):
                self.show_notice(sentence, warning=True, seconds=15)
        for sentence in find_alias_errors(dict(self.settings.aliases), self.context):
            self.show_notice(sentence, warning=True, seconds=15)
        if not gc.isenabled():
            self._gc_policy.start(time.monotonic())
        await self.flows.actions.report_unfinished()

    def post_snapshot(self, session: Session, snapshot: Snapshot) -> None:
        """A session has a newer snapshot."""
        self.post_message(SnapshotArrived(snapshot, session))

    # what is shown

    @property
    def settings(self) -> Settings:
        return self.shown.settings

    @property
    def session(self) -> Session | None:
        """The session of what is shown; None until it is open."""
        return self.shown.session

    @property
    def live_session(self) -> Session | None:
        """The session of now, also while the past is shown."""
        return self._now.session if self._now is not None else self.session

    @property
    def replayed(self) -> str:
        """The name of the bundle that is shown instead of servers; empty for none."""
        return self.session.replayed if self.session is not None else ""

    def release_live(self) -> None:
        """The moment to begin with cannot be shown: show what is now."""
        self._at = ""

    def enter_past(self, past: Session, snapshot: Snapshot) -> None:
        """Show this snapshot of the past, on screens of its own: those of now stay as they are."""
        if self.session is None:
            return
        self._at = ""
        self._now, self.shown.mode = self.shown, self.current_mode
        self.clear_notifications()
        self.set_terminal_title("")  # both are about now
        self.session.set_visible(False)
        self.session.announce(screen=f"the past, {format_moment(snapshot.taken_at)}")
        self.shown = ShownPlace(past.settings, past)
        for name, create in MODES.items():
            self.add_mode(_PAST + name, create)
        self.switch_mode(_PAST + self._now.mode)
        self.show_past(snapshot, jumped=True)

    def show_past(self, snapshot: Snapshot, *, jumped: bool) -> None:
        """Show another moment of the past; after a jump, nothing that screens read before belongs to it."""
        if jumped or self.session is None:
            self._jumps += 1
            self.shown.changed_ids = frozenset()
        else:
            self.shown.changed_ids = self.session.find_changed_ids(self.shown.snapshot, snapshot)
        self.shown.snapshot = snapshot
        self._show()

    def leave_past(self) -> None:
        """Back to now: the screens, cursors and filters are as they were left."""
        if self._now is None:
            return
        past, self.shown, self._now = self.session, self._now, None
        self.shown.changed_ids = frozenset()
        self.clear_notifications()
        self.switch_mode(self.shown.mode)
        for name in MODES:
            self.remove_mode(_PAST + name)
        if self.session is not None:
            self.session.set_visible(True)
            self.session.refresh_now()
        self.run_worker(self._close_past(past), "closing the past", "leaving the past")

    async def _close_past(self, past: Session | None) -> None:
        await _close(past)
        self._show()

    def action_past_step(self, seconds: float) -> None:
        self.flows.past.step(seconds)

    def action_past_mark(self, direction: int) -> None:
        self.flows.past.to_mark(direction)

    def action_past_play(self) -> None:
        self.flows.past.play()

    def action_past_speed(self, by: int) -> None:
        self.flows.past.change_speed(by)

    def show_place(self, source: SettingsSource, settings: Settings) -> None:
        """Go to another environment, context or namespace: the title first, and nothing of the place left.

        Every screen begins anew, every dialog is closed, and what the sources of the old place still answer is dropped. The
        caller makes sure that no confirmed action is without an outcome.
        """
        self.leave_past()
        before = self.session
        self.source, self.shown, self._flows = source, ShownPlace(settings), None
        self._note_until = self.clock() + _NOTE_SECONDS
        self.worker_errors.clear()
        self.clear_notifications()
        self.set_terminal_title("")  # it named an alert of the old place
        self._recreate_screens()
        self.run_worker(self._open(before), "opening the session", "session")

    def _recreate_screens(self) -> None:
        """Replace the screens of every mode, with their dialogs; Textual removes no mode that is current."""
        shown = self.current_mode
        self.add_mode(_BETWEEN, Screen)
        self.switch_mode(_BETWEEN)
        for name in MODES:
            self.remove_mode(name)
        self._add_screens()
        self.switch_mode(shown)
        self.remove_mode(_BETWEEN)

    async def _restore_choices(self) -> None:
        """Open charts as they were left, and know the commands of before; no chart opens before the first session does."""
        for kept in self._kept:
            if sentence := await kept.restore(self.settings.paths.state_dir):
                self.show_notice(sentence, warning=True)

    @on(messages.ChoicesChanged)
    def _choices_changed(self) -> None:
        if not self.has_worker("choices"):
            self.run_worker(self._keep_choices(), "keeping what you chose", "choices")

    async def _keep_choices(self) -> None:
        for kept in self._kept:
            if sentence := await kept.keep(self.settings.paths.state_dir):
                self.show_notice(sentence, warning=True)

    async def action_quit(self) -> None:
        if self._flows and self._flows.actions.running:
            self.run_worker(self._quit_if_confirmed(self._flows), "asking whether to quit", "leave")
            return
        await self._close_session()
        self.exit()

    async def _quit_if_confirmed(self, flows: Flows) -> None:
        if await flows.actions.may_quit():
            await self._close_session()
            self.exit()

    async def _close_session(self) -> None:
        sessions = [place.session for place in (self.shown, self._now) if place is not None]
        self.shown.session = self._now = None
        for session in sessions:
            await _close(session)

    async def _shutdown(self) -> None:
        await self._keep_choices()
        await self._close_session()
        await super()._shutdown()

    def _exit_on_signal(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number)

    def _fatal_error(self) -> None:
        """Exit with one line, and log a traceback without local variables: one on the terminal could hold a secret."""
        from console.screens.crash import render_crash  # noqa: PLC0415  # rarely needed

        error = self._exception
        self._exit_renderables.append(render_crash(error, self.settings.paths.log_file))
        self._close_messages_no_wait()

    # unexpected errors

    def report_error(self, what: str, error: BaseException) -> str:
        """As `UnexpectedErrors.report`."""
        return self._errors.report(what, error)

    def show_worker_error(self, group: str) -> None:
        """Without a session no source will ever respond: every screen says so. A start at a moment that fails shows now."""
        if group == "session" and self.session is None:
            self.shown.error = self.worker_errors[group]
            self._show()
        elif group == "past":
            self.release_live()

    def call_from_loop(self, call: Callable[[str], None], text: str) -> None:
        """Call it in the event loop, from whichever thread; not at all once the console has ended."""
        if self._loop_of_app is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop_of_app.call_soon_threadsafe(call, text)

    # requests of screens

    @property
    def flows(self) -> Flows:
        if self._flows is None:
            from console.screens.flows.flows import Flows  # noqa: PLC0415  # every detail and dialog, after the first frame

            self._flows = Flows(self)
        return self._flows

    @on(messages.OpenRequested)
    def _open_requested(self, event: messages.OpenRequested) -> None:
        self.flows.navigation.open(event)

    def refuse_in_past(self) -> bool:
        """While the past is shown, nothing can be changed: shows a notice of that and returns True."""
        if self._now is not None:
            self.show_notice(_WHY_OFF if not self.replayed else _WHY_REPLAYED, warning=True)
        return self._now is not None

    @on(messages.ActionRequested)
    def _action_requested(self, event: messages.ActionRequested) -> None:
        self.flows.actions.run(event.request)

    @on(messages.BatchRequested)
    def _batch_requested(self, event: messages.BatchRequested) -> None:
        self.flows.batches.run(event.requests)

    @on(messages.DrillRequested)
    def _drill_requested(self, event: messages.DrillRequested) -> None:
        self.flows.drills.start(event.name)

    @on(messages.StopDrillRequested)
    def _stop_drill_requested(self) -> None:
        self.flows.drills.stop()

    @on(messages.OpenDrillReportRequested)
    def _open_drill_report_requested(self, event: messages.OpenDrillReportRequested) -> None:
        if why := self.flows.drills.open_report(event.number):
            self.show_notice(why, warning=True)

    @on(messages.SilenceRequested)
    def _silence_requested(self, event: messages.SilenceRequested) -> None:
        self.flows.silences.open(event)

    @on(messages.AcknowledgeRequested)
    def _acknowledge_requested(self, event: messages.AcknowledgeRequested) -> None:
        self.flows.acknowledgements.toggle(event.fingerprint)

    @on(messages.HandOverRequested)
    def _hand_over_requested(self, event: messages.HandOverRequested) -> None:
        self.flows.acknowledgements.hand_over(event.fingerprint)

    @on(messages.DeclareIncidentRequested)
    def _declare_incident_requested(self, event: messages.DeclareIncidentRequested) -> None:
        self.flows.incidents.declare(event)

    @on(messages.IncidentRequested)
    def _incident_requested(self, event: messages.IncidentRequested) -> None:
        self.flows.incidents.run(event)

    @on(messages.ChooseViewRequested)
    def _choose_view_requested(self) -> None:
        self.flows.views.choose()

    @on(messages.CopyRequested)
    def _copy_requested(self, event: messages.CopyRequested) -> None:
        self.flows.clipboard.copy(event)

    def action_run_command(self, name: str) -> None:
        if isinstance(self.screen, ConsoleScreen):
            run_command(self, name)

    def explain_key(self, event: Key) -> bool:
        return isinstance(self.screen, ConsoleScreen) and self.screen.explain_key(event.key)

    def action_command_line(self) -> None:
        self.flows.navigation.show_command_line()

    # rendering

    @property
    def context(self) -> RenderContext:
        clock_now, snapshot = self.clock(), self.shown.snapshot
        if snapshot is not None:
            snapshot = pause_overdue(snapshot, clock_now)
        return RenderContext(
            settings=self.settings,
            now=snapshot.taken_at if snapshot is not None and snapshot.as_of is not None else clock_now,
            session=self.session,
            snapshot=snapshot,
            changed_ids=self.shown.changed_ids,
            error=self.shown.error,
            note=self._note,
            terminal_status=self.terminal_status,
            clock_now=clock_now,
            jumps=self._jumps,
            marks=self._flows.past.render_marks(self.size.width) if self._flows and self._now else (),
            charts=self._charts,
            views=self.views,
        )

    @property
    def _note(self) -> str:
        """What line 2 says for a while after the start instead of the sources."""
        if self._at and self.shown.snapshot is None:
            return self._opening
        return self.settings.cluster_note if self.clock() < self._note_until else ""

    @on(SnapshotArrived)
    def _snapshot_arrived(self, event: SnapshotArrived) -> None:
        if event.session is not self.session:
            return  # of the place that the console left, or of now while the past is shown
        if self._at:
            return  # a past moment is about to be shown
        if self._now is not None:
            self.shown.snapshot = event.snapshot
            self._show()
            return
        self.shown.changed_ids = event.session.find_changed_ids(self.shown.snapshot, event.snapshot)
        before, self.shown.snapshot = self.shown.snapshot, event.snapshot
        if self._flows is not None:
            self._flows.watch(before, event.snapshot)
        self._show(news=True)

    @on(messages.RenderRequested)
    def _render_requested(self) -> None:
        self._show()

    async def on_second(self) -> None:
        """Advance ages and the clock if no snapshot arrived since the last second."""
        await super().on_second()
        self._gc_policy.collect_if_idle(time.monotonic(), last_key_at=self.flow.last_key_at)
        shown = self.shown.snapshot
        limit = _TICK_SECONDS if self.settings.refresh_seconds > _POLLED_TICK_SECONDS else _POLLED_TICK_SECONDS
        if shown is None or not 0 <= self.clock() - shown.taken_at < limit:
            self._show(news=True)

    def start_tour(self, tour: Tour) -> None:
        """Show this tour with every drawing, until it ends or a person leaves it."""
        from console.screens.tour import LEAVE_KEY  # noqa: PLC0415  # only the demo has a tour

        self._tour = tour
        self.bind(LEAVE_KEY, "leave_tour", description="leave the tour", show=False)

    def action_leave_tour(self) -> None:
        if self._tour is not None:
            self._tour.leave(self)

    def _show(self, *, news: bool = False) -> None:
        """Draw the screen in view; under a dialog, the screen below it. `news`: a newer snapshot, which may draw the same."""
        context = self.context
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen):
                if news and self._tour is None:
                    screen.show_news(context)
                else:
                    screen.show_context(context)
                if self._tour is not None:
                    self._tour.follow(self)
                if self.session is not None:
                    self.session.announce(screen=screen.place)
                return

    def show_progress(self) -> None:
        """An action reported something: draw the screen in view."""
        self._show()

    # navigation

    def go(self, name: str) -> None:
        """Go to a screen of the registry; from one of its details, back to the screen itself. The overview always opens without
        details, so one key leads back to it from anywhere; other screens reopen as they were left.
        """
        if name != self.shown_mode:
            self.shown.history = [*[item for item in self.shown.history if item != name], self.shown_mode]
            self.switch_mode(self._mode_of(name))
            if name != self.DEFAULT_MODE:
                return
        while len(self.screen_stack) > 1:
            self.pop_screen()

    @property
    def shown_mode(self) -> str:
        """The screen of the registry that is shown, of now or of the past."""
        return self.current_mode.removeprefix(_PAST)

    def _mode_of(self, name: str) -> str:
        return f"{_PAST if self._now is not None else ''}{name}"

    def action_cycle(self, by: int) -> None:
        names = [screen.name for screen in SCREENS]
        at = names.index(self.shown_mode) if self.shown_mode in names else 0
        if isinstance(self.screen, ConsoleScreen):
            self.go(names[(at + by) % len(names)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """On the first screen there is nothing to go back to: its key is grey. The keys of the past are those of the past."""
        if action == "run_command" and parameters == ("live",):
            return self._now is not None and not self.replayed
        if action.startswith("past_"):
            return self._now is not None
        return None if action == "back" and not self.shown.history and len(self.screen_stack) <= 1 else True

    async def action_back(self) -> None:
        """Leave the detail, or go back to the previous screen, which is as it was left."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.shown.history:
            self.switch_mode(self._mode_of(self.shown.history.pop()))

    def set_visible(self, visible: bool) -> None:
        """Pause polling while nobody can see the screen, unless an action is in progress."""
        session = self.live_session
        if session is not None:
            seen = visible and self._now is None
            session.set_visible(seen or bool(self._flows and self._flows.actions.running))

    def on_terminal_started(self) -> None:
        super().on_terminal_started()
        if self.session is not None:
            self.session.check_clock()  # back from the shell: the screen is as old as that took
            self._show()

    def on_slow_terminal(self) -> None:
        self.show_notice("the link to this terminal is slow; `:slow on` sends fewer frames", warning=True, seconds=10)

    def action_repaint(self) -> None:
        self.repaint_all()
        self.screen.refresh(repaint=True, layout=True)

    def refresh_now(self) -> None:
        if self.session is not None:
            self.session.refresh_now()
            self.show_notice("fetching from every source", seconds=2)


async def _close(session: Session | None) -> None:
    if session is not None:
        with suppress(asyncio.TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await session.close()


def _needs_ascii() -> bool:
    """Whether the locale cannot represent block characters."""
    encoding = sys.__stdout__.encoding if sys.__stdout__ is not None else ""
    return needs_ascii(encoding or "utf-8", os.environ)
