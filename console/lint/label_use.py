"""Labels that a metric does not carry, and matchers that match nothing."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.promql.syntax import LabelMatcher, Selector, alternatives_of_or

_MOST_TOLD = 6
_ENUMERATED = frozenset({"code", "status", "result"})


def _not_carried(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    found = scene.flow(item)
    for miss in found.misses if found is not None else ():
        what = miss.what or "what stands inside"
        how = {"a matcher": "is matched", "on": "is joined on"}.get(miss.how, f"is asked for by `{miss.how}`")
        beside = miss.what.partition("|")[0] if miss.how == "a matcher" else miss.how.rpartition(" ")[2]
        yield LintMatch(
            item.placed.line_of("expr", miss.label, beside), f"the label {miss.label} {how}, and {what} does not carry it"
        )


def _matches_nothing(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    spared: frozenset[Selector] | None = None
    for picked in item.expression.selectors:
        yield from _names(item, picked, scene)
        words = [word for word in scene.vocabulary.chosen(picked) if word is not None]
        for matcher in picked.labels if words else ():
            if not matcher.positive or matcher.name == "le":
                continue  # buckets have a trap of their own
            closed = all(matcher.name in word.values for word in words)
            values = {value for word in words for known in (word.values, word.seen) for value in known.get(matcher.name, ())}
            if not values or any(matcher.takes(value) for value in values):
                continue
            if not closed and not _was_never_written(matcher):
                continue  # a value that was not seen yet may come
            spared = frozenset(alternatives_of_or(item.expression)) if spared is None else spared
            if picked in spared and not closed:
                continue  # another build's spelling, and the other side of the `or` stands in
            listed = sorted(values)
            told = ", ".join(listed[:_MOST_TOLD]) + (", …" if len(listed) > _MOST_TOLD else "")
            text = f'{matcher.name}{matcher.operator}"{matcher.value}" matches none of the known values ({told})'
            line = item.placed.line_of("expr", matcher.name, matcher.value)
            yield LintMatch(line, text, None if closed else Level.WARNING)


def _was_never_written(matcher: LabelMatcher) -> bool:
    """Whether a value that no series has is a mistake, and not only one that has not come yet.

    A regular expression is meant to take several; the words of a status are written in the code, other than HTTP's numbers.
    """
    if any(character.isdigit() for character in matcher.value):
        return matcher.operator == "=~" and matcher.name not in _ENUMERATED
    return matcher.operator == "=~" or matcher.name in _ENUMERATED


def _names(item: ParsedRule, picked: Selector, scene: LintContext) -> Iterator[LintMatch]:
    named = [one for one in picked.matchers if one.name == "__name__" and one.operator == "=~"]
    if scene.vocabulary.complete and not picked.metric and named and not any(scene.vocabulary.chosen(picked)):
        yield LintMatch(item.placed.line_of("expr", "__name__"), f'__name__=~"{named[0].value}" matches no known metric')


LABEL_NOT_CARRIED = LintRule(
    "label-not-carried",
    Level.ERROR,
    "A rule asks for a label that the metric does not carry",
    "A matcher on an absent label selects nothing, a grouping by it makes one series of all, and a join over it finds no "
    "partner: the rule is empty or means something else.",
    "Use a label that the metric has; `cad-console contract` lists them.",
    _not_carried,
)
MATCHES_NOTHING = LintRule(
    "matcher-matches-nothing",
    Level.ERROR,
    "A matcher matches nothing",
    "Regular expressions in PromQL are anchored at both ends and mind the case: one that takes no value that exists makes the "
    "whole expression empty.",
    "Compare with the values that the label has; write `.*` where a part is meant.",
    _matches_nothing,
)
