"""Queries and actions of a runbook, against what the platform exports and what the console can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from console.actions.plan import ActionRefused
from console.actions.registry import ACTIONS, action_named
from console.actions.silence import matchers_of
from console.config.validators import is_dns_name
from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Finding, Level, LintRule
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.linter import BAD_PROMQL
from console.lint.runbooks.page import RunbookPage, near
from console.lint.unknown_metrics import METRIC_NOT_EXPORTED
from console.runbooks.page import RunbookAction
from queries.catalogue.loader import expand_query
from queries.catalogue.signals import SignalError
from queries.model.rule import Rule, RuleKind
from queries.promql.label_inference import flow
from queries.promql.rule_files import PlacedRule

_LABEL = re.compile(r"\{([^{}]*)\}")

ACTION_UNKNOWN = LintRule(
    "runbook-action",
    Level.ERROR,
    "An action that the console does not have, or not in this way",
    "The console leaves it out, and who follows the page looks for it in vain.",
    "Take an action of `cad-console act --help`, with the parameters and the kind of target that it has.",
)
TARGET = LintRule(
    "runbook-target",
    Level.ERROR,
    "A target that cannot be one",
    "Without a target nothing is looked up and no action is offered.",
    "Write `deployment/NAME`; `{label}` stands for a label that the alerts of the page carry.",
)
_ON_QUERIES = (METRIC_NOT_EXPORTED, LABEL_NOT_CARRIED, MATCHES_NOTHING)
_KINDS = {"deployment": "deployment/NAME", "silence": "silence/ID", "update": "INCIDENT/UPDATE"}


def placed_steps(page: RunbookPage) -> tuple[PlacedRule, ...]:
    """The queries in the form in which the lint of rules takes expressions."""
    found = []
    for index, row in enumerate(page.rows("steps")):
        query = row.get("query")
        if isinstance(query, str) and query:
            try:
                query = expand_query(query)
            except SignalError:
                continue  # the page is broken, and said to be so
            rule = Rule(RuleKind.ALERT, str(row.get("title")), query)
            found.append(
                PlacedRule(rule, "", page.runbook.path, 1, (("expr", page.line("steps", index, "query")),), page.lines)
            )
    return tuple(found)


def queries(scene: LintContext) -> Iterator[Finding]:
    """What is wrong with the queries that are the scene's rules."""
    for item in scene.rules:
        file, title = item.placed.file, item.rule.name
        if item.trouble is not None:
            yield Finding(
                BAD_PROMQL, Level.ERROR, file, item.placed.line_in_expression(item.trouble.line), title, str(item.trouble)
            )
        for trap in _ON_QUERIES:
            for hit in trap.find(item, scene) if trap.find else ():
                # A page may rely on nothing but the contract, so that here a name that is not in it is wrong.
                level = trap.level if trap is METRIC_NOT_EXPORTED else hit.level or trap.level
                yield Finding(trap, level, file, hit.line, title, hit.text)


def targets(page: RunbookPage, alerts: Mapping[str, ParsedRule], scene: LintContext) -> Iterator[Finding]:
    """Targets of steps and actions, and the actions' parameters."""
    known = _labels_of(page, alerts, scene)
    for index, row in enumerate(page.rows("steps")):
        if row.get("target"):
            line = page.line("steps", index, "target")
            yield from (page.found(TARGET, line, text) for text in _deployment(str(row["target"]), known))
    for index, action in enumerate(page.runbook.actions):
        at = ("actions", index)
        for trap, part, text in wrong_action(action.action, action.target, _filled(action), known):
            yield page.found(trap, page.line(*at, *part), text)


def _filled(action: RunbookAction) -> dict[str, str]:
    """Where a page leaves out how many replicas, the console offers one more."""
    return {**({"replicas": "one more"} if action.action == "scale" else {}), **dict(action.parameters)}


def wrong_action(
    name: str, target: str, given: Mapping[str, str], labels: frozenset[str] | None = None
) -> Iterator[tuple[LintRule, tuple[str, ...], str]]:
    """The trap, the part of the row and what is wrong with an action; `labels` may fill the target, None where not known."""
    action = action_named(name)
    if action is None:
        yield ACTION_UNKNOWN, ("action",), f"there is no action {name!r}{near(name, [item.name for item in ACTIONS])}"
        return
    has = [item.name for item in action.parameters]
    for key in given:
        if key not in has:
            beside = near(key, has) if has else "; it has none"
            yield ACTION_UNKNOWN, ("parameters", key), f"{name} has no parameter {key!r}{beside}"
    for item in action.parameters:
        if item.missing_from(given):
            yield ACTION_UNKNOWN, (), f"{name} needs the parameter {item.name}: {item.meaning}"
    check = _FORMS[action.targets]
    yield from ((TARGET, ("target",), text) for text in check(target, labels))


def _deployment(target: str, labels: frozenset[str] | None) -> Iterator[str]:
    kind, slash, name = target.partition("/")
    if kind != "deployment" or not slash or not is_dns_name(_LABEL.sub("x", name).lower()):
        yield f"{target!r} is no target, expected deployment/NAME"
    for label in _LABEL.findall(name):
        if labels is not None and label not in labels:
            listed = f"they carry {', '.join(sorted(labels))}" if labels else "they carry none"
            yield f"no alert of this page carries the label {label}; {listed}"


def _matchers(target: str, labels: frozenset[str] | None) -> Iterator[str]:
    try:
        matchers_of(target)
    except ActionRefused as error:
        yield str(error)


def _identity(kind: str) -> Callable[[str, frozenset[str] | None], Iterable[str]]:
    def check(target: str, labels: frozenset[str] | None) -> Iterable[str]:
        return () if target.partition("/")[2] else (f"{target!r} is no target, expected {_KINDS[kind]}",)

    return check


_FORMS: dict[str, Callable[[str, frozenset[str] | None], Iterable[str]]] = {
    "deployment": _deployment,
    "matchers": _matchers,
    "silence": _identity("silence"),
    "update": _identity("update"),
}


def _labels_of(page: RunbookPage, alerts: Mapping[str, ParsedRule], scene: LintContext) -> frozenset[str] | None:
    """The labels that an alert of the page can carry; None where that is not known for one of them, or it has none."""
    rules: Sequence[ParsedRule | None] = [alerts.get(name) for name in page.runbook.alerts]
    whole: frozenset[str] = frozenset()
    for rule in rules:
        left = flow(rule.expression, scene.vocabulary).labels if rule and rule.expression else None
        if rule is None or left is None or left.open:
            return None
        whole |= left.names | {name for name, _ in rule.rule.labels}
    return whole if rules else None
