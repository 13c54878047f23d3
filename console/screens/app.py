"""The application: opens the session after the first frame, hands every screen its view, and does what screens ask."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.command import Provider
from textual.message import Message
from textual.theme import Theme

from console.config.settings import Settings
from console.screens import keys, messages
from console.screens.base import ConsoleScreen
from console.screens.gc_policy import GcPolicy
from console.screens.registry import MODES, preload
from console.screens.render_context import RenderContext, marks
from console.screens.worker_errors import ReportsWorkerErrors
from queries.model.source import Health, SourceState
from queries.model.text import visible
from widgets.line_filters import AsciiFilter, ControlCharFilter, needs_ascii
from widgets.terminal.app import LowBandwidthApp
from widgets.theme import THEME_NAMES, THEMES

_TICK_SECONDS = 1.0
_HELD_SECONDS = 5.0
"""A snapshot comes every second, also where no source answers."""
_REPORT_SECONDS = 60.0
"""The same failure is a notice again after so long; what fails with every refresh would cover the screen with them."""
_NOTE_SECONDS = 10.0
"""How long line 2 says how the cluster was chosen, where that may surprise somebody; `doctor` and `:sources` keep saying it."""

if TYPE_CHECKING:
    from console.monitor.session import Session
    from console.screens.flows.actions import ActionFlow
    from console.state.snapshot import Snapshot


def _palette() -> type[Provider]:
    from console.screens.palette import ConsoleCommands  # noqa: PLC0415  # only when it is opened

    return ConsoleCommands


def _open_session(settings: Settings) -> Session:
    from console.monitor.session import Session  # noqa: PLC0415  # brings the clients, after the first frame

    return Session.open(settings)


@dataclass
class SnapshotArrived(Message):
    """A newer snapshot is there; only the newest one that waits is drawn."""

    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotArrived)


class ConsoleApp(ReportsWorkerErrors, LowBandwidthApp):
    """Wiring and global keys; what a screen shows is the screen's business."""

    CSS_PATH = "console.tcss"
    TITLE = "cad-console"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.GLOBAL]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette}
    DEFAULT_MODE = "overview"

    def __init__(
        self,
        settings: Settings,
        *,
        session_factory: Callable[[Settings], Session] | None = None,
        clock: Callable[[], float] = time.time,
        ascii_only: bool | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.settings = settings
        self.flow.slow = settings.slow
        self.session: Session | None = None
        self.clock = clock
        self._session_factory = session_factory or _open_session
        self._snapshot: Snapshot | None = None
        self._marked: frozenset[str] = frozenset()
        self._trouble = ""
        self._reported: dict[str, float] = {}
        self._note_until = clock() + _NOTE_SECONDS
        self._trail: list[str] = []
        self._errands: ActionFlow | None = None
        self._worn: Theme | None = None
        self._collector = GcPolicy()
        self._signals: list[signal.Signals] = []
        self._filters.append(ControlCharFilter())
        if _needs_ascii() if ascii_only is None else ascii_only:
            self._filters.append(AsciiFilter())
        for theme in THEMES:
            self.register_theme(theme)
        for name, make in MODES.items():
            self.add_mode(name, self._prepared(make) if name == self.DEFAULT_MODE else make)
        self._wear(THEME_NAMES.get(settings.theme, settings.theme or THEME_NAMES[""]))
        if settings.keys:
            self.set_keymap(dict(settings.keys))

    def _prepared(self, make: Callable[[], ConsoleScreen]) -> Callable[[], ConsoleScreen]:
        """The screen that one sees first knows what to show before its first layout: one frame instead of five."""

        def made() -> ConsoleScreen:
            screen = make()
            screen.prepare(self.view, self.size)
            return screen

        return made

    # opening and closing

    def _wear(self, theme: str) -> None:
        """The theme before the style sheets are read: assigning it would have them all read again, twice."""
        if theme not in self.available_themes:
            self.theme = theme  # Textual's own error names the known ones
            return
        self.set_reactive(ConsoleApp.theme, theme)
        dark = self.current_theme.dark
        self.add_class(f"-theme-{theme}", "-dark-mode" if dark else "-light-mode", update=False)
        self._worn = self.current_theme
        self.stylesheet.set_variables(self.get_css_variables())

    def refresh_css(self, animate: bool = True) -> None:
        """Only where the theme is another one: then every style sheet is parsed again."""
        if self.current_theme is not self._worn:
            self._worn = self.current_theme
            super().refresh_css(animate)

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            with suppress(ValueError, NotImplementedError, RuntimeError):  # not the main thread: tests, embedding
                loop.add_signal_handler(number, self._leave_on, number)
                self._signals.append(number)
        loop.set_exception_handler(self._task_failed)
        threading.excepthook = partial(self._thread_failed, loop)
        self.set_interval(_TICK_SECONDS, self._tick)
        self.call_after_refresh(self._begin)

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(None)
        threading.excepthook = threading.__excepthook__
        for number in self._signals:
            loop.remove_signal_handler(number)

    def _begin(self) -> None:
        self.stylesheet.read(Path(__file__).with_name("details.tcss"))
        self.stylesheet.parse()
        if self.current_mode != self.DEFAULT_MODE or len(self.screen_stack) > 1:
            self.stylesheet.update(self)  # a key came first
        self.run_worker(self._open(), "opening the session", "session")

    async def _open(self) -> None:
        """The heavy clients are imported here, in a thread, when the first frame is already on the screen."""
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(None, self._session_factory, self.settings)
        self.session = session
        session.start(self._take)
        self._show()
        for sentence in session.file_warnings:
            self.notify(visible(sentence), markup=False, severity="warning", timeout=15)
        # What a first key press would have to import is imported now, in a thread.
        await loop.run_in_executor(None, preload)
        if not gc.isenabled():
            self._collector.begin(time.monotonic())
        await self.errands.name_unfinished()

    def _take(self, snapshot: Snapshot) -> None:
        self.post_message(SnapshotArrived(snapshot))

    async def action_quit(self) -> None:
        if self._errands and self._errands.running:
            self.run_worker(self._leave_if_wanted(self._errands), "asking whether to leave", "leave")
            return
        await self._close_session()
        self.exit()

    async def _leave_if_wanted(self, errands: ActionFlow) -> None:
        if await errands.may_leave():
            await self._close_session()
            self.exit()

    async def _close_session(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(2.0):
                    await session.close()

    async def _shutdown(self) -> None:
        await self._close_session()
        await super()._shutdown()

    def _leave_on(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number)

    def _fatal_error(self) -> None:
        """One line and a log file without local variables: a traceback on the terminal could hold a secret."""
        from console.screens.crash import crash_lines  # noqa: PLC0415  # hardly ever needed

        error = self._exception
        self._exit_renderables.append(crash_lines(error, self.settings.paths.log_file))
        self._close_messages_no_wait()

    # what nobody foresaw

    def report_error(self, what: str, error: BaseException) -> str:
        """The one place where an exception of a worker, a task or a thread ends: in the log, and as a notice.

        Gives the sentence; the same one is a notice at most once a minute. An exception of a message handler or of a timer
        ends the console instead (`_fatal_error`): what is on the screen after it, nobody knows.
        """
        from console.screens.crash import error_sentence  # noqa: PLC0415  # hardly ever needed

        sentence = error_sentence(what, error, self.settings.paths.log_file)
        now = time.monotonic()
        if now - self._reported.get(sentence, -_REPORT_SECONDS) >= _REPORT_SECONDS:
            self._reported[sentence] = now
            self.notify(sentence, markup=False, severity="error", timeout=20)
        return sentence

    def show_worker_error(self, group: str) -> None:
        """Without a session there will be no answer at all: that is said on every screen."""
        if group == "session" and self.session is None:
            self._trouble = self.worker_errors[group]
            self._show()

    def _task_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            task = context.get("task") or context.get("future")
            # Of a callback asyncio only has its representation, arguments and all.
            self.report_error(task.get_name() if isinstance(task, asyncio.Task) else "a callback in the background", error)
        else:
            loop.default_exception_handler(context)  # a remark of asyncio's own: the log has it

    def _thread_failed(self, loop: asyncio.AbstractEventLoop, failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit) and not loop.is_closed():
            name = failed.thread.name if failed.thread else "a thread"
            loop.call_soon_threadsafe(self.report_error, f"the thread {name}", failed.exc_value)

    # doing what screens ask

    @property
    def errands(self) -> ActionFlow:
        if self._errands is None:
            from console.screens.flows.actions import ActionFlow  # noqa: PLC0415  # all details and dialogs, after the first frame

            self._errands = ActionFlow(self)
        return self._errands

    @on(messages.OpenRequested)
    def _open_wanted(self, event: messages.OpenRequested) -> None:
        self.errands.open(event.what, event.subject, about=event.about)

    @on(messages.ActionRequested)
    def _action_wanted(self, event: messages.ActionRequested) -> None:
        self.errands.run_action(event.request)

    @on(messages.SilenceRequested)
    def _silence_wanted(self, event: messages.SilenceRequested) -> None:
        self.errands.silence(event)

    @on(messages.OwnRequested)
    def _own_wanted(self, event: messages.OwnRequested) -> None:
        self.errands.own(event.fingerprint)

    @on(messages.IncidentRequested)
    def _incident_wanted(self, event: messages.IncidentRequested) -> None:
        self.errands.incidents.run(event.what, event.identity, event.told)

    @on(messages.CopyRequested)
    def _copy_wanted(self, event: messages.CopyRequested) -> None:
        self.errands.copy(event)

    def action_help(self) -> None:
        self.errands.help()

    def action_command_line(self) -> None:
        self.errands.command_line()

    # showing

    @property
    def view(self) -> RenderContext:
        now, snapshot = self.clock(), self._snapshot
        held = now - snapshot.taken_at if snapshot is not None else 0.0
        if snapshot is not None and held > _HELD_SECONDS:
            # Whatever held them up (the console was stopped, the machine slept): of the time since then nothing is known.
            age = snapshot.alerts_age_seconds
            snapshot = replace(
                snapshot,
                sources=tuple(_held(item, snapshot.taken_at) for item in snapshot.sources),
                alerts_age_seconds=None if age is None else age + held,
            )
        return RenderContext(
            settings=self.settings,
            now=now,
            session=self.session,
            snapshot=snapshot,
            marked=self._marked,
            trouble=self._trouble,
            note=self.settings.cluster_note if self.clock() < self._note_until else "",
            line=self.terminal_status,
        )

    @on(SnapshotArrived)
    def _arrived(self, event: SnapshotArrived) -> None:
        self._marked = marks(self._snapshot, event.snapshot)
        before, self._snapshot = self._snapshot, event.snapshot
        if self._errands is not None:
            if before is not None:
                self._errands.tell_taken_over(before, event.snapshot)
            self._errands.name_begun_before(event.snapshot)
        self._show()

    @on(messages.ViewRequested)
    def _view_wanted(self) -> None:
        self._show()

    def _tick(self) -> None:
        """Ages and the clock move on also where no snapshot comes; one came within the last second nearly always."""
        self._collector.rest(time.monotonic(), last_key_at=self.flow.last_key_at)
        if self._snapshot is None or not 0 <= self.clock() - self._snapshot.taken_at < _TICK_SECONDS:
            self._show()

    def _show(self) -> None:
        """Draw the screen in view; below a dialog, the screen that it lies on."""
        view = self.view
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen):
                screen.show_view(view)
                return

    # going about

    def action_go(self, mode: str) -> None:
        if isinstance(self.screen, ConsoleScreen):
            self.go(mode)

    def go(self, mode: str) -> None:
        """To a screen by its name; from a detail of that same screen, back to its beginning."""
        if mode == self.current_mode:
            while len(self.screen_stack) > 1:
                self.pop_screen()
            return
        self._trail = [*[item for item in self._trail if item != mode], self.current_mode]
        self.switch_mode(mode)

    def action_cycle(self, by: int) -> None:
        names = [name for name, _, _ in keys.SCREENS]
        at = names.index(self.current_mode) if self.current_mode in names else 0
        self.action_go(names[(at + by) % len(names)])

    async def action_back(self) -> None:
        """Off the detail, else to the screen before this one, exactly as it was left."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self._trail:
            self.switch_mode(self._trail.pop())

    def set_visible(self, on: bool) -> None:
        """Ask nothing while nobody looks, except for an action that is under way."""
        if self.session is not None:
            self.session.set_visible(on or bool(self._errands and self._errands.running))

    def on_terminal_started(self) -> None:
        super().on_terminal_started()
        if self.session is not None:
            self.session.check_clock()  # back from the shell: what is on the screen is as old as that took
            self._show()

    def on_slow_terminal(self) -> None:
        self.notify("this line is slow; `:slow on` sends fewer frames", severity="warning", markup=False, timeout=10)

    def action_repaint(self) -> None:
        self.repaint_all()
        self.screen.refresh(repaint=True, layout=True)

    def action_refresh_now(self) -> None:
        if self.session is not None:
            self.session.refresh_now()
            self.notify("asking every source", markup=False, timeout=2)


def _held(state: SourceState, since: float) -> SourceState:
    return state if state.paused or state.health is Health.NOT_CONFIGURED else replace(state, paused_at=since)


def _needs_ascii() -> bool:
    """Whether the locale cannot carry the block characters."""
    encoding = sys.__stdout__.encoding if sys.__stdout__ is not None else ""
    return needs_ascii(encoding or "utf-8", os.environ)
