"""Everything that a lint looks at together: the rules, and what is known of metrics, runbooks and thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from console.runbooks import RunbookIndex
from queries.contract import Contract, load_contract
from queries.label_flow import with_recorded
from queries.model.panel import PanelSpec
from queries.model.rule import Rule, RuleKind
from queries.promql import Expression, PromqlError, parse
from queries.rule_files import PlacedRule
from queries.vocabulary import Vocabulary

_ALLOWED = re.compile(r"#\s*lint:\s*allow\s+([a-z-]+(?:\s*,\s*[a-z-]+)*)\s*:\s*\S")


@dataclass(frozen=True, slots=True)
class ParsedRule:
    """A rule with its expression taken apart; `expression` is None where that failed, `trouble` says why."""

    placed: PlacedRule
    expression: Expression | None
    trouble: PromqlError | None = None

    @property
    def rule(self) -> Rule:
        return self.placed.rule

    @property
    def allowed(self) -> frozenset[str]:
        """The traps that a comment in the rule steps into on purpose: `# lint: allow missing-for: the reason`."""
        last = max((line for _, line in self.placed.lines), default=self.placed.line) - self.placed.line + 1
        inside = [text for number, text in enumerate(self.placed.source) if number < last or text.strip()[:1] not in ("#", "")]
        found = (match[1] for text in inside for match in _ALLOWED.finditer(text))
        return frozenset(name.strip() for names in found for name in names.split(","))


@dataclass(frozen=True, slots=True)
class Scene:
    """`rules` are the ones under lint; `known_rules` these and all others that define what is recorded.

    `panels` carry the thresholds of this environment.
    """

    rules: tuple[ParsedRule, ...]
    known_rules: tuple[ParsedRule, ...]
    vocabulary: Vocabulary
    runbooks: RunbookIndex
    panels: tuple[PanelSpec, ...]
    contract: Contract
    exported: frozenset[str]
    """Names that a scrape brings."""

    def recorded(self, name: str) -> tuple[ParsedRule, ...]:
        """The recording rules that write a series: those under lint, or where none of them does, any other."""
        for rules in (self.rules, self.known_rules):
            found = tuple(item for item in rules if item.rule.kind is RuleKind.RECORD and item.rule.name == name)
            if found:
                return found
        return ()


def parsed(rules: Iterable[PlacedRule]) -> tuple[ParsedRule, ...]:
    """Every rule with its expression, or with what is wrong with it."""
    found = []
    for placed in rules:
        try:
            found.append(ParsedRule(placed, parse(placed.rule.expression)))
        except PromqlError as error:
            found.append(ParsedRule(placed, None, error))
    return tuple(found)


def scene(
    rules: Sequence[PlacedRule],
    *,
    others: Sequence[PlacedRule],
    vocabulary: Vocabulary,
    runbooks: RunbookIndex,
    panels: Sequence[PanelSpec],
) -> Scene:
    """`vocabulary` is of what is exported; the series that `rules` and `others` record are added to it."""
    under_lint, more = parsed(rules), parsed(others)
    records = [item.rule for item in (*more, *under_lint)]
    return Scene(
        rules=under_lint,
        known_rules=(*under_lint, *more),
        vocabulary=with_recorded(vocabulary, records),
        runbooks=runbooks,
        panels=tuple(panels),
        contract=load_contract(),
        exported=frozenset(name for name, word in vocabulary.words.items() if not word.recorded),
    )
