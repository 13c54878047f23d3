"""Everything that a lint looks at together: the rules, and what is known of metrics, runbooks and thresholds."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from queries.catalogue.contract import Contract, load_contract
from queries.catalogue.exported import PARTS, load_exported
from queries.model.rule import Rule, RuleKind
from queries.promql.label_inference import InferredLabels, flow, follow_records
from queries.promql.metric_catalog import MetricCatalog, Spelling
from queries.promql.rule_files import PlacedRule
from queries.promql.syntax import Expression, PromqlError, parse

if TYPE_CHECKING:
    from console.runbooks.index import RunbookIndex
    from queries.model.panel import PanelSpec

_ALLOWED = re.compile(r"#\s*lint:\s*allow\s+([a-z-]+(?:\s*,\s*[a-z-]+)*)\s*:\s*\S")


SCRAPE_SECONDS = 15.0
"""What the platform's own Prometheus is configured with."""
_MOST_ALIKE = 50
"""How many rules with the same key are compared with each other: one that repeats the first is found by that."""


@dataclass(frozen=True, slots=True)
class ParsedRule:
    """A rule with its expression taken apart; `expression` is None where that failed, `trouble` says why."""

    placed: PlacedRule
    expression: Expression | None
    trouble: PromqlError | None = None
    meant: frozenset[str] = frozenset()
    """Traps that the same rule steps into on purpose where it comes from: comments do not reach a server."""

    @property
    def rule(self) -> Rule:
        return self.placed.rule

    @property
    def normal_form(self) -> str:
        """The expression as text, whatever its spaces and line breaks."""
        return self.rule.expression if self.expression is None else self.expression.root.prettify()

    @property
    def allowed(self) -> frozenset[str]:
        """The traps that a comment in the rule steps into on purpose: `# lint: allow missing-for: the reason`."""
        if not any("lint:" in text for text in self.placed.source):
            return self.meant
        last = max((line for _, line in self.placed.lines), default=self.placed.line) - self.placed.line + 1
        inside = [text for number, text in enumerate(self.placed.source) if number < last or text.strip()[:1] not in ("#", "")]
        found = (match[1] for text in inside for match in _ALLOWED.finditer(text))
        return self.meant | {name.strip() for names in found for name in names.split(",")}


@dataclass(frozen=True, slots=True)
class LintContext:
    """`rules` are the ones under lint; `known_rules` these and all others that define what is recorded.

    `panels` carry the thresholds of this environment.
    """

    rules: tuple[ParsedRule, ...]
    known_rules: tuple[ParsedRule, ...]
    vocabulary: MetricCatalog
    contract: Contract
    exported: frozenset[str]
    """Names that a scrape brings."""
    strict: bool
    """Whether what is not known is wrong: on the console's own pages, where only a server could tell otherwise."""
    scrape_seconds: float
    """The shortest time between two scrapes of one target."""
    known_exports: frozenset[str]
    """Names that the platform is known to export, whatever the server has."""
    spelling: Spelling
    _records: Mapping[str, tuple[ParsedRule, ...]]
    _runbooks: Callable[[], RunbookIndex]
    _panels: Callable[[], tuple[PanelSpec, ...]]
    percent: dict[str, bool] = field(default_factory=dict)
    """Whether a series is a percentage of 0 to 100, as far as somebody asked."""
    _flows: dict[int, InferredLabels] = field(default_factory=dict)
    _alike: dict[object, dict[Hashable, dict[int, ParsedRule]]] = field(default_factory=dict)

    @property
    def runbooks(self) -> RunbookIndex:
        """Read when an alert asks for the first time: recording rules have none."""
        return self._runbooks()

    @property
    def panels(self) -> tuple[PanelSpec, ...]:
        return self._panels()

    def recorded(self, name: str) -> tuple[ParsedRule, ...]:
        """The recording rules that write a series: those under lint, or where none of them does, any other."""
        return self._records.get(name, ())

    def flow(self, item: ParsedRule) -> InferredLabels | None:
        """What is known of the labels of a rule's expression; None where that is no PromQL."""
        if item.expression is None:
            return None
        found = self._flows.get(id(item.expression))
        if found is None:
            found = self._flows[id(item.expression)] = flow(item.expression, self.vocabulary)
        return found

    def before(self, item: ParsedRule, key: Callable[[ParsedRule], Hashable]) -> Sequence[ParsedRule]:
        """The first of the rules under lint that stand before this one and have the same key."""
        index = self._alike.get(key)
        if index is None:
            index = self._alike[key] = {}
            for other in self.rules:
                index.setdefault(key(other), {})[id(other)] = other
        alike = list(itertools.islice(index[key(item)].values(), _MOST_ALIKE))
        return list(itertools.takewhile(lambda other: other is not item, alike))


