"""Joins whose two sides can never have equal labels."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule


def _find(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    found = scene.flow(item)
    for miss in found.mismatches if found is not None else ():
        line = item.placed.line_of("expr", miss.label)
        if miss.values is not None:
            told = (
                f'`{miss.operator}` wants {miss.label} equal on both sides, and it is "{miss.values[0]}" and "{miss.values[1]}"'
            )
        else:
            other = "right" if miss.side == "left" else "left"
            told = (
                f"`{miss.operator}` wants equal labels: the {miss.side} side ({miss.what or 'a constant'}) has {miss.label}, "
                f"the {other} side ({miss.other or 'a constant'}) never has it"
            )
        yield LintMatch(line, told)


JOIN_NEVER_MATCHES = LintRule(
    "join-never-matches",
    Level.ERROR,
    "The two sides of an operation never have equal labels",
    "PromQL joins only series whose labels are equal. Where one side has a label that the other never has, the result is empty "
    "for ever, and `unless` takes nothing away.",
    "Group both sides by the same labels, or name the ones that count: `on (provider)`, `ignoring (le)`, with `group_left` "
    "where one side has more series.",
    _find,
)
