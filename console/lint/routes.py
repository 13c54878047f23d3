"""Alertmanager routes and inhibitions that no alert can ever match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from console.lint.context import LintContext
from console.lint.finding import Finding, Level, LintMatch, LintRule
from console.lint.placeholders import PLACEHOLDER_HOST, UNEXPANDED_VARIABLE, routing_placeholder_hosts, routing_variables
from queries.model.matcher import Matcher, MatcherError
from queries.model.rule import RuleKind
from queries.model.series import Labels
from queries.promql.routing import Inhibition, Route, Routing
from queries.promql.rule_files import RuleFile


class _Alert(msgspec.Struct, frozen=True):
    """An alert before it fires: its labels, the names of labels with unknown values, and whether it may have any other."""

    labels: Labels
    unknown_values: frozenset[str]
    any_label: bool


def lint_routes(files: Iterable[RuleFile], context: LintContext) -> Iterator[Finding]:
    """Findings in the Alertmanager configurations of the files, for the alerts of the rules under lint."""
    alerts = tuple(_alerts(context))
    for file in files:
        for routing in file.routings:
            for lint_rule, lint_matches in (
                (NEVER_ROUTED, _routes(routing, alerts)),
                (NEVER_INHIBITED, _inhibitions(routing, alerts)),
                (PLACEHOLDER_HOST, routing_placeholder_hosts(routing.texts)),
                (UNEXPANDED_VARIABLE, routing_variables(routing.texts)),
            ):
                for lint_match in lint_matches:
                    yield lint_rule.report(lint_match, file=file.path, rule="")


def _alerts(context: LintContext) -> Iterator[_Alert]:
    for item in context.known_rules if context.catalog.complete else context.rules:
        if item.rule.kind is RuleKind.ALERT:
            inferred = context.flow(item)
            fixed = {name: value for name, value in item.rule.labels if "{{" not in value}
            templated = frozenset(name for name, value in item.rule.labels if "{{" in value)
            own = inferred.labels if inferred is not None else None
            names = templated if own is None or own.open else templated | own.names
            labels = {**fixed, "alertname": item.rule.name}
            any_label = own is None or own.open
            yield _Alert(tuple(sorted(labels.items())), names - labels.keys(), any_label)


def _routes(routing: Routing, alerts: Sequence[_Alert]) -> Iterator[LintMatch]:
    if routing.route is None:
        return
    added = (Matcher("namespace", routing.namespace),) if routing.namespace else ()
    yield from _child_routes(routing.route, added, alerts, bool(alerts))


def _child_routes(route: Route, around: tuple[Matcher, ...], alerts: Sequence[_Alert], known: bool) -> Iterator[LintMatch]:
    """Findings in the child routes; `around` are the matchers of all parent routes."""
    own = (*around, *route.matchers)
    earlier: list[Route] = []
    for inner in route.routes:
        reason, level = _unreachable(inner, own, earlier), None
        if not reason and known:
            reason, level = _unmatched(inner, own, earlier, alerts), Level.WARNING
        if reason:
            yield LintMatch(inner.line, f"the route to {inner.receiver or route.receiver}: {reason}", level)
        else:
            yield from _child_routes(inner, own, alerts, known)
        if not inner.continues:
            earlier.append(inner)


def _unreachable(route: Route, around: tuple[Matcher, ...], earlier: Iterable[Route]) -> str:
    """Why no alert can reach a route; empty where one can."""
    clash = _clash((*around, *route.matchers))
    if clash:
        return f"{clash[0]} and {clash[1]} are mutually exclusive"
    before = next((each for each in earlier if all(_implied(matcher, route.matchers) for matcher in each.matchers)), None)
    if before is not None:
        return f"the route at line {before.line} matches every such alert first, without `continue: true`"
    return ""


def _inhibitions(routing: Routing, alerts: Sequence[_Alert]) -> Iterator[LintMatch]:
    for rule in routing.inhibitions:
        reason, level = _never_mutes(rule), None
        if not reason and alerts:
            sides = (("source", rule.source), ("target", rule.target))
            unmatched = next((side for side in sides if not any(_may_meet(alert, side[1]) for alert in alerts)), None)
            if unmatched is not None:
                reason, level = f"no alert of these rules is its {unmatched[0]}, {_format(unmatched[1])}", Level.WARNING
        if reason:
            yield LintMatch(
                rule.line, f"the inhibition {reason}" if level is None else f"the inhibition can never mute: {reason}", level
            )


def _never_mutes(rule: Inhibition) -> str:
    for side, matchers in (("source", rule.source), ("target", rule.target)):
        clash = _clash(matchers)
        if clash:
            return f"has a {side} that no alert matches: {clash[0]} and {clash[1]} are mutually exclusive"
    for name in rule.equal:
        one, other = (_value_of(name, matchers) for matchers in (rule.source, rule.target))
        if one is not None and other is not None and one != other:
            return f'needs equal {name}, but its source has "{one}" and its target "{other}"'
    return ""


def _value_of(name: str, matchers: Iterable[Matcher]) -> str | None:
    return next((item.value for item in matchers if item.name == name and item.operator == "="), None)


def _clash(matchers: Sequence[Matcher]) -> tuple[Matcher, Matcher] | None:
    """Two matchers of one label that certainly no value satisfies together."""
    for one in matchers:
        if one.operator != "=":
            continue
        for other in matchers:
            if other.name == one.name and other != one and not _meets(other, one.value):
                return one, other
    return None


def _implied(matcher: Matcher, given: Iterable[Matcher]) -> bool:
    """Whether every alert that satisfies the given matchers satisfies this one too."""
    return matcher in given or any(
        each.name == matcher.name and each.operator == "=" and _meets(matcher, each.value) for each in given
    )


def _may_meet(alert: _Alert, matchers: Iterable[Matcher]) -> bool:
    """Whether an alert may satisfy all matchers; unknown labels count as satisfied."""
    for item in matchers:
        value = next((value for name, value in alert.labels if name == item.name), None)
        if value is None and (item.name in alert.unknown_values or alert.any_label or _is_external(item.name)):
            continue
        if not _meets(item, value or ""):
            return False
    return True


def _is_external(name: str) -> bool:
    """Whether Prometheus may add this label to every alert as an external label."""
    return name not in ("alertname", "severity")


def _unmatched(route: Route, around: tuple[Matcher, ...], earlier: Sequence[Route], alerts: Sequence[_Alert]) -> str:
    """Why none of the known alerts reaches a route; empty where one may."""
    matching = [alert for alert in alerts if _may_meet(alert, (*around, *route.matchers))]
    if not matching:
        unsatisfied = [item for item in route.matchers if not any(_may_meet(alert, (item,)) for alert in alerts)]
        return f"no alert of these rules has {_format(unsatisfied or (*around, *route.matchers))}"
    earlier_matches = [next((each for each in earlier if _certainly_matches(each, alert)), None) for alert in matching]
    first = earlier_matches[0]
    if first is None or None in earlier_matches:
        return ""
    return f"earlier routes match all such alerts of these rules, the first at line {first.line}"


def _certainly_matches(route: Route, alert: _Alert) -> bool:
    """Whether an alert certainly satisfies the matchers of a route."""
    known = dict(alert.labels)
    return all(item.name in known and _meets(item, known[item.name]) for item in route.matchers)


def _meets(matcher: Matcher, value: str) -> bool:
    try:
        return matcher.matches(((matcher.name, value),))
    except MatcherError:
        return True


def _format(matchers: Iterable[Matcher]) -> str:
    return ", ".join(str(item) for item in matchers)


NEVER_ROUTED = LintRule(
    "route-never-matches",
    Level.ERROR,
    "No alert can ever reach a route",
    "Its receiver is never notified, and the alerts silently go to another one.",
    "Correct the matchers, move the route before the one that matches its alerts, or set `continue: true` there.",
)
NEVER_INHIBITED = LintRule(
    "inhibition-never-matches",
    Level.ERROR,
    "An inhibition can never mute anything",
    "It seems to mute noise, but every one of its alerts pages.",
    "Correct the matchers or the list `equal`.",
)
