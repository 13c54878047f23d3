"""An application that shows itself through the frame stage: one frame is one write, and none waits behind another."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.app import App
from textual.driver import Driver
from textual.screen import Screen
from textual.widgets import Input

from queries.text.variables import unset_if_empty
from widgets.terminal.clipboard import ClipboardReach, copy
from widgets.terminal.driver import TtyDriver, line_driver
from widgets.terminal.flow_control import FlowControl
from widgets.terminal.frame_renderer import FrameRenderer
from widgets.terminal.multiplexer import attached, socket_attached

_ASK_SECONDS = 15.0
"""How often tmux itself is asked; its socket, which changes when the last terminal leaves, is looked at every second."""

_SETTLE_SECONDS = 0.1
"""While a terminal is being resized: what is drawn for its old size is not sent to the new one."""


class LowBandwidthApp(App[None]):
    """Takes the place of Textual's display step; everything else is Textual's."""

    def __init__(self, **options: Any) -> None:
        unset_if_empty(os.environ, "NO_COLOR")
        super().__init__(**options)
        colours = None if self.no_color else self.console._color_system or ColorSystem.TRUECOLOR
        self.stage = FrameRenderer(colours)
        self.pace = FlowControl()
        self.frames = 0
        """How many frames were sent."""
        self._waiting: asyncio.TimerHandle | None = None
        self._probing: asyncio.TimerHandle | None = None
        self._settled_at = 0.0
        self._cursor: tuple[int, int] | None = None
        self._told = False
        self._attached = True
        self._socket_attached = True
        self._asked_at = time.monotonic()

    def get_driver_class(self) -> type[Driver]:
        return line_driver() or super().get_driver_class()

    @property
    def bytes_sent(self) -> int:
        """What the terminal's side took since the start; 0 where the console does not know its line."""
        return self._driver.line.taken if isinstance(self._driver, TtyDriver) else 0

    @property
    def line_words(self) -> str:
        """What the footer says of the line: nothing, unless it is slow."""
        return f"slow line, {self.bytes_sent // 1024} KB sent" if self.pace.slow else ""

    def slow_down(self, on: bool) -> None:
        """Fewer frames, and nothing that blinks."""
        self.pace.slow = on
        if isinstance(self.focused, Input):
            self.focused.cursor_blink = not on

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = not self.pace.slow

    async def copy_out(self, text: str) -> ClipboardReach:
        """To where a person can paste it, as far as that can be; gives how far it is known to have come."""
        tty = self._driver.line.terminal_name if isinstance(self._driver, TtyDriver) else ""
        return await copy(text, os.environ, tty, send=self.copy_to_clipboard)

    def seen(self, on: bool) -> None:
        """Called every second, and at once when it changes to the better: whether anybody can see the screen."""

    def repaint_all(self) -> None:
        """Write every cell again, whatever the terminal shows."""
        self.stage.forget()
        self._send()

    # Textual's display step

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if renderable is None or not isinstance(self._driver, TtyDriver):
            super()._display(screen, renderable)
            return
        try:
            taken = self.stage.take(renderable)  # type: ignore[arg-type]  # what it cannot take is given back below
        except Exception as error:
            self._handle_exception(error)
            return
        if not taken:
            super()._display(screen, renderable)
            self.stage.forget()
            return
        if self._settled_at and self.stage.size == self._driver.terminal_size():
            self._settled_at = 0.0
        self._send()
        self.post_display_hook()

    def _send(self) -> None:
        """Send the newest frame now, or as soon as the line takes it."""
        driver = self._driver
        if not isinstance(driver, TtyDriver) or not self._running or self._closed or self._batch_count:
            return
        now = time.monotonic()
        wait = max(self.pace.wait(now, pending=driver.line.pending), self._settled_at - now)
        if wait > 0:
            self._wake_in(wait)
            return
        frame = self.stage.frame(self.screen.outer_size.clamp_offset(self.cursor_position))
        if not frame:
            return
        if self._sync_available:
            frame = f"{SYNC_START}{frame}{SYNC_END}"
        question = self.pace.sent(len(frame), now)
        self.frames += 1
        driver.line.send_frame(frame + question)
        if self.pace.struggling and not self._told:
            self._told = True
            self.line_struggles()

    def _wake_in(self, seconds: float) -> None:
        """Look again then, or at an earlier moment that was set before."""
        loop = asyncio.get_running_loop()
        if self._waiting is not None:
            if self._waiting.when() <= loop.time() + seconds:
                return
            self._waiting.cancel()
        self._waiting = loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._waiting = None
        if isinstance(self._driver, TtyDriver) and not self._driver.line.pending:
            question = self.pace.probe(time.monotonic())
            if question:
                self._driver.line.write(question)
        self._send()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent) and not isinstance(event, events.MouseMove):
            self.pace.key(time.monotonic())
        # Where the keyboard is says nothing of who looks: a screen on the wall never has it. Only that it comes back does.
        if isinstance(event, (events.AppFocus, events.InputEvent)):
            self._attached = True
            self.seen(True)
        await super().on_event(event)

    # Whether anybody looks

    def on_mount(self) -> None:
        if isinstance(self._driver, TtyDriver):
            self.set_interval(1.0, self._look)

    async def _look(self) -> None:
        driver = self._driver
        if not isinstance(driver, TtyDriver) or driver.line.hung_up():
            return
        now, socket = time.monotonic(), socket_attached(os.environ)
        if socket is not self._socket_attached or now - self._asked_at >= _ASK_SECONDS:
            self._socket_attached, self._asked_at = socket, now
            self._attached = await attached(os.environ, driver.line.terminal_name)
        self.seen(self._attached)

    # What the driver tells

    def line_free(self) -> None:
        """What waited is sent."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            self._send()

    def line_answered(self) -> None:
        """In the input's thread."""
        self.pace.answered()

    @property
    def line_unanswered(self) -> bool:
        return self.pace.unanswered

    def line_begins(self) -> None:
        """The terminal is ours, at the start or again."""
        self.pace.restart()
        self.repaint_all()

    def line_resized(self) -> None:
        self.stage.forget()
        self._settled_at = time.monotonic() + _SETTLE_SECONDS
        self._send()

    def line_struggles(self) -> None:
        """Called once, when frames had to wait long for the line."""

    def line_gone(self) -> None:
        """Nobody can see anything any more."""
        self.exit(return_code=129)
