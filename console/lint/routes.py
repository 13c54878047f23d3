"""Routes, matchers and inhibitions of Alertmanager that no alert can ever meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from console.lint.context import LintContext
from console.lint.finding import Finding, Level, LintMatch, LintRule
from console.lint.placeholders import PLACEHOLDER_HOST, UNEXPANDED_VARIABLE, hosts_of_routing, variables_of_routing
from queries.model.matcher import Matcher, MatcherError
from queries.model.rule import RuleKind
from queries.model.series import Labels
from queries.promql.routing import Inhibition, Route, Routing
from queries.promql.rule_files import RuleFile


@dataclass(frozen=True, slots=True)
class _Alert:
    """What is known of an alert before it fires: labels with their values, and the names of labels whose value is not known."""

    labels: Labels
    open: frozenset[str]
    any_label: bool


def lint_routes(files: Iterable[RuleFile], scene: LintContext) -> Iterator[Finding]:
    """What is wrong in the Alertmanager configurations of the files; alerts are those of the rules under lint."""
    alerts = tuple(_alerts(scene))
    for file in files:
        for routing in file.routings:
            for trap, hits in (
                (NEVER_ROUTED, _routes(routing, alerts)),
                (NEVER_INHIBITED, _inhibitions(routing, alerts)),
                (PLACEHOLDER_HOST, hosts_of_routing(routing.texts)),
                (UNEXPANDED_VARIABLE, variables_of_routing(routing.texts)),
            ):
                for hit in hits:
                    yield Finding(trap, hit.level or trap.level, file.path, hit.line, "", hit.text)


def _alerts(scene: LintContext) -> Iterator[_Alert]:
    for item in scene.known_rules if scene.vocabulary.complete else scene.rules:
        if item.rule.kind is RuleKind.ALERT:
            found = scene.flow(item)
            fixed = {name: value for name, value in item.rule.labels if "{{" not in value}
            written = frozenset(name for name, value in item.rule.labels if "{{" in value)
            left = found.labels if found is not None else None
            names = written if left is None or left.open else written | left.names
            labels = {**fixed, "alertname": item.rule.name}
            any_label = left is None or left.open
            yield _Alert(tuple(sorted(labels.items())), names - labels.keys(), any_label)


def _routes(routing: Routing, alerts: Sequence[_Alert]) -> Iterator[LintMatch]:
    if routing.route is None:
        return
    added = (Matcher("namespace", routing.namespace),) if routing.namespace else ()
    yield from _below(routing.route, added, alerts, bool(alerts))


def _below(route: Route, around: tuple[Matcher, ...], alerts: Sequence[_Alert], known: bool) -> Iterator[LintMatch]:
    """What is wrong with the routes inside of one; `around` are the matchers of all routes outside."""
    mine = (*around, *route.matchers)
    earlier: list[Route] = []
    for inner in route.routes:
        told, level = _unreachable(inner, mine, earlier), None
        if not told and known:
            told, level = _unmet_by_all(inner, mine, earlier, alerts), Level.WARNING
        if told:
            yield LintMatch(inner.line, f"the route to {inner.receiver or route.receiver}: {told}", level)
        else:
            yield from _below(inner, mine, alerts, known)
        if not inner.goes_on:
            earlier.append(inner)


def _unreachable(route: Route, around: tuple[Matcher, ...], earlier: Iterable[Route]) -> str:
    """Why no alert at all can come to a route; empty where one can."""
    clash = _clash((*around, *route.matchers))
    if clash:
        return f"{clash[0]} and {clash[1]} exclude each other"
    before = next((one for one in earlier if all(_implied(matcher, route.matchers) for matcher in one.matchers)), None)
    if before is not None:
        return f"the route at line {before.line} takes every alert that would come here; it has no `continue: true`"
    return ""


def _inhibitions(routing: Routing, alerts: Sequence[_Alert]) -> Iterator[LintMatch]:
    for rule in routing.inhibitions:
        told, level = _never_mutes(rule), None
        if not told and alerts:
            sides = (("source", rule.source), ("target", rule.target))
            lost = next((side for side in sides if not any(_may_meet(alert, side[1]) for alert in alerts)), None)
            if lost is not None:
                told, level = f"no alert of these rules is its {lost[0]}, {_spell(lost[1])}", Level.WARNING
        if told:
            yield LintMatch(
                rule.line, f"the inhibition {told}" if level is None else f"the inhibition can never mute: {told}", level
            )


def _never_mutes(rule: Inhibition) -> str:
    for side, matchers in (("source", rule.source), ("target", rule.target)):
        clash = _clash(matchers)
        if clash:
            return f"has a {side} that no alert is: {clash[0]} and {clash[1]} exclude each other"
    for name in rule.equal:
        one, other = (_value_of(name, matchers) for matchers in (rule.source, rule.target))
        if one is not None and other is not None and one != other:
            return f'wants equal {name}, and its source has "{one}" where its target has "{other}"'
    return ""


def _value_of(name: str, matchers: Iterable[Matcher]) -> str | None:
    return next((item.value for item in matchers if item.name == name and item.operator == "="), None)


def _clash(matchers: Sequence[Matcher]) -> tuple[Matcher, Matcher] | None:
    """Two matchers of one label of which no value meets both, where that is certain."""
    for one in matchers:
        if one.operator != "=":
            continue
        for other in matchers:
            if other.name == one.name and other != one and not _meets(other, one.value):
                return one, other
    return None


def _implied(matcher: Matcher, given: Iterable[Matcher]) -> bool:
    """Whether every alert that meets the given matchers meets this one too."""
    return matcher in given or any(
        one.name == matcher.name and one.operator == "=" and _meets(matcher, one.value) for one in given
    )


def _may_meet(alert: _Alert, matchers: Iterable[Matcher]) -> bool:
    """Whether an alert can meet all matchers; what is not known of it is believed."""
    for item in matchers:
        value = next((value for name, value in alert.labels if name == item.name), None)
        if value is None and (item.name in alert.open or alert.any_label or _is_external(item.name)):
            continue
        if not _meets(item, value or ""):
            return False
    return True


def _is_external(name: str) -> bool:
    """Labels that a Prometheus adds to all of its alerts: no rule says them."""
    return name not in ("alertname", "severity")


def _unmet_by_all(route: Route, around: tuple[Matcher, ...], earlier: Sequence[Route], alerts: Sequence[_Alert]) -> str:
    """Why none of the known alerts comes to a route; empty where one may."""
    meeting = [alert for alert in alerts if _may_meet(alert, (*around, *route.matchers))]
    if not meeting:
        alone = [item for item in route.matchers if not any(_may_meet(alert, (item,)) for alert in alerts)]
        return f"no alert of these rules has {_spell(alone or (*around, *route.matchers))}"
    takers = [next((one for one in earlier if _takes(one, alert)), None) for alert in meeting]
    first = takers[0]
    if first is None or None in takers:
        return ""
    return f"the routes before it take all alerts of these rules that would come here, the one at line {first.line} the first"


def _takes(route: Route, alert: _Alert) -> bool:
    """Whether an alert certainly meets the matchers of a route."""
    known = dict(alert.labels)
    return all(item.name in known and _meets(item, known[item.name]) for item in route.matchers)


def _meets(matcher: Matcher, value: str) -> bool:
    try:
        return matcher.matches(((matcher.name, value),))
    except MatcherError:
        return True


def _spell(matchers: Iterable[Matcher]) -> str:
    return ", ".join(str(item) for item in matchers)


NEVER_ROUTED = LintRule(
    "route-never-matches",
    Level.ERROR,
    "No alert can ever come to a route",
    "Whoever was to be called by it is never called, and the alert goes to somebody else without a word.",
    "Correct the matchers, move the route before the one that takes its alerts, or give that one `continue: true`.",
)
NEVER_INHIBITED = LintRule(
    "inhibition-never-matches",
    Level.ERROR,
    "An inhibition can never mute anything",
    "It looks as if noise were muted, and every one of its alerts pages.",
    "Correct the matchers or the list `equal`.",
)
