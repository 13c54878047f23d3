"""Checks that a dashboard's queries use existing metrics and labels, and that they return data."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

import promql_parser as ast

from queries.errors import RequestRejected
from queries.grafana.dashboard_values import VariableValues
from queries.grafana.model import GrafanaQueries, GrafanaQuery
from queries.model.annotations import Annotations
from queries.model.frozen import dataclass
from queries.model.series import Sample
from queries.prometheus.client import Prometheus
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.promql.syntax import Expression, LabelMatcher, PromqlError, children, nodes, parse_promql, selector, selectors

ERROR, WARNING = "error", "warning"
_CONCURRENT = 4
_PARTS = 40
"""How many label queries one request holds."""
_PARTS_OF_FAMILIES = ("_bucket", "_count", "_sum", "_total")
_PROMETHEUS_OWN = ("ALERTS", "ALERTS_FOR_STATE")
"""Series that Prometheus writes itself while an alert is pending or firing."""
_ABSENT = ("absent", "absent_over_time")
_FILTERS = ("==", "!=", ">", "<", ">=", "<=", "unless")


@dataclass(frozen=True, slots=True)
class DashboardFinding:
    """One finding: rule, severity, place, problem and fix."""

    rule: str
    severity: str
    dashboard: str
    place: str
    problem: str
    fix: str
    label: str = ""
    """The missing label."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What Prometheus has: names with series, announced families that may have none yet, and labels."""

    names: frozenset[str]
    families: frozenset[str]
    labels: frozenset[str] = frozenset()

    def never_counted(self, name: str) -> bool:
        """Whether a target announces this metric although it has no series."""
        stems = {name, *(name.removesuffix(part) for part in _PARTS_OF_FAMILIES)}
        return bool(stems & self.families)

    def any_like(self, pattern: str) -> bool:
        """Whether any metric name matches a regular expression."""
        matcher = LabelMatcher("__name__", "=~", pattern)
        return any(matcher.matches(name) for name in self.names)


async def lint_dashboards(
    dashboards: Sequence[tuple[str, GrafanaQueries]], prometheus: Prometheus, exported: Exported
) -> tuple[DashboardFinding, ...]:
    """Every finding, in the order of the queries; `dashboards` are names and queries. Raises SourceError."""
    labels = _Labels(prometheus, exported)
    values = VariableValues(prometheus, has_label=exported.labels.__contains__, has_metrics=exported.any_like)
    gate = asyncio.Semaphore(_CONCURRENT)
    boards = [_Board(name, board, await values.find_empty(board)) for name, board in dashboards]
    await labels.learn(
        [(found, query.label) for board in boards for query, found in board.parsed if isinstance(found, Expression)]
    )

    async def one(name: str, query: GrafanaQuery, found: Expression | PromqlError | None) -> list[DashboardFinding]:
        async with gate:
            return await _check(name, query, found, labels=labels, exported=exported, prometheus=prometheus)

    findings: list[DashboardFinding] = []
    for board in boards:
        found = await asyncio.gather(*(one(board.name, *item) for item in board.parsed))
        findings += await board.blame_variables(found, prometheus)
    return (*findings, *(_without_queries(name, board) for name, board in dashboards if not board.queries))


def _without_queries(name: str, board: GrafanaQueries) -> DashboardFinding:
    others = ", ".join(f"{count} of {kind}" for kind, count in board.others)
    fix = f"its other queries ({others}) are not checked" if others else "it can be skipped"
    return DashboardFinding("no-queries", WARNING, name, "dashboard", "nothing in it queries Prometheus", fix)


