"""A silence and its matchers, in Alertmanager's syntax."""

from __future__ import annotations

import re
from dataclasses import dataclass

from queries.model.series import Labels, label, quote


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher: `name="value"`, `!=`, `=~` or `!~`; regular expressions are anchored, as Alertmanager's are."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    @property
    def operator(self) -> str:
        return ("=" if self.is_equal else "!") + ("~" if self.is_regex else ("" if self.is_equal else "="))

    def matches(self, labels: Labels) -> bool:
        """Whether these labels satisfy it; an absent label counts as the empty string."""
        value = label(labels, self.name)
        hit = bool(re.fullmatch(self.value, value)) if self.is_regex else value == self.value
        return hit is self.is_equal

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times are Unix seconds; `state` is active, pending or expired."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    state: str = "active"

    def matches(self, labels: Labels) -> bool:
        return all(matcher.matches(labels) for matcher in self.matchers)


class MatcherError(ValueError):
    """A matcher that Alertmanager's syntax does not allow; the message says where and what was expected."""


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(rf'\s*(?P<name>{_QUOTED}|[^\s"=!~,{{}}]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>{_QUOTED}|[^\s",{{}}]*)\s*')
_UNQUOTE = {"n": "\n", '"': '"', "\\": "\\"}


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Parse `a="b", c=~"d|e"`, with or without braces; empty text gives no matchers. Raises MatcherError."""
    body = text.strip()
    if body.startswith("{"):
        if not body.endswith("}"):
            raise MatcherError(f"missing }} at the end of {body!r}")
        body = body[1:-1].strip()
    found: list[Matcher] = []
    position = 0
    while position < len(body):
        match = _MATCHER.match(body, position)
        if not match:
            raise MatcherError(f'expected name="value", name!=, name=~ or name!~ at {body[position : position + 20]!r}')
        matcher = Matcher(
            name=_unquote(match["name"]),
            value=_unquote(match["value"]),
            is_regex=match["op"].endswith("~"),
            is_equal=not match["op"].startswith("!"),
        )
        if matcher.is_regex:
            try:
                re.compile(matcher.value)
            except re.error as error:
                raise MatcherError(f"{matcher}: not a regular expression: {error}") from None
        found.append(matcher)
        position = match.end()
        if position < len(body):
            if body[position] != ",":
                raise MatcherError(f"expected a comma at {body[position : position + 20]!r}")
            position += 1
            if not body[position:].strip():
                break
    return tuple(found)


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda m: _UNQUOTE.get(m[1], m[0]), text[1:-1])
