"""The filter of the alerts: Alertmanager's matchers and free words, together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from queries.model.alert import TrackedAlert
from queries.model.matcher import Matcher, MatcherError, parse_matchers

_MATCHER = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"=!~,{}]+)\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\]|\\.)*"|[^\s",{}]+)')


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What is wanted; `complaint` says what could not be understood."""

    matchers: tuple[Matcher, ...] = ()
    words: tuple[str, ...] = ()
    complaint: str = ""

    def wants(self, tracked: TrackedAlert) -> bool:
        """All matchers hold, and every word is somewhere in the labels, the annotations, the owner or the state."""
        alert = tracked.alert
        if not all(matcher.matches(alert.labels) for matcher in self.matchers):
            return False
        if not self.words:
            return True
        pairs = (*alert.labels, *alert.annotations)
        hay = " ".join([*(value for _, value in pairs), tracked.owner, alert.state.value, alert.priority.value]).casefold()
        return all(word in hay for word in self.words)


def parse_filter(typed: str) -> AlertFilter:
    """`severity="critical" deepseek`: matchers where there are operators, the rest as words."""
    body = typed.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1]
    pieces = _MATCHER.findall(body)
    rest = _MATCHER.sub(" ", body).replace(",", " ")
    try:
        matchers = parse_matchers(", ".join(pieces))
    except MatcherError as error:
        return AlertFilter(complaint=str(error))
    words = tuple(word.casefold() for word in rest.split())
    if any(character in word for word in words for character in '="~{}'):
        return AlertFilter(matchers, complaint='expected name="value", name!=, name=~ or name!~, or plain words')
    return AlertFilter(matchers, words)
