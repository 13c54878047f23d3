"""Threshold rules are split into series and number by the parser, and everything else is left whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.promql.threshold import ThresholdExpression, split_threshold


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("platform_error_ratio > 5", ThresholdExpression("platform_error_ratio", ">", 5.0)),
        ("(a + b) / c >= 0.01", ThresholdExpression("(a + b) / c", ">=", 0.01)),
        ("((x < bool 1e3))", ThresholdExpression("x", "<", 1000.0)),
        (
            'max by (provider) (x{a=">=", b=~"c|d"} or y) > 2',
            ThresholdExpression('max by (provider) (x{a=">=",b=~"c|d"} or y)', ">", 2.0),
        ),
        ("x == 2 # closed > open", ThresholdExpression("x", "==", 2.0)),
        ("cad:hit_rate:1h < 50", ThresholdExpression("cad:hit_rate:1h", "<", 50.0)),
        ("5 < x", ThresholdExpression("x", ">", 5.0)),
        ("x > 5 * 60", ThresholdExpression("x", ">", 300.0)),
        ("x > 0x10", ThresholdExpression("x", ">", 16.0)),
        ("time() - x > 15m", ThresholdExpression("time() - x", ">", 900.0)),
        ("x # the last hour\n  > 5", ThresholdExpression("x", ">", 5.0)),
        ("x > -5", ThresholdExpression("x", ">", -5.0)),
        ("a or b > 2", None),
        ("2 > 1", None),
        ("a > 1 and b > 2", None),
        ("a > 1 or b < 2", None),
        ("a unless b", None),
        ("absent(up == 1)", None),
        ("a > b", None),
        ("1 < a < 3", None),
        ("a > NaN", None),
        ("", None),
        ("> 5", None),
    ],
)
def test_only_one_comparison_with_a_number_is_split(expression: str, parts: ThresholdExpression | None) -> None:
    """Left side, operator and number, or nothing at all."""
    assert split_threshold(expression) == parts


@given(st.text(alphabet="ab01(){}[]<>=!~\"'`#, or\n", max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever a rule's expression is, taking it apart ends without an error."""
    parts = split_threshold(text)
    assert parts is None or parts.left
