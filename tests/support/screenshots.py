"""Pictures of the main screens, taken on the embedded stack while a bad release is out: `make screenshots`."""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from painting import text_of
from textual.pilot import Pilot

from console.cli.main import main as command
from console.config.load import load_settings
from console.config.settings import Settings
from console.demo.scenarios import scenario
from console.demo.server_binaries import provide_servers
from console.demo.stack import DemoStack
from console.screens.app import ConsoleApp

SIZE = (110, 36)
USER = "you@bastion"
"""Whoever takes the pictures stays out of them."""

SHOTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("overview", (), ("HighErrorRate", "18/18 ready")),
    ("panel", ("enter",), ("critical 5 %",)),
    ("alert", ("escape", "2", "enter"), ("fires at 5 %", "roll back cad-ml-api")),
    ("runbook", ("b",), ("Platform error ratio is high", "INTERNAL_ERROR")),
    ("workloads", ("escape", "escape", "3"), ("api:1.9.0", "rollout")),
    ("rollback", ("B",), ("rollout undo", "[ Cancel ]")),
    ("silence", ("escape", "2", "z"), ("would match 1 alert",)),
    ("help", ("escape", "question_mark"), ("Changes something",)),
    ("dashboards", ("escape", "0", "n", "n", "c"), ("Error Analysis", "vs yesterday", "Errors by code")),
)
"""Each picture's name, the keys that lead to it from the one before, and what must be on it."""


def shown(app: ConsoleApp) -> str:
    return text_of(app.screen)


_TEXT = re.compile(
    r'<text class="(?P<css>[^"]*)" x="(?P<x>[^"]*)" y="(?P<y>[^"]*)" textLength="(?P<length>[^"]*)"(?P<rest>[^>]*)>'
    r"(?P<words>[^<]*)</text>"
)


async def until(app: ConsoleApp, pilot: Pilot[None], words: tuple[str, ...], *, seconds: float = 30.0) -> None:
    """Wait until all these words are on the screen."""
    deadline = time.monotonic() + seconds
    while any(word not in shown(app) for word in words):
        if time.monotonic() > deadline:
            raise SystemExit(f"{words} did not appear:\n{shown(app)}")
        await pilot.pause(0.2)


def plain_svg(svg: str) -> str:
    """Without fonts from elsewhere: a picture must not ask anybody for anything."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "monospace").replace("Fira Code", "monospace")
    return _TEXT.sub(_without_edges, svg)


def _without_edges(found: re.Match[str]) -> str:
    """Text without the spaces at its ends, which some viewers drop together with the room that they took."""
    words = html.unescape(found["words"])
    bare = words.strip("\u00a0 ")
    if not bare:
        return ""
    cell = float(found["length"]) / len(words)
    lead = len(words) - len(words.lstrip("\u00a0 "))
    x, length = float(found["x"]) + lead * cell, len(bare) * cell
    told = html.escape(bare, quote=False).replace("\u00a0", "&#160;").replace(" ", "&#160;")
    return f'<text class="{found["css"]}" x="{x:g}" y="{found["y"]}" textLength="{length:g}"{found["rest"]}>{told}</text>'


async def take(settings: Settings, into: Path, wait_seconds: float) -> None:
    app = ConsoleApp(settings, ascii_only=False)
    async with app.run_test(size=SIZE, notifications=False) as pilot:
        await until(app, pilot, ("HighErrorRate",))
        await pilot.pause(wait_seconds)
        for name, keys, words in SHOTS:
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.4)
            await until(app, pilot, words)
            (into / f"{name}.svg").write_text(plain_svg(app.export_screenshot(title="cad-console")))
            print(into / f"{name}.svg")


async def take_start(settings: Settings, into: Path) -> None:
    """The console of somebody who has configured nothing."""
    app = ConsoleApp(settings, ascii_only=False)
    async with app.run_test(size=(88, 24), notifications=False) as pilot:
        await until(app, pilot, ("No server is configured yet",))
        await pilot.pause(1.0)
        (into / "start.svg").write_text(plain_svg(app.export_screenshot(title="cad-console")))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path, help="the folder for the pictures")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds of trouble before the first one (default: 60)")
    arguments = parser.parse_args(argv)
    arguments.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        empty = load_settings({}, {"HOME": home})
        paths = replace(empty.paths, config_file="~/.config/cad-console/config.yaml")
        asyncio.run(take_start(replace(empty, user=USER, paths=paths), arguments.into))
    with DemoStack(scenario("bad-deploy"), provide_servers(lambda progress: None)) as stack:
        stack.settle()
        settings = load_settings({"refresh": 1.0}, {**os.environ, **stack.addresses.environment()})
        assert settings.kubernetes is not None
        # The command as a person would type it, without the path of this run's temporary kubeconfig.
        cluster = replace(settings.kubernetes, kubectl=("kubectl",))
        asyncio.run(take(replace(settings, user=USER, kubernetes=cluster), arguments.into, arguments.wait))
        os.environ.update(stack.addresses.environment())
        if command(["chart", "error_ratio", "--heat-map", "--svg", str(arguments.into / "heat-map.svg")]):
            raise SystemExit("the heat map was not drawn")


if __name__ == "__main__":
    main()
