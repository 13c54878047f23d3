"""How the console starts and ends: nothing heavy before the first frame, the terminal given back, no secret on a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest
from painting import text_of
from patience import until
from screen_samples import NOW, StillSession, settings, snapshot
from terminal import Terminal
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.events import ScreenResume, ScreenSuspend

from console.config.settings import Settings
from console.monitor.session import Session
from console.screens.app import ConsoleApp
from console.screens.registry import MODES, SCREENS

HEAVY = (
    "httpx",
    "yaml",
    "msgspec",
    "promql_parser",
    "kubernetes",
    "prometheus_api_client",
    "console.monitor.session",
    "sqlite3",
    "asyncio.subprocess",
)

SCRIPT = """
import sys, pathlib
sys.path[:0] = [{root!r}, {support!r}]
import screen_samples as samples
from console.screens.app import ConsoleApp
folder = pathlib.Path({folder!r})
def factory(given):
    return samples.StillSession(given, samples.snapshot())
app = ConsoleApp(samples.settings(folder), session_factory=factory, clock=lambda: samples.NOW)
app.run()
print("return code", app.return_code)
"""


def test_importing_the_app_imports_no_client() -> None:
    """`console.screens.app` brings Textual and plain values only; clients and stores come after the first frame."""
    code = "import sys, console.screens.app; print(*sorted(name for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "textual.app" in loaded
    assert loaded & {*HEAVY[:-1]} == set()


async def test_the_first_frame_does_not_wait_for_the_session(tmp_path: Path) -> None:
    """While the session is being opened the screen is there and says `no answer yet`; the opening is in another thread."""
    release = threading.Event()
    threads: list[str] = []

    def slow(given: Settings) -> Session:
        threads.append(threading.current_thread().name)
        release.wait(10)
        return StillSession(given, snapshot())

    app = ConsoleApp(settings(tmp_path), session_factory=slow, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:

        def shown() -> str:
            return text_of(app.screen)

        await until(pilot, lambda: "no answer yet" in shown() and "PRODUCTION" in shown(), "a screen that admits it")
        release.set()
        await until(pilot, lambda: app.session is not None, "the session")
    assert threads != [threading.main_thread().name]


async def test_a_screen_that_comes_into_view_has_its_styles(tmp_path: Path) -> None:
    """Matching the style sheet again changes no style of any widget, at either size and for each screen: it is matched once."""
    app = ConsoleApp(settings(tmp_path), session_factory=lambda given: StillSession(given, snapshot()), clock=lambda: NOW)

    def styles() -> dict[str, str]:
        return {
            f"{at} {widget!r}": widget.styles.base.css for at, widget in enumerate(app.screen.walk_children(with_self=True))
        }

    assert len(MODES) > 5
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: app.session is not None, "the session")
        for size in ((100, 24), (160, 45)):
            await pilot.resize_terminal(*size)
            for name in MODES:
                app.go(name)
                await pilot.pause()
                before = styles()
                app.stylesheet.update(app.screen)
                assert styles() == before, name
                assert len(before) > 4


@pytest.mark.parametrize("key", ["x", "z", "colon"])
async def test_a_dialog_is_matched_with_the_style_sheet_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """When a dialog opens no widget of it is matched again together with the others, and a second match changes no style; when
    it comes into view after it was covered, all are matched.
    """
    app = ConsoleApp(settings(tmp_path), session_factory=lambda given: StillSession(given, snapshot()), clock=lambda: NOW)
    together: list[int] = []
    match = Stylesheet.update_nodes

    def count(self: Stylesheet, nodes: Iterable[DOMNode], animate: bool = False) -> None:
        listed = list(nodes)
        if app.screen in listed:
            together.append(len(listed))
        match(self, listed, animate)

    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "HighErrorRate" in text_of(app.screen), "the first values")
        await pilot.press("2")
        await until(pilot, lambda: app.current_mode == "alerts", "the list of alerts")
        monkeypatch.setattr(Stylesheet, "update_nodes", count)
        before = app.screen
        await pilot.press(key)
        await until(pilot, lambda: app.screen is not before and app.screen.is_modal and bool(app.screen.size), "the dialog")
        await pilot.pause()
        opened = app.screen
        widgets = [*opened.walk_children(with_self=True)]
        assert len(widgets) > 2
        assert not any(count > len(widgets) // 2 for count in together)
        styles = [widget.styles.base.css for widget in widgets]
        app.stylesheet.update(opened)
        assert [widget.styles.base.css for widget in widgets] == styles
        together.clear()
        opened.post_message(ScreenSuspend())
        opened.post_message(ScreenResume())
        await until(pilot, lambda: len(widgets) in together, "the second time")


@pytest.mark.usefixtures("own_log")
async def test_a_session_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    """The console stays open and says what went wrong."""

    def broken(given: Settings) -> NoReturn:
        raise OSError("no room for the journal")

    app = ConsoleApp(settings(tmp_path), session_factory=broken, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "no room for the journal" in app.context.error, "the error on the screen")
        assert app.is_running


@pytest.mark.servers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(tmp_path: Path, number: signal.Signals) -> None:
    """On SIGTERM and SIGHUP the alternate screen is left, the cursor is shown and the program ends."""
    root = str(Path(__file__).resolve().parents[2])
    script = tmp_path / "start.py"
    script.write_text(SCRIPT.format(root=root, support=f"{root}/tests/support", folder=str(tmp_path)))
    with Terminal([sys.executable, str(script)], env=dict(os.environ)) as terminal:
        for _ in range(100):
            terminal.pump(0.1)
            if "HighErrorRate" in terminal.text:
                break
        assert "HighErrorRate" in terminal.text
        os.kill(terminal.pid, number)
        terminal.pump(3.0)
        received = bytes(terminal.received)
    assert b"\x1b[?1049l" in received
    assert b"\x1b[?25h" in received
    assert f"return code {128 + number}".encode() in received


@pytest.mark.usefixtures("own_log")
async def test_a_crash_shows_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of the console's own ends with one line; the log has the frames and no variable."""
    app = ConsoleApp(settings(tmp_path), session_factory=lambda given: StillSession(given, snapshot()), clock=lambda: NOW)
    secret = "hunter2"
    with pytest.raises(RuntimeError):
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause(0.2)

            def explode() -> None:
                password = secret
                raise RuntimeError(f"wrong: {password}")

            app.call_later(explode)
            await pilot.pause(0.2)
    printed = "".join(capsys.readouterr())
    log = (tmp_path / "console.log").read_text()
    assert "RuntimeError" in log
    assert secret not in log
    assert "RuntimeError" in printed and secret not in printed
    assert (tmp_path / "console.log").stat().st_mode & 0o077 == 0


