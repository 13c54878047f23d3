"""The same name defined twice."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.finding import Hit, Level, Trap
from console.lint.scene import ParsedRule, Scene
from queries.model.rule import RuleKind


def _find(item: ParsedRule, scene: Scene) -> Iterator[Hit]:
    rule = item.rule
    for other in scene.rules:
        if other is item:
            return
        if (other.rule.kind, other.rule.name) != (rule.kind, rule.name):
            continue
        same_labels = other.rule.labels == rule.labels
        apart = (other.placed.file, other.placed.group) != (item.placed.file, item.placed.group)
        where = _place(other)
        line = item.placed.line_of(rule.kind.value)
        if rule.kind is RuleKind.RECORD:
            if same_labels:
                yield Hit(line, f"is recorded at {where} already, with the same labels")
                return
        elif same_labels:
            differs = "the same expression" if _same(item, other) else "another expression"
            yield Hit(line, f"is defined at {where} already, with the same labels and {differs}")
            return
        elif apart and not _same(item, other):
            yield Hit(line, f"is defined at {where} too, with other labels and another expression", Level.WARNING)
            return


def _same(one: ParsedRule, other: ParsedRule) -> bool:
    if one.expression is None or other.expression is None:
        return one.rule.expression == other.rule.expression
    return one.expression.root.prettify() == other.expression.root.prettify()


def _place(item: ParsedRule) -> str:
    return f"{item.placed.file}:{item.placed.line}" if item.placed.line else f"{item.placed.file}, group {item.placed.group}"


DUPLICATE_NAME = Trap(
    "duplicate-name",
    Level.ERROR,
    "The same name is defined twice",
    "Two alerts of one name with different thresholds fire one after the other and silence each other's notification; a "
    "series that is recorded twice flips between two values.",
    "Keep one, or give the second a name or a severity of its own beside the first.",
    _find,
)
