"""Which runbook matches an alert: a team's own pages and those that ship with the console, in the order of `_match_order`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from console.config.settings import Settings
from console.runbooks.page import Runbook, read_page
from console.runbooks.recalled_pages import recall_pages
from queries.model.alert import Alert, RunbookMatch
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.series import Labels, label
from queries.text.suggestions import nearest_names

if TYPE_CHECKING:
    from queries.catalogue.signals import Signal

TRIAGE = "triage"
ANNOTATIONS = ("runbook_url", "runbook")
"""The annotations in which a rule names its page; the first one that resolves to a known page counts."""
VAGUE = ("component", "triage")
"""The matches that are not specific to the alert."""
MAX_PAGES = 2_000
_SUFFIXES = (".md", ".markdown")
_IGNORED_STEMS = frozenset({"readme", "index", "_index"})
_NAME_OF_ALERT = lazy_pattern(r"\{\{-?\s*\$labels\.alertname\s*-?\}\}")


class NamedRule(Protocol):
    """An alerting rule, from a file or from a server."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def annotations(self) -> Labels: ...


@dataclass(frozen=True, slots=True)
class RunbookFound:
    """The page that a person's input resolves to, and the alert that it names, if any. Without a page, `error` says so and
    suggests similar names.
    """

    runbook: Runbook | None = None
    alert: str = ""
    error: str = ""
    matched_by: str = ""
    """How the page matched the alert, as in `RunbookMatch`."""


@dataclass(frozen=True, slots=True)
class RunbookIndex:
    """Every runbook, sorted by id, broken ones included. A team's own page replaces the shipped one of the same name."""

    runbooks: tuple[Runbook, ...] = ()
    fault: str = ""
    """The folders that could not be read, and why; empty if all could."""
    _by_id: Mapping[str, Runbook] = field(init=False, repr=False, compare=False)
    _by_alert: tuple[Mapping[str, Runbook], Mapping[str, Runbook]] = field(init=False, repr=False, compare=False)
    """The team's own pages and the shipped ones, by the alerts that they list."""

    def __post_init__(self) -> None:
        by_alert: tuple[dict[str, Runbook], dict[str, Runbook]] = ({}, {})
        by_id: dict[str, Runbook] = {}
        # The alerts that a page lists itself come before those that a plain page inherits from the page it replaces.
        for item in sorted(self.runbooks, key=lambda item: (not item.own, item.plain)):
            by_id.setdefault(normalize_page_name(item.id), item)
            for alert in item.alerts:
                by_alert[0 if item.own else 1].setdefault(normalize_page_name(alert), item)
        by_id.pop("", None)
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "_by_alert", by_alert)

    @classmethod
    def from_settings(cls, settings: Settings) -> RunbookIndex:
        """The team's folders first, then the one that ships with the console."""
        signals = None
        if settings.own.signals:
            from queries.catalogue.own_signals import read_own_signals  # noqa: PLC0415  # only for a team's own

            signals = read_own_signals(settings.own.signals).signals
        return cls.load(settings.paths.runbooks_dir, own=settings.own.runbooks, signals=signals)

    @classmethod
    def load(
        cls, directory: str | Path, *, own: Sequence[str | Path] = (), signals: Mapping[str, Signal] | None = None
    ) -> RunbookIndex:
        """Reads every page of the folders; never raises. `own` are a team's folders, read recursively."""
        pages: dict[str, Runbook] = {}
        faults: list[str] = []
        for folder, is_own in (*((item, True) for item in own), (directory, False)):
            root = Path(folder)
            try:
                files = sorted(_pages(root, nested=is_own))
            except OSError as error:
                faults.append(f"{folder}: {error.strerror}")
                continue
            if not files:
                faults.append(f"{folder}: no runbooks found")
            if len(files) > MAX_PAGES:
                faults.append(f"{folder}: {len(files)} pages, read only the first {MAX_PAGES}")
            read = files[:MAX_PAGES]
            if is_own or signals is not None:
                found = tuple(read_page(path, root=root, own=is_own, signals=signals) for path in read)
            else:
                found = recall_pages(read, root=root)
            for page in found:
                key = normalize_page_name(page.id) or page.path
                pages[key] = _replace_page(pages[key], page) if key in pages else page
        return cls(tuple(sorted(pages.values(), key=lambda item: item.id)), "; ".join(faults))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all pages, broken ones included."""
        return tuple(item.id for item in self.runbooks)

    def get(self, name: str) -> Runbook | None:
        """The runbook with this id in any spelling (`HighErrorRate.md`, `high_error_rate`).

        It returns only indexed pages, so no name can point outside the folders.
        """
        return self._by_id.get(normalize_page_name(name))

    def for_alert_name(self, name: str) -> Runbook | None:
        """The runbook that lists this alert, or a team's own page with its name."""
        key = normalize_page_name(name)
        own, shipped = self._by_alert
        return own.get(key) or self._own(key) or shipped.get(key)

    def for_address(self, address: str) -> Runbook | None:
        """The runbook that a path or URL names: by its last segment, else by its fragment."""
        return next((found for name in page_names(address) if (found := self.get(name)) is not None), None)

    def match(self, alert: Alert) -> RunbookMatch:
        """The team's own pages before the shipped ones: by the alerts that a page lists, by the alert's annotation, by a team
        page's file name; then by component, else the general triage page.
        """
        return self._match(alert.name, alert.annotations, alert.component)

    def match_rule(self, rule: NamedRule) -> RunbookMatch:
        """The match for the alerts that a rule raises."""
        links = tuple((key, _NAME_OF_ALERT.sub(rule.name, value)) for key, value in rule.annotations if key in ANNOTATIONS)
        return self._match(rule.name, links, label(rule.labels, "component") or label(rule.labels, "team"))

    def find(self, text: str, rules: Iterable[NamedRule] = (), alerts: Iterable[Alert] = ()) -> RunbookFound:
        """Resolves a path, a URL, a page's name or an alert's name in any spelling; an alert gives the page of its screen.

        `alerts` are the current ones, `rules` may raise others.
        """
        exact = next((item for item in self.runbooks if text in (item.id, item.path)), None)
        if exact is None and _is_file(text):
            exact = next((item for item in self.runbooks if Path(item.path).resolve() == Path(text).resolve()), None)
        if exact is not None:
            return RunbookFound(exact)
        key = normalize_page_name(text)
        all_rules = tuple(rules)
        matches = [(item.name, self.match(item)) for item in alerts if key and normalize_page_name(item.name) == key]
        matches += [(item.name, self.match_rule(item)) for item in all_rules if key and normalize_page_name(item.name) == key]
        for name, match in sorted(matches, key=lambda item: item[1].matched_by in VAGUE):
            page = self.get(match.id)
            return RunbookFound(
                page, name, "" if page else f"no runbook fits {name}, and there is no triage page", match.matched_by
            )
        page = self.for_alert_name(text) or self.get(text) or self.for_address(text)
        if page is not None:
            return RunbookFound(page)
        names = [*(item.id for item in self.runbooks), *(item.name for item in all_rules)]
        names += [name for item in self.runbooks for name in item.alerts]
        similar = nearest_names(next(page_names(text), text), dict.fromkeys(names), spelling=normalize_page_name)
        hint = f"did you mean {' or '.join(similar)}?" if similar else "`cad-console runbook --list` lists all"
        return RunbookFound(error=f"no runbook or alert is named {text}; {hint}")

    def alerts_by_page(self, rules: Iterable[NamedRule]) -> Mapping[str, tuple[str, ...]]:
        """By page id: the alerts that the page lists, and those of these rules that it matches."""
        alerts: dict[str, dict[str, None]] = {item.id: dict.fromkeys(item.alerts) for item in self.runbooks}
        for rule in rules:
            match = self.match_rule(rule)
            if match.matched_by not in VAGUE:
                alerts.setdefault(match.id, {})[rule.name] = None
        return {page: tuple(names) for page, names in alerts.items()}

    def _own(self, key: str) -> Runbook | None:
        page = self._by_id.get(key)
        return page if page is not None and page.own else None

    def _match(self, name: str, annotations: Labels, component: str) -> RunbookMatch:
        addresses = [address for key in ANNOTATIONS if (address := label(annotations, key))]
        url = next((address for address in addresses if _scheme(address) in ("http", "https")), "")
        for page, matched_by in self._match_order(name, addresses, component):
            if page is not None:
                return RunbookMatch(page.id, page.path, matched_by, url)
        return RunbookMatch(TRIAGE, "", "triage", url)

    def _match_order(self, name: str, addresses: Sequence[str], component: str) -> Iterator[tuple[Runbook | None, str]]:
        """The ways to match an alert to a page: the first that has a page wins, a team's own page before a shipped one."""
        key = normalize_page_name(name)
        own, shipped = self._by_alert
        linked = next((page for address in addresses if (page := self.for_address(address)) is not None), None)
        yield own.get(key), "alertname"
        if linked is not None and linked.own:
            yield linked, "annotation"
        yield self._own(key), "file name"
        yield shipped.get(key), "alertname"
        yield linked, "annotation"
        if component:
            component_key = normalize_page_name(component)
            pages = sorted((item for item in self.runbooks if item.component), key=lambda item: not item.own)
            yield next((item for item in pages if normalize_page_name(item.component) == component_key), None), "component"
        yield self.get(TRIAGE), "triage"


