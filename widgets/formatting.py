"""Verdicts, thresholds and severities as text, the same on every screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from queries.model.panel import PanelState, is_crossed
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.numbers import format_short

if TYPE_CHECKING:
    from queries.model.alert import Alert

NO_ANSWER = "no answer yet"
VERDICT_WIDTH = max(len(verdict.word) for verdict in Verdict) + 1
"""The width of a verdict column: the longest word and a space; `STALE 40s` fills it."""


def compare_with_threshold(state: PanelState) -> str:
    """How the value compares with the deciding threshold: `>5` crossed, `<2` still below; empty without a threshold.

    Derived from the value itself, so that it also holds for a stale one.
    """
    value, below = state.value, state.spec.lower_is_worse
    if value is None or math.isnan(value):
        return ""
    lines = [line for line in (state.threshold.critical, state.threshold.warn) if line is not None]
    for line in lines:
        if is_crossed(value, line, lower_is_worse=below):
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
