"""A label matcher, parsed and evaluated as Alertmanager does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.regex import RegexError, compile_regex
from queries.model.series import Labels, label, quote

_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""Go's unicode.IsSpace; Python's isspace accepts four more control characters."""
_RESERVED = frozenset(_SPACE + "{}!=~,\\\"'`")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher: `name="value"`, `!=`, `=~` or `!~`; regular expressions are RE2's and anchored, as Alertmanager's are."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    @property
    def operator(self) -> str:
        return ("=" if self.is_equal else "!") + ("~" if self.is_regex else ("" if self.is_equal else "="))

    def matches(self, labels: Labels) -> bool:
        """Whether these labels satisfy it; an absent label counts as the empty string.

        Raises MatcherError for a regular expression that RE2 refuses.
        """
        value = label(labels, self.name)
        hit = self._regex()(value) if self.is_regex else value == self.value
        return hit is self.is_equal

    def check(self) -> None:
        """Raises MatcherError for an invalid regular expression."""
        if self.is_regex:
            self._regex()

    def _regex(self) -> Callable[[str], bool]:
        try:
            return compile_regex(self.value)
        except RegexError as error:
            raise MatcherError(f"{self}: not a regular expression: {error}") from error

    def __str__(self) -> str:
        """Alertmanager's syntax, which `parse_matchers` reads back."""
        name = quote(self.name) if not self.name or not _RESERVED.isdisjoint(self.name) else self.name
        return f"{name}{self.operator}{quote(self.value)}"


class MatcherError(ValueError):
    """A matcher that Alertmanager's syntax does not allow; the message states where and what was expected."""


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Parse `a="b", c=~"d|e"`, with or without braces; empty text gives no matchers. Raises MatcherError.

    Alertmanager runs two parsers, the classic one from before 0.27 and the one for UTF-8 label names. If both accept the text
    and differ, or only the classic one accepts it, the classic one counts.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MatcherError("the matchers are not valid UTF-8") from None
    try:
        return _parse_classic(text)
    except MatcherError as error:
        classic_error = error
    try:
        return _parse_utf8(text)
    except MatcherError as error:
        # The newer parser reports the place, except for an invalid regular expression.
        raise (classic_error if isinstance(classic_error.__cause__, RegexError) else error) from classic_error.__cause__


# --- the parser of before 0.27: Alertmanager's pkg/labels/parse.go

_BLANK = r"[\t\n\f\r ]*"
_CLASSIC = lazy_pattern(rf"{_BLANK}([a-zA-Z_:][a-zA-Z0-9_:]*){_BLANK}(=~|=|!=|!~){_BLANK}(.*?){_BLANK}\Z", re.DOTALL)
_UNESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


def _parse_classic(text: str) -> tuple[Matcher, ...]:
    pieces = list(_pieces(text.removeprefix("{").removesuffix("}")))
    last = pieces.pop().strip(_SPACE)
    return tuple(_classic_matcher(piece) for piece in (*pieces, *((last,) if last else ())))


def _pieces(text: str) -> Iterator[str]:
    """The text between unquoted commas."""
    quoted = escaped = False
    start = 0
    for position, character in enumerate(text):
        if character == "," and not quoted:
            yield text[start:position]
            start = position + 1
        elif character == '"':
            quoted = quoted if escaped else not quoted
            escaped = False
        elif character == "\\":
            escaped = not escaped
        elif character != ",":
            escaped = False
    yield text[start:]


def _classic_matcher(piece: str) -> Matcher:
    match = _CLASSIC.match(piece)
    if match is None:
        raise MatcherError(f'expected name="value", name!=, name=~ or name!~ instead of {piece.strip()[:40]!r}')
    name, operator, raw = match.groups()
    quoted = raw.startswith('"')
    body = raw[1:] if quoted else raw
    if _bare_quotes(body) != ((len(body) - 1,) if quoted else ()):
        raise MatcherError(f"a double quote is missing or not escaped in {raw[:40]!r}")
    return _build(name, operator, _unescape(body[:-1] if quoted else body))


