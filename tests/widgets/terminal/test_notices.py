"""Bell, title and desktop notices as a terminal, tmux and GNU screen get them, and alert text that cannot end a sequence."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pyte
import pytest
from terminal import Terminal

from widgets.terminal import notices
from widgets.terminal.notices import (
    DesktopProtocol,
    clean,
    encode_desktop_notice,
    encode_title,
    show_tmux_message,
    wrap_desktop_notice,
)

EVIL = "P1 x\x07\x1b\\\x1b]52;c;aGk=\x07\x9c\u202e;y"


@pytest.mark.parametrize("protocol", list(DesktopProtocol))
def test_alert_text_ends_no_sequence_and_begins_none(protocol: DesktopProtocol) -> None:
    """Bell, ST, C1 and bidi characters of a name are gone: in each sequence the only escapes are our own, and nothing of it is
    printed on the screen.
    """
    sequence = encode_desktop_notice(protocol, EVIL, EVIL)
    for part in sequence.split("\x1b\\")[:-1]:
        assert part.startswith("\x1b]") and part.count("\x1b") == 1
        assert not set("\x07\x9c\u202e") & set(part)
    assert clean(EVIL) == "P1 x\\]52;c;aGk=;y"
    screen = pyte.Screen(40, 2)
    pyte.Stream(screen).feed(encode_title(EVIL))
    assert (screen.title, screen.display[0].strip()) == ("P1 x\\]52;c;aGk=;y", "")


def test_each_protocol_has_its_own_fields() -> None:
    """OSC 9 has one text, 777 two that a semicolon parts, 99 two sequences of one id; without a text there is only a title."""
    assert encode_desktop_notice(DesktopProtocol.OSC9, "P1 a", "b") == "\x1b]9;P1 a: b\x1b\\"
    assert encode_desktop_notice(DesktopProtocol.OSC9, "P1 a", "") == "\x1b]9;P1 a\x1b\\"
    assert encode_desktop_notice(DesktopProtocol.OSC777, "P1 a;b", "c;d") == "\x1b]777;notify;P1 a,b;c;d\x1b\\"
    one, two, _ = encode_desktop_notice(DesktopProtocol.OSC99, "P1 a", "b").split("\x1b\\")
    assert (one, two) == ("\x1b]99;i=cad-console:d=0;P1 a", "\x1b]99;i=cad-console:d=1:p=body;b")
    assert encode_desktop_notice(DesktopProtocol.OSC99, "P1 a", "") == "\x1b]99;i=cad-console:d=1;P1 a\x1b\\"


async def test_screen_gets_it_in_a_passthrough_that_the_notice_does_not_end() -> None:
    """ST would end GNU screen's own string, so the notice ends with a bell there."""
    wrapped = await wrap_desktop_notice(DesktopProtocol.OSC9, "P1 a", "", {"STY": "1.x"}, "")
    assert wrapped == "\x1bP\x1b]9;P1 a\x07\x1b\\"


