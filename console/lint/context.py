"""The input of a lint run: the rules, and the known metrics, runbooks and thresholds."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from queries.catalogue.contract import Contract, load_contract
from queries.catalogue.exported import PARTS, load_exported
from queries.model.rule import Rule, RuleKind
from queries.promql.label_inference import InferredLabels, infer_labels, infer_records
from queries.promql.metric_catalog import MetricCatalog, Spelling
from queries.promql.rule_files import PlacedRule
from queries.promql.syntax import Expression, LabelMatcher, PromqlError, parse_promql

if TYPE_CHECKING:
    from console.runbooks.index import RunbookIndex
    from queries.model.panel import PanelSpec

_ALLOWED = re.compile(r"#\s*lint:\s*allow\s+([a-z-]+(?:\s*,\s*[a-z-]+)*)\s*:\s*\S")


SCRAPE_SECONDS = 15.0
"""The scrape interval of the platform's own Prometheus."""
_MAX_COMPARED = 50
"""How many rules with the same key are compared; that finds every repetition of the first."""


class ParsedRule(msgspec.Struct, frozen=True):
    """A rule with its parsed expression; `expression` is None where parsing failed with `error`."""

    placed: PlacedRule
    expression: Expression | None
    error: PromqlError | None = None
    suppressed: frozenset[str] = frozenset()
    """Lint rules suppressed in the source file of a server's rule, since comments do not reach a server."""

    @property
    def rule(self) -> Rule:
        return self.placed.rule

    @property
    def normal_form(self) -> str:
        """The expression with normalized whitespace."""
        return self.rule.expression if self.expression is None else self.expression.root.prettify()

    @property
    def allowed(self) -> frozenset[str]:
        """The lint rules that a comment in the rule suppresses: `# lint: allow missing-for: the reason`."""
        for text in self.placed.source:
            if "lint:" in text:
                break
        else:
            return self.suppressed
        last = self.placed.last_line - self.placed.line + 1
        inside = [text for number, text in enumerate(self.placed.source) if number < last or text.strip()[:1] not in ("#", "")]
        lists = (match[1] for text in inside for match in _ALLOWED.finditer(text))
        return self.suppressed | {name.strip() for names in lists for name in names.split(",")}


class LintContext(msgspec.Struct, frozen=True):
    """`rules` are under lint; `known_rules` are these and all others that record series. `panels` carry the thresholds of this
    environment.
    """

    rules: tuple[ParsedRule, ...]
    known_rules: tuple[ParsedRule, ...]
    catalog: MetricCatalog
    contract: Contract
    exported: frozenset[str]
    """Names of scraped series."""
    strict: bool
    """Whether an unknown metric is an error, as in the console's own runbooks."""
    scrape_seconds: float
    """The shortest time between two scrapes of one target."""
    known_exports: frozenset[str]
    """Names that the platform exports, whatever the server has."""
    spelling: Spelling
    _records: Mapping[str, tuple[ParsedRule, ...]]
    _runbooks: Callable[[], RunbookIndex]
    _panels: Callable[[], tuple[PanelSpec, ...]]
    percent: dict[str, bool] = {}
    """Whether a series is a percentage of 0 to 100; a cache."""
    refusals: Mapping[str, str] = {}
    """The server's errors for expressions that our parser rejects; empty for those that it evaluates."""
    unmatched: dict[tuple[tuple[str, ...], LabelMatcher], str | None] = {}
    """A cache: the known values if a matcher of these metrics matches none of them, None if it matches one or might."""
    _flows: dict[int, InferredLabels] = {}
    _alike: dict[object, dict[Hashable, list[ParsedRule]]] = {}

    @property
    def runbooks(self) -> RunbookIndex:
        """Loaded at first use, since recording rules have none."""
        return self._runbooks()

    @property
    def panels(self) -> tuple[PanelSpec, ...]:
        return self._panels()

    def recorded(self, name: str) -> tuple[ParsedRule, ...]:
        """The rules that record a series: those under lint, else any other."""
        return self._records.get(name, ())

    def flow(self, item: ParsedRule) -> InferredLabels | None:
        """The inferred labels of a rule's expression; None for invalid PromQL."""
        if item.expression is None:
            return None
        labels = self._flows.get(id(item.expression))
        if labels is None:
            labels = self._flows[id(item.expression)] = infer_labels(item.expression, self.catalog)
        return labels

    def before(self, item: ParsedRule, key: Callable[[ParsedRule], Hashable]) -> Sequence[ParsedRule]:
        """The first rules under lint before this one with the same key."""
        index = self._alike.get(key)
        if index is None:
            index = self._alike[key] = {}
            for other in self.rules:
                index.setdefault(key(other), []).append(other)
        alike = index[key(item)]
        if alike[0] is item:
            return ()
        return list(itertools.takewhile(lambda other: other is not item, alike[:_MAX_COMPARED]))