def _bare_quotes(body: str) -> tuple[int, ...]:
    """The positions of unescaped double quotes."""
    return tuple(item.start() for item in re.finditer(r'\\.|"', body, re.DOTALL) if item[0] == '"')


def _unescape(text: str) -> str:
    """Three escapes have a meaning; any other backslash is literal."""
    return re.sub(r"\\(.)", lambda item: _UNESCAPED.get(item[1], item[0]), text, flags=re.DOTALL)


# --- the parser since 0.27: Alertmanager's matcher/parse

_TOKEN = lazy_pattern(
    r'(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<operator>=~|!~|!=|=)|(?P<sign>[{},])'
    rf"|(?P<bare>[^{re.escape(''.join(sorted(_RESERVED)))}]+)",
    re.DOTALL,
)
_ESCAPE = lazy_pattern(
    r"""\\(?:(?P<one>[abfnrtv\\"])|x(?P<hex>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})"""
    r"""|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<bad>.))|\n""",
    re.DOTALL,
)
_ONE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


def _parse_utf8(text: str) -> tuple[Matcher, ...]:
    tokens = _Tokens(text)
    braced = tokens.accept("{")
    matchers: list[Matcher] = []
    while not tokens.at("}", ""):
        name = tokens.word("a label name")
        operator = tokens.operator()
        matchers.append(_build(name, operator, tokens.word("a label value")))
        if not tokens.accept(","):
            break
    if braced and not tokens.accept("}"):
        raise tokens.expected("a comma or a closing brace" if matchers else "a closing brace")
    if not tokens.at(""):
        raise tokens.expected("a comma" if matchers else 'name="value"')
    return tuple(matchers)


class _Tokens:
    """The newer parser's tokens of a text, with one token of lookahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self._next()

    def at(self, *kinds: str) -> bool:
        """Whether the next token is one of these signs; `""` is the end."""
        return self._kind in ("sign", "end") and self._value in kinds

    def accept(self, sign: str) -> bool:
        present = self.at(sign)
        if present:
            self._next()
        return present

    def word(self, what: str) -> str:
        if self._kind not in ("quoted", "bare"):
            raise self.expected(what)
        value = _unquote(self._value) if self._kind == "quoted" else self._value
        self._next()
        return value

    def operator(self) -> str:
        if self._kind != "operator":
            raise self.expected("=, !=, =~ or !~")
        value = self._value
        self._next()
        return value

    def expected(self, what: str) -> MatcherError:
        rest = self._text[self._start :]
        return MatcherError(f"expected {what} {f'at {rest[:20]!r}' if rest else 'at the end'}")

    def _next(self) -> None:
        self._start = self._end
        while self._text[self._start : self._start + 1] in _SPACE and self._start < len(self._text):
            self._start += 1
        match = _TOKEN.match(self._text, self._start)
        if match is not None:
            self._kind, self._value, self._end = str(match.lastgroup), match[0], match.end()
        elif self._start == len(self._text):
            self._kind, self._value = "end", ""
        else:
            raise self.expected('name="value"')


def _unquote(token: str) -> str:
    """A Go string literal in double quotes. Raises MatcherError."""
    body = token[1:-1]
    if "\\" not in body and "\n" not in body:
        return body
    parts: list[bytes] = []
    start = 0
    for item in _ESCAPE.finditer(body):
        parts.append(body[start : item.start()].encode())
        start = item.end()
        one, code = item["one"], item["short"] or item["long"]
        if one:
            parts.append(_ONE[one].encode())
        elif item["hex"] or item["octal"]:
            parts.append(bytes([int(item["hex"], 16) if item["hex"] else int(item["octal"], 8)]))
        elif code and (number := int(code, 16)) <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
            parts.append(chr(number).encode())
        else:
            raise MatcherError(f"invalid escape {item[0]!r} in {token[:40]}")
    parts.append(body[start:].encode())
    try:
        return b"".join(parts).decode()
    except UnicodeDecodeError:
        raise MatcherError(f"invalid UTF-8 in {token[:40]}") from None


def _build(name: str, operator: str, value: str) -> Matcher:
    matcher = Matcher(name, value, is_regex=operator.endswith("~"), is_equal=not operator.startswith("!"))
    matcher.check()
    return matcher
