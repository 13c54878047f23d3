"""Checks a runbook's queries against the platform's metrics, and its actions against the console's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from console.actions.action import NAMED_TARGETS
from console.actions.plan import ActionRefused
from console.actions.registry import ACTIONS, action_named
from console.actions.silence import parse_silence_matchers
from console.config.text_formats import is_dns_name, is_object_name
from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Finding, Level, LintRule
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.linter import BAD_PROMQL
from console.lint.runbooks.page import RunbookPage, suggest_name
from console.lint.unknown_metrics import METRIC_NOT_EXPORTED
from queries.catalogue.loader import expand_query
from queries.catalogue.signals import SignalError
from queries.model.action import ActionCall
from queries.model.rule import Rule, RuleKind
from queries.model.workload import TARGET_KINDS
from queries.platform.admin_calls import read_admin_calls
from queries.promql.label_inference import infer_labels
from queries.promql.rule_files import PlacedRule

_LABEL = re.compile(r"\{([^{}]*)\}")

ACTION_UNKNOWN = LintRule(
    "runbook-action",
    Level.ERROR,
    "An action that the console does not have, or not in this form",
    "The console omits it, and a reader of the runbook looks for it in vain.",
    "Use an action of `cad-console act --help`, with its parameters and its kind of target.",
)
TARGET = LintRule(
    "runbook-target",
    Level.ERROR,
    "An invalid target",
    "Without a target the console looks nothing up and offers no action.",
    "Write `deployment/NAME` or another kind of workload; `{label}` stands for a label that the runbook's alerts have.",
)
_ON_QUERIES = (METRIC_NOT_EXPORTED, LABEL_NOT_CARRIED, MATCHES_NOTHING)
_KINDS = {"deployment": "deployment/NAME", "silence": "silence/ID", "update": "INCIDENT/UPDATE"}


def _line_of_query(page: RunbookPage, index: int, _: str) -> int:
    return page.line("steps", index, "query")


def step_rules(page: RunbookPage) -> tuple[PlacedRule, ...]:
    """The steps' queries as rules, the input of the rule lint."""
    rules = []
    for index, row in enumerate(page.rows("steps")):
        query = row.get("query")
        if isinstance(query, str) and query and row.get("source") != "loki":
            try:
                query = expand_query(query)
            except SignalError:
                continue  # the runbook is reported as broken
            rule = Rule(RuleKind.ALERT, str(row.get("title")), query)
            rules.append(PlacedRule(rule, "", page.runbook.path, 1, partial(_line_of_query, page, index), page.lines))
    return tuple(rules)


def check_queries(context: LintContext) -> Iterator[Finding]:
    """Findings in the queries, which are the rules of the context."""
    for item in context.rules:
        file, title = item.placed.file, item.rule.name
        if item.error is not None:
            yield Finding(
                BAD_PROMQL, Level.ERROR, file, item.placed.line_in_expression(item.error.line), title, str(item.error)
            )
        for lint_rule in _ON_QUERIES:
            for lint_match in lint_rule.find(item, context) if lint_rule.find else ():
                # A runbook may rely on the contract only, so a name that it lacks is an error.
                level = lint_rule.level if lint_rule is METRIC_NOT_EXPORTED else lint_match.level or lint_rule.level
                yield Finding(lint_rule, level, file, lint_match.line, title, lint_match.text)


def check_step_targets(page: RunbookPage, alerts: Mapping[str, ParsedRule], context: LintContext) -> Iterator[Finding]:
    """Targets of steps and actions, and the actions' parameters."""
    known = _labels_of(page, alerts, context)
    for index, row in enumerate(page.rows("steps")):
        if row.get("target"):
            line = page.line("steps", index, "target")
            yield from (page.finding(TARGET, line, text) for text in _check_workload(str(row["target"]), known))
    for index, action in enumerate(page.runbook.actions):
        at = ("actions", index)
        for lint_rule, part, text in check_action(action.action, action.target, _parameters(action), known):
            yield page.finding(lint_rule, page.line(*at, *part), text)


def _parameters(action: ActionCall) -> dict[str, str]:
    """Without a number of replicas the console offers one more."""
    return {**({"replicas": "one more"} if action.action == "scale" else {}), **dict(action.parameters)}


