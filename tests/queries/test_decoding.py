"""Types are made ready by one thread at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_MANY_THREADS_MEET_NEW_TYPES = """
import sys, threading
import msgspec
from queries.decoding import convert, decoder

sys.setswitchinterval(1e-6)
THREADS, ROUNDS = 6, 150

def met(at, types, gate, wrong):
    gate.wait()
    outer, inner = types
    for _ in range(5):
        if at % 2:
            value = decoder(outer).decode(b'{"inner": {"name": "x"}, "more": [{"name": "y"}]}')
            wrong += [value] if value.more[0].name != "y" else []
        else:
            wrong += [] if convert({"name": "z"}, inner).name == "z" else ["inner"]

wrong = []
for _ in range(ROUNDS):
    inner = msgspec.defstruct("Inner", [("name", str), *((f"f{n}", "int | None", None) for n in range(20))])
    outer = msgspec.defstruct("Outer", [("inner", inner), ("more", list[inner])])
    gate = threading.Barrier(THREADS)
    threads = [threading.Thread(target=met, args=(at, (outer, inner), gate, wrong)) for at in range(THREADS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
sys.exit(1 if wrong else 0)
"""


def test_threads_that_meet_a_type_at_the_same_moment_all_decode_it() -> None:
    """Six watches begin at once; with msgspec's own first use in each of them the process dies of a segmentation fault."""
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", _MANY_THREADS_MEET_NEW_TYPES], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, f"ended with {ran.returncode}: {ran.stderr[-2000:]}"
