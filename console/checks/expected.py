"""Whether Prometheus has loaded the expected rules: which are missing, different or extra."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set

from console.checks.result import CheckResult, Result
from console.checks.rule_evaluation import summarize
from queries.model.rule import Rule, RuleGroup, RuleKind
from queries.promql.rule_files import PlacedRule, RuleFile

LabelPair = tuple[str, str]
Equal = Callable[[str, str], bool]
"""Whether an expression of a file and one of the server are equivalent."""


def compare_rules(
    files: Sequence[RuleFile], groups: Sequence[RuleGroup], equal: Equal, *, strict: bool
) -> tuple[CheckResult, ...]:
    """`files` are those of the config's `rules`. Extra rules fail only under `strict`: other teams may load rules too."""
    expected = [item for file in files for item in file.rules]
    loaded = [rule for group in groups for rule in group.rules]
    external = frozenset(pair for group in groups for pair in group.external)
    missing: list[str] = []
    different: list[str] = []
    extra: list[str] = []
    by_name: dict[tuple[RuleKind, str], tuple[list[PlacedRule], list[Rule]]] = {}
    for item in expected:
        by_name.setdefault((item.rule.kind, item.rule.name), ([], []))[0].append(item)
    for rule in loaded:
        by_name.setdefault((rule.kind, rule.name), ([], []))[1].append(rule)
    for ours, theirs in by_name.values():
        _drop_equal(ours, theirs, equal, external)
        paired = list(zip(ours, theirs, strict=False))
        different += [f"{_place(item)} ({', '.join(_differences(item.rule, rule, equal, external))})" for item, rule in paired]
        missing += [_place(item) for item in ours[len(paired) :]]
        extra += [rule.name for rule in theirs[len(paired) :]]
    errors = [f"{file.path}:{error.line} {error.text}" for file in files for error in file.problems]
    extra_result = Result.FAILED if strict else Result.NOTED
    text = f"{len(expected)} rules in {len(files)} files should be loaded"
    return (
        summarize("expected", text, Result.FAILED, f"{len(errors)} errors in the rule files", errors),
        summarize("missing", "all are loaded", Result.FAILED, f"{len(missing)} are not loaded", missing),
        summarize("different", "all match their files", Result.FAILED, f"{len(different)} differ from their files", different),
        summarize("extra", "no others are loaded", extra_result, f"{len(extra)} loaded rules are in no file", extra),
    )


def _drop_equal(ours: list[PlacedRule], theirs: list[Rule], equal: Equal, external: Set[LabelPair]) -> None:
    for item in tuple(ours):
        same = next((rule for rule in theirs if not any(_differences(item.rule, rule, equal, external))), None)
        if same is not None:
            ours.remove(item)
            theirs.remove(same)


def _differences(ours: Rule, theirs: Rule, equal: Equal, external: Set[LabelPair]) -> Iterator[str]:
    if not equal(ours.expression, theirs.expression):
        yield "expression"
    if ours.kind is RuleKind.ALERT and (ours.for_seconds or 0.0) != (theirs.for_seconds or 0.0):
        yield "for"
    if set(ours.labels) - external != set(theirs.labels) - external:
        yield "labels"
    if ours.annotations != theirs.annotations:
        yield "annotations"


def _place(item: PlacedRule) -> str:
    return f"{item.rule.name} {item.file}:{item.line}"