def check_action(
    name: str, target: str, given: Mapping[str, str], labels: frozenset[str] | None = None
) -> Iterator[tuple[LintRule, tuple[str, ...], str]]:
    """The lint rule, the part of the row and the error; `labels` may fill the target, None where they are unknown."""
    action = action_named(name)
    if action is None:
        yield ACTION_UNKNOWN, ("action",), f"no such action: {name!r}{suggest_name(name, [item.name for item in ACTIONS])}"
        return
    if action.target_kind == "call":
        yield from _check_call(target, given)
        return
    known = [item.name for item in action.parameters]
    for key in given:
        if key not in known:
            hint = suggest_name(key, known) if known else "; it has none"
            yield ACTION_UNKNOWN, ("parameters", key), f"{name} has no parameter {key!r}{hint}"
    for item in action.parameters:
        if item.missing_from(given):
            yield ACTION_UNKNOWN, (), f"{name} needs the parameter {item.name}: {item.description}"
    check = _TARGET_CHECKS[action.target_kind]
    if action.target_kind == "deployment":
        check = partial(_check_workload, kinds=tuple(kind.lower() for kind in action.kinds))
    yield from ((TARGET, ("target",), text) for text in check(target, labels))


def _check_call(target: str, given: Mapping[str, str]) -> Iterator[tuple[LintRule, tuple[str, ...], str]]:
    """A call of the platform's administration; only ours are known here, not those of a team's config file."""
    calls = read_admin_calls().calls
    call = calls.get(target.removeprefix("call/"))
    if call is None or not target.startswith("call/"):
        yield TARGET, ("target",), f"{target!r} is not a target, expected call/ID{suggest_name(target[5:], list(calls))}"
        return
    if call.sealed:
        yield ACTION_UNKNOWN, ("target",), f"{call.id} is sealed: {call.sealed}"
    names = [item.name for item in call.parameters]
    for key in given:
        if key not in names:
            hint = suggest_name(key, names) if names else "; it has none"
            yield ACTION_UNKNOWN, ("parameters", key), f"{call.id} has no parameter {key!r}{hint}"


def _check_workload(target: str, labels: frozenset[str] | None, kinds: tuple[str, ...] = TARGET_KINDS) -> Iterator[str]:
    kind, slash, name = target.partition("/")
    if kind not in kinds or not slash or not is_dns_name(_LABEL.sub("x", name).lower()):
        yield f"{target!r} is not a target, expected {' or '.join(f'{kind}/NAME' for kind in kinds)}"
    for label in _LABEL.findall(name):
        if labels is not None and label not in labels:
            listed = f"they have {', '.join(sorted(labels))}" if labels else "they have none"
            yield f"no alert of this runbook has the label {label}; {listed}"


def _check_matchers(target: str, labels: frozenset[str] | None) -> Iterator[str]:
    try:
        parse_silence_matchers(target)
    except ActionRefused as error:
        yield str(error)


def _check_identity(kind: str) -> Callable[[str, frozenset[str] | None], Iterable[str]]:
    def check(target: str, labels: frozenset[str] | None) -> Iterable[str]:
        return () if target.partition("/")[2] else (f"{target!r} is not a target, expected {_KINDS[kind]}",)

    return check


def _check_object(kind: str) -> Callable[[str, frozenset[str] | None], Iterable[str]]:
    def check(target: str, labels: frozenset[str] | None) -> Iterable[str]:
        found, slash, name = target.partition("/")
        if found != kind or not slash or not is_object_name(name):
            yield f"{target!r} is not a target, expected {kind}/NAME"

    return check


_TARGET_CHECKS: dict[str, Callable[[str, frozenset[str] | None], Iterable[str]]] = {
    **{kind: _check_object(kind) for kind in NAMED_TARGETS},
    "deployment": _check_workload,
    "matchers": _check_matchers,
    "silence": _check_identity("silence"),
    "update": _check_identity("update"),
}


def _labels_of(page: RunbookPage, alerts: Mapping[str, ParsedRule], context: LintContext) -> frozenset[str] | None:
    """The labels that an alert of the runbook can have; None where one is unknown, or the runbook has no alerts."""
    rules: Sequence[ParsedRule | None] = [alerts.get(name) for name in page.runbook.alerts]
    names: frozenset[str] = frozenset()
    for rule in rules:
        labels = infer_labels(rule.expression, context.catalog).labels if rule and rule.expression else None
        if rule is None or labels is None or labels.open:
            return None
        names |= labels.names | {name for name, _ in rule.rule.labels}
    return names if rules else None
