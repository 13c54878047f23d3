"""Whether the queries of a dashboard refer to metrics and labels that exist, and whether they return data."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import promql_parser as ast

from queries.errors import RequestRejected
from queries.grafana.dashboard_values import VariableValues
from queries.grafana.model import GrafanaQueries, GrafanaQuery
from queries.model.series import Sample
from queries.prometheus.client import Prometheus
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.promql.syntax import Expression, LabelMatcher, PromqlError, children, nodes, parse, selector, selectors

ERROR, WARNING = "error", "warning"
_AT_ONCE = 4
_PARTS = 40
"""How many questions about labels go into one request."""
_PARTS_OF_FAMILIES = ("_bucket", "_count", "_sum", "_total")
_PROMETHEUS_OWN = ("ALERTS", "ALERTS_FOR_STATE")
"""Series that Prometheus writes itself, and only while something is pending or fires."""
_ABSENT = ("absent", "absent_over_time")
_FILTERS = ("==", "!=", ">", "<", ">=", "<=", "unless")


@dataclass(frozen=True, slots=True)
class DashboardFinding:
    """One thing that is wrong: its name, how bad it is, where, what, and how to mend it."""

    rule: str
    severity: str
    dashboard: str
    place: str
    problem: str
    mend: str
    label: str = ""
    """The label that is not there."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What Prometheus knows: names that have series, families that were announced but may never have counted, and labels."""

    names: frozenset[str]
    families: frozenset[str]
    labels: frozenset[str] = frozenset()

    def never_counted(self, name: str) -> bool:
        """Whether somebody exports this metric although it has no series."""
        stems = {name, *(name.removesuffix(part) for part in _PARTS_OF_FAMILIES)}
        return bool(stems & self.families)

    def any_like(self, pattern: str) -> bool:
        """Whether a metric's name matches a regular expression."""
        matcher = LabelMatcher("__name__", "=~", pattern)
        return any(matcher.matches(name) for name in self.names)


async def lint(
    asked: Sequence[tuple[str, GrafanaQueries]], prometheus: Prometheus, exported: Exported
) -> tuple[DashboardFinding, ...]:
    """Every finding, in the order of the queries; the text before each dashboard names it. Raises SourceError."""
    labels = _Labels(prometheus, exported)
    values = VariableValues(prometheus, has_label=exported.labels.__contains__, has_metrics=exported.any_like)
    gate = asyncio.Semaphore(_AT_ONCE)
    boards = [_Board(name, board, await values.lacking(board)) for name, board in asked]
    await labels.learn(
        [(found, query.label) for board in boards for query, found in board.parsed if isinstance(found, Expression)]
    )

    async def one(name: str, query: GrafanaQuery, found: Expression | PromqlError | None) -> list[DashboardFinding]:
        async with gate:
            return await _check(name, query, found, labels=labels, exported=exported, prometheus=prometheus)

    told: list[DashboardFinding] = []
    for board in boards:
        found = await asyncio.gather(*(one(board.name, *item) for item in board.parsed))
        told += await board.blame_variables(found, prometheus)
    return (*told, *(_silent(name, board) for name, board in asked if not board.queries))


def _silent(name: str, board: GrafanaQueries) -> DashboardFinding:
    others = ", ".join(f"{count} of {kind}" for kind, count in board.others)
    mend = f"its other queries ({others}) are not checked" if others else "it may be left out"
    return DashboardFinding("no-queries", WARNING, name, "dashboard", "nothing in it asks Prometheus", mend)


class _Board:
    """One dashboard with its queries as they are asked: `lacking` variables have no value on this server."""

    def __init__(self, name: str, model: GrafanaQueries, lacking: dict[str, bool]) -> None:
        self.name = name
        self._model = model
        self._lacking = lacking
        self.queries = model.refill(lacking)
        self.parsed = tuple(
            (query, _parse(query, original)) for query, original in zip(self.queries, model.queries, strict=True)
        )

    async def blame_variables(self, found: Sequence[list[DashboardFinding]], prometheus: Prometheus) -> list[DashboardFinding]:
        """One finding for a variable without a value instead of one for each query that returns nothing because of it.

        Where all of them return data without it nothing is wrong, and then its label is no fault in a `by` either.
        """
        harmed: Counter[str] = Counter()
        for at, (query, told) in enumerate(zip(self.queries, found, strict=True)):
            last = next((name for name in reversed(self._lacking) if name in query.used), "")
            empty = [item for item in told if item.rule == "no-data"]
            # Only where its series are there may they have another reason than the query.
            if last and empty and (not self._lacking[last] or await self._returns(at, last, prometheus)):
                harmed[last] += 1
                told.remove(empty[0])
        used = {name for query in self.queries for name in query.used}
        nowhere = {query.label for query in self.queries if query.fills in self._lacking}
        kept: list[DashboardFinding] = []
        for query, told in zip(self.queries, found, strict=True):
            if query.fills in self._lacking:
                noticed = query.fills not in used and not self._model.variables[query.fills].hidden
                kept += self._of_variable(query, told, harmed=harmed[query.fills], noticed=noticed)
            else:
                kept += [item for item in told if item.rule != "unknown-label" or item.label not in nowhere]
        return kept

    def _of_variable(
        self, query: GrafanaQuery, told: list[DashboardFinding], *, harmed: int, noticed: bool
    ) -> list[DashboardFinding]:
        others = [item for item in told if item.rule not in ("unknown-label", "no-data")]
        if not harmed and not noticed:
            return others
        labels = [item for item in told if item.rule == "unknown-label" and self._lacking[query.fills]]
        if labels or others:
            return [*others, *labels]
        result = (
            "1 query returns nothing" if harmed == 1 else f"{harmed} queries return nothing" if harmed else "it stays empty"
        )
        problem = f"no series has a value for ${query.fills}: {result}"
        return [DashboardFinding("no-data", WARNING, self.name, query.place, problem, "look at its matchers")]

    async def _returns(self, at: int, name: str, prometheus: Prometheus) -> bool:
        """Whether a query returns data where this variable narrows nothing."""
        query = self._model.refill(self._lacking, loose=name)[at]
        try:
            return bool((await prometheus.query(query.expression)).samples)
        except RequestRejected:
            return False


