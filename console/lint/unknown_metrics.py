"""Names that nobody exports, and recorded names that hide exported ones."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Finding, Level, LintMatch, LintRule
from console.lint.histograms import is_plain_histogram
from queries.catalogue.contract import Need
from queries.catalogue.exported import load_exported
from queries.model.rule import RuleKind
from queries.promql.syntax import alternatives_of_or

_MOST_TOLD = 8


def _unknown(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    for name in _unknown_names(item, scene):
        if _is_sum_of_negatives(name):
            told = f"nobody exports {name}: its buckets begin below zero, and prometheus_client then leaves the sum out"
            yield LintMatch(item.placed.line_of("expr", name), told)
            continue
        if not scene.vocabulary.complete:
            near = scene.spelling.near(name)
            if scene.strict or scene.spelling.is_slip(name):
                told = f"neither the contract nor a recording rule knows {name}{_hint(near)}"
                yield LintMatch(item.placed.line_of("expr", name), told, Level.WARNING)
            continue
        near = scene.spelling.near(name)
        line = item.placed.line_of("expr", name)
        promised = scene.contract.get(name)
        if promised is not None and promised.need is Need.OPTIONAL:
            yield LintMatch(line, f"nobody exports {name} here; not every build or cluster has it", Level.NOTE)
        else:
            yield LintMatch(line, f"nobody exports or records {name}{_hint(near)}")


def _is_sum_of_negatives(name: str) -> bool:
    family = load_exported().get(name.removesuffix("_sum")) if name.endswith("_sum") else None
    return family is not None and family.begins_below_zero


def _hint(near: str) -> str:
    return f"; did you mean {near}?" if near else ""


def unknown_metrics(scene: LintContext) -> Iterator[Finding]:
    """One note a file: the names of which no file can tell whether somebody exports them."""
    if scene.vocabulary.complete:
        return
    by_file: dict[str, dict[str, int]] = {}
    for item in scene.rules:
        for name in _unknown_names(item, scene):
            names = by_file.setdefault(item.placed.file, {})
            if name not in names and not _is_sum_of_negatives(name) and not scene.spelling.is_slip(name):
                names[name] = item.placed.line_of("expr", name)
    for file, names in by_file.items():
        if not names:
            continue
        listed = ", ".join(list(names)[:_MOST_TOLD]) + (", …" if len(names) > _MOST_TOLD else "")
        subject = "metric is" if len(names) == 1 else "metrics are"
        told = f"{len(names)} {subject} unknown here, and only a server (--live) can tell who exports them: {listed}"
        yield Finding(METRIC_UNKNOWN, METRIC_UNKNOWN.level, file, next(iter(names.values())), "", told)


def _unknown_names(item: ParsedRule, scene: LintContext) -> Iterator[str]:
    found: dict[str, None] = {}
    if item.expression is None or all(scene.vocabulary.get(name) is not None for name in item.expression.metrics):
        return
    spared = {name for picked in alternatives_of_or(item.expression) for name in picked.metrics}
    for picked in item.expression.selectors:
        known = [scene.vocabulary.get(name) is not None for name in picked.metrics]
        if not picked.metric and any(known):
            continue  # one of several names: that not every build has each of them is why they stand there
        for name in picked.metrics:
            if scene.vocabulary.get(name) is None and not is_plain_histogram(name, scene) and name not in spared:
                found.setdefault(name)
    yield from found


def _shadows(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    name = item.rule.name
    if item.rule.kind is RuleKind.RECORD and name in scene.exported:
        yield LintMatch(item.placed.line_of("record"), f"{name} is exported by a scrape already")


METRIC_NOT_EXPORTED = LintRule(
    "metric-not-exported",
    Level.ERROR,
    "A rule reads a metric that nobody exports",
    "An expression over series that do not exist is empty for ever: the rule looks healthy, and its alert can never fire.",
    "Correct the name, or remove the rule; with --live it is compared with what the server really has.",
    _unknown,
)
METRIC_UNKNOWN = LintRule(
    "metric-unknown",
    Level.NOTE,
    "A rule reads metrics that nobody here knows",
    "The lint knows what the platform and the contract export, and what rules record; other exporters it does not know.",
    "With --live the names are compared with those that the server really has.",
)
RECORD_SHADOWS_EXPORTED = LintRule(
    "record-shadows-exported",
    Level.ERROR,
    "A recorded series has the name of an exported metric",
    "Both end up under one name: sums count twice, and which value a panel shows depends on labels that nobody looks at.",
    "Give the recorded series a name of its own, `level:metric:operation`.",
    _shadows,
)