class _Board:
    """One dashboard with its filled queries; `empty` variables have no value on this server."""

    def __init__(self, name: str, model: GrafanaQueries, empty: dict[str, bool]) -> None:
        self.name = name
        self._model = model
        self._empty = empty
        self.queries = model.refill(empty)
        self.parsed = tuple(
            (query, _parse(query, original)) for query, original in zip(self.queries, model.queries, strict=True)
        )

    async def blame_variables(self, found: Sequence[list[DashboardFinding]], prometheus: Prometheus) -> list[DashboardFinding]:
        """Replace the findings of queries that are empty because of a variable without a value by one for the variable.

        If all of them return data without it, nothing is wrong, and its label in a `by` is no finding either.
        """
        affected: Counter[str] = Counter()
        for at, (query, findings) in enumerate(zip(self.queries, found, strict=True)):
            last = next((name for name in reversed(self._empty) if name in query.used), "")
            no_data = [item for item in findings if item.rule == "no-data"]
            # If the variable's series exist, the query may be empty for another reason.
            if last and no_data and (not self._empty[last] or await self._returns(at, last, prometheus)):
                affected[last] += 1
                findings.remove(no_data[0])
        used = {name for query in self.queries for name in query.used}
        nowhere = {query.label for query in self.queries if query.fills in self._empty}
        kept: list[DashboardFinding] = []
        for query, findings in zip(self.queries, found, strict=True):
            if query.fills in self._empty:
                noticed = query.fills not in used and not self._model.variables[query.fills].hidden
                kept += self._of_variable(query, findings, affected=affected[query.fills], noticed=noticed)
            else:
                kept += [item for item in findings if item.rule != "unknown-label" or item.label not in nowhere]
        return kept

    def _of_variable(
        self, query: GrafanaQuery, findings: list[DashboardFinding], *, affected: int, noticed: bool
    ) -> list[DashboardFinding]:
        others = [item for item in findings if item.rule not in ("unknown-label", "no-data")]
        if not affected and not noticed:
            return others
        labels = [item for item in findings if item.rule == "unknown-label" and self._empty[query.fills]]
        if labels or others:
            return [*others, *labels]
        result = (
            "1 query returns nothing"
            if affected == 1
            else f"{affected} queries return nothing"
            if affected
            else "it stays empty"
        )
        problem = f"no series has a value for ${query.fills}: {result}"
        return [DashboardFinding("no-data", WARNING, self.name, query.place, problem, "check its matchers")]

    async def _returns(self, at: int, name: str, prometheus: Prometheus) -> bool:
        """Whether a query returns data if this variable matches everything."""
        query = self._model.refill(self._empty, loose=name)[at]
        try:
            return bool((await prometheus.query(query.expression)).samples)
        except RequestRejected:
            return False


def _parse(query: GrafanaQuery, original: GrafanaQuery) -> Expression | PromqlError | None:
    """None if the query cannot be checked or names no series.

    `original` has a value for every variable, because `{job=~"$job"}` without one is not the query's error.
    """
    if query.unknown or query.unset or not query.expression:
        return None
    for text in (query.expression, original.expression):
        try:
            parsed = parse_promql(text)
        except PromqlError as error:
            problem = error
        else:
            return parsed if text == query.expression else None
    return problem


async def _check(
    name: str,
    query: GrafanaQuery,
    found: Expression | PromqlError | None,
    *,
    labels: _Labels,
    exported: Exported,
    prometheus: Prometheus,
) -> list[DashboardFinding]:
    """The findings of one query."""

    def finding(rule: str, severity: str, problem: str, fix: str, label: str = "") -> DashboardFinding:
        return DashboardFinding(rule, severity, name, query.place, problem, fix, label)

    if query.unknown:
        listed = ", ".join(f"${item}" for item in query.unknown)
        return [finding("unknown-variable", ERROR, f"the dashboard has no variable {listed}", "define it, or correct its name")]
    if isinstance(found, PromqlError):
        return [finding("not-promql", ERROR, str(found), "write valid PromQL")]
    if query.names and not exported.any_like(query.names):
        return [finding("unknown-metric", ERROR, f"no metric's name matches {query.names}", "correct the pattern")]
    if found is None:
        return []
    findings: list[DashboardFinding] = []
    for metrics in dict.fromkeys(_missing(found.root, exported)):
        words = " or ".join(metrics)
        if any(exported.never_counted(item) for item in metrics):
            findings.append(
                finding("never-counted", WARNING, f"{words} is exported, but has never been counted", "nothing, if that is so")
            )
        else:
            findings.append(
                finding("unknown-metric", ERROR, f"no target exports {words}", "correct the name, or install its rule")
            )
    findings += [
        finding("unknown-label", ERROR, f"no series of {metric} has the label {name}", "correct the label's name", name)
        for metric, name in labels.missing(found, extra=query.label)
    ]
    if any(item.rule in ("unknown-metric", "never-counted") for item in findings) or query.label:
        return findings
    try:
        answer = await prometheus.query(query.expression)
        if not answer.samples and not findings and not await _is_condition(found, prometheus):
            findings.append(
                finding("no-data", WARNING, "metrics and labels exist, the query returns nothing now", "check its matchers")
            )
    except RequestRejected as error:
        return [*findings, finding("refused", ERROR, error.fault.sentence(), "write what this server can evaluate")]
    return findings


