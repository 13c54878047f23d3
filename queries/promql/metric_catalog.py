"""What an expression can speak of: metric names, the labels that their series carry, and the labels' known values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from queries.catalogue.contract import Contract
from queries.catalogue.error_codes import Taxonomy
from queries.catalogue.exported import PARTS, ExportedMetric
from queries.promql.syntax import Selector


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric name. `labels` is None where it is not known what its series carry.

    `values` are all values that a label can take, `seen` some: there may be others. `type` is empty where it is not known.
    `certain` labels are on every series, `fixed` ones with one value; where `labels` is None, `lacks` are on none.
    """

    name: str
    labels: frozenset[str] | None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recorded: bool = False
    type: str = ""
    certain: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MetricCatalog:
    """The known names. `complete` says that what is not among them is exported by nobody; else it is only not known here.

    `target_labels` may be on any series that is scraped. `families` are types by the names that a scrape announces, which for
    a histogram is the name of no series.
    """

    words: Mapping[str, MetricInfo]
    target_labels: frozenset[str] = frozenset()
    complete: bool = False
    families: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_contract(cls, contract: Contract, taxonomy: Taxonomy) -> MetricCatalog:
        """What the contract promises, by the names under which it is stored, with the codes that are known."""
        words: dict[str, MetricInfo] = {}
        codes = {"code": tuple(sorted(taxonomy.words))}
        for metric in contract.metrics:
            for name in metric.series:
                more = frozenset({"le"}) if name.endswith("_bucket") else frozenset()
                each = frozenset(metric.labels) | more
                labels = None if metric.any_label else each | frozenset(metric.also)
                kind = "counter" if name != metric.name else metric.type
                seen = codes if "code" in each else {}
                words[name] = MetricInfo(name, labels, metric.values, seen, type=kind, certain=each)
        families = {metric.name: str(metric.type) for metric in contract.metrics}
        return cls(words, contract.target_labels, families=families)

    def with_exported(self, exported: Mapping[str, ExportedMetric]) -> MetricCatalog:
        """With what a build is known to export; what the contract says of a metric comes first."""
        words = dict(self.words)
        for family, metric in exported.items():
            for part in PARTS.get(metric.type, ("",)):
                name = family + part
                if part == "_sum" and metric.begins_below_zero:
                    words.pop(name, None)
                    continue
                more = {"le": metric.buckets} if part == "_bucket" and metric.buckets else {}
                each = frozenset(metric.labels) | (frozenset({"le"}) if part == "_bucket" else frozenset())
                word = words.get(name) or MetricInfo(name, each, type="counter" if part else metric.type, certain=each)
                words[name] = replace(word, seen={**metric.values, **more, **word.seen})
        families = {**{name: metric.type for name, metric in exported.items()}, **self.families}
        return replace(self, words=words, families=families)

    def get(self, name: str) -> MetricInfo | None:
        return self.words.get(name)

    def chosen(self, selector: Selector) -> tuple[MetricInfo | None, ...]:
        """The words that a selector can mean: None for each name that it spells out and that is not known."""
        if selector.metrics:
            return tuple(self.words.get(name) for name in selector.metrics)
        named = [item for item in selector.matchers if item.name == "__name__"]
        if not named:
            return (None,)
        return tuple(word for name, word in self.words.items() if all(item.takes(name) for item in named))

    def extended(self, words: Iterable[MetricInfo], *, complete: bool | None = None) -> MetricCatalog:
        """With more words; one that is there already is replaced."""
        more = {**self.words, **{word.name: word for word in words}}
        return replace(self, words=more, complete=self.complete if complete is None else complete)


class Spelling:
    """Finds the known name that is spelled much like another, among those that share a word with it."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_word: dict[str, list[str]] = {}
        self._found: dict[str, str] = {}
        self._slips: dict[str, bool] = {}
        for name in names:
            for word in _parts(name):
                self._by_word.setdefault(word, []).append(name)

    def near(self, name: str) -> str:
        """A known name that is spelled much like this one; empty where there is none."""
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def _search(self, name: str) -> str:
        shared: dict[str, int] = {}
        parts = _parts(name)
        for word in parts:
            for other in self._by_word.get(word, ())[:_MOST_OF_A_WORD]:
                shared[other] = shared.get(other, 0) + 1
        likely = sorted(shared, key=lambda other: -shared[other])[:_MOST_COMPARED]
        return next(iter(difflib.get_close_matches(name, likely, n=1, cutoff=0.8)), "")

    def is_slip(self, name: str) -> bool:
        """Whether the near name differs in one word alone, and there by a letter or two: `hit` and `hits`."""
        if name not in self._slips:
            self._slips[name] = _is_word_apart(_parts(name), _parts(self.near(name)))
        return self._slips[name]


_MOST_OF_A_WORD = 400
_MOST_COMPARED = 30
_SHORTEST_SLIP = 3
_SHORTEST_DOUBLE_SLIP = 6


def _parts(name: str) -> list[str]:
    return name.replace(":", "_").split("_")


def _is_word_apart(one: list[str], other: list[str]) -> bool:
    if len(one) != len(other):
        return False
    apart = [(left, right) for left, right in zip(one, other, strict=True) if left != right]
    return len(apart) == 1 and _is_letter_apart(*apart[0])


def _is_letter_apart(one: str, other: str) -> bool:
    """Whether a letter is missing, added, changed or swapped with the next; in a long word two of them."""
    short, long = sorted((one, other), key=len)
    if len(short) < _SHORTEST_SLIP:
        return False
    return _distance(short, long) <= (2 if len(long) >= _SHORTEST_DOUBLE_SLIP else 1)


def _distance(one: str, other: str) -> int:
    """How many letters have to be added, taken away, changed or swapped to make one word of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        above, before, row = before, row, [i]
        for j, against in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
