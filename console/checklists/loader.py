"""Checklists as YAML files: the shipped ones, and a team's own, which take precedence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from console.checklists import definition
from console.checklists.definition import Checklist, Evidence, Item
from console.checks.own_panels import load_board_panels, load_configured_signals
from console.config.errors import ConfigError
from console.config.settings import Settings
from console.config.validation import NUMBER, TEXT, Fields, Kind, ListOf, MapOf, OneOf, Scalar, SchemaError, check_document
from console.runbooks.index import RunbookIndex
from queries.catalogue.loader import expand_query
from queries.catalogue.signals import Signal, SignalError
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.panel import Aggregation, PanelSpec, Range, Threshold, Unit
from queries.shipped import parse_shipped_document
from queries.text.durations import parse_duration
from queries.text.suggestions import suggest_spelling
from queries.yaml_document import NodeError, YamlDocument, format_path
from queries.yaml_document import Path as Place

SHIPPED = Path(__file__).parent
ORDER = ("morning", "hourly", "end-of-day")
_QUERIES = "queries"
"""The shipped file with queries instead of a checklist."""
_LIMIT_BYTES = 256 << 10
_DUE = lazy_pattern(r"(?:[01]\d|2[0-3]):[0-5]\d")
_ID = lazy_pattern(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def _is_duration(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_duration(value, least=1.0) > 0
    except ValueError:
        return False


def _is_range(value: Any) -> bool:
    try:
        return bool(Range.read(value))
    except ValueError:
        return False


def _is_moment(value: Any) -> bool:
    try:
        return _moment(value) > 0
    except (TypeError, ValueError, OverflowError):
        return False


_ID_TEXT = Scalar("a short name of lower-case letters, digits and dashes", lambda value: bool(_ID.fullmatch(str(value))))
_DURATION = Scalar("a duration like 90m, 26h or 7d", _is_duration)
_MOMENT = Scalar("a time with its zone like 2026-01-03T22:00:00Z", _is_moment)
_DUE_TIME = Scalar('hourly, or a local time in quotes like "09:00"', lambda value: value == "hourly" or _is_due(value))
_UNIT = Scalar(f"one of {', '.join(Unit)}", lambda value: value in tuple(Unit))
_FLAG = Scalar("true or false", lambda value: isinstance(value, bool))
_COUNT = Scalar("a number of decimals from 0 to 6", lambda value: type(value) is int and 0 <= value <= 6)
_RANGE = Scalar("a range like [0, 100], with null for an open end", _is_range)
_BATCH = Fields({"name": TEXT, "within": _DURATION}, ("name", "within"))
_QUERY = Fields(
    {
        "title": TEXT, "expr": TEXT, "unit": _UNIT, "decimals": _COUNT, "by": TEXT, "below": _FLAG, "warn": NUMBER,
        "critical": NUMBER, "absent": TEXT, "range": _RANGE,
    },
    ("title", "expr", "unit"),
)  # fmt: skip
_EVIDENCE: dict[str, Kind] = {
    "panel": TEXT,
    "query": TEXT,
    "alerts": Fields(
        {
            "since": OneOf(Scalar("midnight", lambda value: value == definition.MIDNIGHT), ListOf(TEXT)),
            "otherwise": _DURATION,
            "at_most": _DURATION,
        },
        ("since",),
    ),
    "cronjob": _BATCH,
    "job": _BATCH,
    "kpis": ListOf(TEXT),
    "incidents": Scalar("open or today", lambda value: value in ("open", "today")),
    "guards": _DURATION,
    "maintenance": Fields(
        {
            "within": _DURATION,
            "planned": ListOf(Fields({"title": TEXT, "from": _MOMENT, "to": _MOMENT}, ("title", "from", "to"))),
        },
        ("within",),
    ),
    "platform": Scalar("ready", lambda value: value == "ready"),
    "question": TEXT,
}
KINDS = tuple(_EVIDENCE)
"""The kinds of evidence: an item has exactly one."""
_ITEM = Fields(
    {"id": _ID_TEXT, "title": TEXT, "asks": TEXT, "runbook": TEXT, "warn": NUMBER, "critical": NUMBER, **_EVIDENCE}, ("id",)
)
_DOCUMENT = Fields(
    {"title": TEXT, "due": _DUE_TIME, "summary": _FLAG, "items": ListOf(_ITEM), "queries": MapOf(_QUERY)}, ("title", "items")
)
_QUERIES_DOCUMENT = Fields({"queries": MapOf(_QUERY)}, ("queries",))


@dataclass(frozen=True, slots=True)
class ChecklistNames:
    """The names that a checklist may use, and the namespace that replaces `$namespace` in its queries. Empty `runbooks` and
    `lists` mean that the names are unknown. `boards` are panels outside the overview, fetched only while visible.
    """

    panels: tuple[PanelSpec, ...]
    runbooks: tuple[str, ...] = ()
    namespace: str = ""
    lists: tuple[str, ...] = ()
    boards: tuple[PanelSpec, ...] = ()
    signals: Mapping[str, Signal] | None = None
    """The signals that a query may use; None for the catalogue's."""

    @classmethod
    def configured(cls, settings: Settings, specs: tuple[PanelSpec, ...], runbooks: RunbookIndex) -> ChecklistNames:
        """`specs` are the overview's panels."""
        names = tuple(item.id for item in runbooks.runbooks)
        return cls(
            specs, names, settings.namespace, boards=load_board_panels(settings), signals=load_configured_signals(settings)
        )


