"""Delivers what `console/monitor/notification_watch.py` decided: bell, title, desktop notice, tmux, an own program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from console.monitor.notification_watch import (
    Notification,
    NotificationWatch,
    build_notification,
    fill_command,
    find_worst,
    is_quiet,
)
from console.monitor.notify_command import NotifyCommand
from queries.model.severity import Priority
from widgets.terminal.notices import BELL, DesktopProtocol, show_tmux_message

if TYPE_CHECKING:
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot

_REPORT_SECONDS = 15.0


class NotificationFlow:
    def __init__(self, app: ConsoleApp, *, command: NotifyCommand | None = None) -> None:
        self.app = app
        self._command = command or NotifyCommand()
        self._watch: NotificationWatch | None = None
        self._session: Session | None = None
        """The one that is watched: another place has other alerts, and none of them is new."""

    def watch(self, snapshot: Snapshot) -> None:
        """Deliver what is new in this snapshot, and keep the title current."""
        session = self.app.session
        if session is None:
            return
        if self._watch is None or session is not self._session:
            settings = self.app.settings
            self._session = session
            self._watch = NotificationWatch(settings.notify, session.severity_policies, shift_hours=settings.shift_hours)
        now = self.app.clock()
        for item in self._watch.collect(snapshot, now):
            self.deliver(item)
        worst = find_worst(snapshot, self.app.settings.notify.title)
        seconds = max(0.0, now - worst.alert.starts_at) if worst is not None else 0.0
        title = f"{worst.alert.priority} {worst.alert.name} {seconds // 3600:02.0f}:{seconds // 60 % 60:02.0f}" if worst else ""
        self.app.set_terminal_title(title)

    def send(self, kind: str, severity: Priority, title: str, text: str = "") -> None:
        """Deliver what a flow found out itself."""
        if kind in self.app.settings.notify.kinds:
            self.deliver(build_notification(kind, severity, title, text))

    def deliver(self, item: Notification) -> None:
        """Every way that the settings have for this severity, unless it is quiet now."""
        notify, app = self.app.settings.notify, self.app
        if is_quiet(notify.quiet, item.severity, app.clock()):
            return
        if item.severity in notify.bell and item.kind != "resolved":  # a bell cannot say that it is good news
            app.send_control(BELL)
        if notify.desktop and item.severity in notify.desktop_severities:
            app.run_worker(self._show_on_desktop(item), "showing a desktop notice", "notify")
        if item.severity in notify.tmux:
            app.run_worker(self._show_in_tmux(item), "showing a message in tmux", "notify")
        command = dict(notify.commands).get(item.severity)
        if command:
            self._command.start(fill_command(command, item), self._report_from_thread)

    async def _show_on_desktop(self, item: Notification) -> None:
        protocol = DesktopProtocol(self.app.settings.notify.desktop)
        await self.app.show_desktop_notice(protocol, item.title, item.text)

    async def _show_in_tmux(self, item: Notification) -> None:
        await show_tmux_message(item.title, item.text, os.environ)

    def _report_from_thread(self, sentence: str) -> None:
        """A program that failed is a sentence; the console that started it may have ended by then."""
        self.app.call_from_loop(self._report, sentence)

    def _report(self, sentence: str) -> None:
        self.app.show_notice(sentence, warning=True, seconds=_REPORT_SECONDS)
