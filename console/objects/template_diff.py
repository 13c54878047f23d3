"""The unified diff of two revisions of a workload: their pod templates as YAML, secrets hidden."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from console.actions.pod_template_diff import without_hash
from console.objects.manifest import format_yaml
from queries.kubernetes.object_secrets import redact_tree
from queries.model.object_page import TemplateRevision

CONTEXT_LINES = 3


def diff_revisions(before: TemplateRevision, after: TemplateRevision, *, context: int = CONTEXT_LINES) -> tuple[str, ...]:
    """The lines of a unified diff, each with its sign; a hunk's header names the fields that lead to it. Empty for equal
    templates. Takes some milliseconds for a large template: not on the UI loop.
    """
    old, new = _lines(before.template), _lines(after.template)
    found: list[str] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(context):
        start_old, start_new = group[0][1], group[0][3]
        count_old, count_new = group[-1][2] - start_old, group[-1][4] - start_new
        first = next((item for item in group if item[0] != "equal"), group[0])
        where = _path(new, first[3]) if first[3] < len(new) else _path(old, first[1])
        found.append(f"@@ -{start_old + 1},{count_old} +{start_new + 1},{count_new} @@ {where}".rstrip())
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                found += [f"  {line}" for line in old[old_start:old_end]]
                continue
            found += [f"- {line}" for line in old[old_start:old_end]]
            found += [f"+ {line}" for line in new[new_start:new_end]]
    return tuple(found)


def _lines(template: Mapping[str, Any]) -> list[str]:
    clean = redact_tree(without_hash(dict(template)))
    clean.get("metadata", {}).pop("creationTimestamp", None)
    return format_yaml(clean).splitlines()


def _path(lines: Sequence[str], at: int) -> str:
    """The keys that enclose a line, the outermost first: `spec / containers / name: api`."""
    return " / ".join(reversed(tuple(_enclosing(lines, at))))


def _enclosing(lines: Sequence[str], at: int) -> Iterator[str]:
    depth = _indent(lines[at])
    item = -1  # the indent of the list item that was passed: the items before it enclose nothing
    for place in range(at - 1, -1, -1):
        line = lines[place]
        content = line.strip()
        own = _indent(line)
        if own < depth and content:
            if content.startswith("- "):
                if own == item:
                    continue
                name = _item_name(lines, place)
                if name:
                    yield name
                depth, item = own + 1 if own else own, own
                continue
            if content.endswith(":"):
                yield content.removesuffix(":")
                depth = own
        if not depth:
            return


def _item_name(lines: Sequence[str], first: int) -> str:
    """The `name:` of the list item that begins with this line, by its number; empty without one."""
    indent = _indent(lines[first]) + 2
    for line in (lines[first].replace("- ", "  ", 1), *lines[first + 1 :]):
        if _indent(line) < indent:
            return ""
        if _indent(line) == indent and line.strip().startswith("name: "):
            return line.strip().removeprefix("name: ")
    return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
