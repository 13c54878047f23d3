"""Two expressions mean the same where the normal form says so, Prometheus agrees, and what differs has a word."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from console.demo.server_binaries import Servers
from queries.promql.equivalence import Differs, Forms, Incomparable

RULES = {"fails": 'sum by (p) (rate(req{s="error"}[5m]))', "all": "sum by (p) (rate(req[5m]))", "ratio": "fails / all"}

SAME = [
    ("sum(rate(req[5m])) + sum(rate(other[5m]))", "sum(rate(other[300s])) + (sum(rate(req[5m])))"),
    ('rate(req{s="error", p="a"}[5m])', 'rate(req{p="a",s="error"}[5m])'),
    ("sum by (p, s) (req)", "sum(req) by (s, p)"),
    ("100 * sum(req) / sum(other)", "sum(req) / (sum(other) / 100)"),
    ("100 * (1 - sum(req) / sum(other))", "100 - 100 * sum(req) / sum(other)"),
    ("100 * (1 - (100 - sum(req)) / (100 - 99.9))", "100 * (1 - (100 - sum(req)) / 0.1)"),
    ("increase(req[5m])", "300 * rate(req[5m])"),
    ("sum(increase(req[1h])) / sum(increase(other[1h]))", "sum(rate(req[1h])) / sum(rate(other[1h]))"),
    ("100 * sum by (p) (rate(req[5m]))", "sum by (p) (100 * rate(req[5m]))"),
    ("sum(sum by (p) (req))", "sum(req)"),
    ("0 < sum(req)", "sum(req) > 0"),
    ("100 * (sum(req) > 5)", "(100 * sum(req)) > 500"),
    ("sum(req) - (sum(other) - 3)", "3 + sum(req) - sum(other)"),
    ('req{s=~"error|failed"}', 'req{s=~"failed|error"}'),
    ('req{s=~"error"}', 'req{s="error"}'),
    ('req{s=~".*"}', "req"),
    ('{__name__="req"}', "req"),
    ('{__name__="req", s="error"}', 'req{s="error"}'),
    ('req{s=~".+"}', 'req{s!=""}'),
    ("sum by (p) (req) * on (p) sum by (p) (other)", "sum by (p) (other) * on (p) sum by (p) (req)"),
    ("req * on (p) group_left () sum by (p) (other)", "sum by (p) (other) * on (p) group_right () req"),
    ("sum(req) / 2 / sum(other)", "sum(req) / (2 * sum(other))"),
    ("-(1 - sum(req))", "sum(req) - 1"),
    ("(sum(req) or vector(0)) * 10", "10 * sum(req) or vector(0)"),
    ("max(2 * req)", "2 * max(req)"),
    ("min(0.5 * req)", "0.5 * min(req)"),
    ("ratio", 'sum by (p) (rate(req{s="error"}[5m])) / sum by (p) (rate(req[5m]))'),
    ("100 * ratio", "100 * fails / (sum by (p) (rate(req[5m])))"),
    ('label_replace(100 * req, "x", "y", "", "")', '100 * label_replace(req, "x", "y", "", "")'),
    ("count(5 * req)", "count(req)"),
    ("sum(req) and on () (7 * sum(other))", "sum(req) and on () sum(other)"),
    ("2 ^ 3 * sum(req)", "8 * sum(req)"),
]
DIFFERENT = [
    ("sum(rate(req[5m]))", "100 * sum(rate(req[5m]))", Differs.UNIT),
    ("sum(rate(req[5m])) / sum(rate(other[5m]))", "100 * (sum(rate(req[1h])) / sum(rate(other[1h])))", Differs.WINDOW),
    ("sum(rate(req[5m])) / sum(rate(other[5m]))", "100 * (sum(rate(req[1h])) / sum(rate(other[1h])))", Differs.UNIT),
    ("sum(rate(req[1h]))", "sum(rate(req[5m]))", Differs.WINDOW),
    ("sum(increase(req[1h]))", "sum(rate(req[5m]))", Differs.WINDOW),
    ('sum(req{s="error"})', "sum(req)", Differs.FILTER),
    ("ratio", 'sum by (p) (rate(req{s="error"}[5m])) / sum by (p) (rate(other[5m]))', Differs.DENOMINATOR),
    ("(100 - sum(req)) / 0.1", "100 * (1 - (100 - sum(req)) / 0.1)", Differs.COMPLEMENT),
    ("sum(other)", "sum(req)", Differs.METRICS),
    ("max(req)", "sum(req)", Differs.OTHER),
    ("sum(req) - sum(other)", "sum(other) - sum(req)", Differs.UNIT),
    ("req - on (p, s) other", "other - on (p, s) req", Differs.OTHER),
    ("max by (p) (-max by (p, s) (req))", "max by (p) (max by (p, s) (req))", Differs.OTHER),
    ("sum(req) > 5", "sum(req) > 6e9", Differs.OTHER),
    ("sum(other) or sum(req)", "sum(req) or sum(other)", Differs.OTHER),
    ("sum by (p) (req)", "sum by (s) (req)", Differs.OTHER),
    ("req / other", "other / req", Differs.OTHER),
    ("max(-1 * req)", "-1 * max(req)", Differs.UNIT),
    ("sum(req) > bool 5", "sum(req) > 5", Differs.OTHER),
    ("sum(rate(req[5m] offset 10m))", "sum(rate(req[5m]))", Differs.OTHER),
    ("sum(req unless other)", "sum(req and other)", Differs.OTHER),
    ("abs(2 * (sum(req) - 1e5))", "-2 * abs(sum(req) - 1e5)", Differs.UNIT),
]


def forms() -> Forms:
    return Forms(theirs=RULES, ours=RULES)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_another_spelling_is_the_same(one: str, other: str) -> None:
    """Order, parentheses, units, constants and recorded names make no difference."""
    assert forms().differences((one, "theirs"), (other, "ours")) == ()
    assert forms().differences((other, "theirs"), (one, "ours")) == ()


@pytest.mark.parametrize(("one", "other", "kind"), DIFFERENT)
def test_another_meaning_differs_and_has_a_word(one: str, other: str, kind: Differs) -> None:
    """What would give another number is never the same, in either direction, and the word says in what it differs."""
    found = forms().differences((one, "theirs"), (other, "ours"))
    assert kind in {item.kind for item in found}, found
    assert forms().differences((other, "theirs"), (one, "ours"))


@pytest.mark.parametrize(("terms", "fits"), [(150, True), (151, False)])
def test_a_sum_of_more_than_150_terms_is_not_compared(terms: int, fits: bool) -> None:
    """Each of them is one level deeper, and a comparison without end of levels would end the program."""
    text = " + ".join(["req"] * terms)
    if fits:
        assert forms().differences((text, "theirs"), (text, "ours")) == ()
    else:
        with pytest.raises(Incomparable, match="it is nested too deeply to be compared"):
            forms().differences((text, "theirs"), (text, "ours"))


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        ("100 * sum(req)", "sum(req)", "it is 100 times the console's value"),
        ("sum(req)", "100 * sum(req)", "it is 1/100 of the console's value"),
        ("-1 * sum(req)", "sum(req)", "it is -1 times the console's value"),
        ("-0.5 * sum(req)", "sum(req)", "it is 1/-2 of the console's value"),
        ("sum(rate(req[1h]))", "sum(rate(req[5m]))", "window 1h instead of 5m"),
        ('sum(req{s="error"})', "sum(req)", "it adds the filter s=error"),
        ("sum(req)", 'sum(req{s="error"})', "it lacks the filter s=error"),
        ('sum(req{s="error", p!="a"})', "sum(req)", "it adds the filters p!=a, s=error"),
        ('sum(req{s="error"})', 'sum(req{s="failed"})', "filter s=error instead of s=failed"),
        ("sum(other)", "sum(req)", "metric other instead of req"),
        ("sum(req) + sum(other)", "sum(req)", "it adds the metric other"),
        ("sum(req)", "sum(req) + sum(other) + sum(third)", "it lacks the metrics other, third"),
        ("sum(req) / sum(other)", "sum(req) / sum(third)", "it divides by something else"),
        ("100 - sum(req)", "sum(req)", "it computes the complement of the console's expression"),
        ("max(req)", "sum(req)", "it computes something else from the same series"),
    ],
)
def test_the_sentence_says_what_differs(theirs: str, ours: str, told: str) -> None:
    """What theirs does beside the console's: by how much, and each metric, window and filter by its name."""
    assert told in [item.text for item in forms().differences((theirs, "theirs"), (ours, "ours"))]


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ("sum(req) / sum(other)", "sum(req) / sum(third)", True),
        ("1 - sum(req) / sum(other)", "1 - sum(req) / sum(third)", True),
        ("sum(req) * sum(third) / sum(third) / sum(other)", "sum(req) / sum(other)", False),
        ("max(req) / sum(other)", "sum(req) / sum(other)", False),
        ("sum(req)", "sum(req) / sum(other)", False),
        ("sum(req) + sum(third) / sum(other)", "sum(req) + sum(third)", False),
    ],
)
def test_another_divisor_is_named_as_one(theirs: str, ours: str, said: bool) -> None:
    """Where both divide; what is multiplied and divided by the same is no divisor."""
    for one, other in ((theirs, ours), (ours, theirs)):
        found = forms().differences((one, "theirs"), (other, "ours"))
        assert found and (Differs.DENOMINATOR in {item.kind for item in found}) is said


