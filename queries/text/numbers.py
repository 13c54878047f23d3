"""Numbers: values with their unit, thresholds, sizes, Kubernetes quantities."""

from __future__ import annotations

import math

from queries.model.panel import Unit

_SUFFIXES = {
    "n": ("e-9", 1.0), "u": ("e-6", 1.0), "m": ("e-3", 1.0), "": ("", 1.0),
    "k": ("e3", 1.0), "M": ("e6", 1.0), "G": ("e9", 1.0), "T": ("e12", 1.0), "P": ("e15", 1.0), "E": ("e18", 1.0),
    "Ki": ("", 2.0**10), "Mi": ("", 2.0**20), "Gi": ("", 2.0**30),
    "Ti": ("", 2.0**40), "Pi": ("", 2.0**50), "Ei": ("", 2.0**60),
}  # fmt: skip
"""What a suffix of a quantity stands for, as an exponent or as a power of two: neither rounds a second time."""


def format_number(value: float, decimals: int) -> str:
    """The bare number; NaN and infinities as Prometheus writes them."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.3g}" if abs(value) >= 1e6 else f"{value:.{decimals}f}"


def format_quantity(value: float | None, unit: Unit, decimals: int) -> str:
    """A screen's value: `7.84 %`, `0.84 s`, `14`, `212 /s`; empty for no value."""
    return "" if value is None else _with_unit(format_number(value, decimals), unit)


def format_figure(value: float | None, unit: Unit, decimals: int = 2) -> str:
    """A report's value: `7.84 %`; `-` for no value and for NaN. A count has decimals only if it is not whole."""
    if value is None or not math.isfinite(value):
        return "-"
    digits = 0 if unit is Unit.COUNT and value == int(value) else decimals
    return _with_unit(f"{value:.{digits}f}", unit)


def format_brief(value: float) -> str:
    """Three significant digits without an exponent: `81.2`, `0.084`, `1204`."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"


def format_brief_value(value: float, unit: Unit) -> str:
    """`81.2 %`, `2 s`, `14`: three significant digits and the unit."""
    return _with_unit(format_brief(value), unit)


def format_short(value: float) -> str:
    """A threshold or an axis value without needless digits: `5`, `0.5`, `1200`."""
    if math.isfinite(value) and abs(value) < 1e6:
        return f"{value:.3f}".rstrip("0").rstrip(".") or "0"
    return format_number(value, 0)


def format_threshold(value: float, unit: Unit) -> str:
    """A threshold with its unit: `5 %`, `0.5 s`."""
    return _with_unit(format_short(value), unit)


def format_scaled(value: float, unit: Unit | None, *, span: float = 0.0) -> str:
    """A value of an axis in the size that suits it: `7.8 M`, `120 ms`, `2.5 %`, `12 k/s`.

    `span` is the length of the axis: digits that it does not show are left out; 0 keeps three significant ones.
    """
    if not math.isfinite(value):
        return format_number(value, 0)
    suffix = unit.suffix if unit else ""
    timed = unit is Unit.SECONDS
    scales = _TIME_SCALES if timed else _SCALES
    size, prefix = next((item[1:] for item in scales if abs(value) >= item[0]), (1.0, "s" if timed else ""))
    scaled, span = value / size, span / size
    if span > 0.0:
        digits = max(0, 2 - math.floor(math.log10(span)))
    else:
        digits = max(0, 2 - math.floor(math.log10(abs(scaled)))) if scaled else 0
    number = f"{scaled:.{min(digits, 9)}f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    number = "0" if number in ("", "-0") else number
    return f"{number} {prefix if timed else prefix + suffix}".rstrip()


def format_bucket(low: float, high: float, unit: Unit | None) -> str:
    """A histogram's bucket by its upper end, `≤ 500 ms`; the last one, which has none, by its lower end, `> 10 s`."""
    return f"≤ {format_scaled(high, unit)}" if math.isfinite(high) else f"> {format_scaled(low, unit)}"


_SCALES = ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
_TIME_SCALES = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "µs"))
"""From which value on, the size, and its name."""


def format_size(count: int) -> str:
    """A limit in bytes: whole MiB, KiB or bytes."""
    if count >= 1 << 20:
        return f"{count >> 20} MiB"
    return f"{count >> 10} KiB" if count >= 1 << 10 else f"{count} bytes"


def parse_quantity(text: str) -> float:
    """A Kubernetes quantity (`250m`, `1536Mi`, `1e3`) as a number; 0 for text that is not one.

    Every spelling of one amount is the same number: the server writes 0.7 as 700m, and 0.7Gi as 751619276800m.
    """
    for size in (0, 1, 2):
        number, suffix = (text[:-size], text[-size:]) if size else (text, "")
        if suffix not in _SUFFIXES:
            continue
        exponent, factor = _SUFFIXES[suffix]
        try:
            return float(number + exponent) * factor
        except ValueError:
            continue
    return 0.0


def _with_unit(number: str, unit: Unit) -> str:
    return f"{number} {unit.suffix}".rstrip()
