"""Our rules hold where the ruler adds its external labels to what it records, as vmalert does."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import promql_parser as ast
import pytest

from queries.promql.our_rules import rule_names
from queries.promql.rule_files import built_in_names
from queries.promql.rule_templates import rule_text
from queries.promql.syntax import children, parse_tree, strip_parens
from queries.yaml import load_yaml

_KEEPING = ("topk", "bottomk")
_SETS = ("and", "or", "unless")


def rules() -> Iterator[tuple[str, str]]:
    for name in rule_names():
        for group in load_yaml(rule_text(name), where=name)["groups"]:
            for rule in group["rules"]:
                yield rule.get("record") or rule["alert"], rule["expr"]


def carries(node: ast.Expr, recorded: frozenset[str]) -> frozenset[bool]:
    """Whether the series of an expression have the external labels: True, False, or both; nothing for a number.

    Raises ValueError where a join or a result mixes them.
    """
    node = strip_parens(node)
    if isinstance(node, ast.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, ast.VectorSelector):
        return frozenset({node.name in recorded})
    kinds = [carries(child, recorded) for child in children(node)]
    if isinstance(node, ast.AggregateExpr):
        return frozenset().union(*kinds) if str(node.op) in _KEEPING else frozenset({False})
    if isinstance(node, ast.Call) and node.func.name == "vector":
        return frozenset({False})
    if isinstance(node, ast.BinaryExpr):
        operator, (left, right) = str(node.op), kinds
        if operator == "or":
            return left | right
        if operator in _SETS:
            return left
        if left and right and (len(left | right) > 1):
            raise ValueError(f"a join of series with and without the external labels: {node.prettify()}")
        return left or right
    return frozenset().union(*kinds)


@pytest.mark.parametrize(("name", "expression"), list(rules()), ids=[name for name, _ in rules()])
def test_no_rule_mixes_recorded_series_with_computed_ones(name: str, expression: str) -> None:
    """`recorded or vector(0)` is two series under vmalert: the rule then fails for good, or silently drops the recorded one."""
    assert len(carries(parse_tree(expression), frozenset(built_in_names()))) <= 1


@pytest.mark.parametrize(
    "expression", ["cad:x or vector(0)", "sum(rate(y[5m])) + cad:x", "topk(1, cad:x or y)", "cad:x > 1 or max by (p) (y)"]
)
def test_the_check_finds_a_mixture(expression: str) -> None:
    """As the two rules had it that failed."""
    try:
        mixed = len(carries(parse_tree(expression), frozenset({"cad:x"}))) > 1
    except ValueError:
        mixed = True
    assert mixed


@pytest.mark.skipif(shutil.which("vmalert-tool") is None, reason="vmalert-tool is not on PATH")
def test_vmalert_evaluates_every_rule_with_external_labels(tmp_path: Path) -> None:
    """vmalert's own engine, with traffic and a refused input: no rule fails, and the ratio counts the requests."""
    for name in rule_names():
        (tmp_path / name).write_text(rule_text(name), encoding="utf-8")
    text = {
        "rule_files": [str(tmp_path / "*.yaml")],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": [
                    {"series": 'ocr_requests_total{provider="p",status="start"}', "values": "0+30x40"},
                    {"series": 'ocr_requests_total{provider="p",status="success"}', "values": "0+30x40"},
                    {"series": 'ocr_input_rejected_total{reason="size"}', "values": "0+30x40"},
                ],
                "metricsql_expr_test": [
                    {
                        "expr": "sum by (cluster) (round(cad:input_rejection_ratio:5m))",
                        "eval_time": "15m",
                        "exp_samples": [{"labels": '{cluster="eu"}', "value": 50}],
                    }
                ],
            }
        ],
    }
    (tmp_path / "unittest.json").write_text(json.dumps(text))
    command = ["vmalert-tool", "unittest", "-files", str(tmp_path / "unittest.json"), "-external.label", "cluster=eu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0 and "same labelset" not in done.stdout + done.stderr, (done.stdout + done.stderr)[-2000:]
