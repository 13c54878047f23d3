"""The variables of a Grafana dashboard: their possible values, and their replacement in a query.

The lint checks whether a query can return data for any choice of a user. So a matcher accepts every value that the dashboard
spells out for a variable; if only the server knows the values, it accepts anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

import promql_parser as ast

from queries.model.frozen import dataclass
from queries.model.series import quote
from queries.promql.syntax import lex
from queries.text.durations import UNIT_SECONDS

VARIABLE = re.compile(
    r"\$(?P<bare>[A-Za-z_]\w*)"
    r"|\$\{(?P<braced>[A-Za-z_]\w*)(?:\.[^:}]+)?(?::(?P<form>[^}]+))?\}"
    r"|\[\[(?P<old>[A-Za-z_]\w*)(?::[^\]]*)?\]\]"
)
"""A name starts with a letter: `$1` and `${1}` are capture groups of a regular expression."""


def name_of(match: re.Match[str]) -> str:
    """The variable's name in any of its notations."""
    return str(match["bare"] or match["braced"] or match["old"])


_ALL = ("$__all", "All")
_CAPTURE = re.compile(r"\(\?P?<(\w+)>")
_QUOTING = ("doublequote", "singlequote", "json")
_MARK = re.compile(r"__v(\d+)v__")
_MATCHERS = ("=", "!=", "=~", "!~")
_AT_TIME = re.compile(r"@\s*\$(?:__(?:from|to)\b|\{__(?:from|to)\b[^}]*\})")
_UNIT_SECONDS = {**UNIT_SECONDS, "M": 2_592_000.0}
"""Grafana writes a month as `M`, and one unit only."""
_DURATION = re.compile(rf"(\d+)({'|'.join(sorted(_UNIT_SECONDS, key=len, reverse=True))})")
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Variable:
    """`values` are all possible values, empty if only the server knows them; `every` is the pattern of All.

    `chosen` is the saved value, used outside a matcher, where no pattern is possible; it may be empty. `escaped` values are
    not regular expressions. A `hidden` one cannot be chosen.
    """

    name: str
    values: tuple[str, ...] = ()
    chosen: str = ""
    every: str = ""
    escaped: bool = False
    hidden: bool = False

    def pattern(self, *, literal: bool, empty: bool) -> str:
        """A regular expression of its possible values; `literal`: the values are taken literally."""
        if not self.values:
            return self.every or ("" if empty else ".+")
        patterns = [re.escape(value) if literal or self.escaped else value for value in self.values]
        patterns += [self.every] if self.every and not literal else []
        return patterns[0] if len(patterns) == 1 else f"({'|'.join(patterns)})"


_INTERVAL = "5m"
"""For $__interval and the like: long enough for a rate at any usual scrape interval."""
_FIXED = {
    "__rate_interval": _INTERVAL, "__interval": _INTERVAL, "__auto": _INTERVAL, "__range": "1h", "__interval_ms": "300000",
    "__rate_interval_ms": "300000", "__range_s": "3600", "__range_ms": "3600000",
    "__from": "((time() - 3600) * 1000)", "__to": "(time() * 1000)",
}  # fmt: skip
_SECONDS = {"__from": "(time() - 3600)", "__to": "time()"}
_OPEN = ("__dashboard", "__name", "__org", "__user", "__timezone", "__searchFilter", "__timeFilter", "timeFilter")


def _built_in(name: str) -> Variable | None:
    if name.startswith("__auto_interval"):
        return Variable(name, chosen=_INTERVAL, every=".*")
    if name in _FIXED:
        return Variable(name, chosen=_FIXED[name], every=".*")
    return Variable(name, every=".*") if name in _OPEN else None


@dataclass(frozen=True, slots=True)
class FilledText:
    """A text with every variable replaced.

    `used` are the dashboard's variables in it, `unknown` those that the dashboard lacks, which Grafana leaves unchanged.
    `unset` are outside a matcher, and only the server knows their value.
    """

    text: str
    used: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


def fill_variables(text: str, variables: Mapping[str, Variable], *, empty: Container[str] = ()) -> FilledText:
    """Replace the variables of a text. `empty` ones have no value on the server: Grafana replaces them by nothing."""
    captured = set(_CAPTURE.findall(text))
    used: list[tuple[Variable, str]] = []
    unknown: list[str] = []
    unset: list[str] = []

    def mark(match: re.Match[str]) -> str:
        name, form = name_of(match), match["form"] or ""
        variable = variables.get(name) or _built_in(name)
        if variable is None:
            literal = name in captured or match.string[: match.start()].endswith("\\")
            unknown.extend(() if literal else (name,))
            return match[0]
        used.append((variable, form))
        word = f"__v{len(used) - 1}v__"
        return f'"{word}"' if form in _QUOTING else word

    def outside(part: str) -> str:
        def value(match: re.Match[str]) -> str:
            variable, form = used[int(match[1])]
            if not variable.chosen:
                unset.append(variable.name)
            return _SECONDS[variable.name] if form == "date:seconds" and variable.name in _SECONDS else variable.chosen

        return _MARK.sub(value, part)

    marked = VARIABLE.sub(mark, _AT_TIME.sub("@ end()", text))
    parts: list[str] = []
    at = 0
    before: re.Match[str] | None = None
    for token in lex(marked):
        if token.lastgroup == "text" and _MARK.search(token[0]):
            operator = before[0] if before is not None and before[0] in _MATCHERS else ""
            parts.append(outside(marked[at : before.start() if before is not None and operator else token.start()]))
            parts.append(_text(operator, token[0], [variable for variable, _ in used], empty))
            at = token.end()
        before = token
    parts.append(outside(marked[at:]))
    names = [variable.name for variable, _ in used if variable.name in variables]
    return FilledText("".join(parts), *(tuple(dict.fromkeys(listed)) for listed in (names, unknown, unset)))


