"""An alerting rule's expression, taken apart where that can be done safely."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
    r"""|(?P<comment>\#[^\n]*)"""
    r"""|(?P<open>[({\[])|(?P<close>[)}\]])"""
    r"""|(?P<compare>==|!=|>=|<=|=~|!~|>|<)"""
    r"""|(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)"""
)
_SETS = {"and", "or", "unless"}


@dataclass(frozen=True, slots=True)
class ThresholdExpression:
    """`left` `operator` `threshold`."""

    left: str
    operator: str
    threshold: float


def comparison(expression: str) -> ThresholdExpression | None:
    """What is compared with which number; None where the expression as a whole is anything else than one comparison."""
    text = _bare(expression)
    found: list[re.Match[str]] = []
    depth = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        depth += (kind == "open") - (kind == "close")
        if depth:
            continue
        if kind == "word" and token[0].lower() in _SETS:
            return None
        if kind == "compare":
            found.append(token)
    if len(found) != 1:
        return None
    operator = found[0]
    left = text[: operator.start()].strip()
    right = re.sub(r"\s*#[^\n]*$", "", text[operator.end() :].strip())
    try:
        threshold = float(_bare(right.removeprefix("bool ").strip()))
    except ValueError:
        return None
    return ThresholdExpression(left, operator[0], threshold) if left and math.isfinite(threshold) else None


def _bare(expression: str) -> str:
    """Without parentheses around the whole."""
    text = expression.strip()
    while text.startswith("(") and text.endswith(")") and _closes_at_end(text):
        text = text[1:-1].strip()
    return text


def _closes_at_end(text: str) -> bool:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if depth == 0 and token.lastgroup == "close":
            return token.end() == len(text)
    return False
