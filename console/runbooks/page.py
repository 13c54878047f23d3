"""One runbook: what a page holds, read from its Markdown file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queries.model.panel import Range, Threshold
from queries.model.series import Labels
from queries.yaml import NodeError, YamlDocument, load_with_lines

if TYPE_CHECKING:
    from queries.catalogue.signals import Signal

LOOKUPS = ("rollout-history", "top-pods", "events", "pods", "logs")
UNITS = ("percent", "seconds", "count", "per_second")
PHASES = ("confirm", "diagnose", "verify")
"""What a step is for, in the order in which they are walked; actions come before the last of them."""
LAST_PHASE = PHASES[-1]
TEAMS = ("platform", "devops", "security")
FRONT_KEYS = ("title", "alerts", "guide", "severity", "component", "steps", "actions", "escalate")
_OWN_KEYS = frozenset(FRONT_KEYS) - {"title"}
"""What only the console's own front matter has; sites of documentation have titles too."""
_LIMIT_BYTES = 256 << 10
_HEADING = re.compile(r" {0,3}#{1,6}\s+(.+?)\s*#*\s*")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*")
_FENCE = re.compile(r"\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class RunbookStep:
    """One step: a query with its unit and thresholds, a look-up in the cluster, or only words.

    `below` is True where small values are bad. `target` is `deployment/NAME`, where `{label}` stands for an alert's label.
    `query` is PromQL; `written` is what it was made of where the page writes ${signal[5m]}, else empty.
    """

    title: str
    text: str = ""
    query: str = ""
    written: str = ""
    unit: str = "count"
    warn: float | None = None
    critical: float | None = None
    below: bool = False
    lookup: str = ""
    target: str = ""
    phase: str = ""
    """One of `PHASES`; empty on a plain page."""
    range: Range | None = None
    """What the value can be where that is other than what the unit allows; a count can be any number."""


@dataclass(frozen=True, slots=True)
class RunbookAction:
    """One action that the runbook offers."""

    action: str
    target: str = ""
    parameters: Labels = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom one calls, and when."""

    to: str
    when: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """One Markdown file. `broken` says why its front matter cannot be used and where (`file:line: …`); None where it can.

    `steps` are in the order of their phases, those without one first. A `guide` leads through a whole kind of trouble.
    """

    id: str
    path: str
    title: str
    alerts: tuple[str, ...] = ()
    severity: str = ""
    component: str = ""
    steps: tuple[RunbookStep, ...] = ()
    actions: tuple[RunbookAction, ...] = ()
    body: str = ""
    broken: str | None = None
    guide: bool = False
    escalate: tuple[Escalation, ...] = ()
    own: bool = False
    """A team's own page, which comes before those that ship with the console."""
    plain: bool = False
    """Markdown without the console's front matter: a title and a text."""

    @property
    def headline(self) -> str:
        """The title, and whether it is a guide's."""
        return f"GUIDE {self.title}" if self.guide else self.title

    def steps_of(self, phase: str) -> tuple[tuple[int, RunbookStep], ...]:
        """The steps of one phase, each with its place among all."""
        return tuple((index, step) for index, step in enumerate(self.steps) if step.phase == phase)


def read_page(path: Path, *, root: Path, own: bool = False, signals: Mapping[str, Signal] | None = None) -> Runbook:
    """The page of one file; never raises. `signals` are what its queries may ask by, None for the catalogue's.

    `own` is a team's: without front matter, or with one of another program, it is a plain page, which has a title and a text.
    """
    name = path.stem
    try:
        if not path.is_file():
            return Runbook(name, str(path), name, broken=f"{path}: is not a file", own=own)
        if not path.resolve().is_relative_to(root.resolve()):
            # A folder of runbooks comes from elsewhere; a link in it must not show the files of this machine.
            return Runbook(name, str(path), name, broken=f"{path}: is a link that leads out of the folder", own=own)
        if path.stat().st_size > _LIMIT_BYTES:
            return Runbook(name, str(path), name, broken=f"{path}:1: larger than 256 KiB", own=own)
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Runbook(name, str(path), name, broken=f"{path}:1: expected text in UTF-8", own=own)
    except OSError as error:
        return Runbook(name, str(path), name, broken=f"{path}: {error.strerror}", own=own)
    front, body = split_page(text)
    title = _heading(body) or name
    if front is None and (not own or body.lstrip("\ufeff").startswith("---\n")):
        told = "expected front matter: a first line ---, then YAML, then a line ---"
        return Runbook(name, str(path), name, body=body, broken=f"{path}:1: {told}", own=own)
    if front is None:
        return Runbook(name, str(path), title, body=body, own=own, plain=True)
    try:
        document = load_with_lines(front)
        if own and _is_foreign(document):
            named = document.value.get("title") if isinstance(document.value, dict) else ""
            title = named if isinstance(named, str) and named else title
            return Runbook(name, str(path), title, body=body, own=own, plain=True)
        return replace(_read(path, document, body, signals), own=own)
    except NodeError as error:
        # The front matter begins on the file's second line.
        place = f"{path}:{max(error.line, 1) + 1}"
        key = f"{error.key}: " if error.key else ""
        return Runbook(name, str(path), title if own else name, body=body, broken=f"{place}: {key}{error}", own=own)


def split_page(text: str) -> tuple[str | None, str]:
    """Front matter, None where there is none, and body; the front matter begins on the second line."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None, text
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip()
    return None, text


def _heading(body: str) -> str:
    """The text of the first heading, in either of Markdown's forms; empty where there is none."""
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
    """Whether the front matter is another program's: it has no key of ours, and none that is nearly one."""
    keys = document.value if isinstance(document.value, dict) else {}
    others = [key for key in keys if key not in FRONT_KEYS]
    near = any(difflib.get_close_matches(key, _OWN_KEYS, n=1, cutoff=0.8) for key in others)
    return not near and not _OWN_KEYS.intersection(keys) and (document.value is None or bool(keys))


class _Front:
    """Reads typed values out of the front matter and knows their lines."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document

    def fail(self, path: tuple[str | int, ...], expected: str) -> NodeError:
        key = ".".join(str(part) for part in path)
        return NodeError(expected, line=self.document.line(path), key=key)

    def known(self, table: Any, path: tuple[str | int, ...], keys: tuple[str, ...]) -> dict[str, Any]:
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
    table = front.known(document.value, (), FRONT_KEYS)
    title = front.text(table, "title", ())
    if not title:
        raise front.fail((), "expected a title")
    alerts = front.rows(table, "alerts")
    for index, item in enumerate(alerts):
        if not isinstance(item, str):
            raise front.fail(("alerts", index), "expected the name of an alert")
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
    keys = ("phase", "title", "text", "query", "unit", "warn", "critical", "below", "lookup", "target", "range")
    table = front.known(item, path, keys)
    written = front.text(table, "query", path)
    try:
        query = _expand(written, signals)
    except ValueError as error:
        raise front.fail((*path, "query"), str(error)) from None
    step = RunbookStep(
        title=front.text(table, "title", path),
        text=front.text(table, "text", path),
        query=query,
        written=written if query != written else "",
        unit=front.text(table, "unit", path, UNITS) or "count",
        warn=front.number(table, "warn", path),
        critical=front.number(table, "critical", path),
        below=front.flag(table, "below", path),
        lookup=front.text(table, "lookup", path, LOOKUPS),
        target=front.text(table, "target", path),
        phase=front.text(table, "phase", path, PHASES),
        range=front.range(table, "range", path),
    )
    if not step.title:
        raise front.fail(path, "expected a title")
    if step.query and step.lookup:
        raise front.fail(path, "expected a query or a lookup, not both")
    if told := Threshold(step.warn, step.critical).order_error(lower_is_worse=step.below):
        raise front.fail((*path, "critical"), told)
    return step


def _expand(written: str, signals: Mapping[str, Signal] | None) -> str:
    """The PromQL of a step for a server of which nothing is known. Raises ValueError."""
    if "${" not in written:
        return written
    from queries.catalogue.loader import expand_query  # noqa: PLC0415  # not before the first frame

    return expand_query(written, signals=signals)


def _action(front: _Front, item: Any, path: tuple[str | int, ...]) -> RunbookAction:
    table = front.known(item, path, ("action", "target", "parameters"))
    name = front.text(table, "action", path)
    if not name:
        raise front.fail(path, "expected the name of an action")
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise front.fail((*path, "parameters"), "expected a mapping")
    parameters = tuple(sorted((key, str(value)) for key, value in given.items()))
    return RunbookAction(name, front.text(table, "target", path), parameters)


def _escalation(front: _Front, item: Any, path: tuple[str | int, ...]) -> Escalation:
    table = front.known(item, path, ("to", "when"))
    found = Escalation(front.text(table, "to", path, TEAMS), front.text(table, "when", path))
    if not found.to:
        raise front.fail(path, f"expected `to`: one of {', '.join(TEAMS)}")
    if not found.when:
        raise front.fail(path, "expected `when`: a short sentence with a time")
    return found
