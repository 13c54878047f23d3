"""How each of our recorded names matches the rules of a server: by the loaded expression, its health and its lateness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType

from queries.catalogue.signals import DefinitionChoice
from queries.model.frozen import dataclass
from queries.model.rule import NOTHING_SEEN, RecordedBook, RecordedSeries, Rule, RuleGroup, RuleKind, RuleMatch
from queries.promql.equivalence import Forms, Incomparable
from queries.promql.normal_form import Form
from queries.promql.syntax import lex

LATE_INTERVALS = 2.0
SLACK_SECONDS = 30.0
_MOST_FOR_OTHER_NAMES = 2000
"""With more recorded series than this, none is searched under another name."""
_OURS, _LOADED = "ours", "loaded"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A recording rule of a server, with its group."""

    rule: Rule
    group: RuleGroup


class LoadedRules:
    """Compares the loaded expressions with ours, once per change; checks their health every time."""

    def __init__(self, ours: Callable[[DefinitionChoice], Mapping[str, str]]) -> None:
        """`ours` returns what our rules record, with the chosen encodings of circuit states."""
        self._ours = ours
        self._seen: object = None
        self._compared: RecordedBook = NOTHING_SEEN
        self._groups: Sequence[RuleGroup] = ()
        self._choice: DefinitionChoice | None = None

    def has_compared(self, groups: Sequence[RuleGroup], choice: DefinitionChoice) -> bool:
        """Whether `match` was last called with the same rules of these groups, so that it only checks their health."""
        return (
            choice is self._choice
            and len(groups) == len(self._groups)
            and all(
                group.rules is known.rules and (group.file, group.name) == (known.file, known.name)
                for group, known in zip(groups, self._groups, strict=True)
            )
        )

    def match(self, groups: Sequence[RuleGroup], choice: DefinitionChoice, *, now: float) -> RecordedBook:
        """`now` is the server's, Unix seconds. Takes a second if a thousand rules have changed: not for the event loop."""
        loaded = [_Loaded(rule, group) for group in groups for rule in group.rules if rule.kind is RuleKind.RECORD]
        if not self.has_compared(groups, choice):
            seen = tuple(
                (item.group.file, item.group.name, item.rule.name, item.rule.expression, item.rule.labels) for item in loaded
            )
            coded = {metric: dict(states) for metric, states in choice.encodings.items()}
            if (seen, coded) != self._seen:
                self._compared = MappingProxyType(_compare(loaded, self._ours(choice)))
                self._seen = (seen, coded)
            self._groups, self._choice = groups, choice
        return MappingProxyType(dict(_with_health(self._compared, loaded, now)))


def is_on_time(group: RuleGroup, now: float) -> bool:
    """Whether the group was evaluated within its last two intervals, plus some slack."""
    if not group.rules:
        return True
    return (
        group.evaluated_at is not None and now - group.evaluated_at <= LATE_INTERVALS * group.interval_seconds + SLACK_SECONDS
    )


def find_duplicate_records(groups: Iterable[RuleGroup]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names that two rules record with the same labels, and the groups: their series flip at every evaluation."""
    found: dict[tuple[str, object], list[str]] = defaultdict(list)
    for group in groups:
        for rule in group.rules:
            if rule.kind is RuleKind.RECORD:
                found[rule.name, rule.labels].append(_place(group))
    return tuple((name, tuple(places)) for (name, _), places in found.items() if len(places) > 1)


def _place(group: RuleGroup) -> str:
    file = PurePosixPath(group.file).name
    return f"{file}: {group.name}" if file else group.name


def _compare(loaded: Sequence[_Loaded], ours: Mapping[str, str]) -> dict[str, RecordedSeries]:
    by_name: dict[str, list[_Loaded]] = defaultdict(list)
    for item in loaded:
        by_name[item.rule.name].append(item)
    # A name that two rules record stays as it is in expressions that read it.
    # Labels with one value on all rules, such as vmalert's external labels, distinguish none of them.
    common = frozenset.intersection(*(frozenset(item.rule.labels) for item in loaded)) if loaded else frozenset()
    single = {
        name: items[0].rule.expression
        for name, items in by_name.items()
        if len(items) == 1 and common.issuperset(items[0].rule.labels)
    }
    forms = Forms(ours=ours, loaded=single)
    book: dict[str, RecordedSeries] = {}
    for name in ours:
        if by_name.get(name):
            book[name] = _match(forms, name, ours[name], by_name[name])
    missing = [name for name in ours if name not in book or book[name].match is not RuleMatch.SAME]
    if missing and len(loaded) <= _MOST_FOR_OTHER_NAMES:
        for name, other in _find_other_names(forms, missing, single):
            book[name] = RecordedSeries(name, RuleMatch.SAME, other, "", ours[name], (single[other],))
    return book


def _match(forms: Forms, name: str, ours: str, items: Sequence[_Loaded]) -> RecordedSeries:
    rules = [item.rule for item in items]
    loaded = rules[0].expression
    if len(rules) > 1:
        places = " and ".join(dict.fromkeys(_place(item.group) for item in items))
        text = f"{len(rules)} rules record {name} ({places}): its value may flip at every evaluation"
        return RecordedSeries(name, RuleMatch.TWICE, name, text, ours, tuple(rule.expression for rule in rules))
    words = {token[0] for token in lex(ours)}
    labels = [label for label, _ in rules[0].labels if label in words]
    if labels:
        text = f"the loaded rule sets {', '.join(labels)}"
        return RecordedSeries(name, RuleMatch.DIFFERENT, name, f"{name}: {text}", ours, (loaded,), ("labels",))
    try:
        differences = forms.differences((loaded, _LOADED), (ours, _OURS))
    except Incomparable as error:
        return RecordedSeries(name, RuleMatch.UNVERIFIED, name, f"{name}: {error}", ours, (loaded,))
    if not differences:
        return RecordedSeries(name, RuleMatch.SAME, name, "", ours, (loaded,))
    text = f"{name} is loaded with a different meaning: {'; '.join(item.text for item in differences)}"
    return RecordedSeries(
        name, RuleMatch.DIFFERENT, name, text, ours, (loaded,), tuple(dict.fromkeys(item.kind for item in differences))
    )


def _find_other_names(forms: Forms, missing: Iterable[str], single: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The names under which the server records what is missing under ours: of several the shortest."""
    missing_by_form: dict[tuple[int, str], list[str]] = defaultdict(list)
    for name in missing:
        try:
            missing_by_form[_key(forms.recorded(name, _OURS))].append(name)
        except Incomparable:
            continue
    for other in sorted(single, key=lambda item: (-len(item), item)):
        try:
            names = missing_by_form.get(_key(forms.recorded(other, _LOADED)), ())
        except Incomparable:
            continue
        yield from ((name, other) for name in names)


def _key(form: Form) -> tuple[int, str]:
    return form.number, f"{form.factor:.9g}"


def _with_health(book: RecordedBook, loaded: Iterable[_Loaded], now: float) -> Iterator[tuple[str, RecordedSeries]]:
    by_name = {item.rule.name: item for item in loaded}
    for name, series in book.items():
        item = by_name[series.read]
        if series.match is RuleMatch.SAME and item.rule.health == "err":
            text = f"the rule {series.read} fails: {item.rule.last_error or 'the server reports no reason'}"
            yield name, replace(series, match=RuleMatch.FAILING, reason=text)
        elif series.match is RuleMatch.SAME and not is_on_time(item.group, now):
            yield (
                name,
                replace(series, match=RuleMatch.LATE, reason=f"the group {item.group.name} missed its evaluation"),
            )
        else:
            yield name, series
