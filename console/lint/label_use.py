"""Labels that a metric lacks, and matchers that match nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.promql.metric_catalog import MetricInfo
from queries.promql.syntax import LabelMatcher, Selector, fallback_selectors

_MAX_LISTED = 6
_ENUMERATED = frozenset({"code", "status", "result"})


def _find_absent_label(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    labels = context.flow(item)
    for miss in labels.misses if labels is not None else ():
        what = miss.what or "the inner expression"
        how = {"a matcher": "is matched", "on": "is joined on"}.get(miss.how, f"is used by `{miss.how}`")
        beside = miss.what.partition("|")[0] if miss.how == "a matcher" else miss.how.rpartition(" ")[2]
        yield LintMatch(
            item.placed.line_of("expr", miss.label, beside), f"the label {miss.label} {how}, but {what} does not have it"
        )


def _find_empty_matcher(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    optional: frozenset[Selector] | None = None
    for picked in item.expression.selectors:
        if not picked.metric:
            yield from _find_empty_name_matcher(item, picked, context)
        if not picked.matchers:
            continue
        infos = [info for info in context.catalog.select(picked) if info is not None]
        for matcher in picked.labels if infos else ():
            if not matcher.positive or matcher.name == "le":
                continue  # buckets have a lint rule of their own
            key = (picked.metrics, matcher)
            if key not in context.unmatched:
                context.unmatched[key] = _unmatched_values(matcher, infos)
            if (values := context.unmatched[key]) is None:
                continue
            closed = all(matcher.name in info.values for info in infos)
            optional = frozenset(fallback_selectors(item.expression)) if optional is None else optional
            if picked in optional and not closed:
                continue  # for another build; the other side of the `or` covers this one
            text = f'{matcher.name}{matcher.operator}"{matcher.value}" matches none of the known values ({values})'
            line = item.placed.line_of("expr", matcher.name, matcher.value)
            yield LintMatch(line, text, None if closed else Level.WARNING)


def _unmatched_values(matcher: LabelMatcher, infos: Sequence[MetricInfo]) -> str | None:
    """The known values as text if the matcher matches none of them and no value that may still appear; None otherwise."""
    values = {value for info in infos for known in (info.values, info.seen) for value in known.get(matcher.name, ())}
    if not values or any(matcher.matches(value) for value in values):
        return None
    if not all(matcher.name in info.values for info in infos) and not _is_mistake(matcher):
        return None
    listed = sorted(values)
    return ", ".join(listed[:_MAX_LISTED]) + (", …" if len(listed) > _MAX_LISTED else "")


def _is_mistake(matcher: LabelMatcher) -> bool:
    """Whether a value that no series has is a mistake, rather than one that may still appear.

    A regular expression should match several values; a status label has fixed values in the code, except HTTP status codes.
    """
    if any(character.isdigit() for character in matcher.value):
        return matcher.operator == "=~" and matcher.name not in _ENUMERATED
    return matcher.operator == "=~" or matcher.name in _ENUMERATED


def _find_empty_name_matcher(item: ParsedRule, picked: Selector, context: LintContext) -> Iterator[LintMatch]:
    named = [each for each in picked.matchers if each.name == "__name__" and each.operator == "=~"]
    if context.catalog.complete and not picked.metric and named and not any(context.catalog.select(picked)):
        yield LintMatch(item.placed.line_of("expr", "__name__"), f'__name__=~"{named[0].value}" matches no known metric')


LABEL_NOT_CARRIED = LintRule(
    "label-not-carried",
    Level.ERROR,
    "A rule uses a label that the metric does not have",
    "A matcher on an absent label selects nothing, grouping by it merges all series, and a join on it finds no match: the rule "
    "is empty or means something else.",
    "Use a label that the metric has; `cad-console contract` lists them.",
    _find_absent_label,
)
MATCHES_NOTHING = LintRule(
    "matcher-matches-nothing",
    Level.ERROR,
    "A matcher matches nothing",
    "PromQL anchors regular expressions at both ends, and they are case-sensitive: one that matches no existing value makes "
    "the whole expression empty.",
    "Compare it with the label's values; add `.*` to match a part.",
    _find_empty_matcher,
)
