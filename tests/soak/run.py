"""`make soak`: the long run and five hundred starts, with a table at the end; exits 1 where a limit was passed."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from long_run import soak
from loops import begin_and_end, left_behind

WAYS = ("q", "SIGTERM", "SIGHUP", "SIGKILL")


def main() -> int:
    seconds = float(os.environ.get("SOAK_SECONDS", "3600"))
    starts = int(os.environ.get("SOAK_STARTS", "500"))
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        print(f"{starts} starts, ended in {len(WAYS)} ways …", flush=True)
        began = time.monotonic()
        for number in range(starts):
            begin_and_end(WAYS[number % len(WAYS)], folder)
            if (number + 1) % 50 == 0:
                print(f"  {number + 1} after {time.monotonic() - began:.0f} s", flush=True)
        failures += left_behind(folder)
        print(f"  left behind: {'; '.join(failures) or 'nothing'}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        print(f"a session at twenty times its cadence for {seconds:.0f} s …", flush=True)
        output = soak(Path(name), seconds)
        print(output.table())
        failures += output.failures()
    print("\n" + ("\n".join(f"NOT MET: {item}" for item in failures) or "every limit held"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
