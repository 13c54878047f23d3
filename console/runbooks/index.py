"""The runbooks: a team's own and those that ship with the console, and which of them serves an alert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from console.config.settings import Settings
from console.runbooks.page import Runbook, read_page
from queries.model.alert import Alert, RunbookMatch
from queries.model.series import Labels, label
from queries.text.suggestions import nearest

if TYPE_CHECKING:
    from queries.catalogue.signals import Signal

TRIAGE = "triage"
ANNOTATIONS = ("runbook_url", "runbook")
"""Where a rule names its page; the first one that leads to a page of ours counts."""
VAGUE = ("component", "triage")
"""How a page was found that says nothing of the alert itself."""
MOST_PAGES = 2_000
_SUFFIXES = (".md", ".markdown")
_NO_PAGES = frozenset({"readme", "index", "_index"})
_NAME_OF_ALERT = re.compile(r"\{\{-?\s*\$labels\.alertname\s*-?\}\}")


class NamedRule(Protocol):
    """An alerting rule, of a file or of a server."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def annotations(self) -> Labels: ...


@dataclass(frozen=True, slots=True)
class RunbookFound:
    """What a person's words led to: a page, and the alert that they name, where they name one. Without a page `error` says
    so, and what is spelled like it.
    """

    runbook: Runbook | None = None
    alert: str = ""
    error: str = ""
    matched_by: str = ""
    """How the page was found for the alert, as in `RunbookMatch`."""


@dataclass(frozen=True, slots=True)
class RunbookIndex:
    """Every runbook, sorted by id; broken ones are listed too. A team's own page hides the shipped one of its name."""

    runbooks: tuple[Runbook, ...] = ()
    fault: str = ""
    """Which folder could not be read and why, empty where all could."""
    _by_id: Mapping[str, Runbook] = field(init=False, repr=False, compare=False)
    _by_alert: tuple[Mapping[str, Runbook], Mapping[str, Runbook]] = field(init=False, repr=False, compare=False)
    """By the alerts that a page lists: of a team's own pages, and of the shipped ones."""

    def __post_init__(self) -> None:
        by_alert: tuple[dict[str, Runbook], dict[str, Runbook]] = ({}, {})
        by_id: dict[str, Runbook] = {}
        # What a page says itself comes before what a plain page took over from the one that it hides.
        for item in sorted(self.runbooks, key=lambda item: (not item.own, item.plain)):
            by_id.setdefault(spelled(item.id), item)
            for alert in item.alerts:
                by_alert[0 if item.own else 1].setdefault(spelled(alert), item)
        by_id.pop("", None)
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "_by_alert", by_alert)

    @classmethod
    def configured(cls, settings: Settings) -> RunbookIndex:
        """A team's folders first, then the one that ships with the console."""
        signals = None
        if settings.own.signals:
            from queries.catalogue.own_signals import read_own_signals  # noqa: PLC0415

            signals = read_own_signals(settings.own.signals).signals
        return cls.load(settings.paths.runbooks_dir, own=settings.own.runbooks, signals=signals)

    @classmethod
    def load(
        cls, directory: str | Path, *, own: Sequence[str | Path] = (), signals: Mapping[str, Signal] | None = None
    ) -> RunbookIndex:
        """Reads every page of the folders; never raises. `own` are a team's folders with all that is below them."""
        found: dict[str, Runbook] = {}
        faults: list[str] = []
        for folder, is_own in (*((item, True) for item in own), (directory, False)):
            root = Path(folder)
            try:
                files = sorted(_pages(root, nested=is_own))
            except OSError as error:
                faults.append(f"{folder}: {error.strerror}")
                continue
            if not files:
                faults.append(f"{folder}: no runbooks there")
            if len(files) > MOST_PAGES:
                faults.append(f"{folder}: {len(files)} pages, only the first {MOST_PAGES} are read")
            for path in files[:MOST_PAGES]:
                page = read_page(path, root=root, own=is_own, signals=signals)
                key = spelled(page.id) or page.path
                found[key] = _over(found[key], page) if key in found else page
        return cls(tuple(sorted(found.values(), key=lambda item: item.id)), "; ".join(faults))

    @property
    def ids(self) -> tuple[str, ...]:
        """Of every page, also of one that cannot be read."""
        return tuple(item.id for item in self.runbooks)

    def get(self, name: str) -> Runbook | None:
        """The runbook with this id in any spelling (`HighErrorRate.md`, `high_error_rate`). Only what was indexed is ever
        given, so no name can lead out of the folders."""
        return self._by_id.get(spelled(name))

    def for_alert_name(self, name: str) -> Runbook | None:
        """The runbook that lists this alert, or a team's own page that is called like it."""
        wanted = spelled(name)
        own, shipped = self._by_alert
        return own.get(wanted) or self._own(wanted) or shipped.get(wanted)

    def at(self, address: str) -> Runbook | None:
        """The runbook that a path or a URL leads to: by its last part, else by its fragment."""
        return next((found for name in names_in(address) if (found := self.get(name)) is not None), None)

    def match(self, alert: Alert) -> RunbookMatch:
        """A team's own pages before the shipped ones, and of each: what the page lists, what the alert's annotation names,
        what a page of one's own is called; then the component, else the general triage page."""
        return self._match(alert.name, alert.annotations, alert.component)

    def match_rule(self, rule: NamedRule) -> RunbookMatch:
        """The match of the alerts that a rule raises."""
        noted = tuple((key, _NAME_OF_ALERT.sub(rule.name, value)) for key, value in rule.annotations if key in ANNOTATIONS)
        return self._match(rule.name, noted, label(rule.labels, "component") or label(rule.labels, "team"))

    def find(self, words: str, rules: Iterable[NamedRule] = (), alerts: Iterable[Alert] = ()) -> RunbookFound:
        """The page that a path, a URL, a page's name or an alert's in any spelling means; for an alert the one that its
        screen opens. `alerts` are those that are known now, `rules` what may raise others.
        """
        exact = next((item for item in self.runbooks if words in (item.id, item.path)), None)
        if exact is None and _is_file(words):
            exact = next((item for item in self.runbooks if Path(item.path).resolve() == Path(words).resolve()), None)
        if exact is not None:
            return RunbookFound(exact)
        wanted = spelled(words)
        raised = tuple(rules)
        matches = [(item.name, self.match(item)) for item in alerts if wanted and spelled(item.name) == wanted]
        matches += [(item.name, self.match_rule(item)) for item in raised if wanted and spelled(item.name) == wanted]
        for name, match in sorted(matches, key=lambda item: item[1].matched_by in VAGUE):
            page = self.get(match.id)
            return RunbookFound(
                page, name, "" if page else f"no runbook fits {name}, and there is no triage page", match.matched_by
            )
        page = self.for_alert_name(words) or self.get(words) or self.at(words)
        if page is not None:
            return RunbookFound(page)
        names = [*(item.id for item in self.runbooks), *(item.name for item in raised)]
        names += [name for item in self.runbooks for name in item.alerts]
        near = nearest(next(names_in(words), words), dict.fromkeys(names), spelling=spelled)
        hint = f"did you mean {' or '.join(near)}?" if near else "`cad-console runbook --list` lists what there is"
        return RunbookFound(error=f"there is no runbook and no alert {words}; {hint}")

    def served(self, rules: Iterable[NamedRule]) -> Mapping[str, tuple[str, ...]]:
        """By page id: the alerts of these rules that a page serves, beside those that it lists."""
        found: dict[str, dict[str, None]] = {item.id: dict.fromkeys(item.alerts) for item in self.runbooks}
        for rule in rules:
            match = self.match_rule(rule)
            if match.matched_by not in VAGUE:
                found.setdefault(match.id, {})[rule.name] = None
        return {page: tuple(names) for page, names in found.items()}

    def _own(self, wanted: str) -> Runbook | None:
        found = self._by_id.get(wanted)
        return found if found is not None and found.own else None

    def _match(self, name: str, annotations: Labels, component: str) -> RunbookMatch:
        addresses = [address for key in ANNOTATIONS if (address := label(annotations, key))]
        url = next((address for address in addresses if _scheme(address) in ("http", "https")), "")
        for found, how in self._candidates(name, addresses, component):
            if found is not None:
                return RunbookMatch(found.id, found.path, how, url)
        return RunbookMatch(TRIAGE, "", "triage", url)

    def _candidates(self, name: str, addresses: Sequence[str], component: str) -> Iterator[tuple[Runbook | None, str]]:
        wanted = spelled(name)
        own, shipped = self._by_alert
        linked = next((page for address in addresses if (page := self.at(address)) is not None), None)
        yield own.get(wanted), "alertname"
        if linked is not None and linked.own:
            yield linked, "annotation"
        yield self._own(wanted), "file name"
        yield shipped.get(wanted), "alertname"
        yield linked, "annotation"
        if component:
            of = spelled(component)
            pages = sorted(self.runbooks, key=lambda item: not item.own)
            yield next((item for item in pages if item.component and spelled(item.component) == of), None), "component"
        yield self.get(TRIAGE), "triage"


