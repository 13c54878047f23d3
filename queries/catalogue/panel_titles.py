"""The panels' ids and titles for the first frame, before a YAML parser is there."""

from __future__ import annotations

import re
from pathlib import Path

_ENTRY = re.compile(r"^  - id: (.+)\n    title: (.+)$", re.MULTILINE)


def outline(name: str) -> tuple[tuple[str, str], ...]:
    """Id and title of every panel of a board, in its order; the board's own layout of lines is relied on."""
    text = Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8")
    return tuple(_ENTRY.findall(text))
