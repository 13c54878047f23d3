"""Many rules cost what few do, each: nothing is looked up in all rules for every one of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from console.lint.context import build_context
from console.lint.linter import lint_rules
from console.runbooks.index import RunbookIndex
from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.exported import load_exported
from queries.promql.metric_catalog import MetricCatalog
from queries.promql.rule_files import read_rules

FEW, MANY = 200, 1600
_MOST = 2.5
"""A lint that compares every rule with every other takes eight times as long for each."""


def text_of(count: int, *, metric: str, label: str) -> str:
    lines = ["groups:"]
    for number in range(count):
        if number % 20 == 0:
            lines += [f"  - name: g{number}", "    rules:"]
        rate = f'sum by (job) (rate({metric.format(number)}{{{label}="v{number}"}}[5m]))'
        lines += [f"      - record: job:r{number}:rate5m", f"        expr: {rate} / job:r{max(number - 1, 0)}:rate5m"]
        lines += [f"      - alert: A{number}", f"        expr: job:r{number}:rate5m > {number}", "        for: 5m"]
    return "\n".join(lines)


def seconds_for_each(text: str, path: Path) -> float:
    """The processor time of reading and linting, the best of two: other work on the machine is no fault of ours."""
    known = MetricCatalog.from_contract(load_contract(), load_taxonomy()).with_exported(load_exported())
    took = []
    for _ in range(2):
        started = time.process_time()
        file = read_rules(text, path=str(path))
        looked_at = build_context(file.rules, others=lambda _: (), catalog=known, runbooks=RunbookIndex, panels=tuple)
        assert lint_rules([file], looked_at)
        took.append(time.process_time() - started)
    return min(took) / len(file.rules)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "label"), [("ocr_requests_total", "provider"), ("http_requests_total", "code"), ("m{}_total", "x")]
)
def test_the_cost_of_a_rule_does_not_grow(tmp_path: Path, metric: str, label: str) -> None:
    """Of a known metric, of an unknown one, and of a different unknown one each, in chains of recorded series."""
    few, many = (seconds_for_each(text_of(count, metric=metric, label=label), tmp_path / "r.yaml") for count in (FEW, MANY))
    assert many < _MOST * few, (few, many)