def parsed(rules: Iterable[PlacedRule], *, sources: Iterable[PlacedRule] = ()) -> tuple[ParsedRule, ...]:
    """Every rule with its expression, or with what is wrong with it. `sources` are the files that a server's rules may come
    from: what their comments allow is allowed to the rules of the same names."""
    allowed: dict[tuple[RuleKind, str], frozenset[str]] = {}
    for item in sources:
        key = (item.rule.kind, item.rule.name)
        allowed[key] = allowed.get(key, frozenset()) | ParsedRule(item, None).allowed
    found = []
    for placed in rules:
        meant = allowed.get((placed.rule.kind, placed.rule.name), frozenset())
        try:
            found.append(ParsedRule(placed, parse(placed.rule.expression), meant=meant))
        except PromqlError as error:
            found.append(ParsedRule(placed, None, error, meant))
    return tuple(found)


def scene(
    rules: Sequence[PlacedRule],
    *,
    others: Callable[[frozenset[str]], Sequence[PlacedRule]],
    vocabulary: MetricCatalog,
    runbooks: Callable[[], RunbookIndex],
    panels: Callable[[], Sequence[PanelSpec]],
    names: Collection[str] = (),
    strict: bool = False,
    sources: Sequence[PlacedRule] = (),
    scrape_seconds: float = SCRAPE_SECONDS,
) -> LintContext:
    """`vocabulary` is of what is exported; the series that `rules` and `others` record are added to it.

    `others` gives the rules beside those under lint for the names that these read, and `names` are names that are known
    besides. `runbooks` and `panels` are read when they are needed.
    """
    under_lint = parsed(rules, sources=sources)
    more = parsed(others(frozenset(name for item in under_lint if item.expression for name in item.expression.metrics)))
    every = [(item.rule, item.expression) for item in (*more, *under_lint) if item.expression is not None]
    vocabulary_of_all, flows = follow_records(vocabulary, [one for one in every if one[0].kind is RuleKind.RECORD])
    return LintContext(
        rules=under_lint,
        known_rules=(*under_lint, *more),
        vocabulary=vocabulary_of_all,
        contract=load_contract(),
        exported=frozenset(name for name, word in vocabulary.words.items() if not word.recorded),
        known_exports=frozenset(name + part for name, item in load_exported().items() for part in PARTS.get(item.type, ("",))),
        strict=strict,
        scrape_seconds=scrape_seconds,
        spelling=Spelling({**vocabulary_of_all.words, **dict.fromkeys(names)}),
        _records={**_by_name(more), **_by_name(under_lint)},
        _flows=flows,
        _runbooks=functools.cache(runbooks),
        _panels=functools.cache(lambda: tuple(panels())),
    )


def _by_name(rules: Iterable[ParsedRule]) -> dict[str, tuple[ParsedRule, ...]]:
    found: dict[str, list[ParsedRule]] = {}
    for item in rules:
        if item.rule.kind is RuleKind.RECORD:
            found.setdefault(item.rule.name, []).append(item)
    return {name: tuple(items) for name, items in found.items()}
