"""The notifications of a running console: what reaches the terminal, the title, and a person's own program."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from screen_samples import NOW, StillSession, alerts, settings, snapshot, tracked

from console.config.settings import NotifySettings, QuietHours
from console.screens.app import ConsoleApp
from console.state.snapshot import Snapshot
from queries.model.severity import Priority

P1, P2, P3, P4 = Priority
NEW = tracked("CoreDown", "critical", minutes=0.0, component="platform")


class Console:
    """A console whose terminal keeps what it gets beside frames."""

    def __init__(self, folder: Path, **notify: Any) -> None:
        self.settings = settings(folder, notify=NotifySettings(**notify))
        self.session = StillSession(self.settings, build_snapshot())
        self.now = NOW
        self.app = ConsoleApp(self.settings, session_factory=lambda _: self.session, clock=lambda: self.now, ascii_only=False)
        self.sent: list[str] = []
        self.titles: list[str] = []
        self.notices: list[str] = []
        self.app.send_control = self.sent.append  # type: ignore[method-assign]
        self.app.set_terminal_title = self._set_title  # type: ignore[method-assign]
        self.app.notify = lambda message, **_: self.notices.append(message)  # type: ignore[method-assign, assignment]

    def _set_title(self, text: str) -> None:
        if self.titles[-1:] != [text]:
            self.titles.append(text)

    async def ready(self, pilot: Any) -> None:
        """The session is open, and what it shows first has been seen."""
        while not self.titles:
            self.session.deliver(self.session.shown)
            await pilot.pause(0.02)

    async def show(self, pilot: Any, shown: Snapshot) -> None:
        self.session.deliver(shown)
        await pilot.pause()
        await pilot.pause()


def build_snapshot(*more: Any) -> Snapshot:
    first, *others = alerts()
    return snapshot(alerts=(first, *more, *others), alerts_from="alertmanager", silences=())


async def test_a_new_p1_rings_and_is_in_the_title(tmp_path: Path) -> None:
    """Without any configuration: one bell for a new P1, none for what fired at the start, none for the same again, none for a
    warning; the title counts the minutes of the oldest P1 and goes when none is active. In quiet hours nothing rings. What a
    flow reports itself, such as a takeover, rings only where its kind is named.
    """
    console = Console(tmp_path)
    async with console.app.run_test(size=(80, 24)) as pilot:
        await console.ready(pilot)
        assert (console.sent, console.titles) == ([], ["P1 HighErrorRate 00:02"])
        for _ in range(3):
            await console.show(pilot, build_snapshot(NEW))
        assert console.sent == ["\x07"]
        await console.show(pilot, build_snapshot(NEW, tracked("QueueLong", "warning", minutes=0.0)))
        assert console.sent == ["\x07"]
        console.now += 12 * 60
        await console.show(pilot, replace(build_snapshot(NEW), taken_at=console.now))
        assert console.titles == ["P1 HighErrorRate 00:02", "P1 HighErrorRate 00:14"]
        await console.show(pilot, replace(build_snapshot(), alerts=()))
        assert console.titles[-1] == ""
        quiet = QuietHours(0, 24 * 60, severities=())
        console.app.shown.settings = replace(console.settings, notify=NotifySettings(quiet=quiet, kinds=("alert",)))
        await console.show(pilot, build_snapshot(NEW))
        assert console.sent == ["\x07"]
        console.app.shown.settings = replace(console.settings, notify=NotifySettings(bell=(P3,), kinds=("takeover",)))
        console.app.flows.notifications.send("action", P3, "rollback deployment/x: done")
        assert console.sent == ["\x07"]
        console.app.flows.notifications.send("takeover", P3, "bob@vm took over HighErrorRate")
        assert console.sent == ["\x07", "\x07"]


async def test_every_way_that_is_configured_gets_it(tmp_path: Path) -> None:
    """Desktop notice and an own program, each for its severities; a program that fails is a notice, and the console goes on."""
    program = tmp_path / "page"
    program.write_text(f'#!/bin/sh\necho "$1|$2" > {tmp_path}/got\necho "no route" >&2; exit 4\n')
    program.chmod(0o755)
    console = Console(tmp_path, bell=(), title=(), desktop="osc9", commands=((P1, (str(program), "{severity}", "{title}")),))
    async with console.app.run_test(size=(80, 24)) as pilot:
        await console.ready(pilot)
        await console.show(pilot, build_snapshot(NEW, tracked("QueueLong", "warning", minutes=0.0)))
        for _ in range(200):
            if console.notices and console.sent:
                break
            await asyncio.sleep(0.02)
        assert console.sent == ["\x1b]9;P1 CoreDown fires: CoreDown of platform\x1b\\"]
        assert console.notices == [f"notify command {program} failed with exit code 4: no route"]
        assert (tmp_path / "got").read_text() == "P1|P1 CoreDown fires\n"
        assert set(console.titles) == {""}
