"""Numbers with their unit: never without it, and never a number for what is not one."""

from __future__ import annotations

import math

import pytest

from queries.model.panel import Unit
from queries.text.numbers import (
    format_brief,
    format_brief_value,
    format_figure,
    format_short,
    format_size,
    format_threshold,
    parse_quantity,
)


def test_a_report_writes_a_dash_for_no_number() -> None:
    """None, NaN and infinity are a dash; a whole count has no decimals, another value has those that it was given."""
    assert [format_figure(value, Unit.PERCENT) for value in (None, math.nan, math.inf)] == ["-", "-", "-"]
    assert (format_figure(3.0, Unit.COUNT), format_figure(2.5, Unit.COUNT), format_figure(3.0, Unit.PERCENT)) == (
        "3",
        "2.50",
        "3.00 %",
    )


@pytest.mark.parametrize(
    ("value", "brief", "short"),
    [
        (0.0, "0", "0"),
        (81.25, "81.2", "81.25"),
        (0.0844, "0.0844", "0.084"),
        (0.0004, "0.0004", "0"),
        (99.96, "100", "99.96"),
        (100.4, "100", "100.4"),
        (1204.0, "1204", "1204"),
        (2_000_000.0, "2000000", "2e+06"),
        (math.nan, "-", "NaN"),
    ],
)
def test_short_numbers(value: float, brief: str, short: str) -> None:
    """Three significant digits in a remark, at most three decimals for a threshold."""
    assert (format_brief(value), format_short(value)) == (brief, short)


def test_units_and_sizes() -> None:
    """A unit follows its number; a size is whole MiB, KiB or bytes, on the line and one below."""
    assert (format_brief_value(81.25, Unit.PERCENT), format_threshold(0.5, Unit.SECONDS)) == ("81.2 %", "0.5 s")
    assert [format_size(count) for count in (1023, 1024, (1 << 20) - 1, 1 << 20)] == [
        "1023 bytes",
        "1 KiB",
        "1023 KiB",
        "1 MiB",
    ]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("0.3", "300m"), ("0.35", "350m"), ("0.7", "700m"), ("0.57", "570m"), ("0.217m", "217u"), ("1.1", "1100m"),
        ("0.344Ki", "352256m"), ("0.41Mi", "429916160m"), ("0.35Gi", "375809638400m"), ("0.7Gi", "751619276800m"),
        ("1.5Gi", "1536Mi"), ("1.4Ti", "1539316278886400m"), ("0.5Ei", "512Pi"), ("1.3k", "1300"), ("4.02M", "4020k"),
        ("2.01G", "2010M"), ("0.552P", "552T"), ("1000e-3", "1"), ("12E6", "12M"), ("1E", "1000P"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_quantity_is_one_number(typed: str, stored: str) -> None:
    """Exactly, since what was set is compared with what the server stores. Made with `resource.ParseQuantity` and `String` of
    k8s.io/apimachinery 0.36.3, except the last three, which it stores as they are.
    """
    assert parse_quantity(typed) == parse_quantity(stored)
