"""Timestamps as Go writes them, to Unix seconds."""

from __future__ import annotations

from datetime import datetime


def unix_seconds(text: str) -> float:
    """Unix seconds of an RFC 3339 time; Go's zero time and an empty text give 0. Raises ValueError."""
    if not text or text.startswith("0001-01-01"):
        return 0.0
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.timestamp()
