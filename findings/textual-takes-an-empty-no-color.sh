#!/usr/bin/env bash
# Textual 8.2.8 with Rich 15.0.0, both in one process, and an environment with `NO_COLOR=` (set, and empty)
#   One would guess: colours. no-color.org says "when present and not an empty string", and Rich, which draws for Textual, reads
#   it so.
#   Seen: Rich's console keeps its colours, Textual's application has none: it asks only whether the variable is there.
#   Why it matters: a unit file or a manifest that writes `NO_COLOR=` to switch it off switches it on; this console takes an
#   empty one away before Textual asks.
#     textual 8.2.8, rich 15.0.0, NO_COLOR='': rich no_color False, textual no_color True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check textual==8.2.8 rich==15.0.0
NO_COLOR='' "$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

from rich.console import Console

rich_first = Console(force_terminal=True).no_color

from textual.app import App

found = (rich_first, App().no_color)
print(f"textual {version('textual')}, rich {version('rich')}, NO_COLOR='': rich no_color {found[0]}, textual no_color {found[1]}")
raise SystemExit(found != (False, True))
PY
