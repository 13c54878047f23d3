"""Every fault in the form of a rule file has its line and its sentence, and the rest of the file is read all the same."""

from __future__ import annotations

import pytest

from queries.model.rule import RuleKind
from queries.promql.our_rules import FOLDER, rule_names
from queries.promql.rule_files import PlacedRule, ProblemKind, RuleFile, built_in_names, load_built_in, read_rules

GROUPS = "groups:\n- name: g\n  rules:\n"
SOUND = "  - {alert: Sound, expr: up}\n"


def read(text: str) -> RuleFile:
    return read_rules(text, path="rules.yaml")


def problems(text: str) -> list[tuple[int, str]]:
    return [(item.line, item.text) for item in read(text).problems]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("- a\n", 1, "expected `groups`, a list of rule groups, or a manifest that holds them"),
        ("x: 1\n", 1, "expected `groups`, a list of rule groups, or a manifest that holds them"),
        ("groups: {a: 1}\n", 1, "expected `groups`, a list of rule groups"),
        ("groups:\n- a\n", 2, "expected a group with `name` and `rules`"),
        ("groups:\n- name: g\n  rules: {a: 1}\n", 2, "expected a group with `name` and `rules`"),
        ("groups:\n- rules: []\n", 2, "expected the group's `name`"),
        ("groups:\n- name: ''\n", 2, "expected the group's `name`"),
        ("groups:\n- name: 7\n", 2, "expected the group's `name`"),
        ("groups:\n- name: g\n- name: h\n- name: g\n", 4, "duplicate group g in this file"),
        ("groups:\n- name: g\n  interval: soon\n", 3, "expected a duration for `interval`, such as 5m"),
        ("groups:\n- name: g\n  query_offset: soon\n", 3, "expected a duration for `query_offset`, such as 5m"),
        ("groups:\n- name: g\n  labels: [a]\n", 3, "expected a mapping for `labels`"),
        (f"{GROUPS}  - a\n", 4, "expected a rule"),
        (f"{GROUPS}  - expr: up\n", 4, "expected either `alert` or `record`"),
        (f"{GROUPS}  - {{alert: A, record: b, expr: up}}\n", 4, "expected either `alert` or `record`"),
        (f"{GROUPS}  - alert:\n    expr: up\n", 4, "expected the name of the alert"),
        (f"{GROUPS}  - expr: up\n    record: ''\n", 5, "expected the name of the record"),
        (f"{GROUPS}  - alert: A\n    expr:\n", 5, "A has no expression"),
        (f"{GROUPS}  - alert: A\n    expr: '  '\n", 5, "A has no expression"),
        (f"{GROUPS}  - alert: A\n    expr: true\n", 5, "A has no expression"),
        (f"{GROUPS}  - alert: A\n", 4, "A has no expression"),
        (f"{GROUPS}  - alert: A\n    expr: up\n    for: soon\n", 6, "expected a duration for `for`, such as 5m"),
        (f"{GROUPS}  - alert: A\n    expr: up\n    keep_firing_for: x\n", 6, "expected a duration for `keep_firing_for`, such"),
        (f"{GROUPS}  - alert: A\n    expr: up\n    annotations: text\n", 6, "expected a mapping for `annotations`"),
        (f"{GROUPS}  - alert: A\n    expr: up\n    labels:\n      __name__: a\n", 7, "a rule cannot set the label __name__"),
        (f"{GROUPS}  - record: a\n    expr: up\n    for: 5m\n", 6, "a recording rule has no `for`"),
        (f"{GROUPS}  - record: a\n    expr: up\n    keep_firing_for: 5m\n", 6, "a recording rule has no `keep_firing_for`"),
        (f"{GROUPS}  - record: a\n    expr: up\n    annotations: {{b: c}}\n", 6, "a recording rule has no `annotations`"),
        ("a: [\n", 2, ""),
    ],
)  # fmt: skip
def test_a_fault_of_form_has_its_line(text: str, line: int, problem: str) -> None:
    """Prometheus refuses each of them; the finding stands on the line of the part, or of what is around a missing part."""
    (found,) = read(text).problems
    assert found.line == line and problem in found.text and found.kind is ProblemKind.FORM and not found.rule


