"""Ages, times, values and thresholds as text, the same on every screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from queries.model.panel import PanelState, Unit
from queries.model.verdict import Verdict
from queries.text.times import format_time

if TYPE_CHECKING:
    from queries.model.alert import Alert

NO_ANSWER = "no answer yet"
VERDICT_WIDTH = max(len(verdict.word) for verdict in Verdict) + 1
"""The width of a verdict column: the longest word and a space; `STALE 40s` fills it."""


def format_age(seconds: float) -> str:
    """`12s`, `4m`, `3h 05m`, `2d 4h`: seconds only under a minute, so that an idle screen rarely changes; `-` when unknown."""
    if not math.isfinite(seconds):
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes}m"
    if hours < 24:
        return f"{hours}h {minutes % 60:02d}m"
    return f"{days}d {hours % 24}h" if days < 10 else f"{days}d"


def format_clock(at: float) -> str:
    """`14:03:27Z`."""
    return format_time(at, "%H:%M:%SZ")


def format_minute(at: float, *, now: float | None = None) -> str:
    """`14:03`, or `23 Nov 14:03` when more than 18 hours from `now`."""
    return format_time(at, "%d %b %H:%M" if now is not None and abs(now - at) > 18 * 3600 else "%H:%M")


def format_timestamp(at: float) -> str:
    """`2026-11-24 14:03:27Z`."""
    return format_time(at, "%Y-%m-%d %H:%M:%SZ")


def format_number(value: float, decimals: int) -> str:
    """The bare number; NaN and infinities are spelled as in Prometheus."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if abs(value) >= 1e6:
        return f"{value:.3g}"
    return f"{value:.{decimals}f}"


def format_quantity(value: float | None, unit: Unit, decimals: int) -> str:
    """`7.84 %`, `0.84 s`, `14`, `212 /s`; empty for no value."""
    return "" if value is None else f"{format_number(value, decimals)} {unit.suffix}".rstrip()


def format_short(value: float) -> str:
    """A threshold or an axis value without trailing zeros: `5`, `0.5`, `1200`."""
    if math.isfinite(value) and abs(value) < 1e6:
        return f"{value:.3f}".rstrip("0").rstrip(".") or "0"
    return format_number(value, 0)


def format_threshold(value: float, unit: Unit) -> str:
    """A threshold with its unit: `5 %`, `0.5 s`."""
    return f"{format_short(value)} {unit.suffix}".rstrip()


def compare_with_threshold(state: PanelState) -> str:
    """How the value compares with the deciding threshold: `>5` crossed, `<2` still below; empty without a threshold.

    Derived from the value itself, so that it also holds for a stale one.
    """
    value, below = state.value, state.spec.below
    if value is None or math.isnan(value):
        return ""
    lines = [line for line in (state.threshold.critical, state.threshold.warn) if line is not None]
    for line in lines:
        if value < line if below else value >= line:
            return ("<" if below else ">") + format_short(line)
    return (">" if below else "<") + format_short(lines[-1]) if lines else ""


def verdict_label(state: PanelState, *, waiting: bool = False) -> str:
    """`ok`, `WARN`, `CRIT`, `NO DATA`, `IN DOUBT`, `STALE 40s`, `PAUSED`; an ellipsis before the first response."""
    if waiting:
        return "…"
    if state.paused:
        return "PAUSED"
    if state.verdict is Verdict.STALE and state.age_seconds is not None:
        return f"STALE {format_age(state.age_seconds).split(' ')[0]}"
    return state.verdict.word


_SHORT_SEVERITIES = {"critical": "CRIT", "crit": "CRIT", "warning": "WARN", "warn": "WARN", "": "-"}


def severity_label(alert: Alert) -> str:
    """`CRIT`, `WARN`, `info`; another known severity as the rule spells it, `sev?` for an unknown one."""
    if not alert.severity_known:
        return "sev?"
    return _SHORT_SEVERITIES.get(alert.severity.casefold(), alert.severity)
