"""Whether the queries of a dashboard refer to metrics and labels that exist, and whether they return data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import promql_parser as ast

from queries.errors import Rejected
from queries.grafana_model import GrafanaQueries, GrafanaQuery
from queries.joined import Joined, Part
from queries.model.series import Sample
from queries.prometheus import Prometheus
from queries.promql import Expression, PromqlError, nodes, parse, selector

ERROR, WARNING = "error", "warning"
_AT_ONCE = 4
_PARTS = 40
"""How many questions about labels go into one request."""
_PARTS_OF_FAMILIES = ("_bucket", "_count", "_sum", "_total")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its name, how bad it is, where, what, and how to mend it."""

    rule: str
    severity: str
    dashboard: str
    place: str
    problem: str
    mend: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What Prometheus knows: names that have series, and families that were announced but may never have counted."""

    names: frozenset[str]
    families: frozenset[str]

    def never_counted(self, name: str) -> bool:
        """Whether somebody exports this metric although it has no series."""
        stems = {name, *(name.removesuffix(part) for part in _PARTS_OF_FAMILIES)}
        return bool(stems & self.families)


async def lint(asked: Sequence[tuple[str, GrafanaQueries]], prometheus: Prometheus, exported: Exported) -> tuple[Finding, ...]:
    """Every finding, in the order of the queries; the text before each dashboard names it. Raises SourceError."""
    labels = _Labels(prometheus, exported)
    gate = asyncio.Semaphore(_AT_ONCE)
    parsed = [(name, query, _parsed(query)) for name, board in asked for query in board.queries]
    await labels.learn([(found, query.label) for _, query, found in parsed if isinstance(found, Expression)])

    async def one(name: str, query: GrafanaQuery, found: Expression | PromqlError | None) -> list[Finding]:
        async with gate:
            return await _judged(name, query, found, labels=labels, exported=exported, prometheus=prometheus)

    results = await asyncio.gather(*(one(*item) for item in parsed))
    empty = [
        Finding(
            "no-queries", WARNING, name, "dashboard", "nothing in it asks Prometheus",
            f"its other queries ({_others(board)}) are not checked" if board.others else "it may be left out",
        )
        for name, board in asked
        if not board.queries
    ]  # fmt: skip
    return (*(finding for found in results for finding in found), *empty)


def _others(board: GrafanaQueries) -> str:
    return ", ".join(f"{count} of {kind}" for kind, count in board.others)


def _parsed(query: GrafanaQuery) -> Expression | PromqlError | None:
    """None for `label_values(label)`, which names no series."""
    if query.unknown or (query.label and not query.expression):
        return None
    try:
        return parse(query.expression)
    except PromqlError as error:
        return error


async def _judged(
    name: str,
    query: GrafanaQuery,
    found: Expression | PromqlError | None,
    *,
    labels: _Labels,
    exported: Exported,
    prometheus: Prometheus,
) -> list[Finding]:
    def finding(rule: str, severity: str, problem: str, mend: str) -> Finding:
        return Finding(rule, severity, name, query.place, problem, mend)

    if query.unknown:
        listed = ", ".join(f"${item}" for item in query.unknown)
        return [finding("unknown-variable", ERROR, f"the dashboard has no variable {listed}", "define it, or mend its name")]
    if isinstance(found, PromqlError):
        return [finding("not-promql", ERROR, str(found), "write valid PromQL")]
    if found is None:
        return []
    told: list[Finding] = []
    for metrics in _wanted(found):
        if any(item in exported.names for item in metrics):
            continue
        words = " or ".join(metrics)
        if any(exported.never_counted(item) for item in metrics):
            told.append(
                finding("never-counted", WARNING, f"{words} is exported, but has never been counted", "nothing, if that is so")
            )
        else:
            told.append(finding("unknown-metric", ERROR, f"nobody exports {words}", "mend the name, or install its rule"))
    told += [
        finding("unknown-label", ERROR, f"no series of {metric} has the label {label}", "mend the label's name")
        for metric, label in labels.missing(found, extra=query.label)
    ]
    if any(item.rule in ("unknown-metric", "never-counted") for item in told) or query.label:
        return told
    try:
        answer = await prometheus.query(query.expression)
    except Rejected as error:
        return [*told, finding("refused", ERROR, error.fault.sentence(), "write what this server can evaluate")]
    if not answer.samples and not told:
        told.append(
            finding("no-data", WARNING, "metrics and labels exist, the query returns nothing now", "look at its matchers")
        )
    return told


def _wanted(found: Expression) -> Iterable[tuple[str, ...]]:
    """The names of every selector: one of each has to exist. Selectors that spell none out are not judged."""
    return dict.fromkeys(item.metrics for item in found.selectors if item.metrics)


class _Labels:
    """Which metrics have which labels, asked together."""

    def __init__(self, prometheus: Prometheus, exported: Exported) -> None:
        self._prometheus = prometheus
        self._exported = exported
        self._known: dict[tuple[str, str], bool] = {}

    async def learn(self, expressions: Iterable[tuple[Expression, str]]) -> None:
        uses = (pairs for found, extra in expressions for pairs in _label_uses(found, self._exported, extra))
        pairs = {pair for use in uses for pair in use}
        wanted = sorted(pairs - set(self._known))
        joined: Joined[Sample] = Joined(self._ask, clock=lambda: 0.0)
        for at in range(0, len(wanted), _PARTS):
            chunk = wanted[at : at + _PARTS]
            parts = [
                Part(str(number), f'count({{__name__="{metric}",{label}!=""}})') for number, (metric, label) in enumerate(chunk)
            ]
            told = await joined.ask(parts)
            for number, pair in enumerate(chunk):
                self._known[pair] = bool(told.found[str(number)])

    def missing(self, found: Expression, *, extra: str) -> tuple[tuple[str, str], ...]:
        """The uses of a label that none of the metrics concerned has: the first metric and the label."""
        uses = list(_label_uses(found, self._exported, extra))
        bad = [pairs[0] for pairs in uses if pairs and not any(self._known.get(pair, True) for pair in pairs)]
        return tuple(dict.fromkeys(bad))

    async def _ask(self, text: str) -> tuple[Sequence[Sample], Sequence[str]]:
        answer = await self._prometheus.query(text)
        return answer.samples, answer.warnings


def _label_uses(found: Expression, exported: Exported, extra: str) -> Iterable[tuple[tuple[str, str], ...]]:
    """Each use of a label as the (metric, label) pairs of which one has to be; only of metrics that have series.

    `extra` is a label that is asked for beside the expression.
    """
    for item in found.selectors:
        names = [name for name in item.metrics if name in exported.names]
        if names and extra:
            yield tuple((name, extra) for name in names)
        for matcher in item.labels:
            if names and matcher.positive:
                yield tuple((name, matcher.name) for name in names)
    for node in nodes(found.root):
        if not isinstance(node, ast.AggregateExpr) or node.modifier is None or node.modifier.type != ast.AggModifierType.By:
            continue
        inner = list(nodes(node.expr))
        made = {label for part in inner if (label := _made_label(part))}
        names = [
            name
            for part in inner
            if isinstance(part, ast.VectorSelector | ast.MatrixSelector)
            for name in selector(part).metrics
            if name in exported.names
        ]
        for label in node.modifier.labels:
            if names and label not in made:
                yield tuple((name, label) for name in dict.fromkeys(names))


def _made_label(node: ast.Expr) -> str:
    """The label that `label_replace`, `label_join` or `count_values` makes; empty for anything else."""
    if isinstance(node, ast.Call) and node.func.name in ("label_replace", "label_join"):
        target = node.args[1]
        return target.val if isinstance(target, ast.StringLiteral) else ""
    if isinstance(node, ast.AggregateExpr) and str(node.op) == "count_values" and isinstance(node.param, ast.StringLiteral):
        return node.param.val
    return ""