def spelled(name: str) -> str:
    """`HighErrorRate.md`, `high-error-rate` and `high_error_rate` are one name."""
    bare = name.strip().lower().removesuffix(".markdown").removesuffix(".md").removesuffix(".html")
    return re.sub(r"[\W_]+", "", bare)


def last_part(address: str) -> str:
    """The last part of a path or URL, without query and fragment."""
    path = re.split(r"[?#]", address, maxsplit=1)[0].rstrip("/\\")
    return re.split(r"[/\\]", path)[-1]


def names_in(address: str) -> Iterator[str]:
    """What in a path or URL can name a page: the last part, then the fragment (`runbooks.md#high-error-rate`)."""
    for name in (last_part(address), address.partition("#")[2]):
        if name:
            yield unquote(name)


def _over(first: Runbook, hidden: Runbook) -> Runbook:
    """The page that was found first; a plain one says nothing of alerts, and serves those of the page that it hides."""
    if not first.plain or first.alerts:
        return first
    return replace(first, alerts=hidden.alerts, severity=hidden.severity, component=hidden.component)


def _pages(folder: Path, *, nested: bool) -> Iterator[Path]:
    """The Markdown files of a folder; hidden folders, such as Git's, are left out. Raises OSError."""
    for path in folder.rglob("*") if nested else folder.glob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _SUFFIXES and path.stem.lower() not in _NO_PAGES and not hidden:
            yield path


def _is_file(words: str) -> bool:
    try:
        return Path(words).is_file()
    except (OSError, ValueError):
        return False


def _scheme(address: str) -> str:
    """The scheme of an address, empty where it is none."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        return ""
