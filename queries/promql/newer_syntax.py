"""PromQL that not all versions of servers, promtool and parsers support."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from queries.promql.syntax import lex

_NEW_FUNCTIONS = frozenset(
    {
        *("double_exponential_smoothing", "first_over_time", "histogram_avg", "histogram_quantiles", "histogram_stddev"),
        *("histogram_stdvar", "info", "limit_ratio", "limitk", "mad_over_time", "max_of", "min_of", "range", "sort_by_label"),
        *("sort_by_label_desc", "step", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time"),
        "ts_of_min_over_time",
    }
)
"""Added after Prometheus 2.42, the oldest server in the console's tests."""
_COMMON_FUNCTIONS = (
    *("rate", "irate", "increase", "delta", "idelta", "deriv", "resets", "changes", "predict_linear", "absent"),
    *("absent_over_time", "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time"),
    *("last_over_time", "quantile_over_time", "stddev_over_time", "present_over_time", "histogram_quantile"),
    *("histogram_count", "histogram_sum", "histogram_fraction", "label_replace", "label_join", "clamp", "clamp_max"),
    *("clamp_min", "abs", "ceil", "floor", "round", "sqrt", "scalar", "vector", "time", "timestamp", "sort", "sort_desc"),
    *("sum", "avg", "min", "max", "count", "count_values", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"),
)
_FILL = frozenset({"fill", "fill_left", "fill_right"})
_COMPARED = frozenset({"=", "!=", "=~", "!~"})
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_NAMES = _GROUPING | {"{"}
"""Before or around a list of label names."""
_BRACKETS = re.compile(r"\bunclosed\b|\bunexpected right\b")
_UNKNOWN_FUNCTION = re.compile(r"unknown function with name ['\"](\w+)['\"]")


def newer_syntax(text: str) -> str:
    """The first construct in an expression that only newer servers support, as text; empty without one."""
    tokens = [(token.lastgroup, token[0]) for token in lex(text)]
    inside = [""]
    for at, (kind, word) in enumerate(tokens):
        before = tokens[at - 1][1] if at else ""
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if (inside[-1] == "[" and _is_computed(kind, word)) or (word.lower() == "offset" and following == "("):
            return "a duration expression"
        if found := _newer_word(word, before, following):
            return found
        if kind == "text" and inside[-1] in _NAMES and before not in _COMPARED:
            return "a quoted name"
        if kind == "open":
            inside.append(before if before in _GROUPING else word)
        elif kind == "close" and len(inside) > 1:
            inside.pop()
    return ""


def _is_computed(kind: str | None, word: str) -> bool:
    """Whether a token in a range's brackets is more than a duration."""
    return kind in ("word", "open") or (kind == "operator" and word not in (":", "-"))


def _newer_word(word: str, before: str, following: str) -> str:
    if before == "]" and word in ("anchored", "smoothed"):
        return f"`{word}`"
    if following == "(" and word in _FILL:
        return f"`{word}`"
    if following == "(" and word in _NEW_FUNCTIONS:
        return f"{word}()"
    return f"the operator `{word}/`" if following == "/" and word in ("<", ">") else ""


def unknown_syntax(text: str, problem: str) -> str:
    """The newer PromQL, as text, that may explain why a parser rejects an expression with `problem`; empty for a mistake in
    every version: a function whose name resembles a common one is misspelt."""
    if _BRACKETS.search(problem):
        return ""
    unknown = _UNKNOWN_FUNCTION.search(problem)
    if unknown is None:
        return newer_syntax(text)
    return "" if _resembles(unknown[1], _COMMON_FUNCTIONS) else f"{unknown[1]}()"


def _resembles(name: str, known: Sequence[str]) -> bool:
    return bool(get_close_matches(name.lower(), known, n=1, cutoff=0.75))
