#!/usr/bin/env bash
# pyte 0.8.2 (PyPI), a terminal emulator for tests: sequences that programs send at their start
#   Expected: a private sequence (`CSI >`) that it does not know is ignored, as ECMA-48 has it, and a colour of the underline
#   (`CSI 58;5;N m`) too.
#   Observed: the prefix is dropped and the rest is read as SGR: xterm's `CSI > 4 ; 2 m` (report modified keys) underlines everything
#   after it, and `CSI 58 ; 5 ; 1 m` makes it blink and bold.
#   Why it matters: attributes in screens that pyte draws for a test may come from the emulator. The screens of a real terminal differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyte==0.8.2
"$folder/venv/bin/python" - <<'PYTHON'
import pyte

SEQUENCES = {"report modified keys": "\x1b[>4;2m", "underline colour": "\x1b[58;5;1m"}


def attributes(sequence):
    screen = pyte.Screen(20, 1)
    pyte.Stream(screen).feed(sequence + "a")
    cell = screen.buffer[0][0]
    return [name for name in ("bold", "underscore", "blink") if getattr(cell, name)]


seen = {name: attributes(sequence) for name, sequence in SEQUENCES.items()}
print(f"pyte 0.8.2: guess no attribute; seen {seen}")
raise SystemExit(0 if seen == {"report modified keys": ["underscore"], "underline colour": ["bold", "blink"]} else 1)
PYTHON