@dataclass(frozen=True, slots=True)
class BrokenChecklist:
    """An invalid file, and why (`file:line: …`)."""

    name: str
    path: str
    why: str


@dataclass(frozen=True, slots=True)
class ChecklistFile:
    """The text of a file, or why it cannot be read (`file: …`)."""

    name: str
    path: str
    text: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Checklists:
    """The valid checklists, and the invalid files."""

    lists: tuple[Checklist, ...] = ()
    broken: tuple[BrokenChecklist, ...] = ()

    def get(self, name: str) -> Checklist | None:
        return next((item for item in self.lists if item.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.lists)

    @classmethod
    def load(cls, folder: str, vocabulary: ChecklistNames) -> Checklists:
        """The shipped ones and those of `folder`, which may be empty or absent."""
        return cls.parse(read_files(folder), vocabulary)

    @classmethod
    def parse(cls, files: Iterable[ChecklistFile], vocabulary: ChecklistNames) -> Checklists:
        """Those of the files, in the order of the day."""
        found = {file.name: file for file in files}
        vocabulary = replace(vocabulary, lists=tuple(found))
        lists: list[Checklist] = []
        broken: list[BrokenChecklist] = []
        for name in sorted(found, key=lambda item: (ORDER.index(item) if item in ORDER else len(ORDER), item)):
            file = found[name]
            if file.why:
                broken.append(BrokenChecklist(name, file.path, file.why))
                continue
            try:
                lists.append(parse(file.text, name=name, path=file.path, vocabulary=vocabulary))
            except ConfigError as error:
                broken.append(BrokenChecklist(name, file.path, str(error)))
        return cls(tuple(lists), tuple(broken))


def read_files(folder: str) -> tuple[ChecklistFile, ...]:
    """The shipped files and those of `folder`, which may be empty or absent. A file, or a folder, that cannot be read still
    hides the shipped one of its name, and so do two files of one name: the team must not get another checklist without notice.
    """
    shipped = {path.stem: [path] for path in sorted(SHIPPED.glob("*.yaml")) if path.stem != _QUERIES}
    own: dict[str, list[Path]] = {}
    try:
        for path in sorted(Path(folder).iterdir()) if folder else ():
            if path.suffix in (".yaml", ".yml"):
                own.setdefault(path.stem, []).append(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        why = f"{folder} cannot be read: {error.strerror or error}. It may hold your team's checklist of this name."
        return tuple(ChecklistFile(name, folder, why=why) for name in shipped)
    return tuple(_read_file(name, paths) for name, paths in (shipped | own).items())


def _read_file(name: str, paths: list[Path]) -> ChecklistFile:
    path = paths[0]
    if len(paths) > 1:
        why = f"{' and '.join(item.name for item in paths)} are both in {path.parent}: keep one of them"
        return ChecklistFile(name, str(path), why=why)
    try:
        return ChecklistFile(name, str(path), _text(path))
    except ConfigError as error:
        return ChecklistFile(name, str(path), why=str(error))


def load_checklists(settings: Settings, specs: tuple[PanelSpec, ...], runbooks: RunbookIndex) -> Checklists:
    """The shipped checklists and the team's own; `specs` are the overview's panels. Reads files."""
    return Checklists.load(settings.paths.checklists_dir, ChecklistNames.configured(settings, specs, runbooks))


def shipped_text(name: str) -> str:
    """The file of a shipped checklist, as a start for a team's own. Raises KeyError."""
    path = SHIPPED / f"{name}.yaml"
    if name == _QUERIES or not path.is_file():
        raise KeyError(name)
    return path.read_text(encoding="utf-8")


def parse(text: str, *, name: str, path: str, vocabulary: ChecklistNames) -> Checklist:
    """The checklist of one file. Raises ConfigError with file, line, key and the known names."""
    document = _load(text, path, _DOCUMENT)
    queries = {**_shipped_queries(vocabulary.namespace), **_queries(document, vocabulary.namespace, path, vocabulary.signals)}
    panels = {spec.id: spec for spec in vocabulary.panels}
    boards = {spec.id: spec for spec in vocabulary.boards}
    parser = _Parser(document, path, panels, boards, queries, vocabulary.runbooks, vocabulary.lists)
    items = tuple(parser.item(index) for index in range(len(document.value["items"])))
    if not items:
        raise parser.wrong("expected at least one item", ("items",))
    return Checklist(
        name, document.value["title"], items, document.value.get("due", ""), path, bool(document.value.get("summary"))
    )


@dataclass(frozen=True, slots=True)
class _Parser:
    document: YamlDocument
    path: str
    panels: Mapping[str, PanelSpec]
    boards: Mapping[str, PanelSpec]
    queries: Mapping[str, PanelSpec]
    runbooks: tuple[str, ...]
    lists: tuple[str, ...]

    def wrong(self, expected: str, place: Place) -> ConfigError:
        return ConfigError(source=self.path, line=self.document.line(place), key=format_path(place), expected=expected)

    def item(self, index: int) -> Item:
        items = self.document.value["items"]
        item, place = items[index], ("items", index)
        if any(other["id"] == item["id"] for other in items[:index]):
            raise self.wrong("duplicate id", (*place, "id"))
        kinds = [kind for kind in KINDS if kind in item]
        if len(kinds) != 1:
            found = f"found {' and '.join(kinds)}" if kinds else "found none"
            raise self.wrong(f"expected exactly one of {', '.join(KINDS)}, {found}", place)
        kind = kinds[0]
        for line in ("warn", "critical"):
            if line in item and kind not in ("panel", "query"):
                raise self.wrong("only an item with a panel or query has thresholds", (*place, line))
        runbook = item.get("runbook", "")
        if runbook and self.runbooks and runbook not in self.runbooks:
            raise self.wrong(f"no such runbook, {suggest_spelling(runbook, self.runbooks)}", (*place, "runbook"))
        evidence = self._evidence(kind, item, (*place, kind))
        title = item.get("title") or (evidence.text if isinstance(evidence, definition.QuestionEvidence) else item["id"])
        return Item(item["id"], title, item.get("asks") or title, evidence, runbook)

    def _evidence(self, kind: str, item: Mapping[str, Any], place: Place) -> Evidence:
        value = item[kind]
        own = Threshold(item.get("warn"), item.get("critical"))
        match kind:
            case "panel":
                spec = self._panel(value, place)
                self._check_order(spec, own, place)
                if value not in self.panels:
                    # The poller fetches it only while its board is visible: the checklist fetches it itself.
                    return definition.QueryEvidence(spec, own)
                return definition.PanelEvidence(value, own)
            case "query":
                spec = self._query(value, place)
                self._check_order(spec, own, place)
                return definition.QueryEvidence(spec, own)
            case "alerts":
                since = () if value["since"] == definition.MIDNIGHT else tuple(value["since"])
                for at, name in enumerate(since):
                    if self.lists and name not in self.lists:
                        raise self.wrong(f"no such checklist, {suggest_spelling(name, self.lists)}", (*place, "since", at))
                times = {f"{key}_seconds": parse_duration(value[key]) for key in ("otherwise", "at_most") if key in value}
                return definition.AlertsEvidence(since, **times)
            case "cronjob" | "job":
                name = {"cronjob": "CronJob", "job": "Job"}[kind]
                return definition.BatchEvidence(name, value["name"], parse_duration(value["within"]))
            case "kpis":
                if not value:
                    raise self.wrong("expected at least one panel or query", place)
                specs = [self._figure(each, (*place, at)) for at, each in enumerate(value)]
                return definition.KpisEvidence(tuple(value), tuple(specs))
            case "incidents":
                return definition.IncidentsEvidence(today=value == "today")
            case "guards":
                return definition.GuardsEvidence(parse_duration(value))
            case "maintenance":
                return definition.MaintenanceEvidence(parse_duration(value["within"]), self._planned(value, place))
        return definition.PlatformEvidence() if kind == "platform" else definition.QuestionEvidence(value)

    def _panel(self, name: str, place: Place) -> PanelSpec:
        found = self.panels.get(name) or self.boards.get(name)
        if found is None:
            raise self.wrong(f"no such panel, {suggest_spelling(name, (*self.panels, *self.boards))}", place)
        return found

    def _check_order(self, spec: PanelSpec, own: Threshold, place: Place) -> None:
        if wrong := spec.threshold.override(own).order_error(lower_is_worse=spec.lower_is_worse):
            part = next((key for key, line in (("critical", own.critical), ("warn", own.warn)) if line is not None), None)
            raise self.wrong(wrong, (*place[:-1], part) if part else place)

    def _query(self, name: str, place: Place) -> PanelSpec:
        if name not in self.queries:
            raise self.wrong(f"no such query, {suggest_spelling(name, self.queries)}", place)
        return self.queries[name]

    def _figure(self, name: str, place: Place) -> PanelSpec:
        found = self.queries.get(name) or self.panels.get(name) or self.boards.get(name)
        if found is None or found.source != "prometheus":
            measured = [spec.id for spec in (*self.panels.values(), *self.boards.values()) if spec.source == "prometheus"]
            raise self.wrong(f"no such query or measured panel, {suggest_spelling(name, (*self.queries, *measured))}", place)
        return found

    def _planned(self, value: Mapping[str, Any], place: Place) -> tuple[definition.Planned, ...]:
        found = []
        for at, each in enumerate(value.get("planned", ())):
            planned = definition.Planned(each["title"], _moment(each["from"]), _moment(each["to"]))
            if planned.ends_at <= planned.starts_at:
                raise self.wrong("expected a time after `from`", (*place, "planned", at, "to"))
            found.append(planned)
        return tuple(found)


def _load(text: str, path: str, kind: Fields) -> YamlDocument:
    if len(text) > _LIMIT_BYTES:
        raise _too_large(path)
    try:
        document = parse_shipped_document(text) if Path(path).parent == SHIPPED else _parse_own(text)
        if document.value is None:
            raise SchemaError("expected a mapping, found nothing", key="", line=1)
        check_document(document, kind)
    except NodeError as error:
        raise ConfigError(source=path, line=error.line, key=error.key, expected=str(error)) from None
    except SchemaError as error:
        raise ConfigError(source=path, line=error.line, key=error.key, expected=error.expected) from None
    return document


def _parse_own(text: str) -> YamlDocument:
    from queries.yaml import load_with_lines  # noqa: PLC0415  # PyYAML

    return load_with_lines(text)


def _too_large(path: str) -> ConfigError:
    return ConfigError(source=path, expected=f"larger than {_LIMIT_BYTES >> 10} KiB, expected a checklist")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise _too_large(str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(source=str(path), expected="expected text in UTF-8") from None
    except OSError as error:
        raise ConfigError(source=str(path), expected=f"cannot be read: {error.strerror}") from None


def _queries(
    document: YamlDocument, namespace: str, path: str, signals: Mapping[str, Signal] | None = None
) -> dict[str, PanelSpec]:
    queries: Mapping[str, Mapping[str, Any]] = document.value.get("queries", {})
    specs: dict[str, PanelSpec] = {}
    for name, fields in queries.items():
        try:
            specs[name] = _spec(name, fields, namespace, signals)
        except SignalError as error:
            place = (_QUERIES, name, "expr")
            raise ConfigError(source=path, line=document.line(place), key=format_path(place), expected=str(error)) from None
    for name, spec in specs.items():
        if wrong := spec.threshold.order_error(lower_is_worse=spec.lower_is_worse):
            at: Place = ("queries", name, "critical")
            raise ConfigError(source=path, line=document.line(at), key=format_path(at), expected=wrong)
    return specs


@cache
def _shipped_queries(namespace: str) -> Mapping[str, PanelSpec]:
    path = SHIPPED / f"{_QUERIES}.yaml"
    return _queries(_load(_text(path), str(path), _QUERIES_DOCUMENT), namespace, str(path))


def _spec(name: str, fields: Mapping[str, Any], namespace: str, signals: Mapping[str, Signal] | None) -> PanelSpec:
    below = fields.get("below", False)
    written = fields["expr"].replace("$namespace", namespace).strip()
    raw = expand_query(written, signals=signals)
    return PanelSpec(
        id=name,
        title=fields["title"],
        unit=Unit(fields["unit"]),
        aggregation=Aggregation.MIN if below else Aggregation.MAX,
        raw=raw,
        template=written if raw != written else "",
        group_by=fields.get("by", ""),
        lower_is_worse=below,
        decimals=fields.get("decimals", 2),
        no_data_reason=fields.get("absent", ""),
        threshold=Threshold(fields.get("warn"), fields.get("critical")),
        range=Range.read(fields["range"]) if "range" in fields else None,
    )


def _is_due(value: Any) -> bool:
    return isinstance(value, str) and bool(_DUE.fullmatch(value))


def _moment(value: Any) -> float:
    """Unix seconds of a YAML timestamp or of text; ValueError without a time zone."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("no time zone")
    return found.timestamp()
