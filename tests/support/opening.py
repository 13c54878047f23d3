"""What a command costs with one journal and with another: started in turn by the same interpreter, each in its own process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(os.environ.get("BENCH_TREE") or Path(__file__).parents[2])
PYTHON = str(ROOT / ".venv" / "bin" / "python") if os.environ.get("BENCH_TREE") else sys.executable
VERBS: tuple[tuple[str, ...], ...] = (("handover",), ("journal", "--limit", "5"), ("alerts",))
"""One that needs all that the journal adds up to, one that reads the newest rows, one that needs only who has which alert."""
UNANSWERED = (("handover",), ("alerts",))
"""No source is configured, which these say by their exit code."""
OPEN = """
import asyncio, sys
from types import SimpleNamespace
from console.config.load import load_settings
try:
    from console.monitor.session import Session
except ImportError:  # the tree of a comparison may be older
    from console.session import Session

async def look():
    session = Session.open(load_settings(SimpleNamespace(environment="prod", command="console")))
    ledger = await session.ledger()
    assert getattr(ledger, "known", True) and not getattr(ledger, "lost", 0)
    await session.close()

asyncio.run(look())
"""
"""What the console does after its first frame, before it asks any source."""


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu_seconds: float
    megabytes: float


def home(folder: Path) -> tuple[dict[str, str], Path]:
    """The environment of a person whose home is the folder, and where that person's journal stands."""
    names = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "PYTHONPATH")
    environ = {name: value for name, value in os.environ.items() if name in names}
    config = folder / "config" / "cad-console"
    config.mkdir(parents=True)
    (config / "config.yaml").write_text("default_environment: prod\nenvironments:\n  prod: {}\n")
    state = folder / "state" / "cad-console"
    state.mkdir(parents=True, mode=0o700)
    environ |= {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    return environ, state / "journal.sqlite3"


def cost(environ: dict[str, str], verb: Sequence[str]) -> Cost:
    """Of one process; without a verb, of opening a session."""
    code = ("-m", "console", *verb) if verb else ("-c", OPEN)
    began = time.monotonic()
    with subprocess.Popen(
        [PYTHON, *code], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0 or verb in UNANSWERED, (child.returncode, verb)
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def compare(one: dict[str, str], other: dict[str, str], verb: Sequence[str], pairs: int = 5) -> tuple[Cost, Cost, Cost]:
    """The medians of both, and those of the ratios of one to the other within each pair."""
    found = [(cost(one, verb), cost(other, verb)) for _ in range(pairs)]
    ratios = [Cost(a.seconds / b.seconds, a.cpu_seconds / b.cpu_seconds, a.megabytes / b.megabytes) for a, b in found]
    return _median([a for a, _ in found]), _median([b for _, b in found]), _median(ratios)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(item.seconds for item in costs),
        statistics.median(item.cpu_seconds for item in costs),
        statistics.median(item.megabytes for item in costs),
    )
