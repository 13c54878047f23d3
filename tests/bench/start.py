"""Start: the first full frame against a bare Textual application's, started in turn by the same interpreter; then the first
values of real servers.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pyte
from figure import Figure
from stage import COLUMNS, ROWS, Stage, Timed, clean
from subject import PROGRAM

from queries.catalogue.panel_titles import read_panel_titles

HELLO = """\
from textual.app import App


class Hello(App):
    pass


Hello().run()
"""
_CONFIG = """\
default_environment: staging
environments:
  staging: {prometheus: {url: "http://127.0.0.1:9"}, alertmanager: [{url: "http://127.0.0.1:9"}]}
"""
_RUNS = 9
Looks = Callable[[pyte.Screen, str], bool]
"""Of a screen and the text of the run's last one."""


def painted(screen: pyte.Screen, _last: str) -> bool:
    """Whether an application without content has drawn its ground down to the last cell."""
    return bool(screen.buffer[ROWS - 1][COLUMNS - 1].bg != "default")


def full(screen: pyte.Screen, last: str, *, role: str = "ACTING") -> bool:
    """Heading with the role, every panel that the last screen has with 'no answer yet', and the keys."""
    text = "\n".join(screen.display)
    return _has_panels(text, last) and "no answer yet" in text and role in text and "0-9 screens" in text


def _has_panels(text: str, last: str) -> bool:
    # Another revision's overview may have other panels; fewer than this is no overview.
    titles = [title for _, title in read_panel_titles("overview") if title in last]
    return len(titles) >= 6 and all(title in text for title in titles)


def answered(screen: pyte.Screen, last: str) -> bool:
    """Every source answered, and every panel has a value, as on the last screen."""
    text = "\n".join(screen.display)
    asked = "prom ok" in text and "kubernetes ok" in text
    return _has_panels(text, last) and asked and "no answer yet" not in text


def first(terminal: Timed, holds: Looks) -> float:
    """When the screen first looked so, in seconds."""
    ended = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(ended).feed(b"".join(data for _, data in terminal.chunks))
    last = "\n".join(ended.display)
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    for at, data in terminal.chunks:
        stream.feed(data)
        if holds(screen, last):
            return at
    raise AssertionError("it never looked so:\n" + "\n".join(screen.display))


def measure(stage: Stage) -> list[Figure]:
    hello = stage.place("hello") / "hello.py"
    hello.write_text(HELLO)
    configured = stage.place("configured")
    (configured / "cad-console").mkdir()
    (configured / "cad-console" / "config.yaml").write_text(_CONFIG)
    plain, console, yaml = [], [], []
    unanswered = {"PROMETHEUS_URL": "http://127.0.0.1:9", "ALERTMANAGER_URL": "http://127.0.0.1:9"}
    for _ in range(_RUNS):
        plain.append(_once(stage, (sys.executable, str(hello)), {}, painted))
        console.append(_once(stage, (PROGRAM,), unanswered, full))
        yaml.append(_once(stage, (PROGRAM,), {"XDG_CONFIG_HOME": str(configured)}, full))
    values = []
    with stage.platform() as sources:
        for _ in range(_RUNS):
            values.append(_once(stage, (PROGRAM,), sources.environ(), answered, settle=1.5))
    base, ours, written = statistics.median(plain), statistics.median(console), statistics.median(yaml)
    ratios = sorted(one / other for one, other in zip(console, plain, strict=True))
    return [
        Figure("start to first full frame ÷ hello", ours / base, "×", 1.10, f"pairs {ratios[0]:.2f}–{ratios[-1]:.2f}"),
        Figure("start to first full frame with a YAML config ÷ hello", written / base, "×", None),
        Figure("start to the first values of every source ÷ hello", statistics.median(values) / base, "×", None),
        Figure("hello's first frame", base * 1000, "ms", control=True),
    ]


def _once(stage: Stage, argv: tuple[str, ...], environ: dict[str, str], holds: Looks, *, settle: float = 0.3) -> float:
    state = stage.place("start")
    with Timed(*argv, env={**clean(Path(state)), **environ}) as terminal:
        terminal.first_byte(20.0)  # a busy machine is late, and nothing is not yet the end
        terminal.read(0.7)
        terminal.settle(settle, most=5.0)
        return first(terminal, holds)
