"""Durations as Prometheus writes them, read; apart from the rule files, because whoever polls needs no YAML for them."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}


def duration_seconds(duration: str) -> float:
    """Of `90s`, `5m`, `1h30m` or `0`. Raises ValueError."""
    if duration == "0":
        return 0.0
    if not re.fullmatch(rf"(?:{_PART.pattern})+", duration):
        raise ValueError(f"not a duration: {duration!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))
