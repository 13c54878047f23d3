"""A Textual application with its own frame renderer: each frame is a single write, and frames never queue up."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.app import App
from textual.driver import Driver
from textual.screen import Screen

from queries.text.variables import read_env, unset_if_empty
from widgets.later import is_input
from widgets.terminal.cell_diff import erases_in_background
from widgets.terminal.driver import TtyDriver, select_driver
from widgets.terminal.flow_control import FlowControl
from widgets.terminal.frame_renderer import FrameRenderer
from widgets.terminal.sgr import has_colours

if TYPE_CHECKING:
    from textual.timer import Timer

    from widgets.terminal.clipboard import ClipboardReach
    from widgets.terminal.notices import DesktopProtocol

_TMUX_SECONDS = 15.0
"""How often tmux is queried; the mode of its socket, which changes when the last client detaches, is checked every second."""

_NO_TITLE = ("", "linux", "dumb", "vt100")
"""Terminals without a title."""

_RESIZE_SECONDS = 0.1
"""During a resize: a frame drawn for the old size is not sent to a terminal that already has the new one."""


class LowBandwidthApp(App[None]):
    """Replaces Textual's display step; everything else is Textual's."""

    def __init__(self, **options: Any) -> None:
        unset_if_empty(os.environ, "NO_COLOR")
        if not has_colours(os.environ):
            os.environ["NO_COLOR"] = "1"
        super().__init__(**options)
        colours = None if self.no_color else self.console._color_system or ColorSystem.TRUECOLOR
        self.renderer = FrameRenderer(colours, erases=erases_in_background(os.environ))
        self.flow = FlowControl()
        self.frames = 0
        """How many frames were sent."""
        self._wake_timer: asyncio.TimerHandle | None = None
        self._beat: Timer | None = None
        self._resize_settles_at = 0.0
        self._slow_reported = False
        self._is_attached = True
        self._is_socket_attached = True
        self._tmux_queried_at = time.monotonic()

    def get_driver_class(self) -> type[Driver]:
        return select_driver() or super().get_driver_class()

    @property
    def bytes_sent(self) -> int:
        """Bytes written to the terminal since the start; 0 under a driver other than `TtyDriver`."""
        return self._driver.writer.bytes_written if isinstance(self._driver, TtyDriver) else 0

    @property
    def terminal_status(self) -> str:
        """What the footer says about the terminal; empty unless it is in slow mode."""
        return f"slow link, {self.bytes_sent // 1024} KB sent" if self.flow.slow else ""

    def set_slow(self, on: bool) -> None:
        """Send fewer frames, and stop the cursor from blinking."""
        self.flow.slow = on
        if is_input(self.focused):
            self.focused.cursor_blink = not on

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if is_input(event.widget):
            event.widget.cursor_blink = not self.flow.slow

    async def copy_text(self, text: str) -> ClipboardReach:
        """Copy to wherever a person can paste it from; returns how far the text is known to have got."""
        from widgets.terminal.clipboard import copy  # noqa: PLC0415  # not before the first frame

        tty = self._driver.writer.terminal_name if isinstance(self._driver, TtyDriver) else ""
        return await copy(text, os.environ, tty, send=self.copy_to_clipboard)

    def send_control(self, sequence: str) -> None:
        """Write a control sequence that draws nothing; under another driver there is no terminal to write to."""
        if isinstance(self._driver, TtyDriver):
            self._driver.writer.write(sequence)

    def set_terminal_title(self, text: str) -> None:
        """Set the window's title, or bring back the one of before for an empty text."""
        if isinstance(self._driver, TtyDriver) and read_env(os.environ, "TERM") not in _NO_TITLE:
            self._driver.set_title(text)

    async def show_desktop_notice(self, protocol: DesktopProtocol, title: str, text: str) -> None:
        """Ask the terminal for a desktop notice; under a tmux that does not pass it on, its status line shows it."""
        from widgets.terminal.notices import show_tmux_message, wrap_desktop_notice  # noqa: PLC0415  # as above

        tty = self._driver.writer.terminal_name if isinstance(self._driver, TtyDriver) else ""
        if sequence := await wrap_desktop_notice(protocol, title, text, os.environ, tty):
            self.send_control(sequence)
        else:
            await show_tmux_message(title, text, os.environ)

    def set_visible(self, visible: bool) -> None:
        """Called every second, and at once when the screen becomes visible again: whether anybody can see it."""

    def repaint_all(self) -> None:
        """Write every cell again, whatever the terminal shows."""
        self.renderer.invalidate()
        self._send()

    # Textual's display step

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if renderable is None or not isinstance(self._driver, TtyDriver):
            super()._display(screen, renderable)
            return
        try:
            accepted = self.renderer.ingest(renderable)  # type: ignore[arg-type]  # an update it does not accept goes to Textual
        except Exception as error:
            self._handle_exception(error)
            return
        if not accepted:
            super()._display(screen, renderable)
            self.renderer.invalidate()
            return
        if self._resize_settles_at and self.renderer.size == self._driver.terminal_size():
            self._resize_settles_at = 0.0
        self._send()
        self.post_display_hook()

    def _send(self) -> None:
        """Send the newest frame now, or as soon as the terminal accepts it."""
        driver = self._driver
        # Textual starts within a batch; the first frame, which is whole, does not wait for the end of it.
        if not isinstance(driver, TtyDriver) or not self._running or self._closed or (self._batch_count and self.frames):
            return
        now = time.monotonic()
        wait = max(self.flow.delay(now, pending=driver.writer.pending), self._resize_settles_at - now)
        if wait > 0:
            self._wake_in(wait)
            return
        frame = self.renderer.render(self.screen.outer_size.clamp_offset(self.cursor_position))
        if not frame:
            return
        if self._sync_available:
            frame = f"{SYNC_START}{frame}{SYNC_END}"
        query = self.flow.record_frame(len(frame), now)
        self.frames += 1
        driver.writer.send_frame(frame + query)
        if self.flow.congested and not self._slow_reported:
            self._slow_reported = True
            self.on_slow_terminal()

    def _wake_in(self, seconds: float) -> None:
        """Try again after `seconds`, or at an earlier moment that is already scheduled."""
        loop = asyncio.get_running_loop()
        if self._wake_timer is not None:
            if self._wake_timer.when() <= loop.time() + seconds:
                return
            self._wake_timer.cancel()
        self._wake_timer = loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._wake_timer = None
        if isinstance(self._driver, TtyDriver) and not self._driver.writer.pending:
            query = self.flow.probe(time.monotonic())
            if query:
                self._driver.writer.write(query)
        self._send()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent) and not isinstance(event, events.MouseMove):
            self.flow.record_key(time.monotonic())
        # Losing the focus proves nothing: a wall screen never has it. Only regaining it does.
        if isinstance(event, (events.AppFocus, events.InputEvent)):
            self._is_attached = True
            self.set_visible(True)
        await super().on_event(event)

    # Whether anybody can see the screen

    def on_mount(self) -> None:
        self.beat(1.0)

    def beat(self, seconds: float) -> None:
        """Call `on_second` this often from now on: together with what else begins now and is due as often, at one wake-up."""
        if self._beat is not None:
            self._beat.stop()
        self._beat = self.set_interval(seconds, self.on_second)

    async def on_second(self) -> None:
        """Called about every second."""
        await self._update_visibility()

    async def _update_visibility(self) -> None:
        driver = self._driver
        if not isinstance(driver, TtyDriver) or driver.writer.detect_hangup():
            return
        from widgets.terminal.multiplexer import is_attached, is_socket_attached  # noqa: PLC0415  # as above

        now, socket = time.monotonic(), is_socket_attached(os.environ)
        if socket is not self._is_socket_attached or now - self._tmux_queried_at >= _TMUX_SECONDS:
            self._is_socket_attached, self._tmux_queried_at = socket, now
            self._is_attached = await is_attached(os.environ, driver.writer.terminal_name)
        self.set_visible(self._is_attached)

    # Events from the driver

    def on_terminal_writable(self) -> None:
        """Send the frame that was waiting."""
        if self._wake_timer is not None:
            self._wake_timer.cancel()
            self._wake_timer = None
            self._send()

    def on_cursor_reported(self) -> None:
        """Runs in the input thread."""
        self.flow.record_reply()

    @property
    def awaiting_cursor_report(self) -> bool:
        return self.flow.awaiting_reply

    def on_terminal_started(self) -> None:
        """The console owns the terminal, at the start or after a suspend."""
        self.flow.reset()
        self.repaint_all()

    def on_terminal_resized(self) -> None:
        self.renderer.invalidate()
        self._resize_settles_at = time.monotonic() + _RESIZE_SECONDS
        self._send()

    def on_slow_terminal(self) -> None:
        """Called once, when frames had to wait long for the terminal."""

    def on_terminal_closed(self) -> None:
        """Nobody can see anything any more."""
        self.exit(return_code=129)