@pytest.mark.parametrize(("option", "sent"), [("on", True), ("all", True), ("off", False), ("", True)])
async def test_tmux_gets_it_only_where_it_passes_it_on(
    option: str, sent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`allow-passthrough` decides; a tmux that has no such option passes it on. Every escape is doubled."""
    program = tmp_path / "tmux"
    panes = 'case "$3" in list-panes) echo "%1 /dev/pts/3 1";;'
    program.write_text(f"#!/bin/sh\n{panes} *) {f'echo {option}' if option else 'exit 1'};; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    environ = {"TMUX": f"{tmp_path}/socket,1,0", "TMUX_PANE": "%1"}
    wrapped = await wrap_desktop_notice(DesktopProtocol.OSC9, "P1 a", "", environ, "/dev/pts/3")
    assert wrapped == ("\x1bPtmux;\x1b\x1b]9;P1 a\x1b\x1b\\\x1b\\" if sent else "")
    inherited = await wrap_desktop_notice(DesktopProtocol.OSC9, "P1 a", "", environ, "/dev/pts/9")
    assert inherited == "\x1b]9;P1 a\x1b\\"


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine")
@pytest.mark.servers
def test_a_real_tmux_runs_nothing_that_an_alert_is_called(tmp_path: Path) -> None:
    """tmux expands a message as a format, in which `#(…)` runs a program: it shows the name as it is, and runs nothing."""
    socket, mark = tmp_path / "s", tmp_path / "ran"
    words = ["tmux", "-S", str(socket), "-f", "/dev/null"]
    subprocess.run([*words, "new-session", "-d", "-x", "80", "-y", "24"], check=True)
    try:
        environ = {"TMUX": f"{socket},1,0", "TMUX_PANE": "%0"}
        for text in (f"P1 #(touch {mark}) 50%", f"##(touch {mark})", f"###(touch {mark})"):
            asyncio.run(show_tmux_message(text, "#{pane_id}", environ))
        message = "P1 ##(id) 50%%"
        shown = subprocess.run([*words, "display-message", "-p", message], capture_output=True, text=True, check=True).stdout
        subprocess.run([*words, "run-shell", "true"], check=True)  # so that jobs before it have run
    finally:
        subprocess.run([*words, "kill-server"], check=False)
    assert shown.strip() == "P1 #(id) 50%"
    assert not mark.exists()


PROGRAM = """
import asyncio, os, sys
from widgets.terminal.notices import *
def tell(text): os.write(1, text.encode())
async def notices():
    for protocol in DesktopProtocol:
        tell(await wrap_desktop_notice(protocol, "P1 a;b", protocol.value, os.environ, os.ttyname(0)))
tell(PUSH_TITLE + encode_title("P1 HighErrorRate 00:05") + BELL)
asyncio.run(notices())
print("shown", flush=True)
sys.stdin.readline()
tell(encode_title("") + POP_TITLE)
print("taken back", flush=True)
sys.stdin.readline()
"""
"""What the console's driver writes, as the program of a window."""


@pytest.mark.parametrize("multiplexer", ["tmux", "screen"])
@pytest.mark.servers
def test_the_terminal_behind_a_multiplexer_gets_bell_title_and_notices(multiplexer: str, tmp_path: Path) -> None:
    """What the terminal at the other end receives through the real programs: one bell, which GNU screen makes a flash,
    the three notices as outside a multiplexer, the alert as its title, and at the end a title without it.
    """
    if shutil.which(multiplexer) is None:
        pytest.skip(f"no {multiplexer} on this machine")
    program = [sys.executable, "-c", PROGRAM]
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": ":".join(sys.path), "SCREENDIR": str(tmp_path)}
    tmp_path.chmod(0o700)
    options = [word for name in ("allow-passthrough", "set-titles") for word in ("set", "-g", name, "on", ";")]
    if multiplexer == "tmux":
        call, end = ["tmux", "-S", f"{tmp_path}/s"], ["kill-server"]
        words = ["-f", "/dev/null", *options, "new-session", shlex.join(program)]
    else:
        call, end, words = ["screen", "-S", "notices"], ["-X", "quit"], ["-c", "/dev/null", "-U", *program]
    try:
        with Terminal([*call, *words], env=environ) as terminal:
            terminal.wait_for("shown")
            terminal.pump(0.3)
            shown = bytes(terminal.received)
            terminal.send("\r")
            terminal.wait_for("taken back")
            terminal.pump(0.3)
            taken_back = bytes(terminal.received)[len(shown) :]
    finally:
        subprocess.run([*call, *end], env=environ, check=False, capture_output=True)
    sequences = re.findall(rb"\x1b\]([^\x07\x1b]*)(?:\x07|\x1b\\)", shown)
    titles = [found for found in sequences if found[:2] in (b"0;", b"2;")]
    assert [found.decode() for found in sequences if found not in titles] == [
        "9;P1 a;b: osc9", "777;notify;P1 a,b;osc777", "99;i=cad-console:d=0;P1 a;b", "99;i=cad-console:d=1:p=body;osc99",
    ]  # fmt: skip
    assert b"P1 HighErrorRate 00:05" in titles[-1]
    rest = re.sub(rb"\x1b\][^\x07\x1b]*\x07", b"", shown)  # what ends a sequence is no bell
    assert (rest.count(b"\x07"), rest.count(b"\x1b[?5h")) == {"tmux": (1, 0), "screen": (0, 1)}[multiplexer]
    after = re.findall(rb"\x1b\][02];([^\x07\x1b]*)", taken_back)
    assert after and not any(b"P1" in found for found in after)


def test_the_bell_is_one_byte() -> None:
    """So that a terminal that ignores it shows nothing."""
    assert notices.BELL == "\x07"