def _text(operator: str, written: str, used: list[Variable], empty: Container[str]) -> str:
    """A string literal, after its operator if it is a matcher's value."""
    content = _content(written)
    if content is None:
        return operator + _MARK.sub(lambda match: used[int(match[1])].chosen, written)
    pieces = _MARK.split(content)
    variables = [used[int(number)] for number in pieces[1::2]]
    if not operator or all(len(item.values) == 1 and not item.every for item in variables):
        return operator + quote(_MARK.sub(lambda match: _one(used[int(match[1])]), content))
    if operator.startswith("!") and not all(item.name in empty for item in variables):
        return '=~".*"'  # some choice excludes nothing
    literal = operator in ("=", "!=")
    for at, variable in enumerate(variables):
        pieces[2 * at + 1] = variable.pattern(literal=literal, empty=variable.name in empty)
    pieces[::2] = [re.escape(piece) if literal else piece for piece in pieces[::2]]
    return ("!~" if operator.startswith("!") else "=~") + quote("".join(pieces))


def _content(written: str) -> str | None:
    """The value of a string literal; None if it holds an escape that PromQL does not know."""
    if written.startswith("`"):
        return written[1:-1]
    try:
        parsed = ast.parse(written)
    except ValueError:
        return None
    return parsed.val if isinstance(parsed, ast.StringLiteral) else None


def _one(variable: Variable) -> str:
    return variable.values[0] if len(variable.values) == 1 else variable.chosen or "x"


def read_variable(item: Mapping[str, Any], kind: str, *, inputs: Mapping[str, str]) -> Variable:
    """One entry of `templating.list`, or of the second version's `variables`; `kind` is Grafana's type of it.

    `inputs` are the constants of a shared export.
    """
    name = str(item.get("name"))
    hidden = item.get("hide") in (2, "hideVariable")
    saved = _saved(item)
    first = saved[0] if saved else ""
    every = str(item.get("allValue") or "") if item.get("includeAll") is not False else ""
    written = item.get("query") if isinstance(item.get("query"), str) else ""
    if kind == "constant":
        value = VARIABLE.sub(lambda match: inputs.get(name_of(match), match[0]), written or first)
        return Variable(name, (value,), value, hidden=hidden)
    if kind == "custom":
        values = _choices(item, written or "") or saved
        some = bool(item.get("multi") or item.get("includeAll"))
        return Variable(name, values, first or (values[0] if values else ""), every, escaped=some, hidden=hidden)
    if kind == "interval":
        return Variable(name, chosen=_interval((*saved, *_listed(written or ""))), every=".*", hidden=hidden)
    if kind == "query":
        return Variable(name, chosen=first, every=every, hidden=hidden)
    if kind == "switch":
        both = tuple(str(item[key]) for key in ("enabledValue", "disabledValue") if key in item) or saved
        return Variable(name, both, first or (both[0] if both else ""), hidden=hidden)
    # A text box, a data source, filters: any text, also none.
    return Variable(name, chosen=first or (written or "" if kind == "textbox" else ""), every=".*", hidden=hidden)


def _saved(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The saved values without All."""
    current = item.get("current")
    value = current.get("value") if isinstance(current, dict) else None
    listed: Iterable[Any] = value if isinstance(value, list) else (value,)
    return tuple(str(one) for one in listed if one is not None and one not in ("", *_ALL))


def _choices(item: Mapping[str, Any], written: str) -> tuple[str, ...]:
    """The values of a custom variable: `a, b`, `Name : a`, or JSON with a value each."""
    if written.lstrip().startswith("["):
        try:
            rows = json.loads(written)
        except ValueError:
            rows = []
        values = [row.get("value") if isinstance(row, dict) else row for row in rows if row is not None]
        return tuple(str(value) for value in values if value is not None)
    found = [part.split(" : ", 1)[-1].strip() for part in _listed(written)]
    if not any(found) and isinstance(item.get("options"), list):
        found = [str(one.get("value", "")) for one in item["options"] if isinstance(one, dict)]
    return tuple(dict.fromkeys(value for value in found if value and value not in _ALL))


def _listed(written: str) -> list[str]:
    """Split at commas that no backslash escapes."""
    return [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", written)]


def _interval(choices: Iterable[str]) -> str:
    """The longest up to an hour, for which a rate needs the fewest scrapes; the first if all are longer."""
    lengths: dict[str, float] = {}
    for choice in (one.strip().strip("\"'") for one in choices):
        if found := _DURATION.fullmatch(choice):
            lengths[choice] = int(found[1]) * _UNIT_SECONDS[found[2]]
    short = {choice: length for choice, length in lengths.items() if length <= _HOUR}
    return max(short, key=lambda choice: short[choice]) if short else next(iter(lengths), _INTERVAL)
