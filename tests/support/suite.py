"""Run pytest; what failed beside other tests runs once more, alone and one after another. The exit status is pytest's.

    python tests/support/suite.py [PYTEST ARGUMENT …]

Real servers, terminals and processes share the machine with the tests that run beside them, and with whatever else it does. A
fault of the product fails alone too; what passes alone depended on its neighbours, and is named at the end. More than MOST
failed tests are no coincidence: nothing runs again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MOST = 5
SOME_FAILED = 1
"""pytest's exit status for tests that ran and failed; every other one but 0 is an error of the run itself."""
_LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def run(arguments: Sequence[str]) -> int:
    """The exit status of pytest in the working directory, or of its second run if little failed in the first."""
    status = _pytest("--cache-clear", *arguments)
    if status != SOME_FAILED:
        return status
    failed = list(json.loads(_LAST_FAILED.read_text()))
    if len(failed) > MOST:
        return status
    print(f"\n{len(failed)} failed beside other tests; once more, alone:", flush=True)
    status = _pytest("--last-failed", "-n", "0", "-v")
    if status == 0:
        print("failed beside other tests and passed alone, so look at what they wait for:", *failed, sep="\n  ", flush=True)
    return status


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
