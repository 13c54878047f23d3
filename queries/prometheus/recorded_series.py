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
from queries.promql.code_stamp import code_stamp
from queries.shipped import recall

LATE_INTERVALS = 2.0
SLACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class LoadedRule:
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
        loaded = [LoadedRule(rule, group) for group in groups for rule in group.rules if rule.kind is RuleKind.RECORD]
        if not self.has_compared(groups, choice):
            seen = tuple(
                (item.group.file, item.group.name, item.rule.name, item.rule.expression, item.rule.labels) for item in loaded
            )
            coded = {metric: dict(states) for metric, states in choice.encodings.items()}
            if (seen, coded) != self._seen:
                self._compared = MappingProxyType(_recall_comparison(loaded, self._ours(choice), (seen, coded)))
                self._seen = (seen, coded)
            self._groups, self._choice = groups, choice
        return MappingProxyType(dict(_with_health(self._compared, loaded, now)))


def _recall_comparison(loaded: Sequence[LoadedRule], ours: Mapping[str, str], seen: object) -> dict[str, RecordedSeries]:
    """What the comparison of the same rules by the same code found before, or finds now. It takes the parser of PromQL, whose
    import and work are a tenth of a second.
    """

    def compare() -> list[list[object]]:
        from queries.prometheus.rule_comparison import compare_recordings  # noqa: PLC0415  # imports the parser

        return [
            [item.name, str(item.match), item.read, item.reason, item.ours, list(item.loaded), list(map(str, item.differs))]
            for item in compare_recordings(loaded, ours).values()
        ]

    rows = recall("rules", repr((seen, dict(ours), code_stamp())), compare)
    return {
        name: RecordedSeries(name, RuleMatch(match), read, reason, our, tuple(expressions), tuple(differs))
        for name, match, read, reason, our, expressions, differs in rows
    }


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
                found[rule.name, rule.labels].append(format_place(group))
    return tuple((name, tuple(places)) for (name, _), places in found.items() if len(places) > 1)


def format_place(group: RuleGroup) -> str:
    """File and name of a group, for people."""
    file = PurePosixPath(group.file).name
    return f"{file}: {group.name}" if file else group.name


def _with_health(book: RecordedBook, loaded: Iterable[LoadedRule], now: float) -> Iterator[tuple[str, RecordedSeries]]:
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
