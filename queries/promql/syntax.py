"""PromQL parsed: metric names, label matchers and functions of an expression, errors with their position."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import promql_parser as ast

from queries.model.later import lazy_pattern
from queries.model.regex import RegexError, check_regex, compile_regex
from queries.model.series import quote

_DEEPEST = 100
_MOST_OPERATORS = 500
"""The parser recurses without a limit: beyond these it takes minutes, or crashes the process."""

_TOKEN = lazy_pattern(
    r"""(?P<space>\s+|\#[^\n]*)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
    r"""|(?P<open>[({\[])|(?P<close>[)}\]])"""
    r"""|(?P<number>0[xX](?:_?[0-9a-fA-F])+|(?:\d+(?:ms|[smhdwy]))+"""
    r"""|(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_:]*|:[A-Za-z_:][A-Za-z0-9_:]*)"""
    r"""|(?P<operator>==|!=|>=|<=|=~|!~|[-+*/%^<>=@,:])"""
    r"""|(?P<other>.)""",
    re.DOTALL,
)
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
MIRRORED = {"==": "==", "!=": "!=", ">": "<", "<": ">", ">=": "<=", "<=": ">="}
"""The comparison with its sides exchanged."""
_BINARY_WORDS = frozenset({"and", "or", "unless", "atan2"})
_NAME = lazy_pattern(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = lazy_pattern(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PLAIN = lazy_pattern(r"[A-Za-z0-9_:.\- /]+")
_RAW = lazy_pattern(r"`[^`]*`")
_MISREAD = lazy_pattern(r"`|[\dxX]_|\boffset\s*[-+]?\s*0", re.IGNORECASE)
_CLOSING = {"(": ")", "{": "}", "[": "]"}
_NOT_CALLED = _BINARY_WORDS | {"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "start", "end"}
"""Words whose parentheses are not those of a call."""

# Prometheus 3 renamed it; rules of Prometheus 2 still use it.
ast.register_extra_functions(
    [ast.Function("holt_winters", [ast.ValueType.Matrix, ast.ValueType.Scalar, ast.ValueType.Scalar], ast.ValueType.Vector)]
)


class PromqlError(ValueError):
    """Text that is not PromQL; `offset` counts characters from 0, `line` and `column` count from 1."""

    def __init__(self, problem: str, *, text: str, offset: int) -> None:
        self.problem = problem
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        super().__init__(f"{self.line}:{self.column}: {problem}")


class LabelMatcher(msgspec.Struct, frozen=True):
    """`name` `operator` `value`, the operator one of `=`, `!=`, `=~`, `!~`."""

    name: str
    operator: str
    value: str

    @property
    def positive(self) -> bool:
        """Whether the label must exist: False for a matcher that also matches series without the label."""
        if self.operator == "=":
            return self.value != ""
        return self.operator == "=~" and not self.matches("")

    def matches(self, value: str) -> bool:
        """Whether Prometheus 3 matches this label value; a regular expression that RE2 refuses matches everything."""
        if self.operator in ("=", "!="):
            return (value == self.value) == (self.operator == "=")
        try:
            return compile_regex(self.value, dot_matches_newline=True)(value) == (self.operator == "=~")
        except RegexError:
            return True


class Selector(msgspec.Struct, frozen=True):
    """One vector or matrix selector. `metric` is the name before the braces or of `__name__="…"`, else empty."""

    metric: str
    matchers: tuple[LabelMatcher, ...]
    range_seconds: float | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric name that it spells out, also the alternatives of `__name__=~"a|b"`."""
        if self.metric:
            return (self.metric,)
        named = [alternatives(item.value) for item in self.matchers if (item.name, item.operator) == ("__name__", "=~")]
        return next((names for names in named if names), ())

    @property
    def text(self) -> str:
        """The selector as PromQL, without a range."""
        named = any(item.name == "__name__" for item in self.matchers)
        bare = self.metric if not named and _NAME.fullmatch(self.metric) else ""
        listed = [quote(self.metric)] if self.metric and not bare and not named else []
        listed += [_write_matcher(item) for item in self.matchers]
        return f"{bare}{{{','.join(listed)}}}"

    @property
    def labels(self) -> tuple[LabelMatcher, ...]:
        """The matchers of labels other than the name."""
        for item in self.matchers:
            if item.name == "__name__":
                return tuple(item for item in self.matchers if item.name != "__name__")
        return self.matchers


def parser_version() -> str:
    """The parser's name and version, for messages about syntax that it does not support."""
    from importlib.metadata import version  # noqa: PLC0415  # slow, and rarely needed

    return f"promql-parser {version('promql-parser')}"


def select_metric(name: str) -> str:
    """A selector of one metric; a name in UTF-8 is quoted, as every server that stores one requires."""
    return name if _NAME.fullmatch(name) else f"{{{quote(name)}}}"


def _write_matcher(item: LabelMatcher) -> str:
    if item.name == "__name__" and item.operator == "=" and not _NAME.fullmatch(item.value):
        return quote(item.value)
    name = item.name if _LABEL.fullmatch(item.name) else quote(item.name)
    return f"{name}{item.operator}{quote(item.value)}"


class Expression(msgspec.Struct, frozen=True):
    """A parsed expression. `root` is the parser's own syntax tree, in which regular expressions are marked: read its selectors
    with `selector`.
    """

    text: str
    root: ast.Expr
    selectors: tuple[Selector, ...]
    words: frozenset[str]
    """The functions, aggregations and binary operators in it."""
    metrics: tuple[str, ...]
    """Every metric name in it, in order, each once."""
    parts: tuple[ast.Expr, ...]
    """Every node of the tree, as `nodes` gives them."""

    def offset_of(self, word: str) -> int | None:
        """The offset of the first occurrence of a name or label value, in characters; None if it does not occur."""
        for token in lex(self.text):
            if token[0] == word or (token.lastgroup == "text" and word in token[0]):
                return token.start()
        return None

    def line_of(self, word: str) -> int:
        """The line of the first occurrence of a word, from 0; 0 if it does not occur."""
        return self.text.count("\n", 0, self.offset_of(word) or 0)


_SELECTORS = (ast.MatrixSelector, ast.VectorSelector)
_LITERALS = (ast.NumberLiteral, ast.StringLiteral)


def parse_tree(text: str) -> ast.Expr:
    """The parser's syntax tree only, with unmodified regular expressions. Raises PromqlError."""
    _refuse_oversized(text)
    return _parse(_adapt(text), text)


def parse_marked_tree(text: str) -> ast.Expr:
    """The syntax tree with marked regular expressions, in a third of the time: read its selectors with `selector`.

    For expressions that a server evaluates: whether a regular expression is valid is not checked. Raises PromqlError.
    """
    _refuse_oversized(text)
    written = _adapt(text)
    try:
        return ast.parse(_mark_regexes(written))
    except ValueError:
        return _parse(written, text)  # for the error about the unmodified text


def _parse(written: str, text: str) -> ast.Expr:
    try:
        return ast.parse(written)
    except ValueError as error:
        raise PromqlError(str(error), text=text, offset=_locate_error(text)) from None


def parse_promql(text: str) -> Expression:
    """Raises PromqlError; RE2 decides whether a regular expression is valid, as in Prometheus."""
    _refuse_oversized(text)
    written = _adapt(text)
    try:
        root = ast.parse(_mark_regexes(written))
    except ValueError:
        root = _parse(written, text)  # for the error about the unmodified text
    words: set[str] = set()
    found: list[Selector] = []
    metrics: dict[str, None] = {}
    parts: list[ast.Expr] = []
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        parts.append(node)
        kind = type(node)
        if kind in _SELECTORS:
            picked = selector(node)
            found.append(picked)
            metrics.update(dict.fromkeys(picked.metrics))
        elif get_children := _CHILDREN.get(kind):
            waiting.extend(reversed(get_children(node)))
            if kind is ast.Call:
                words.add(node.func.name)
            elif kind is ast.AggregateExpr or kind is ast.BinaryExpr:
                words.add(str(node.op))
    for picked in found:
        _check_selector(picked, written, text)
    return Expression(text, root, tuple(found), frozenset(words), tuple(metrics), tuple(parts))


_MARKS = {"=~": "\ue000", "!~": "\ue001"}
_MARKED = {mark: operator for operator, mark in _MARKS.items()}
_QUOTED = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_ZERO_OFFSET = lazy_pattern(
    rf"""#[^\n]*|{_QUOTED}|(?<![\w:])(?P<zero>offset\s*[-+]?\s*0+(?:(?:ms|[smhdwy])(?:0+(?:ms|[smhdwy]))*)?(?![\w.]))""",
    re.DOTALL | re.IGNORECASE,
)
_REGEX = lazy_pattern(
    r"""#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""  # a comment and other texts
    rf"|=~\s*{_QUOTED}|!~\s*{_QUOTED}",
    re.DOTALL,
)


def _mark_regexes(text: str) -> str:
    """Write `=~"x"` as an equality of a marked text: the parser would compile x each time, which takes most of its time,
    with a syntax that is not RE2's."""
    if "~" not in text or "__name__" in text or "\ue000" in text or "\ue001" in text:
        return text
    return _REGEX.sub(_mark_regex, text)


def _mark_regex(match: re.Match[str]) -> str:
    text = match[0]
    mark = _MARKS.get(text[:2])
    if mark is None:
        return text
    value = text[2:].lstrip()
    return f"={value[0]}{mark}{value[1:]}"


def _check_selector(picked: Selector, written: str, text: str) -> None:
    """Raise PromqlError for errors that the parser cannot detect in a marked text."""
    for item in picked.matchers:
        if item.operator in _MARKS:
            try:
                compile_regex(item.value, dot_matches_newline=True)
            except RegexError:
                problem = f"invalid regex {item.name}{item.operator}{quote(item.value)}: {_explain(item.value)}"
                raise PromqlError(problem, text=text, offset=_locate_regex(text, item)) from None
    if not picked.metric:
        _parse(written, text)  # it must have a matcher that the empty text does not match


def _explain(pattern: str) -> str:
    """RE2's own message, about the pattern without the anchors around it."""
    try:
        check_regex(pattern)
    except RegexError as error:
        return str(error)
    return "it closes a group that it does not open"


def _locate_regex(text: str, item: LabelMatcher) -> int:
    """The offset of a matcher's label in the text, else of the operator."""
    tokens = list(lex(text))
    for at, token in enumerate(tokens):
        if token[0] == item.operator and at and tokens[at - 1][0] == item.name:
            return tokens[at - 1].start()
    return next((token.start() for token in tokens if token[0] == item.operator), 0)


def same_expression(one: str, other: str) -> bool:
    """Whether two texts differ only in spelling: spaces, quotes, the order of clauses, comments.

    A server returns its rules as it prints them. Text that the parser does not know is compared token by token.
    """
    if one == other:
        return True
    # A name may be written as a matcher; the parser then compiles regular expressions, or refuses those of RE2 alone.
    named = "__name__" in one or "__name__" in other
    read = parse_tree if named else lambda text: parse_promql(text).root
    try:
        return bool(read(one).prettify() == read(other).prettify())
    except PromqlError:
        return [token[0] for token in lex(one)] == [token[0] for token in lex(other)]


def nodes(root: ast.Expr) -> Iterator[ast.Expr]:
    """Every node of an expression, the outer before the inner; a range selector includes its vector selector."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    """The direct children of a node, in written order."""
    get_children = _CHILDREN.get(type(node))
    return () if get_children is None else get_children(node)


_CHILDREN: dict[type, Callable[[Any], tuple[ast.Expr, ...]]] = {
    ast.BinaryExpr: lambda node: (node.lhs, node.rhs),
    ast.AggregateExpr: lambda node: (node.expr,) if node.param is None else (node.param, node.expr),
    ast.Call: lambda node: tuple(node.args),
    **dict.fromkeys((ast.ParenExpr, ast.UnaryExpr, ast.SubqueryExpr), lambda node: (node.expr,)),
}
"""By type, because a chain of isinstance for every node of every rule costs more than all the rest."""


def selectors(root: ast.Expr) -> tuple[Selector, ...]:
    """Every selector in an expression, in order."""
    return tuple(selector(node) for node in nodes(root) if isinstance(node, _SELECTORS))


def selector(node: ast.VectorSelector | ast.MatrixSelector) -> Selector:
    """A selector node as a plain value."""
    inner = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    joined = inner.matchers
    listed = [*joined.matchers, *itertools.chain.from_iterable(joined.or_matchers)]
    matchers = tuple([_matcher(item) for item in listed])
    named = inner.name or next((item.value for item in matchers if item.name == "__name__" and item.operator == "="), "")
    seconds = node.range.total_seconds() if isinstance(node, ast.MatrixSelector) else None
    return Selector(named, matchers, seconds)


def _matcher(item: Any) -> LabelMatcher:
    value = item.value
    if operator := _MARKED.get(value[:1]):
        return LabelMatcher(item.name, operator, value[1:])
    return LabelMatcher(item.name, _OPERATORS[str(item.op)], value)


def fallback_selectors(expression: Expression) -> tuple[Selector, ...]:
    """Selectors that may be empty because of an alternative: both sides of `a or b`.

    A constant is no alternative: `a or vector(0)` is 0 for ever if a does not exist.
    """
    found: list[Selector] = []
    for node in expression.parts if "or" in expression.words else ():
        if isinstance(node, ast.BinaryExpr) and str(node.op) == "or":
            sides = [selectors(side) for side in (node.lhs, node.rhs)]
            if all(sides):
                found += [item for side in sides for item in side]
    return tuple(found)


def strip_parens(node: ast.Expr) -> ast.Expr:
    """The node without parentheses around the whole."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def constant(node: ast.Expr) -> float | None:
    """The value of a constant: a number, also signed or in parentheses, or arithmetic of numbers; else None."""
    node = strip_parens(node)
    if isinstance(node, ast.NumberLiteral):
        return node.val
    if isinstance(node, ast.UnaryExpr):
        inner = constant(node.expr)
        return None if inner is None else -inner
    if isinstance(node, ast.BinaryExpr) and (fold := _FOLDS.get(str(node.op))) is not None:
        left, right = constant(node.lhs), constant(node.rhs)
        if left is not None and right is not None:
            try:
                return fold(left, right)
            except (ZeroDivisionError, OverflowError, TypeError):
                return None
    return None


def is_scalar(node: ast.Expr) -> bool:
    """Whether an expression is a scalar or a string: `5 * 60`, `time() - 3600`, `scalar(x)`."""
    node = strip_parens(node)
    if isinstance(node, _LITERALS):
        return True
    if isinstance(node, ast.UnaryExpr):
        return is_scalar(node.expr)
    if isinstance(node, ast.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    return isinstance(node, ast.Call) and node.func.return_type == ast.ValueType.Scalar


_VECTORS = (ast.ValueType.Vector, ast.ValueType.Matrix)
_VECTOR_AT: dict[str, int | None] = {}
"""The position of each function's vector argument; a cache."""


def vector_argument(node: ast.Call) -> ast.Expr | None:
    """The vector argument of a function; None without one (`time()`, `vector(1)`)."""
    function = node.func
    name = function.name
    if name not in _VECTOR_AT:
        _VECTOR_AT[name] = next((at for at, kind in enumerate(function.arg_types) if kind in _VECTORS), None)
    at = _VECTOR_AT[name]
    arguments = node.args
    return arguments[at] if at is not None and at < len(arguments) else None


def alternatives(pattern: str, *, most: int = 200) -> tuple[str, ...]:
    """The texts that a regular expression of words, `|`, groups and `?` matches; empty for any other pattern."""
    try:
        found, rest = _choices(pattern, most)
    except ValueError:
        return ()
    return () if rest else tuple(dict.fromkeys(found))


def _choices(pattern: str, most: int) -> tuple[list[str], str]:
    """The texts of one group's alternatives, and the rest of the pattern. Raises ValueError."""
    done: list[str] = []
    current = [""]
    while pattern and pattern[0] != ")":
        if pattern[0] == "|":
            done += current
            current, pattern = [""], pattern[1:]
            continue
        if pattern[0] == "(":
            part, pattern = _choices(pattern[1:].removeprefix("?:"), most)
            if not pattern:
                raise ValueError("a group is not closed")
            pattern = pattern[1:]
        else:
            plain = _PLAIN.match(pattern)
            if plain is None or "." in plain[0]:
                raise ValueError("more than words")
            # A question mark belongs to the last character alone.
            length = len(plain[0]) - (len(plain[0]) > 1 and pattern[len(plain[0]) :].startswith("?"))
            part, pattern = [pattern[:length]], pattern[length:]
        if pattern.startswith("?"):
            part, pattern = [*part, ""], pattern[1:]
        current = [one + other for one in current for other in part]
        if len(current) + len(done) > most:
            raise ValueError("too many")
    return done + current, pattern


def lex(text: str) -> Iterator[re.Match[str]]:
    """Every token in order: word, text, number, bracket, operator; the match's group names its kind."""
    return (item for item in _TOKEN.finditer(text) if item.lastgroup != "space")


def _refuse_oversized(text: str) -> None:
    if len(text) <= _MOST_OPERATORS and sum(map(text.count, _CLOSING)) <= _DEEPEST:
        return  # too short to exceed a limit
    depth = operators = 0
    for token in lex(text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        operators += token.lastgroup == "operator" or token[0].lower() in _BINARY_WORDS
        if depth > _DEEPEST:
            raise PromqlError(f"nested more than {_DEEPEST} deep", text=text, offset=token.start())
        if operators > _MOST_OPERATORS:
            raise PromqlError(f"more than {_MOST_OPERATORS} operators", text=text, offset=token.start())


def _locate_error(text: str) -> int:
    """The offset of the smallest invalid part, because the parser reports no position.

    An unmatched bracket, else the innermost call or argument that cannot be parsed alone, else the whole.
    """
    waiting: list[re.Match[str]] = []
    tokens = list(lex(text))
    for token in tokens:
        if token.lastgroup == "open":
            waiting.append(token)
        elif token.lastgroup == "close" and (not waiting or _CLOSING[waiting.pop()[0]] != token[0]):
            return token.start()
    if waiting:
        return waiting[-1].start()
    offset = _innermost_error(text, tokens)
    return offset if offset is not None else tokens[0].start() if tokens else 0


def _innermost_error(text: str, tokens: Sequence[re.Match[str]]) -> int | None:
    """The offset of the innermost invalid call or argument; all brackets match."""
    at = 0
    while at < len(tokens):
        if tokens[at].lastgroup != "open":
            at += 1
            continue
        end = _partner(tokens, at)
        if tokens[at][0] == "(":
            for part in _arguments(tokens[at + 1 : end]):
                found = _innermost_error(text, part)
                if found is None and not _parses(text[part[0].start() : part[-1].end()]):
                    found = part[0].start()
                if found is not None:
                    return found
            function = _function_before(tokens, at)
            if function is not None and not _parses(text[function.start() : tokens[end].end()]):
                return function.start()
        at = end + 1
    return None


def _function_before(tokens: Sequence[re.Match[str]], at: int) -> re.Match[str] | None:
    """The function name before an opening parenthesis, None if it is not a call."""
    before = tokens[at - 1] if at else None
    return before if before is not None and before.lastgroup == "word" and before[0].lower() not in _NOT_CALLED else None


def _partner(tokens: Sequence[re.Match[str]], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += (tokens[index].lastgroup == "open") - (tokens[index].lastgroup == "close")
        if not depth:
            return index
    return len(tokens) - 1


def _arguments(tokens: Sequence[re.Match[str]]) -> Iterator[Sequence[re.Match[str]]]:
    """The tokens between top-level commas; empty arguments are left out."""
    depth = start = 0
    for index, token in enumerate(tokens):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if token[0] == "," and not depth:
            if index > start:
                yield tokens[start:index]
            start = index + 1
    if len(tokens) > start:
        yield tokens[start:]


def _adapt(text: str) -> str:
    """Write what the parser misreads or refuses as the servers' own printer does: raw strings (`5.`) in double quotes, numbers
    without `_`, and no offset of zero.
    """
    if _MISREAD.search(text) is None:
        return text
    parts = (_adapt_token(item) for item in _TOKEN.finditer(text))
    return _ZERO_OFFSET.sub(lambda match: "" if match["zero"] else match[0], "".join(parts))


def _adapt_token(item: re.Match[str]) -> str:
    text = item[0]
    if item.lastgroup == "number":
        return text.replace("_", "")
    return json.dumps(text[1:-1], ensure_ascii=False) if _RAW.fullmatch(text) else text


def _parses(text: str) -> bool:
    try:
        ast.parse(_adapt(text))
    except ValueError:
        return False
    return True


_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}

_FOLDS: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "^": lambda left, right: float(left**right),
}
