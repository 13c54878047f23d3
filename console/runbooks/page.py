"""One runbook page, read from its Markdown file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.panel import Range, Threshold
from queries.shipped import parse_shipped
from queries.yaml_document import NodeError, YamlDocument

if TYPE_CHECKING:
    from queries.catalogue.signals import Signal

LOOKUPS = ("rollout-history", "top-pods", "events", "pods", "logs")
UNITS = ("percent", "seconds", "count", "per_second")
SOURCES = ("prometheus", "loki")
PHASES = ("confirm", "diagnose", "verify")
"""The purpose of a step, in the order of the steps; actions come before the last phase."""
LAST_PHASE = PHASES[-1]
TEAMS = ("platform", "devops", "security")
FRONT_KEYS = ("title", "alerts", "guide", "severity", "component", "steps", "actions", "escalate")
_OWN_KEYS = frozenset(FRONT_KEYS) - {"title"}
"""Keys that only the console's front matter has; documentation sites use `title` too."""
MAX_BYTES = 256 << 10
_HEADING = lazy_pattern(r" {0,3}#{1,6}\s+(.+?)\s*#*\s*")
_UNDERLINE = lazy_pattern(r" {0,3}(=+|-+)\s*")
_FENCE = lazy_pattern(r"\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class RunbookStep:
    """One step: a query with its unit and thresholds, a lookup in the cluster, or only text.

    With `below` small values are bad. `target` is `deployment/NAME`; `{label}` in it stands for a label of the alert.
    `query` is PromQL, with the source `loki` LogQL; `template` is its source if the page uses ${signal[5m]}, else empty.
    """

    title: str
    text: str = ""
    query: str = ""
    template: str = ""
    unit: str = "count"
    warn: float | None = None
    critical: float | None = None
    below: bool = False
    lookup: str = ""
    target: str = ""
    phase: str = ""
    """One of `PHASES`, or empty."""
    range: Range | None = None
    """The possible values, if they differ from what the unit allows; a count can be any number."""
    source: str = "prometheus"
    """One of `SOURCES`: who evaluates the query."""

    @property
    def promql(self) -> str:
        """The query if it is PromQL, else empty."""
        return self.query if self.source == "prometheus" else ""


@dataclass(frozen=True, slots=True)
class Escalation:
    """The team to escalate to, and when."""

    to: str
    when: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """One Markdown file. `broken` says why and where its front matter is invalid (`file:line: …`), None if it is valid.

    `steps` are in the order of their phases, those without a phase first. A `guide` covers a whole class of problems.
    """

    id: str
    path: str
    title: str
    alerts: tuple[str, ...] = ()
    severity: str = ""
    component: str = ""
    steps: tuple[RunbookStep, ...] = ()
    actions: tuple[ActionCall, ...] = ()
    body: str = ""
    broken: str | None = None
    guide: bool = False
    escalate: tuple[Escalation, ...] = ()
    own: bool = False
    """A team's own page; it takes precedence over those that ship with the console."""
    plain: bool = False
    """Markdown without the console's front matter: only a title and a text."""

    @property
    def headline(self) -> str:
        """The title, marked if the page is a guide."""
        return f"GUIDE {self.title}" if self.guide else self.title

    def steps_of(self, phase: str) -> tuple[tuple[int, RunbookStep], ...]:
        """The steps of one phase, each with its index among all steps."""
        return tuple((index, step) for index, step in enumerate(self.steps) if step.phase == phase)


def read_page(path: Path, *, root: Path, own: bool = False, signals: Mapping[str, Signal] | None = None) -> Runbook:
    """The page of one file; never raises. `signals` are the ones its queries may use, None for the catalogue's.

    A team's `own` page without front matter, or with that of another program, is a plain page: a title and a text.
    """
    name = path.stem
    try:
        if not path.is_file():
            return Runbook(name, str(path), name, broken=f"{path}: not a file", own=own)
        if not _is_within(path, root):
            # Runbook folders come from elsewhere; a symlink in one must not expose files of this machine.
            return Runbook(name, str(path), name, broken=f"{path}: a symlink that points outside the folder", own=own)
        if path.stat().st_size > MAX_BYTES:
            return Runbook(name, str(path), name, broken=f"{path}:1: larger than 256 KiB", own=own)
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Runbook(name, str(path), name, broken=f"{path}:1: expected text in UTF-8", own=own)
    except OSError as error:
        return Runbook(name, str(path), name, broken=f"{path}: {error.strerror}", own=own)
    front, body = split_page(text)
    title = _first_heading(body) or name
    if front is None and (not own or body.lstrip("\ufeff").startswith("---\n")):
        message = "expected front matter: a first line ---, then YAML, then a line ---"
        return Runbook(name, str(path), name, body=body, broken=f"{path}:1: {message}", own=own)
    if front is None:
        return Runbook(name, str(path), title, body=body, own=own, plain=True)
    return _read_front(path, front, body, own=own, signals=signals)


def _read_front(path: Path, front: str, body: str, *, own: bool, signals: Mapping[str, Signal] | None) -> Runbook:
    name = path.stem
    title = _first_heading(body) or name
    try:
        document = _parse_front(front) if own else YamlDocument(parse_shipped(front, _front_values, kind="front"), {}, {})
        if own and _is_foreign(document):
            front_title = document.value.get("title") if isinstance(document.value, dict) else ""
            title = front_title if isinstance(front_title, str) and front_title else title
            return Runbook(name, str(path), title, body=body, own=own, plain=True)
        try:
            return replace(_read(path, document, body, signals), own=own)
        except NodeError:
            # A kept value has no lines: those of the error are found by reading it again.
            return replace(_read(path, _parse_front(front), body, signals), own=own)
    except NodeError as error:
        # The front matter starts on the file's second line.
        place = f"{path}:{max(error.line, 1) + 1}"
        key = f"{error.key}: " if error.key else ""
        return Runbook(name, str(path), title if own else name, body=body, broken=f"{place}: {key}{error}", own=own)


def _front_values(front: str) -> object:
    return _parse_front(front).value


def _parse_front(front: str) -> YamlDocument:
    from queries.yaml import load_with_lines  # noqa: PLC0415  # PyYAML

    return load_with_lines(front)


def _is_within(path: Path, root: Path) -> bool:
    # Not `resolve`, which takes twice as long, for each page.
    return os.path.realpath(path).startswith(os.path.realpath(root).rstrip(os.sep) + os.sep)


def split_page(text: str) -> tuple[str | None, str]:
    """Front matter, None if the page has none, and body; the front matter starts on the second line."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None, text
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip()
    return None, text


def _first_heading(body: str) -> str:
    """The text of the first heading, in either Markdown syntax; empty if there is none."""
    fenced, before = False, ""
    for line in body.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (found := _HEADING.fullmatch(line)):
            return found[1]
        elif not fenced and before.strip() and _UNDERLINE.fullmatch(line):
            return before.strip()
        before = "" if fenced else line
    return ""


def _is_foreign(document: YamlDocument) -> bool:
    """Whether the front matter belongs to another program: no key is one of ours, or close to one."""
    import difflib  # noqa: PLC0415  # only for a team's own pages

    keys = document.value if isinstance(document.value, dict) else {}
    unknown = [key for key in keys if key not in FRONT_KEYS]
    misspelled = any(difflib.get_close_matches(key, _OWN_KEYS, n=1, cutoff=0.8) for key in unknown)
    return not misspelled and not _OWN_KEYS.intersection(keys) and (document.value is None or bool(keys))


class _Front:
    """Reads typed values from the front matter; its errors carry their line."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document

    def fail(self, path: tuple[str | int, ...], expected: str) -> NodeError:
        key = ".".join(str(part) for part in path)
        return NodeError(expected, line=self.document.line(path), key=key)

    def mapping(self, table: Any, path: tuple[str | int, ...], keys: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise self.fail(path, "expected a mapping")
        for key in table:
            if key not in keys:
                raise self.fail((*path, key), f"unknown key, expected one of {', '.join(keys)}")
        return table

    def text(self, table: dict[str, Any], key: str, path: tuple[str | int, ...], one_of: tuple[str, ...] = ()) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            raise self.fail((*path, key), "expected text")
        if value and one_of and value not in one_of:
            raise self.fail((*path, key), f"expected one of {', '.join(one_of)}")
        return value

    def flag(self, table: dict[str, Any], key: str, path: tuple[str | int, ...]) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            raise self.fail((*path, key), "expected true or false")
        return value

    def number(self, table: dict[str, Any], key: str, path: tuple[str | int, ...]) -> float | None:
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self.fail((*path, key), "expected a number")
        return float(value)

    def range(self, table: dict[str, Any], key: str, path: tuple[str | int, ...]) -> Range | None:
        try:
            return Range.read(table[key]) if key in table else None
        except ValueError as error:
            raise self.fail((*path, key), str(error)) from None

    def rows(self, table: dict[str, Any], key: str) -> list[Any]:
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self.fail((key,), "expected a list")
        return value


def _read(path: Path, document: YamlDocument, body: str, signals: Mapping[str, Signal] | None) -> Runbook:
    front = _Front(document)
    table = front.mapping(document.value, (), FRONT_KEYS)
    title = front.text(table, "title", ())
    if not title:
        raise front.fail((), "expected a title")
    alerts = front.rows(table, "alerts")
    for index, item in enumerate(alerts):
        if not isinstance(item, str):
            raise front.fail(("alerts", index), "expected an alert name")
    steps = [_step(front, item, ("steps", index), signals) for index, item in enumerate(front.rows(table, "steps"))]
    return Runbook(
        id=path.stem,
        path=str(path),
        title=title,
        alerts=tuple(alerts),
        severity=front.text(table, "severity", (), ("critical", "warning", "info")),
        component=front.text(table, "component", ()),
        steps=tuple(sorted(steps, key=lambda step: ("", *PHASES).index(step.phase))),
        actions=tuple(_action(front, item, ("actions", index)) for index, item in enumerate(front.rows(table, "actions"))),
        body=body,
        guide=front.flag(table, "guide", ()),
        escalate=tuple(_escalation(front, item, ("escalate", at)) for at, item in enumerate(front.rows(table, "escalate"))),
    )


def _step(front: _Front, item: Any, path: tuple[str | int, ...], signals: Mapping[str, Signal] | None) -> RunbookStep:
    keys = ("phase", "title", "text", "query", "unit", "warn", "critical", "below", "lookup", "target", "range", "source")
    table = front.mapping(item, path, keys)
    template = front.text(table, "query", path)
    source = front.text(table, "source", path, SOURCES) or "prometheus"
    try:
        query = _expand(template, signals) if source == "prometheus" else template
    except ValueError as error:
        raise front.fail((*path, "query"), str(error)) from None
    step = RunbookStep(
        title=front.text(table, "title", path),
        text=front.text(table, "text", path),
        query=query,
        template=template if query != template else "",
        unit=front.text(table, "unit", path, UNITS) or "count",
        warn=front.number(table, "warn", path),
        critical=front.number(table, "critical", path),
        below=front.flag(table, "below", path),
        lookup=front.text(table, "lookup", path, LOOKUPS),
        target=front.text(table, "target", path),
        phase=front.text(table, "phase", path, PHASES),
        range=front.range(table, "range", path),
        source=source,
    )
    if source != "prometheus" and not query:
        raise front.fail((*path, "source"), "expected a query with this source")
    if not step.title:
        raise front.fail(path, "expected a title")
    if step.query and step.lookup:
        raise front.fail(path, "expected a query or a lookup, not both")
    if order_error := Threshold(step.warn, step.critical).order_error(lower_is_worse=step.below):
        raise front.fail((*path, "critical"), order_error)
    return step


def _expand(template: str, signals: Mapping[str, Signal] | None) -> str:
    """The PromQL of a step for a server about which nothing is known. Raises ValueError."""
    if "${" not in template:
        return template
    if signals is None:
        from queries.catalogue.recalled_query import recall_query  # noqa: PLC0415  # not before the first frame

        return recall_query(template)
    from queries.catalogue.loader import expand_query  # noqa: PLC0415  # a team's own signals

    return expand_query(template, signals=signals)


def _action(front: _Front, item: Any, path: tuple[str | int, ...]) -> ActionCall:
    table = front.mapping(item, path, ("action", "target", "parameters"))
    name = front.text(table, "action", path)
    if not name:
        raise front.fail(path, "expected an action name")
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise front.fail((*path, "parameters"), "expected a mapping")
    parameters = dict(sorted((key, str(value)) for key, value in given.items()))
    return ActionCall(name, front.text(table, "target", path), parameters)


def _escalation(front: _Front, item: Any, path: tuple[str | int, ...]) -> Escalation:
    table = front.mapping(item, path, ("to", "when"))
    escalation = Escalation(front.text(table, "to", path, TEAMS), front.text(table, "when", path))
    if not escalation.to:
        raise front.fail(path, f"expected `to`: one of {', '.join(TEAMS)}")
    if not escalation.when:
        raise front.fail(path, "expected `when`: a short sentence with a time")
    return escalation