@pytest.mark.servers
def test_prometheus_says_so_too(servers: Servers, tmp_path: Path) -> None:
    """promtool computes the same from the pairs that are the same, and something else from the others."""
    series = [
        {"series": f'{name}{{p="{p}",s="{s}"}}', "values": f"{start}+{step}x66 {start + 66 * step}+{5 * step}x20"}
        for name, scale in (("req", 1), ("other", 3))
        for p, s, start, step in (
            ("a", "error", 10, scale * 7),
            ("a", "ok", 500, scale * 90 + 5),
            ("b", "failed", 3, 11 * scale),
        )
    ]
    apart = "count((abs(({0}) - ({1})) > 1e-6 * abs({0})) or (({0}) unless ({1})) or (({1}) unless ({0}))) or vector(0)"
    cases = [
        *(({"expr": f"({apart.format(*pair)}) > bool 0", "value": 0}) for pair in SAME),
        *(({"expr": f"count({pair[0]}) > bool 0", "value": 1}) for pair in SAME if "failed|error" not in pair[1]),
        *(({"expr": f"({apart.format(one, other)}) > bool 0", "value": 1}) for one, other, _ in DIFFERENT),
    ]
    tests = [
        {"expr": case["expr"], "eval_time": "70m", "exp_samples": [{"labels": "{}", "value": case["value"]}]} for case in cases
    ]
    rules = {"groups": [{"name": "g", "rules": [{"record": name, "expr": expr} for name, expr in RULES.items()]}]}
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    case = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
    }
    (tmp_path / "case.yaml").write_text(json.dumps(case))
    answer = subprocess.run(
        [servers.promtool, "test", "rules", "case.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("expression", "rules", "told"),
    [
        ("sum(", {}, "cannot read it"),
        ("a", {"a": "b", "b": "sum("}, "a cannot be compared: b cannot"),
        ('{__name__=~"a|b"}', {"a": "x", "b": "y"}, "several recorded names"),
        (" or ".join(f"m{at}" for at in range(400)), {}, "nested too deeply"),
        ('x{a="1" or b="2"}', {}, "joins matchers"),
    ],
)
def test_what_cannot_be_compared_says_why(expression: str, rules: dict[str, str], told: str) -> None:
    """An expression that the parser or the normal form does not know is neither the same nor different."""
    with pytest.raises(Incomparable, match=told):
        Forms(theirs=rules, ours={}).differences((expression, "theirs"), ("up", "ours"))


def test_rules_that_read_each_other_end() -> None:
    """A rule that reads itself, and two that read each other, are compared without an end of memory or time."""
    loop = {"a": "a + b", "b": "a * 2"}
    assert Forms(theirs=loop, ours=loop).differences(("a", "theirs"), ("a", "ours")) == ()
    doubling = {f"r{at}": f"r{at - 1} * r{at - 1} + x{at} + r{at - 1}" for at in range(1, 40)} | {"r0": "x0"}
    assert Forms(theirs=doubling, ours=doubling).differences(("r39", "theirs"), ("r39", "ours")) == ()
    assert Forms(theirs=doubling, ours=doubling).differences(("r39", "theirs"), ("r38", "ours"))