def _parse(query: GrafanaQuery, original: GrafanaQuery) -> Expression | PromqlError | None:
    """None for what cannot be checked, and for what names no series.

    `original` has a value for every variable: `{job=~"$job"}` without one is no fault of the query.
    """
    if query.unknown or query.unset or not query.expression:
        return None
    for text in (query.expression, original.expression):
        try:
            parsed = parse(text)
        except PromqlError as error:
            fault = error
        else:
            return parsed if text == query.expression else None
    return fault


async def _check(
    name: str,
    query: GrafanaQuery,
    found: Expression | PromqlError | None,
    *,
    labels: _Labels,
    exported: Exported,
    prometheus: Prometheus,
) -> list[DashboardFinding]:
    """What is wrong with one query."""

    def finding(rule: str, severity: str, problem: str, mend: str, label: str = "") -> DashboardFinding:
        return DashboardFinding(rule, severity, name, query.place, problem, mend, label)

    if query.unknown:
        listed = ", ".join(f"${item}" for item in query.unknown)
        return [finding("unknown-variable", ERROR, f"the dashboard has no variable {listed}", "define it, or mend its name")]
    if isinstance(found, PromqlError):
        return [finding("not-promql", ERROR, str(found), "write valid PromQL")]
    if query.names and not exported.any_like(query.names):
        return [finding("unknown-metric", ERROR, f"no metric's name matches {query.names}", "mend the pattern")]
    if found is None:
        return []
    told: list[DashboardFinding] = []
    for metrics in dict.fromkeys(_missing(found.root, exported)):
        words = " or ".join(metrics)
        if any(exported.never_counted(item) for item in metrics):
            told.append(
                finding("never-counted", WARNING, f"{words} is exported, but has never been counted", "nothing, if that is so")
            )
        else:
            told.append(finding("unknown-metric", ERROR, f"nobody exports {words}", "mend the name, or install its rule"))
    told += [
        finding("unknown-label", ERROR, f"no series of {metric} has the label {name}", "mend the label's name", name)
        for metric, name in labels.missing(found, extra=query.label)
    ]
    if any(item.rule in ("unknown-metric", "never-counted") for item in told) or query.label:
        return told
    try:
        answer = await prometheus.query(query.expression)
        if not answer.samples and not told and not await _is_condition(found, prometheus):
            told.append(
                finding("no-data", WARNING, "metrics and labels exist, the query returns nothing now", "look at its matchers")
            )
    except RequestRejected as error:
        return [*told, finding("refused", ERROR, error.fault.sentence(), "write what this server can evaluate")]
    return told


def _missing(node: ast.Expr, exported: Exported) -> list[tuple[str, ...]]:
    """The names of every selector of which nobody exports one. Selectors that spell none out are not judged.

    What `or` offers is missing only where no side of it is there.
    """
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        names = selector(node).metrics
        there = not names or any(name in exported.names or name in _PROMETHEUS_OWN for name in names)
        return [] if there else [names]
    if isinstance(node, ast.Call) and node.func.name in _ABSENT:
        return []
    found = [_missing(child, exported) for child in children(node)]
    if isinstance(node, ast.BinaryExpr) and str(node.op) == "or":
        for side, lacking in zip((node.lhs, node.rhs), found, strict=True):
            if not lacking and any(item.metrics for item in selectors(side)):
                return []
        if all(found):
            return [tuple(dict.fromkeys(name for lacking in found for names in lacking for name in names))]
    return [names for lacking in found for names in lacking]


async def _is_condition(found: Expression, prometheus: Prometheus) -> bool:
    """Whether nothing is an answer: it asks for alerts, or it compares, and all that it compares is there."""
    if any(name in _PROMETHEUS_OWN for name in found.metrics):
        return True
    if not any(
        (isinstance(node, ast.BinaryExpr) and str(node.op) in _FILTERS and not (node.modifier and node.modifier.return_bool))
        or (isinstance(node, ast.Call) and node.func.name in _ABSENT)
        for node in nodes(found.root)
    ):
        return False
    for item in found.selectors:
        over = f"present_over_time({item.text}[{max(1, int(item.range_seconds))}s])" if item.range_seconds else item.text
        if not (await prometheus.query(f"count({over})")).samples:
            return False
    return True


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
        joined: QueryBatch[Sample] = QueryBatch(self._ask, clock=lambda: 0.0)
        for at in range(0, len(wanted), _PARTS):
            chunk = wanted[at : at + _PARTS]
            parts = [
                BatchQuery(str(number), f'count({{__name__="{metric}",{label}!=""}})')
                for number, (metric, label) in enumerate(chunk)
            ]
            told = await joined.fetch(parts)
            for number, pair in enumerate(chunk):
                self._known[pair] = bool(told.items[str(number)])

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
