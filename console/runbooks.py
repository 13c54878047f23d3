"""The runbooks: what is in the folder, and which of them serves an alert."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from queries.model.alert import Alert, RunbookMatch
from queries.model.series import Labels, label
from queries.yaml_nodes import Lined, NodeError, load_with_lines

TRIAGE = "triage"
LOOKUPS = ("rollout-history", "top-pods", "events", "pods", "logs")
UNITS = ("percent", "seconds", "count", "per_second")
PHASES = ("confirm", "diagnose", "verify")
"""What a step is for, in the order in which they are walked; actions come before the last of them."""
LAST_PHASE = PHASES[-1]
TEAMS = ("platform", "devops", "security")
_LIMIT_BYTES = 256 << 10


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

    @property
    def headline(self) -> str:
        """The title, and whether it is a guide's."""
        return f"GUIDE {self.title}" if self.guide else self.title

    def steps_of(self, phase: str) -> tuple[tuple[int, RunbookStep], ...]:
        """The steps of one phase, each with its place among all."""
        return tuple((index, step) for index, step in enumerate(self.steps) if step.phase == phase)


@dataclass(frozen=True, slots=True)
class RunbookIndex:
    """Every runbook of a folder, sorted by id; broken ones are listed too."""

    runbooks: tuple[Runbook, ...] = ()
    fault: str = ""
    """Why the folder could not be read, empty where it could."""

    @classmethod
    def load(cls, directory: str | Path) -> RunbookIndex:
        """Reads every `*.md` of the folder; never raises."""
        try:
            files = sorted(path for path in Path(directory).glob("*.md") if path.name.lower() != "readme.md")
        except OSError as error:
            return cls(fault=f"{directory}: {error.strerror}")
        if not files:
            return cls(fault=f"{directory}: no runbooks there")
        return cls(tuple(_load(path) for path in files))

    def get(self, name: str) -> Runbook | None:
        """The runbook with this id in any spelling (`HighErrorRate.md`, `high_error_rate`). Only what was indexed is ever
        given, so no name can lead out of the folder."""
        wanted = spelled(name)
        return next((item for item in self.runbooks if wanted and spelled(item.id) == wanted), None)

    def for_alert_name(self, name: str) -> Runbook | None:
        """The runbook whose front matter names this alert."""
        wanted = spelled(name)
        return next((item for item in self.runbooks if wanted in {spelled(alert) for alert in item.alerts} and wanted), None)

    def match(self, alert: Alert) -> RunbookMatch:
        """Front matter first, then the alert's annotation, then its component, else the general triage page."""
        noted = label(alert.annotations, "runbook_url") or label(alert.annotations, "runbook")
        url = noted if _scheme(noted) in ("http", "https") else ""
        found, how = self.for_alert_name(alert.name), "alertname"
        if found is None and noted:
            found, how = self.get(last_part(noted)), "annotation"
        if found is None and alert.component:
            wanted = spelled(alert.component)
            found = next((item for item in self.runbooks if item.component and spelled(item.component) == wanted), None)
            how = "component"
        if found is None:
            found, how = self.get(TRIAGE), "triage"
        return RunbookMatch(found.id if found else TRIAGE, found.path if found else "", how, url)


def spelled(name: str) -> str:
    """`HighErrorRate.md`, `high-error-rate` and `high_error_rate` are one name."""
    bare = name.strip().lower().removesuffix(".markdown").removesuffix(".md").removesuffix(".html")
    return re.sub(r"[\W_]+", "", bare)


def last_part(address: str) -> str:
    """The last part of a path or URL, without query; its fragment where the path ends in nothing else that names a page."""
    path = re.split(r"[?#]", address, maxsplit=1)[0].rstrip("/")
    return re.split(r"[/\\]", path)[-1]


def _scheme(address: str) -> str:
    """The scheme of an address, empty where it is none."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        return ""


def _load(path: Path) -> Runbook:
    name = path.stem
    try:
        if not path.is_file():
            return Runbook(name, str(path), name, broken=f"{path}: is no file")
        if not path.resolve().is_relative_to(path.parent.resolve()):
            # A folder of runbooks comes from elsewhere; a link in it must not show the files of this machine.
            return Runbook(name, str(path), name, broken=f"{path}: is a link that leads out of the folder")
        if path.stat().st_size > _LIMIT_BYTES:
            return Runbook(name, str(path), name, broken=f"{path}:1: larger than 256 KiB")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Runbook(name, str(path), name, broken=f"{path}:1: expected text in UTF-8")
    except OSError as error:
        return Runbook(name, str(path), name, broken=f"{path}: {error.strerror}")
    front, body = split_page(text)
    if front is None:
        told = "expected front matter: a first line ---, then YAML, then a line ---"
        return Runbook(name, str(path), name, body=body, broken=f"{path}:1: {told}")
    try:
        return _read(path, load_with_lines(front), body)
    except NodeError as error:
        # The front matter begins on the file's second line.
        place = f"{path}:{max(error.line, 1) + 1}"
        key = f"{error.key}: " if error.key else ""
        return Runbook(name, str(path), name, body=body, broken=f"{place}: {key}{error}")


def split_page(text: str) -> tuple[str | None, str]:
    """Front matter, None where there is none, and body; the front matter begins on the second line."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None, text
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip()
    return None, text


class _Front:
    """Reads typed values out of the front matter and knows their lines."""

    def __init__(self, document: Lined) -> None:
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

    def rows(self, table: dict[str, Any], key: str) -> list[Any]:
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self.fail((key,), "expected a list")
        return value


FRONT_KEYS = ("title", "alerts", "guide", "severity", "component", "steps", "actions", "escalate")


def _read(path: Path, document: Lined, body: str) -> Runbook:
    front = _Front(document)
    table = front.known(document.value, (), FRONT_KEYS)
    title = front.text(table, "title", ())
    if not title:
        raise front.fail((), "expected a title")
    alerts = front.rows(table, "alerts")
    for index, item in enumerate(alerts):
        if not isinstance(item, str):
            raise front.fail(("alerts", index), "expected the name of an alert")
    steps = [_step(front, item, ("steps", index)) for index, item in enumerate(front.rows(table, "steps"))]
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


def _step(front: _Front, item: Any, path: tuple[str | int, ...]) -> RunbookStep:
    keys = ("phase", "title", "text", "query", "unit", "warn", "critical", "below", "lookup", "target")
    table = front.known(item, path, keys)
    written = front.text(table, "query", path)
    try:
        query = _expand(written)
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
    )
    if not step.title:
        raise front.fail(path, "expected a title")
    if step.query and step.lookup:
        raise front.fail(path, "expected a query or a lookup, not both")
    return step


def _expand(written: str) -> str:
    """The PromQL of a step for a server of which nothing is known. Raises ValueError."""
    if "${" not in written:
        return written
    from queries.catalogue.loader import expand_query  # noqa: PLC0415  # not before the first frame

    return expand_query(written)


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
