"""Loki: labels, lines and counts of lines."""

from __future__ import annotations

from queries.loki.client import Loki

__all__ = ["Loki"]
