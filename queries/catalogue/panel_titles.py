"""The panels' ids and titles for the first frame, read without a YAML parser."""

from __future__ import annotations

import re
from pathlib import Path

_ENTRY = re.compile(r"^  - id: (.+)\n    title: (.+)$", re.MULTILINE)


def read_panel_titles(name: str) -> tuple[tuple[str, str], ...]:
    """Id and title of every panel of a board, in order; relies on the layout of our files."""
    text = Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8")
    return tuple(_ENTRY.findall(text))
