"""Labels that a template shows but the expression drops."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.label_inference import LabelSet

_ACTION = re.compile(r"\{\{(?!/\*)(.*?)\}\}", re.DOTALL)
_LABEL = re.compile(r"\$labels\.([a-zA-Z_]\w*)|(?<![\w.$)])\.Labels\.([a-zA-Z_]\w*)|index\s+\$labels\s+\"([a-zA-Z_]\w*)\"")
_CONDITION = re.compile(r"\s*-?\s*(?:else\s+)?(?:if|with)\b")
_OTHER_DOT = re.compile(r"\{\{-?\s*(?:range|with|define|template)\b")
"""Actions that rebind the dot."""
_OF_ALERTS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
_MAX_LISTED = 6


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    inferred = context.flow(item)
    if item.expression is None or inferred is None:
        return
    texts = (
        *((f"annotations.{key}", key, text) for key, text in item.rule.annotations),
        *((f"labels.{key}", f"label {key}", text) for key, text in item.rule.labels),
    )
    for place, key, text in texts:
        for name in _shown_labels(text):
            if _is_dropped(name, inferred.labels, item):
                added = any(own == name for own, _ in item.rule.labels) or name == "alertname"
                why = "templates do not see the labels that the rule adds" if added else _kept_labels(inferred.labels)
                yield LintMatch(item.placed.line_of(place, name), f"`{key}` shows $labels.{name}, which is empty: {why}")


def _shown_labels(text: str) -> Iterator[str]:
    """The labels that a text shows, without those that it tests for first."""
    if "{{" not in text:
        return
    actions = [match[1] for match in _ACTION.finditer(text)]
    tested = {name for action in actions if _CONDITION.match(action) for name in _names(action)}
    other_dot = _OTHER_DOT.search(text) is not None
    shown: dict[str, None] = {}
    for action in actions:
        for match in _LABEL.finditer(action):
            if match[2] is None or not other_dot:
                shown.setdefault(match[1] or match[2] or match[3])
    yield from (name for name in shown if name not in tested)


def _names(action: str) -> Iterator[str]:
    return (match[1] or match[2] or match[3] for match in _LABEL.finditer(action))


def _is_dropped(name: str, labels: LabelSet, item: ParsedRule) -> bool:
    if name == "__name__":
        return False
    if name != "alertname" or not labels.open or item.expression is None:
        return not labels.can_have(name)
    read = item.expression.selectors
    return _OF_ALERTS.isdisjoint(item.expression.metrics) and not any(
        matcher.name == name for each in read for matcher in each.labels
    )


def _kept_labels(labels: LabelSet) -> str:
    if labels.open:
        return "the expression drops it"
    if not labels.names:
        return "the expression keeps no label"
    kept = sorted(labels.certain or labels.names)
    more = ", …" if len(kept) > _MAX_LISTED else ""
    return f"the expression keeps only {', '.join(kept[:_MAX_LISTED])}{more}"


TEMPLATE_LABEL = LintRule(
    "template-label",
    Level.ERROR,
    "A text shows a label that the expression drops",
    "The text has a gap in every notification: it reads that something is slow, but not what.",
    "Keep the label (`sum by (provider) (…)`, `group_left (node)`), or remove it from the text; write the alert's own name and "
    "labels out.",
    _find,
    kind=RuleKind.ALERT,
)
