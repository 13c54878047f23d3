"""Our own rule files: written with signals, rendered for a server, and under names of one's own where others stand beside."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

import promql_parser as ast

from queries.catalogue.loader import expand_query
from queries.catalogue.signals import UNDECIDED, DefinitionChoice
from queries.promql.rule_files import built_in_names
from queries.promql.syntax import parse
from queries.yaml_text import loads

ROUTING = "alertmanager.yaml"
PREFIX = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
"""What recorded names may be made to begin with."""
_RECORD = re.compile(r"^(?P<before>\s*- record: )(?P<name>[\w:]+)(?P<after>.*)$", re.MULTILINE)
_WINDOW = re.compile(r"(?<=\[)\w+(?=\])")
_EXPRESSION = re.compile(r"^(?P<indent> *)expr:")


def rule_names() -> tuple[str, ...]:
    """The names of our rule files: recorded series first, for the alerts read them."""
    found = (item.name for item in (resources.files("queries") / "rules").iterdir())
    wanted = (name for name in found if name.startswith(("recording", "alerting")) and name.endswith(".yaml"))
    return tuple(sorted(wanted, key=lambda name: (not name.startswith("recording"), name)))


def rule_text(name: str, *, prefix: str = "") -> str:
    """One of `rule_names()` as a server takes it; the routing of Alertmanager as it stands. With a prefix every recorded name
    begins with it, where it is recorded and where it is read."""
    text = (resources.files("queries") / "rules" / name).read_text(encoding="utf-8")
    if name == ROUTING:
        return text
    text = render(text, where=name)
    return rename(text, {old: prefix + old for old in built_in_names()}) if prefix else text


def rule_manifest(name: str, *, prefix: str = "") -> str:
    """One of `rule_names()` as a PrometheusRule of the Prometheus operator."""
    own = re.sub(r"[^a-z0-9]+", "-", prefix.lower()).strip("-")
    title = "-".join(filter(None, ("cad-ml-platform", own, name.removesuffix(".yaml"))))
    head = (
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n"
        f"metadata:\n  name: {title}\n  labels: {{role: alert-rules}}\nspec:\n"
    )
    return head + textwrap.indent(rule_text(name, prefix=prefix), "  ")


def our_expressions() -> Mapping[str, str]:
    """What our recording rules record, by name, in the order of the files, with ${signal[5m]} as they are written."""
    found: dict[str, str] = {}
    for name in rule_names():
        if name.startswith("recording"):
            document = loads((resources.files("queries") / "rules" / name).read_text(encoding="utf-8"), where=name)
            found |= {rule["record"]: rule["expr"] for group in document["groups"] for rule in group["rules"]}  # type: ignore[index]
    return found


def our_recordings(
    choice: DefinitionChoice = UNDECIDED, *, windows: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, str]:
    """The same in PromQL, with the codings of the choice. `windows` are windows to take instead of others."""
    coded = DefinitionChoice(encodings=choice.encodings)
    found = {name: expand_query(text, coded, where=name) for name, text in our_expressions().items()}
    return {name: _WINDOW.sub(lambda match: windows.get(match[0], match[0]), text) for name, text in found.items()}


def render(text: str, *, where: str, choice: DefinitionChoice = UNDECIDED) -> str:
    """The text of a rule file with the expression of every signal in its place; everything else stands as it was written.

    Raises SignalError.
    """

    def written_out(block: str, indent: str) -> str:
        if "${" not in block:
            return block
        expression = loads(textwrap.dedent(block), where=where)["expr"]  # type: ignore[index]
        whole = expand_query(expression, choice, where=where)
        lines = textwrap.dedent(_pretty(whole))
        # Where the first line is further in than others, YAML has to be told where the text begins.
        return f"{indent}expr: |{'2' if lines.startswith(' ') else ''}\n" + textwrap.indent(lines, indent + "  ") + "\n"

    return _with_expressions(text, written_out)


def rename(text: str, names: Mapping[str, str]) -> str:
    """The text of a rule file with other names for recorded series, where they are recorded and where expressions read them."""
    word = re.compile(rf"(?<![\w:])({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?![\w:])")
    text = _with_expressions(text, lambda block, _: word.sub(lambda match: names[match[1]], block))
    return _RECORD.sub(lambda match: match["before"] + names.get(match["name"], match["name"]) + match["after"], text)


def _with_expressions(text: str, change: Callable[[str, str], str]) -> str:
    """The text with every `expr`, its lines and what it is indented by, changed."""
    return "".join(block if indent is None else change(block, indent) for block, indent in _blocks(text))


def _blocks(text: str) -> Iterator[tuple[str, str | None]]:
    """The parts of the text, of an expression with what it is indented by."""
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        begins = _EXPRESSION.match(lines[at].rstrip("\n"))
        end = at + 1
        if begins is None:
            yield lines[at], None
        else:
            indent = begins["indent"]
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(indent + " ")):
                end += 1
            while not lines[end - 1].strip():
                end -= 1
            yield "".join(lines[at:end]), indent
        at = end


@cache
def _pretty(expression: str) -> str:
    """The expression over several lines, without the parentheses that nothing needs."""

    def bare(node: ast.Expr) -> ast.Expr | None:
        needs = ast.BinaryExpr | ast.UnaryExpr | ast.NumberLiteral
        return node.expr if isinstance(node, ast.ParenExpr) and not isinstance(node.expr, needs) else None

    return ast.transform(parse(expression).root, post_visit=bare).prettify()