def _missing(node: ast.Expr, exported: Exported) -> list[tuple[str, ...]]:
    """The names of every selector without an existing metric; selectors without a spelled-out name are skipped.

    The sides of `or` are missing only if both are.
    """
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        names = selector(node).metrics
        present = not names or any(name in exported.names or name in _PROMETHEUS_OWN for name in names)
        return [] if present else [names]
    if isinstance(node, ast.Call) and node.func.name in _ABSENT:
        return []
    found = [_missing(child, exported) for child in children(node)]
    if isinstance(node, ast.BinaryExpr) and str(node.op) == "or":
        for side, missing in zip((node.lhs, node.rhs), found, strict=True):
            if not missing and any(item.metrics for item in selectors(side)):
                return []
        if all(found):
            return [tuple(dict.fromkeys(name for missing in found for names in missing for name in names))]
    return [names for missing in found for names in missing]


async def _is_condition(found: Expression, prometheus: Prometheus) -> bool:
    """Whether an empty result is valid: it queries alerts, or it compares series that exist."""
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
    """The labels of metrics, fetched in batches."""

    def __init__(self, prometheus: Prometheus, exported: Exported) -> None:
        self._prometheus = prometheus
        self._exported = exported
        self._known: dict[tuple[str, str], bool] = {}

    async def learn(self, expressions: Iterable[tuple[Expression, str]]) -> None:
        uses = (pairs for found, extra in expressions for pairs in _label_uses(found, self._exported, extra))
        pairs = {pair for use in uses for pair in use}
        unknown = sorted(pairs - set(self._known))
        batch: QueryBatch[Sample] = QueryBatch(self._fetch, clock=lambda: 0.0)
        for at in range(0, len(unknown), _PARTS):
            chunk = unknown[at : at + _PARTS]
            parts = [
                BatchQuery(str(number), f'count({{__name__="{metric}",{label}!=""}})')
                for number, (metric, label) in enumerate(chunk)
            ]
            answer = await batch.fetch(parts)
            for number, pair in enumerate(chunk):
                self._known[pair] = bool(answer.items[str(number)])

    def missing(self, found: Expression, *, extra: str) -> tuple[tuple[str, str], ...]:
        """The uses of a label that none of its metrics has: the first metric and the label."""
        uses = list(_label_uses(found, self._exported, extra))
        bad = [pairs[0] for pairs in uses if pairs and not any(self._known.get(pair, True) for pair in pairs)]
        return tuple(dict.fromkeys(bad))

    async def _fetch(self, text: str) -> tuple[Sequence[Sample], Annotations]:
        answer = await self._prometheus.query(text)
        return answer.samples, answer.annotations


def _label_uses(found: Expression, exported: Exported, extra: str) -> Iterable[tuple[tuple[str, str], ...]]:
    """Each use of a label as (metric, label) pairs of which one must exist, for metrics with series.

    `extra` is a label that is used beside the expression.
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
        created = {label for part in inner if (label := _created_label(part))}
        names = [
            name
            for part in inner
            if isinstance(part, ast.VectorSelector | ast.MatrixSelector)
            for name in selector(part).metrics
            if name in exported.names
        ]
        for label in node.modifier.labels:
            if names and label not in created:
                yield tuple((name, label) for name in dict.fromkeys(names))


def _created_label(node: ast.Expr) -> str:
    """The label that `label_replace`, `label_join` or `count_values` creates, else empty."""
    if isinstance(node, ast.Call) and node.func.name in ("label_replace", "label_join"):
        target = node.args[1]
        return target.val if isinstance(target, ast.StringLiteral) else ""
    if isinstance(node, ast.AggregateExpr) and str(node.op) == "count_values" and isinstance(node.param, ast.StringLiteral):
        return node.param.val
    return ""
