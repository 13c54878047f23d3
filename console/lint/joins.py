"""Joins whose sides can never have equal labels."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    labels = context.flow(item)
    for miss in labels.mismatches if labels is not None else ():
        line = item.placed.line_of("expr", miss.label)
        if miss.values is not None:
            text = (
                f'`{miss.operator}` needs equal {miss.label} on both sides, but it is "{miss.values[0]}" and "{miss.values[1]}"'
            )
        else:
            other = "right" if miss.side == "left" else "left"
            text = (
                f"`{miss.operator}` needs equal labels: the {miss.side} side ({miss.what or 'a constant'}) has {miss.label}, "
                f"the {other} side ({miss.other or 'a constant'}) never has it"
            )
        yield LintMatch(line, text)


def _find_many(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    labels = context.flow(item)
    for each in labels.many if labels is not None else ():
        text = (
            f"`{each.operator}` ignores {each.label}, but its {each.side} side ({each.what}) has a series for each {each.label}"
        )
        yield LintMatch(item.placed.line_of("expr", each.label), text)


MANY_TO_ONE = LintRule(
    "many-to-one",
    Level.ERROR,
    "Several series on one side match one on the other",
    "Prometheus refuses to evaluate it as soon as there are two (many-to-one matching must be explicit): the rule fails.",
    "Add `group_left` or `group_right` for the side with more series, or match by the label.",
    _find_many,
)
JOIN_NEVER_MATCHES = LintRule(
    "join-never-matches",
    Level.ERROR,
    "The two sides of an operation never have equal labels",
    "PromQL joins only series with equal labels. Where one side has a label that the other never has, the result is always "
    "empty, and `unless` removes nothing.",
    "Group both sides by the same labels, or name the ones that count: `on (provider)`, `ignoring (le)`, with `group_left` "
    "where one side has more series.",
    _find,
)
