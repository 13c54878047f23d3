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
