"""Names that nobody exports, and recorded names that hide exported ones."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.finding import Hit, Level, Trap
from console.lint.scene import ParsedRule, Scene
from queries.contract import Need
from queries.model.rule import RuleKind


def _unknown(item: ParsedRule, scene: Scene) -> Iterator[Hit]:
    if item.expression is None:
        return
    for picked in item.expression.selectors:
        known = [scene.vocabulary.get(name) is not None for name in picked.metrics]
        if not picked.metric and any(known):
            continue  # one of several names: that not every build has each of them is why they stand there
        for name in picked.metrics:
            if scene.vocabulary.get(name) is None:
                yield _hit(item, name, scene)


def _hit(item: ParsedRule, name: str, scene: Scene) -> Hit:
    near = scene.vocabulary.near(name)
    hint = f"; did you mean {near}?" if near else ""
    line = item.placed.line_of("expr", name)
    if not scene.vocabulary.complete:
        return Hit(line, f"neither the contract nor a recording rule knows {name}{hint}", Level.WARNING)
    promised = scene.contract.get(name)
    if promised is not None and promised.need is Need.OPTIONAL:
        return Hit(line, f"nobody exports {name} here; not every build or cluster has it", Level.WARNING)
    return Hit(line, f"nobody exports or records {name}{hint}")


def _shadows(item: ParsedRule, scene: Scene) -> Iterator[Hit]:
    name = item.rule.name
    if item.rule.kind is RuleKind.RECORD and name in scene.exported:
        yield Hit(item.placed.line_of("record"), f"{name} is exported by a scrape already")


METRIC_NOT_EXPORTED = Trap(
    "metric-not-exported",
    Level.ERROR,
    "A rule reads a metric that nobody exports",
    "An expression over series that do not exist is empty for ever: the rule looks healthy, and its alert can never fire.",
    "Correct the name, or remove the rule; with --live it is compared with what the server really has.",
    _unknown,
)
RECORD_SHADOWS_EXPORTED = Trap(
    "record-shadows-exported",
    Level.ERROR,
    "A recorded series has the name of an exported metric",
    "Both end up under one name: sums count twice, and which value a panel shows depends on labels that nobody looks at.",
    "Give the recorded series a name of its own, `level:metric:operation`.",
    _shadows,
)
