"""Our rule files: written with signals, rendered for a server, optionally with a prefix for the recorded names."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import promql_parser as ast

from queries.catalogue.loader import expand_query
from queries.catalogue.signals import UNDECIDED, DefinitionChoice
from queries.promql.our_rules import FOLDER
from queries.promql.rule_files import built_in_names
from queries.promql.syntax import parse_tree
from queries.yaml import load_yaml

ROUTING = "alertmanager.yaml"
PREFIX = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
"""A valid prefix for recorded names."""
_RECORD = re.compile(r"^(?P<before>\s*- record: )(?P<name>[\w:]+)(?P<after>.*)$", re.MULTILINE)
_EXPRESSION = re.compile(r"^(?P<indent> *)expr:")


def rule_text(name: str, *, prefix: str = "") -> str:
    """One of `rule_names()` as a server accepts it; Alertmanager's routing unchanged. `prefix` is put before every recorded
    name, where it is recorded and where it is read."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    if name == ROUTING:
        return text
    text = render(text, where=name)
    return rename(text, {old: prefix + old for old in built_in_names()}) if prefix else text


def rule_manifest(name: str, *, prefix: str = "") -> str:
    """One of `rule_names()` as a PrometheusRule for the Prometheus operator."""
    own = re.sub(r"[^a-z0-9]+", "-", prefix.lower()).strip("-")
    title = "-".join(filter(None, ("cad-ml-platform", own, name.removesuffix(".yaml"))))
    head = (
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n"
        f"metadata:\n  name: {title}\n  labels: {{role: alert-rules}}\nspec:\n"
    )
    return head + textwrap.indent(rule_text(name, prefix=prefix), "  ")


def render(text: str, *, where: str, choice: DefinitionChoice = UNDECIDED) -> str:
    """The text of a rule file with every signal expanded and everything else unchanged. Raises SignalError."""

    def expand_block(block: str, indent: str) -> str:
        if "${" not in block:
            return block
        expression = load_yaml(textwrap.dedent(block), where=where)["expr"]  # type: ignore[index]
        whole = expand_query(expression, choice, where=where)
        lines = textwrap.dedent(_pretty(whole))
        # A first line that is indented further needs YAML's indentation indicator.
        return f"{indent}expr: |{'2' if lines.startswith(' ') else ''}\n" + textwrap.indent(lines, indent + "  ") + "\n"

    return _map_expressions(text, expand_block)


def rename(text: str, names: Mapping[str, str]) -> str:
    """Rename recorded series in the text of a rule file, where they are recorded and where expressions read them."""
    word = re.compile(rf"(?<![\w:])({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?![\w:])")
    text = _map_expressions(text, lambda block, _: word.sub(lambda match: names[match[1]], block))
    return _RECORD.sub(lambda match: match["before"] + names.get(match["name"], match["name"]) + match["after"], text)


def _map_expressions(text: str, change: Callable[[str, str], str]) -> str:
    """Apply `change` to the lines of every `expr` and their indentation."""
    return "".join(block if indent is None else change(block, indent) for block, indent in _blocks(text))


def _blocks(text: str) -> Iterator[tuple[str, str | None]]:
    """The blocks of the text; an expression with its indentation, else None."""
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        head = _EXPRESSION.match(lines[at].rstrip("\n"))
        end = at + 1
        if head is None:
            yield lines[at], None
        else:
            indent = head["indent"]
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(indent + " ")):
                end += 1
            while not lines[end - 1].strip():
                end -= 1
            yield "".join(lines[at:end]), indent
        at = end


@cache
def _pretty(expression: str) -> str:
    """The expression over several lines, without superfluous parentheses."""

    def strip(node: ast.Expr) -> ast.Expr | None:
        needed = ast.BinaryExpr | ast.UnaryExpr | ast.NumberLiteral
        return node.expr if isinstance(node, ast.ParenExpr) and not isinstance(node.expr, needed) else None

    return ast.transform(parse_tree(expression), post_visit=strip).prettify()