def parse_rules(rules: Iterable[PlacedRule], *, sources: Iterable[PlacedRule] = ()) -> tuple[ParsedRule, ...]:
    """Every rule with its expression or error. `sources` are the rules of the files that a server may have loaded: their
    suppressions apply to rules of the same names.
    """
    allowed: dict[tuple[RuleKind, str], frozenset[str]] = {}
    for item in sources:
        key = (item.rule.kind, item.rule.name)
        allowed[key] = allowed.get(key, frozenset()) | ParsedRule(item, None).allowed
    parsed = []
    for placed in rules:
        suppressed = allowed.get((placed.rule.kind, placed.rule.name), frozenset())
        try:
            parsed.append(ParsedRule(placed, parse_promql(placed.rule.expression), suppressed=suppressed))
        except PromqlError as error:
            parsed.append(ParsedRule(placed, None, error, suppressed))
    return tuple(parsed)


def build_context(
    rules: Sequence[PlacedRule],
    *,
    others: Callable[[frozenset[str]], Sequence[PlacedRule]],
    catalog: MetricCatalog,
    runbooks: Callable[[], RunbookIndex],
    panels: Callable[[], Sequence[PanelSpec]],
    names: Collection[str] = (),
    strict: bool = False,
    sources: Sequence[PlacedRule] = (),
    scrape_seconds: float = SCRAPE_SECONDS,
    refusals: Mapping[str, str] = MappingProxyType({}),
) -> LintContext:
    """`catalog` has the exported metrics; the context adds the series that `rules` and `others` record.

    `others` returns further rules for the metric names that those under lint read; `names` are additional known names.
    `runbooks` and `panels` are loaded at first use. `refusals` are the server's errors for expressions that our parser
        rejects, empty for those that it evaluates.
    """
    under_lint = parse_rules(rules, sources=sources)
    more = parse_rules(others(frozenset(name for item in under_lint if item.expression for name in item.expression.metrics)))
    every = [(item.rule, item.expression) for item in (*more, *under_lint) if item.expression is not None]
    full_catalog, flows = infer_records(catalog, [each for each in every if each[0].kind is RuleKind.RECORD])
    return LintContext(
        rules=under_lint,
        known_rules=(*under_lint, *more),
        catalog=full_catalog,
        contract=load_contract(),
        exported=frozenset(name for name, info in catalog.metrics.items() if not info.recorded),
        known_exports=frozenset(name + part for name, item in load_exported().items() for part in PARTS.get(item.type, ("",))),
        strict=strict,
        scrape_seconds=scrape_seconds,
        refusals=refusals,
        spelling=Spelling({**full_catalog.metrics, **dict.fromkeys(names)}),
        _records={**_by_name(more), **_by_name(under_lint)},
        _flows=flows,
        _runbooks=functools.cache(runbooks),
        _panels=functools.cache(lambda: tuple(panels())),
    )


def _by_name(rules: Iterable[ParsedRule]) -> dict[str, tuple[ParsedRule, ...]]:
    by_name: dict[str, list[ParsedRule]] = {}
    for item in rules:
        if item.rule.kind is RuleKind.RECORD:
            by_name.setdefault(item.rule.name, []).append(item)
    return {name: tuple(items) for name, items in by_name.items()}