def test_every_binding_explains_itself() -> None:
    """Each binding of app, screens, lists and dialogs has an id, and each that is shown a description and a tooltip."""
    from textual.binding import Binding

    from console.screens import action_run, alert_detail, command_line, explore, help, logs, panel_detail, runbook
    from widgets.dialogs import confirm, form, silence
    from widgets.rows import Rows
    from widgets.text_view import TextView

    screens = [type(make()) for make in MODES.values() if callable(make)]
    details = [
        action_run.ActionRunScreen, alert_detail.AlertDetailScreen, command_line.CommandLine, explore.ExploreScreen,
        help.HelpScreen, logs.LogsScreen, panel_detail.PanelDetailScreen, runbook.RunbookScreen, confirm.ConfirmDialog,
        form.FormDialog, silence.SilenceDialog, TextView, Rows,
    ]  # fmt: skip
    ids: dict[str, str] = {}
    for owner in (ConsoleApp, *screens, *details):
        for binding in owner.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding)
            assert binding.id, (owner, binding)
            assert binding.tooltip, (owner, binding)
            assert ids.setdefault(binding.id, binding.action) == binding.action, binding
    assert {screen.name for screen in SCREENS} == set(MODES)
    assert len({screen.key for screen in SCREENS}) == len(SCREENS)
