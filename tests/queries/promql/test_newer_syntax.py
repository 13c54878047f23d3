"""PromQL that only newer servers know is named by its construct, and a mistake of every version is not taken for it."""

from __future__ import annotations

import pytest

from queries.promql.newer_syntax import newer_syntax, unknown_syntax


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rate(a[5m])", ""),
        ("max_over_time(a[1h:5m])", ""),
        ("a offset -5m", ""),
        ("a offset 5m", ""),
        ("rate(a[5m * 2])", "a duration expression"),
        ("rate(a[5m + 5m])", "a duration expression"),
        ("rate(a[step()])", "a duration expression"),
        ("rate(a[(5m)])", "a duration expression"),
        ("a offset (5m)", "a duration expression"),
        ("a OFFSET (5m)", "a duration expression"),
        ("rate(a[5m] anchored)", "`anchored`"),
        ("increase(a[5m] smoothed)", "`smoothed`"),
        ("anchored + smoothed", ""),
        ("a + on (b) fill(0) c", "`fill`"),
        ("a + on (b) fill_left(0) c", "`fill_left`"),
        ("fill + a", ""),
        ("limitk(2, a)", "limitk()"),
        ("sum(info(a))", "info()"),
        ("info + a", ""),
        ("a </ 5", "the operator `</`"),
        ("a >/ 5", "the operator `>/`"),
        ("a > 5 / b", ""),
        ('{"a.b"}', "a quoted name"),
        ('sum by ("a.b") (c)', "a quoted name"),
        ('a{b="c"}', ""),
        ('a{b!="c", d=~"e", f!~"g"}', ""),
        ('a{b="c", "d.e"="f"}', "a quoted name"),
        ('label_replace(a, "b", "$1", "c", "(.*)")', ""),
        ('sum by (b) (label_replace(a, "b", "c", "d", "e"))', ""),
        ('a + on ("b.c") d', "a quoted name"),
        ('a + ignoring (b) group_left ("c.d") e', "a quoted name"),
        ('count_values("x", a)', ""),
        (")) + a", ""),
        ('}} {"a.b"}', "a quoted name"),
    ],
)
def test_the_construct_is_named(text: str, found: str) -> None:
    """Each construct beside a sound twin of every version."""
    assert newer_syntax(text) == found


@pytest.mark.parametrize(
    ("text", "problem", "found"),
    [
        ("rate(a[5m * 2])", "unexpected character", "a duration expression"),
        ("rate(a[5m * 2]", "unclosed left parenthesis", ""),
        ("limitk(2, a))", "unexpected right parenthesis", ""),
        ("a b", "unexpected identifier", ""),
        ("future_thing(a)", "unknown function with name 'future_thing'", "future_thing()"),
        ("future_thing(a)", 'unknown function with name "future_thing"', "future_thing()"),
        ("rat(a[5m])", "unknown function with name 'rat'", ""),
        ("Rates(a[5m])", "unknown function with name 'Rates'", ""),
        ("avg_over_tme(a[5m])", "unknown function with name 'avg_over_tme'", ""),
    ],
)
def test_a_mistake_is_not_newer_syntax(text: str, problem: str, found: str) -> None:
    """Brackets that do not match and a misspelt common function are mistakes in every version."""
    assert unknown_syntax(text, problem) == found
