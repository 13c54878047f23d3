"""Rules that should be loaded against those that are: pairs by name and kind, and what differs in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from loopback import RECORDINGS

from console.checks.expected import compare_rules
from console.checks.result import Result
from queries.model.rule import Rule, RuleGroup, RuleKind
from queries.prometheus.responses import decode_rule_groups
from queries.promql.rule_files import RuleFile, load_built_in, read_rules
from queries.promql.syntax import same_expression


def loaded(*rules: Rule) -> tuple[RuleGroup, ...]:
    return (RuleGroup("g", "f", rules),)


def file(*rules: dict[str, object]) -> RuleFile:
    return read_rules(json.dumps({"groups": [{"name": "g", "rules": rules}]}), path="x.yaml")


def judge(files: tuple[RuleFile, ...], groups: tuple[RuleGroup, ...], *, strict: bool = False) -> dict[str, tuple[str, str]]:
    found = compare_rules(files, groups, same_expression, strict=strict)
    return {item.name: (item.result.value, item.text) for item in found}


def test_what_is_loaded_as_its_file_has_it_passes() -> None:
    """All rules that ship with the console, in any order."""
    rules = [replace(item.rule, for_seconds=item.rule.for_seconds or None) for read in load_built_in() for item in read.rules]
    found = judge(load_built_in(), loaded(*reversed(rules)))
    assert {name: result for name, (result, _) in found.items()} == dict.fromkeys(found, Result.PASSED.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"expression": "up == 1"}, "expression"),
        ({"for_seconds": 60.0}, "for"),
        ({"labels": (("severity", "info"),)}, "labels"),
        ({"annotations": (("a", "b"),)}, "annotations"),
        ({"expression": "1", "for_seconds": 5.0}, "expression, for"),
        ({"expression": "up==0 # down"}, ""),
    ],
)
def test_what_differs_is_said(changed: dict[str, object], told: str) -> None:
    """Which part of the rule; how an expression is written is no difference."""
    rule = Rule(RuleKind.ALERT, "Down", "up == 0")
    found = judge((file({"alert": "Down", "expr": "up == 0"}),), loaded(replace(rule, **changed)))  # type: ignore[arg-type]
    assert found["different"] == (
        ("failed", f"1 differ from their files: Down x.yaml:1 ({told})") if told else ("passed", "all match their files")
    )
    assert found["missing"][0] == found["extra"][0] == "passed"


def test_rules_of_one_name_are_paired() -> None:
    """Of two with one name the equal ones belong together; a recording rule is no alert; what is left over is extra."""
    one, two = {"alert": "A", "expr": "x > 1"}, {"alert": "A", "expr": "x > 2"}
    groups = loaded(
        Rule(RuleKind.ALERT, "A", "x > 2"), Rule(RuleKind.ALERT, "A", "x > 3"), Rule(RuleKind.ALERT, "A", "x > 4"),
        Rule(RuleKind.RECORD, "A", "x > 1"),
    )  # fmt: skip
    found = judge((file(one, two),), groups)
    assert found["different"][1].startswith("1 differ from their files: A ") and found["missing"][0] == "passed"
    assert found["extra"] == ("noted", "2 loaded rules are in no file: A, A")
    assert judge((file(one, two),), groups, strict=True)["extra"][0] == "failed"


def test_a_file_that_cannot_be_read_fails() -> None:
    """With its line; the rules of the others are held against the server all the same."""
    found = judge((read_rules("groups: [", path="bad.yaml"), file({"alert": "A", "expr": "x"})), loaded())
    assert found["expected"][0] == "failed" and "bad.yaml:2" in found["expected"][1]
    assert found["missing"] == ("failed", "1 are not loaded: A x.yaml:1")


def test_an_expression_that_the_parser_does_not_know_is_compared_by_words() -> None:
    """Spaces and comments are no difference."""
    assert same_expression("future_syntax(x) ?? 1", "future_syntax( x )??1 # words")
    assert not same_expression("future_syntax(x) ?? 1", "future_syntax(y) ?? 1")


def test_a_file_equals_what_the_server_makes_of_it() -> None:
    """As 3.16 loaded it: the group's labels are the rules', a template stays one, `for: 0s` and none look the same."""
    text = """
groups:
- name: a
  labels: {team: ocr}
  rules:
  - {alert: Queue, expr: "queue_jobs > 5", for: 6s, labels: {severity: critical, where: "{{ $labels.job }}"}}
  - {alert: NoFor, expr: "queue_jobs > 5"}
  - {alert: ZeroFor, expr: "queue_jobs > 5", for: 0s}
"""
    groups = decode_rule_groups((RECORDINGS / "prometheus-3.16-grouped-rules.json").read_bytes(), where="http://p")
    found = judge((read_rules(text, path="x.yaml"),), groups)
    assert {name: result for name, (result, _) in found.items()} == dict.fromkeys(found, "passed"), found
