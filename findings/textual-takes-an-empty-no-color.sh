#!/usr/bin/env bash
# Textual 8.2.8 with Rich 15.0.0 in one process, with `NO_COLOR=` in the environment (set, and empty)
#   Expected: colours. no-color.org says "when present and not an empty string", and Rich, which draws for Textual, follows it.
#   Observed: Rich's console keeps its colours, and Textual's application has none: it checks only whether the variable is present.
#   Why it matters: a unit file or a manifest with `NO_COLOR=` switches on what it means to switch off; this console removes an empty
#   variable before Textual reads it.
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