@pytest.mark.parametrize(
    ("text", "line", "problem", "rule"),
    [
        ("grups: 1\ngroups: []\n", 1, "a rule file has no field `grups`; did you mean `groups`?", ""),
        ("zz: 1\ngroups: []\n", 1, "a rule file has no field `zz`; expected one of groups, namespace", ""),
        ("groups:\n- name: g\n  Intervals: 1m\n", 3, "a group has no field `Intervals`; did you mean `interval`?", ""),
        (
            f"{GROUPS}  - alert: A\n    expr: up\n    label: {{}}\n",
            6,
            "a rule has no field `label`; did you mean `labels`?",
            "A",
        ),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest(text: str, line: int, problem: str, rule: str) -> None:
    """A field that Prometheus refuses and the operator drops is of its own kind; with nothing near, all fields are named."""
    (found,) = read(text).problems
    assert (found.line, found.text, found.kind, found.rule) == (line, problem, ProblemKind.FIELD, rule)


def test_a_name_for_prometheus_3_only_is_of_its_own_kind() -> None:
    """A recorded name and a label name in UTF-8 are no faults of form: Prometheus 3 takes them in quotes."""
    found = read(f"{GROUPS}  - record: a.b\n    expr: up\n    labels:\n      c-d: e\n      f: g\n")
    text = "is not a {} name for Prometheus 2, and Prometheus 3 accepts it only in quotes"
    assert [(item.line, item.text, item.kind, item.rule) for item in found.problems] == [
        (4, f"a.b {text.format('metric')}", ProblemKind.NAME, "a.b"),
        (7, f"c-d {text.format('label')}", ProblemKind.NAME, "a.b"),
    ]
    assert read(f"{GROUPS}  - alert: a.b\n    expr: up\n").problems == ()


def test_two_faults_are_two_and_the_sound_rules_are_read() -> None:
    """A fault in one group or rule hides neither the next fault nor any sound rule."""
    text = f"groups:\n- a\n- name: g\n  rules:\n  - expr: up\n{SOUND}  - b\n  - {{record: r, expr: 1}}\n"
    found = read(text)
    assert [item.line for item in found.problems] == [2, 5, 7]
    assert [(item.rule.kind, item.rule.name, item.line) for item in found.rules] == [
        (RuleKind.ALERT, "Sound", 6), (RuleKind.RECORD, "r", 8)
    ]  # fmt: skip
    assert found.rules[1].rule.expression == "1"


def test_what_holds_nothing_is_no_fault() -> None:
    """Prometheus loads an empty file, `groups:` without a list, and a group without rules."""
    for text in (
        "",
        "{}\n",
        "groups:\n",
        "groups: []\n",
        "groups:\n- name: g\n",
        "groups:\n- name: g\n  rules: []\n",
        "---\n---\n",
    ):
        found = read(text)
        assert (found.problems, found.rules, found.plain) == ((), (), None), text


def test_a_rule_is_read_whole() -> None:
    """The group's labels are on every rule that does not set them itself; durations are seconds, labels sorted."""
    text = """\
groups:
- name: g
  labels: {team: a, tier: b}
  rules:
  - alert: First
    expr: up == 0
    for: 1m30s
    keep_firing_for: 5m
    labels: {tier: c, aa: d}
    annotations: {summary: s, runbook: r}
  - record: second
    expr: 7.50
- name: h
  rules:
  - {alert: Third, expr: up}
"""
    first, second, third = read(text).rules
    assert (first.rule.labels, first.rule.annotations, first.rule.for_seconds) == (
        (("aa", "d"), ("team", "a"), ("tier", "c")), (("runbook", "r"), ("summary", "s")), 90.0
    )  # fmt: skip
    assert (second.rule.labels, second.rule.expression, second.rule.for_seconds) == (
        (("team", "a"), ("tier", "b")),
        "7.50",
        None,
    )
    assert third.rule.labels == ()
    assert [(item.group, item.file, item.line) for item in (first, second, third)] == [
        ("g", "rules.yaml", 5), ("g", "rules.yaml", 11), ("h", "rules.yaml", 15)
    ]  # fmt: skip
    assert (first.source[0], first.source[-1]) == ("  - alert: First", "    annotations: {summary: s, runbook: r}")
    assert third.source == ("  - {alert: Third, expr: up}",)
    assert [first.find_line(key) for key in ("expr", "for", "labels.tier", "annotations.runbook", "labels.none")] == [
        6,
        7,
        9,
        10,
        9,
    ]
    assert first.last_line == 10 and second.last_line == 12


LINES = f"""{GROUPS}\
  - alert: A
    expr: |
      sum(rate(errors_total[5m]))
        / rate(errors[5m])
        > rate(errors[5m]) + low
    annotations:
      summary: errors
"""


def test_a_word_is_found_on_its_line() -> None:
    """A finding about a name stands where the name stands by itself, not inside a longer one; else where its part begins."""
    (rule,) = read(LINES).rules
    assert rule.line_of("expr", "errors") == 7
    assert rule.line_of("expr", "errors_total") == 6
    assert rule.line_of("expr", "errors", "low") == 8
    assert rule.line_of("expr", "errors", "high") == 7, "without a line that has both, the first that has the first word"
    assert rule.line_of("expr", "high", "low") == 5
    assert rule.line_of("expr", "", "low") == 8
    assert rule.line_of("expr", "rror") == 5
    assert rule.line_of("expr") == 5 and rule.line_of("annotations.summary", "errors") == 10
    assert rule.line_in_expression(1) == 6 and rule.line_in_expression(3) == 8
    server = PlacedRule(rule.rule, "g", "a server's")
    assert (server.line_of("expr", "errors"), server.line_in_expression(3), server.last_line) == (0, 0, 0)


def test_a_word_at_either_end_of_a_line_is_found() -> None:
    """Neither the start nor the end of the line counts as part of a name."""
    rule = PlacedRule(read(LINES).rules[0].rule, "g", "f", 1, lambda _: 1, ("expr: >", "low", "a:low low_b lows", "x + low"))
    assert rule.line_of("expr", "low") == 2
    assert rule.line_of("expr", "x", "low") == 4


@pytest.mark.parametrize(
    ("scalar", "line"),
    [("up > 1", 5), ('"up > 1"', 5), ("|\n      up > 1", 6), (">-\n      up > 1", 6), ("|2 # c\n      up", 6)],
)
def test_the_first_line_of_an_expression(scalar: str, line: int) -> None:
    """A block scalar begins on the line after its key, everything else on the same line."""
    (rule,) = read(f"{GROUPS}  - alert: A\n    expr: {scalar}\n").rules
    assert rule.line_in_expression(1) == line


MANIFESTS = """\
apiVersion: v1
kind: List
items:
- apiVersion: monitoring.coreos.com/v1
  kind: PrometheusRule
  spec:
    groups:
    - name: one
      partial_response_strategy: abort
      rules:
      - {alert: A, expr: up}
- apiVersion: v1
  kind: ConfigMap
  data:
    ours.yaml: |
      groups:
      - name: two
        rules:
        - alert: B
          expr: down
        - alert: C
    note.txt: "route 66: ["
    broken.rules: "groups: ["
    other.yaml: "a: 1"
  stringData: 7
---
kind: PrometheusRule
spec: 7
---
kind: Service
"""


def test_manifests_are_read_at_their_lines() -> None:
    """Rules of a List, of a ConfigMap's files and of a second document; every line is one of the outer file."""
    found = read(MANIFESTS)
    assert [(item.rule.name, item.group, item.line, item.find_line("expr")) for item in found.rules] == [
        ("A", "one", 11, 11), ("B", "two", 19, 20)
    ]  # fmt: skip
    assert [(item.line, item.text) for item in found.problems if not item.text.startswith("broken.rules: ")] == [
        (21, "C has no expression"), (28, "expected `groups`, a list of rule groups")
    ]  # fmt: skip
    assert [item.line for item in found.problems if item.text.startswith("broken.rules: ")] == [23]
    assert found.plain is not None and len(found.plain) == 2 and not found.routing
    one, two = found.plain
    assert "partial_response_strategy" not in one.text and '"A"' in one.text and '"C"' in two.text
    assert two.line(two.text.splitlines().index('        "alert": "B"') + 1) == 19


def test_a_second_document_of_a_plain_file_is_never_loaded() -> None:
    """Prometheus reads the first document only, without a word; the file needs a copy for promtool to see all of it."""
    one = f"{GROUPS}{SOUND}"
    found = read(f"{one}---\ngroups:\n- name: h\n")
    assert [(item.line, item.text) for item in found.problems] == [
        (6, "Prometheus reads only the first document of a rule file; the rest from here is never loaded")
    ]
    assert found.plain is not None and [item.rule.name for item in found.rules] == ["Sound"]
    assert read(one).plain is None and read(f"kind: Service\n---\n{one}").problems == ()


def test_a_removable_fault_leaves_a_file_that_can_be_checked() -> None:
    """promtool sees the file without the wrong part; without the part that makes a rule there is nothing to leave out."""
    found = read(f"{GROUPS}  - alert: A\n    expr: up\n    label: {{}}\n    for: soon\n")
    assert found.plain is not None
    (copy,) = found.plain
    assert copy.text.splitlines() == [
        '"groups":', "  -", '    "name": "g"', '    "rules":', "      -", '        "alert": "A"', '        "expr": "up"'
    ]  # fmt: skip
    assert [copy.line(number) for number in (0, 1, 2, 3, 6, 7, 8)] == [0, 1, 2, 2, 4, 5, 0]
    assert read(f"{GROUPS}  - alert: A\n    expr:\n").plain is None


def test_a_plain_copy_keeps_every_value_as_it_was_written() -> None:
    """Strings in quotes, numbers as written, empty lists and mappings, and nothing."""
    labels = "{a: 1.10, b: on, c: , d: 'x\"y'}"
    text = f"{GROUPS}  - alert: Ä\n    expr: up\n    labels: {labels}\n    annotations: {{}}\n    wrong: []\n"
    found = read(text).plain
    assert found is not None and found[0].text.splitlines()[5:] == [
        '        "alert": "Ä"', '        "expr": "up"', '        "labels":', '          "a": 1.10', '          "b": on',
        '          "c": null', '          "d": "x\\"y"', '        "annotations": {}',
    ]  # fmt: skip


def test_the_shipped_rules_have_no_fault() -> None:
    """Every file that ships is read whole, and the names that it records are known without reading it as YAML."""
    files = load_built_in()
    assert [item.path for item in files] == [str(FOLDER / name) for name in sorted(rule_names())] and len(files) > 1
    assert [problem for item in files for problem in item.problems] == []
    recorded = {placed.rule.name for item in files for placed in item.rules if placed.rule.kind is RuleKind.RECORD}
    assert recorded == built_in_names() and len(recorded) > 10
