"""A value with its unit, as headless output and short remarks write it."""

from __future__ import annotations

import math

from queries.model.panel import Unit


def figure(value: float | None, unit: Unit, decimals: int = 2) -> str:
    """`7.84 %`; `-` where there is no value. A count has decimals only where it is not whole."""
    if value is None or not math.isfinite(value):
        return "-"
    digits = 0 if unit is Unit.COUNT and value == int(value) else decimals
    return f"{value:.{digits}f} {unit.suffix}".rstrip()


def brief(value: float) -> str:
    """Three significant digits without an exponent: `81.2`, `0.084`, `1204`."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"


def brief_figure(value: float, unit: Unit) -> str:
    """`81.2 %`, `2 s`, `14`: a short value that still has its unit."""
    return f"{brief(value)} {unit.suffix}".rstrip()


def span(seconds: float) -> str:
    """A length of time in its two largest units: `40s`, `2m 12s`, `3h 5m`, `2d 4h`; `-` for what is none."""
    if not math.isfinite(seconds):
        return "-"
    whole = max(0, int(seconds))
    days, hours, minutes, rest = whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"
