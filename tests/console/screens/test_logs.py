"""The log screen over a source that says what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from painting import notices_of
from textual.pilot import Pilot

from console.logs import merged_log
from console.logs.query import ALL, LogQuery
from console.screens.messages import OpenLogsRequested
from queries.errors import AccessDenied
from queries.model.log import LogSink, LogStatus, TimedLine

DENIED = AccessDenied("pods is forbidden: User you cannot list pods", hint="ask for permission to list pods", status=403)
HOSTILE = "\x1b[31mred [bold]x[/bold] \u202eevil"


class Scripted:
    """A followed LogSource."""

    def __init__(self, query: LogQuery, error: Exception | None) -> None:
        self.query, self.error = query, error
        self.sink: LogSink | None = None

    def describe(self) -> str:
        return f"2 pods  container {self.query.container or 'api (default, 1 of 2)'}"

    def parts(self) -> tuple[str, ...]:
        return ("", "proxy", ALL)

    async def read(self, sink: LogSink) -> None:
        if self.error is not None:
            raise self.error
        self.sink = sink
        sink.show_status(LogStatus(total=2, reading=2))
        await asyncio.Event().wait()


class Opened:
    """The log screen of a workload, and its sources so far."""

    def __init__(self, stage: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = stage()
        self.sources: list[Scripted] = []
        self.error: Exception | None = None
        monkeypatch.setattr(self.stage.session, "create_log_source", self._make)  # type: ignore[attr-defined]

    def _make(self, query: LogQuery) -> Scripted:
        self.sources.append(Scripted(query, self.error))
        return self.sources[-1]

    async def open(self, pilot: Pilot[None]) -> None:
        await self.until(pilot, "HighErrorRate")
        self.stage.app.flows.navigation.open(OpenLogsRequested("deployment/cad-ml-api"))  # type: ignore[attr-defined]
        await self.until(pilot, "Log deployment/cad-ml-api")

    async def until(self, pilot: Pilot[None], words: str) -> str:
        text: str = await self.stage.until(pilot, words)  # type: ignore[attr-defined]
        return text

    async def press(self, pilot: Pilot[None], *keys: str) -> None:
        await self.stage.press(pilot, *keys)  # type: ignore[attr-defined]

    async def write(self, pilot: Pilot[None], source: str, *lines: TimedLine) -> None:
        while not self.sources or self.sources[-1].sink is None:
            await pilot.pause(0.01)
        self.sources[-1].sink.deliver(source, lines)


@pytest.fixture
def opened(stage: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setattr(merged_log, "FRAME_SECONDS", 0.01)
    return Opened(stage, monkeypatch)


def second(at: int, text: str) -> TimedLine:
    return ((1_767_276_000 + at) * 10**9, text, 0)


async def test_the_lines_of_two_pods(opened: Opened) -> None:
    """By time, each with the end of its pod's name, as text; a notice among them, and what was dropped in line 3. Until one
    arrives, nobody claims that the log is empty.
    """
    async with opened.stage.app.run_test(size=(80, 24)) as pilot:  # type: ignore[attr-defined]
        await opened.open(pilot)
        assert "the log is empty" not in await opened.until(pilot, "no line yet")
        await opened.write(pilot, "cad-ml-api-7d9c-x2x9k", second(1, "first"), second(3, f"ERROR {HOSTILE}"))
        await opened.write(pilot, "cad-ml-api-7d9c-abcde", second(2, "second"))
        opened.sources[-1].sink.remark(second(4, "")[0], "pod cad-ml-api-7d9c-x2x9k ended, replaced by cad-ml-api-7d9c-fffff")  # type: ignore[union-attr]
        text = await opened.until(pilot, "ended, replaced")
        lines = [line.rstrip() for line in text.splitlines()[3:7]]
        assert lines == [
            "   14:00:01.000 x2x9k first",
            "   14:00:02.000 abcde second",
            r" E 14:00:03.000 x2x9k ERROR \e[31mred [bold]x[/bold] \u202eevil",
            " ── pod cad-ml-api-7d9c-x2x9k ended, replaced by cad-ml-api-7d9c-fffff",
        ]
        head = text.splitlines()[2]
        assert "2 pods" in head and head.rstrip().endswith("following · 4 lines · UTC")
        await opened.press(pilot, "c", "c", "p")
        assert [(item.query.container, item.query.previous, item.query.follow) for item in opened.sources] == [
            ("", False, True), ("proxy", False, True), (ALL, False, True), (ALL, True, False),
        ]  # fmt: skip
        await opened.until(pilot, "previous")
        await opened.press(pilot, "t")
        assert (opened.sources[-1].query.since_seconds, opened.sources[-1].query.tail_lines) == (300, None)
        await opened.until(pilot, "last 5m")


async def test_searching(opened: Opened) -> None:
    """/ goes to the last match, n and N on, m shows only the matches, then with context; esc ends it, then goes back."""
    async with opened.stage.app.run_test(size=(80, 24)) as pilot:  # type: ignore[attr-defined]
        await opened.open(pilot)
        await opened.write(pilot, "pod", *(second(at, f"line {at}" + " timeout" * (at % 10 == 5)) for at in range(100)))
        await opened.until(pilot, "line 99")
        await opened.press(pilot, "slash", *"TIMEOUT", "enter")
        await opened.until(pilot, "/TIMEOUT  0 matches")
        await opened.press(pilot, "escape", "slash", *"timeout", "enter")
        await opened.until(pilot, "10 of 10 matches")
        await opened.press(pilot, "N")
        text = await opened.until(pilot, "9 of 10 matches")
        assert any(line.startswith("›") and line.rstrip().endswith("line 85 timeout") for line in text.splitlines())
        await opened.press(pilot, "n", "n")
        await opened.until(pilot, "1 of 10 matches")
        await opened.press(pilot, "m")
        text = await opened.until(pilot, "only matches")
        assert "line 5 timeout" in text and "line 96" not in text
        await opened.write(pilot, "pod", second(200, "a new timeout"))
        await opened.until(pilot, "1 of 11 matches")
        await opened.press(pilot, "m", "end")
        text = await opened.until(pilot, "with 3 lines around")
        assert "line 99" in text and "line 95" in text and "line 91" not in text
        await opened.press(pilot, "escape")
        await opened.until(pilot, "101 lines")
        await opened.press(pilot, "escape")
        await opened.until(pilot, "HighErrorRate")


async def test_saving(opened: Opened, tmp_path: Path) -> None:
    """The file that a person names, for them alone; one that exists is replaced only after a question."""
    file = tmp_path / "kept.log"
    async with opened.stage.app.run_test(size=(80, 24)) as pilot:  # type: ignore[attr-defined]
        await opened.open(pilot)
        await opened.write(pilot, "pod", second(1, "one"))
        await opened.until(pilot, " one")

        async def save(answer: str) -> None:
            await opened.press(pilot, "s")
            await opened.until(pilot, "Save 1 lines" if not file.exists() else "Save ")
            field = opened.stage.app.focused  # type: ignore[attr-defined]
            field.value = str(file)
            await opened.press(pilot, "enter")
            if answer:
                await opened.until(pilot, "replace it?")
                await pilot.pause(0.1)
                await opened.press(pilot, *answer.split())

        await save("")
        while not any("saved 1 line" in notice for notice in notices_of(opened.stage.app)):  # type: ignore[attr-defined]
            await pilot.pause(0.02)
        assert file.read_text().endswith(" pod one\n") and file.stat().st_mode & 0o777 == 0o600
        file.write_text("mine")
        await save("escape")
        await opened.until(pilot, "Log deployment")
        assert file.read_text() == "mine"
        await save("tab enter")
        while file.read_text() == "mine":
            await pilot.pause(0.02)
        assert file.read_text().endswith(" pod one\n")


async def test_what_cannot_be_read_is_said(opened: Opened) -> None:
    """An error of the whole, and the sentences of single logs: the first two, and how many more."""
    opened.error = DENIED
    async with opened.stage.app.run_test(size=(80, 24)) as pilot:  # type: ignore[attr-defined]
        await opened.open(pilot)
        text = await opened.until(pilot, "ask for permission to list pods")
        assert "fetching" not in text and "empty" not in text
        opened.error = None
        await opened.press(pilot, "u")
        await opened.write(pilot, "pod-a", second(1, "from a"))
        sentences = tuple(f"pod-{name}: reconnecting: the node is busy" for name in "bcde")
        opened.sources[-1].sink.show_status(LogStatus(5, 1, 3, sentences, ("pod-f: no such log",), incomplete=True))  # type: ignore[union-attr]
        text = await opened.until(pilot, "pod-c: reconnecting")
        for words in ("pod-f: no such log", "and 2 more logs", "3 of 5 logs are not read", "lines may be missing", "from a"):
            assert words in text
        assert "permission" not in text