def normalize_page_name(name: str) -> str:
    """The same key for `HighErrorRate.md`, `high-error-rate` and `high_error_rate`."""
    bare = name.strip().lower().removesuffix(".markdown").removesuffix(".md").removesuffix(".html")
    return re.sub(r"[\W_]+", "", bare)


def basename(address: str) -> str:
    """The last segment of a path or URL, without query and fragment."""
    path = re.split(r"[?#]", address, maxsplit=1)[0].rstrip("/\\")
    return re.split(r"[/\\]", path)[-1]


def page_names(address: str) -> Iterator[str]:
    """The parts of a path or URL that may name a page: the last segment, then the fragment (`runbooks.md#high-error-rate`)."""
    for name in (basename(address), address.partition("#")[2]):
        if name:
            yield unquote(name)


def _replace_page(first: Runbook, replaced: Runbook) -> Runbook:
    """The first page wins; a plain one lists no alerts and inherits those of the page it replaces."""
    if not first.plain or first.alerts:
        return first
    return replace(first, alerts=replaced.alerts, severity=replaced.severity, component=replaced.component)


def _pages(folder: Path, *, nested: bool) -> Iterator[Path]:
    """The Markdown files of a folder, without hidden folders such as `.git`. Raises OSError."""
    for path in folder.rglob("*") if nested else _list_folder(folder):
        if path.suffix.lower() not in _SUFFIXES or path.stem.lower() in _IGNORED_STEMS:
            continue
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _list_folder(folder: Path) -> list[Path]:
    """Nothing for a folder that is missing or closed, as `glob`."""
    try:
        return [folder / name for name in os.listdir(folder)]  # noqa: PTH208  # twice as fast
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _scheme(address: str) -> str:
    """The scheme of an address, empty if it has none."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        return ""
