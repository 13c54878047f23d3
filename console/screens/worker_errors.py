"""Notices, and errors of workers, tasks and threads: none is lost, and no screen keeps waiting for a failed worker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.notifications import SeverityLevel
from textual.worker import Worker

from widgets.styled_text import Line, text, wrap

_NOTICE_SECONDS = 4.0
_WARNING_SECONDS = 8.0
_AGAIN_SECONDS = 60.0
"""Interval between notices of the same failure: one that recurs with every refresh would cover the screen."""

if TYPE_CHECKING:
    from textual.dom import DOMNode as Node

    from console.screens.app import ConsoleApp
else:
    # Textual reads the default CSS of the first base that is a DOMNode, and of no other: a node here would lose Screen's.
    Node = object


class ReportsWorkerErrors(Node):
    """Every worker runs through `run_worker` here: an exception becomes a traceback in the log, a notice, and an entry of
    `worker_errors`, which stays until a worker of the same group succeeds.

    `name` says what the worker does, so that it can be followed by `failed`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.worker_errors: dict[str, str] = {}
        """Why the last worker of a group failed, by the name of the group."""

    def run_worker(  # type: ignore[override]  # the subset of Textual's parameters that is used here
        self,
        work: Awaitable[Any] | Callable[[], Awaitable[Any]],
        name: str = "",
        group: str = "default",
        *,
        exclusive: bool = False,
    ) -> Worker[None]:
        """A function is called when the worker starts: one that is cancelled before leaves no coroutine that nobody awaits."""
        run = partial(self._finish, work, name, group)
        return super().run_worker(run, name, group, exit_on_error=False, exclusive=exclusive)

    def show_notice(self, message: str, *, warning: bool = False, seconds: float | None = None) -> None:
        """A notice in plain text, never markup."""
        default = _WARNING_SECONDS if warning else _NOTICE_SECONDS
        severity: SeverityLevel = "warning" if warning else "information"
        self.app.notify(message, markup=False, severity=severity, timeout=default if seconds is None else seconds)

    def has_worker(self, group: str) -> bool:
        """Whether a worker of this group is still running."""
        return any(item.node is self and item.group == group and not item.is_finished for item in self.workers)

    def show_worker_error(self, group: str) -> None:
        """Called when a worker of this group failed, or succeeded after one that failed."""

    def error_lines(self, group: str, width: int) -> tuple[Line, ...]:
        """Why the last worker of this group failed; empty if it did not."""
        sentence = self.worker_errors.get(group)
        return tuple((text(f" {part}", "critical"),) for part in wrap(text(sentence)[0], width - 2)) if sentence else ()

    async def _finish(self, work: Awaitable[Any] | Callable[[], Awaitable[Any]], name: str, group: str) -> None:
        try:
            await (work() if callable(work) else work)
        except Exception as error:  # the one broad catch of all workers; each catches the errors it expects
            self.worker_errors[group] = cast("ConsoleApp", self.app).report_error(name, error)
            self.show_worker_error(group)
        else:
            if self.worker_errors.pop(group, None) is not None:
                self.show_worker_error(group)


class UnexpectedErrors:
    """What nothing caught, also in tasks and threads: it is logged and shown as a notice, and the console continues."""

    def __init__(self, app: ConsoleApp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._shown: dict[str, float] = {}
        """When a notice last showed each sentence, on the clock."""

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_exception_handler(self._report_task)
        threading.excepthook = partial(self._report_thread, loop)

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_exception_handler(None)
        threading.excepthook = threading.__excepthook__

    def report(self, what: str, error: BaseException) -> str:
        """Log an exception of a worker, task or thread, show it as a notice, and return its sentence.

        The same sentence is shown at most once a minute. An exception in a message handler or timer ends the console instead,
        because the state of the screen is unknown after it.
        """
        from console.screens.crash import describe_error  # noqa: PLC0415  # rarely needed

        sentence = describe_error(what, error, self._app.settings.paths.log_file)
        now = self._clock()
        if now - self._shown.get(sentence, -_AGAIN_SECONDS) >= _AGAIN_SECONDS:
            self._shown[sentence] = now
            self._app.notify(sentence, markup=False, severity="error", timeout=20)
        return sentence

    def _report_task(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            task = context.get("task") or context.get("future")
            # For a callback asyncio has only its repr, arguments included.
            self.report(task.get_name() if isinstance(task, asyncio.Task) else "a callback in the background", error)
        else:
            loop.default_exception_handler(context)  # a warning of asyncio itself: it goes to the log

    def _report_thread(self, loop: asyncio.AbstractEventLoop, failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit) and not loop.is_closed():
            name = failed.thread.name if failed.thread else "a thread"
            loop.call_soon_threadsafe(self.report, f"the thread {name}", failed.exc_value)
