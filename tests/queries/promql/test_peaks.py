"""The worst value of each step, as text that a server parses."""

from __future__ import annotations

import pytest

from queries.promql.peaks import build_peak_query
from queries.promql.syntax import parse_tree


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('max by ("http.route", job) (x)', 'max by ("http.route", job) (max_over_time(x[10m]))'),
        ("max by () (x)", "max by () (max_over_time(x[10m]))"),
        ('max without ("say \\"a\\"") (x)', 'max without ("say \\"a\\"") (max_over_time(x[10m]))'),
        ("max(x)", "max(max_over_time(x[10m]))"),
        ("max without () (x)", "max without () (max_over_time(x[10m]))"),
    ],
)
def test_labels_of_a_grouping_are_quoted_where_they_must_be(query: str, expected: str) -> None:
    """Prometheus 3 has label names of any text, and Prometheus 2 refuses a quoted one that needs no quotes."""
    text = build_peak_query(query, step_seconds=600, lowest=False, evaluation_seconds=15).text
    assert text == expected
    parse_tree(text)


M = "max_over_time(x[10m])"
L = "min_over_time(x[10m])"


@pytest.mark.parametrize(
    ("query", "lowest", "expected"),
    [
        ("x", False, M), ("x", True, L), ("(x)", False, M),
        ("max(x)", True, None), ("min(x)", True, f"min({L})"), ("sum(x)", False, None), ("max(rate(x[5m]))", False, None),
        ("x offset 5m", False, None), ("x @ 5", False, None), ("rate(x[5m])", False, None),
        ("x + 2", False, f"({M} + 2.0)"), ("x - 2", False, f"({M} - 2.0)"), ("x * 2", False, f"({M} * 2.0)"),
        ("x / 2", False, f"({M} / 2.0)"), ("x * 0", False, None), ("x * -2", False, None), ("x / -2", False, None),
        ("x * 0.5", True, f"({L} * 0.5)"), ("x + Inf", False, None), ("x % 2", False, None), ("x > 2", False, None),
        ("2 + x", False, f"(2.0 + {M})"), ("2 * x", False, f"(2.0 * {M})"), ("0 * x", False, None), ("-2 * x", False, None),
        ("2 / x", False, None), ("100 - x", False, f"(100.0 - {L})"), ("100 - x", True, f"(100.0 - {M})"),
        ("100 - sum(x)", False, None), ("NaN + x", False, None), ("x + x", False, None), ("2 - max(x)", False, None),
        ("2 - min(x)", False, f"(2.0 - min({L}))"), ("x + sum(x)", False, None), ("sum(x) * 2", False, None),
    ],
)  # fmt: skip
def test_what_keeps_the_extremes_is_read_from_the_samples(query: str, lowest: bool, expected: str | None) -> None:
    """A sum, a rate, another time and a factor that is not above 0 do not; what is taken from a number has the other end."""
    found = build_peak_query(query, step_seconds=600, lowest=lowest, evaluation_seconds=15)
    if expected is None:
        assert found.text == f"{'min' if lowest else 'max'}_over_time((\n{query}\n)[10m:15s])" and found.evaluations == 40
    else:
        assert (found.text, found.evaluations) == (expected, 0)
    parse_tree(found.text)


def test_two_sides_that_cannot_hide_each_other_are_read_apart() -> None:
    """Both have the same label with different constants; with one value, another label or a pattern they may."""

    def peak(left: str, right: str) -> str:
        return build_peak_query(f"{left} or {right}", step_seconds=600, lowest=False, evaluation_seconds=15).text

    def named(label: str, value: str, series: str = "x", *, source: str = "", pattern: str = "") -> str:
        return f'label_replace({series}, "{label}", "{value}", "{source}", "{pattern}")'

    assert peak(named("a", "1"), named("a", "2")) == (
        f'(label_replace({M}, "a", "1", "", "") or label_replace({M}, "a", "2", "", ""))'
    )
    for left, right in (
        (named("a", "1"), named("a", "1")),
        (named("a", "1"), named("b", "2")),
        (named("a", "$1"), named("a", "2")),
        (named("a", "1"), named("a", "2", pattern="(.*)")),
        (named("a", "1"), "x"),
        (named("a", "1"), named("a", "2", "sum(x)")),
    ):
        assert peak(left, right).startswith("max_over_time(("), (left, right)


@pytest.mark.parametrize(("step", "text", "evaluations"), [(15, "sum(x)", 0), (16, None, 2), (30, None, 2), (31, None, 3)])
def test_steps_no_longer_than_an_evaluation_have_every_value(step: int, text: str | None, evaluations: int) -> None:
    """Beyond that the expression is evaluated as often as it fits, begun ones included."""
    found = build_peak_query("sum(x)", step_seconds=step, lowest=False, evaluation_seconds=15)
    assert (found.text == "sum(x)") is (text is not None) and found.evaluations == evaluations


@pytest.mark.parametrize(("step", "alone"), [(299, False), (300, True), (301, True)])
def test_a_step_shorter_than_the_samples_may_have_none(step: int, alone: bool) -> None:
    """Then the last sample counts, as it does without the function; from the server's lookback on there is always one."""
    text = build_peak_query("x", step_seconds=step, lowest=False, evaluation_seconds=15).text
    assert text.startswith("max_over_time(x[") is alone and text.endswith(" or x)") is not alone
