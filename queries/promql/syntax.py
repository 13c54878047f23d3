"""PromQL taken apart by a real parser: metric names, label matchers and functions of an expression, errors with their place."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import promql_parser as ast

from queries.model.regex import RegexError, compile_regex
from queries.model.series import quote

_DEEPEST = 100
_MOST_OPERATORS = 500
"""The parser recurses without a limit of its own: beyond these it takes minutes, or the process with it."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
    r"""|(?P<open>[({\[])|(?P<close>[)}\]])"""
    r"""|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:ms|[smhdwy]))+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_:]*|:[A-Za-z_:][A-Za-z0-9_:]*)"""
    r"""|(?P<operator>==|!=|>=|<=|=~|!~|[-+*/%^<>=@,:])"""
    r"""|(?P<other>.)""",
    re.DOTALL,
)
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_BINARY_WORDS = frozenset({"and", "or", "unless", "atan2"})
_PLAIN = re.compile(r"[A-Za-z0-9_:.\- /]+")
_RAW = re.compile(r"`[^`]*`")
_CLOSING = {"(": ")", "{": "}", "[": "]"}
_NO_CALL = _BINARY_WORDS | {"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "start", "end"}
"""Words whose parentheses hold labels, or the next operand."""

# Prometheus 3 renamed it; the rules of a Prometheus 2 still say this.
ast.register_extra_functions(
    [ast.Function("holt_winters", [ast.ValueType.Matrix, ast.ValueType.Scalar, ast.ValueType.Scalar], ast.ValueType.Vector)]
)


class PromqlError(ValueError):
    """Text that is no PromQL; `offset` counts characters from 0, `line` and `column` count from 1."""

    def __init__(self, problem: str, *, text: str, offset: int) -> None:
        self.problem = problem
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        super().__init__(f"{self.line}:{self.column}: {problem}")


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """`name` `operator` `value`, the operator one of `=`, `!=`, `=~`, `!~`."""

    name: str
    operator: str
    value: str

    @property
    def positive(self) -> bool:
        """Whether it wants a label that is there: what also takes series without the label is not meant."""
        if self.operator == "=":
            return self.value != ""
        return self.operator == "=~" and not self.takes("")

    def takes(self, value: str) -> bool:
        """Whether a label with this value passes in Prometheus 3; a regular expression that RE2 refuses takes everything."""
        if self.operator in ("=", "!="):
            return (value == self.value) == (self.operator == "=")
        try:
            return compile_regex(self.value, dot_matches_newline=True)(value) == (self.operator == "=~")
        except RegexError:
            return True


@dataclass(frozen=True, slots=True)
class Selector:
    """One selection of series. `metric` is the name before the braces or of `__name__="…"`, empty where there is none."""

    metric: str
    matchers: tuple[LabelMatcher, ...]
    range_seconds: float | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every name that it spells out, also as the alternatives of `__name__=~"a|b"`; empty where it names none."""
        if self.metric:
            return (self.metric,)
        spelled = [alternatives(item.value) for item in self.matchers if (item.name, item.operator) == ("__name__", "=~")]
        return next((found for found in spelled if found), ())

    @property
    def text(self) -> str:
        """As PromQL writes it, without a range."""
        matchers = ",".join(f"{item.name}{item.operator}{quote(item.value)}" for item in self.matchers)
        named = any(item.name == "__name__" for item in self.matchers)
        return f"{'' if named else self.metric}{{{matchers}}}"

    @property
    def labels(self) -> tuple[LabelMatcher, ...]:
        """The matchers of labels other than the name."""
        return tuple(item for item in self.matchers if item.name != "__name__")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. `root` is the parser's own tree, for those who look at how things are put together."""

    text: str
    root: ast.Expr
    selectors: tuple[Selector, ...]
    functions: tuple[str, ...]
    """Names of functions and aggregations, sorted, each once."""
    metrics: tuple[str, ...]
    """Every metric name that is spelled out, in order, each once."""
    parts: tuple[ast.Expr, ...]
    """Every node of the tree, as `nodes` gives them."""

    def offset_of(self, word: str) -> int | None:
        """Where a name or a label's value first stands, in characters from 0; None where it is not written out."""
        for token in lex(self.text):
            if token[0] == word or (token.lastgroup == "text" and word in token[0]):
                return token.start()
        return None

    def line_of(self, word: str) -> int:
        """On which line of the text a word first stands, from 0; 0 where it is not written out."""
        return self.text.count("\n", 0, self.offset_of(word) or 0)


_SELECTORS = (ast.MatrixSelector, ast.VectorSelector)


def parse_tree(text: str) -> ast.Expr:
    """The parser's own tree alone. Raises PromqlError."""
    _refuse_monsters(text)
    try:
        return ast.parse(_without_raw_strings(text))
    except ValueError as error:
        raise PromqlError(str(error), text=text, offset=_failing(text)) from None


def parse(text: str) -> Expression:
    """Raises PromqlError."""
    root = parse_tree(text)
    functions: set[str] = set()
    picked: list[Selector] = []
    parts = tuple(nodes(root))
    for node in parts:
        if isinstance(node, _SELECTORS):
            picked.append(selector(node))
        elif isinstance(node, ast.Call):
            functions.add(node.func.name)
        elif isinstance(node, ast.AggregateExpr):
            functions.add(str(node.op))
    metrics = tuple(dict.fromkeys(name for item in picked for name in item.metrics))
    return Expression(text, root, tuple(picked), tuple(sorted(functions)), metrics, parts)


def same_expression(one: str, other: str) -> bool:
    """Whether two texts are one expression but for how they are written: spaces, quotes, the order of clauses, comments.

    A server tells its rules as it prints them itself. What the parser does not know is compared word by word.
    """
    if one == other:
        return True
    try:
        return bool(parse(one).root.prettify() == parse(other).root.prettify())
    except PromqlError:
        return [token[0] for token in lex(one)] == [token[0] for token in lex(other)]


def nodes(root: ast.Expr) -> Iterator[ast.Expr]:
    """Every part of an expression, the outer before the inner; a range selector stands for the selector inside it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    """The direct parts of a node, in the order in which they are written."""
    take = _CHILDREN.get(type(node))
    return () if take is None else take(node)


_CHILDREN: dict[type, Callable[[Any], tuple[ast.Expr, ...]]] = {
    ast.BinaryExpr: lambda node: (node.lhs, node.rhs),
    ast.AggregateExpr: lambda node: (node.expr,) if node.param is None else (node.param, node.expr),
    ast.Call: lambda node: tuple(node.args),
    **dict.fromkeys((ast.ParenExpr, ast.UnaryExpr, ast.SubqueryExpr), lambda node: (node.expr,)),
}
"""By the type itself: every node of every rule is asked, and a chain of isinstance costs more than all the rest."""


def selectors(root: ast.Expr) -> tuple[Selector, ...]:
    """Every selection of series in an expression, in order."""
    return tuple(selector(node) for node in nodes(root) if isinstance(node, ast.MatrixSelector | ast.VectorSelector))


def selector(node: ast.VectorSelector | ast.MatrixSelector) -> Selector:
    """A node of the parser's tree as a plain value."""
    inner = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    listed = [*inner.matchers.matchers, *itertools.chain.from_iterable(inner.matchers.or_matchers)]
    matchers = tuple([LabelMatcher(item.name, _OPERATORS[str(item.op)], item.value) for item in listed])
    named = inner.name or next((item.value for item in matchers if item.name == "__name__" and item.operator == "="), "")
    seconds = node.range.total_seconds() if isinstance(node, ast.MatrixSelector) else None
    return Selector(named, matchers, seconds)


def alternatives_of_or(expression: Expression) -> tuple[Selector, ...]:
    """Selections that may be empty because another one stands in for them: `a or b` reads a, where there is none b.

    A constant stands in for nothing: `a or vector(0)` is 0 for ever where a does not exist.
    """
    found: list[Selector] = []
    for node in expression.parts if "or" in expression.text.lower() else ():
        if isinstance(node, ast.BinaryExpr) and str(node.op) == "or":
            sides = [selectors(side) for side in (node.lhs, node.rhs)]
            if all(sides):
                found += [picked for side in sides for picked in side]
    return tuple(found)


def bare(node: ast.Expr) -> ast.Expr:
    """Without the parentheses around the whole."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def number(node: ast.Expr) -> float | None:
    """The value of a number, also in parentheses or with a sign, and of simple sums of numbers; None for anything else."""
    node = bare(node)
    if isinstance(node, ast.NumberLiteral):
        return node.val
    if isinstance(node, ast.UnaryExpr):
        inner = number(node.expr)
        return None if inner is None else -inner
    if isinstance(node, ast.BinaryExpr) and (fold := _FOLDS.get(str(node.op))) is not None:
        left, right = number(node.lhs), number(node.rhs)
        if left is not None and right is not None:
            try:
                return fold(left, right)
            except (ZeroDivisionError, OverflowError, TypeError):
                return None
    return None


def is_scalar(node: ast.Expr) -> bool:
    """Whether an expression is a number or text without labels: `5 * 60`, `time() - 3600`, `scalar(x)`."""
    node = bare(node)
    if isinstance(node, ast.NumberLiteral | ast.StringLiteral):
        return True
    if isinstance(node, ast.UnaryExpr):
        return is_scalar(node.expr)
    if isinstance(node, ast.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    return isinstance(node, ast.Call) and node.func.return_type == ast.ValueType.Scalar


def vector_argument(node: ast.Call) -> ast.Expr | None:
    """The argument whose series a function works on; None where it has none (`time()`, `vector(1)`)."""
    given = zip(node.args, node.func.arg_types, strict=False)
    return next((item for item, kind in given if kind in (ast.ValueType.Vector, ast.ValueType.Matrix)), None)


def alternatives(pattern: str, *, most: int = 200) -> tuple[str, ...]:
    """The texts that a regular expression of words, `|`, groups and `?` matches; empty where it holds anything else."""
    try:
        found, rest = _choices(pattern, most)
    except ValueError:
        return ()
    return () if rest else tuple(dict.fromkeys(found))


def _choices(pattern: str, most: int) -> tuple[list[str], str]:
    """The texts of one group's alternatives, and what stands behind it. Raises ValueError."""
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
    """Every word, text, number, bracket and operator in order; the name of the match's group says which it is."""
    return (item for item in _TOKEN.finditer(text) if item.lastgroup != "space")


def _refuse_monsters(text: str) -> None:
    if len(text) <= _MOST_OPERATORS and sum(map(text.count, _CLOSING)) <= _DEEPEST:
        return  # too short for either
    depth = operators = 0
    for token in lex(text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        operators += token.lastgroup == "operator" or token[0].lower() in _BINARY_WORDS
        if depth > _DEEPEST:
            raise PromqlError(f"nested more than {_DEEPEST} deep", text=text, offset=token.start())
        if operators > _MOST_OPERATORS:
            raise PromqlError(f"more than {_MOST_OPERATORS} operators", text=text, offset=token.start())


def _failing(text: str) -> int:
    """Where the smallest part stands that is wrong by itself: the parser does not say where it gave up.

    A bracket without its partner, else the innermost call or argument that cannot be parsed alone, else the whole.
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
    found = _innermost(text, tokens)
    return found if found is not None else tokens[0].start() if tokens else 0


def _innermost(text: str, tokens: Sequence[re.Match[str]]) -> int | None:
    """The offset of the innermost call or argument that is wrong; brackets are known to be paired."""
    at = 0
    while at < len(tokens):
        if tokens[at].lastgroup != "open":
            at += 1
            continue
        end = _partner(tokens, at)
        if tokens[at][0] == "(":
            for part in _arguments(tokens[at + 1 : end]):
                found = _innermost(text, part)
                if found is None and not _parses(text[part[0].start() : part[-1].end()]):
                    found = part[0].start()
                if found is not None:
                    return found
            called = _called(tokens, at)
            if called is not None and not _parses(text[called.start() : tokens[end].end()]):
                return called.start()
        at = end + 1
    return None


def _called(tokens: Sequence[re.Match[str]], at: int) -> re.Match[str] | None:
    """The function before an opening parenthesis, None where it is no call."""
    before = tokens[at - 1] if at else None
    return before if before is not None and before.lastgroup == "word" and before[0].lower() not in _NO_CALL else None


def _partner(tokens: Sequence[re.Match[str]], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += (tokens[index].lastgroup == "open") - (tokens[index].lastgroup == "close")
        if not depth:
            return index
    return len(tokens) - 1


def _arguments(tokens: Sequence[re.Match[str]]) -> Iterator[Sequence[re.Match[str]]]:
    """What stands between the commas that are in no inner bracket; empty arguments are left out."""
    depth = begun = 0
    for index, token in enumerate(tokens):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if token[0] == "," and not depth:
            if index > begun:
                yield tokens[begun:index]
            begun = index + 1
    if len(tokens) > begun:
        yield tokens[begun:]


def _without_raw_strings(text: str) -> str:
    """With every raw string (`5.`) in double quotes: the parser reads escapes in it, where Prometheus reads none."""
    if "`" not in text:
        return text
    parts = (item[0] for item in _TOKEN.finditer(text))
    return "".join(json.dumps(part[1:-1], ensure_ascii=False) if _RAW.fullmatch(part) else part for part in parts)


def _parses(text: str) -> bool:
    try:
        ast.parse(_without_raw_strings(text))
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
