"""The comparison with pint: verdicts are read from the page as people write them, and nothing without one counts as judged."""

from __future__ import annotations

from pathlib import Path

import lint
from lint_table import ADVICE, KINDS, PAGE, Found, Verdict, compare, judge, kind_of, verdicts

from queries.promql.rule_files import read_rules

KIND = next(iter(KINDS))


def test_every_verdict_of_the_page_is_read() -> None:
    """Each row has a set, a kind that the table knows, and at least one rule; none is passed over for its form."""
    text = PAGE.read_text(encoding="utf-8").partition("## Verdicts")[2]
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| set", "| ---"))]
    found = list(verdicts(text))
    assert len(rows) >= 20 and len({(item.rules, item.kind, item.said_by, item.true) for item in found}) <= len(rows)
    assert all(next(iter(verdicts(row)), None) for row in rows)
    assert {item.kind for item in found} <= set(KINDS)
    assert all(item.name and "`" not in item.name for item in found)


def test_what_has_no_verdict_is_listed() -> None:
    """True and false are counted apart; a pattern covers its rules, another set's verdict covers none; advice needs none."""
    known = (Verdict("a", KIND, "Yes*", "pint", True), Verdict("a", KIND, "No", "pint", False))
    rules = [Found(KIND, "f", name) for name in ("Yes1", "Yes2", "No", "Open")] + [Found(ADVICE, "f", "x")]
    true, unjudged, false = judge(rules, "a", "pint", known)
    assert (true[KIND], true[ADVICE], false[KIND]) == (2, 1, 1)
    assert [item.rule for item in unjudged] == ["Open"]
    assert len(judge(rules, "b", "pint", known)[1]) == len(judge(rules, "a", "console", known)[1]) == 4


def test_the_same_fault_has_the_same_kind_in_both_words() -> None:
    """A fault that both find is one fault: pint's check and the console's trap lead to one kind."""
    assert kind_of("alerts/template") == kind_of("template-label")
    assert kind_of("promql/impossible") == kind_of("join-never-matches")
    assert kind_of("a-new-trap") == "a-new-trap"


def test_a_folder_is_compared(tmp_path: Path) -> None:
    """What the console finds is there with its kind and place; a pint that does not start is a finding, not silence."""
    (tmp_path / "deep").mkdir()
    rule = "  - alert: A\n    expr: sum(up) > 0\n    for: 5m\n    annotations: {summary: '{{ $labels.job }}'}\n"
    (tmp_path / "deep" / "r.yaml").write_text(f"groups:\n- name: g\n  rules:\n{rule}")
    (tmp_path / "other.yaml").write_text("a: 1\n")
    count, ours, theirs = compare(tmp_path, "/nonexistent")
    assert (count, ours) == (1, {Found(kind_of("template-label"), "deep/r.yaml", "A")})
    assert theirs


def test_the_rules_that_are_timed_are_rules(tmp_path: Path) -> None:
    """As many as asked for, of the metric asked for, all valid and each with a name of its own."""
    for kind, metric in (("known", "ocr_requests_total"), ("unknown", "http_requests_total")):
        file = read_rules(lint.write_rules(tmp_path / f"{kind}.yaml", kind, 45).read_text(encoding="utf-8"), path="r.yaml")
        assert len({item.rule.name for item in file.rules}) == 45 and not file.problems
        assert all(metric in item.rule.expression for item in file.rules)
